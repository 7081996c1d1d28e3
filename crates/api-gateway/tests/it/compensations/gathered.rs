//! Small calls that come together.

use serde_json::json;

use super::{PATH, item, items, submit};
use crate::house::{House, manager, token};

#[tokio::test(flavor = "multi_thread")]
async fn small_calls_at_once_share_transactions_and_each_is_answered_for_itself() {
    let house = House::open().await;
    let (one, other) = (manager(), token("globex", "9", &["MANAGER"]));
    let calls = (0..120).map(|n| {
        let caller = if n % 2 == 0 { &one } else { &other };
        // every biz_id twice in each tenant
        let body = json!({"items": [item(&format!("m{}", n / 4)), item(&format!("x{n}"))]});
        let house = &house;
        async move { house.post(caller, PATH, &body).await }
    });
    let answers = futures::future::join_all(calls).await;
    let mut accepted = 0;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.status, 202, "{answer:?}");
        let answer = answer.json();
        assert_eq!(answer["items"][0]["biz_id"], format!("m{}", n / 4));
        assert_eq!(answer["items"][1]["biz_id"], format!("x{n}"));
        assert_eq!(answer["items"][1]["duplicate"], false);
        accepted += answer["accepted"].as_u64().unwrap();
    }
    assert_eq!(accepted, 60 + 120);
    let (rows, transactions, tenants): (u64, u64, u64) = house
        .database
        .one(
            "SELECT COUNT(*), COUNT(DISTINCT submit_token), COUNT(DISTINCT tenant, created_by) \
             FROM compensate_biz",
        )
        .await;
    assert_eq!((rows, tenants), (180, 2));
    assert!(transactions < 60, "{transactions} for 120 calls");
    let logged: u64 = house
        .database
        .one("SELECT COUNT(*) FROM operation_log WHERE action = 'COMPENSATION_SUBMIT'")
        .await;
    assert_eq!(logged, 120, "an entry for each call");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_cannot_be_stored_does_not_take_others_with_it() {
    let house = House::open().await;
    // What the database refuses, whatever the gateway checked before.
    house
        .database
        .execute(
            "ALTER TABLE compensate_biz ADD CONSTRAINT odd CHECK (biz_id <> 'odd' OR \
             created_by <> '7')",
        )
        .await;
    let caller = manager();
    let keys: Vec<String> = (0..40)
        .map(|n| {
            if n == 7 {
                "odd".to_owned()
            } else {
                format!("m{n}")
            }
        })
        .collect();
    let calls = keys.iter().map(|key| {
        let (house, caller) = (&house, &caller);
        async move { house.post(caller, PATH, &items(&[key])).await }
    });
    let answers = futures::future::join_all(calls).await;
    for (key, answer) in keys.iter().zip(answers) {
        let status = if key == "odd" { 500 } else { 202 };
        assert_eq!(answer.status, status, "{key}: {answer:?}");
    }
    assert_eq!(house.written().await.1, 39);
    assert_eq!(submit(&house, &items(&["after"])).await["accepted"], 1);
}
