//! `quay operation-log` and `quay notifications`.

use crate::command::quay;
use crate::house::{Bell, House};

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_who_did_what() {
    let house = House::open(Bell::Broken).await;
    let ask =
        |arguments: &[&str]| house.quay_as("OPERATOR", &[&["operation-log"], arguments].concat());
    let none = ask(&["list", "--action", "TASK_CANCEL"]);
    assert_eq!((none.code, &*none.stdout), (0, ""), "{}", none.stderr);
    for _ in 0..2 {
        house.quay(&["export", "user", "--force"]);
    }
    assert_eq!(house.quay(&["tasks", "cancel", "1"]).code, 0);
    let table = ask(&["list"]);
    let lines: Vec<Vec<&str>> = table
        .stdout
        .lines()
        .map(|line| line.split_whitespace().skip(2).collect())
        .collect();
    assert_eq!(lines.len(), 4, "{}", table.stdout);
    assert_eq!(
        lines[1][..5],
        ["7", "TASK_CANCEL", "TASK", "1", "DONE"],
        "{}",
        table.stdout
    );
    let page = ask(&["list", "--action", "TASK_SUBMIT", "--limit", "1", "--json"]);
    assert_eq!(page.json()[0]["object_id"], "2", "{}", page.stdout);
    let one = ask(&["list", "--limit", "1"]);
    assert_eq!(one.stdout.lines().count(), 2, "{}", one.stdout);
    assert!(one.stderr.contains("--limit 2"), "{}", one.stderr);
    // A service may have words of its own, of capital letters.
    let unknown = ask(&["list", "--action", "NAP"]);
    assert_eq!(
        (unknown.code, &*unknown.stdout),
        (0, ""),
        "{}",
        unknown.stderr
    );
    let no_word = ask(&["list", "--action", "nap"]);
    assert_eq!(no_word.code, 4, "{}", no_word.stderr);
    let manager = house.quay(&["operation-log", "list"]);
    assert_eq!(manager.code, 4, "{}", manager.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_was_told_is_listed_and_noted_as_read() {
    let house = House::open(Bell::Broken).await;
    let none = house.quay(&["notifications", "list"]);
    assert_eq!((none.code, &*none.stdout), (0, ""), "{}", none.stderr);
    let told = "INSERT INTO notification (id, tenant, recipient_kind, recipient, kind, \
                notification_key, params) VALUES (7, 'acme', 'ROLE', 'OPERATOR', 'DEAD_LETTERS', \
                'x', '{\"reason\": \"internal\", \"biz_type\": \"EXPORT\", \"lane\": \"l\"}')";
    house.database.execute(told).await;
    let row = || {
        let table = house.quay_as("OPERATOR", &["notifications", "list"]).stdout;
        let row = table.lines().nth(1).unwrap_or_default().to_owned();
        let cells: Vec<String> = row.split_whitespace().map(str::to_owned).collect();
        (cells[0].clone(), cells[5..].join(" "))
    };
    assert_eq!(row(), ("7".to_owned(), "no internal EXPORT l".to_owned()));
    let read = house.quay_as("OPERATOR", &["notifications", "read", "7"]);
    assert_eq!(read.stdout, "Notification 7: read\n", "{}", read.stderr);
    assert_eq!(row().1, "yes internal EXPORT l");
    let other = house.quay(&["notifications", "read", "7"]);
    assert_eq!(other.code, 4, "{}", other.stderr);
    assert!(other.stderr.contains("404 not_found"), "{}", other.stderr);
}

#[test]
fn a_verb_must_be_named() {
    for arguments in [&["notifications"][..], &["operation-log"]] {
        let ran = quay(arguments, &[("QUAYSIDE_TOKEN", "x")]);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
    }
}
