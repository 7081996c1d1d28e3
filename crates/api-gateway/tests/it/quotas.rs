use domain::{Failure, FailureCode};
use reqwest::Method;
use serde_json::{Value, json};

use crate::form::{CSV, Form, HalfUpload};
use crate::house::{House, manager, token};

const EXPORTS: &str = "/api/v1/exports";

async fn with_room_for(per_user: u32, per_tenant: u32) -> House {
    House::open_with(|settings| {
        settings.quotas.open_tasks_per_user = per_user;
        settings.quotas.open_tasks_per_tenant = per_tenant;
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_open_task_too_many_is_429_until_one_has_ended() {
    let house = with_room_for(2, 1000).await;
    let body = json!({"dataset": "employee"});
    let first = house.post(&manager(), EXPORTS, &body).await;
    assert_eq!(first.status, 202);
    let second = house.an_export(&manager()).await;
    let forced = json!({"dataset": "employee", "force": true});
    let refused = house.post(&manager(), EXPORTS, &forced).await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (429, "too_many_open_tasks")
    );
    assert_eq!(refused.header("retry-after"), Some("5"));
    assert_eq!(house.written().await, (2, 2));

    let same = house.post(&manager(), EXPORTS, &body).await;
    assert_eq!(same.status, 200, "a repetition opens nothing");
    let colleague = token("acme", "8", &["MANAGER"]);
    assert_eq!(house.post(&colleague, EXPORTS, &body).await.status, 202);

    let cancel = format!("/api/v1/tasks/{second}/cancel");
    house.post(&manager(), &cancel, &json!({})).await;
    house.an_export(&manager()).await;
    let retry = format!("/api/v1/tasks/{second}/retry");
    let refused = house.post(&manager(), &retry, &json!({})).await;
    assert_eq!(refused.problem(), "too_many_open_tasks");
    assert!(refused.header("retry-after").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_open_tasks_are_counted_over_its_users_and_no_other_tenant() {
    let house = with_room_for(50, 2).await;
    for user in ["7", "8"] {
        house.an_export(&token("acme", user, &["MANAGER"])).await;
    }
    let body = json!({"dataset": "employee"});
    let third = token("acme", "9", &["MANAGER"]);
    let refused = house.post(&third, EXPORTS, &body).await;
    assert_eq!(refused.problem(), "too_many_open_tasks");
    let elsewhere = token("globex", "9", &["MANAGER"]);
    assert_eq!(house.post(&elsewhere, EXPORTS, &body).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_tell_limit_and_use_and_zero_is_without_limit() {
    let house = with_room_for(50, 0).await;
    let done = house.an_export(&manager()).await;
    house.an_export(&manager()).await;
    house.an_export(&token("acme", "8", &["MANAGER"])).await;
    let failure = Failure::permanent(FailureCode::Internal, "no");
    house.fail(&done, failure).await;
    let form = Form::new().field("dataset", "member");
    let form = form.file("m.csv", &CSV.repeat(5_000));
    let half = HalfUpload::begin(&house, &manager(), &form, 10).await;
    testkit::eventually("an upload to be under way", async || {
        (house.uploads().await == ["PENDING"]).then_some(())
    })
    .await;
    let quotas = house.get(&manager(), "/api/v1/quotas").await.json();
    assert_eq!(
        quotas,
        json!({"next_cursor": null, "items": [
            {"name": "open_tasks_per_user", "limit": 50, "used": 1, "resets_at": null},
            {"name": "open_tasks_per_tenant", "limit": Value::Null, "used": 2, "resets_at": null},
            {"name": "open_uploads_per_user", "limit": 4, "used": 1, "resets_at": null},
        ]})
    );
    drop(half);
    let head = house
        .request(Method::HEAD, "/api/v1/quotas")
        .bearer_auth(manager());
    assert_eq!(house.send(head).await.status, 200);
}
