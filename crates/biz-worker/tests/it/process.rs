//! The worker as a process: what it refuses to start with, and what its metrics tell.

use crate::house::House;
use crate::service::Service;

const GRANT: &str = r#"
kind = "rows"
[rows]
dataset = "coupon_grant"
columns = { batch = "batch", member_no = "member", coupon = "coupon" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_definition_keeps_it_from_starting_and_is_told_with_file_line_and_reason() {
    let wrong = [
        (
            GRANT.replace("coupon_grant", "nobody"),
            "x.toml:10: there is no dataset `nobody`",
        ),
        (
            "kind = \"http\"\nlease = \"soon\"\n[http]\nurl = \"https://a.example/\"".to_owned(),
            "x.toml:8: `soon` is no duration",
        ),
        (
            "kind = \"http\"\n[http]\nurl = \"https://a.example/\"\nhosts = [\"b.example\"]"
                .to_owned(),
            "x.toml:9: the host of the address is not in `hosts`",
        ),
        (
            "kind = \"http\"\n[http]\nurl = \"https://a.example/\"\nsecret = \"bakery\"".to_owned(),
            "x.toml:1: secret `bakery` is not in the settings (handlers.secrets.bakery)",
        ),
        (
            "kind = \"code\"\n[code]\nhandler = \"nobody\"".to_owned(),
            "x.toml:1: this worker has no code called `nobody`; it has: canary",
        ),
    ];
    for (kind, told) in wrong {
        let house = House::open().await;
        house.define("x", &kind);
        let mut worker = house.work();
        let ended = worker.ended().await;
        assert_eq!(ended.code(), Some(1));
        let log = house.log();
        assert!(log.contains(told), "{told}: {log}");
    }
}

/// What its admin port says of its metrics, once it is open.
async fn metrics(house: &House) -> Option<String> {
    let log = house.log();
    let mut lines = log.lines();
    let line = lines.find(|line| line.contains("admin port is open"))?;
    let port = line.split("127.0.0.1:").nth(1)?;
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://127.0.0.1:{port}/metrics");
    let answer = client.get(url).send().await.unwrap();
    answer.text().await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_tell_of_each_type_what_is_done_tried_again_and_given_up() {
    let house = House::open().await;
    let service = Service::open().await;
    house.define("grant", GRANT);
    let call = "kind = \"http\"\n[http]\nurl_field = \"url\"\nhosts = [\"127.0.0.1\"]\n\
                private_ranges = [\"127.0.0.0/8\"]";
    house.define("call", call);
    for member in ["M1", "M2", "M1"] {
        let context = format!(r#"{{"batch": "b", "member": "{member}", "coupon": "A"}}"#);
        let biz_id = house.rows("grant").await.len().to_string();
        house.ask("grant", &biz_id, &context).await;
    }
    house
        .ask("call", "1", &service.context("/answer/503/200"))
        .await;
    let _worker = house.work();
    house.all_ended("grant").await;
    house.all_ended("call").await;
    let told = metrics(&house).await.unwrap();
    for line in [
        r#"quayside_attempts_total{biz_type="grant",outcome="success"} 2"#,
        r#"quayside_attempts_total{biz_type="grant",outcome="permanent"} 1"#,
        r#"quayside_attempts_total{biz_type="call",outcome="transient"} 1"#,
        r#"quayside_attempts_total{biz_type="call",outcome="success"} 1"#,
        r#"quayside_batch_duration_seconds_count{biz_type="grant"}"#,
        r#"quayside_batch_rows_sum{biz_type="grant"} 3"#,
        r#"quayside_attempt_duration_seconds_count{biz_type="call"} 2"#,
        r#"quayside_failures_total{biz_type="grant",became="given_up"} 1"#,
        r#"quayside_failures_total{biz_type="call",became="retried"} 1"#,
        r#"quayside_biz_open_rows{biz_type="grant"}"#,
        r#"quayside_biz_oldest_row_seconds{biz_type="call"}"#,
        "# HELP quayside_batch_rows ",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
}
