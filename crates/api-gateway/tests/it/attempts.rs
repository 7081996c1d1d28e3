use domain::{Failure, FailureCode};
use serde_json::{Value, json};

use crate::house::{DAY, House, admin, manager, token};

const DETAIL: &str = "SELECT `x` at db-7.internal in /var/lib";

/// A task that failed once for a while, and is done.
async fn a_task_that_took_two_attempts(house: &House) -> String {
    let task = house.an_export(&manager()).await;
    let failure = Failure::transient(FailureCode::DatabaseUnavailable, DETAIL);
    house.fail(&task, failure).await;
    let name_it = "UPDATE compensate_biz_attempt SET worker = 'export-worker@node-7#12/abc'";
    house.database.execute(name_it).await;
    house.run(&task, "a.xlsx", b"abc", DAY).await;
    task
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_reads_what_went_wrong_as_a_sentence_and_an_operator_in_full() {
    let house = House::open().await;
    let task = a_task_that_took_two_attempts(&house).await;
    let path = format!("/api/v1/tasks/{task}/attempts");
    let answer = house.get(&manager(), &path).await;
    let list = answer.json();
    assert_eq!(list["next_cursor"], Value::Null);
    let [last, first] = list["items"].as_array().unwrap().as_slice() else {
        panic!("two attempts: {list}");
    };
    assert_eq!(
        (&last["outcome"], &last["epoch"]),
        (&json!("SUCCESS"), &json!(2))
    );
    assert!(last["started_at"].is_string() && last["finished_at"].is_string());
    assert_eq!(last["error_class"], Value::Null);
    assert_eq!(
        (&first["outcome"], &first["epoch"]),
        (&json!("FAILED"), &json!(1))
    );
    assert_eq!(first["error_class"], "database_unavailable");
    assert_eq!(first["error_text"], "数据库暂不可用，请稍后重试");
    assert_eq!(first["worker"], "export-worker");
    let body = String::from_utf8_lossy(&answer.body);
    for secret in ["SELECT", "internal", "/var", "node-7"] {
        assert!(!body.contains(secret), "{secret}: {body}");
    }
    for operator in [admin(), token("acme", "7", &["OPERATOR"])] {
        let list = house.get(&operator, &path).await.json();
        assert_eq!(list["items"][1]["error_text"], DETAIL);
        assert_eq!(list["items"][1]["worker"], "export-worker@node-7#12");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_come_in_pages() {
    let house = House::open().await;
    let task = a_task_that_took_two_attempts(&house).await;
    let path = format!("/api/v1/tasks/{task}/attempts");
    let page = house
        .get(&manager(), &format!("{path}?limit=1"))
        .await
        .json();
    assert_eq!(page["items"][0]["outcome"], "SUCCESS");
    let cursor = page["next_cursor"].as_str().unwrap();
    let next = format!("{path}?limit=1&cursor={cursor}");
    let page = house.get(&manager(), &next).await.json();
    assert_eq!(page["items"][0]["outcome"], "FAILED");
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert_eq!(page["next_cursor"], Value::Null);
    for wrong in ["limit=0", "limit=201", "cursor=x"] {
        let answer = house.get(&manager(), &format!("{path}?{wrong}")).await;
        assert_eq!(answer.problem(), "invalid_request", "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_under_way_is_told_and_anothers_attempts_are_404() {
    let house = House::open().await;
    let task = house.an_export(&manager()).await;
    let path = format!("/api/v1/tasks/{task}/attempts");
    let none = house.get(&manager(), &path).await.json();
    assert_eq!(none["items"], json!([]));
    house.claim(&task).await;
    let running = house.get(&manager(), &path).await.json();
    assert_eq!(running["items"][0]["outcome"], "RUNNING");
    assert_eq!(running["items"][0]["finished_at"], Value::Null);
    let stranger = token("acme", "8", &["OPERATOR"]);
    assert_eq!(house.get(&stranger, &path).await.problem(), "not_found");
}
