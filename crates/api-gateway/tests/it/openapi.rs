//! What the document says against what the gateway does.

mod check;
mod imports;
mod operators;

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::TestDatabase;

use crate::dead_letters::operator;
use crate::form::Form;
use crate::house::{DAY, House, from_now, manager, sign};
use check::Check;
use imports::check_imports;
use operators::{check_dead_letters, check_lanes};

/// Calls of a manager, below `/api/v1`: method, route, path. OPEN and DONE are exports, FILE is the
/// latter's file.
const CALLS: &[(&str, &str, &str)] = &[
    ("GET", "/tasks", "/tasks?limit=1"),
    ("GET", "/tasks", "/tasks?limit=0"),
    ("GET", "/tasks", "/tasks?all=true"),
    ("GET", "/tasks/{id}", "/tasks/OPEN"),
    ("GET", "/tasks/{id}", "/tasks/DONE"),
    ("GET", "/tasks/{id}", "/tasks/x"),
    ("GET", "/tasks/{id}/download", "/tasks/OPEN/download"),
    ("GET", "/tasks/{id}/download", "/tasks/DONE/download"),
    (
        "GET",
        "/tasks/{id}/files/{file_id}",
        "/tasks/DONE/files/FILE",
    ),
    ("GET", "/tasks/{id}/files/{file_id}", "/tasks/DONE/files/0"),
    ("GET", "/datasets", "/datasets"),
    ("GET", "/datasets/{name}", "/datasets/member"),
    ("GET", "/datasets/{name}", "/datasets/nobody"),
    ("POST", "/tasks/{id}/cancel", "/tasks/OPEN/cancel"),
    ("POST", "/tasks/{id}/cancel", "/tasks/OPEN/cancel"),
    ("POST", "/tasks/{id}/cancel", "/tasks/0/cancel"),
    ("POST", "/tasks/{id}/retry", "/tasks/OPEN/retry"),
    ("POST", "/tasks/{id}/retry", "/tasks/OPEN/retry"),
    ("POST", "/tasks/{id}/retry", "/tasks/0/retry"),
    ("GET", "/tasks/{id}/attempts", "/tasks/DONE/attempts"),
    (
        "GET",
        "/tasks/{id}/attempts",
        "/tasks/DONE/attempts?limit=0",
    ),
    ("GET", "/tasks/{id}/attempts", "/tasks/0/attempts"),
    ("GET", "/quotas", "/quotas"),
    ("GET", "/tasks/{id}/events", "/tasks/DONE/events"),
    (
        "POST",
        "/tasks/{id}/events-ticket",
        "/tasks/DONE/events-ticket",
    ),
    ("POST", "/tasks/events-ticket", "/tasks/events-ticket"),
    ("DELETE", "/tasks/{id}", "/tasks/OPEN"),
    ("DELETE", "/tasks/{id}", "/tasks/DONE"),
    ("DELETE", "/tasks/{id}", "/tasks/DONE"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_documented_is_what_is_answered() {
    let house = House::over(TestDatabase::with_examples().await, |settings| {
        settings.dead_letters.house_tenant = domain::Tenant::parse("acme").unwrap();
    });
    let document = house
        .send(house.request(Method::GET, "/openapi.json"))
        .await
        .json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut check = Check {
        document: &document,
        seen: BTreeSet::new(),
    };
    let (open, done) = (
        house.an_export(&manager()).await,
        house.an_export(&manager()).await,
    );
    house.run(&done, "a.xlsx", b"abc", DAY).await;
    let shown = house
        .get(&manager(), &format!("/api/v1/tasks/{done}"))
        .await;
    let file = shown.json()["files"][0]["id"].as_str().unwrap().to_owned();

    for (method, route, path) in CALLS {
        let route = format!("/api/v1{route}");
        let path = path.replace("OPEN", &open).replace("DONE", &done);
        let path = format!("/api/v1{}", path.replace("FILE", &file));
        let name = Method::from_bytes(method.as_bytes()).unwrap();
        let call = house.request(name, &path).bearer_auth(manager());
        check.answer(method, &route, &house.send(call).await);
    }
    check_imports(&house, &mut check).await;
    check_lanes(&house, &mut check).await;
    check_dead_letters(&house, &mut check).await;
    for (method, route, answer) in crate::compensations::answers(&house).await {
        check.answer(method, route, &answer);
    }
    for (method, route, answer) in crate::webhooks::answers(&house).await {
        check.answer(method, route, &answer);
    }
    // A stream without an end of its own ends with the token.
    let short = sign(&json!({"sub": "7", "tenant": "acme", "exp": from_now(2)}));
    let stream = house.get(&short, "/api/v1/tasks/events").await;
    check.answer("GET", "/api/v1/tasks/events", &stream);
    for body in [
        json!({"dataset": "employee"}),
        json!({"dataset": "employee", "x": 1}),
        json!({"dataset": "nobody"}),
        json!({"dataset": "employee", "queue": "x"}),
    ] {
        let answer = house.post(&manager(), "/api/v1/exports", &body).await;
        check.answer("POST", "/api/v1/exports", &answer);
    }

    for (route, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let name = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let path = route
                .replace("{id}", "1")
                .replace("{file_id}", "1")
                .replace("{name}", "x")
                .replace("{lane}", "x");
            let answer = house.send(house.request(name, &path)).await;
            assert_eq!(
                answer.status, 401,
                "{method} {route} is documented and asks for a token"
            );
            check.answer(method, route, &answer);
            let good = check
                .seen
                .iter()
                .any(|(m, r, status)| (m, r) == (method, route) && (200..300).contains(status));
            assert!(good, "{method} {route} was never seen to succeed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_field_of_a_request_is_understood() {
    let house = House::open().await;
    let document = house
        .send(house.request(Method::GET, "/openapi.json"))
        .await
        .json();
    let schema = &document["components"]["schemas"]["ExportRequest"];
    assert_eq!(schema["required"], json!(["dataset"]));
    let mut body = json!({"dataset": "employee"});
    for field in schema["properties"]
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| *name != "dataset")
    {
        body[field] = Value::Null;
    }
    let answer = house.post(&manager(), "/api/v1/exports", &body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let fields = |schema: &str| {
        let schema = &document["components"]["schemas"][schema];
        let names = schema["properties"].as_object().unwrap().keys();
        let names: Vec<String> = names.cloned().collect();
        (names, schema["required"].clone())
    };
    let form = Form::of_csv().field("options", "{}");
    assert_eq!(house.import(&manager(), &form).await.status, 202);
    assert_eq!(
        fields("ImportRequest"),
        (
            vec!["dataset".into(), "file".into(), "options".into()],
            json!(["dataset", "file"])
        )
    );
    let rows = json!({"rows": [], "mode": null});
    let answer = house
        .post(&manager(), "/api/v1/datasets/member/rows", &rows)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let redrive = json!({
        "filter": {"biz_type": null, "reason": "x", "created_from": null, "created_to": null},
        "dry_run": null, "max": null, "rate_per_second": null,
    });
    let path = "/api/v1/dead-letters/redrive";
    let answer = house.post(&operator(), path, &redrive).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for (schema, sent) in [
        ("RedriveRequest", &redrive),
        ("RedriveFilter", &redrive["filter"]),
    ] {
        let sent: Vec<String> = sent.as_object().unwrap().keys().cloned().collect();
        let (mut documented, _) = fields(schema);
        documented.sort();
        let mut sent = sent;
        sent.sort();
        assert_eq!(documented, sent, "{schema}");
    }
    assert_eq!(
        fields("RowsRequest"),
        (vec!["mode".into(), "rows".into()], json!(["rows"]))
    );
}
