//! What a task can be told, and what it tells: cancel, retry, delete, attempts; and quotas.

use serde_json::json;

use crate::command::quay;
use crate::house::{Bell, House};

async fn states(house: &House) -> Vec<String> {
    let live = "SELECT status FROM task WHERE deleted_at IS NULL ORDER BY id";
    house.database.query(live).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_export_runs_again_by_retry_and_its_tries_can_be_listed() {
    let mut house = House::open(Bell::Embedded).await;
    assert_eq!(house.quay(&["export", "user"]).stdout, "1\n");
    let none = house.quay(&["tasks", "attempts", "1"]);
    assert_eq!(
        (none.code, none.stdout.as_str()),
        (0, ""),
        "{}",
        none.stderr
    );
    assert!(
        none.stderr.contains("Nobody has tried task 1"),
        "{}",
        none.stderr
    );
    assert_eq!(house.quay(&["tasks", "cancel", "1"]).code, 0);
    let again = house.quay(&["tasks", "retry", "1"]);
    assert_eq!(
        (again.code, again.stdout.as_str()),
        (0, "Task 1: PENDING\n"),
        "{}",
        again.stderr
    );
    house.start_worker().await;
    let watched = house.quay(&["tasks", "watch", "1"]);
    assert_eq!(watched.code, 0, "{}", watched.stderr);
    let tried = house.quay(&["tasks", "attempts", "1", "--json"]).json();
    let tries = tried.as_array().expect("a list");
    assert_eq!(tries.len(), 1, "{tried}");
    assert_eq!(tries[0]["outcome"], "SUCCESS");
    let table = house.quay(&["tasks", "attempts", "1"]).stdout;
    let epoch = tries[0]["epoch"].to_string().replace('"', "");
    let row = table.lines().nth(1).unwrap_or_default();
    assert!(
        row.trim_start().starts_with(&format!("{epoch}  SUCCESS")),
        "{table}"
    );
    let done = house.quay(&["tasks", "retry", "1"]);
    assert_eq!(done.code, 4, "{}", done.stderr);
    for words in ["409 state_conflict", "It stands at SUCCESS", "delete"] {
        assert!(done.stderr.contains(words), "{words:?}: {}", done.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_deleted_only_with_a_yes_and_only_once_it_is_over() {
    let house = House::open(Bell::Broken).await;
    assert_eq!(house.quay(&["export", "user"]).stdout, "1\n");
    let open = house.quay(&["tasks", "delete", "1", "--yes"]);
    assert_eq!(open.code, 4, "{}", open.stderr);
    assert!(
        open.stderr.contains("allowed now: cancel"),
        "{}",
        open.stderr
    );
    assert_eq!(house.quay(&["tasks", "cancel", "1"]).code, 0);
    let unasked = house.quay(&["tasks", "delete", "1"]);
    assert_eq!(unasked.code, 2, "{}", unasked.stderr);
    assert!(unasked.stderr.contains("Give --yes"), "{}", unasked.stderr);
    for (typed, code) in [("n\n", 1), ("\n", 1), ("", 1)] {
        let refused = house.quay_on_terminal(&["tasks", "delete", "1"], typed);
        assert_eq!(refused.code, code, "{typed:?}: {}", refused.stdout);
        let question = "Delete task 1 (CANCELLED, ";
        assert!(refused.stdout.contains(question), "{}", refused.stdout);
        assert!(
            refused.stdout.contains("nothing was deleted"),
            "{}",
            refused.stdout
        );
    }
    assert_eq!(states(&house).await, ["CANCELLED"]);
    let deleted = house.quay_on_terminal(&["tasks", "delete", "1"], "y\n");
    assert_eq!(deleted.code, 0, "{}", deleted.stdout);
    assert!(
        deleted.stdout.contains("Task 1: deleted"),
        "{}",
        deleted.stdout
    );
    assert_eq!(states(&house).await, [""; 0]);
    let gone = house.quay(&["tasks", "delete", "1", "--yes"]);
    assert_eq!(gone.code, 4, "{}", gone.stderr);
    assert!(gone.stderr.contains("404 not_found"), "{}", gone.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_deletes_with_yes_and_gets_json() {
    let house = House::open(Bell::Broken).await;
    assert_eq!(house.quay(&["export", "user"]).stdout, "1\n");
    assert_eq!(house.quay(&["tasks", "cancel", "1"]).code, 0);
    let deleted = house.quay(&["tasks", "delete", "1", "--yes", "--json"]);
    assert_eq!(
        deleted.json(),
        json!({"id": "1", "deleted": true}),
        "{}",
        deleted.stderr
    );
}

/// The row of a quota in the table, as its cells.
fn quota(table: &str, name: &str) -> Vec<String> {
    let row = table.lines().find(|line| line.starts_with(name));
    let row = row.unwrap_or_else(|| panic!("no {name} in {table}"));
    row.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_tell_what_is_used_and_a_full_one_is_three_try_later() {
    let limits = [("QUAYSIDE__QUOTAS__OPEN_TASKS_PER_USER", "1")];
    let house = House::open_with(Bell::Broken, &limits).await;
    let used = |table: &str| quota(table, "open_tasks_per_user")[1..3].join(" of ");
    assert_eq!(used(&house.quay(&["quotas"]).stdout), "0 of 1");
    assert_eq!(house.quay(&["export", "user"]).stdout, "1\n");
    let told = house.quay(&["quotas"]);
    assert_eq!(used(&told.stdout), "1 of 1", "{}", told.stderr);
    let full = house.quay(&["export", "user", "--force"]);
    assert_eq!(full.code, 3, "{}", full.stderr);
    for words in ["429 too_many_open_tasks", "quay quotas", "Try again in"] {
        assert!(full.stderr.contains(words), "{words:?}: {}", full.stderr);
    }
    let told = house.quay(&["quotas", "--json"]).json();
    assert_eq!(told[0]["used"], 1, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_narrowed_by_text_and_time() {
    let house = House::open(Bell::Broken).await;
    for name in ["spring", "autumn"] {
        let ran = house.quay(&["export", "user", "--force", "--file-name", name]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    let ids = |options: &[&str]| -> Vec<String> {
        let listed = house.quay(&[&["tasks", "list", "--json"], options].concat());
        assert_eq!(listed.code, 0, "{}", listed.stderr);
        let ids = listed.json();
        let ids = ids.as_array().expect("a list").iter();
        ids.map(|task| task["id"].as_str().expect("an id").to_owned())
            .collect()
    };
    assert_eq!(ids(&["--search", "spring"]), ["1"]);
    assert_eq!(ids(&["--created-from", "2020-01-01T00:00:00Z"]), ["2", "1"]);
    assert_eq!(ids(&["--created-to", "2020-01-01T00:00:00Z"]), [""; 0]);
    let wrong = house.quay(&["tasks", "list", "--created-from", "yesterday"]);
    assert_eq!(wrong.code, 4);
    assert!(
        wrong.stderr.contains("2026-01-31T08:00:00Z"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn no_token_is_told_before_anything_is_asked() {
    for verb in ["retry", "attempts", "watch"] {
        let ran = quay(&["tasks", verb, "1"], &[]);
        assert_eq!(ran.code, 2, "{verb}");
        assert!(
            ran.stderr.contains("QUAYSIDE_TOKEN"),
            "{verb}: {}",
            ran.stderr
        );
    }
}
