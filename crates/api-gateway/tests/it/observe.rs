use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::{House, manager, telemetry};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_is_taken_over_if_it_is_sane_and_made_if_not() {
    let house = House::open().await;
    let id = async |given: Option<&[u8]>| {
        let mut request = house.request(Method::GET, "/openapi.json");
        if let Some(given) = given {
            request = request.header("x-request-id", given);
        }
        house
            .send(request)
            .await
            .header("x-request-id")
            .unwrap()
            .to_owned()
    };
    assert_eq!(id(Some(b"abc-123")).await, "abc-123");
    let (one, two) = (id(None).await, id(None).await);
    assert_ne!(one, two);
    let long = [b'a'; 129];
    for odd in [&b""[..], b"two words", b"\xe5\x91\x98", &long] {
        assert_eq!(id(Some(odd)).await.len(), one.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_route_and_never_by_path() {
    let telemetry = telemetry();
    let house = House::open().await;
    house.get(&manager(), "/api/v1/tasks/no-such-task").await;
    house
        .get(&manager(), "/api/v1/no/such/route/no-such-task")
        .await;
    let metrics = telemetry.render_metrics();
    let counted =
        |labels: &str| metrics.contains(&format!("quayside_http_requests_total{{{labels}}}"));
    assert!(
        counted(r#"method="GET",route="/api/v1/tasks/{id}",status="4xx""#),
        "{metrics}"
    );
    assert!(
        counted(r#"method="GET",route="unknown",status="4xx""#),
        "{metrics}"
    );
    assert!(metrics.contains("quayside_http_request_duration_seconds_bucket"));
    assert!(!metrics.contains("no-such"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_answers_what_is_under_way_and_takes_nothing_new() {
    let house = House::open().await;
    let body = br#"{"dataset": "employee"}"#;
    let head = format!(
        "POST /api/v1/exports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        manager(),
        body.len()
    );
    let address = house.url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 25];
    connection.read_exact(&mut answer).await.unwrap();
    assert_eq!(
        answer, b"HTTP/1.1 100 Continue\r\n\r\n",
        "the request is under way"
    );

    house.lifecycle.begin_shutdown();
    connection.write_all(body).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    house.lifecycle.run_to_end().await.unwrap();
    let refused = house.request(Method::GET, "/openapi.json").send().await;
    assert!(refused.unwrap_err().is_connect());
    assert_eq!(house.written().await, (1, 1));
}
