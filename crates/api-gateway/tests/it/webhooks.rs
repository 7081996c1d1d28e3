//! Webhooks and by what a user wants to be told.

use reqwest::Method;
use serde_json::{Value, json};

use crate::house::{Answer, House, manager, token};

const WEBHOOKS: &str = "/api/v1/webhooks";
const SETTINGS: &str = "/api/v1/notifications/settings";
const URL: &str = "https://example.com/hook?of=me";

async fn make(house: &House, who: &str, body: &Value) -> Answer {
    house.post(who, WEBHOOKS, body).await
}

async fn set(house: &House, who: &str, body: &Value) -> Answer {
    let request = house.request(Method::PUT, SETTINGS).bearer_auth(who);
    house.send(request.json(body)).await
}

async fn delete(house: &House, who: &str, id: &str) -> Answer {
    let path = format!("{WEBHOOKS}/{id}");
    let request = house.request(Method::DELETE, &path).bearer_auth(who);
    house.send(request).await
}

async fn deliveries(house: &House, who: &str, id: &str) -> Answer {
    let path = format!("{WEBHOOKS}/{id}/deliveries");
    house.get(who, &path).await
}

fn id(made: &Answer) -> String {
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_made_listed_and_taken_away_and_its_secret_is_told_once() {
    let house = House::open().await;
    let made = make(&house, &manager(), &json!({"url": URL})).await;
    let webhook = id(&made);
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    assert_eq!(secret.len(), 64);
    let events = [
        "TASK_SUCCESS",
        "TASK_PARTIAL_SUCCESS",
        "TASK_FAILED",
        "TASK_CANCELLED",
    ];
    assert_eq!(made.json()["events"], json!(events));

    let own = json!({"url": URL, "events": ["TASK_FAILED"], "secret": "0123456789abcdef"});
    let other = make(&house, &manager(), &own).await;
    assert_eq!(other.json()["secret"], "0123456789abcdef");
    assert_eq!(other.json()["events"], json!(["TASK_FAILED"]));

    let listed = house.get(&manager(), WEBHOOKS).await;
    let items = listed.json()["items"].as_array().unwrap().clone();
    let ids: Vec<&Value> = items.iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, [&json!(id(&other)), &json!(webhook)]);
    assert_eq!(items[1]["url"], URL);
    assert!(!String::from_utf8(listed.body).unwrap().contains(&secret));

    assert_eq!(delete(&house, &manager(), &webhook).await.status, 204);
    let again = delete(&house, &manager(), &webhook).await;
    assert_eq!((again.status, again.problem().as_str()), (404, "not_found"));
    assert_eq!(deliveries(&house, &manager(), &webhook).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_address_or_word_is_refused_and_its_field_is_named() {
    let house = House::open().await;
    let url = |url: &str| json!({"url": url});
    let cases = [
        (json!({}), "/url"),
        (url("example.com"), "/url"),
        (url("ftp://example.com/"), "/url"),
        (url("https://me:pw@example.com/"), "/url"),
        (url("http://10.1.2.3/"), "/url"),
        (url("http://169.254.169.254/latest"), "/url"),
        (url("http://[::ffff:192.168.1.1]/"), "/url"),
        (url("http://3232235777/"), "/url"),
        (
            url(&format!("https://example.com/{}", "x".repeat(2_000))),
            "/url",
        ),
        (json!({"url": URL, "events": []}), "/events"),
        (json!({"url": URL, "events": ["TASK_LOST"]}), "/events"),
        (json!({"url": URL, "secret": "short"}), "/secret"),
        (json!({"url": URL, "secret": 7}), "/secret"),
        (json!({"url": URL, "colour": 1}), "/colour"),
    ];
    for (body, pointer) in cases {
        let refused = make(&house, &manager(), &body).await;
        assert_eq!(refused.status, 400, "{body}");
        assert_eq!(refused.problem(), "invalid_request");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    let listed = house.get(&manager(), WEBHOOKS).await.json();
    assert_eq!(listed["items"], json!([]));
    // The example's definition opens this machine.
    id(&make(&house, &manager(), &url("http://localhost:9000/")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_key_makes_one_webhook_and_tells_the_same_secret() {
    let house = House::open().await;
    let keyed = |key: &str, body: Value| {
        let request = house.request(Method::POST, WEBHOOKS).bearer_auth(manager());
        let request = request.header("Idempotency-Key", key).json(&body);
        house.send(request)
    };
    let first = keyed("k", json!({"url": URL})).await;
    let again = keyed("k", json!({"url": URL})).await;
    assert_eq!((first.status, first.json()), (201, again.json()));
    assert_eq!(first.header("idempotency-replayed"), None);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let other = keyed("k", json!({"url": "https://example.com/"})).await;
    assert_eq!(
        (other.status, other.problem().as_str()),
        (422, "idempotency_key_reused")
    );
    for key in 0..9 {
        id(&keyed(&key.to_string(), json!({"url": URL})).await);
    }
    let eleventh = keyed("l", json!({"url": URL})).await;
    assert_eq!(
        (eleventh.status, eleventh.problem().as_str()),
        (409, "state_conflict")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_task_came_to_is_a_delivery_that_its_owner_alone_sees() {
    let house = House::open().await;
    let webhook = id(&make(&house, &manager(), &json!({"url": URL})).await);
    let task = house.an_export(&manager()).await;
    let cancel = format!("/api/v1/tasks/{task}/cancel");
    house.post(&manager(), &cancel, &json!({})).await;
    let told = deliveries(&house, &manager(), &webhook).await.json();
    let made = &told["items"][0];
    assert_eq!(
        (&made["task_id"], &made["event"]),
        (&json!(task), &json!("TASK_CANCELLED"))
    );
    assert_eq!(
        (&made["status"], &made["attempts"]),
        (&json!("PENDING"), &json!(0))
    );
    assert_eq!(made["code"], Value::Null);
    for who in [
        token("acme", "8", &["MANAGER"]),
        token("globex", "7", &["MANAGER"]),
    ] {
        assert_eq!(deliveries(&house, &who, &webhook).await.status, 404);
        assert_eq!(delete(&house, &who, &webhook).await.status, 404);
        assert_eq!(house.get(&who, WEBHOOKS).await.json()["items"], json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_who_has_not_asked_and_what_is_asked_for_is_kept() {
    let house = House::open().await;
    let nothing = json!({"in_app": false, "email": null});
    assert_eq!(house.get(&manager(), SETTINGS).await.json(), nothing);
    let all = json!({"in_app": true, "email": "seven@example.com"});
    let done = set(&house, &manager(), &all).await;
    assert_eq!((done.status, done.json()), (200, all.clone()));
    assert_eq!(house.get(&manager(), SETTINGS).await.json(), all);
    let other = token("acme", "8", &["MANAGER"]);
    assert_eq!(house.get(&other, SETTINGS).await.json(), nothing);
    for (body, pointer) in [
        (json!({"email": "seven"}), "/email"),
        (
            json!({"email": "seven@example.com\r\nBcc: x@example.com"}),
            "/email",
        ),
        (json!({"email": 7}), "/email"),
        (json!({"in_app": "yes"}), "/in_app"),
        (json!({"sms": true}), "/sms"),
    ] {
        let refused = set(&house, &manager(), &body).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (400, "invalid_request")
        );
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    assert_eq!(set(&house, &manager(), &json!({})).await.json(), nothing);
    let log: Vec<String> = house
        .database
        .query("SELECT detail FROM operation_log WHERE action = 'SETTINGS_CHANGE' ORDER BY id")
        .await;
    assert_eq!(log.len(), 2);
    assert!(
        !log[0].contains("example.com"),
        "the address is the owner's alone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_tells_nobody_takes_no_wishes() {
    let house = House::open_with(|settings| settings.handlers.dir = None).await;
    for refused in [
        make(&house, &manager(), &json!({"url": URL})).await,
        set(&house, &manager(), &json!({"in_app": true})).await,
    ] {
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (422, "unknown_biz_type")
        );
    }
}

/// Method, route and answer of each call, for the document.
pub(crate) async fn answers(house: &House) -> Vec<(&'static str, &'static str, Answer)> {
    let webhook = id(&make(house, &manager(), &json!({"url": URL})).await);
    let (list, one) = (WEBHOOKS, "/api/v1/webhooks/{id}");
    let of_one = "/api/v1/webhooks/{id}/deliveries";
    vec![
        ("GET", list, house.get(&manager(), WEBHOOKS).await),
        (
            "POST",
            list,
            make(house, &manager(), &json!({"url": URL})).await,
        ),
        (
            "POST",
            list,
            make(house, &manager(), &json!({"url": "x"})).await,
        ),
        ("GET", of_one, deliveries(house, &manager(), &webhook).await),
        ("GET", of_one, deliveries(house, &manager(), "0").await),
        ("DELETE", one, delete(house, &manager(), &webhook).await),
        ("DELETE", one, delete(house, &manager(), &webhook).await),
        ("GET", SETTINGS, house.get(&manager(), SETTINGS).await),
        (
            "PUT",
            SETTINGS,
            set(house, &manager(), &json!({"in_app": true})).await,
        ),
        (
            "PUT",
            SETTINGS,
            set(house, &manager(), &json!({"x": 1})).await,
        ),
    ]
}
