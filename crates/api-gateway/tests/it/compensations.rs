//! Business work over HTTP: what is taken, what is refused, who sees it.

mod gathered;
mod groups;
mod memory;
mod refusals;
mod seen;
mod shares;

use bus::{EmbeddedBroker, RingConsumer};
use domain::Lane;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::eventually;

use crate::house::{Answer, House, manager};

pub(crate) const PATH: &str = "/api/v1/compensations";

pub(crate) fn lane() -> Lane {
    Lane::parse("quayside.biz.coupon_grant").unwrap()
}

pub(crate) fn item(biz_id: &str) -> Value {
    json!({"biz_type": "coupon_grant", "biz_id": biz_id,
        "context": {"batch": "spring", "member": biz_id, "coupon": "A"}})
}

pub(crate) fn items(biz_ids: &[&str]) -> Value {
    let items: Vec<Value> = biz_ids.iter().map(|biz_id| item(biz_id)).collect();
    json!({"items": items})
}

pub(crate) async fn submit(house: &House, body: &Value) -> Value {
    let answer = house.post(&manager(), PATH, body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()
}

async fn send_text(house: &House, body: &str, key: Option<&str>) -> Answer {
    let request = house
        .request(Method::POST, PATH)
        .bearer_auth(manager())
        .header("content-type", "application/json")
        .body(body.to_owned());
    let request = match key {
        Some(key) => request.header("Idempotency-Key", key),
        None => request,
    };
    house.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_answered_with_its_rows_which_are_this_callers_and_announced() {
    let house = House::open().await;
    let answer = submit(&house, &items(&["m1", "m2"])).await;
    assert_eq!(answer["accepted"], 2);
    assert_eq!(answer["duplicates"], 0);
    assert_eq!(answer["group_id"], Value::Null);
    let rows: Vec<(String, String, bool, u8)> = house
        .database
        .query(
            "SELECT CAST(id AS CHAR), biz_id, announced, priority FROM compensate_biz \
             WHERE tenant = 'acme' AND created_by = '7' AND biz_type = 'coupon_grant' \
             AND lane = 'quayside.biz.coupon_grant' ORDER BY biz_id",
        )
        .await;
    for (row, item) in rows.iter().zip(answer["items"].as_array().unwrap()) {
        let (id, biz_id, announced, priority) = row;
        let told = json!({"id": id, "biz_id": biz_id, "status": "WAIT_HANDLE",
            "duplicate": false});
        assert_eq!(*item, told);
        assert_eq!((*announced, *priority), (true, 0));
    }
    assert_eq!(rows.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_comes_again_is_all_duplicates_and_with_a_key_the_first_answer() {
    let house = House::open().await;
    let body = items(&["m1", "m2"]).to_string();
    let first = submit(&house, &items(&["m1", "m2"])).await;
    let again = submit(&house, &items(&["m2", "m3", "m3"])).await;
    assert_eq!(
        (&again["accepted"], &again["duplicates"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(again["items"][0]["id"], first["items"][1]["id"]);
    assert_eq!(again["items"][0]["duplicate"], true);
    assert_eq!(again["items"][2]["id"], again["items"][1]["id"]);

    let keyed = send_text(&house, &body, Some("k")).await;
    assert_eq!(
        (keyed.status, keyed.header("idempotency-replayed")),
        (202, None)
    );
    assert_eq!(keyed.json()["duplicates"], 2);
    let replayed = send_text(&house, &body, Some("k")).await;
    assert_eq!(replayed.header("idempotency-replayed"), Some("true"));
    assert_eq!((replayed.status, replayed.body), (202, keyed.body));
    let other = send_text(&house, &items(&["m9"]).to_string(), Some("k")).await;
    assert_eq!(
        (other.status, &*other.problem()),
        (422, "idempotency_key_reused")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn contexts_are_kept_to_the_last_digit() {
    let house = House::open().await;
    let context =
        r#"{ "amount": 1.10, "n": 12345678901234567890123, "z": 0, "a": "员工\u0000😀" }"#;
    let body = format!(
        r#"{{"items": [{{"context": {context}, "biz_type": "coupon_grant", "biz_id": "m1"}}]}}"#
    );
    let answer = send_text(&house, &body, None).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let stored: String = house
        .database
        .one("SELECT context FROM compensate_biz")
        .await;
    assert_eq!(stored, context);
    let id = answer.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let shown = house.get(&manager(), &format!("{PATH}/{id}")).await;
    let text = String::from_utf8(shown.body).unwrap();
    assert!(text.contains(context), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stands_for_one_call_to_the_last_digit() {
    let house = House::open().await;
    let body = |n: &str| {
        format!(
            r#"{{"items": [{{"context": {{"n": {n}}}, "biz_type": "coupon_grant",
               "biz_id": "m1"}}]}}"#
        )
    };
    let first = send_text(&house, &body("12345678901234567890123"), Some("k")).await;
    assert_eq!(first.status, 202, "{first:?}");
    let other = send_text(&house, &body("12345678901234567890124"), Some("k")).await;
    assert_eq!(
        (other.status, &*other.problem()),
        (422, "idempotency_key_reused")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_written_anew_is_the_same_if_its_fields_and_its_contexts_are() {
    let house = House::open().await;
    let first = r#"{"items": [
        {"biz_type": "coupon_grant", "biz_id": "员工", "context": {"n": 1.10}, "priority": 3},
        {"biz_type": "coupon_grant", "biz_id": "b", "context": [2], "delay_level": "1h"}],
        "group": {"key": "g", "seal": true, "on_finished": [
            {"biz_type": "callback", "context": {"url": "x"}, "priority": 5}]}}"#;
    let anew = r#"{"group":{"on_finished":[{"priority":5,"context":{"url": "x"},
        "biz_type":"callback"}],"key":"g","seal":true},
        "items":[{"priority":3,"biz_id":"\u5458\u5de5","context":{"n": 1.10},"queue":null,
        "biz_type":"coupon_grant"},
        {"context":[2],"biz_id":"b","delay_level":"1h","biz_type":"coupon_grant"}]}"#;
    let told = send_text(&house, first, Some("k")).await;
    assert_eq!(told.status, 202, "{told:?}");
    let again = send_text(&house, anew, Some("k")).await;
    assert_eq!(
        again.header("idempotency-replayed"),
        Some("true"),
        "{again:?}"
    );
    assert_eq!(again.body, told.body);

    let swapped = json!({"items": [item("b"), item("a")], "group": {"key": "h"}}).to_string();
    let in_order = json!({"items": [item("a"), item("b")], "group": {"key": "h"}}).to_string();
    let others = [
        (first, first.replace(r#"{"n": 1.10}"#, r#"{"n":1.10}"#)),
        (first, first.replace(r#""priority": 3"#, r#""priority": 4"#)),
        (first, first.replace(r#""seal": true"#, r#""seal": false"#)),
        (first, first.replace(r#""priority": 5"#, r#""priority": 6"#)),
        (first, first.replace(r#"{"url": "x"}"#, r#"{"url": "y"}"#)),
        // a text is not what it looks like
        (first, first.replace("[2]", r#""[2]""#)),
        (&in_order, swapped),
    ];
    for (n, (from, other)) in others.into_iter().enumerate() {
        assert_ne!(from, other);
        let key = format!("k{n}");
        assert_eq!(send_text(&house, from, Some(&key)).await.status, 202);
        let refused = send_text(&house, &other, Some(&key)).await;
        let told = (refused.status, refused.problem());
        assert_eq!(told, (422, "idempotency_key_reused".to_owned()), "{other}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_items_are_taken_and_one_more_is_not() {
    let house = House::open().await;
    let many: Vec<Value> = (0..10_001).map(|n| item(&format!("m{n}"))).collect();
    let answer = house.post(&manager(), PATH, &json!({"items": many})).await;
    assert_eq!(
        (answer.status, &*answer.problem()),
        (400, "invalid_request")
    );
    assert_eq!(house.written().await, (0, 0));
    let answer = submit(&house, &json!({"items": many[1..]})).await;
    assert_eq!(answer["accepted"], 10_000);
    assert_eq!(house.written().await, (0, 10_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_due_are_rung_together_and_no_row_twice() {
    let broker = EmbeddedBroker::start(1).unwrap();
    broker.create_topic(lane().as_str(), 1).unwrap();
    let brokers = broker.bootstrap().to_owned();
    let house = House::open_with(|settings| settings.kafka.brokers = brokers).await;
    let mut some: Vec<Value> = (0..600).map(|n| item(&format!("m{n}"))).collect();
    some[7]["delay_level"] = json!("1h");
    submit(&house, &json!({"items": some})).await;

    let consumer = RingConsumer::join(&broker.settings(), &lane()).unwrap();
    let (mut rung, mut sizes) = (Vec::new(), Vec::new());
    while rung.len() < 599 {
        let delivery = tokio::time::timeout(std::time::Duration::from_secs(30), consumer.next());
        let delivery = delivery.await.expect("the ring comes").unwrap();
        let ring = delivery.content.unwrap();
        sizes.push(ring.rungs.len());
        rung.extend(ring.rungs.iter().map(|rung| rung.id.0));
    }
    sizes.sort_unstable();
    assert_eq!(sizes, [99, 250, 250]);
    rung.sort_unstable();
    let due: Vec<u64> = house
        .database
        .query("SELECT id FROM compensate_biz WHERE announced ORDER BY id")
        .await;
    assert_eq!(rung, due);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_accepted_while_kafka_is_away_and_given_back_to_the_relay() {
    // nobody listens where the house looks for Kafka
    let house = House::open_with(|settings| settings.kafka.delivery_timeout_ms = 300).await;
    submit(&house, &items(&["m1", "m2"])).await;
    eventually("the rows are due for the relay", async || {
        let silent: u64 = house
            .database
            .one("SELECT COUNT(*) FROM compensate_biz WHERE announced = FALSE")
            .await;
        (silent == 2).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_delay_level_and_a_moment_to_come_are_waited_for() {
    let house = House::open().await;
    let levels = "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h";
    let levels: Vec<&str> = levels.split(' ').collect();
    let mut some: Vec<Value> = Vec::new();
    for level in &levels {
        let mut item = item(level);
        item["delay_level"] = json!(level);
        item["priority"] = json!(9);
        some.push(item);
    }
    let mut later = item("later");
    // the house's clock stands in January 2026; the database's does not
    later["run_at"] = json!("2027-01-01T08:00:00+08:00");
    let mut before = item("before");
    before["run_at"] = json!("2020-01-01T00:00:00Z");
    some.extend([later, before]);
    submit(&house, &json!({"items": some})).await;
    let waits: Vec<(String, i64)> = house
        .database
        .query(
            "SELECT biz_id, TIMESTAMPDIFF(SECOND, created_at, wake_at) FROM compensate_biz \
             WHERE announced = FALSE AND priority = 9 ORDER BY wake_at",
        )
        .await;
    let told: Vec<&str> = waits.iter().map(|(level, _)| level.as_str()).collect();
    assert_eq!(told, levels);
    for (level, wait) in waits {
        let (number, unit) = level.split_at(level.len() - 1);
        let unit = ["s", "m", "h"].iter().position(|it| *it == unit).unwrap();
        let seconds = number.parse::<i64>().unwrap() * [1, 60, 3_600][unit];
        // two readings of the database's clock in one statement
        assert!((seconds - 1..=seconds).contains(&wait), "{level}: {wait}");
    }
    let moments: Vec<(String, bool, String)> = house
        .database
        .query(
            "SELECT biz_id, announced, LEFT(wake_at, 18) FROM compensate_biz \
             WHERE priority = 0 ORDER BY biz_id DESC",
        )
        .await;
    assert_eq!(
        moments[0],
        ("later".into(), false, "2027-01-01 00:00:0".into())
    );
    assert_eq!((&*moments[1].0, moments[1].1), ("before", true));
}

/// Every documented answer of these routes that can be had, for the contract's test.
pub(crate) async fn answers(house: &House) -> Vec<(&'static str, &'static str, Answer)> {
    let (operator, nobody) = (crate::dead_letters::operator(), seen::nobody());
    let mut answers = Vec::new();
    let mut grouped = items(&["d1", "d2"]);
    grouped["group"] = json!({"key": "documented", "seal": true});
    let mut sealed = items(&["d3"]);
    sealed["group"] = json!({"key": "documented"});
    for body in [
        grouped.clone(),
        sealed,
        json!({"items": [], "x": 1}),
        json!({"items": [{"biz_type": "x"}]}),
    ] {
        let answer = house.post(&manager(), PATH, &body).await;
        answers.push(("POST", PATH, answer));
    }
    let answer = house.post(&nobody, PATH, &items(&["d1"])).await;
    answers.push(("POST", PATH, answer));
    let first = submit(house, &grouped).await;
    let id = first["items"][0]["id"].as_str().unwrap();
    let group = first["group_id"].as_str().unwrap();
    let (show, groups) = (
        "/api/v1/compensations/{id}",
        "/api/v1/compensation-groups/{id}",
    );
    for (route, path) in [
        (PATH, PATH.to_owned()),
        (PATH, format!("{PATH}?status=x")),
        (show, format!("{PATH}/{id}")),
        (show, format!("{PATH}/0")),
        (groups, format!("/api/v1/compensation-groups/{group}")),
        (groups, "/api/v1/compensation-groups/0".to_owned()),
    ] {
        answers.push(("GET", route, house.get(&operator, &path).await));
    }
    for (route, act) in [
        ("/api/v1/compensations/{id}/cancel", "cancel"),
        ("/api/v1/compensations/{id}/retry", "retry"),
    ] {
        for (who, id) in [
            (&operator, id),
            (&operator, id),
            (&operator, "0"),
            (&nobody, id),
        ] {
            let path = format!("{PATH}/{id}/{act}");
            answers.push(("POST", route, house.post(who, &path, &json!({})).await));
        }
    }
    answers
}
