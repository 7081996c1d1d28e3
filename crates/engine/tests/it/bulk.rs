//! A lane that is worked on in bulk: every row once, whatever brings it, and bad ones alone.

mod club;
mod sharing;

use std::time::Duration;

use domain::{BreakerTerms, CompensateBizId, LeaseEpoch, RetryPolicy, Rung};
use testkit::eventually;

use club::Club;

#[tokio::test(flavor = "multi_thread")]
async fn rings_of_many_rows_that_come_twice_run_each_row_once_in_few_transactions() {
    let club = Club::open().await;
    let worker = club.work("one", club.settings());
    let other = club.work("two", club.settings());
    let rung = club.ask_announced(2_000, "fine").await;
    for rows in rung.chunks(250).chain(rung.chunks(250)) {
        club.ring(rows).await;
    }
    club.until_all("SUCCESS", 2_000).await;
    worker.stop().await;
    other.stop().await;
    assert_eq!(club.granted().await, 2_000);
    let commits: u64 = club
        .database
        .one("SELECT COUNT(DISTINCT finished_at) FROM compensate_biz")
        .await;
    assert!(commits <= 16, "{commits} transactions");
    let epochs: (u64, u64) = club
        .database
        .one("SELECT MIN(lease_epoch), MAX(lease_epoch) FROM compensate_biz")
        .await;
    assert_eq!(epochs, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_ring_brings_is_found_by_the_scan_batch_after_batch() {
    let club = Club::open().await;
    club.ask(300, "fine").await;
    let mut settings = club.settings();
    // One scan, and what follows it at once.
    settings.scan_interval = Duration::from_secs(3_600);
    settings.batch_size = 40;
    let worker = club.work("one", settings);
    club.until_all("SUCCESS", 300).await;
    worker.stop().await;
    assert_eq!(club.granted().await, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_that_rings_come_between_goes_on_once_they_are_dealt_with() {
    let club = Club::open().await;
    club.ask(300, "fine").await;
    let rung = club.ask_announced(400, "fine").await;
    for rows in rung.chunks(10) {
        club.ring(rows).await;
    }
    let mut settings = club.settings();
    settings.scan_interval = Duration::from_secs(3_600);
    settings.batch_size = 20;
    settings.batches = 1;
    let worker = club.work("one", settings);
    club.until_all("SUCCESS", 700).await;
    worker.stop().await;
    assert_eq!(club.granted().await, 700);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_panics_or_is_refused_or_is_another_kind_fails_alone() {
    let club = Club::open().await;
    let mut rung = club.ask_announced(40, "fine").await;
    rung.extend(club.ask_announced(1, "panic").await);
    rung.extend(club.ask_announced(40, "fine").await);
    rung.extend(club.ask_announced(1, "refuse").await);
    rung.extend(club.ask_announced(1, "break").await);
    rung.extend(club.ask_announced(1, "fine").await);
    let foreign = rung.last().expect("a row").id;
    club.database
        .execute(&format!(
            "UPDATE compensate_biz SET biz_type = 'other' WHERE id = {foreign}"
        ))
        .await;
    let mut settings = club.settings();
    settings.retry = RetryPolicy::new(1, vec![Duration::from_millis(50)]).expect("a backoff");
    let worker = club.work("one", settings);
    club.ring(&rung).await;
    club.until_all("SUCCESS", 80).await;
    club.until_all("FAILED", 4).await;
    worker.stop().await;
    assert_eq!(club.granted().await, 80);
    let dead: Vec<(String, u32, String)> = club
        .database
        .query(
            "SELECT b.context, b.cnt, l.detail FROM compensate_biz b \
             JOIN dead_letter l ON l.compensate_biz_id = b.id ORDER BY b.id",
        )
        .await;
    let told: Vec<(&str, u32)> = dead.iter().map(|row| (row.0.as_str(), row.1)).collect();
    // What panicked is tried again first.
    assert_eq!(
        told,
        [("panic", 2), ("refuse", 1), ("break", 1), ("fine", 1)]
    );
    for (row, part) in dead
        .iter()
        .zip(["panicked: as asked", "no", "as asked", "no handler"])
    {
        assert!(row.2.contains(part), "{row:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_can_neither_be_run_nor_given_up_hold_up_nobody_behind_them() {
    let club = Club::open().await;
    // Each is the last of a group whose end asks for what is no JSON.
    club.ask(12, "fine").await;
    club.database
        .execute(
            "INSERT INTO compensate_group (id, tenant, total, sealed, on_finished) \
             SELECT id, tenant, 1, TRUE, 'garbage' FROM compensate_biz; \
             UPDATE compensate_biz SET group_id = id, wake_at = UTC_TIMESTAMP(6) - INTERVAL 1 MINUTE",
        )
        .await;
    club.ask(3, "fine").await;
    let mut settings = club.settings();
    settings.batch_size = 10;
    let worker = club.work("one", settings);
    club.until_all("SUCCESS", 3).await;
    worker.stop().await;
    assert_eq!(club.granted().await, 3);
    let waiting = "SELECT COUNT(*) FROM compensate_biz WHERE status = 'WAIT_HANDLE'";
    assert_eq!(club.database.one::<u64>(waiting).await, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_mysql_does_not_take_is_kept_and_run_once_it_is_back() {
    let (club, proxy) = Club::behind_a_proxy().await;
    let mut settings = club.settings();
    settings.scan_interval = Duration::from_secs(3_600);
    let worker = club.work("one", settings);
    let before = club.ask_announced(3, "fine").await;
    club.ring(&before).await;
    club.until_all("SUCCESS", 3).await;
    proxy.go_away();
    let rung = club.ask_announced(300, "fine").await;
    for rows in rung.chunks(100) {
        club.ring(rows).await;
    }
    eventually("the worker to have tried", async || {
        (proxy.refused() > 2).then_some(())
    })
    .await;
    proxy.come_back();
    club.until_all("SUCCESS", 303).await;
    proxy.cut_next_commits(1);
    let cut = club.ask_announced(50, "fine").await;
    club.ring(&cut).await;
    club.until_all("SUCCESS", 353).await;
    assert_eq!(proxy.cuts_left(), 0, "the cut happened");
    worker.stop().await;
    assert_eq!(club.granted().await, 353);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_leaves_in_the_middle_loses_nothing_and_doubles_nothing() {
    let club = Club::open().await;
    let rung = club.ask_announced(3_000, "fine").await;
    let mut settings = club.settings();
    settings.batch_size = 50;
    let first = club.work("one", settings.clone());
    for rows in rung.chunks(50) {
        club.ring(rows).await;
    }
    eventually("something to be done", async || {
        (club.granted().await > 0).then_some(())
    })
    .await;
    first.stop().await;
    let second = club.work("two", settings);
    club.until_all("SUCCESS", 3_000).await;
    second.stop().await;
    assert_eq!(club.granted().await, 3_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_no_rings_and_rows_that_are_nowhere_are_letters_and_hold_nothing_up() {
    let club = Club::open().await;
    let worker = club.work("one", club.settings());
    club.broker
        .put_forged(&club.lane, b"no ring", 2)
        .await
        .expect("taken");
    let nowhere = Rung {
        id: CompensateBizId(4_000_000_000),
        epoch: LeaseEpoch(0),
    };
    club.ring(&[nowhere]).await;
    let rung = club.ask_announced(10, "fine").await;
    club.ring(&rung).await;
    club.until_all("SUCCESS", 10).await;
    let reasons = eventually("three letters", async || {
        let sql = "SELECT reason FROM dead_letter ORDER BY reason";
        let reasons: Vec<String> = club.database.query(sql).await;
        (reasons.len() >= 3).then_some(reasons)
    })
    .await;
    assert_eq!(reasons, ["malformed", "malformed", "orphan"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_breaks_every_row_pauses_its_lane_and_a_probe_opens_it_again() {
    let club = Club::open().await;
    club.ask(400, "break").await;
    let mut settings = club.settings();
    // One batch has them all: what is not begun when the lane is paused must not be given up.
    settings.batch_size = 400;
    settings.batches = 1;
    settings.breaker = BreakerTerms {
        pause: Duration::from_millis(1_500),
        look: Duration::from_millis(100),
        ..BreakerTerms::default()
    };
    let worker = club.work("one", settings);
    eventually("the lane to be paused", async || {
        let states: Vec<String> = club.database.query("SELECT state FROM lane").await;
        states.contains(&"PAUSED".to_owned()).then_some(())
    })
    .await;
    // Mended, as by a new deploy. Whoever was dead by then stays so.
    club.mend();
    let dead: u64 = eventually("all others to be done", async || {
        let (open, dead): (u64, u64) = club
            .database
            .one(
                "SELECT COUNT(IF(status IN ('WAIT_HANDLE', 'PROCESSING'), 1, NULL)), \
                 COUNT(IF(status = 'FAILED', 1, NULL)) FROM compensate_biz \
                 WHERE biz_type = 'grant'",
            )
            .await;
        (open == 0).then_some(dead)
    })
    .await;
    worker.stop().await;
    assert!((50..100).contains(&dead), "{dead} rows were given up");
    assert_eq!(club.granted().await, 400 - dead);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_that_a_person_asks_for_brings_what_no_ring_brought() {
    let club = Club::open().await;
    let mut settings = club.settings();
    settings.scan_interval = Duration::from_secs(3_600);
    settings.breaker.look = Duration::from_millis(50);
    club.ask(1, "fine").await;
    let worker = club.work("one", settings);
    club.until_all("SUCCESS", 1).await;
    // Its scan has been; nobody rings.
    club.ask(700, "fine").await;
    let ann = store::Actor {
        tenant: domain::Tenant::parse("acme").expect("a name"),
        user: domain::UserId::parse("ann").expect("a name"),
        request_id: None,
    };
    let asked = club.database.store().scan_lane(&club.lane, &ann).await;
    asked.expect("answers");
    club.until_all("SUCCESS", 701).await;
    worker.stop().await;
}
