//! Lanes beside the usual one: urgent work, and what goes beyond a tenant's share.

use domain::Lane;
use serde_json::json;

use super::{PATH, item, lane, send_text};
use crate::house::{House, manager, token};

const HANDLER: &str = r#"
biz_type = "coupon_grant"
kind = "rows"
roles = ["MANAGER"]
share = 30

[rows]
dataset = "coupon_grant"
columns = { batch = "batch", member_no = "member", coupon = "coupon" }
"#;

async fn open() -> (House, tempfile::TempDir) {
    let handlers = tempfile::TempDir::new().unwrap();
    std::fs::write(handlers.path().join("coupon_grant.toml"), HANDLER).unwrap();
    let dir = handlers.path().to_owned();
    let house = House::open_with(|settings| settings.handlers.dir = Some(dir)).await;
    (house, handlers)
}

/// Submits so many, from this number on.
async fn ask(house: &House, caller: &str, from: u32, rows: u32) {
    let items: Vec<_> = (from..from + rows)
        .map(|n| item(&format!("m{n}")))
        .collect();
    let answer = house.post(caller, PATH, &json!({"items": items})).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.json()["accepted"], rows);
}

/// Open rows of a tenant on the usual lane and on the rest.
async fn on_lanes(house: &House, tenant: &str) -> (u64, u64) {
    let count = |lane: Lane| {
        let sql = format!(
            "SELECT COUNT(*) FROM compensate_biz WHERE tenant = '{tenant}' AND lane = '{lane}' \
             AND status = 'WAIT_HANDLE' AND announced"
        );
        async move { house.database.one::<u64>(&sql).await }
    };
    (count(lane()).await, count(lane().rest().unwrap()).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tenant_asks_for_beyond_its_share_waits_on_the_rest_and_nobody_elses_does() {
    let (house, _handlers) = open().await;
    let (acme, globex) = (manager(), token("globex", "9", &["MANAGER"]));
    ask(&house, &acme, 0, 100).await;
    assert_eq!(on_lanes(&house, "acme").await, (30, 70));
    ask(&house, &acme, 100, 20).await;
    assert_eq!(on_lanes(&house, "acme").await, (30, 90));
    ask(&house, &globex, 0, 10).await;
    assert_eq!(on_lanes(&house, "globex").await, (10, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_nothing_open_any_more_has_its_whole_share_again() {
    let (house, _handlers) = open().await;
    let acme = manager();
    ask(&house, &acme, 0, 30).await;
    house
        .database
        .execute("UPDATE compensate_biz SET status = 'SUCCESS', wake_at = NULL")
        .await;
    // The database is asked what is open as soon as the share seems to be spent.
    ask(&house, &acme, 30, 25).await;
    assert_eq!(on_lanes(&house, "acme").await, (25, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn urgent_work_has_its_own_lane_and_a_share_of_its_own() {
    let (house, _handlers) = open().await;
    let mut items = Vec::new();
    for priority in 0..10 {
        for number in 0..10 {
            let mut item = item(&format!("m{priority}-{number}"));
            item["priority"] = json!(priority);
            items.push(item);
        }
    }
    let answer = house.post(&manager(), PATH, &json!({"items": items})).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let lanes: Vec<(String, u8, u8, u64)> = house
        .database
        .query(
            "SELECT lane, MIN(priority), MAX(priority), COUNT(*) FROM compensate_biz \
             GROUP BY lane ORDER BY lane",
        )
        .await;
    let usual = lane();
    let told = |lane: Lane, from, to, rows| (lane.to_string(), from, to, rows);
    assert_eq!(
        lanes,
        [
            told(usual.clone(), 4, 6, 30),
            told(usual.urgent().unwrap(), 7, 9, 30),
            told(usual.rest().unwrap(), 0, 3, 40),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn urgent_work_beyond_its_share_is_as_usual_and_holds_up_nobody_elses() {
    let (house, _handlers) = open().await;
    let on_urgent = async |tenant: &str| {
        let lane = lane().urgent().unwrap();
        let rows = format!(
            "SELECT COUNT(*) FROM compensate_biz WHERE tenant = '{tenant}' AND lane = '{lane}'"
        );
        house.database.one::<u64>(&rows).await
    };
    for (tenant, rows) in [("acme", 100), ("globex", 10)] {
        let items = (0..rows).map(|n| {
            let mut item = item(&format!("m{n}"));
            item["priority"] = json!(9);
            item
        });
        let items: Vec<_> = items.collect();
        let caller = token(tenant, "9", &["MANAGER"]);
        let answer = house.post(&caller, PATH, &json!({"items": items})).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    assert_eq!(on_urgent("acme").await, 30);
    assert_eq!(on_lanes(&house, "acme").await, (30, 40));
    assert_eq!(on_urgent("globex").await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_sent_again_takes_no_share() {
    let (house, _handlers) = open().await;
    let items: Vec<_> = (0..20).map(|n| item(&format!("m{n}"))).collect();
    let body = json!({"items": items}).to_string();
    for key in ["one", "one", "one", "two"] {
        let answer = send_text(&house, &body, Some(key)).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    ask(&house, &manager(), 20, 10).await;
    assert_eq!(on_lanes(&house, "acme").await, (30, 0));
}
