//! Who may open a stream, and until when.

use std::io::{BufReader, Read};
use std::process::{Command, Stdio};

use reqwest::Method;
use serde_json::json;
use testkit::{TestDatabase, eventually};

use super::{OWN, events_of, lively};
use crate::house::{House, SECRET, admin, from_now, manager, sign, token};
use crate::process::{address, command};
use crate::reader::Reader;

#[tokio::test(flavor = "multi_thread")]
async fn anothers_task_has_no_stream_and_no_ticket() {
    let house = lively().await;
    let task = house.an_export(&manager()).await;
    let ticket = format!("/api/v1/tasks/{task}/events-ticket");
    for stranger in [
        token("acme", "8", &["MANAGER"]),
        token("globex", "7", &["MANAGER"]),
        token("globex", "1", &["SUPER_ADMIN"]),
    ] {
        let answer = house.get(&stranger, &events_of(&task)).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "not_found")
        );
        let answer = house.post(&stranger, &ticket, &json!({})).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "not_found")
        );
    }
    assert_eq!(house.get(&manager(), &events_of("x")).await.status, 404);
    let mut stream = Reader::open(&house, &events_of(&task), &admin()).await;
    assert_eq!(stream.event().await.unwrap().task(), task);
}

async fn ticket(house: &House, token: &str, path: &str) -> String {
    let given = house
        .post(token, &format!("{path}-ticket"), &json!({}))
        .await;
    assert_eq!(given.status, 200, "{given:?}");
    given.json()["ticket"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_its_stream_without_a_token_and_nothing_else() {
    let house = lively().await;
    let (task, other) = (
        house.an_export(&manager()).await,
        house.an_export(&manager()).await,
    );
    let to_task = ticket(&house, &manager(), &events_of(&task)).await;
    let to_own = ticket(&house, &manager(), OWN).await;

    let mut stream = Reader::open_without_token(&house, &events_of(&task), &to_task).await;
    assert_eq!(stream.event().await.unwrap().task(), task);
    let mut stream = Reader::open_without_token(&house, OWN, &to_own).await;
    assert_eq!(stream.event().await.unwrap().task(), task);

    for (path, ticket) in [
        (events_of(&other), &to_task),
        (events_of(&task), &to_own),
        (OWN.to_owned(), &to_task),
        (OWN.to_owned(), &manager()),
        (OWN.to_owned(), &String::new()),
        (format!("/api/v1/tasks/{task}"), &to_task),
        ("/api/v1/tasks".to_owned(), &to_own),
    ] {
        let asked = house
            .request(Method::GET, &path)
            .query(&[("ticket", ticket)]);
        let answer = house.send(asked).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (401, "unauthenticated"),
            "{path}"
        );
    }
    for ticket in [&to_task, &to_own] {
        for path in [events_of(&task), OWN.to_owned(), "/api/v1/tasks".to_owned()] {
            assert_eq!(
                house.get(ticket, &path).await.status,
                401,
                "no token: {path}"
            );
        }
        let further = house
            .post(ticket, &format!("{OWN}-ticket"), &json!({}))
            .await;
        assert_eq!(further.status, 401, "no ticket gives another");
    }
}

fn short_token(seconds: i64) -> String {
    sign(&json!({"sub": "7", "tenant": "acme", "roles": ["MANAGER"], "exp": from_now(seconds)}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_and_a_stream_end_with_the_token_they_were_given_for() {
    let house = lively().await;
    let task = house.an_export(&manager()).await;
    let short = short_token(10);
    let ticket = ticket(&house, &short, OWN).await;
    let mut by_ticket = Reader::open_without_token(&house, OWN, &ticket).await;
    let mut by_token = Reader::open(&house, &events_of(&task), &short).await;
    for stream in [&mut by_ticket, &mut by_token] {
        assert_eq!(stream.event().await.unwrap().task(), task);
        assert!(stream.event().await.is_none());
    }
    eventually("the ticket ends", async || {
        let asked = house
            .request(Method::GET, OWN)
            .query(&[("ticket", &ticket)]);
        let answer = asked.send().await.unwrap();
        (answer.status() == 401).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_and_no_ticket_stands_in_the_log() {
    let database = TestDatabase::with_examples().await;
    let storage = tempfile::tempdir().unwrap();
    let mut gateway = command(database.url(), SECRET, storage.path());
    gateway.env("QUAYSIDE__TELEMETRY__LOG_FILTER", "debug");
    let mut process = gateway.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap());
    let url = format!("http://{}", address(&mut log, "the gateway is open"));
    let rest = tokio::task::spawn_blocking(move || {
        let mut rest = String::new();
        log.read_to_string(&mut rest).unwrap();
        rest
    });

    let client = reqwest::Client::builder().build().unwrap();
    let token = manager();
    let asked = client.post(format!("{url}{OWN}-ticket"));
    let given = asked.bearer_auth(&token).send().await.unwrap();
    let given: serde_json::Value = given.json().await.unwrap();
    let ticket = given["ticket"].as_str().unwrap();
    for (path, status) in [(OWN.to_owned(), 200), (events_of("1"), 401)] {
        let asked = client.get(format!("{url}{path}"));
        let answer = asked.query(&[("ticket", ticket)]).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    let told = Command::new("kill").arg(process.id().to_string()).status();
    assert!(told.unwrap().success());
    let log = rest.await.unwrap();
    assert!(process.wait().unwrap().success(), "{log}");
    assert!(log.contains("GET /api/v1/tasks/events"), "{log}");
    for secret in [ticket, "ticket=", token.rsplit('.').next().unwrap()] {
        assert!(!log.contains(secret), "{log}");
    }
}
