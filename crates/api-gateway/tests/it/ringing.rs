//! What a submit does besides its answer.

use std::time::Duration;

use bus::{EmbeddedBroker, RingConsumer};
use domain::Lane;
use reqwest::Method;
use serde_json::json;

use crate::house::{House, manager, telemetry};

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_rings_its_lane_for_its_row_and_the_trace_goes_on() {
    telemetry();
    let lane = Lane::export("default").unwrap();
    let broker = EmbeddedBroker::start(1).unwrap();
    broker.create_topic(lane.as_str(), 1).unwrap();
    let brokers = broker.bootstrap().to_owned();
    let house = House::open_with(|settings| settings.kafka.brokers = brokers).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let request = house
        .request(Method::POST, "/api/v1/exports")
        .bearer_auth(manager())
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .json(&json!({"dataset": "employee"}));
    assert_eq!(house.send(request).await.status, 202);

    let (row, stored): (u64, Option<String>) = house
        .database
        .one("SELECT id, trace_context FROM compensate_biz")
        .await;
    assert_eq!(trace_id(stored.as_deref()), Some(trace));
    let consumer = RingConsumer::join(&broker.settings(), &lane).unwrap();
    let delivery = tokio::time::timeout(Duration::from_secs(30), consumer.next()).await;
    let ring = delivery.expect("the ring comes").unwrap().content.unwrap();
    assert_eq!(
        ring.rungs.iter().map(|rung| rung.id.0).collect::<Vec<_>>(),
        [row]
    );
    assert_eq!(trace_id(ring.trace.traceparent()), Some(trace));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_tried_again_is_rung_at_its_new_epoch() {
    let lane = Lane::export("default").unwrap();
    let broker = EmbeddedBroker::start(1).unwrap();
    broker.create_topic(lane.as_str(), 1).unwrap();
    let brokers = broker.bootstrap().to_owned();
    let house = House::open_with(|settings| settings.kafka.brokers = brokers).await;
    let task = house.an_export(&manager()).await;
    for act in ["cancel", "retry"] {
        let path = format!("/api/v1/tasks/{task}/{act}");
        let answer = house.post(&manager(), &path, &json!({})).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    let (row, epoch): (u64, u64) = house
        .database
        .one("SELECT id, lease_epoch FROM compensate_biz")
        .await;
    let consumer = RingConsumer::join(&broker.settings(), &lane).unwrap();
    let mut rung = Vec::new();
    for _ in 0..2 {
        let delivery = tokio::time::timeout(Duration::from_secs(30), consumer.next()).await;
        let ring = delivery.expect("the ring comes").unwrap().content.unwrap();
        rung.extend(ring.rungs.iter().map(|rung| (rung.id.0, rung.epoch.0)));
    }
    assert_eq!(rung, [(row, 0), (row, epoch)]);
    assert_eq!(epoch, 2, "cancel and retry each raised it");
}

fn trace_id(traceparent: Option<&str>) -> Option<&str> {
    traceparent?.split('-').nth(1)
}
