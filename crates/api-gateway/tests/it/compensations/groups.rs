//! Groups over HTTP.

use serde_json::{Value, json};

use super::{PATH, items, submit};
use crate::house::{House, manager, token};

fn grouped(biz_ids: &[&str], group: Value) -> Value {
    let mut body = items(biz_ids);
    body["group"] = group;
    body
}

async fn group(house: &House, id: &Value) -> Value {
    let path = format!("/api/v1/compensation-groups/{}", id.as_str().unwrap());
    let answer = house.get(&manager(), &path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_with_one_key_add_to_one_group_until_it_is_sealed() {
    let house = House::open().await;
    let first = submit(&house, &grouped(&["a", "b"], json!({"key": "spring"}))).await;
    let second = submit(&house, &grouped(&["b", "c"], json!({"key": "spring"}))).await;
    assert_eq!(first["group_id"], second["group_id"]);
    let id = &first["group_id"];
    let told = group(&house, id).await;
    assert_eq!(
        told,
        json!({"id": id, "key": "spring", "total": 3, "succeeded": 0, "dead": 0,
            "cancelled": 0, "sealed": false, "generation": 1, "finished": false})
    );
    let seal = grouped(&[], json!({"key": "spring", "seal": true}));
    let sealed = submit(&house, &seal).await;
    assert_eq!((&sealed["accepted"], &sealed["group_id"]), (&json!(0), id));
    assert_eq!(group(&house, id).await["sealed"], true);

    let late = grouped(&["c", "d"], json!({"key": "spring"}));
    let answer = house.post(&manager(), PATH, &late).await;
    assert_eq!((answer.status, &*answer.problem()), (409, "state_conflict"));
    assert_eq!(answer.json()["state"], "SEALED");
    assert_eq!(house.written().await.1, 3, "nothing of it was stored");
    let again = submit(&house, &grouped(&["a", "b"], json!({"key": "spring"}))).await;
    assert_eq!(again["duplicates"], 2, "the same call again is taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_group_bears_what_follows_on_its_own_lane() {
    let house = House::open().await;
    let follow = json!([{"biz_type": "callback", "biz_id": "whatever", "context": {"url": "x"}}]);
    let body = grouped(
        &["a"],
        json!({"key": "g", "seal": true, "on_finished": follow}),
    );
    let done = submit(&house, &body).await;
    let id = done["items"][0]["id"].as_str().unwrap();
    let operator = crate::dead_letters::operator();
    let answer = house
        .post(&operator, &format!("{PATH}/{id}/cancel"), &json!({}))
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let told = group(&house, &done["group_id"]).await;
    assert_eq!(
        (&told["cancelled"], &told["finished"]),
        (&json!(1), &json!(true))
    );
    let born: (String, String, String) = house
        .database
        .one("SELECT biz_id, lane, context FROM compensate_biz WHERE biz_type = 'callback'")
        .await;
    let group_id = done["group_id"].as_str().unwrap();
    assert_eq!(
        born,
        (
            format!("{group_id}/1"),
            "quayside.biz.callback".into(),
            format!(
                r#"{{"url":"x","group":{{"cancelled":1,"dead":0,"generation":1,"id":"{group_id}","key":"g","succeeded":0,"total":1}}}}"#
            )
        )
    );
    let other = grouped(&[], json!({"key": "g", "on_finished": []}));
    let answer = house.post(&manager(), PATH, &other).await;
    assert_eq!((answer.status, &*answer.problem()), (409, "state_conflict"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_shown_to_operators_and_to_whoever_opened_it() {
    let house = House::open().await;
    let done = submit(&house, &grouped(&["a"], json!({"key": "g"}))).await;
    let id = done["group_id"].as_str().unwrap();
    let path = format!("/api/v1/compensation-groups/{id}");
    for (caller, status) in [
        (manager(), 200),
        (token("acme", "8", &["OPERATOR"]), 200),
        (token("acme", "8", &["MANAGER"]), 404),
        (token("globex", "7", &["SUPER_ADMIN"]), 404),
    ] {
        assert_eq!(house.get(&caller, &path).await.status, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_added_to_and_sealed_by_whoever_opened_it_and_by_operators() {
    let house = House::open().await;
    submit(&house, &grouped(&["a"], json!({"key": "g"}))).await;
    let seal = grouped(&[], json!({"key": "g", "seal": true}));
    for body in [&grouped(&["b"], json!({"key": "g"})), &seal] {
        let other = token("acme", "8", &["MANAGER"]);
        let answer = house.post(&other, PATH, body).await;
        assert_eq!((answer.status, &*answer.problem()), (409, "state_conflict"));
    }
    let operator = token("acme", "8", &["MANAGER", "OPERATOR"]);
    assert_eq!(house.post(&operator, PATH, &seal).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_group_has_the_priority_and_the_delay_that_were_asked_for() {
    let house = House::open().await;
    let follow = json!([
        {"biz_type": "callback", "context": {"url": "x"}, "priority": 7, "delay_level": "1h"},
        {"biz_type": "coupon_grant", "context": {}, "priority": 4, "run_at": "2026-01-01T00:00:00Z"},
    ]);
    let body = grouped(
        &[],
        json!({"key": "g", "seal": true, "on_finished": follow}),
    );
    submit(&house, &body).await;
    let born: Vec<(String, u8, bool, i64)> = house
        .database
        .query(
            "SELECT lane, priority, announced, \
             TIMESTAMPDIFF(MINUTE, UTC_TIMESTAMP(6), wake_at + INTERVAL 30 SECOND) \
             FROM compensate_biz ORDER BY id",
        )
        .await;
    let row =
        |lane: &str, priority, announced, minutes| (lane.to_owned(), priority, announced, minutes);
    assert_eq!(
        born,
        [
            row("quayside.biz.callback.high", 7, false, 60),
            row("quayside.biz.coupon_grant", 4, true, 0),
        ]
    );
}
