//! Handler kind `http`: every row is called for, tried again where that may help, and no host is
//! reached that the definition does not name.

use biz_worker::Call;
use secrecy::SecretString;

use crate::house::{House, done};
use crate::service::{SECRET, Service};

const CALL: &str = r#"
kind = "http"
concurrency = 8
[http]
url_field = "url"
hosts = ["127.0.0.1", "localhost"]
private_ranges = ["127.0.0.0/8", "::1"]
secret = "shop"
"#;

/// Nothing but the public internet.
const PUBLIC: &str = r#"
kind = "http"
[http]
url_field = "url"
hosts = ["127.0.0.1", "localhost", "[::1]"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_carries_the_context_its_key_its_tenant_and_a_signature_the_same_with_each_try() {
    let (house, service) = (House::open().await, Service::open().await);
    house.define("call", CALL);
    let context = service.context("/answer/503/200");
    house.ask("call", "a b/é%", &context).await;
    let worker = house.work();
    let key = "call/a%20b/%C3%A9%25";
    assert_eq!(
        house.all_ended("call").await,
        [("a b/é%".to_owned(), "SUCCESS".to_owned(), 1)]
    );
    let calls = service.calls("/answer/503/200");
    assert_eq!(calls.len(), 2);
    for call in calls {
        assert_eq!(call.body, context);
        assert_eq!(call.headers["content-type"], "application/json");
        assert_eq!(call.headers["idempotency-key"], key);
        assert_eq!(call.headers["x-quayside-tenant"], "acme");
        let timestamp = call.headers["x-quayside-timestamp"].parse().unwrap();
        let as_sent = Call {
            key: key.to_owned(),
            tenant: "acme".to_owned(),
            body: call.body,
        };
        let secret = SecretString::from(SECRET);
        let signature = &call.headers["x-quayside-signature"];
        assert_eq!(*signature, as_sent.signature(&secret, timestamp));
        let forged = Call {
            body: "{}".to_owned(),
            ..as_sent
        };
        assert_ne!(*signature, forged.signature(&secret, timestamp));
    }
    assert!(worker.end().await.success());
    assert!(!house.log().contains(SECRET));
}

#[test]
fn a_signature_is_what_openssl_says_it_is() {
    // printf '7\nacme\ncall/1\n{}' | openssl dgst -sha256 -hmac 0123456789abcdef0123
    let call = Call {
        key: "call/1".to_owned(),
        tenant: "acme".to_owned(),
        body: "{}".to_owned(),
    };
    let signature = call.signature(&SecretString::from(SECRET), 7);
    assert_eq!(
        signature,
        "v1=577d717481682249fbf5ad6ff050ae1e342b975d2960be434f2d7276f46ac699"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_help_is_tried_again_and_what_cannot_is_given_up_at_once() {
    let (house, service) = (House::open().await, Service::open().await);
    house.define("call", CALL);
    // By path: how it ends, after how many failures, and after how many calls.
    let paths = [
        ("/answer/200", "SUCCESS", 0, 1),
        ("/answer/201", "SUCCESS", 0, 1),
        ("/answer/202", "SUCCESS", 0, 1),
        ("/answer/400", "FAILED", 1, 1),
        ("/answer/404", "FAILED", 1, 1),
        ("/answer/408/425/200", "SUCCESS", 2, 3),
        ("/answer/409", "FAILED", 1, 1),
        ("/answer/429/500/200", "SUCCESS", 2, 3),
        ("/answer/503", "FAILED", 3, 3),
        ("/drip", "FAILED", 3, 3),
        ("/hang", "FAILED", 3, 3),
        ("/long/200", "SUCCESS", 0, 1),
        ("/long/400", "FAILED", 1, 1),
        ("/long/503", "FAILED", 3, 3),
        ("/rubbish", "FAILED", 3, 3),
    ];
    for (path, ..) in paths {
        house.ask("call", path, &service.context(path)).await;
    }
    let _worker = house.work();
    let ended = house.all_ended("call").await;
    let row =
        |(path, status, cnt, _): (&str, &str, u32, _)| (path.to_owned(), status.to_owned(), cnt);
    assert_eq!(ended, paths.map(row));
    let calls = paths.map(|(path, ..)| (path, service.calls(path).len()));
    assert_eq!(calls, paths.map(|(path, _, _, calls)| (path, calls)));
    let letters = house.letters("call").await;
    let told = [
        ("/answer/400", "the service answered 400"),
        ("/answer/404", "the service answered 404"),
        ("/answer/409", "the service answered 409"),
        ("/answer/503", "the service answered 503"),
        ("/drip", "no whole answer in time"),
        ("/hang", "no whole answer in time"),
        ("/long/400", "the service answered 400"),
        ("/long/503", "the service answered 503"),
    ]
    .map(|(biz_id, told)| (biz_id.to_owned(), told.to_owned()));
    assert_eq!(letters[..8], told);
    let (path, detail) = &letters[8];
    assert!(
        path == "/rubbish" && detail.starts_with("the connection broke"),
        "{detail}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_refuses_whoever_calls_pauses_the_lane_before_every_row_is_given_up() {
    let (house, service) = (House::open().await, Service::open().await);
    let fixed = format!(
        "kind = \"http\"\nconcurrency = 8\n[http]\nurl = \"http://127.0.0.1:{}/answer/401\"\n\
         private_ranges = [\"127.0.0.0/8\"]",
        service.port
    );
    house.define("call", &fixed);
    for number in 0..150 {
        house.ask("call", &number.to_string(), "{}").await;
    }
    let _worker = house.work();
    testkit::eventually("the lane to be paused", async || {
        let states: Vec<String> = house.database.query("SELECT state FROM lane").await;
        states.contains(&"PAUSED".to_owned()).then_some(())
    })
    .await;
    let ended = house.rows("call").await;
    let dead = ended.iter().filter(|row| row.1 == "FAILED").count();
    assert!((50..150).contains(&dead), "{dead} rows were given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_rows_name_wrongly_pause_nobody_elses_calls() {
    let (house, service) = (House::open().await, Service::open().await);
    house.define("call", CALL);
    let to_another = format!("/to/localhost:{}", service.port);
    let wrong = [
        "/answer/401",
        "/answer/403",
        "/answer/404",
        "/answer/405",
        &to_another,
    ];
    for path in wrong {
        for number in 0..20 {
            let biz_id = format!("{path}-{number}");
            house.ask("call", &biz_id, &service.context(path)).await;
        }
    }
    let _worker = house.work();
    let ended = house.all_ended("call").await;
    let given_up = |row: &(String, String, u32)| row.1 == "FAILED" && row.2 == 1;
    assert_eq!(ended.len(), 100);
    assert!(ended.iter().all(given_up), "{ended:?}");
    assert_eq!(house.letters("call").await.len(), 100);
    let paused: u64 = house.database.one("SELECT COUNT(*) FROM lane").await;
    assert_eq!(paused, 0);
    house
        .ask("call", "right", &service.context("/answer/200"))
        .await;
    testkit::eventually("the right address to be called", async || {
        (service.calls("/answer/200").len() == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_redirect_no_name_and_no_address_leads_out_of_the_definition() {
    let (house, service) = (House::open().await, Service::open().await);
    house.define("call", CALL);
    house.define("public", PUBLIC);
    let port = service.port;
    let to_another = format!("/to/localhost:{port}");
    let asked = [
        ("call", "1", service.context(&to_another)),
        (
            "call",
            "2",
            r#"{"url": "http://elsewhere.example/"}"#.to_owned(),
        ),
        ("call", "3", r#"{"url": "file:///etc/passwd"}"#.to_owned()),
        (
            "call",
            "4",
            format!(r#"{{"url": "http://127.0.0.1@localhost.example:{port}/"}}"#),
        ),
        ("call", "5", r#"{"url": 7}"#.to_owned()),
        ("call", "6", "no json".to_owned()),
        ("public", "1", service.context("/answer/200")),
        (
            "public",
            "2",
            format!(r#"{{"url": "http://localhost:{port}/answer/200"}}"#),
        ),
        (
            "public",
            "3",
            format!(r#"{{"url": "http://[::1]:{port}/answer/200"}}"#),
        ),
        (
            "public",
            "4",
            format!(r#"{{"url": "http://0x7f.1:{port}/answer/200"}}"#),
        ),
    ];
    for (biz_type, biz_id, context) in &asked {
        house.ask(biz_type, biz_id, context).await;
    }
    let _worker = house.work();
    for biz_type in ["call", "public"] {
        let ended = house.all_ended(biz_type).await;
        let given_up = |row: &(String, String, u32)| row.1 == "FAILED" && row.2 == 1;
        assert!(ended.iter().all(given_up), "{ended:?}");
    }
    // The redirect's first half is all that any server saw.
    assert_eq!(
        (service.all_calls(), service.calls(&to_another).len()),
        (1, 1)
    );
    let told: Vec<String> = house
        .letters("call")
        .await
        .into_iter()
        .map(|it| it.1)
        .collect();
    let wanted = [
        "redirects are not followed",
        "not in `hosts`",
        "neither http nor https",
        "a user or a password",
        "names no address",
        "no JSON",
    ];
    for (told, wanted) in told.iter().zip(wanted) {
        assert!(told.contains(wanted), "{told}");
    }
    for (_, told) in house.letters("public").await {
        assert!(told.contains("addresses are not public"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_hangs_delays_no_other_kind_of_work() {
    let (house, service) = (House::open().await, Service::open().await);
    house.define(
        "call",
        &CALL.replace("concurrency = 8", "concurrency = 2\nlease = \"2s\""),
    );
    let grant = r#"
kind = "rows"
[rows]
dataset = "coupon_grant"
columns = { batch = "batch", member_no = "member", coupon = "coupon" }
"#;
    house.define("grant", grant);
    for number in 0..20 {
        let context = service.context("/hang");
        house.ask("call", &number.to_string(), &context).await;
    }
    let _worker = house.work();
    testkit::eventually("the service to hang", async || {
        (service.open_connections() >= 1).then_some(())
    })
    .await;
    let context = r#"{"batch": "b", "member": "M1", "coupon": "A"}"#;
    house.ask("grant", "1", context).await;
    assert_eq!(house.all_ended("grant").await, [done("1")]);
    let open: u64 = house
        .database
        .one("SELECT COUNT(*) FROM compensate_biz WHERE biz_type = 'call' AND finished_at IS NULL")
        .await;
    assert!(open > 0, "the service hung meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_go_into_one_call_and_each_has_a_result_of_its_own() {
    let (house, service) = (House::open().await, Service::open().await);
    let url = |path: &str| {
        format!(
            "kind = \"http\"\nbatch_size = 20\n[http]\nurl = \"http://127.0.0.1:{}{path}\"\n\
             private_ranges = [\"127.0.0.0/8\"]\nsecret = \"shop\"",
            service.port
        )
    };
    house.define("many", &url("/batch"));
    house.define("picky", &url("/picky"));
    house.define("wrong", &url("/answer/404"));
    house.define("odd", &url("/answer/200"));
    house.ask("odd", "1", "{}").await;
    let statuses = ["done", "failed", "retry", "silence", "rubbish", "done"];
    for (biz_id, status) in statuses.iter().enumerate() {
        let context = format!(r#"{{"status": "{status}"}}"#);
        house.ask("many", &biz_id.to_string(), &context).await;
    }
    for number in 10..40 {
        let more = if number == 17 { "poison" } else { "" };
        let context = format!(r#"{{"status": "done", "more": "{more}"}}"#);
        house.ask("picky", &number.to_string(), &context).await;
        house.ask("wrong", &number.to_string(), "{}").await;
    }
    let _worker = house.work();
    let told = |rows: Vec<(String, String, u32)>| -> Vec<(String, u32)> {
        rows.into_iter()
            .map(|(_, status, cnt)| (status, cnt))
            .collect()
    };
    let ended = told(house.all_ended("many").await);
    let failed = |cnt| ("FAILED".to_owned(), cnt);
    let success = ("SUCCESS".to_owned(), 0);
    let wanted = [
        success.clone(),
        failed(1),
        failed(3),
        failed(3),
        failed(3),
        success.clone(),
    ];
    assert_eq!(ended, wanted);
    let letters: Vec<String> = house
        .letters("many")
        .await
        .into_iter()
        .map(|it| it.1)
        .collect();
    let silence = "the answer has no result for this row";
    let wanted = [
        "the service says no: so",
        "the service says later: so",
        silence,
        silence,
    ];
    assert_eq!(letters, wanted);

    assert_eq!(told(house.all_ended("odd").await), [failed(3)]);
    let letter = house.letters("odd").await.remove(0);
    assert_eq!(letter.1, "the answer is no list of results");

    let ended = told(house.all_ended("picky").await);
    let bad: Vec<usize> = (0..30).filter(|at| ended[*at] != success).collect();
    assert_eq!(bad, [7], "{ended:?}");
    assert_eq!(ended[7], failed(1));
    let calls = service.calls("/picky");
    let items = |body: &str| body.matches("\"key\"").count();
    let ended = told(house.all_ended("wrong").await);
    assert!(ended.iter().all(|it| *it == failed(1)), "{ended:?}");
    let asked = service.calls("/answer/404").into_iter();
    let asked: usize = asked.map(|it| items(&it.body)).sum();
    assert_eq!(asked, 30, "a no to whoever calls is asked about once");
    assert!(
        calls.iter().any(|it| items(&it.body) > 1),
        "no call had two"
    );
    assert!(
        calls.iter().all(|it| items(&it.body) <= 20),
        "a call had more than 20"
    );
    for call in &calls {
        assert!(!call.headers.contains_key("idempotency-key"));
        let as_sent = Call {
            key: String::new(),
            tenant: String::new(),
            body: call.body.clone(),
        };
        let timestamp = call.headers["x-quayside-timestamp"].parse().unwrap();
        let signature = as_sent.signature(&SecretString::from(SECRET), timestamp);
        assert_eq!(call.headers["x-quayside-signature"], signature);
    }
    let items = service.calls("/batch").into_iter().flat_map(|call| {
        let body: serde_json::Value = serde_json::from_str(&call.body).unwrap();
        body["items"].as_array().unwrap().clone()
    });
    let first = items.into_iter().find(|item| item["key"] == "many/0");
    let context = serde_json::json!({"status": "done"});
    let wanted = serde_json::json!({"key": "many/0", "tenant": "acme", "context": context});
    assert_eq!(first, Some(wanted));
}
