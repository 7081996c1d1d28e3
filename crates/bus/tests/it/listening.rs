//! Laws of the consumer, on the embedded broker.

use std::time::Duration;

use bus::{PoisonReason, RingConsumer, Ringer};

use crate::support::{
    close, committed, crash, drive, embedded, lane, next, only_id, produce, ring, silent,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_apart_and_the_loop_goes_on() {
    let lane = lane();
    let (_broker, settings) = embedded(&lane, 1);
    // Written by hand from the protobuf encoding: 08 is schema_version, 12 a row, 08 its id.
    let rubbish_behind: &[u8] = &[0x08, 1, 0x12, 2, 0x08, 7, 0x1a, 1, 0xff];
    let bad: [(Option<&[u8]>, PoisonReason); 8] = [
        (None, PoisonReason::Empty),
        (Some(b""), PoisonReason::Empty),
        (Some(b"not a ring"), PoisonReason::Malformed),
        (Some(rubbish_behind), PoisonReason::Malformed),
        (Some(&[0x08, 1, 0x12, 200]), PoisonReason::Malformed),
        (
            Some(&[0x08, 99, 0x12, 2, 0x08, 7]),
            PoisonReason::UnknownVersion,
        ),
        (Some(&[0x08, 1]), PoisonReason::NoRows),
        (Some(&[0; 100_000]), PoisonReason::TooLarge),
    ];
    for (payload, _) in bad {
        produce(&settings, &lane, payload).await;
    }
    produce(&settings, &lane, Some(&[0x08, 1, 0x12, 2, 0x08, 7])).await;

    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    for (payload, reason) in bad {
        let delivery = next(&consumer).await;
        let poison = delivery.content.unwrap_err();
        assert_eq!(poison.reason, reason, "{}", poison.detail);
        assert!(!poison.detail.is_empty());
        assert_eq!(
            poison.payload.as_deref().unwrap_or_default(),
            payload.unwrap_or_default()
        );
        assert_eq!(
            poison.headers,
            [("origin".to_owned(), Some(b"test".to_vec()))]
        );
        consumer.acknowledge(delivery.at);
    }
    assert_eq!(only_id(&next(&consumer).await), 7);
    close(consumer).await;
    assert_eq!(
        committed(&settings, &lane, 1).await,
        [Some(8)],
        "poison is acknowledged too"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_offset_stops_at_the_first_ring_that_is_not_acknowledged() {
    let lane = lane();
    let (_broker, settings) = embedded(&lane, 1);
    ring(&Ringer::new(&settings).unwrap(), &lane, 0..5).await;

    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    let mut out = Vec::new();
    for _ in 0..5 {
        out.push(next(&consumer).await.at);
    }
    for done in [4, 1, 0, 0, 3] {
        consumer.acknowledge(out[done]);
    }
    close(consumer).await;

    assert_eq!(committed(&settings, &lane, 1).await, [Some(2)]);
    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    for id in 2..5 {
        assert_eq!(only_id(&next(&consumer).await), id);
    }
    close(consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_what_was_not_acknowledged_comes_again() {
    let lane = lane();
    let (_broker, settings) = embedded(&lane, 1);
    let ringer = Ringer::new(&settings).unwrap();
    ring(&ringer, &lane, 0..3).await;

    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    let first = next(&consumer).await;
    consumer.acknowledge(first.at);
    next(&consumer).await;
    crash(consumer).await;

    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    assert_eq!(only_id(&next(&consumer).await), 1);
    assert_eq!(only_id(&next(&consumer).await), 2);
    consumer.acknowledge(first.at);
    close(consumer).await;
    assert_eq!(
        committed(&settings, &lane, 1).await,
        [Some(1)],
        "a stale receipt moves nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_outlasts_the_session_and_loses_nothing() {
    let lane = lane();
    let (_broker, settings) = embedded(&lane, 2);
    let settings = settings.with("session.timeout.ms", "4000");
    let ringer = Ringer::new(&settings).unwrap();
    ring(&ringer, &lane, 0..10).await;
    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    let mut came = vec![only_id(&next(&consumer).await)];

    consumer.pause().unwrap();
    ring(&ringer, &lane, 10..20).await;
    silent(&consumer, Duration::from_millis(5_000)).await;
    assert_eq!(consumer.partitions(), [0, 1], "still a member");
    consumer.resume().unwrap();

    while came.len() < 20 {
        came.push(only_id(&next(&consumer).await));
    }
    came.sort_unstable();
    assert!(came.iter().copied().eq(0..20), "each once: {came:?}");
    close(consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_are_assigned_while_paused_wait_too() {
    let lane = lane();
    let (_broker, settings) = embedded(&lane, 2);
    ring(&Ringer::new(&settings).unwrap(), &lane, [1]).await;
    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    consumer.pause().unwrap();

    let nothing = |_, delivery| panic!("nothing should come: {delivery:?}");
    drive("the assignment", &[&consumer], nothing, || {
        consumer.partitions().len() == 2
    })
    .await;
    silent(&consumer, Duration::from_millis(700)).await;
    consumer.resume().unwrap();

    assert_eq!(only_id(&next(&consumer).await), 1);
    close(consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_is_waited_for() {
    let lane = lane();
    let (broker, settings) = embedded(&lane, 1);
    broker.down().unwrap();
    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    silent(&consumer, Duration::from_millis(700)).await;
    broker.up().unwrap();
    let ringer = Ringer::new(&settings).unwrap();
    ring(&ringer, &lane, [1]).await;
    assert_eq!(only_id(&next(&consumer).await), 1);

    broker.down().unwrap();
    silent(&consumer, Duration::from_millis(700)).await;
    broker.up().unwrap();
    ring(&ringer, &lane, [2]).await;
    assert_eq!(only_id(&next(&consumer).await), 2);
    close(consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_while_the_broker_is_away_ends_in_time() {
    let lane = lane();
    let (broker, settings) = embedded(&lane, 1);
    ring(&Ringer::new(&settings).unwrap(), &lane, [1]).await;
    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    let delivery = next(&consumer).await;
    broker.down().unwrap();
    consumer.acknowledge(delivery.at);

    assert!(consumer.close(Duration::from_millis(500)).await.is_err());
}
