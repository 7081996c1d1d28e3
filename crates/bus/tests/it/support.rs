//! What the tests say often: a bounded wait, a lane of one's own, a raw message, a look at a group.

use std::future::Future;
use std::time::Duration;

use bus::{BusSettings, Delivery, EmbeddedBroker, Ring, RingConsumer, Ringer, TraceHeaders};
use domain::{CompensateBizId, Lane, LeaseEpoch, Rung};
use futures::future::select_all;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// No test waits longer for anything.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(BOUND, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {BOUND:?}"),
    }
}

pub(crate) fn lane() -> Lane {
    Lane::export(&format!("test-{}", uuid::Uuid::new_v4())).expect("a topic name")
}

pub(crate) fn embedded(lane: &Lane, partitions: u16) -> (EmbeddedBroker, BusSettings) {
    let broker = EmbeddedBroker::start(1).expect("an embedded broker");
    broker
        .create_topic(lane.as_str(), partitions)
        .expect("a topic");
    let settings = broker.settings().with("session.timeout.ms", "6000");
    (broker, settings)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where these tests learn it"
)]
pub(crate) fn kafka() -> BusSettings {
    let brokers = std::env::var("QUAYSIDE_TEST_KAFKA")
        .expect("QUAYSIDE_TEST_KAFKA names no broker: run ./dev test");
    BusSettings::new(brokers)
        .with("session.timeout.ms", "6000")
        .with("topic.metadata.refresh.interval.ms", "500")
}

pub(crate) fn rung(id: u64) -> Rung {
    Rung {
        id: CompensateBizId(id),
        epoch: LeaseEpoch(id + 1),
    }
}

/// Rings once for each id.
pub(crate) async fn ring(ringer: &Ringer, lane: &Lane, ids: impl IntoIterator<Item = u64>) {
    for id in ids {
        let (rungs, trace) = ([rung(id)], TraceHeaders::default());
        let rang = ringer.ring(lane, &rungs, &trace);
        within("the ring is confirmed", rang)
            .await
            .expect("a confirmation");
    }
}

/// Rings for row 100 until it succeeds, where a delivery time-out is short or a topic is new.
pub(crate) async fn ring_until_confirmed(ringer: &Ringer, lane: &Lane) {
    let (rungs, trace) = ([rung(100)], TraceHeaders::default());
    let rang = async { while ringer.ring(lane, &rungs, &trace).await.is_err() {} };
    within("a ring is confirmed", rang).await;
}

pub(crate) fn only_id(delivery: &Delivery) -> u64 {
    let Ok(Ring { rungs, .. }) = &delivery.content else {
        panic!("poison: {delivery:?}")
    };
    assert_eq!(rungs.len(), 1);
    rungs[0].id.0
}

pub(crate) async fn next(consumer: &RingConsumer) -> Delivery {
    within("a ring comes", consumer.next())
        .await
        .expect("a message")
}

/// Polls all consumers and hands on what they receive, with the index of who received it, until
/// `done` says so. It is asked after each delivery and at least every 50 ms.
pub(crate) async fn drive(
    what: &str,
    consumers: &[&RingConsumer],
    mut received: impl FnMut(usize, Delivery),
    mut done: impl FnMut() -> bool,
) {
    // `done` often looks at what `received` collects, so the two are called one after the other.
    within(what, async {
        while !done() {
            let all = consumers.iter().map(|consumer| Box::pin(consumer.next()));
            let first = tokio::time::timeout(Duration::from_millis(50), select_all(all)).await;
            if let Ok((delivery, who, _)) = first {
                received(who, delivery.expect("a message"));
            }
        }
    })
    .await;
}

/// Asserts that nothing comes for so long, while the consumer takes part in its group.
pub(crate) async fn silent(consumer: &RingConsumer, time: Duration) {
    if let Ok(delivery) = tokio::time::timeout(time, consumer.next()).await {
        panic!("nothing should come: {delivery:?}");
    }
}

/// Produces a message as it is, well formed or not.
pub(crate) async fn produce(settings: &BusSettings, lane: &Lane, payload: Option<&[u8]>) {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .create()
        .expect("a client");
    let mut record = FutureRecord::<[u8], [u8]>::to(lane.as_str()).partition(0);
    record.payload = payload;
    let headers = OwnedHeaders::new().insert(rdkafka::message::Header {
        key: "origin",
        value: Some("test"),
    });
    producer
        .send(record.headers(headers), BOUND)
        .await
        .expect("the message is taken");
}

/// The group's committed offset on each of so many partitions; `None` where there is none.
pub(crate) async fn committed(
    settings: &BusSettings,
    lane: &Lane,
    partitions: i32,
) -> Vec<Option<i64>> {
    let (settings, lane) = (settings.clone(), lane.clone());
    let look = move || {
        let reader: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &settings.brokers)
            .set("group.id", lane.as_str())
            .create()
            .expect("a client");
        let mut list = TopicPartitionList::new();
        list.add_partition_range(lane.as_str(), 0, partitions - 1);
        let found = reader.committed_offsets(list, BOUND).expect("offsets");
        let offset =
            |one: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match one.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
        found.elements().iter().map(offset).collect()
    };
    tokio::task::spawn_blocking(look).await.expect("no panic")
}

pub(crate) async fn close(consumer: RingConsumer) {
    consumer.close(BOUND).await.expect("an orderly end");
}

/// As close to a crash as one process comes: nothing is said about what was not acknowledged.
pub(crate) async fn crash(consumer: RingConsumer) {
    tokio::task::spawn_blocking(move || drop(consumer))
        .await
        .expect("no panic");
}
