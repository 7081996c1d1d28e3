//! Real processes, real signals.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use service::{Lifecycle, Phase};

pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) admin: String,
}

/// Starts the probe and waits until it says that it is ready.
pub(crate) fn ready(behaviour: &str, grace_seconds: u32) -> Running {
    let mut child = spawn(behaviour, grace_seconds);
    let mut admin = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut admin)
        .unwrap();
    Running {
        child,
        admin: format!("http://{}", admin.trim()),
    }
}

fn spawn(behaviour: &str, grace_seconds: u32) -> Child {
    Command::new(env!("CARGO_BIN_EXE_service-probe"))
        .env("PROBE", behaviour)
        .env("QUAYSIDE__ADMIN__LISTEN", "127.0.0.1:0")
        .env(
            "QUAYSIDE__LIFECYCLE__GRACE_SECONDS",
            grace_seconds.to_string(),
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(child.id().to_string())
        .status();
    assert!(sent.unwrap().success());
}

/// How the process ended and what it wrote to standard error.
fn end(mut child: Child) -> (ExitStatus, String) {
    let mut errors = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut errors)
        .unwrap();
    (child.wait().unwrap(), errors)
}

#[test]
fn sigterm_lets_obedient_work_end_and_the_exit_is_clean() {
    for name in ["TERM", "INT"] {
        let running = ready("ends when told", 20);
        signal(&running.child, name);
        let (status, log) = end(running.child);
        assert!(status.success(), "{name}: {log}");
        assert!(log.contains("service-probe has ended"), "{log}");
    }
}

#[test]
fn work_that_outlives_the_grace_period_is_cut_off_and_said_so() {
    let running = ready("ends when cut off", 1);
    signal(&running.child, "TERM");
    let (status, log) = end(running.child);
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("grace period of 1 s"), "{log}");
}

#[test]
fn a_second_signal_exits_at_once() {
    let mut running = ready("ends when cut off", 600);
    signal(&running.child, "TERM");
    // The first signal has been taken when the log says so.
    let mut log = BufReader::new(running.child.stderr.take().unwrap()).lines();
    while !log.next().unwrap().unwrap().contains("shutting down") {}
    signal(&running.child, "INT");
    assert_eq!(running.child.wait().unwrap().code(), Some(130));
}

#[test]
fn the_unexpected_end_of_a_tracked_task_ends_the_process_and_names_it() {
    for (behaviour, task, reason) in [
        ("fails", "faulty", "no more paper"),
        ("panics", "shaky", "no more nerves"),
        ("returns", "lazy", "it returned"),
    ] {
        let (status, log) = end(ready(behaviour, 20).child);
        assert_eq!(status.code(), Some(1), "{behaviour}: {log}");
        assert!(
            log.contains(task) && log.contains(reason),
            "{behaviour}: {log}"
        );
    }
}

#[test]
fn a_process_that_is_still_starting_can_be_told_to_end() {
    let mut child = spawn("never starts", 20);
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    while !log.next().unwrap().unwrap().contains("admin port is open") {}
    signal(&child, "TERM");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_log_line_is_one_json_object_with_the_fields_of_its_spans_and_its_trace() {
    let running = ready("ends when told", 20);
    signal(&running.child, "TERM");
    let (_, log) = end(running.child);
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let line = lines
        .iter()
        .find(|line| line["message"] == "within a span")
        .unwrap();
    assert_eq!(
        (&line["level"], &line["span"]),
        (&"INFO".into(), &"probing".into())
    );
    assert_eq!((&line["answer"], &line["task.id"]), (&42.into(), &7.into()));
    assert_eq!(line["trace_id"].as_str().unwrap().len(), 32);
    assert_eq!(line["span_id"].as_str().unwrap().len(), 16);
    assert!(lines[0].get("trace_id").is_none(), "{}", lines[0]);
}

#[test]
fn the_last_spans_are_sent_to_the_collector_before_the_process_ends() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let mut child = Command::new(env!("CARGO_BIN_EXE_service-probe"))
        .env("PROBE", "ends when told")
        .env("QUAYSIDE__ADMIN__LISTEN", "127.0.0.1:0")
        .env("QUAYSIDE__TELEMETRY__OTLP_ENDPOINT", endpoint)
        .stderr(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut said)
        .unwrap();
    signal(&child, "TERM");
    let (mut connection, _) = collector.accept().unwrap();
    let mut request = String::new();
    BufReader::new(&connection).read_line(&mut request).unwrap();
    assert_eq!(request, "POST /v1/traces HTTP/1.1\r\n");
    connection
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_command_line_answers_version_and_refuses_what_it_does_not_know() {
    let probe = || Command::new(env!("CARGO_BIN_EXE_service-probe"));
    let version = probe().arg("--version").output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&version.stdout),
        "service-probe 1.2.3\n"
    );
    assert_eq!(
        probe().arg("--what").output().unwrap().status.code(),
        Some(2)
    );
    let missing = probe()
        .args(["--config", "/nowhere.toml"])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/nowhere.toml"));
}

#[tokio::test]
async fn a_life_starts_is_ready_and_drains() {
    let life = Lifecycle::new(Duration::from_secs(5));
    assert_eq!(life.phase(), Phase::Starting);
    life.set_ready();
    assert_eq!(life.phase(), Phase::Ready);
    life.begin_shutdown();
    assert_eq!(life.phase(), Phase::Draining);
    life.run_to_end().await.unwrap();
    assert!(life.drained().is_cancelled());
}
