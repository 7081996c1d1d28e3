//! A lane that does nothing but harm is paused for all its workers, and opened again by a probe or a
//! person (cases.md C 12).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::{
    BreakerWindow, Failure, FailureCode, LaneState, RetryPolicy, TaskStatus, Tenant, UserId,
};
use engine::{LaneBoard, LaneSettings, Turns};
use store::{Actor, LaneAct, LaneStanding};
use testkit::eventually;

use crate::counted::Counted;
use crate::probe::{House, Probe, Step};

const TRIPS: &str = "quayside_lane_trips_total";

/// Due rows of the lane, without tasks.
async fn put_rows(house: &House, kind: &str, rows: usize) {
    let lane = &house.lane;
    house
        .database
        .execute(&format!(
            "SET cte_max_recursion_depth = 10000; \
             INSERT INTO compensate_biz (biz_type, biz_id, context, lane) \
             WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) \
             SELECT 'EXPORT', CONCAT('{kind}', n), '{{}}', '{lane}' FROM s"
        ))
        .await;
}

async fn count(house: &House, condition: &str) -> usize {
    let sql = format!("SELECT COUNT(*) FROM compensate_biz WHERE {condition}");
    house.database.one(&sql).await
}

async fn until_lane(house: &House, state: LaneState) -> LaneStanding {
    eventually(&format!("the lane to be {state}"), async || {
        let standing = house.store.lane(&house.lane).await.expect("answers");
        (standing.state == state).then_some(standing)
    })
    .await
}

async fn until_none(house: &House, condition: &str) {
    eventually(&format!("no row where {condition}"), async || {
        (count(house, condition).await == 0).then_some(())
    })
    .await;
}

/// A second try comes late, so that what is tried is always something new.
fn settings(house: &House) -> LaneSettings {
    let mut settings = house.settings();
    settings.permits = 8;
    settings.retry = RetryPolicy::new(3, vec![Duration::from_secs(600)])
        .expect("a backoff")
        .into();
    settings.scan_interval = Duration::from_millis(20);
    settings.breaker.look = Duration::from_millis(100);
    settings.breaker.pause = Duration::from_secs(600);
    settings
}

/// Panics until it is mended.
fn broken() -> (Arc<Probe>, Arc<AtomicBool>) {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = mended.clone();
    let probe = Probe::new(move |_, _| match is_mended.load(Ordering::SeqCst) {
        true => Step::Finish,
        false => Step::Panic,
    });
    (probe, mended)
}

fn operator() -> Actor {
    Actor {
        tenant: Tenant::parse("acme").expect("a name"),
        user: UserId::parse("9").expect("a name"),
        request_id: None,
    }
}

/// Until each worker has looked at the paused lane several times, with many a scan in between.
async fn until_looked_at(house: &House, boards: &[LaneBoard]) {
    for reason in ["once", "twice", "thrice"] {
        let paused = house
            .store
            .pause_lane(&house.lane, &operator(), reason)
            .await;
        assert!(matches!(paused.expect("answers"), LaneAct::Done(_)));
        for board in boards {
            eventually("each worker to have looked", async || {
                board.told().1?.ends_with(reason).then_some(())
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_deploy_pauses_the_lane_for_every_worker_before_the_rows_are_dead() {
    let counted = Counted::begin();
    let house = House::build().await;
    put_rows(&house, "a", 500).await;
    let (probe, mended) = broken();
    let boards = [LaneBoard::default(), LaneBoard::default()];
    let one = house.work_on_board("one", settings(&house), &probe, &boards[0]);
    let two = house.work_on_board("two", settings(&house), &probe, &boards[1]);
    let paused = until_lane(&house, LaneState::Paused).await;
    assert_eq!((paused.trips, paused.paused_by), (1, None));
    let reason = paused.reason.expect("says why");
    assert!(reason.contains("panic"), "{reason}");
    for board in &boards {
        eventually("each worker to know", async || {
            let (state, told) = board.told();
            (state == "paused" && told?.contains(&reason)).then_some(())
        })
        .await;
    }
    until_none(&house, "status = 'PROCESSING'").await;
    // Each worker may have counted as many, and have had as many at work as it has permits.
    let tried = probe.runs().len();
    assert!(tried <= 2 * (BreakerWindow::IN_A_ROW + 8), "{tried}");
    assert_eq!(
        count(&house, "status = 'WAIT_HANDLE' AND cnt = 0").await,
        500 - tried
    );
    assert_eq!(
        count(&house, "status = 'WAIT_HANDLE' AND cnt = 1").await,
        tried
    );
    let dead: u64 = house.database.one("SELECT COUNT(*) FROM dead_letter").await;
    assert_eq!(dead, 0);
    assert_eq!(counted.of(TRIPS, &house.lane), 1);

    // Neither ring nor scan brings more, until a person lets the lane go on.
    let rung = house.submit(&house.announcer()).await;
    mended.store(true, Ordering::SeqCst);
    until_looked_at(&house, &boards).await;
    assert_eq!(probe.runs().len(), tried);
    let open = house.store.resume_lane(&house.lane, &operator()).await;
    assert_eq!(open.expect("answers").state, LaneState::Open);
    house.until(rung, TaskStatus::Success).await;
    until_none(&house, "status = 'WAIT_HANDLE' AND cnt = 0").await;
    for board in &boards {
        eventually("each worker to know", async || {
            (board.told().0 == "open").then_some(())
        })
        .await;
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_of_one_row_opens_the_lane_again_once_the_handler_is_mended() {
    let house = House::build().await;
    put_rows(&house, "a", 200).await;
    let (probe, mended) = broken();
    let mut settings = settings(&house);
    settings.breaker.pause = Duration::from_millis(100);
    let worker = house.work("one", settings, &probe);
    let trips = eventually("probes to have failed", async || {
        let standing = house.store.lane(&house.lane).await.expect("answers");
        (standing.trips >= 3).then_some(standing.trips)
    })
    .await;
    let tried = probe.runs().len();
    let most = BreakerWindow::IN_A_ROW + 8 + trips as usize + 1;
    assert!(
        tried <= most,
        "a probe is one row: {tried} after {trips} trips"
    );
    mended.store(true, Ordering::SeqCst);
    until_lane(&house, LaneState::Open).await;
    until_none(&house, "status = 'WAIT_HANDLE' AND cnt = 0").await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_is_probed_while_another_has_all_the_turns_that_they_share() {
    let house = House::build().await;
    put_rows(&house, "a", 3).await;
    let mut settings = settings(&house);
    settings.breaker.pause = Duration::ZERO;
    let tripped = house
        .store
        .trip_lane(&house.lane, "a test", &settings.breaker);
    assert!(tripped.await.expect("answers"));
    let turns = Turns::new(1);
    let busy = turns.seat(4, None).take().await;
    let probe = Probe::always(Step::Finish);
    let seat = (&LaneBoard::default(), turns.seat(1, None));
    let worker = house.work_sharing("one", settings, &probe, seat);
    until_lane(&house, LaneState::Open).await;
    assert_eq!(probe.runs().len(), 1, "a probe is one row");
    drop(busy);
    until_none(&house, "status <> 'SUCCESS'").await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_whose_worker_vanished_is_taken_by_another() {
    let house = House::build().await;
    let terms = settings(&house).breaker;
    let now = domain::BreakerTerms {
        pause: Duration::ZERO,
        ..terms
    };
    let lane = &house.lane;
    assert!(
        house
            .store
            .trip_lane(lane, "a test", &now)
            .await
            .expect("answers")
    );
    let vanished = house
        .store
        .take_probe(lane, "vanished", Duration::from_millis(500))
        .await;
    assert!(vanished.expect("answers").is_some());
    put_rows(&house, "a", 3).await;
    let worker = house.work("one", settings(&house), &Probe::always(Step::Finish));
    until_lane(&house, LaneState::Open).await;
    until_none(&house, "status <> 'SUCCESS'").await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_whose_row_takes_long_stays_the_only_one() {
    let house = House::build().await;
    put_rows(&house, "a", 5).await;
    let mut settings = settings(&house);
    settings.breaker.pause = Duration::ZERO;
    settings.breaker.probe = Duration::from_millis(200);
    settings.breaker.look = Duration::from_millis(50);
    let tripped = house
        .store
        .trip_lane(&house.lane, "a test", &settings.breaker);
    assert!(tripped.await.expect("answers"));
    let probe = Probe::always(Step::FinishWhenLet);
    let worker = house.work("one", settings, &probe);
    let until = async || {
        let standing = house.store.lane(&house.lane).await.expect("answers");
        standing.probe_at.filter(|_| !probe.runs().is_empty())
    };
    let first = eventually("a row to be probed", until).await;
    eventually(
        "the probe to have had its time several times over",
        async || {
            let kept = until().await? - first;
            (kept.num_milliseconds() > 1_000).then_some(())
        },
    )
    .await;
    assert_eq!(probe.runs().len(), 1, "a probe is one row");
    probe.gate.add_permits(5);
    until_lane(&house, LaneState::Open).await;
    until_none(&house, "status <> 'SUCCESS'").await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_users_did_wrong_never_pauses_a_lane() {
    let house = House::build().await;
    let rows = BreakerWindow::LEAST + BreakerWindow::IN_A_ROW;
    put_rows(&house, "a", rows).await;
    let rejected = Failure::rejected(FailureCode::EmptyFile, "no row");
    let worker = house.work(
        "one",
        settings(&house),
        &Probe::always(Step::Fail(rejected)),
    );
    until_none(&house, "status <> 'FAILED'").await;
    let lane = house.store.lane(&house.lane).await.expect("answers");
    assert_eq!(lane, LaneStanding::open(house.lane.clone()));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_that_spent_their_tries_pause_a_lane_and_those_that_have_tries_left_do_not() {
    let house = House::build().await;
    let rows = BreakerWindow::IN_A_ROW + 10;
    put_rows(&house, "a", rows).await;
    let away = Failure::transient(FailureCode::StorageUnavailable, "away");
    let probe = Probe::always(Step::Fail(away));
    let mut once_more = settings(&house);
    let worker = house.work("one", once_more.clone(), &probe);
    until_none(&house, "cnt = 0").await;
    worker.stop().await;
    let lane = house.store.lane(&house.lane).await.expect("answers");
    assert_eq!(lane.state, LaneState::Open, "each has tries left");

    house
        .database
        .execute("UPDATE compensate_biz SET max_cnt = 1, wake_at = UTC_TIMESTAMP(6)")
        .await;
    once_more.permits = 1;
    let worker = house.work("two", once_more, &probe);
    let paused = until_lane(&house, LaneState::Paused).await;
    assert!(paused.reason.expect("says why").ends_with("spent"));
    until_none(&house, "status = 'PROCESSING'").await;
    assert_eq!(
        count(&house, "status = 'FAILED'").await,
        BreakerWindow::IN_A_ROW
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_cannot_be_read_pause_a_lane() {
    let house = House::build().await;
    let worker = house.work("one", settings(&house), &Probe::always(Step::Finish));
    let garbage = house
        .broker
        .put_forged(&house.lane, b"not a ring", BreakerWindow::IN_A_ROW);
    garbage.await.expect("taken");
    let paused = until_lane(&house, LaneState::Paused).await;
    assert!(paused.reason.expect("says why").ends_with("undecodable"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_paused_is_neither_worked_on_nor_probed() {
    let house = House::build().await;
    let pause = house
        .store
        .pause_lane(&house.lane, &operator(), "maintenance")
        .await;
    assert!(matches!(pause.expect("answers"), LaneAct::Done(_)));
    let (probe, board) = (Probe::always(Step::Finish), LaneBoard::default());
    let mut settings = settings(&house);
    settings.breaker.pause = Duration::ZERO;
    let worker = house.work_on_board("one", settings, &probe, &board);
    let told = eventually("the worker to know", async || board.told().1).await;
    assert!(told.contains("paused by acme/9: maintenance"), "{told}");
    let task = house.submit(&house.announcer()).await;
    house
        .database
        .execute("UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6)")
        .await;
    until_looked_at(&house, std::slice::from_ref(&board)).await;
    assert_eq!(house.task(task).await.status, TaskStatus::Pending);
    let resumed = house.store.resume_lane(&house.lane, &operator()).await;
    assert_eq!(resumed.expect("answers").state, LaneState::Open);
    house.until(task, TaskStatus::Success).await;
    assert_eq!(probe.runs().len(), 1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_of_dead_letters_never_pauses_by_itself() {
    let mut house = House::build().await;
    house.lane = house.lane.dead_letters();
    house
        .broker
        .create_topic(house.lane.as_str(), 1)
        .expect("a topic");
    let rows = BreakerWindow::IN_A_ROW + 10;
    put_rows(&house, "a", rows).await;
    let probe = Probe::always(Step::Panic);
    let worker = house.work("one", settings(&house), &probe);
    until_none(&house, "cnt = 0").await;
    assert_eq!(probe.runs().len(), rows);
    worker.stop().await;
}
