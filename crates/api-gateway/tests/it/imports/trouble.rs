//! Clients that go away, storage and database that are away.

use bus::{EmbeddedBroker, RingConsumer};
use domain::Lane;
use std::time::Duration;

use crate::form::{CSV, Form, HalfUpload};
use crate::house::{House, manager};

fn large() -> Form {
    let file: Vec<u8> = CSV.iter().copied().cycle().take(12_000_000).collect();
    Form::new().field("dataset", "member").file("m.csv", &file)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_in_mid_upload_leaves_no_object_and_no_task() {
    let house = House::open().await;
    // Cut before, and after a part of it is in storage.
    for left in [11_800_000, 100] {
        let half = HalfUpload::begin(&house, &manager(), &large(), left).await;
        testkit::eventually("the upload is begun", async || {
            let states = house.uploads().await;
            (states.last().map(String::as_str) == Some("PENDING")).then_some(())
        })
        .await;
        drop(half);
        house.assert_nothing_is_left().await;
    }
    assert_eq!(house.uploads().await, ["DELETED", "DELETED"]);
    assert_eq!(house.import(&manager(), &Form::of_csv()).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_falls_silent_is_let_go_and_leaves_nothing() {
    let house = House::open_with(|settings| settings.http.upload_silence_seconds = 1).await;
    let half = HalfUpload::begin(&house, &manager(), &large(), 6_000_000).await;
    let answer = half.answer().await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("in time"), "{answer}");
    assert_eq!(house.uploads().await, ["DELETED"]);
    house.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_ends_in_time_however_its_client_drips() {
    let house = House::open_with(|settings| settings.http.upload_seconds = 1).await;
    let half = HalfUpload::begin(&house, &manager(), &large(), 6_000_000).await;
    let answer = half.answer().await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    house.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_that_is_away_is_503_with_a_time_to_come_back_and_nothing_was_accepted() {
    let house = House::open().await;
    // Where the tenant's directory should be lies a file: nothing can be written below it.
    let in_the_way = house.directory().join("acme");
    std::fs::write(&in_the_way, b"").unwrap();
    let away = house.import(&manager(), &Form::of_csv()).await;
    assert_eq!(
        (away.status, away.problem().as_str()),
        (503, "storage_unavailable")
    );
    assert!(away.header("retry-after").is_some());
    let text = String::from_utf8_lossy(&away.body).into_owned();
    assert!(!text.contains("acme") && !text.contains("tmp"), "{text}");
    assert_eq!(house.written().await, (0, 0));
    assert_eq!(house.uploads().await, ["DELETED"]);
    std::fs::remove_file(in_the_way).unwrap();
    assert_eq!(house.import(&manager(), &Form::of_csv()).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_503_and_nothing_is_stored() {
    let house = House::open_with(|settings| {
        settings.mysql.url = "mysql://root@127.0.0.1:1/nowhere".into();
    })
    .await;
    let away = house.import(&manager(), &Form::of_csv()).await;
    assert_eq!(
        (away.status, away.problem().as_str()),
        (503, "database_unavailable")
    );
    assert_eq!(away.header("retry-after"), Some("5"));
    assert_eq!(house.stored(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_rings_its_lane_for_its_row() {
    let lane = Lane::import("default").unwrap();
    let broker = EmbeddedBroker::start(1).unwrap();
    broker.create_topic(lane.as_str(), 1).unwrap();
    let brokers = broker.bootstrap().to_owned();
    let house = House::open_with(|settings| settings.kafka.brokers = brokers).await;
    house.an_import(&manager()).await;
    let row: u64 = house.database.one("SELECT id FROM compensate_biz").await;
    let consumer = RingConsumer::join(&broker.settings(), &lane).unwrap();
    let delivery = tokio::time::timeout(Duration::from_secs(30), consumer.next()).await;
    let ring = delivery.expect("the ring comes").unwrap().content.unwrap();
    let rung: Vec<u64> = ring.rungs.iter().map(|rung| rung.id.0).collect();
    assert_eq!(rung, [row]);
}
