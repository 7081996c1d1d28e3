//! Taking rows of a lane.

use std::time::Duration;

use bus::{Ringer, TraceHeaders};
use domain::{CompensateBizId, LeaseEpoch, Rung, TaskStatus};
use store::NewExport;
use testkit::{a_lane, an_export, eventually};

use crate::probe::{House, Probe, Step, announced};

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_delivered_twice_to_one_worker_and_to_two_runs_once() {
    let house = House::build().await;
    let probe = Probe::always(Step::Finish);
    let one = house.work("one", house.settings(), &probe);
    let two = house.work("two", house.settings(), &probe);
    let announcer = house.announcer();
    let mut tasks = Vec::new();
    for _ in 0..5 {
        let submitted = house
            .store
            .submit_export(house.a_rung_export())
            .await
            .expect("accepted");
        for _ in 0..4 {
            announcer.announce(house.lane.clone(), announced(submitted.rung));
        }
        tasks.push(submitted.task);
    }
    for task in tasks {
        let done = house.until(task, TaskStatus::Success).await;
        assert_eq!(done.files.len(), 1);
    }
    one.stop().await;
    two.stop().await;
    assert_eq!(probe.runs().values().copied().collect::<Vec<_>>(), [1; 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_a_lane() {
    let house = House::build().await;
    let mut settings = house.settings();
    settings.permits = 1;
    let (first, second) = (
        Probe::always(Step::FinishWhenLet),
        Probe::always(Step::FinishWhenLet),
    );
    let one = house.work("one", settings.clone(), &first);
    let two = house.work("two", settings, &second);
    let announcer = house.announcer();
    let mut tasks = Vec::new();
    for _ in 0..6 {
        tasks.push(house.submit(&announcer).await);
    }
    eventually("both to be at work at once", async || {
        (first.runs().len() == 1 && second.runs().len() == 1).then_some(())
    })
    .await;
    first.gate.add_permits(6);
    second.gate.add_permits(6);
    for task in tasks {
        house.until(task, TaskStatus::Success).await;
    }
    assert_eq!(first.runs().len() + second.runs().len(), 6);
    one.stop().await;
    two.stop().await;
}

/// Cases.md C 15: the rings of all the lane lie behind one worker that has no hand free.
#[tokio::test(flavor = "multi_thread")]
async fn rows_whose_rings_wait_behind_one_busy_worker_are_done_by_another_ones_scan() {
    let mut house = House::build().await;
    house.lane = a_lane();
    let made = house.broker.create_topic(house.lane.as_str(), 1);
    made.expect("a topic of one partition");
    let mut settings = house.settings();
    settings.permits = 1;
    let (busy, idle) = (
        Probe::always(Step::FinishWhenLet),
        Probe::always(Step::Finish),
    );
    let one = house.work("one", settings.clone(), &busy);
    let announcer = house.announcer();
    let held = house.submit(&announcer).await;
    eventually(
        "the first to hold the only partition and a row",
        async || (busy.runs().len() == 1).then_some(()),
    )
    .await;
    // This one has a ring and no scan: it tells where the rings go.
    let rung = house.submit(&announcer).await;
    let mut waiting = Vec::new();
    for _ in 0..8 {
        let export = NewExport {
            scan_interval: settings.scan_interval,
            ..an_export(&house.lane)
        };
        let submitted = house.store.submit_export(export).await;
        let submitted = submitted.expect("accepted");
        announcer.announce(house.lane.clone(), announced(submitted.rung));
        waiting.push(submitted.task);
    }
    // It joins the group, and the partition stays where it is.
    let two = house.work("two", settings, &idle);
    for task in waiting {
        house.until(task, TaskStatus::Success).await;
    }
    let mut standing = Vec::new();
    for task in [held, rung] {
        standing.push(house.task(task).await.status);
    }
    assert_eq!(standing, [TaskStatus::Processing, TaskStatus::Pending]);
    busy.gate.add_permits(2);
    for task in [held, rung] {
        house.until(task, TaskStatus::Success).await;
    }
    assert_eq!((busy.runs().len(), idle.runs().len()), (2, 8));
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_no_ring_brought_is_found_by_the_scan_even_in_a_saturated_lane() {
    let house = House::build().await;
    let mut settings = house.settings();
    settings.permits = 1;
    let probe = Probe::always(Step::FinishWhenLet);
    let worker = house.work("one", settings, &probe);
    let announcer = house.announcer();
    // The lane is saturated by rung work, then an old row turns up whose ring was lost.
    for _ in 0..4 {
        house.submit(&announcer).await;
    }
    eventually("the first to be at work", async || {
        (probe.runs().len() == 1).then_some(())
    })
    .await;
    let lost = house
        .store
        .submit_export(house.a_rung_export())
        .await
        .expect("accepted");
    house
        .database
        .execute(&format!(
            "UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6) WHERE id = {}",
            lost.rung.id
        ))
        .await;
    probe.gate.add_permits(5);
    house.until(lost.task, TaskStatus::Success).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_for_a_row_that_does_not_exist_is_a_dead_letter_and_the_lane_goes_on() {
    let house = House::build().await;
    let probe = Probe::always(Step::Finish);
    let worker = house.work("one", house.settings(), &probe);
    let ringer = Ringer::new(&house.bus).expect("the settings are right");
    let nobody = Rung {
        id: CompensateBizId(404),
        epoch: LeaseEpoch(0),
    };
    ringer
        .ring(&house.lane, &[nobody], &TraceHeaders::default())
        .await
        .expect("delivered");
    let (source, reason): (String, String) = eventually("a dead letter", async || {
        house
            .database
            .query("SELECT source, reason FROM dead_letter")
            .await
            .pop()
    })
    .await;
    assert_eq!((&*source, &*reason), ("MESSAGE", "orphan"));
    let task = house.submit(&house.announcer()).await;
    house.until(task, TaskStatus::Success).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_of_more_rows_than_permits_is_worked_off_in_turn() {
    let house = House::build().await;
    let probe = Probe::always(Step::Finish);
    let mut rung = Vec::new();
    let mut tasks = Vec::new();
    for _ in 0..9 {
        let submitted = house
            .store
            .submit_export(house.a_rung_export())
            .await
            .expect("accepted");
        rung.push(submitted.rung);
        tasks.push(submitted.task);
    }
    let ringer = Ringer::new(&house.bus).expect("the settings are right");
    ringer
        .ring(&house.lane, &rung, &TraceHeaders::default())
        .await
        .expect("delivered");
    let worker = house.work("one", house.settings(), &probe);
    for task in tasks {
        house.until(task, TaskStatus::Success).await;
    }
    assert_eq!(probe.runs().values().copied().collect::<Vec<_>>(), [1; 9]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_that_a_person_asks_for_brings_what_no_ring_brought() {
    let house = House::build().await;
    let mut settings = house.settings();
    settings.scan_interval = Duration::from_secs(3_600);
    settings.breaker.look = Duration::from_millis(50);
    let probe = Probe::always(Step::Finish);
    let first = house.store.submit_export(house.a_rung_export()).await;
    let due = "UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6) WHERE status = 'WAIT_HANDLE'";
    house.database.execute(due).await;
    let worker = house.work("one", settings, &probe);
    house
        .until(first.expect("accepted").task, TaskStatus::Success)
        .await;
    // Its scan has been; nobody rings.
    let second = house.store.submit_export(house.a_rung_export()).await;
    house.database.execute(due).await;
    let ann = store::Actor {
        tenant: domain::Tenant::parse("acme").expect("a name"),
        user: domain::UserId::parse("ann").expect("a name"),
        request_id: None,
    };
    let asked = house.store.scan_lane(&house.lane, &ann).await;
    asked.expect("answers");
    house
        .until(second.expect("accepted").task, TaskStatus::Success)
        .await;
    worker.stop().await;
}
