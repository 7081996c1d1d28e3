//! A broker that answers with errors, and one that has forgotten the group: nothing is lost, no offset passes what was not acknowledged, and everything goes on by itself.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use bus::{
    BusSettings, EmbeddedBroker, Fault, Request, RingConsumer, Ringer, TopicPlan, TraceHeaders,
    create_topics,
};
use domain::Lane;
use futures::future::join_all;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;

use crate::support::{
    close, committed, crash, drive, embedded, kafka, lane, next, only_id, ring,
    ring_until_confirmed, rung,
};

/// So many in a row.
const TIMES: u8 = 2;

/// A broker that soon misses a member, since each of these tests waits for that.
fn impatient(lane: &Lane) -> (EmbeddedBroker, BusSettings) {
    let (broker, settings) = embedded(lane, 1);
    let settings = settings.with("session.timeout.ms", "4000");
    (broker, settings.with("heartbeat.interval.ms", "300"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_outlives_every_error_that_a_broker_may_get_over() {
    let lane = lane();
    let (broker, settings) = embedded(&lane, 1);
    let ringer = Ringer::new(&settings).unwrap();
    let faults = [
        Fault::Disconnect,
        Fault::NotLeader,
        Fault::NotEnoughReplicas,
    ];
    for (id, fault) in (0..).zip(faults) {
        broker.fail(Request::Produce, fault, TIMES).unwrap();
        ring(&ringer, &lane, [id]).await;
    }
    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    for id in 0..3 {
        assert_eq!(only_id(&next(&consumer).await), id);
    }
    close(consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_that_the_broker_refuses_is_told_and_the_next_one_is_delivered() {
    for fault in [Fault::Forbidden, Fault::OutOfOrder] {
        let lane = lane();
        let (broker, mut settings) = embedded(&lane, 1);
        settings.delivery_timeout_ms = 1_000;
        let ringer = Ringer::new(&settings).unwrap();
        ring_until_confirmed(&ringer, &lane).await;
        broker.fail(Request::Produce, fault, u8::MAX).unwrap();
        let trace = TraceHeaders::default();
        let refused = ringer.ring(&lane, &[rung(1)], &trace).await;
        assert!(refused.is_err(), "{fault:?}: {refused:?}");
        broker.forgive(Request::Produce).unwrap();
        ring_until_confirmed(&ringer, &lane).await;
    }
}

/// Joins through an error, at a slow broker, and takes the ring that waits.
async fn joins_through(request: Request, fault: Fault) {
    let lane = lane();
    let (broker, settings) = impatient(&lane);
    ring(&Ringer::new(&settings).expect("a ringer"), &lane, [7]).await;
    broker.fail(request, fault, 1).expect("it lives");
    broker
        .set_round_trip(Duration::from_millis(50))
        .expect("it lives");
    let consumer = RingConsumer::join(&settings, &lane).expect("a member");
    let came = only_id(&next(&consumer).await);
    assert_eq!(came, 7, "{request:?} {fault:?}");
    close(consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_gets_into_its_group_through_every_error_on_the_way() {
    let on_the_way = [
        (Request::FindCoordinator, Fault::Disconnect),
        (Request::Join, Fault::Disconnect),
        (Request::Join, Fault::NotCoordinator),
        (Request::Join, Fault::UnknownMember),
        (Request::Sync, Fault::Disconnect),
        (Request::Sync, Fault::Rebalancing),
        (Request::Sync, Fault::UnknownMember),
        (Request::Fetch, Fault::Disconnect),
        (Request::Fetch, Fault::NotLeader),
    ];
    join_all(on_the_way.map(|(request, fault)| joins_through(request, fault))).await;
}

/// A member that has taken three rings and acknowledged the first.
async fn a_member_with_three(lane: &Lane) -> (EmbeddedBroker, BusSettings, RingConsumer) {
    let (broker, settings) = impatient(lane);
    ring(&Ringer::new(&settings).expect("a ringer"), lane, 0..3).await;
    let consumer = RingConsumer::join(&settings, lane).expect("a member");
    let mut first = None;
    for _ in 0..3 {
        let delivery = next(&consumer).await;
        first.get_or_insert(delivery.at);
    }
    consumer.acknowledge(first.expect("three came"));
    (broker, settings, consumer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_was_thrown_out_joins_anew_and_is_given_what_it_had_not_acknowledged() {
    let lane = lane();
    let (broker, settings, consumer) = a_member_with_three(&lane).await;
    broker
        .fail(Request::Heartbeat, Fault::UnknownMember, 1)
        .unwrap();
    let again = RefCell::new(BTreeSet::new());
    drive(
        "what was not acknowledged comes again",
        &[&consumer],
        |_, delivery| {
            again.borrow_mut().insert(only_id(&delivery));
            consumer.acknowledge(delivery.at);
        },
        || again.borrow().is_superset(&BTreeSet::from([1, 2])),
    )
    .await;
    close(consumer).await;
    assert_eq!(committed(&settings, &lane, 1).await, [Some(3)]);
}

/// The offset that the group has in the end, while the member lives on.
async fn committed_in_the_end(settings: &BusSettings, lane: &Lane, consumer: &RingConsumer) {
    loop {
        let silence = tokio::time::timeout(Duration::from_millis(200), consumer.next()).await;
        assert!(silence.is_err(), "nothing comes again: {silence:?}");
        if committed(settings, lane, 1).await == [Some(1)] {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_is_made_later_and_costs_no_ring() {
    let outcomes = [Fault::Disconnect, Fault::NotCoordinator].map(async |fault| {
        let lane = lane();
        let (broker, settings) = impatient(&lane);
        ring(&Ringer::new(&settings).unwrap(), &lane, [0]).await;
        let consumer = RingConsumer::join(&settings, &lane).unwrap();
        let delivery = next(&consumer).await;
        broker.fail(Request::Commit, fault, TIMES).unwrap();
        consumer.acknowledge(delivery.at);
        let waited = committed_in_the_end(&settings, &lane, &consumer);
        crate::support::within("the commit", waited).await;
        close(consumer).await;
    });
    join_all(outcomes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_refused_for_good_brings_the_rings_again_and_skips_none() {
    let lane = lane();
    let (broker, settings) = impatient(&lane);
    ring(&Ringer::new(&settings).unwrap(), &lane, 0..3).await;
    broker
        .fail(Request::Commit, Fault::UnknownMember, u8::MAX)
        .unwrap();
    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    for _ in 0..2 {
        consumer.acknowledge(next(&consumer).await.at);
    }
    crash(consumer).await;
    broker.forgive(Request::Commit).unwrap();
    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    for id in 0..3 {
        assert_eq!(only_id(&next(&consumer).await), id);
    }
    close(consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_whose_offsets_are_gone_is_given_every_ring_again_and_misses_none() {
    let (settings, lane) = (kafka(), lane());
    let plan = TopicPlan::new(lane.as_str(), 1, 1);
    create_topics(&settings, &[plan]).await.unwrap();
    ring(&Ringer::new(&settings).unwrap(), &lane, 0..3).await;
    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    for _ in 0..3 {
        consumer.acknowledge(next(&consumer).await.at);
    }
    close(consumer).await;
    assert_eq!(committed(&settings, &lane, 1).await, [Some(3)]);

    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .create()
        .unwrap();
    let group = [lane.as_str()];
    let deleted = admin.delete_groups(&group, &AdminOptions::new()).await;
    deleted.unwrap()[0].clone().unwrap();
    assert_eq!(committed(&settings, &lane, 1).await, [None]);

    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    for id in 0..3 {
        assert_eq!(only_id(&next(&consumer).await), id);
    }
    close(consumer).await;
}
