use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::house::{House, manager};

const EXPORTS: &str = "/api/v1/exports";

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_is_accepted_at_once_although_kafka_is_away() {
    let house = House::open().await;
    let body = json!({
        "dataset": "employee",
        "columns": ["employee_no", "name"],
        "filters": {"department": "R&D", "hire_date": {"gte": "2020-01-01"}},
        "sort": ["-hire_date", "id"],
        "options": {"null_text": "-"},
    });
    let began = Instant::now();
    let answer = house.post(&manager(), EXPORTS, &body).await;
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "the client waited for Kafka"
    );
    assert_eq!(answer.status, 202, "{answer:?}");
    let task = answer.json();
    let path = format!("/api/v1/tasks/{}", task["id"].as_str().unwrap());
    assert_eq!(answer.header("location"), Some(path.as_str()));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(house.get(&manager(), &path).await.json()["id"], task["id"]);
    assert_eq!(house.written().await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_has_the_shape_of_the_contract() {
    let house = House::open().await;
    let body = json!({"dataset": "employee", "options": {"header": false}});
    let mut task = house.post(&manager(), EXPORTS, &body).await.json();
    assert!(task["id"].as_str().unwrap().parse::<u64>().is_ok());
    assert!(task["created_at"].as_str().unwrap().ends_with('Z'));
    for field in ["id", "created_at"] {
        task[field] = "…".into();
    }
    insta::assert_json_snapshot!(task);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_the_contract_is_refused_with_code_and_field_and_nothing_is_written() {
    let house = House::open().await;
    let with = |field: &str, value: Value| {
        let mut body = json!({"dataset": "employee"});
        body[field] = value;
        body
    };
    let cases = [
        (json!({}), 400, "invalid_request", "/dataset"),
        (json!({"dataset": 7}), 400, "invalid_request", "/dataset"),
        (
            json!({"dataset": "nobody"}),
            404,
            "dataset_not_found",
            "/dataset",
        ),
        (
            json!({"dataset": "../employee"}),
            404,
            "dataset_not_found",
            "/dataset",
        ),
        (
            with("colums", json!(["id"])),
            400,
            "invalid_request",
            "/colums",
        ),
        (
            with("columns", json!("id")),
            400,
            "invalid_request",
            "/columns",
        ),
        (
            with("columns", json!([])),
            400,
            "invalid_request",
            "/columns",
        ),
        (
            with("columns", json!(["id", "wage"])),
            422,
            "unknown_column",
            "/columns/1",
        ),
        (
            with("columns", json!(["id; DROP TABLE task"])),
            422,
            "unknown_column",
            "/columns/0",
        ),
        (
            with("sort", json!(["-wage"])),
            422,
            "unknown_column",
            "/sort/0",
        ),
        (
            with("sort", json!(["email"])),
            422,
            "unknown_column",
            "/sort/0",
        ),
        (
            with("filters", json!({"wage": 1})),
            422,
            "unknown_column",
            "/filters/wage",
        ),
        (
            with("filters", json!({"email": "a"})),
            422,
            "unknown_column",
            "/filters/email",
        ),
        (
            with("filters", json!({"a/b~c": 1})),
            422,
            "unknown_column",
            "/filters/a~1b~0c",
        ),
        (
            with("filters", json!({"department": {"gt": "a"}})),
            422,
            "invalid_filter",
            "/filters/department/gt",
        ),
        (
            with("filters", json!({"department": {"like": "a"}})),
            422,
            "invalid_filter",
            "/filters/department/like",
        ),
        (
            with("filters", json!({"hire_date": {"gte": "2020-02-30"}})),
            422,
            "invalid_filter",
            "/filters/hire_date/gte",
        ),
        (
            with("filters", json!({"id": "seven"})),
            422,
            "invalid_filter",
            "/filters/id",
        ),
        (
            with("queue", json!("express")),
            422,
            "unknown_queue",
            "/queue",
        ),
        (
            with("format", json!("pdf")),
            400,
            "invalid_request",
            "/format",
        ),
        (
            with("locale", json!("xx")),
            400,
            "invalid_request",
            "/locale",
        ),
        (
            with("timezone", json!("Mars/Olympus")),
            400,
            "invalid_request",
            "/timezone",
        ),
        (
            with("options", json!({"heder": true})),
            400,
            "invalid_request",
            "/options/heder",
        ),
        (
            with("force", json!("yes")),
            400,
            "invalid_request",
            "/force",
        ),
    ];
    for (body, status, code, pointer) in cases {
        let answer = house.post(&manager(), EXPORTS, &body).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, code),
            "{body}"
        );
        let errors = answer.json()["errors"].clone();
        assert_eq!(errors[0]["pointer"], pointer, "{body}: {errors}");
        assert_eq!(errors[0]["code"], code, "{body}: {errors}");
    }
    assert_eq!(house.written().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_json_too_large_or_of_another_type_is_refused() {
    let house = House::open().await;
    let post = |media: &str, body: String| {
        house
            .request(Method::POST, EXPORTS)
            .bearer_auth(manager())
            .header("content-type", media)
            .body(body)
    };
    let large = format!(r#"{{"dataset": "{}"}}"#, "x".repeat(300_000));
    let unsized_large = reqwest::Body::wrap_stream(futures::stream::iter(
        large
            .as_bytes()
            .chunks(8192)
            .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
            .collect::<Vec<_>>(),
    ));
    let chunked = post("application/json", String::new()).body(unsized_large);
    let cases = [
        (post("application/json", "{".into()), 400, "invalid_request"),
        (
            post("application/json", String::new()),
            400,
            "invalid_request",
        ),
        (
            post("application/json", "[]".into()),
            400,
            "invalid_request",
        ),
        (
            post("application/json; charset=utf-8", "null".into()),
            400,
            "invalid_request",
        ),
        (
            post("application/json", "[".repeat(100_000)),
            400,
            "invalid_request",
        ),
        (
            post("application/json", large.clone()),
            413,
            "body_too_large",
        ),
        (chunked, 413, "body_too_large"),
        (post("text/plain", "{}".into()), 415, "unsupported_media"),
    ];
    for (request, status, code) in cases {
        let answer = house.send(request).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, code));
    }
    assert_eq!(house.written().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_of_a_filter_is_data_and_is_stored_as_it_came() {
    let house = House::open().await;
    for text in [
        "' OR 1=1 --",
        "%",
        "_",
        "\\",
        "\\'",
        "😀",
        "a\0b",
        "\"",
        "NULL",
        ";--",
        "员工",
    ] {
        let body = json!({"dataset": "employee", "filters": {"department": text}});
        let answer = house.post(&manager(), EXPORTS, &body).await;
        assert_eq!(answer.status, 202, "{text:?}: {answer:?}");
        let task = answer.json()["id"].as_str().unwrap().to_owned();
        let sql = format!("SELECT context FROM compensate_biz WHERE task_id = {task}");
        let context: String = house.database.one(&sql).await;
        let spec: domain::ExportSpec = serde_json::from_str(&context).unwrap();
        assert_eq!(
            serde_json::to_value(&spec.conditions).unwrap(),
            json!([{"column": "department", "predicate": {"eq": {"text": text}}}]),
            "{text:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_named_in_the_users_language_by_the_time_in_the_tasks_zone() {
    let house = House::open().await;
    let name = async |body: Value| {
        house.post(&manager(), EXPORTS, &body).await.json()["name"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let employee = json!({"dataset": "employee"});
    assert_eq!(name(employee).await, "员工信息_20260102_030405.xlsx");
    let abroad = json!({"dataset": "employee", "locale": "en", "timezone": "UTC"});
    assert_eq!(name(abroad).await, "Employees_20260101_190405.xlsx");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_503_with_a_time_to_come_back() {
    let house = House::open_with(|settings| {
        settings.mysql.url = "mysql://root@127.0.0.1:1/nowhere".into();
    })
    .await;
    let submit = house
        .post(&manager(), EXPORTS, &json!({"dataset": "employee"}))
        .await;
    let show = house.get(&manager(), "/api/v1/tasks/1").await;
    for answer in [submit, show] {
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (503, "database_unavailable")
        );
        assert_eq!(answer.header("retry-after"), Some("5"));
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            !text.contains("127.0.0.1") && !text.contains("mysql"),
            "{text}"
        );
    }
    assert_eq!(house.get(&manager(), "/api/v1/datasets").await.status, 200);
}
