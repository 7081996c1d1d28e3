//! Manners of the command line: whoever stops reading, whatever lies at the target, and what a
//! refusal advises.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use testkit::{TestDatabase, eventually};

use crate::command::quay;
use crate::house::{Bell, House, token};

/// Runs `quay` with a stdout that nobody reads, and gives its exit code and stderr.
fn unheard(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_quay"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdout(closed_pipe())
        .stderr(Stdio::piped())
        .spawn()
        .expect("quay runs");
    let mut said = String::new();
    let stderr = child.stderr.as_mut().expect("a pipe");
    stderr.read_to_string(&mut said).expect("text");
    (child.wait().expect("it ends").code(), said)
}

/// The writing end of a pipe without a reading one.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

/// How many tasks there are.
async fn tasks(house: &House) -> u64 {
    house.database.one("SELECT COUNT(*) FROM task").await
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_is_the_quiet_end_of_every_command() {
    let house = House::open(Bell::Broken).await;
    let token = token("MANAGER");
    let environment = [
        ("QUAYSIDE_URL", house.url()),
        ("QUAYSIDE_TOKEN", token.as_str()),
        ("QUAYSIDE_MYSQL", house.database.url()),
    ];
    for arguments in [
        &["export", "employee"][..],
        &["export", "user", "--json"],
        &["tasks", "show", "1"],
        &["tasks", "show", "1", "--json"],
        &["tasks", "list"],
        &["tasks", "list", "--json"],
        &["tasks", "cancel", "1"],
        &["tasks", "delete", "1", "--yes"],
        &["quotas"],
        &["completion", "bash"],
        &["seed", "user", "--rows", "10"],
        &["migrate"],
        &["token", "--user", "7", "--role", "A", "--secret", "s"],
        &["--help"],
    ] {
        let (code, said) = unheard(arguments, &environment);
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
        assert_eq!(said, "", "{arguments:?}");
    }
}

#[test]
fn a_failure_nobody_hears_keeps_its_exit_code() {
    let ran = Command::new(env!("CARGO_BIN_EXE_quay"))
        .args(["tasks", "show", "1"])
        .env_clear()
        .stderr(closed_pipe())
        .status()
        .expect("quay runs");
    assert_eq!(ran.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_there_is_replaced_only_by_overwrite_and_told_before_any_work() {
    let mut house = House::open(Bell::Embedded).await;
    let file = house.downloads().join("mine.xlsx");
    fs::write(&file, "mine").expect("a file");
    let refused = house.quay(&["export", "user", "-o", text(&file)]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    for words in ["exists", "--overwrite", "Nothing was exported"] {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    let device = house.quay(&["export", "user", "--overwrite", "-o", "/dev/null"]);
    assert!(device.stderr.contains("no plain file"), "{}", device.stderr);
    assert_eq!(tasks(&house).await, 0);
    house.start_worker().await;
    let exported = house.quay(&["export", "user", "--overwrite", "-o", text(&file)]);
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    let bytes = fs::read(&file).expect("the file");
    assert!(bytes.starts_with(b"PK"), "a workbook");
    let again = house.quay(&["tasks", "download", "1", "-o", text(&file)]);
    assert_eq!(again.code, 1, "{}", again.stdout);
    assert!(again.stderr.contains("--overwrite"), "{}", again.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_lost_while_waiting_loses_no_export() {
    let mut house = House::open(Bell::Embedded).await;
    let file = house.downloads().join("late.xlsx");
    let mut waiting = house.start_quay(&["export", "user", "-o", text(&file)]);
    waiting.wait_for_log("PENDING").await;
    fs::write(&file, "came in between").expect("a file");
    house.start_worker().await;
    assert_eq!(waiting.end().await.code(), Some(1), "{}", waiting.log());
    waiting.wait_for_log("quay tasks download 1 -o PATH").await;
    assert_eq!(fs::read(&file).expect("the file"), b"came in between");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_is_advised_only_while_there_is_something_to_wait_for() {
    let house = House::open(Bell::Broken).await;
    assert_eq!(house.quay(&["export", "employee"]).code, 0);
    let open = house.quay(&["tasks", "download", "1"]);
    assert_eq!(open.code, 4);
    let later = "Look again later: quay tasks show 1";
    assert!(open.stderr.contains(later), "{}", open.stderr);
    assert_eq!(house.quay(&["tasks", "cancel", "1"]).code, 0);
    let over = house.quay(&["tasks", "download", "1"]);
    assert_eq!(over.code, 4);
    assert!(!over.stderr.contains("later"), "{}", over.stderr);
    let why = "It will have none. Why: quay tasks show 1";
    assert!(over.stderr.contains(why), "{}", over.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_word_says_where_the_right_ones_stand() {
    let house = House::open(Bell::Broken).await;
    for wrong in [["--columns", "shoe"], ["--filter", "hire_date=x"]] {
        let ran = house.quay(&["export", "employee", wrong[0], wrong[1]]);
        assert_eq!(ran.code, 4, "{}", ran.stderr);
        let hint = "GET /api/v1/datasets/employee tells";
        assert!(ran.stderr.contains(hint), "{}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_export_again_is_the_one_under_way() {
    let house = House::open(Bell::Broken).await;
    assert_eq!(house.quay(&["export", "employee"]).stdout, "1\n");
    let again = house.quay(&["export", "employee", "--timeout", "1"]);
    assert_eq!(again.code, 5, "it waits: {}", again.stderr);
    let says = "already under way (task 1); --force makes another";
    assert!(again.stderr.contains(says), "{}", again.stderr);
    let forced = house.quay(&["export", "employee", "--force"]);
    assert_ne!(forced.stdout, "1\n");
    assert!(!forced.stderr.contains("under way"), "{}", forced.stderr);
    assert_eq!(tasks(&house).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_mysql_refuses_is_called_so() {
    let database = TestDatabase::with_examples().await;
    let wrong = database.url().replacen("root@", "root:wrong@", 1);
    let before = database.one::<u64>("SELECT COUNT(*) FROM user").await;
    for arguments in [&["seed", "user", "--rows", "1"][..], &["migrate"]] {
        let ran = quay(arguments, &[("QUAYSIDE_MYSQL", &wrong)]);
        assert_eq!(ran.code, 4, "{arguments:?}: {}", ran.stderr);
        let says = ran.stderr.contains("MySQL refused the login");
        assert!(says, "{arguments:?}: {}", ran.stderr);
        assert!(
            !ran.stderr.contains("Is the table there?"),
            "{}",
            ran.stderr
        );
    }
    assert_eq!(
        database.one::<u64>("SELECT COUNT(*) FROM user").await,
        before
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_first_sending_is_under_way_is_to_be_sent_again_later() {
    let house = House::open(Bell::Broken).await;
    for statement in [
        "CREATE TABLE let_go (n INT PRIMARY KEY)",
        "CREATE TRIGGER slow BEFORE INSERT ON task FOR EACH ROW BEGIN \
         SET @n = 0; WHILE @n = 0 DO \
         SELECT COUNT(*) + SLEEP(0.02) INTO @n FROM let_go FOR SHARE; END WHILE; END",
    ] {
        house.database.execute(statement).await;
    }
    let export = ["export", "user", "--idempotency-key", "k"];
    let _first = house.start_quay(&export);
    eventually("the first request at its task", async || {
        let waiting = "SELECT COUNT(*) FROM information_schema.processlist \
                       WHERE db = DATABASE() AND state = 'User sleep'";
        (house.database.one::<u64>(waiting).await > 0).then_some(())
    })
    .await;
    let second = house.quay(&export);
    assert_eq!(second.code, 3, "{}", second.stderr);
    for words in ["409 idempotency_in_progress", "Try again in 2 s"] {
        assert!(second.stderr.contains(words), "{words}: {}", second.stderr);
    }
    house
        .database
        .execute("INSERT INTO let_go VALUES (1)")
        .await;
    let third = house.quay(&export);
    assert_eq!(third.code, 0, "{}", third.stderr);
    assert_eq!(tasks(&house).await, 1);
}
