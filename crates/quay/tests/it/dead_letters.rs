//! `quay dead-letters`.

use std::time::Duration;

use domain::{Failure, FailureCode, Lane};
use store::{Ending, Story};
use testkit::terms;

use crate::command::quay;
use crate::house::{Bell, House};

/// An export that a worker gave up; the id of its task.
async fn a_dead_export(house: &House, reason: FailureCode) -> String {
    let submitted = house.quay(&["export", "user", "--force"]);
    assert_eq!(submitted.code, 0, "{}", submitted.stderr);
    house
        .database
        .execute(
            "UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6) WHERE status = 'WAIT_HANDLE'",
        )
        .await;
    let lane = Lane::export(house.queue()).expect("a lane");
    let store = house.database.store();
    let due = store.claim_due(&lane, 1, &terms("one")).await;
    let row = due.expect("claimed").remove(0);
    let ending = Ending::Failed(Failure::permanent(reason, "no table"), Duration::ZERO);
    let settled = store
        .settle_held(&row.lease, ending, Story::default())
        .await;
    settled.expect("settled");
    submitted.stdout.trim().to_owned()
}

async fn stand(house: &House) -> Vec<String> {
    let all = "SELECT status FROM dead_letter ORDER BY id";
    house.database.query(all).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_looks_at_what_was_set_aside_and_acts_on_it() {
    let house = House::open(Bell::Broken).await;
    let ask =
        |arguments: &[&str]| house.quay_as("OPERATOR", &[&["dead-letters"], arguments].concat());
    let none = ask(&["list"]);
    assert_eq!((none.code, &*none.stdout), (0, ""), "{}", none.stderr);
    assert!(none.stderr.contains("No dead letters"), "{}", none.stderr);

    let task = a_dead_export(&house, FailureCode::Internal).await;
    a_dead_export(&house, FailureCode::TimedOut).await;
    let table = ask(&[
        "list",
        "--reason",
        "internal",
        "--biz-type",
        "EXPORT",
        "--status",
        "open",
    ]);
    assert_eq!(table.code, 0, "{}", table.stderr);
    let row: Vec<&str> = table
        .stdout
        .lines()
        .nth(1)
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(
        row[..5],
        ["1", "OPEN", "EXPORT", "internal", &*task],
        "{}",
        table.stdout
    );
    assert_eq!(table.stdout.lines().count(), 2);
    let listed = ask(&["list", "--json", "--limit", "1"]).json();
    assert_eq!(listed[0]["reason"], "timed_out");
    let groups = ask(&["list", "--summary"]).stdout;
    assert!(groups.contains("timed_out"), "{groups}");
    assert_eq!(groups.lines().count(), 3);

    let shown = ask(&["show", "1"]).stdout;
    for words in ["1 (EXPORT)", "no table", "\"dataset\":\"user\""] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let redriven = ask(&["redrive", "1"]);
    assert_eq!(
        redriven.stdout, "Dead letter 1: REDRIVEN\n",
        "{}",
        redriven.stderr
    );
    let again = ask(&["redrive", "1"]);
    assert_eq!(again.code, 4, "{}", again.stderr);
    for words in ["409 state_conflict", "It stands at REDRIVEN", "nothing"] {
        assert!(again.stderr.contains(words), "{words}: {}", again.stderr);
    }
    let discarded = ask(&["discard", "2", "--json"]).json();
    assert_eq!(discarded["status"], "DISCARDED");
    assert_eq!(stand(&house).await, ["REDRIVEN", "DISCARDED"]);
    let task = house.quay(&["tasks", "show", &task, "--json"]).json();
    assert_eq!(task["status"], "PENDING");
    let user = house.quay(&["dead-letters", "list"]);
    assert_eq!(user.code, 4);
    assert!(user.stderr.contains("403 forbidden"), "{}", user.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_redriven_by_a_filter_once_a_person_says_yes() {
    let house = House::open(Bell::Broken).await;
    for _ in 0..3 {
        a_dead_export(&house, FailureCode::Internal).await;
    }
    let ask = |arguments: &[&str]| {
        let arguments = [
            &["dead-letters", "redrive", "--reason", "internal"],
            arguments,
        ]
        .concat();
        house.quay_as("OPERATOR", &arguments)
    };
    let dry = ask(&["--dry-run"]);
    assert_eq!(dry.stdout, "3 would be redriven\n", "{}", dry.stderr);
    let unasked = ask(&[]);
    assert_eq!(unasked.code, 2, "{}", unasked.stderr);
    for words in ["Redrive 3 of 3 dead letters?", "Give --yes"] {
        assert!(
            unasked.stderr.contains(words),
            "{words}: {}",
            unasked.stderr
        );
    }
    assert_eq!(stand(&house).await, ["OPEN"; 3]);
    let done = ask(&["--max", "2", "--rate", "0.5", "--yes"]);
    assert_eq!(done.stdout, "2 of 3 redriven\n", "{}", done.stderr);
    assert_eq!(stand(&house).await, ["REDRIVEN", "REDRIVEN", "OPEN"]);
    let rest = ask(&["--yes", "--json"]).json();
    assert_eq!(rest, serde_json::json!({"matched": 1, "redriven": 1}));
    let none = ask(&[]);
    assert_eq!(none.code, 1, "{}", none.stderr);
    let wrong = ask(&["--rate", "0", "--yes"]);
    assert_eq!(wrong.code, 4);
    assert!(
        wrong.stderr.contains("/rate_per_second"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn a_redrive_that_does_not_say_of_what_is_a_wrong_command_line() {
    for (arguments, says) in [
        (&["redrive"][..], "Give an id, or a filter"),
        (&["redrive", "--yes"], "Give an id, or a filter"),
        (&["redrive", "x"], "an id is a number"),
        (
            &["redrive", "7", "--reason", "internal"],
            "cannot be used with",
        ),
        (&["redrive", "7", "--dry-run"], "cannot be used with"),
        (
            &["redrive", "--reason", "x", "--max", "0"],
            "0 is not in 1..=10000",
        ),
        (
            &["list", "--summary", "--reason", "x"],
            "cannot be used with",
        ),
        (&["list", "--status", "DEAD"], "PARKED"),
    ] {
        let arguments = [&["dead-letters"], arguments].concat();
        let ran = quay(&arguments, &[("QUAYSIDE_TOKEN", "x")]);
        assert_eq!((ran.code, &*ran.stdout), (2, ""), "{arguments:?}");
        assert!(ran.stderr.contains(says), "{arguments:?}: {}", ran.stderr);
    }
}
