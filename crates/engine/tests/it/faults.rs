//! A broker that answers with errors, lies, or lacks a topic: every row runs once and the loop goes on.

use std::time::Duration;

use bus::{BusSettings, Fault, Request, Ringer, TopicPlan, TraceHeaders, create_topics};
use domain::{CompensateBizId, LeaseEpoch, Rung, TaskStatus};
use testkit::{a_lane, an_export, eventually};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::counted::Counted;
use crate::probe::{House, Probe, Step};

/// What the broker does wrong, twice each. The first makes members join anew, which meets some of the
/// others.
const FAULTS: &[(Request, Fault)] = &[
    (Request::Heartbeat, Fault::UnknownMember),
    (Request::Join, Fault::NotCoordinator),
    (Request::Sync, Fault::Rebalancing),
    (Request::Commit, Fault::Disconnect),
    (Request::Commit, Fault::NotCoordinator),
    (Request::Fetch, Fault::Disconnect),
    (Request::Produce, Fault::Disconnect),
    (Request::Produce, Fault::NotEnoughReplicas),
    (Request::Produce, Fault::Forbidden),
];

const REBALANCES: &str = "quayside_ring_rebalances_total";

/// A relay whose marks hide a row from the scan for an hour.
fn relaying(house: &House, stop: &CancellationToken) -> JoinHandle<()> {
    let relay = house.relay(&house.announcer(), Duration::from_secs(3600));
    #[expect(clippy::disallowed_methods, reason = "awaited by the test")]
    tokio::spawn(relay.run(stop.clone()))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_error_of_the_broker_loses_a_row_or_runs_one_twice() {
    let mut house = House::build().await;
    let patience = [
        ("session.timeout.ms", "4000"),
        ("heartbeat.interval.ms", "300"),
    ];
    for (key, value) in patience {
        house.bus = house.bus.with(key, value);
    }
    let counted = Counted::begin();
    let (announcer, stop) = (house.announcer(), CancellationToken::new());
    let relay = relaying(&house, &stop);
    let probe = Probe::always(Step::Finish);
    let workers = ["one", "two"].map(|name| house.work(name, house.settings(), &probe));
    let mut tasks = vec![house.submit(&announcer).await];
    house.until(tasks[0], TaskStatus::Success).await;
    let before = counted.of(REBALANCES, &house.lane);

    for (request, fault) in FAULTS {
        house.broker.fail(*request, *fault, 2).expect("it lives");
        for _ in 0..4 {
            tasks.push(house.submit(&announcer).await);
        }
    }
    eventually("members to have been thrown out and taken in", async || {
        (counted.of(REBALANCES, &house.lane) >= before + 4).then_some(())
    })
    .await;
    house.broker.down().expect("it goes");
    for _ in 0..4 {
        tasks.push(house.submit(&announcer).await);
    }
    house.broker.up().expect("it comes back");
    tasks.push(house.submit(&announcer).await);
    let rows = tasks.len();
    for task in tasks {
        let done = house.until(task, TaskStatus::Success).await;
        assert_eq!((done.files.len(), done.retry_count), (1, 0));
    }
    assert_eq!(
        probe.runs().into_values().collect::<Vec<_>>(),
        vec![1; rows]
    );
    stop.cancel();
    relay.await.expect("the relay ends well");
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_missing_delays_its_rows_and_rings_them_once_it_is_made() {
    let mut house = House::build().await;
    house.bus =
        BusSettings::new(testkit::kafka()).with("topic.metadata.refresh.interval.ms", "500");
    let announcer = house.announcer();
    let without = house.submit(&announcer).await;
    eventually("its ring to be given up", async || {
        let sql = "SELECT announced FROM compensate_biz";
        (!house.database.one::<bool>(sql).await).then_some(())
    })
    .await;
    // Its one scan is that at the start: what comes later comes by ring.
    let mut settings = house.settings();
    settings.scan_interval = Duration::from_secs(3600);
    let probe = Probe::always(Step::Finish);
    let worker = house.work("one", settings, &probe);
    house.until(without, TaskStatus::Success).await;

    let stop = CancellationToken::new();
    let relay = relaying(&house, &stop);
    let late = house.submit(&announcer).await;
    let plan = TopicPlan::new(house.lane.as_str(), 2, 1);
    create_topics(&house.bus, &[plan])
        .await
        .expect("Kafka is up");
    house.until(late, TaskStatus::Success).await;
    assert_eq!(probe.runs().into_values().collect::<Vec<_>>(), [1, 1]);
    stop.cancel();
    relay.await.expect("the relay ends well");
    worker.stop().await;
}

/// Dead letters that came as messages, by reason.
async fn letters(house: &House) -> Vec<(String, u64)> {
    let sql = "SELECT reason, COUNT(*) FROM dead_letter WHERE source = 'MESSAGE' \
               GROUP BY reason ORDER BY reason";
    house.database.query(sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_message_does_nothing_but_a_dead_letter() {
    let house = House::build().await;
    // Rows that the forger knows of: one of another lane, and one of this lane at another epoch.
    let other = house.store.submit_export(an_export(&a_lane())).await;
    let other = other.expect("accepted").rung;
    let waiting = house.store.submit_export(house.a_rung_export()).await;
    let waiting = waiting.expect("accepted").rung;
    let epoch = LeaseEpoch(waiting.epoch.0 + 1);
    let rung = |id, epoch| Rung {
        id: CompensateBizId(id),
        epoch: LeaseEpoch(epoch),
    };
    let forged = [
        other,
        Rung { epoch, ..waiting },
        rung(0, 0),
        rung(u64::MAX, u64::MAX),
    ];
    let ringer = Ringer::new(&house.bus).expect("the settings are right");
    let nobody = TraceHeaders::default();
    let rang = ringer.ring(&house.lane, &forged, &nobody).await;
    rang.expect("delivered");
    let raw: [&[u8]; 4] = [
        b"",
        b"{\"id\": 1}",
        &[0x08, 99, 0x12, 2, 0x08, 7],
        &[7; 900_000],
    ];
    for content in raw {
        let put = house.broker.put_forged(&house.lane, content, 1).await;
        put.expect("taken");
    }
    let probe = Probe::always(Step::Finish);
    let worker = house.work("one", house.settings(), &probe);
    let expected = [
        ("empty", 1),
        ("malformed", 1),
        // one for the ring, however many rows it names
        ("orphan", 1),
        ("too_large", 1),
        ("unknown_version", 1),
    ];
    let expected = expected.map(|(reason, count)| (reason.to_owned(), count));
    eventually("a letter for each of them", async || {
        (letters(&house).await == expected).then_some(())
    })
    .await;
    assert!(probe.runs().is_empty(), "nothing ran");
    let untouched: u64 = house
        .database
        .one(
            "SELECT COUNT(*) FROM compensate_biz WHERE status = 'WAIT_HANDLE' \
              AND lease_epoch = 0 AND biz_type = 'EXPORT'",
        )
        .await;
    assert_eq!(untouched, 2);
    let task = house.submit(&house.announcer()).await;
    house.until(task, TaskStatus::Success).await;
    worker.stop().await;
}
