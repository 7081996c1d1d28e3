//! What a person does with a task.

use std::time::Duration;

use domain::{Failure, FailureCode};
use reqwest::Method;
use serde_json::{Value, json};

use crate::house::{Answer, DAY, House, admin, manager, token};

fn broken() -> Failure {
    Failure::permanent(FailureCode::Internal, "secret table `x` in /var/lib")
}

async fn act(house: &House, token: &str, task: &str, act: &str) -> Answer {
    let (method, path) = match act {
        "delete" => (Method::DELETE, format!("/api/v1/tasks/{task}")),
        act => (Method::POST, format!("/api/v1/tasks/{task}/{act}")),
    };
    house
        .send(house.request(method, &path).bearer_auth(token))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_task_is_open_again_once_and_ends_well_by_another_attempt() {
    let house = House::open().await;
    let task = house.an_export(&manager()).await;
    house.fail(&task, broken()).await;
    let answer = act(&house, &manager(), &task, "retry").await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let shown = answer.json();
    assert_eq!(
        (&shown["id"], &shown["status"]),
        (&json!(task), &json!("PENDING"))
    );
    assert_eq!(
        (&shown["error"], &shown["finished_at"], &shown["finished"]),
        (&Value::Null, &Value::Null, &json!(false))
    );
    assert!(answer.header("retry-after").is_some() && answer.header("etag").is_some());

    let again = act(&house, &manager(), &task, "retry").await;
    assert_eq!(
        (again.status, again.problem().as_str()),
        (409, "state_conflict")
    );
    assert_eq!(again.json()["state"], "PENDING");
    assert_eq!(again.json()["allowed_actions"], json!(["cancel"]));
    house.run(&task, "a.xlsx", b"abc", DAY).await;
    let path = format!("/api/v1/tasks/{task}/download");
    assert_eq!(house.get(&manager(), &path).await.body, b"abc");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_failed_by_the_users_own_fault_is_not_tried_again_and_says_by_which() {
    let house = House::open().await;
    let task = house.an_export(&manager()).await;
    let fault = Failure::rejected(FailureCode::TooManyRows, "too many");
    house.fail(&task, fault).await;
    let refused = act(&house, &manager(), &task, "retry").await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (409, "state_conflict")
    );
    let problem = refused.json();
    assert_eq!(problem["allowed_actions"], json!(["delete"]));
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("too_many_rows")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_state_allows_what_the_contract_says() {
    let house = House::open().await;
    let task = house.an_export(&manager()).await;
    for (stands, refused, allowed) in [
        ("status = 'PENDING'", "delete", json!(["cancel"])),
        ("status = 'PROCESSING'", "retry", json!(["cancel"])),
        ("status = 'SUCCESS'", "retry", json!(["delete"])),
        (
            "status = 'PARTIAL_SUCCESS', total_rows = 5, done_rows = 5",
            "cancel",
            json!(["delete"]),
        ),
        (
            "status = 'PARTIAL_SUCCESS', total_rows = 5, done_rows = 4",
            "cancel",
            json!(["delete", "retry"]),
        ),
        (
            "status = 'FAILED', error_code = 'timed_out'",
            "cancel",
            json!(["delete", "retry"]),
        ),
        (
            "status = 'FAILED', error_code = 'unknown_column'",
            "cancel",
            json!(["delete"]),
        ),
        (
            "status = 'CANCELLED', error_code = NULL",
            "cancel",
            json!(["delete", "retry"]),
        ),
        (
            "status = 'CANCELLED', kind = 'IMPORT'",
            "retry",
            json!(["delete"]),
        ),
    ] {
        let stand = format!(
            "UPDATE task SET {stands} WHERE id = {task}; UPDATE compensate_biz SET status = 'SUCCESS'"
        );
        house.database.execute(&stand).await;
        let answer = act(&house, &manager(), &task, refused).await;
        assert_eq!(answer.problem(), "state_conflict", "{stands}");
        assert_eq!(answer.json()["allowed_actions"], allowed, "{stands}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_task_is_404_everywhere_and_its_file_is_gone() {
    let house = House::open().await;
    let task = house.an_export(&manager()).await;
    house.run(&task, "a.xlsx", b"abc", DAY).await;
    let path = format!("/api/v1/tasks/{task}");
    let shown = house.get(&manager(), &path).await.json();
    let file = shown["files"][0]["id"].as_str().unwrap();
    let key = format!("test/{task}/e1/file");
    assert!(house.storage.get(&key, None).await.is_ok());

    let deleted = act(&house, &manager(), &task, "delete").await;
    assert_eq!((deleted.status, deleted.body.len()), (204, 0));
    assert!(house.storage.get(&key, None).await.is_err(), "it is gone");
    let left: Option<String> = house
        .database
        .one("SELECT CAST(remove_at AS CHAR) FROM task_file")
        .await;
    assert_eq!(left, None, "nothing is left to be removed");
    for path in [
        path.clone(),
        format!("{path}/download"),
        format!("{path}/files/{file}"),
        format!("{path}/attempts"),
    ] {
        for who in [manager(), admin()] {
            let answer = house.get(&who, &path).await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (404, "not_found")
            );
        }
    }
    for what in ["cancel", "retry", "delete"] {
        assert_eq!(act(&house, &manager(), &task, what).await.status, 404);
    }
    for (who, query) in [(manager(), ""), (admin(), "?all=true")] {
        let list = house.get(&who, &format!("/api/v1/tasks{query}")).await;
        assert_eq!(list.json()["items"], json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_storage_does_not_remove_just_now_is_left_to_be_found() {
    let house = House::open().await;
    let task = house.an_export(&manager()).await;
    house.run(&task, "a.xlsx", b"abc", DAY).await;
    // A directory with something in it cannot be removed as a file is.
    let object = house.directory().join(format!("test/{task}/e1/file"));
    std::fs::remove_file(&object).unwrap();
    std::fs::create_dir_all(object.join("in the way")).unwrap();
    assert_eq!(act(&house, &manager(), &task, "delete").await.status, 204);
    let (state, due): (String, bool) = house
        .database
        .one("SELECT state, remove_at <= UTC_TIMESTAMP(6) FROM task_file")
        .await;
    assert_eq!((state.as_str(), due), ("DELETED", true));
}

#[tokio::test(flavor = "multi_thread")]
async fn anothers_task_is_404_and_a_super_admin_acts_for_its_tenant() {
    let house = House::open().await;
    let task = house.an_export(&manager()).await;
    house.fail(&task, broken()).await;
    for stranger in [
        token("acme", "8", &["MANAGER"]),
        token("globex", "7", &["SUPER_ADMIN"]),
    ] {
        for what in ["cancel", "retry", "delete"] {
            let answer = act(&house, &stranger, &task, what).await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (404, "not_found")
            );
        }
    }
    assert_eq!(act(&house, &admin(), &task, "retry").await.status, 202);
    assert_eq!(act(&house, &admin(), &task, "cancel").await.status, 202);
    assert_eq!(act(&house, &admin(), &task, "delete").await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_file_stays_410_until_its_task_is_deleted() {
    let house = House::open().await;
    let task = house.an_export(&manager()).await;
    house.run(&task, "a.xlsx", b"abc", Duration::ZERO).await;
    let path = format!("/api/v1/tasks/{task}/download");
    for mark in ["AVAILABLE", "EXPIRED"] {
        let sql = format!("UPDATE task_file SET state = '{mark}'");
        house.database.execute(&sql).await;
        let answer = house.get(&manager(), &path).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (410, "file_expired"),
            "{mark}"
        );
    }
    assert_eq!(act(&house, &manager(), &task, "delete").await.status, 204);
    assert_eq!(house.get(&manager(), &path).await.status, 404);
}
