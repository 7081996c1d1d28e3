//! Laws of the producer.

use std::time::{Duration, Instant};

use bus::{BusError, Fault, MAX_ROWS_PER_RING, Request, RingConsumer, Ringer, TraceHeaders};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::instrument::WithSubscriber;
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{
    BOUND, close, embedded, lane, next, only_id, ring, ring_until_confirmed, rung, within,
};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_brings_its_rows_and_the_trace_of_whoever_rang() {
    let lane = lane();
    let (_broker, settings) = embedded(&lane, 1);
    let ringer = Ringer::new(&settings).unwrap();
    let rungs = [rung(1), rung(u64::MAX - 1), rung(0)];
    let trace = TraceHeaders::new(Some(TRACEPARENT.to_owned()), Some("quay=side".to_owned()));

    within("the ring", ringer.ring(&lane, &rungs, &trace))
        .await
        .unwrap();

    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    let ring = next(&consumer).await.content.unwrap();
    assert_eq!(ring.rungs, rungs);
    assert_eq!(ring.trace.tracestate(), Some("quay=side"));
    assert_eq!(
        ring.trace, trace,
        "where nothing records traces, the row's own goes on"
    );
    close(consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ring_is_a_span_of_the_trace_that_asked_for_it() {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let tracer = SdkTracerProvider::builder().build().tracer("test");
    let subscriber =
        tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(tracer));
    let lane = lane();
    let (_broker, settings) = embedded(&lane, 1);
    let ringer = Ringer::new(&settings).unwrap();
    let trace = TraceHeaders::new(Some(TRACEPARENT.to_owned()), None);

    let rung = [rung(1)];
    let rang = ringer
        .ring(&lane, &rung, &trace)
        .with_subscriber(subscriber);
    within("the ring", rang).await.unwrap();

    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    let came = next(&consumer).await.content.unwrap().trace;
    let came = came.traceparent().unwrap();
    assert_eq!(came[..36], TRACEPARENT[..36], "the same trace");
    assert_ne!(came[36..52], TRACEPARENT[36..52], "the ring's own span");
    close(consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_to_an_absent_broker_fails_within_the_delivery_timeout_and_the_next_succeeds() {
    let lane = lane();
    let (broker, mut settings) = embedded(&lane, 1);
    settings.delivery_timeout_ms = 1_000;
    let ringer = Ringer::new(&settings).unwrap();
    ring_until_confirmed(&ringer, &lane).await;
    broker.down().unwrap();

    let started = Instant::now();
    let failed = ringer
        .ring(&lane, &[rung(2)], &TraceHeaders::default())
        .await;

    assert!(
        matches!(failed, Err(BusError::Undelivered { .. })),
        "{failed:?}"
    );
    assert!(
        started.elapsed() < Duration::from_millis(3_000),
        "{:?}",
        started.elapsed()
    );
    broker.up().unwrap();
    ring_until_confirmed(&ringer, &lane).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_survives_a_cut_connection_and_a_moved_leader() {
    let lane = lane();
    let (broker, settings) = embedded(&lane, 1);
    let ringer = Ringer::new(&settings).unwrap();
    broker.fail(Request::Produce, Fault::Disconnect, 1).unwrap();
    broker.fail(Request::Produce, Fault::NotLeader, 1).unwrap();

    ring(&ringer, &lane, [1, 2]).await;

    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    assert_eq!(only_id(&next(&consumer).await), 1);
    close(consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_delivers_what_is_on_its_way_before_the_ringer_ends() {
    let lane = lane();
    let (broker, mut settings) = embedded(&lane, 1);
    settings.delivery_timeout_ms = 20_000;
    let ringer = Ringer::new(&settings).unwrap();
    ring(&ringer, &lane, [1]).await;
    broker.down().unwrap();
    {
        let rows = [rung(2)];
        let trace = TraceHeaders::default();
        let mut given_up = Box::pin(ringer.ring(&lane, &rows, &trace));
        assert!(futures::poll!(&mut given_up).is_pending());
    }

    let flush = async {
        let mut flush = Box::pin(ringer.flush(BOUND));
        assert!(futures::poll!(&mut flush).is_pending());
        broker.up().unwrap();
        flush.await
    };
    within("the flush", flush).await.unwrap();
    drop(ringer);

    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    assert_eq!(only_id(&next(&consumer).await), 1);
    assert_eq!(only_id(&next(&consumer).await), 2);
    close(consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_to_an_absent_broker_ends_in_time() {
    let lane = lane();
    let (broker, settings) = embedded(&lane, 1);
    let ringer = Ringer::new(&settings).unwrap();
    ring(&ringer, &lane, [1]).await;
    broker.down().unwrap();
    let rows = [rung(2)];
    let trace = TraceHeaders::default();
    let mut given_up = Box::pin(ringer.ring(&lane, &rows, &trace));
    assert!(futures::poll!(&mut given_up).is_pending());

    let started = Instant::now();
    let flushed = ringer.flush(Duration::from_millis(300)).await;

    assert!(
        matches!(flushed, Err(BusError::TimedOut { .. })),
        "{flushed:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_gave_up_is_replaced() {
    let lane = lane();
    let (broker, mut settings) = embedded(&lane, 1);
    settings.delivery_timeout_ms = 1_000;
    broker
        .fail(Request::InitProducer, Fault::Forbidden, 1)
        .unwrap();
    let ringer = Ringer::new(&settings).unwrap();

    let refused = ringer
        .ring(&lane, &[rung(1)], &TraceHeaders::default())
        .await;

    assert!(
        matches!(refused, Err(BusError::Undelivered { .. })),
        "{refused:?}"
    );
    ring_until_confirmed(&ringer, &lane).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ringing_makes_no_topic() {
    let lane = lane();
    let (_broker, mut settings) = embedded(&lane, 1);
    settings.delivery_timeout_ms = 1_000;
    let ringer = Ringer::new(&settings).unwrap();
    let stranger = crate::support::lane();

    for _ in 0..2 {
        let failed = ringer
            .ring(&stranger, &[rung(1)], &TraceHeaders::default())
            .await;
        assert!(
            matches!(failed, Err(BusError::Undelivered { .. })),
            "{failed:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_holds_at_least_one_row_and_at_most_its_bound() {
    let lane = lane();
    let (_broker, settings) = embedded(&lane, 1);
    let ringer = Ringer::new(&settings).unwrap();
    let trace = TraceHeaders::default();
    let full: Vec<_> = (0..MAX_ROWS_PER_RING as u64)
        .map(|id| rung(u64::MAX - 1 - id))
        .collect();
    let over = vec![rung(1); MAX_ROWS_PER_RING + 1];

    let none = ringer.ring(&lane, &[], &trace).await;
    assert!(matches!(none, Err(BusError::RingSize { rows: 0 })));
    let over = ringer.ring(&lane, &over, &trace).await;
    assert!(matches!(over, Err(BusError::RingSize { .. })));
    within("the ring", ringer.ring(&lane, &full, &trace))
        .await
        .unwrap();

    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    assert_eq!(next(&consumer).await.content.unwrap().rungs, full);
    close(consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_a_present_broker_from_an_absent_one() {
    let lane = lane();
    let (broker, settings) = embedded(&lane, 1);
    let ringer = Ringer::new(&settings).unwrap();

    assert_eq!(
        within("an answer", ringer.health(BOUND))
            .await
            .unwrap()
            .count,
        1
    );

    broker.down().unwrap();
    let absent = ringer.health(Duration::from_millis(300)).await;
    assert!(matches!(
        absent,
        Err(BusError::Refused { .. } | BusError::TimedOut { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_would_break_a_promise_are_refused_and_secrets_are_not_shown() {
    let lane = lane();
    let (_broker, settings) = embedded(&lane, 1);

    let broken = settings.clone().with("enable.auto.offset.store", "true");
    let refused = RingConsumer::join(&broken, &lane).err().unwrap();
    assert!(matches!(refused, BusError::FixedSetting { key } if key == "enable.auto.offset.store"));
    let broken = settings.clone().with("acks", "0");
    assert!(matches!(
        Ringer::new(&broken).err(),
        Some(BusError::FixedSetting { .. })
    ));
    let unknown = settings.clone().with("no.such.setting", "1");
    assert!(matches!(
        Ringer::new(&unknown).err(),
        Some(BusError::Settings(_))
    ));

    let secret = settings.with("sasl.password", "hunter2");
    assert!(!format!("{secret:?}").contains("hunter2"));
}
