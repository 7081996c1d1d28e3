use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::{House, manager};

const EXPORTS: &str = "/api/v1/exports";
const ROWS: &str = "/api/v1/datasets/member/rows";

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_has_the_shape_of_the_contract() {
    let house = House::open().await;
    let body = json!({"dataset": "employee", "columns": ["wage"], "colums": []});
    for body in [
        body,
        json!({"dataset": "employee", "columns": ["wage"], "sort": ["x"]}),
    ] {
        let request = house
            .request(Method::POST, "/api/v1/exports?x=1")
            .bearer_auth(manager());
        let answer = house
            .send(request.json(&body).header("x-request-id", "r-1"))
            .await;
        answer.problem();
        insta::assert_json_snapshot!(answer.json());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_does_not_exist_is_404_and_a_method_that_is_not_allowed_405() {
    let house = House::open().await;
    for path in [
        "/",
        "/api/v1",
        "/api/v2/tasks",
        "/api/v1/tasks/",
        "/api/v1//tasks",
        "/metrics",
    ] {
        let answer = house.get(&manager(), path).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "not_found"),
            "{path}"
        );
    }
    for (method, path, allow) in [
        (Method::GET, "/api/v1/exports", "POST"),
        (Method::PUT, "/api/v1/tasks", "GET, HEAD"),
        (Method::PATCH, "/api/v1/tasks/1", "GET, HEAD, DELETE"),
        (Method::GET, "/api/v1/tasks/1/retry", "POST"),
        (Method::DELETE, "/api/v1/quotas", "GET, HEAD"),
        (Method::GET, "/api/v1/tasks/1/cancel", "POST"),
        (Method::POST, "/openapi.json", "GET, HEAD"),
        (Method::TRACE, "/api/v1/datasets", "GET, HEAD"),
    ] {
        let answer = house
            .send(house.request(method, path).bearer_auth(manager()))
            .await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (405, "method_not_allowed"),
            "{path}"
        );
        assert_eq!(answer.header("allow"), Some(allow), "{path}");
    }
}

/// What the gateway answers to bytes that no client library would send.
async fn raw(house: &House, request: &str) -> String {
    let address = house.url.trim_start_matches("http://");
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A connection that is reset after the answer has told all the same.
    if let Err(error) = socket.read_to_end(&mut answer).await {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_or_broken_is_a_problem_before_it_has_come_whole() {
    let house = House::open().await;
    let head = format!(
        "POST /api/v1/exports HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: application/json\r\nAuthorization: Bearer {}\r\n",
        manager()
    );
    for (rest, status, code) in [
        (
            "Content-Length: 999999999999\r\n\r\n{",
            "413",
            "body_too_large",
        ),
        (
            "Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
            "400",
            "invalid_request",
        ),
    ] {
        let answer = raw(&house, &format!("{head}{rest}")).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(answer.contains(code), "{answer}");
    }
    assert_eq!(house.written().await, (0, 0));
}

/// Such bytes never become a request, so no handler of ours sees them: the HTTP library's own
/// refusal, with nothing in it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_refused_and_the_next_client_is_served() {
    let house = House::open().await;
    let long = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "x".repeat(300_000)
    );
    for request in ["nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", &long] {
        let answer = raw(&house, request).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert!(!answer.contains("actix"), "{answer}");
    }
    let next = house.get(&manager(), "/api/v1/tasks").await;
    assert_eq!(next.status, 200);
}

/// As many faults as the body has room for, each with a name of the client's.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_faults_a_hundred_are_told_and_how_many_more_there_are() {
    let house = House::with_tables().await;
    let unknown: Vec<String> = (0..5_000).map(|n| format!("x{n}")).collect();
    let keys: Map<String, Value> = unknown[..50]
        .iter()
        .map(|it| (it.clone(), 1.into()))
        .collect();
    let fields: Map<String, Value> = unknown.iter().map(|it| (it.clone(), 1.into())).collect();
    for (path, body, many) in [
        (ROWS, json!({"rows": vec![keys; 1_000]}), 50_000),
        (
            EXPORTS,
            json!({"dataset": "employee", "columns": unknown}),
            5_000,
        ),
        (
            EXPORTS,
            json!({"dataset": "employee", "filters": fields}),
            5_000,
        ),
        (
            EXPORTS,
            json!({"dataset": "employee", "options": fields}),
            5_000,
        ),
        (EXPORTS, Value::Object(fields), 5_000),
    ] {
        let answer = house.post(&manager(), path, &body).await;
        answer.problem();
        let problem = answer.json();
        let errors = problem["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 100, "{path}");
        let last = errors[99]["message"].as_str().unwrap();
        let more = format!("; {} more faults are not listed", many - 100);
        assert!(last.ends_with(&more), "{last}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.ends_with("; and more, see errors"), "{detail}");
        assert!(detail.len() < 1_000, "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_sent_is_told_back_in_part_if_it_is_long() {
    let house = House::with_tables().await;
    let long = "x".repeat(200_000);
    for (path, body) in [
        (ROWS, json!({"rows": [{&long: 1}]})),
        (EXPORTS, json!({"dataset": "employee", "columns": [&long]})),
        (crate::compensations::PATH, json!(long)),
    ] {
        let answer = house.post(&manager(), path, &body).await;
        answer.problem();
        assert!(answer.body.len() < 10_000, "{path}: {}", answer.body.len());
    }
}
