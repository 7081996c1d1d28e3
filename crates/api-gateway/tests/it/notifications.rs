use reqwest::Method;
use serde_json::{Value, json};

use crate::dead_letters::operator;
use crate::house::{Answer, House, admin, manager, token};

const INBOX: &str = "/api/v1/notifications";

/// Told to operators, to user 7 and to the operators of two other tenants.
async fn told(house: &House) {
    house
        .database
        .execute(
            "INSERT INTO notification (tenant, recipient_kind, recipient, kind, notification_key, \
             count, params) VALUES \
             ('acme', 'ROLE', 'OPERATOR', 'DEAD_LETTERS', 'a', 3, '{\"reason\": \"internal\"}'), \
             ('acme', 'USER', '7', 'DEAD_LETTERS', 'a', 1, '{}'), \
             ('globex', 'ROLE', 'OPERATOR', 'DEAD_LETTERS', 'a', 1, '{}'), \
             ('default', 'ROLE', 'OPERATOR', 'DEAD_LETTERS', 'a', 1, '{}'), \
             ('default', 'USER', '7', 'DEAD_LETTERS', 'a', 1, '{}')",
        )
        .await;
}

async fn ids(house: &House, who: &str) -> Vec<Value> {
    let inbox = house.get(who, INBOX).await.json();
    let items = inbox["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].clone()).collect()
}

async fn read(house: &House, who: &str, id: &str) -> Answer {
    let path = format!("{INBOX}/{id}/read");
    house
        .send(house.request(Method::POST, &path).bearer_auth(who))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_reads_the_own_inbox_and_those_of_the_own_roles() {
    let house = House::open().await;
    told(&house).await;
    assert_eq!(ids(&house, &manager()).await, ["2"]);
    for who in [operator(), admin()] {
        assert_eq!(ids(&house, &who).await, ["1"]);
    }
    let both = token("acme", "7", &["OPERATOR"]);
    assert_eq!(ids(&house, &both).await, ["2", "1"]);
    let page = house.get(&both, &format!("{INBOX}?limit=1")).await.json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = house
        .get(&both, &format!("{INBOX}?cursor={cursor}"))
        .await
        .json();
    assert_eq!(rest["items"][0]["id"], "1");
    assert_eq!(rest["items"][0]["role"], "OPERATOR");
    assert_eq!(rest["items"][0]["count"], 3);
    assert_eq!(rest["items"][0]["params"], json!({"reason": "internal"}));

    let read_once = read(&house, &operator(), "1").await;
    assert_eq!(read_once.status, 200, "{read_once:?}");
    assert!(read_once.json()["read_at"].is_string());
    let again = read(&house, &both, "1").await.json();
    assert_eq!(again["read_at"], read_once.json()["read_at"]);
    for other in ["2", "3", "4", "x"] {
        let answer = read(&house, &operator(), other).await;
        assert_eq!(
            (answer.status, &*answer.problem()),
            (404, "not_found"),
            "{other}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_of_the_house_are_told_of_what_is_the_houses_and_its_users_are_not() {
    let house = House::open_with(|settings| {
        settings.dead_letters.house_tenant = domain::Tenant::parse("acme").unwrap();
    })
    .await;
    told(&house).await;
    assert_eq!(ids(&house, &operator()).await, ["4", "1"]);
    assert_eq!(ids(&house, &manager()).await, ["2"]);
    let both = token("acme", "7", &["OPERATOR"]);
    assert_eq!(ids(&house, &both).await, ["4", "2", "1"]);
    let stranger = token("globex", "op", &["OPERATOR"]);
    assert_eq!(ids(&house, &stranger).await, ["3"]);
}
