use reqwest::Method;
use serde_json::{Value, json};

use crate::house::{Answer, DAY, House, manager, token};

const EXPORTS: &str = "/api/v1/exports";

async fn submit(house: &House, token: &str, key: Option<&str>, body: &Value) -> Answer {
    let mut request = house
        .request(Method::POST, EXPORTS)
        .bearer_auth(token)
        .json(body);
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    house.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_and_fields_in_any_order_are_the_first_task_again() {
    let house = House::open().await;
    let key = Some("order-1");
    let body = json!({"dataset": "employee", "locale": "en", "filters": {"department": "R&D"}});
    let first = submit(&house, &manager(), key, &body).await;
    assert_eq!(
        (first.status, first.header("idempotency-replayed")),
        (202, None)
    );
    let text = r#"{"filters":{"department":"R&D"},"locale":"en","dataset":"employee"}"#;
    let request = house
        .request(Method::POST, EXPORTS)
        .bearer_auth(manager())
        .header("Idempotency-Key", "order-1")
        .header("Content-Type", "application/json")
        .body(text);
    let again = house.send(request).await;
    assert_eq!(
        (again.status, again.header("idempotency-replayed")),
        (202, Some("true"))
    );
    assert_eq!(again.json()["id"], first.json()["id"]);
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(house.written().await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_used_for_another_request_is_refused_and_belongs_to_its_user_alone() {
    let house = House::open().await;
    let body = json!({"dataset": "employee"});
    submit(&house, &manager(), Some("k"), &body).await;
    let other = json!({"dataset": "employee", "locale": "en"});
    let refused = submit(&house, &manager(), Some("k"), &other).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json()["code"], "idempotency_key_reused");
    let colleague = token("acme", "8", &["MANAGER"]);
    assert_eq!(
        submit(&house, &colleague, Some("k"), &other).await.status,
        202
    );
    assert_eq!(house.written().await, (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_no_key_is_refused() {
    let house = House::open().await;
    let body = json!({"dataset": "employee"});
    for key in ["", "with space", &"k".repeat(129)] {
        let refused = submit(&house, &manager(), Some(key), &body).await;
        assert_eq!(refused.status, 400, "{key}");
        assert_eq!(refused.json()["errors"][0]["pointer"], "/Idempotency-Key");
    }
    assert_eq!(house.written().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_keys_are_no_key() {
    let house = House::open().await;
    let request = house
        .request(Method::POST, EXPORTS)
        .bearer_auth(manager())
        .header("Idempotency-Key", "a")
        .header("Idempotency-Key", "b")
        .json(&json!({"dataset": "employee"}));
    let refused = house.send(request).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["errors"][0]["pointer"], "/Idempotency-Key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_task_was_deleted_is_its_first_answer_and_runs_nothing_again() {
    let house = House::open().await;
    let body = json!({"dataset": "employee"});
    let first = submit(&house, &manager(), Some("k"), &body).await.json();
    let id = first["id"].as_str().unwrap();
    house.run(id, "a.xlsx", b"abc", DAY).await;
    let path = format!("/api/v1/tasks/{id}");
    let delete = house.request(Method::DELETE, &path).bearer_auth(manager());
    assert_eq!(house.send(delete).await.status, 204);
    let again = submit(&house, &manager(), Some("k"), &body).await;
    assert_eq!(
        (again.status, again.header("idempotency-replayed")),
        (202, Some("true"))
    );
    assert_eq!(again.json()["id"], id);
    assert_eq!(again.json()["files"][0]["state"], "DELETED");
    assert_eq!(house.get(&manager(), &path).await.status, 404);
    assert_eq!(house.written().await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_does_not_use_its_key_up() {
    let house = House::open().await;
    let wrong = json!({"dataset": "employee", "columns": ["nobody"]});
    assert_eq!(
        submit(&house, &manager(), Some("k"), &wrong).await.status,
        422
    );
    let right = json!({"dataset": "employee", "columns": ["name"]});
    assert_eq!(
        submit(&house, &manager(), Some("k"), &right).await.status,
        202
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identical_export_that_is_still_open_is_returned_unless_another_is_forced() {
    let house = House::open().await;
    let body = json!({"dataset": "employee", "filters": {"department": "R&D"}});
    let first = submit(&house, &manager(), None, &body).await.json();
    assert_eq!(first.get("deduplicated"), None);
    // Said in another way, it is the same.
    let same = json!({"dataset": "employee", "filters": {"department": {"eq": "R&D"}}});
    let again = submit(&house, &manager(), None, &same).await;
    assert_eq!(
        (again.status, &again.json()["deduplicated"]),
        (200, &json!(true))
    );
    assert_eq!(again.json()["id"], first["id"]);

    let mut forced = body.clone();
    forced["force"] = json!(true);
    let second = submit(&house, &manager(), None, &forced).await;
    assert_eq!(second.status, 202);
    assert_ne!(second.json()["id"], first["id"]);
    let cancel = format!("/api/v1/tasks/{}/cancel", first["id"].as_str().unwrap());
    house.post(&manager(), &cancel, &json!({})).await;
    assert_eq!(submit(&house, &manager(), None, &body).await.status, 202);
    assert_eq!(house.written().await, (3, 3));
}
