//! Handler kind `rows`: contexts become rows of a table, exactly once, and bad ones fail alone.

use mysql_async::prelude::Queryable;

use crate::house::{House, done};

const GRANT: &str = r#"
kind = "rows"
[rows]
dataset = "coupon_grant"
columns = { batch = "batch", member_no = "member", coupon = "coupon" }
"#;

const MEMBER: &str = r#"
kind = "rows"
[rows]
dataset = "member"
mode = "upsert"
columns = { member_no = "no", name = "name", mobile = "tel", level = "level", points = "points", balance = "balance" }
"#;

fn grant(member: &str) -> String {
    format!(r#"{{"batch": "spring", "member": "{member}", "coupon": "A", "more": [1]}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_plain_sql_is_picked_up_whatever_the_sessions_time_zone() {
    let house = House::open().await;
    house.define("grant", GRANT);
    let worker = house.work();
    for (number, zone) in ["+08:00", "-05:00", "+00:00"].iter().enumerate() {
        let mut client = house.database.plain_connection().await;
        client
            .query_drop(format!("SET time_zone = '{zone}'"))
            .await
            .unwrap();
        let context = grant(&format!("M{number}"));
        client
            .exec_drop(
                "INSERT INTO compensate_biz (biz_type, biz_id, context) VALUES ('grant', ?, ?)",
                (number, context),
            )
            .await
            .unwrap();
        client.disconnect().await.unwrap();
    }
    assert_eq!(
        house.all_ended("grant").await,
        [done("0"), done("1"), done("2")]
    );
    let granted: Vec<(String, String)> = house
        .database
        .query("SELECT tenant, member_no FROM coupon_grant ORDER BY member_no")
        .await;
    let of_the_house = |member: &str| ("default".to_owned(), member.to_owned());
    assert_eq!(granted, ["M0", "M1", "M2"].map(of_the_house));
    assert!(worker.end().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_or_breaks_a_rule_or_is_there_already_fails_alone_and_tells_no_value() {
    let house = House::open().await;
    house.define("grant", GRANT);
    house.ask("grant", "1", &grant("M1")).await;
    house.ask("grant", "2", "no json").await;
    house.ask("grant", "3", "[1]").await;
    house
        .ask("grant", "4", r#"{"batch": "spring", "member": "M4"}"#)
        .await;
    house
        .ask("grant", "5", &grant("a-number-that-is-too-long-for-it"))
        .await;
    house.ask("grant", "6", &grant("M1")).await;
    house
        .ask(
            "grant",
            "7",
            r#"{"batch": "b", "member": 7, "coupon": "A"}"#,
        )
        .await;
    house.ask("grant", "8", &grant("M8")).await;
    let _worker = house.work();
    let ended = house.all_ended("grant").await;
    let good: Vec<&str> = ended
        .iter()
        .filter(|(_, status, _)| status == "SUCCESS")
        .map(|(biz_id, ..)| biz_id.as_str())
        .collect();
    assert_eq!(good, ["1", "8"]);
    let letters = house.letters("grant").await;
    let told = [
        ("2", "the context is no JSON object"),
        ("3", "the context is no JSON object"),
        ("4", "required in column coupon"),
        ("5", "too_long in column member_no"),
        ("6", "duplicate_in_db"),
        ("7", "type_mismatch in column member_no"),
    ]
    .map(|(biz_id, told)| (biz_id.to_owned(), told.to_owned()));
    assert_eq!(letters, told);
    let granted: u64 = house
        .database
        .one("SELECT COUNT(*) FROM coupon_grant")
        .await;
    assert_eq!(granted, 2);
    assert!(!house.log().contains("a-number-that-is-too-long"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_one_key_in_one_batch_are_written_in_their_order_and_tenants_are_apart() {
    let house = House::open().await;
    house.define("member", MEMBER);
    let insert = "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context) VALUES";
    let row = |tenant: &str, biz_id: u32, points: u32| {
        format!(
            r#"('{tenant}', 'member', '{biz_id}', '{{"no": "M1", "name": "n", "tel": "13800000000", "level": 1, "points": {points}, "balance": "1.50"}}')"#
        )
    };
    let rows = [
        row("acme", 1, 10),
        row("acme", 2, 20),
        row("globex", 1, 70),
        row("acme", 3, 30),
    ];
    house
        .database
        .execute(&format!("{insert} {}", rows.join(", ")))
        .await;
    let _worker = house.work();
    let ended = house.all_ended("member").await;
    assert_eq!(ended, [done("1"), done("1"), done("2"), done("3")]);
    let points: Vec<(String, u32)> = house
        .database
        .query("SELECT tenant, points FROM member ORDER BY tenant")
        .await;
    assert_eq!(points, [("acme".to_owned(), 30), ("globex".to_owned(), 70)]);
}
