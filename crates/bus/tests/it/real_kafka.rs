//! Laws that need a real Kafka: topics, sharing, rebalances.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bus::{
    BusSettings, Difference, Position, RingConsumer, Ringer, TopicPlan, TopicState, create_topics,
};
use domain::Lane;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;

use crate::support::{
    close, committed, crash, drive, kafka, lane, next, only_id, ring, ring_until_confirmed, silent,
};

async fn topic(settings: &BusSettings, lane: &Lane, partitions: i32) {
    let plan = TopicPlan::new(lane.as_str(), partitions, 1);
    let reports = create_topics(settings, &[plan]).await.expect("a topic");
    assert_eq!(reports[0].state, TopicState::Created);
}

#[tokio::test]
async fn creating_topics_twice_is_creating_them_once_and_differences_are_told() {
    let settings = kafka();
    let lane = lane();
    let plans = [
        TopicPlan::new(lane.as_str(), 3, 1),
        TopicPlan::new(lane.dead_letters(), 1, 1),
    ];

    let made = create_topics(&settings, &plans).await.unwrap();
    let again = create_topics(&settings, &plans).await.unwrap();
    let mut other = plans.clone();
    other[0].partitions = 6;
    other[1].retention = Duration::from_secs(3_600);
    let other = create_topics(&settings, &other).await.unwrap();
    let absurd = [TopicPlan::new("no such name!", 1, 1)];
    let absurd = create_topics(&settings, &absurd).await.unwrap();

    assert_eq!(made[0].name, lane.as_str());
    assert_eq!(made[1].name, lane.dead_letters().as_str());
    assert!(
        made.iter()
            .all(|report| report.state == TopicState::Created),
        "{made:?}"
    );
    assert!(
        again
            .iter()
            .all(|report| report.state == TopicState::AsPlanned),
        "{again:?}"
    );
    let difference = |property, planned: &str, found: &str| {
        let (planned, found) = (planned.to_owned(), found.to_owned());
        TopicState::Differs(vec![Difference {
            property,
            planned,
            found,
        }])
    };
    assert_eq!(other[0].state, difference("partitions", "6", "3"));
    assert_eq!(
        other[1].state,
        difference("retention.ms", "3600000", "604800000")
    );
    assert!(
        matches!(absurd[0].state, TopicState::Refused(_)),
        "{absurd:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_share_a_lane_and_each_ring_goes_to_one() {
    let settings = kafka();
    let lane = lane();
    topic(&settings, &lane, 4).await;
    let one = RingConsumer::join(&settings, &lane).unwrap();
    let two = RingConsumer::join(&settings, &lane).unwrap();
    let nothing = |_, delivery| panic!("nothing should come: {delivery:?}");
    drive("both own two", &[&one, &two], nothing, || {
        one.partitions().len() == 2 && two.partitions().len() == 2
    })
    .await;

    ring(&Ringer::new(&settings).unwrap(), &lane, 0..40).await;
    let came = RefCell::new([Vec::new(), Vec::new()]);
    drive(
        "all rings",
        &[&one, &two],
        |who, delivery| came.borrow_mut()[who].push(only_id(&delivery)),
        || came.borrow().iter().map(Vec::len).sum::<usize>() == 40,
    )
    .await;

    let came = came.into_inner();
    assert!(
        came.iter().all(|ids| !ids.is_empty()),
        "both took part: {came:?}"
    );
    let each: BTreeSet<_> = came.iter().flatten().copied().collect();
    assert_eq!(each.len(), 40, "each once: {came:?}");
    close(one).await;
    close(two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebalance_in_mid_work_loses_nothing_and_repeats_only_what_was_not_acknowledged() {
    let settings = kafka();
    let lane = lane();
    topic(&settings, &lane, 4).await;
    let ringer = Ringer::new(&settings).unwrap();
    ring(&ringer, &lane, 0..60).await;
    let one = RingConsumer::join(&settings, &lane).unwrap();
    let held = RefCell::new(BTreeMap::<u64, Position>::new());
    drive(
        "the first has all",
        &[&one],
        |_, delivery| {
            held.borrow_mut()
                .extend([(only_id(&delivery), delivery.at)])
        },
        || held.borrow().len() == 60,
    )
    .await;
    // The first half of each partition is done, the rest is still being worked on.
    let held = held.into_inner();
    let done = first_half_of_each_partition(&held);
    done.iter().for_each(|id| one.acknowledge(held[id]));

    let two = RingConsumer::join(&settings, &lane).unwrap();
    let came = RefCell::new(Vec::new());
    let take = |who: usize, delivery: bus::Delivery| {
        let id = only_id(&delivery);
        came.borrow_mut().push(id);
        let members = [&one, &two];
        members[who].acknowledge(delivery.at);
    };
    drive("the second joins", &[&one, &two], take, || {
        two.partitions().len() == 2
    })
    .await;
    let moved: BTreeSet<i32> = two.partitions().into_iter().collect();
    let open = |id: &u64| !done.contains(id);
    let expected: BTreeSet<u64> = held
        .iter()
        .filter(|(id, at)| open(id) && moved.contains(&at.partition))
        .map(|(id, _)| *id)
        .collect();
    drive("the moved rest", &[&one, &two], take, || {
        came.borrow().len() >= expected.len()
    })
    .await;
    assert_eq!(
        came.borrow().iter().copied().collect::<BTreeSet<_>>(),
        expected
    );
    assert_eq!(came.borrow().len(), expected.len(), "each once");

    // What stayed with the first was never given up (cooperative), so receipts from before the
    // rebalance still count; receipts for what moved do nothing.
    held.values().for_each(|at| one.acknowledge(*at));
    came.borrow_mut().clear();
    crash(two).await;
    ring(&ringer, &lane, 60..70).await;
    drive(
        "the new ones",
        &[&one],
        |_, delivery| {
            came.borrow_mut().push(only_id(&delivery));
            one.acknowledge(delivery.at);
        },
        || came.borrow().len() >= 10,
    )
    .await;
    let mut rest = came.into_inner();
    rest.sort_unstable();
    assert!(
        rest.iter().copied().eq(60..70),
        "nothing old comes again: {rest:?}"
    );
    close(one).await;
    let offsets = committed(&settings, &lane, 4).await;
    assert_eq!(
        offsets.into_iter().flatten().sum::<i64>(),
        70,
        "all is acknowledged"
    );
}

fn first_half_of_each_partition(held: &BTreeMap<u64, Position>) -> BTreeSet<u64> {
    let mut by_partition = BTreeMap::<i32, Vec<(i64, u64)>>::new();
    for (id, at) in held {
        by_partition
            .entry(at.partition)
            .or_default()
            .push((at.offset, *id));
    }
    let mut done = BTreeSet::new();
    for all in by_partition.values_mut() {
        all.sort_unstable();
        done.extend(all[..all.len() / 2].iter().map(|(_, id)| *id));
    }
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_member_takes_over_partitions_and_loses_nothing() {
    let settings = kafka();
    let lane = lane();
    topic(&settings, &lane, 2).await;
    let ringer = Ringer::new(&settings).unwrap();
    let one = RingConsumer::join(&settings, &lane).unwrap();
    let two = RingConsumer::join(&settings, &lane).unwrap();
    let nothing = |_, delivery| panic!("nothing should come: {delivery:?}");
    drive("both own one", &[&one, &two], nothing, || {
        one.partitions().len() == 1 && two.partitions().len() == 1
    })
    .await;

    one.pause().unwrap();
    close(two).await;
    ring(&ringer, &lane, 0..10).await;
    drive("the first owns all", &[&one], nothing, || {
        one.partitions().len() == 2
    })
    .await;
    silent(&one, Duration::from_millis(500)).await;
    one.resume().unwrap();

    let mut came = Vec::new();
    while came.len() < 10 {
        came.push(only_id(&next(&one).await));
    }
    came.sort_unstable();
    assert!(came.iter().copied().eq(0..10), "each once: {came:?}");
    close(one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_deleted_and_made_anew_is_found_again_and_begins_anew() {
    let settings = kafka();
    let lane = lane();
    topic(&settings, &lane, 2).await;
    let ringer = Ringer::new(&settings).unwrap();
    ring(&ringer, &lane, 0..20).await;
    let consumer = RingConsumer::join(&settings, &lane).unwrap();
    let mut old = Vec::new();
    for _ in 0..20 {
        old.push(next(&consumer).await.at);
    }

    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .create()
        .unwrap();
    admin
        .delete_topics(&[lane.as_str()], &AdminOptions::new())
        .await
        .unwrap()[0]
        .clone()
        .unwrap();
    let nothing = |_, delivery| panic!("nothing should come: {delivery:?}");
    drive("the topic is missed", &[&consumer], nothing, || {
        consumer.partitions().is_empty()
    })
    .await;
    topic(&settings, &lane, 2).await;

    ring_until_confirmed(&ringer, &lane).await;
    let anew = next(&consumer).await;
    assert_eq!(only_id(&anew), 100);

    old.iter().for_each(|at| consumer.acknowledge(*at));
    close(consumer).await;
    let offsets = committed(&settings, &lane, 2).await;
    assert_eq!(
        offsets,
        [None, None],
        "receipts of the old topic say nothing of the new one"
    );
}
