//! What a client sees of servers that are away, and of a gateway that is told to go at once
//! (docs/RELIABILITY.md).

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use testkit::{MoodyProxy, TestDatabase};

use crate::form::{Form, IMPORTS};
use crate::house::{Answer, House, SECRET, manager, token};

/// Routes that MySQL has no part in; the stream of one's own tasks opens and waits for it
/// (`events::crowd`).
const WITHOUT_MYSQL: &[&str] = &[
    "GET /api/v1/datasets",
    "GET /api/v1/datasets/{name}",
    "GET /api/v1/datasets/{name}/template",
    "GET /api/v1/tasks/events",
    "POST /api/v1/tasks/events-ticket",
];

/// One who may do everything.
fn mighty() -> String {
    token("acme", "7", &["SUPER_ADMIN", "MANAGER"])
}

/// Every documented route that asks MySQL, with a request that gets as far as that.
async fn requests(house: &House) -> Vec<(String, RequestBuilder)> {
    let contract = house.request(Method::GET, "/openapi.json");
    let contract = house.send(contract).await.json();
    let mut requests = Vec::new();
    let mut spared = BTreeSet::new();
    for (path, operations) in contract["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let route = format!("{method} {path}");
            if WITHOUT_MYSQL.contains(&route.as_str()) {
                spared.insert(route);
            } else {
                let request = request(house, method, path);
                requests.push((route, request));
            }
        }
    }
    assert_eq!(spared.len(), WITHOUT_MYSQL.len(), "all of them exist");
    requests
}

fn request(house: &House, method: Method, path: &str) -> RequestBuilder {
    if path == IMPORTS {
        return house.import_request(&mighty(), &Form::of_csv());
    }
    let concrete = path
        .replace("{name}", "member")
        .replace("{lane}", "quayside.export.default")
        .replace("{id}", "1")
        .replace("{file_id}", "1");
    let request = house.request(method.clone(), &concrete);
    let request = request.bearer_auth(mighty());
    if [Method::POST, Method::PUT].contains(&method) {
        request.json(&body(path))
    } else {
        request
    }
}

/// A body that is right for the route.
fn body(path: &str) -> Value {
    match path {
        "/api/v1/exports" => json!({"dataset": "employee"}),
        "/api/v1/datasets/{name}/rows" => json!({"rows": [{
            "member_no": "M1", "name": "n", "mobile": "13800000000",
            "level": 1, "points": 0, "balance": "1.50",
        }]}),
        "/api/v1/compensations" => crate::compensations::items(&["m1"]),
        "/api/v1/dead-letters/redrive" => json!({"filter": {"reason": "internal"}}),
        "/api/v1/notifications/settings" => json!({"in_app": true, "email": null}),
        "/api/v1/webhooks" => json!({"url": "https://example.com/told"}),
        "/api/v1/lanes/{lane}/pause" => json!({"reason": "a test"}),
        _ => json!({}),
    }
}

fn assert_away(route: &str, answer: &Answer) {
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 503, "{route}: {text}");
    assert_eq!(answer.problem(), "database_unavailable", "{route}");
    assert_eq!(answer.header("retry-after"), Some("5"), "{route}");
    let tells_too_much = text.to_lowercase().contains("mysql") || text.contains("127.0.0.1");
    assert!(!tells_too_much, "{route}: {text}");
}

/// Sends all of them at once: a silent server is waited for in each.
async fn assert_all_away(house: &House) {
    let requests = requests(house).await;
    let sent = requests
        .into_iter()
        .map(async |(route, request)| (route, house.send(request).await));
    for (route, answer) in futures::future::join_all(sent).await {
        assert_away(&route, &answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_says_503_and_when_to_come_back_while_mysql_is_away_or_silent() {
    let proxy = MoodyProxy::before(&testkit::mysql()).await;
    let database = TestDatabase::with_examples().await;
    let house = House::over(database, |settings| {
        settings.mysql.url = proxy.url(settings.mysql.url.expose_secret()).into();
        settings.dead_letters.house_tenant = domain::Tenant::parse("acme").unwrap();
    });
    let task = house.an_export(&manager()).await;
    let written = house.written().await;

    proxy.go_away();
    assert_all_away(&house).await;
    proxy.come_back();
    let path = format!("/api/v1/tasks/{task}");
    assert_eq!(house.get(&manager(), &path).await.status, 200, "by itself");

    proxy.fall_silent();
    assert_all_away(&house).await;
    proxy.come_back();
    assert_eq!(house.get(&manager(), &path).await.status, 200, "by itself");
    assert_eq!(house.written().await, written, "nothing was accepted");
    let members: u64 = house.database.one("SELECT COUNT(*) FROM member").await;
    assert_eq!((members, house.stored()), (0, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn problems_are_counted_by_code_so_that_an_outage_can_be_told_from_a_fault() {
    let telemetry = crate::house::telemetry();
    let house = House::open_with(|settings| {
        settings.mysql.url = "mysql://root@127.0.0.1:1/nowhere".into();
    })
    .await;
    house.get(&manager(), "/api/v1/tasks/1").await;
    let metrics = telemetry.render_metrics();
    let counted = "quayside_http_problems_total{code=\"database_unavailable\"}";
    assert!(metrics.contains(counted), "{metrics}");
}

/// The clock of these gateways stands in January 2026, whatever the database's says.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_whose_clock_is_wrong_tells_the_times_of_the_database() {
    let house = House::open().await;
    let before: DateTime<Utc> = now(&house).await;
    let task = house.an_export(&manager()).await;
    let path = format!("/api/v1/tasks/{task}");
    let shown = house.get(&manager(), &path).await;
    let created = shown.json()["created_at"].as_str().unwrap().to_owned();
    let created: DateTime<Utc> = created.parse().unwrap();
    assert!(crate::house::clock() < before, "the clocks differ");
    assert!(
        before <= created && created <= now(&house).await,
        "{created}"
    );
    let due_in: f64 = house
        .database
        .one("SELECT TIMESTAMPDIFF(SECOND, created_at, wake_at) + 0e0 FROM compensate_biz")
        .await;
    assert!((0.0..=60.0).contains(&due_in), "{due_in}");
}

async fn now(house: &House) -> DateTime<Utc> {
    let sql = "SELECT DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%fZ')";
    house.database.one::<String>(sql).await.parse().unwrap()
}

/// An upload that nobody finishes keeps the gateway from ending; the second signal does not wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_sigterm_ends_the_gateway_at_once() {
    let database = TestDatabase::with_examples().await;
    let storage = tempfile::tempdir().unwrap();
    let mut command = crate::process::command(database.url(), SECRET, storage.path());
    let mut process = command
        .env("QUAYSIDE__LIFECYCLE__GRACE_SECONDS", "600")
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap());
    let public = crate::process::address(&mut log, "the gateway is open");
    let _upload = begin_an_upload(&public);
    let id = process.id().to_string();
    let ended = tokio::task::spawn_blocking(move || {
        terminate(&id);
        while !line(&mut log).contains("shutting down") {}
        terminate(&id);
        process.wait().unwrap().code()
    });
    let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
    assert_eq!(ended.expect("at once").unwrap(), Some(143));
}

/// A connection whose request has begun and does not end.
fn begin_an_upload(address: &str) -> TcpStream {
    let mut upload = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST {IMPORTS} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\
         Authorization: Bearer {}\r\nContent-Type: {}\r\n\r\n",
        manager(),
        Form::new().content_type()
    );
    upload.write_all(head.as_bytes()).unwrap();
    let go_on = line(&mut BufReader::new(upload.try_clone().unwrap()));
    assert!(go_on.starts_with("HTTP/1.1 100"), "{go_on}");
    upload
}

fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    assert!(from.read_line(&mut line).unwrap() > 0, "it has ended");
    line
}

fn terminate(id: &str) {
    let sent = Command::new("kill").args(["-TERM", id]).status();
    assert!(sent.unwrap().success());
}
