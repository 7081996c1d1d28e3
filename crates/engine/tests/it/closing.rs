//! A process that ends has sent its rings.

use std::time::Duration;

use crate::probe::House;

const BOUND: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn an_announcer_is_closed_only_when_every_ring_has_been_delivered() {
    let mut house = House::build().await;
    house.bus.delivery_timeout_ms = 20_000;
    let announcer = house.announcer();
    house.broker.down().expect("it goes");
    for _ in 0..20 {
        house.submit(&announcer).await;
    }
    let mut closing = Box::pin(announcer.close(BOUND));
    assert!(
        futures::poll!(&mut closing).is_pending(),
        "no ring can have been delivered yet"
    );
    house.broker.up().expect("it comes");
    closing.await;

    // A ring that failed would have been taken back; and nobody is left to send one.
    let announced: u64 = house
        .database
        .one("SELECT COUNT(*) FROM compensate_biz WHERE announced")
        .await;
    assert_eq!(announced, 20);
    let consumer = bus::RingConsumer::join(&house.bus, &house.lane).expect("it joins");
    let mut heard = std::collections::BTreeSet::new();
    while heard.len() < 20 {
        let delivery = tokio::time::timeout(BOUND, consumer.next());
        let delivery = delivery.await.expect("a ring comes").expect("it lives");
        let ring = delivery.content.expect("a ring");
        heard.extend(ring.rungs.iter().map(|rung| rung.id));
    }
    consumer.close(BOUND).await.expect("it leaves");
}
