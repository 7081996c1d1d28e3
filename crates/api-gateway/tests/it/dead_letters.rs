use domain::{Failure, FailureCode, Lane};
use reqwest::Method;
use serde_json::{Value, json};
use store::Poisoned;

use crate::house::{Answer, DAY, House, admin, manager, token};

const LETTERS: &str = "/api/v1/dead-letters";

pub(crate) fn operator() -> String {
    token("acme", "op", &["OPERATOR"])
}

/// An export of user 7 that was given up; its task and its letter.
pub(crate) async fn a_dead_export(house: &House, code: FailureCode) -> (String, String) {
    let task = house.an_export(&manager()).await;
    house
        .fail(&task, Failure::permanent(code, "table `x` at db-7"))
        .await;
    let newest = house.get(&operator(), &format!("{LETTERS}?limit=1")).await;
    let letter = newest.json()["items"][0]["id"].as_str().unwrap().to_owned();
    (task, letter)
}

/// A letter of tenant `default`.
async fn a_message(house: &House) -> String {
    let message = Poisoned {
        lane: Lane::export("default").unwrap(),
        reason: "malformed",
        detail: "1 of 2 bytes understood".to_owned(),
        payload: vec![1, 255],
        headers: "origin: test".to_owned(),
    };
    house.store.record_poison(message).await.unwrap();
    let id: u64 = house.database.one("SELECT MAX(id) FROM dead_letter").await;
    id.to_string()
}

async fn act(house: &House, who: &str, letter: &str, act: &str) -> Answer {
    let path = format!("{LETTERS}/{letter}/{act}");
    house
        .send(house.request(Method::POST, &path).bearer_auth(who))
        .await
}

async fn ids(house: &House, who: &str, query: &str) -> Vec<String> {
    let list = house.get(who, &format!("{LETTERS}?{query}")).await;
    assert_eq!(list.status, 200, "{list:?}");
    let items = list.json()["items"].as_array().unwrap().clone();
    let ids = items
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned());
    ids.collect()
}

async fn redrive(house: &House, body: &Value) -> Answer {
    house
        .post(&operator(), &format!("{LETTERS}/redrive"), body)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_what_was_set_aside_and_what_it_holds() {
    let house = House::open().await;
    let (task, id) = a_dead_export(&house, FailureCode::Internal).await;
    let list = house.get(&operator(), LETTERS).await.json();
    let listed = &list["items"][0];
    for (field, value) in [
        ("tenant", json!("acme")),
        ("source", json!("ROW")),
        ("status", json!("OPEN")),
        ("lane", json!("quayside.export.default")),
        ("biz_type", json!("EXPORT")),
        ("task_id", json!(task)),
        ("reason", json!("internal")),
        ("detail", json!("table `x` at db-7")),
        ("acted_by", Value::Null),
        ("allowed_actions", json!(["redrive", "discard"])),
    ] {
        assert_eq!(listed[field], value, "{field}");
    }
    assert!(
        listed.get("payload").is_none(),
        "what it holds is not for lists"
    );
    assert_eq!(list["next_cursor"], Value::Null);

    let shown = house.get(&admin(), &format!("{LETTERS}/{id}")).await.json();
    let payload = &shown["payload"];
    let context: Value = serde_json::from_str(payload["text"].as_str().unwrap()).unwrap();
    assert_eq!(context["dataset"], "employee");
    assert_eq!(
        (&payload["truncated"], &payload["hex"]),
        (&json!(false), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_large_context_the_beginning_is_shown() {
    let house = House::open().await;
    let (_, id) = a_dead_export(&house, FailureCode::Internal).await;
    house
        .database
        .execute("UPDATE dead_letter SET payload = REPEAT('汉', 20000), payload_bytes = 60000")
        .await;
    let shown = house
        .get(&operator(), &format!("{LETTERS}/{id}"))
        .await
        .json();
    let payload = &shown["payload"];
    assert_eq!(
        payload["text"].as_str().unwrap(),
        "汉".repeat((16 << 10) / 3)
    );
    assert_eq!(
        (&payload["truncated"], &payload["bytes"]),
        (&json!(true), &json!(60_000))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_for_operators_and_of_their_tenant() {
    let house = House::open().await;
    let (_, id) = a_dead_export(&house, FailureCode::Internal).await;
    let paths = [
        LETTERS.to_owned(),
        format!("{LETTERS}/summary"),
        format!("{LETTERS}/{id}"),
    ];
    for path in &paths {
        assert_eq!(
            house.get(&manager(), path).await.problem(),
            "forbidden",
            "{path}"
        );
    }
    for verb in ["redrive", "discard"] {
        let refused = act(&house, &manager(), &id, verb).await;
        assert_eq!((refused.status, &*refused.problem()), (403, "forbidden"));
    }
    let body = json!({"filter": {"reason": "internal"}});
    let path = format!("{LETTERS}/redrive");
    let refused = house.post(&manager(), &path, &body).await;
    assert_eq!(refused.problem(), "forbidden");

    let stranger = token("globex", "op", &["OPERATOR", "SUPER_ADMIN"]);
    assert_eq!(ids(&house, &stranger, "").await, [""; 0]);
    let peeked = house.get(&stranger, &format!("{LETTERS}/{id}")).await;
    assert_eq!((peeked.status, &*peeked.problem()), (404, "not_found"));
    for verb in ["redrive", "discard"] {
        let peeked = act(&house, &stranger, &id, verb).await;
        assert_eq!((peeked.status, &*peeked.problem()), (404, "not_found"));
    }
    let answer = house.post(&stranger, &path, &body).await;
    assert_eq!(answer.json(), json!({"matched": 0, "redriven": 0}));
    assert_eq!(ids(&house, &operator(), "status=OPEN").await, [id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_houses_is_looked_after_by_the_operators_of_its_tenant() {
    let house = House::open().await;
    let id = a_message(&house).await;
    let of_default = token("default", "op", &["OPERATOR"]);
    assert_eq!(ids(&house, &operator(), "").await, [""; 0]);
    assert_eq!(ids(&house, &of_default, "").await, [&*id]);
    let shown = house
        .get(&of_default, &format!("{LETTERS}/{id}"))
        .await
        .json();
    assert_eq!(
        (&shown["source"], &shown["biz_type"]),
        (&json!("MESSAGE"), &Value::Null)
    );
    assert_eq!(shown["payload"]["hex"], "01ff");
    assert_eq!(shown["headers"], "origin: test");
    assert_eq!(shown["allowed_actions"], json!(["discard"]));
    let refused = act(&house, &of_default, &id, "redrive").await;
    assert_eq!(refused.problem(), "state_conflict");

    let house = House::open_with(|settings| {
        settings.dead_letters.house_tenant = domain::Tenant::parse("acme").unwrap();
    })
    .await;
    let message = a_message(&house).await;
    let (_, row) = a_dead_export(&house, FailureCode::Internal).await;
    assert_eq!(ids(&house, &operator(), "").await, [&*row, &*message]);
    assert_eq!(
        ids(&house, &operator(), "reason=malformed").await,
        [&*message]
    );
    let done = act(&house, &operator(), &message, "discard").await;
    assert_eq!(done.json()["status"], "DISCARDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_export_runs_again_and_can_not_be_redriven_twice() {
    let house = House::open().await;
    let (task, id) = a_dead_export(&house, FailureCode::Internal).await;
    let done = act(&house, &operator(), &id, "redrive").await;
    assert_eq!(done.status, 200, "{done:?}");
    let letter = done.json();
    assert_eq!(
        (
            &letter["status"],
            &letter["acted_by"],
            &letter["allowed_actions"]
        ),
        (&json!("REDRIVEN"), &json!("op"), &json!([]))
    );
    let seen = house
        .get(&manager(), &format!("/api/v1/tasks/{task}"))
        .await
        .json();
    assert_eq!(
        (&seen["status"], &seen["error"]),
        (&json!("PENDING"), &Value::Null)
    );
    for verb in ["redrive", "discard"] {
        let again = act(&house, &operator(), &id, verb).await;
        assert_eq!((again.status, &*again.problem()), (409, "state_conflict"));
        assert_eq!(again.json()["state"], "REDRIVEN");
        assert_eq!(again.json()["allowed_actions"], json!([]));
    }
    house.run(&task, "a.xlsx", b"abc", DAY).await;
    let seen = house
        .get(&manager(), &format!("/api/v1/tasks/{task}"))
        .await
        .json();
    assert_eq!(seen["status"], "SUCCESS");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_of_a_deleted_task_can_only_be_discarded() {
    let house = House::open().await;
    let (task, id) = a_dead_export(&house, FailureCode::Internal).await;
    let delete = house.request(Method::DELETE, &format!("/api/v1/tasks/{task}"));
    assert_eq!(house.send(delete.bearer_auth(manager())).await.status, 204);
    let refused = act(&house, &operator(), &id, "redrive").await;
    assert_eq!(refused.problem(), "state_conflict");
    assert_eq!(refused.json()["state"], "OPEN");
    assert_eq!(refused.json()["detail"], "its task was deleted");
    let done = act(&house, &operator(), &id, "discard").await.json();
    assert_eq!(
        (&done["status"], &done["acted_by"]),
        (&json!("DISCARDED"), &json!("op"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_paged_and_summed_up() {
    let house = House::open().await;
    let mut all = Vec::new();
    for code in [
        FailureCode::Internal,
        FailureCode::TimedOut,
        FailureCode::Internal,
    ] {
        all.insert(0, a_dead_export(&house, code).await.1);
    }
    act(&house, &operator(), &all[2], "discard").await;
    for (query, found) in [
        ("", &all[..]),
        ("status=OPEN", &all[..2]),
        ("status=DISCARDED", &all[2..]),
        ("reason=timed_out", &all[1..2]),
        ("status=OPEN&reason=internal&biz_type=EXPORT", &all[..1]),
        ("biz_type=IMPORT", &[]),
        ("created_from=2020-01-01T00:00:00Z", &all[..]),
        ("created_to=2020-01-01T00:00:00Z", &[]),
    ] {
        assert_eq!(ids(&house, &operator(), query).await, found, "{query}");
    }
    let page = house
        .get(&operator(), &format!("{LETTERS}?limit=2"))
        .await
        .json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = ids(&house, &operator(), &format!("limit=2&cursor={cursor}")).await;
    assert_eq!(rest, all[2..]);
    for wrong in ["status=open", "limit=0", "cursor=x", "created_from=now"] {
        let answer = house.get(&operator(), &format!("{LETTERS}?{wrong}")).await;
        assert_eq!(answer.problem(), "invalid_request", "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_parked_waits_for_a_person_as_what_is_open_does() {
    let house = House::open().await;
    let mut letters = Vec::new();
    for code in [
        FailureCode::Internal,
        FailureCode::TimedOut,
        FailureCode::Internal,
        FailureCode::Internal,
    ] {
        letters.push(a_dead_export(&house, code).await.1);
    }
    let park = format!(
        "UPDATE dead_letter SET status = 'PARKED' WHERE id IN ({}, {})",
        letters[0], letters[1]
    );
    house.database.execute(&park).await;
    act(&house, &operator(), &letters[3], "discard").await;
    let groups = async |query: &str| {
        let path = format!("{LETTERS}/summary{query}");
        let summary = house.get(&operator(), &path).await.json();
        let items = summary["items"].as_array().unwrap().iter();
        let mut groups: Vec<String> = items
            .map(|it| format!("{} {} {}", it["status"], it["reason"], it["count"]))
            .collect();
        groups.sort();
        groups
    };
    assert_eq!(
        groups("").await,
        [
            r#""OPEN" "internal" 1"#,
            r#""PARKED" "internal" 1"#,
            r#""PARKED" "timed_out" 1"#
        ]
    );
    assert_eq!(groups("?status=OPEN").await, [r#""OPEN" "internal" 1"#]);
    assert_eq!(ids(&house, &operator(), "").await.len(), 4);
    let body = json!({"filter": {"reason": "internal"}});
    let done = redrive(&house, &body).await.json();
    assert_eq!(done, json!({"matched": 2, "redriven": 2}));
    assert_eq!(groups("").await, [r#""PARKED" "timed_out" 1"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_redriven_by_a_filter_that_must_be_there() {
    let house = House::open().await;
    let mut all = Vec::new();
    for code in [
        FailureCode::Internal,
        FailureCode::TimedOut,
        FailureCode::Internal,
    ] {
        all.push(a_dead_export(&house, code).await.1);
    }
    for body in [
        json!({}),
        json!({"filter": null}),
        json!({"filter": {}}),
        json!({"filter": {"reason": null}, "dry_run": true}),
    ] {
        let answer = redrive(&house, &body).await;
        assert_eq!(
            (answer.status, &*answer.problem()),
            (422, "filter_required"),
            "{body}"
        );
    }
    let filter = json!({"reason": "internal", "biz_type": "EXPORT"});
    let dry = redrive(&house, &json!({"filter": filter, "dry_run": true})).await;
    assert_eq!(
        (dry.status, dry.json()),
        (200, json!({"matched": 2, "redriven": 0}))
    );
    let one = redrive(
        &house,
        &json!({"filter": filter, "max": 1, "rate_per_second": 0.5}),
    )
    .await;
    assert_eq!(one.json(), json!({"matched": 2, "redriven": 1}));
    assert_eq!(
        ids(&house, &operator(), "status=REDRIVEN").await,
        [&*all[0]]
    );
    let since = json!({"filter": {"created_from": "2020-01-01T00:00:00+08:00"}});
    let rest = redrive(&house, &since).await;
    assert_eq!(rest.json(), json!({"matched": 2, "redriven": 2}));
    assert_eq!(
        redrive(&house, &since).await.json(),
        json!({"matched": 0, "redriven": 0})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_that_is_not_understood_says_where() {
    let house = House::open().await;
    let filter = json!({"reason": "internal"});
    for (body, pointer) in [
        (json!({"filter": filter, "rate": 1}), "/rate"),
        (json!({"filter": {"status": "OPEN"}}), "/filter/status"),
        (json!({"filter": {"reason": 7}}), "/filter/reason"),
        (
            json!({"filter": {"created_to": "now"}}),
            "/filter/created_to",
        ),
        (json!({"filter": "internal"}), "/filter"),
        (json!({"filter": filter, "dry_run": "yes"}), "/dry_run"),
        (json!({"filter": filter, "max": 0}), "/max"),
        (json!({"filter": filter, "max": 10_001}), "/max"),
        (json!({"filter": filter, "max": -1}), "/max"),
        (
            json!({"filter": filter, "rate_per_second": 0}),
            "/rate_per_second",
        ),
        (
            json!({"filter": filter, "rate_per_second": 1e9}),
            "/rate_per_second",
        ),
        (json!([]), ""),
    ] {
        let answer = redrive(&house, &body).await;
        assert_eq!(
            (answer.status, &*answer.problem()),
            (400, "invalid_request"),
            "{body}"
        );
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_none_is_404() {
    let house = House::open().await;
    for id in ["0", "x", "01", "99999999999999999999"] {
        let answer = house.get(&operator(), &format!("{LETTERS}/{id}")).await;
        assert_eq!(answer.problem(), "not_found", "{id}");
        assert_eq!(
            act(&house, &operator(), id, "redrive").await.problem(),
            "not_found"
        );
    }
}
