use domain::FailureCode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::dead_letters::{a_dead_export, operator};
use crate::house::{House, admin, manager, token};

const LOG: &str = "/api/v1/operation-log";

async fn log(house: &House, query: &str) -> Vec<Value> {
    let answer = house.get(&operator(), &format!("{LOG}?{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_read_who_did_what_and_by_which_request() {
    let house = House::open().await;
    let (task, letter) = a_dead_export(&house, FailureCode::Internal).await;
    for _ in 0..2 {
        let path = format!("/api/v1/dead-letters/{letter}/redrive");
        let redrive = house.request(Method::POST, &path).bearer_auth(operator());
        house.send(redrive.header("x-request-id", "r-7")).await;
    }
    let cancel = house.request(Method::POST, &format!("/api/v1/tasks/{task}/cancel"));
    let cancel = cancel.bearer_auth(admin()).header("x-request-id", "r-8");
    assert_eq!(house.send(cancel).await.status, 202);

    let entries = log(&house, "").await;
    let told: Vec<_> = entries
        .iter()
        .map(|it| ["actor", "action", "object_id", "outcome"].map(|field| it[field].clone()))
        .collect();
    assert_eq!(
        told,
        [
            [json!("1"), json!("TASK_CANCEL"), json!(task), json!("DONE")],
            [
                json!("op"),
                json!("DEAD_LETTER_REDRIVE"),
                json!(letter),
                json!("REFUSED")
            ],
            [
                json!("op"),
                json!("DEAD_LETTER_REDRIVE"),
                json!(letter),
                json!("DONE")
            ],
            [json!("7"), json!("TASK_SUBMIT"), json!(task), json!("DONE")],
        ]
    );
    assert_eq!(entries[0]["request_id"], "r-8");
    assert!(entries[3]["request_id"].is_string(), "{entries:?}");
    assert_eq!(entries[2]["request_id"], "r-7");
    assert_eq!(entries[2]["detail"]["reason"], "internal");
    for (query, found) in [
        ("actor=op", 2),
        ("action=DEAD_LETTER_REDRIVE", 2),
        ("actor=op&action=TASK_SUBMIT", 0),
        ("from=2020-01-01T00:00:00Z", 4),
        ("to=2020-01-01T00:00:00Z", 0),
        ("limit=3", 3),
    ] {
        assert_eq!(log(&house, query).await.len(), found, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_for_operators_and_of_their_tenant() {
    let house = House::open().await;
    house.an_export(&manager()).await;
    let refused = house.get(&manager(), LOG).await;
    assert_eq!((refused.status, &*refused.problem()), (403, "forbidden"));
    let stranger = token("globex", "op", &["OPERATOR"]);
    assert_eq!(house.get(&stranger, LOG).await.json()["items"], json!([]));
    for wrong in ["action=nap", "from=x", "limit=0", "cursor=?"] {
        let answer = house.get(&operator(), &format!("{LOG}?{wrong}")).await;
        assert_eq!(answer.problem(), "invalid_request", "{wrong}");
    }
}
