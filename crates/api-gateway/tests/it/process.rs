//! The gateway as a process.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::TestDatabase;

use crate::house::{SECRET, manager};

/// The gateway's program, with its settings, on ports of the system's choice.
pub(crate) fn command(database_url: &str, secret: &str, storage: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_api-gateway"));
    command
        .env("QUAYSIDE__MYSQL__URL", database_url)
        .env("QUAYSIDE__KAFKA__BROKERS", "127.0.0.1:1")
        .env("QUAYSIDE__STORAGE__ROOT", storage)
        .env("QUAYSIDE__HTTP__LISTEN", "127.0.0.1:0")
        .env("QUAYSIDE__ADMIN__LISTEN", "127.0.0.1:0")
        .env("QUAYSIDE__AUTH__JWT_SECRET", secret)
        .env(
            "QUAYSIDE__DATASETS__DIR",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/datasets"),
        );
    command
}

/// A process that ends with its test.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The most memory that the process has had, in KiB.
pub(crate) fn peak(process: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let figure = line.unwrap().split_whitespace().nth(1).unwrap();
    figure.parse().unwrap()
}

fn spawn(database_url: &str, secret: &str, storage: &std::path::Path) -> Child {
    let mut command = command(database_url, secret, storage);
    command.stderr(Stdio::piped()).spawn().unwrap()
}

/// Reads the log until the line that says so, and gives the address in it.
pub(crate) fn address(log: &mut impl BufRead, message: &str) -> String {
    for line in log.lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if line["message"] == message {
            return line["address"].as_str().unwrap().to_owned();
        }
    }
    panic!("the log ended before: {message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_kafka_away_it_starts_serves_is_ready_and_ends_cleanly() {
    let database = TestDatabase::with_examples().await;
    let storage = tempfile::tempdir().unwrap();
    let mut process = spawn(database.url(), SECRET, storage.path());
    let mut log = BufReader::new(process.stderr.take().unwrap());
    let admin = address(&mut log, "admin port is open");
    let public = address(&mut log, "the gateway is open");

    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap();
    let submit = client.post(format!("http://{public}/api/v1/exports"));
    let submit = submit
        .bearer_auth(manager())
        .json(&json!({"dataset": "employee"}));
    assert_eq!(submit.send().await.unwrap().status(), 202);
    let ready = client
        .get(format!("http://{admin}/readyz"))
        .send()
        .await
        .unwrap();
    assert_eq!(ready.status(), 200);
    let detail: Value = ready.json().await.unwrap();
    let states = |at: usize| {
        (
            &detail["dependencies"][at]["name"],
            &detail["dependencies"][at]["state"],
        )
    };
    assert_eq!(states(0), (&json!("mysql"), &json!("up")));
    assert_eq!(states(1), (&json!("kafka"), &json!("down")));

    let told = Instant::now();
    let signal = Command::new("kill")
        .args(["-TERM", &process.id().to_string()])
        .status();
    assert!(signal.unwrap().success());
    let rest = tokio::task::spawn_blocking(move || {
        let mut rest = String::new();
        log.read_to_string(&mut rest).unwrap();
        rest
    });
    let rest = rest.await.unwrap();
    assert!(process.wait().unwrap().success(), "{rest}");
    assert!(
        told.elapsed() < Duration::from_secs(15),
        "{:?}: {rest}",
        told.elapsed()
    );
    assert!(!rest.contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_refuses_to_start_without_a_secret_or_with_a_definition_that_fits_no_table() {
    let storage = tempfile::tempdir().unwrap();
    let ended = |database_url: &str, secret: &str| {
        let ended = spawn(database_url, secret, storage.path())
            .wait_with_output()
            .unwrap();
        (
            ended.status.code(),
            String::from_utf8(ended.stderr).unwrap(),
        )
    };
    let (code, said) = ended("mysql://root@127.0.0.1:1/x", "");
    assert_eq!(code, Some(1));
    assert!(said.contains("auth.jwt_secret is not set"), "{said}");

    let without_tables = TestDatabase::create().await;
    let (code, said) = ended(without_tables.url(), SECRET);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("employee.toml:") && said.contains("there is no table"),
        "{said}"
    );
}
