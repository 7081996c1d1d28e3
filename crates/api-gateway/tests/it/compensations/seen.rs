//! Who sees business work, and who may act on it.

use std::time::Duration;

use domain::{CompensateBizId, Failure, FailureCode, LeaseEpoch, Rung};
use serde_json::{Value, json};
use store::{Ending, Story};

use super::{PATH, items, lane, submit};
use crate::dead_letters::operator;
use crate::house::{House, manager, token};

/// User 8 of acme, who may do nothing.
pub(super) fn nobody() -> String {
    token("acme", "8", &[])
}

/// Gives the row up, as a worker does.
async fn die(house: &House, id: &str) {
    let rung = Rung {
        id: CompensateBizId(id.parse().unwrap()),
        epoch: LeaseEpoch(0),
    };
    let terms = testkit::terms("biz-worker@host#1");
    let claim = house.store.claim_rung(&lane(), &[rung], &terms).await;
    let claim = claim.unwrap();
    let failure = Failure::permanent(FailureCode::Internal, "table coupon is full");
    let ending = Ending::Failed(failure, Duration::ZERO);
    let settled = house
        .store
        .settle_held(&claim.claimed[0].lease, ending, Story::default())
        .await;
    settled.unwrap();
}

async fn keys(house: &House, who: &str, query: &str) -> Vec<String> {
    let (mut keys, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{PATH}?limit=2&cursor={cursor}&{query}");
        let page = house.get(who, &path).await;
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        let items = page["items"].as_array().unwrap().iter();
        keys.extend(items.map(|item| item["biz_id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return keys,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_the_tenants_work_and_others_their_own() {
    let house = House::open().await;
    submit(&house, &items(&["a", "b", "c"])).await;
    let of_another = token("acme", "9", &["MANAGER"]);
    house.post(&of_another, PATH, &items(&["d"])).await;
    let of_globex = token("globex", "7", &["MANAGER"]);
    house.post(&of_globex, PATH, &items(&["e"])).await;
    house.an_export(&manager()).await;

    assert_eq!(keys(&house, &operator(), "").await.len(), 4);
    assert_eq!(keys(&house, &operator(), "").await[0], "d", "newest first");
    assert_eq!(keys(&house, &manager(), "").await.len(), 3);
    assert!(keys(&house, &nobody(), "").await.is_empty());
    assert_eq!(keys(&house, &of_globex, "").await, ["e"]);
    let one = "biz_type=coupon_grant&biz_id=b";
    assert_eq!(keys(&house, &manager(), one).await, ["b"]);
    assert!(keys(&house, &of_another, one).await.is_empty());
    assert!(keys(&house, &operator(), "status=FAILED").await.is_empty());
    for odd in ["status=x", "group_id=x", "limit=0", "cursor=x"] {
        let answer = house.get(&manager(), &format!("{PATH}?{odd}")).await;
        assert_eq!(
            (answer.status, &*answer.problem()),
            (400, "invalid_request")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_wrong_is_for_operators_and_others_see_that_it_did() {
    let house = House::open().await;
    let done = submit(&house, &items(&["a"])).await;
    let id = done["items"][0]["id"].as_str().unwrap();
    die(&house, id).await;
    let path = format!("{PATH}/{id}");
    let shown = house.get(&operator(), &path).await.json();
    assert_eq!(shown["status"], "FAILED");
    assert_eq!(shown["allowed_actions"], json!(["retry"]));
    assert_eq!(shown["attempts"][0]["error_text"], "table coupon is full");
    assert_eq!(shown["attempts"][0]["worker"], "biz-worker@host#1");
    assert!(
        shown["last_failure"]
            .as_str()
            .unwrap()
            .contains("table coupon")
    );
    assert_eq!(shown["context"]["member"], "a");
    let own = house.get(&manager(), &path).await.json();
    assert_eq!(own["last_failure"], Value::Null);
    assert_eq!(own["allowed_actions"], json!([]));
    assert_eq!(own["attempts"][0]["error_class"], "internal");
    assert!(!own.to_string().contains("table coupon"), "{own}");
    assert!(!own.to_string().contains("host"), "{own}");
    assert_eq!(house.get(&nobody(), &path).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_tries_dead_work_again_and_cancels_it_and_the_log_says_so() {
    let house = House::open().await;
    let done = submit(&house, &items(&["a"])).await;
    let id = done["items"][0]["id"].as_str().unwrap();
    let act = async |who: &str, verb: &str| {
        let path = format!("{PATH}/{id}/{verb}");
        house.post(who, &path, &json!({})).await
    };
    assert_eq!(act(&operator(), "retry").await.problem(), "state_conflict");
    die(&house, id).await;
    assert_eq!(act(&manager(), "retry").await.problem(), "forbidden");
    let tried = act(&operator(), "retry").await;
    assert_eq!(
        (tried.status, &tried.json()["status"]),
        (202, &json!("WAIT_HANDLE"))
    );
    let cancelled = act(&operator(), "cancel").await;
    assert_eq!(
        (cancelled.status, &cancelled.json()["status"]),
        (202, &json!("CANCELLED"))
    );
    let refused = act(&operator(), "cancel").await;
    assert_eq!(refused.problem(), "state_conflict");
    assert_eq!(refused.json()["state"], "CANCELLED");
    assert_eq!(refused.json()["allowed_actions"], json!(["retry"]));
    let of_globex = token("globex", "1", &["SUPER_ADMIN"]);
    assert_eq!(act(&of_globex, "retry").await.status, 404);

    let log = house.get(&operator(), "/api/v1/operation-log").await.json();
    let log = log["items"].as_array().unwrap().iter().rev();
    let told: Vec<(&str, &str)> = log
        .map(|entry| {
            (
                entry["action"].as_str().unwrap(),
                entry["outcome"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("COMPENSATION_SUBMIT", "DONE"),
            ("COMPENSATION_RETRY", "REFUSED"),
            ("COMPENSATION_RETRY", "DONE"),
            ("COMPENSATION_CANCEL", "DONE"),
            ("COMPENSATION_CANCEL", "REFUSED"),
        ]
    );
}
