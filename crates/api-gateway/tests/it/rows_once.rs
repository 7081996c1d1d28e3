//! `POST /datasets/{name}/rows` with an `Idempotency-Key`.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{MoodyProxy, eventually};

use crate::house::{Answer, House, manager, token};

const MEMBERS: &str = "/api/v1/datasets/member/rows";

fn member(number: &str) -> Value {
    json!({"member_no": number, "name": "张三", "mobile": "13800000000", "level": 1, "points": 0,
        "balance": "1.50"})
}

/// Sends the body as it stands.
async fn send(house: &House, token: &str, path: &str, key: &str, body: &str) -> Answer {
    let request = house.request(Method::POST, path).bearer_auth(token);
    let request = request.header("content-type", "application/json");
    let request = request.header("idempotency-key", key);
    house.send(request.body(body.to_owned())).await
}

async fn members(house: &House) -> Vec<String> {
    house
        .database
        .query("SELECT member_no FROM member WHERE tenant = 'acme' ORDER BY member_no")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_and_body_is_answered_as_the_first_time_and_writes_nothing() {
    let house = House::with_tables().await;
    let body = json!({"rows": [member("M1"), member("M2"), {"member_no": "M3"}]}).to_string();
    let first = send(&house, &manager(), MEMBERS, "k", &body).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(first.header("idempotency-replayed"), None);
    assert_eq!(
        (
            first.json()["inserted"].clone(),
            first.json()["failed"].clone()
        ),
        (2.into(), 1.into())
    );
    house
        .database
        .execute("DELETE FROM member WHERE member_no = 'M2'")
        .await;
    // Another order of the fields and other blanks are the same request.
    let turned = body.replacen("{\"rows\":", "{ \"mode\":null, \"rows\" :", 1);
    for (body, same) in [(&body, true), (&turned, false)] {
        let again = send(&house, &manager(), MEMBERS, "k", body).await;
        if same {
            assert_eq!(again.status, 200);
            assert_eq!(again.header("idempotency-replayed"), Some("true"));
            assert_eq!(again.header("content-type"), Some("application/json"));
            assert_eq!(again.body, first.body);
        } else {
            assert_eq!(again.problem(), "idempotency_key_reused", "a field more");
        }
    }
    assert_eq!(members(&house).await, ["M1"], "nothing was written again");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_fields_is_none_and_another_body_dataset_user_or_tenant_is_another_request() {
    let house = House::with_tables().await;
    let body = json!({"rows": [member("M1")]}).to_string();
    let first = send(&house, &manager(), MEMBERS, "k", &body).await;
    assert_eq!(first.status, 200);
    let turned = r#"{ "rows": [ {"balance": "1.50", "points": 0, "level": 1,
        "mobile": "13800000000", "name": "张三", "member_no": "M1"} ] }"#;
    let again = send(&house, &manager(), MEMBERS, "k", turned).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    for (path, body) in [
        (MEMBERS, json!({"rows": [member("M2")]}).to_string()),
        (
            "/api/v1/datasets/employee/rows",
            json!({"rows": []}).to_string(),
        ),
    ] {
        let reused = send(&house, &manager(), path, "k", &body).await;
        assert_eq!(
            (reused.status, reused.problem().as_str()),
            (422, "idempotency_key_reused"),
            "{path}"
        );
    }
    for (tenant, user) in [("acme", "8"), ("globex", "7")] {
        let stranger = token(tenant, user, &["MANAGER"]);
        let own = send(&house, &stranger, MEMBERS, "k", &body).await;
        assert_eq!(
            (own.status, own.header("idempotency-replayed")),
            (200, None)
        );
    }
    assert_eq!(members(&house).await, ["M1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_with_one_key_the_rows_are_stored_once_and_all_are_told_so() {
    let house = House::with_tables().await;
    let body = json!({"rows": [member("M1"), member("M2")]}).to_string();
    let token = manager();
    let answers = (0..12).map(|_| send(&house, &token, MEMBERS, "k", &body));
    let answers = futures::future::join_all(answers).await;
    let bodies: BTreeSet<Vec<u8>> = answers.iter().map(|answer| answer.body.clone()).collect();
    assert_eq!(bodies.len(), 1, "{answers:?}");
    assert_eq!(answers[0].json()["inserted"], 2);
    let first = answers
        .iter()
        .filter(|it| it.header("idempotency-replayed").is_none());
    assert_eq!(first.count(), 1);
    assert_eq!(members(&house).await, ["M1", "M2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_not_remembered() {
    let house = House::with_tables().await;
    let mut row = member("M1");
    row["wage"] = json!(1);
    let wrong = json!({"rows": [row]}).to_string();
    for _ in 0..2 {
        let refused = send(&house, &manager(), MEMBERS, "k", &wrong).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (422, "unknown_column")
        );
    }
    let long = "k".repeat(129);
    let refused = send(&house, &manager(), MEMBERS, &long, &wrong).await;
    assert_eq!(refused.problem(), "invalid_request");
    let right = json!({"rows": [member("M1")]}).to_string();
    let taken = send(&house, &manager(), MEMBERS, "k", &right).await;
    assert_eq!(
        (taken.status, taken.header("idempotency-replayed")),
        (200, None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_unanswered_commit_the_key_tells_and_without_one_the_rows_themselves_are_named() {
    let database = testkit::TestDatabase::with_examples().await;
    let proxy = MoodyProxy::before(database.url()).await;
    let url = proxy.url(database.url());
    let house = House::over(database, |settings| settings.mysql.url = url.into());
    let body = json!({"rows": [member("M1")]}).to_string();
    proxy.cut_next_commits(1);
    let known = send(&house, &manager(), MEMBERS, "k", &body).await;
    assert_eq!(proxy.cuts_left(), 0, "the cut happened");
    assert_eq!(
        (known.status, &known.json()["inserted"]),
        (200, &json!(1)),
        "{known:?}"
    );
    assert_eq!(members(&house).await, ["M1"]);
    let again = send(&house, &manager(), MEMBERS, "k", &body).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.body, known.body);

    proxy.cut_next_commits(1);
    let without = json!({"rows": [member("M2")]});
    let unknown = house.post(&manager(), MEMBERS, &without).await;
    assert_eq!(
        (unknown.status, unknown.problem().as_str()),
        (503, "database_unavailable")
    );
    let detail = unknown.json()["detail"].to_string();
    assert!(detail.contains("Idempotency-Key"), "{detail}");
    assert!(!detail.contains("task"), "there is none: {detail}");

    proxy.go_away_at_the_next_commit();
    let body = json!({"rows": [member("M3")]}).to_string();
    let unknown = send(&house, &manager(), MEMBERS, "j", &body).await;
    let detail = unknown.json()["detail"].to_string();
    assert!(detail.contains("same Idempotency-Key again"), "{detail}");
    proxy.come_back();
    let known = send(&house, &manager(), MEMBERS, "j", &body).await;
    assert_eq!((known.status, &known.json()["inserted"]), (200, &json!(1)));
    assert_eq!(members(&house).await, ["M1", "M2", "M3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_first_request_is_under_way_a_second_is_told_so_and_later_what_became_of_it() {
    let house = House::with_tables().await;
    // The table's trigger keeps the first request at its rows until it is let go.
    for statement in [
        "CREATE TABLE let_go (n INT PRIMARY KEY)",
        "CREATE TRIGGER slow BEFORE INSERT ON member FOR EACH ROW BEGIN \
         SET @n = 0; WHILE @n = 0 DO \
         SELECT COUNT(*) + SLEEP(0.02) INTO @n FROM let_go FOR SHARE; END WHILE; END",
    ] {
        house.database.execute(statement).await;
    }
    let (token, body) = (manager(), json!({"rows": [member("M1")]}).to_string());
    let first = send(&house, &token, MEMBERS, "k", &body);
    let others = async {
        eventually("the first request at its rows", async || {
            let waiting = "SELECT COUNT(*) FROM information_schema.processlist \
                           WHERE db = DATABASE() AND state = 'User sleep'";
            (house.database.one::<u64>(waiting).await > 0).then_some(())
        })
        .await;
        let second = send(&house, &token, MEMBERS, "k", &body).await;
        assert_eq!(
            (second.status, second.problem().as_str()),
            (409, "idempotency_in_progress"),
            "{second:?}"
        );
        assert_eq!(second.header("retry-after"), Some("2"));
        house
            .database
            .execute("INSERT INTO let_go VALUES (1)")
            .await;
    };
    let (first, ()) = tokio::join!(first, others);
    assert_eq!((first.status, &first.json()["inserted"]), (200, &json!(1)));
    let third = send(&house, &token, MEMBERS, "k", &body).await;
    assert_eq!(
        (third.status, third.header("idempotency-replayed")),
        (200, Some("true"))
    );
    assert_eq!(third.body, first.body);
    assert_eq!(members(&house).await, ["M1"]);
}
