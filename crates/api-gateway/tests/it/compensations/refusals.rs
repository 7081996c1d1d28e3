//! What is refused: all of the call, at the field at fault, and nothing is written.

use serde_json::{Value, json};

use super::{PATH, item, items, send_text};
use crate::house::{Answer, House, manager, token};

/// The first fault's code and pointer.
fn fault(answer: &Answer) -> (u16, String, String) {
    let code = answer.problem();
    let problem = answer.json();
    let pointer = problem["errors"][0]["pointer"].as_str().unwrap_or_default();
    (answer.status, code, pointer.to_owned())
}

/// The second of two items with this field.
fn with(field: &str, value: Value) -> Value {
    let mut body = items(&["a", "b"]);
    body["items"][1][field] = value;
    body
}

fn in_group(group: Value) -> Value {
    let mut body = items(&["a"]);
    body["group"] = group;
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_told_at_its_field_and_nothing_is_written() {
    let house = House::open().await;
    let invalid = |body: Value, pointer: &str| (body, 400, "invalid_request", pointer.to_owned());
    let follow = |item: Value| in_group(json!({"key": "g", "on_finished": [item]}));
    let mut both = with("delay_level", json!("5s"));
    both["items"][1]["run_at"] = json!("2026-01-03T00:00:00Z");
    let cases = [
        invalid(json!([]), ""),
        invalid(json!({"items": []}), "/items"),
        invalid(json!({}), "/items"),
        invalid(json!({"items": 1}), "/items"),
        invalid(json!({"items": [1]}), "/items/0"),
        invalid(json!({"items": [item("a")], "x": 1}), "/x"),
        invalid(with("x", json!(1)), "/items/1/x"),
        invalid(with("biz_type", json!(1)), "/items/1/biz_type"),
        invalid(with("biz_type", Value::Null), "/items/1/biz_type"),
        invalid(with("biz_id", Value::Null), "/items/1/biz_id"),
        invalid(with("biz_id", json!(7)), "/items/1/biz_id"),
        invalid(with("biz_id", json!(" b")), "/items/1/biz_id"),
        invalid(with("biz_id", json!("")), "/items/1/biz_id"),
        invalid(with("biz_id", json!("x".repeat(129))), "/items/1/biz_id"),
        invalid(with("biz_id", json!("12/1")), "/items/1/biz_id"),
        invalid(with("context", Value::Null), "/items/1/context"),
        invalid(with("priority", json!(10)), "/items/1/priority"),
        invalid(with("priority", json!(-1)), "/items/1/priority"),
        invalid(with("priority", json!("1")), "/items/1/priority"),
        invalid(with("delay_level", json!("6s")), "/items/1/delay_level"),
        invalid(with("delay_level", json!(5)), "/items/1/delay_level"),
        invalid(with("run_at", json!("tomorrow")), "/items/1/run_at"),
        invalid(
            with("run_at", json!("2027-02-01T00:00:00Z")),
            "/items/1/run_at",
        ),
        invalid(both, "/items/1/run_at"),
        (
            with("queue", json!("x")),
            422,
            "unknown_queue",
            "/items/1/queue".to_owned(),
        ),
        (
            with("biz_type", json!("x")),
            422,
            "unknown_biz_type",
            "/items/1/biz_type".to_owned(),
        ),
        (
            with("biz_type", json!("EXPORT")),
            422,
            "unknown_biz_type",
            "/items/1/biz_type".to_owned(),
        ),
        (
            with("context", json!("x".repeat(1 << 20))),
            413,
            "context_too_large",
            "/items/1/context".to_owned(),
        ),
        invalid(in_group(json!({})), "/group/key"),
        invalid(in_group(json!("g")), "/group"),
        invalid(in_group(json!({"key": " g"})), "/group/key"),
        invalid(in_group(json!({"key": "g".repeat(129)})), "/group/key"),
        invalid(in_group(json!({"key": "g", "seal": 1})), "/group/seal"),
        invalid(in_group(json!({"key": "g", "x": 1})), "/group/x"),
        invalid(
            in_group(json!({"key": "g", "on_finished": {}})),
            "/group/on_finished",
        ),
        invalid(
            in_group(json!({"key": "g", "on_finished": [item("a"), item("b")]})),
            "/group/on_finished/1/biz_type",
        ),
        invalid(
            follow(json!({"biz_type": "callback", "context": 1, "delay_level": "6s"})),
            "/group/on_finished/0/delay_level",
        ),
        invalid(
            follow(json!({"biz_type": "callback", "context": 1, "priority": 10})),
            "/group/on_finished/0/priority",
        ),
        invalid(
            follow(
                json!({"biz_type": "callback", "context": 1, "delay_level": "5s",
                "run_at": "2026-01-03T00:00:00Z"}),
            ),
            "/group/on_finished/0/run_at",
        ),
        invalid(
            follow(json!({"biz_type": "callback", "context": 1, "x": 1})),
            "/group/on_finished/0/x",
        ),
        (
            follow(json!({"biz_type": "x", "context": 1})),
            422,
            "unknown_biz_type",
            "/group/on_finished/0/biz_type".to_owned(),
        ),
    ];
    for (body, status, code, pointer) in cases {
        let answer = house.post(&manager(), PATH, &body).await;
        let told = (status, code.to_owned(), pointer);
        assert_eq!(fault(&answer), told, "{:.300}", body.to_string());
    }
    assert_eq!(house.written().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn how_much_a_context_may_hold_is_a_setting_for_what_is_taken_and_what_is_told() {
    const LIMIT: usize = 3 << 20;
    let small = House::open_with(|settings| settings.handlers.max_context_bytes = 10).await;
    let large = House::open_with(|settings| settings.handlers.max_context_bytes = LIMIT).await;
    // a text of so many bytes, with its quotes
    let of_bytes = |bytes: usize| with("context", json!("x".repeat(bytes - 2)));
    for (house, limit) in [(&small, 10), (&large, LIMIT)] {
        let beyond = house.post(&manager(), PATH, &of_bytes(limit + 1)).await;
        assert_eq!(
            (beyond.status, &*beyond.problem()),
            (413, "context_too_large")
        );
        let detail = beyond.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(&limit.to_string()), "{detail}");
        assert_eq!(house.written().await, (0, 0));
    }
    let taken = large.post(&manager(), PATH, &of_bytes(LIMIT)).await;
    assert_eq!(taken.status, 202);
    let id = taken.json()["items"][1]["id"].as_str().unwrap().to_owned();
    let told = large.get(&manager(), &format!("{PATH}/{id}")).await.json();
    assert_eq!(told["context_bytes"], LIMIT);
    assert_eq!(told["context"].as_str().unwrap().len(), LIMIT - 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_kind_of_work_is_told_with_the_known_ones() {
    let house = House::open().await;
    let answer = house
        .post(&manager(), PATH, &with("biz_type", json!("coupon")))
        .await;
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("callback, coupon_grant"), "{detail}");
    let without = House::open_with(|settings| settings.handlers.dir = None).await;
    let answer = without.post(&manager(), PATH, &items(&["a"])).await;
    assert_eq!(answer.problem(), "unknown_biz_type");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_submit_is_the_definitions_to_say_and_a_super_admin_may() {
    let house = House::open().await;
    for (roles, status) in [
        (&["MANAGER"][..], 202),
        (&["OPERATOR"], 202),
        (&["SUPER_ADMIN"], 202),
        (&["CLERK"], 403),
        (&[], 403),
    ] {
        let caller = token("acme", "7", roles);
        let answer = house.post(&caller, PATH, &items(&["a"])).await;
        assert_eq!(answer.status, status, "{roles:?}");
        let mut follows = items(&["a"]);
        follows["group"] = json!({"key": "g", "on_finished":
            [{"biz_type": "callback", "context": {}}]});
        let answer = house.post(&caller, PATH, &follows).await;
        assert_eq!(answer.status, status, "{roles:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contexts_that_nobody_could_read_are_refused_and_odd_ones_are_taken() {
    let house = House::open().await;
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for context in [deep.as_str(), "1e999", r#""\ud800""#] {
        let body = format!(
            r#"{{"items": [{{"biz_type": "coupon_grant", "biz_id": "a", "context": {context}}}]}}"#
        );
        let answer = send_text(&house, &body, None).await;
        let told = (
            400,
            "invalid_request".to_owned(),
            "/items/0/context".to_owned(),
        );
        assert_eq!(fault(&answer), told, "{context}");
    }
    for (n, context) in ["[]", "\"x\"", "0", "false", "{}"].into_iter().enumerate() {
        let body = format!(
            r#"{{"items": [{{"biz_type": "coupon_grant", "biz_id": "b{n}", "context": {context}}}]}}"#
        );
        let answer = send_text(&house, &body, None).await;
        assert_eq!(answer.status, 202, "{context}");
    }
    for body in ["", "{", "nonsense", "{\"items\": [}"] {
        let answer = send_text(&house, body, None).await;
        assert_eq!(
            (answer.status, &*answer.problem()),
            (400, "invalid_request")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_all_measure_is_refused_before_it_is_read() {
    let house = House::open().await;
    let body = " ".repeat((32 << 20) + 1);
    let answer = send_text(&house, &body, None).await;
    assert_eq!((answer.status, &*answer.problem()), (413, "body_too_large"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_house_tells_of_is_taken_from_nobody() {
    let house = House::open().await;
    let operator = crate::dead_letters::operator();
    let words = json!({"text": {"subject": "s", "text": "t"}});
    let inbox = json!({"channel": "inbox", "user": "7", "about": words});
    let webhook = json!({"channel": "webhook", "delivery": 1, "about": words});
    let entry = |action: &str| json!({"action": action, "object_kind": "FILE", "object_id": "7", "actor": "7"});
    let of = |biz_type: &str, biz_id: &str, context: &Value| json!({"biz_type": biz_type, "biz_id": biz_id, "context": context});
    let refused = [
        (of("notify", "a", &webhook), "context"),
        (of("notify", "a", &json!({"channel": "pigeon"})), "context"),
        (of("notify", "task/1/1/inbox", &inbox), "biz_id"),
        (of("notify", "delivery/1", &inbox), "biz_id"),
        (of("operation_log", "a", &entry("FILE_DOWNLOAD")), "context"),
        (
            of("operation_log", "house/a", &entry("PRICE_CHANGE")),
            "biz_id",
        ),
    ];
    for (item, field) in refused {
        let answer = house.post(&operator, PATH, &json!({"items": [item]})).await;
        let expected = (
            400,
            "invalid_request".to_owned(),
            format!("/items/0/{field}"),
        );
        assert_eq!(fault(&answer), expected, "{item}");
        if field == "biz_id" {
            continue;
        }
        // The house's own row would say it.
        let follow = json!({"key": "g", "on_finished": [item]});
        let answer = house.post(&operator, PATH, &in_group(follow)).await;
        let pointer = format!("/group/on_finished/0/{field}");
        assert_eq!(fault(&answer).2, pointer, "{item}");
    }
    assert_eq!(house.written().await.1, 0);
    let taken = [
        of("notify", "a", &inbox),
        of("operation_log", "a", &entry("PRICE_CHANGE")),
    ];
    let answer = house.post(&operator, PATH, &json!({"items": taken})).await;
    assert_eq!(answer.status, 202, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_by_mail_is_placed_on_the_lane_of_mail_and_on_no_other() {
    let house = House::open().await;
    let operator = crate::dead_letters::operator();
    let words = json!({"text": {"subject": "s", "text": "t"}});
    let inbox = json!({"channel": "inbox", "user": "7", "about": words});
    let mail = json!({"channel": "email", "to": "a@example.com", "about": words});
    let item = |biz_id: &str, context: &Value| json!({"biz_type": "notify", "biz_id": biz_id, "context": context});
    let with = |mut item: Value, field: &str, value: Value| {
        item[field] = value;
        item
    };
    let items = [
        item("a", &inbox),
        item("b", &mail),
        with(item("c", &mail), "queue", json!("email")),
        with(item("d", &inbox), "queue", json!("default")),
        with(item("e", &mail), "priority", json!(5)),
    ];
    let follow = json!([{"biz_type": "notify", "context": mail}]);
    let group = json!({"key": "g", "seal": true, "on_finished": follow});
    let call = json!({"items": items, "group": group});
    let answer = house.post(&operator, PATH, &call).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let placed: Vec<(String, String)> = house
        .database
        .query("SELECT biz_id, lane FROM compensate_biz ORDER BY biz_id")
        .await;
    let lane = |end: &str| format!("quayside.biz.notify{end}");
    let wanted = [
        ("a", lane("")),
        ("b", lane(".email")),
        ("c", lane(".email")),
        ("d", lane("")),
        ("e", lane(".email.high")),
    ];
    assert_eq!(
        placed,
        wanted.map(|(biz_id, lane)| (biz_id.to_owned(), lane))
    );
    let born: String = house
        .database
        .one("SELECT on_finished FROM compensate_group")
        .await;
    assert!(born.contains(&lane(".email")), "{born}");
    for (notice, queue) in [(&mail, "default"), (&mail, "webhook"), (&inbox, "email")] {
        let wrong = with(item("f", notice), "queue", json!(queue));
        let answer = house
            .post(&operator, PATH, &json!({"items": [wrong]}))
            .await;
        let expected = (
            400,
            "invalid_request".to_owned(),
            "/items/0/queue".to_owned(),
        );
        assert_eq!(fault(&answer), expected, "{queue}");
    }
}
