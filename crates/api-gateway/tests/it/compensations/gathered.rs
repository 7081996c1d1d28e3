//! Small calls that come together.

use std::collections::BTreeSet;
use std::time::Duration;

use bus::{EmbeddedBroker, RingConsumer};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use secrecy::ExposeSecret;
use serde_json::Value;
use serde_json::json;
use testkit::{MoodyProxy, TestDatabase, eventually};

use super::{PATH, item, items, lane, submit};
use crate::house::{Answer, House, manager, token};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_somebody_has_locked_holds_up_its_own_call_alone() {
    let house = House::open().await;
    let mut other = house.database.plain_connection().await;
    other
        .query_drop(
            "START TRANSACTION; INSERT INTO compensate_biz (tenant, biz_type, biz_id, context) \
             VALUES ('acme', 'coupon_grant', 'locked', '{}')",
        )
        .await
        .unwrap();
    let caller = manager();
    let (caller, house) = (&caller, &house);
    let held = async { house.post(caller, PATH, &items(&["locked"])).await };
    let others = async {
        let calls = (0..40).map(|n| {
            let body = items(&[&format!("m{n}")]);
            async move { house.post(caller, PATH, &body).await.status }
        });
        let answers = futures::future::join_all(calls).await;
        assert_eq!(answers, [202; 40], "while the key is locked");
        other.query_drop("COMMIT").await.unwrap();
    };
    let (held, ()) = tokio::join!(held, others);
    assert_eq!(held.status, 202, "{held:?}");
    assert_eq!(held.json()["duplicates"], 1);
    assert_eq!(house.written().await.1, 41);
}

/// Somebody who has a key locked.
async fn lock(house: &House, biz_id: &str) -> Conn {
    let mut other = house.database.plain_connection().await;
    let sql = format!(
        "START TRANSACTION; INSERT INTO compensate_biz (tenant, biz_type, biz_id, context) \
         VALUES ('acme', 'coupon_grant', '{biz_id}', '{{}}')"
    );
    other.query_drop(sql).await.unwrap();
    other
}

/// Waits until so many statements wait for a lock; the newest connection of these.
async fn until_waiting(house: &House, statements: u64) -> u64 {
    eventually(&format!("{statements} to wait for a lock"), async || {
        let sql = "SELECT COUNT(*), COALESCE(MAX(thread_id), 0) FROM performance_schema.data_locks \
                   WHERE object_schema = DATABASE() AND lock_status = 'WAITING'";
        let (waiting, newest): (u64, u64) = house.database.one(sql).await;
        (waiting >= statements).then_some(newest)
    })
    .await
}

/// Makes these calls while both transactions that there may be are held up: what is gathered goes
/// together when the first of them has waited for its lock in vain.
async fn at_once(house: &House, bodies: &[Value]) -> Vec<Answer> {
    let mut other = lock(house, "locked").await;
    let caller = manager();
    let caller = caller.as_str();
    let post = |body: Value| async move { house.post(caller, PATH, &body).await };
    let one = post(items(&["locked", "one"]));
    let two = async {
        until_waiting(house, 1).await;
        post(items(&["locked", "two"])).await
    };
    let calls = async {
        until_waiting(house, 2).await;
        let calls = bodies.iter().cloned().map(post);
        let answers = futures::future::join_all(calls).await;
        other.query_drop("COMMIT").await.unwrap();
        answers
    };
    let (one, two, answers) = tokio::join!(one, two, calls);
    assert_eq!((one.status, two.status), (202, 202));
    answers
}

/// Calls, and bytes of contexts, of each transaction that such calls were in.
async fn transactions(house: &House) -> Vec<(u64, u64)> {
    let sql = "SELECT COUNT(*), CAST(SUM(LENGTH(context)) AS UNSIGNED) FROM compensate_biz \
               WHERE biz_id LIKE 'b%' GROUP BY submit_token";
    house.database.query(sql).await
}

/// Calls of one row each, with contexts of so many bytes, about.
fn bodies(calls: usize, bytes: usize) -> Vec<Value> {
    let body = |n| {
        let context = json!({"batch": "x".repeat(bytes), "member": "m", "coupon": "A"});
        json!({"items": [{"biz_type": "coupon_grant", "biz_id": format!("b{n}"),
            "context": context}]})
    };
    (0..calls).map(body).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_with_much_to_store_goes_alone_and_no_transaction_gathers_more_than_a_megabyte() {
    let house = House::open().await;
    let answers = at_once(&house, &bodies(6, 300 << 10)).await;
    assert!(answers.iter().all(|it| it.status == 202), "{answers:?}");
    let alone = transactions(&house).await;
    assert!(alone.iter().all(|it| it.0 == 1), "{alone:?}");

    let house = House::open().await;
    let answers = at_once(&house, &bodies(12, 200 << 10)).await;
    assert!(answers.iter().all(|it| it.status == 202), "{answers:?}");
    let together = transactions(&house).await;
    assert!(together.iter().any(|it| it.0 > 1), "{together:?}");
    assert!(together.iter().all(|it| it.1 <= 1 << 20), "{together:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_whose_common_transaction_is_cut_off_go_alone() {
    let proxy = MoodyProxy::before(&testkit::mysql()).await;
    let house = House::over(TestDatabase::with_examples().await, |settings| {
        settings.mysql.url = proxy.url(settings.mysql.url.expose_secret()).into();
    });
    let mut other = lock(&house, "locked").await;
    let caller = manager();
    let body = items(&["locked", "m1"]);
    let asked = house.post(&caller, PATH, &body);
    let cut = async {
        let first = until_waiting(&house, 1).await;
        proxy.cut_one_in(1);
        eventually("the call to have come again", async || {
            (until_waiting(&house, 1).await > first).then_some(())
        })
        .await;
        other.query_drop("ROLLBACK").await.unwrap();
    };
    let (answer, ()) = tokio::join!(asked, cut);
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.json()["accepted"], 2);
    assert_eq!(house.written().await.1, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_rung_though_the_client_has_gone_before_its_answer() {
    let broker = EmbeddedBroker::start(1).unwrap();
    broker.create_topic(lane().as_str(), 1).unwrap();
    let brokers = broker.bootstrap().to_owned();
    let house = House::open_with(|settings| settings.kafka.brokers = brokers).await;
    let caller = manager();
    let waits = "SELECT COUNT(*) FROM performance_schema.data_locks \
                 WHERE object_schema = DATABASE() AND lock_status = 'WAITING'";
    for (id, group) in [("m1", json!(null)), ("m2", json!({"key": "spring"}))] {
        let mut other = house.database.plain_connection().await;
        other
            .query_drop(format!(
                "START TRANSACTION; INSERT INTO compensate_biz (tenant, biz_type, biz_id, context) \
                 VALUES ('acme', 'coupon_grant', '{id}', '{{}}')"
            ))
            .await
            .unwrap();
        // The call waits for this lock, and its client does not wait for the call.
        let body = json!({"items": [item(id), item(&format!("beside {id}"))], "group": group});
        let asked = house.post(&caller, PATH, &body);
        let gone = eventually("the call to wait for the lock", async || {
            let waiting: u64 = house.database.one(waits).await;
            (waiting > 0).then_some(())
        });
        tokio::select! {
            answer = asked => panic!("{answer:?}"),
            () = gone => {}
        }
        other.query_drop("ROLLBACK").await.unwrap();
    }
    let consumer = RingConsumer::join(&broker.settings(), &lane()).unwrap();
    let mut rung = BTreeSet::new();
    while rung.len() < 4 {
        let delivery = tokio::time::timeout(Duration::from_secs(30), consumer.next()).await;
        let ring = delivery.expect("the ring comes").unwrap().content.unwrap();
        rung.extend(ring.rungs.iter().map(|rung| rung.id.0));
    }
    let rows: Vec<u64> = house.database.query("SELECT id FROM compensate_biz").await;
    assert_eq!(rung, rows.into_iter().collect());
}
