//! What the gateway refuses and what never ends, told by exit codes and in words. There is no
//! worker and no Kafka here: a submit is accepted all the same.

use crate::command::quay;
use crate::house::{Bell, House};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_refuses_is_four_and_says_why() {
    let house = House::open(Bell::Broken).await;
    for (role, arguments, says) in [
        (
            "CLERK",
            &["export", "employee"][..],
            &["403 forbidden", "Request id: "][..],
        ),
        (
            "MANAGER",
            &["export", "nothing"],
            &["404 dataset_not_found", "Check the dataset's name"],
        ),
        (
            "MANAGER",
            &["export", "employee", "--columns", "id,shoe"],
            &["422 unknown_column", "shoe"],
        ),
        (
            "MANAGER",
            &["export", "employee", "--filter", "hire_date=x"],
            &["422 invalid_filter", "hire_date"],
        ),
        (
            "MANAGER",
            &["export", "employee", "--locale", "xx-XX"],
            &["400 invalid_request", "locale"],
        ),
        ("MANAGER", &["tasks", "show", "9"], &["404 not_found"]),
        ("MANAGER", &["tasks", "list", "--all"], &["403 forbidden"]),
    ] {
        let ran = house.quay_as(role, arguments);
        assert_eq!(ran.code, 4, "{arguments:?}: {}", ran.stderr);
        for words in says {
            assert!(
                ran.stderr.contains(words),
                "{arguments:?} says {words:?}: {}",
                ran.stderr
            );
        }
    }
    let nobody = quay(
        &["tasks", "list"],
        &[("QUAYSIDE_URL", house.url()), ("QUAYSIDE_TOKEN", "x")],
    );
    assert_eq!(nobody.code, 4);
    assert!(
        nobody.stderr.contains("401 unauthenticated"),
        "{}",
        nobody.stderr
    );
    assert!(nobody.stderr.contains("./dev token"), "{}", nobody.stderr);
    let tasks: u64 = house.database.one("SELECT COUNT(*) FROM task").await;
    assert_eq!(tasks, 0, "nothing of it was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_that_times_out_is_five_and_the_work_goes_on() {
    let house = House::open(Bell::Broken).await;
    let waited = house.quay(&["export", "employee", "--wait", "--timeout", "1"]);
    assert_eq!(waited.code, 5, "{}", waited.stderr);
    for words in ["PENDING", "the work goes on", "quay tasks download 1"] {
        assert!(
            waited.stderr.contains(words),
            "{words:?}: {}",
            waited.stderr
        );
    }
    let early = house.quay(&["tasks", "download", "1"]);
    assert_eq!(early.code, 4);
    assert!(early.stderr.contains("409 not_ready"), "{}", early.stderr);
    assert_eq!(
        house.quay(&["tasks", "list"]).stdout.lines().count(),
        2,
        "header and one task"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_was_cancelled_is_one() {
    let house = House::open(Bell::Broken).await;
    let id = house.quay(&["export", "employee"]).stdout;
    let id = id.trim();
    let cancelled = house.quay(&["tasks", "cancel", id]);
    assert_eq!(
        (cancelled.code, cancelled.stdout),
        (0, format!("Task {id}: CANCELLED\n"))
    );
    let again = house.quay(&["tasks", "cancel", id]);
    assert_eq!(again.code, 4);
    assert!(
        again.stderr.contains("409 state_conflict"),
        "{}",
        again.stderr
    );
    assert!(again.stderr.contains("CANCELLED"), "{}", again.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_none_is_told_before_any_work() {
    let house = House::open(Bell::Broken).await;
    let ran = house.quay(&["export", "employee", "-o", "/nonexistent/x.xlsx"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("Nothing was exported"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        house.database.one::<u64>("SELECT COUNT(*) FROM task").await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_that_is_interrupted_is_130_and_the_task_stays() {
    let house = House::open(Bell::Broken).await;
    let waiting = house.start_quay(&["export", "employee", "--wait"]);
    waiting.wait_for_log("PENDING").await;
    assert_eq!(waiting.interrupt().await.code(), Some(130));
    let status: String = house.database.one("SELECT status FROM task").await;
    assert_eq!(status, "PENDING");
}
