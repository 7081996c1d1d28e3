//! What the document says against what the gateway does.

use std::collections::BTreeSet;

use domain::{FailureCode, RowCode};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::TestDatabase;

use crate::dead_letters::{a_dead_export, operator};
use crate::form::{CSV, Form, IMPORTS};
use crate::house::{Answer, DAY, House, admin, from_now, manager, sign, token};
use crate::worker::fault;

/// Every field of `value` is documented, and every field that must be there is. Refs are followed.
fn assert_fits(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(path) = schema["$ref"].as_str() {
        let target = document
            .pointer(path.trim_start_matches('#'))
            .expect("a ref that leads on");
        return assert_fits(document, target, value, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        if !value.is_null() {
            let choice = choices
                .iter()
                .find(|choice| choice["type"] != "null")
                .unwrap();
            assert_fits(document, choice, value, at);
        }
        return;
    }
    assert_type(schema, value, at);
    if let (Some(properties), Some(fields)) = (schema["properties"].as_object(), value.as_object())
    {
        for required in schema["required"].as_array().into_iter().flatten() {
            assert!(
                fields.contains_key(required.as_str().unwrap()),
                "{at} lacks {required}"
            );
        }
        for (name, field) in fields {
            let schema = properties
                .get(name)
                .unwrap_or_else(|| panic!("{at}/{name} is not documented"));
            assert_fits(document, schema, field, &format!("{at}/{name}"));
        }
    }
    if let Some(items) = value.as_array() {
        for (index, item) in items.iter().enumerate() {
            assert_fits(document, &schema["items"], item, &format!("{at}/{index}"));
        }
    }
}

fn assert_type(schema: &Value, value: &Value, at: &str) {
    let allowed: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().map(|one| one.as_str().unwrap()).collect(),
        _ => return,
    };
    let actual = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = allowed.contains(&actual) || (actual == "integer" && allowed.contains(&"number"));
    assert!(fits, "{at} is {actual}, documented as {allowed:?}");
}

struct Check<'a> {
    document: &'a Value,
    seen: BTreeSet<(String, String, u16)>,
}

impl Check<'_> {
    /// The answer is one that the document knows, in status, media type and shape.
    fn answer(&mut self, method: &str, route: &str, answer: &Answer) {
        let method = method.to_lowercase();
        let operation = &self.document["paths"][route][&method];
        let documented = &operation["responses"][answer.status.to_string()];
        assert!(
            documented.is_object(),
            "{method} {route} answers {} undocumented",
            answer.status
        );
        self.seen.insert((method, route.to_owned(), answer.status));
        let Some(content) = documented["content"].as_object() else {
            assert!(answer.body.is_empty(), "{route}");
            return;
        };
        let media = answer.header("content-type").unwrap();
        if media == "application/json" || media == "application/problem+json" {
            let documented = content
                .get(media)
                .unwrap_or_else(|| panic!("{route}: {media}"));
            let schema = &documented["schema"];
            assert_fits(self.document, schema, &answer.json(), route);
        }
    }
}

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

    let calls = [
        ("GET", "/api/v1/tasks", "/api/v1/tasks?limit=1".to_owned()),
        ("GET", "/api/v1/tasks", "/api/v1/tasks?limit=0".to_owned()),
        ("GET", "/api/v1/tasks", "/api/v1/tasks?all=true".to_owned()),
        ("GET", "/api/v1/tasks/{id}", format!("/api/v1/tasks/{open}")),
        ("GET", "/api/v1/tasks/{id}", format!("/api/v1/tasks/{done}")),
        ("GET", "/api/v1/tasks/{id}", "/api/v1/tasks/x".to_owned()),
        (
            "GET",
            "/api/v1/tasks/{id}/download",
            format!("/api/v1/tasks/{open}/download"),
        ),
        (
            "GET",
            "/api/v1/tasks/{id}/download",
            format!("/api/v1/tasks/{done}/download"),
        ),
        (
            "GET",
            "/api/v1/tasks/{id}/files/{file_id}",
            format!("/api/v1/tasks/{done}/files/{file}"),
        ),
        (
            "GET",
            "/api/v1/tasks/{id}/files/{file_id}",
            format!("/api/v1/tasks/{done}/files/0"),
        ),
        ("GET", "/api/v1/datasets", "/api/v1/datasets".to_owned()),
        (
            "GET",
            "/api/v1/datasets/{name}",
            "/api/v1/datasets/member".to_owned(),
        ),
        (
            "GET",
            "/api/v1/datasets/{name}",
            "/api/v1/datasets/nobody".to_owned(),
        ),
        (
            "POST",
            "/api/v1/tasks/{id}/cancel",
            format!("/api/v1/tasks/{open}/cancel"),
        ),
        (
            "POST",
            "/api/v1/tasks/{id}/cancel",
            format!("/api/v1/tasks/{open}/cancel"),
        ),
        (
            "POST",
            "/api/v1/tasks/{id}/cancel",
            "/api/v1/tasks/0/cancel".to_owned(),
        ),
        (
            "POST",
            "/api/v1/tasks/{id}/retry",
            format!("/api/v1/tasks/{open}/retry"),
        ),
        (
            "POST",
            "/api/v1/tasks/{id}/retry",
            format!("/api/v1/tasks/{open}/retry"),
        ),
        (
            "POST",
            "/api/v1/tasks/{id}/retry",
            "/api/v1/tasks/0/retry".to_owned(),
        ),
        (
            "GET",
            "/api/v1/tasks/{id}/attempts",
            format!("/api/v1/tasks/{done}/attempts"),
        ),
        (
            "GET",
            "/api/v1/tasks/{id}/attempts",
            format!("/api/v1/tasks/{done}/attempts?limit=0"),
        ),
        (
            "GET",
            "/api/v1/tasks/{id}/attempts",
            "/api/v1/tasks/0/attempts".to_owned(),
        ),
        ("GET", "/api/v1/quotas", "/api/v1/quotas".to_owned()),
        (
            "GET",
            "/api/v1/tasks/{id}/events",
            format!("/api/v1/tasks/{done}/events"),
        ),
        (
            "POST",
            "/api/v1/tasks/{id}/events-ticket",
            format!("/api/v1/tasks/{done}/events-ticket"),
        ),
        (
            "POST",
            "/api/v1/tasks/events-ticket",
            "/api/v1/tasks/events-ticket".to_owned(),
        ),
        (
            "DELETE",
            "/api/v1/tasks/{id}",
            format!("/api/v1/tasks/{open}"),
        ),
        (
            "DELETE",
            "/api/v1/tasks/{id}",
            format!("/api/v1/tasks/{done}"),
        ),
        (
            "DELETE",
            "/api/v1/tasks/{id}",
            format!("/api/v1/tasks/{done}"),
        ),
    ];
    for (method, route, path) in calls {
        let method_ = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = house
            .send(house.request(method_, &path).bearer_auth(manager()))
            .await;
        check.answer(method, route, &answer);
    }
    check_imports(&house, &mut check).await;
    check_lanes(&house, &mut check).await;
    check_dead_letters(&house, &mut check).await;
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

async fn check_dead_letters(house: &House, check: &mut Check<'_>) {
    let letters = "/api/v1/dead-letters";
    let (_, redriven) = a_dead_export(house, FailureCode::Internal).await;
    let (_, discarded) = a_dead_export(house, FailureCode::Internal).await;
    let inbox = "INSERT INTO notification (id, tenant, recipient_kind, recipient, kind, \
                 notification_key, params) VALUES (7, 'acme', 'ROLE', 'OPERATOR', 'DEAD_LETTERS', \
                 'x', '{}')";
    house.database.execute(inbox).await;
    for (who, route, path) in [
        (operator(), letters, letters.to_owned()),
        (manager(), letters, letters.to_owned()),
        (operator(), letters, format!("{letters}?limit=0")),
        (
            operator(),
            "/api/v1/dead-letters/summary",
            format!("{letters}/summary"),
        ),
        (
            manager(),
            "/api/v1/dead-letters/summary",
            format!("{letters}/summary"),
        ),
        (
            operator(),
            "/api/v1/dead-letters/{id}",
            format!("{letters}/{redriven}"),
        ),
        (
            operator(),
            "/api/v1/dead-letters/{id}",
            format!("{letters}/0"),
        ),
        (
            manager(),
            "/api/v1/dead-letters/{id}",
            format!("{letters}/{redriven}"),
        ),
        (
            operator(),
            "/api/v1/operation-log",
            "/api/v1/operation-log".to_owned(),
        ),
        (
            manager(),
            "/api/v1/operation-log",
            "/api/v1/operation-log".to_owned(),
        ),
        (
            operator(),
            "/api/v1/notifications",
            "/api/v1/notifications".to_owned(),
        ),
        (
            operator(),
            "/api/v1/notifications",
            "/api/v1/notifications?limit=x".to_owned(),
        ),
    ] {
        let answer = house.get(&who, &path).await;
        check.answer("GET", route, &answer);
    }
    for (verb, id) in [("redrive", &redriven), ("discard", &discarded)] {
        let route = format!("/api/v1/dead-letters/{{id}}/{verb}");
        for (who, id) in [
            (operator(), id.as_str()),
            (operator(), id.as_str()),
            (operator(), "0"),
            (manager(), "0"),
        ] {
            let path = format!("{letters}/{id}/{verb}");
            let answer = house.post(&who, &path, &json!({})).await;
            check.answer("POST", &route, &answer);
        }
    }
    for id in ["7", "8"] {
        let path = format!("/api/v1/notifications/{id}/read");
        let answer = house.post(&operator(), &path, &json!({})).await;
        check.answer("POST", "/api/v1/notifications/{id}/read", &answer);
    }
    let many = format!("{letters}/redrive");
    for (who, body) in [
        (operator(), json!({"filter": {"reason": "internal"}})),
        (operator(), json!({})),
        (operator(), json!({"x": 1})),
        (manager(), json!({})),
    ] {
        let answer = house.post(&who, &many, &body).await;
        check.answer("POST", &many, &answer);
    }
}

async fn check_lanes(house: &House, check: &mut Check<'_>) {
    let lane = "/api/v1/lanes/quayside.export.default";
    let operator = token("acme", "9", &["OPERATOR"]);
    for token in [&operator, &manager()] {
        let answer = house.get(token, "/api/v1/lanes").await;
        check.answer("GET", "/api/v1/lanes", &answer);
    }
    for (token, body) in [
        (&operator, json!({"reason": "x"})),
        (&operator, json!({})),
        (&admin(), json!({"reason": "x"})),
    ] {
        let answer = house.post(token, &format!("{lane}/pause"), &body).await;
        check.answer("POST", "/api/v1/lanes/{lane}/pause", &answer);
    }
    for lane in [lane, "/api/v1/lanes/nobody"] {
        let answer = house
            .post(&operator, &format!("{lane}/resume"), &json!({}))
            .await;
        check.answer("POST", "/api/v1/lanes/{lane}/resume", &answer);
    }
}

async fn check_imports(house: &House, check: &mut Check<'_>) {
    for form in [
        Form::of_csv(),
        Form::of_csv().field("x", ""),
        Form::new().field("dataset", "nobody").file("m.csv", CSV),
        Form::new().field("dataset", "member").file("m.csv", b""),
        Form::new()
            .field("dataset", "member")
            .file("m.xlsx", b"\x89PNG\r\n\x1a\n\0\0"),
    ] {
        let answer = house.import(&manager(), &form).await;
        check.answer("POST", IMPORTS, &answer);
    }
    let import = house.an_import(&manager()).await;
    house.split(&import, 1).await;
    let fault = fault(3, RowCode::Required, "");
    house.apply(&import, 1, vec![fault]).await;
    let member = "/api/v1/datasets/member";
    for (route, path) in [
        ("/api/v1/tasks/{id}", format!("/api/v1/tasks/{import}")),
        (
            "/api/v1/tasks/{id}/row-errors",
            format!("/api/v1/tasks/{import}/row-errors"),
        ),
        (
            "/api/v1/tasks/{id}/row-errors",
            format!("/api/v1/tasks/{import}/row-errors?format=csv"),
        ),
        (
            "/api/v1/tasks/{id}/row-errors",
            format!("/api/v1/tasks/{import}/row-errors?code=x"),
        ),
        (
            "/api/v1/tasks/{id}/row-errors",
            "/api/v1/tasks/0/row-errors".to_owned(),
        ),
        (
            "/api/v1/datasets/{name}/template",
            format!("{member}/template"),
        ),
        (
            "/api/v1/datasets/{name}/template",
            format!("{member}/template?format=x"),
        ),
        (
            "/api/v1/datasets/{name}/template",
            "/api/v1/datasets/x/template".to_owned(),
        ),
    ] {
        let answer = house.get(&manager(), &path).await;
        check.answer("GET", route, &answer);
    }
    let good = json!({"member_no": "M1", "name": "a", "mobile": "13800000000", "level": 1,
        "points": 0, "balance": 0});
    for body in [
        json!({"rows": [good, {"member_no": "M2"}]}),
        json!({"rows": [{"x": 1}]}),
        json!({"rows": 1}),
    ] {
        let answer = house
            .post(&manager(), &format!("{member}/rows"), &body)
            .await;
        check.answer("POST", "/api/v1/datasets/{name}/rows", &answer);
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
