//! A group of business work from its members to what follows its end, by the real worker: dead members
//! count, and those that are put back end it once more.

use std::time::Duration;

use domain::{BizId, BizType, DeadLetterId, Lane, Tenant, UserId};
use serde_json::{Value, json};
use store::{
    Actor, Announce, CompensationsOnce, DeadLetterActed, Due, FollowUp, NewCompensation,
    NewCompensations, NewGroup,
};
use testkit::eventually;

use crate::house::House;
use crate::service::Service;

const GRANT: &str = r#"
kind = "rows"
[rows]
dataset = "coupon_grant"
columns = { batch = "batch", member_no = "member", coupon = "coupon" }
"#;

fn seven() -> Actor {
    Actor {
        tenant: Tenant::parse("acme").unwrap(),
        user: UserId::parse("7").unwrap(),
        request_id: None,
    }
}

fn grant(number: u32) -> NewCompensation {
    let biz_type = BizType::parse("grant").unwrap();
    NewCompensation {
        lane: Lane::biz(&biz_type, None).unwrap(),
        biz_type,
        biz_id: BizId::parse(number.to_string()).unwrap(),
        context: json!({"batch": "b", "member": format!("M{number}"), "coupon": "A"}).to_string(),
        priority: 0,
        due: Due::Now,
        scan_interval: Duration::from_millis(200),
    }
}

/// Three grants in a group, and the service that is told of its end.
fn three(service: &Service) -> NewCompensations {
    let biz_type = BizType::parse("tell").unwrap();
    let follow_up = FollowUp {
        lane: Lane::biz(&biz_type, None).unwrap(),
        biz_type,
        context: service.context("/answer/200"),
        max_cnt: 3,
        priority: 0,
        due: Due::Now,
    };
    NewCompensations {
        actor: seven(),
        items: (1..=3).map(grant).collect(),
        group: Some(NewGroup {
            key: "spring".to_owned(),
            seal: true,
            of_anyone: false,
            on_finished: Some(vec![follow_up]),
        }),
        trace_context: None,
        key: None,
    }
}

/// What the service was told of the group, for the so-manieth time.
async fn told(service: &Service, times: usize) -> Value {
    let calls = eventually("the service to be told", async || {
        let calls = service.calls("/answer/200");
        (calls.len() >= times).then_some(calls)
    })
    .await;
    assert_eq!(calls.len(), times);
    let body: Value = serde_json::from_str(&calls[times - 1].body).unwrap();
    body["group"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_group_is_told_of_its_dead_member_and_once_more_when_that_was_put_back() {
    let (house, service) = (House::open().await, Service::open().await);
    house.define("grant", GRANT);
    house.define(
        "tell",
        "kind = \"http\"\n[http]\nurl_field = \"url\"\nhosts = [\"127.0.0.1\"]\n\
         private_ranges = [\"127.0.0.0/8\"]",
    );
    // The second has its coupon already.
    let taken = "INSERT INTO coupon_grant (tenant, batch, member_no, coupon) \
                 VALUES ('acme', 'b', 'M2', 'A')";
    house.database.execute(taken).await;
    let store = house.database.store();
    let submitted = store.submit_compensations(three(&service)).await.unwrap();
    assert!(matches!(submitted, CompensationsOnce::Now(..)));
    let _worker = house.work();

    let first = told(&service, 1).await;
    let counts = |group: &Value| {
        ["generation", "total", "succeeded", "dead", "cancelled"].map(|it| group[it].clone())
    };
    assert_eq!(counts(&first), [1, 3, 2, 1, 0].map(Value::from), "{first}");

    house
        .database
        .execute("DELETE FROM coupon_grant WHERE member_no = 'M2'")
        .await;
    let letter: u64 = house.database.one("SELECT id FROM dead_letter").await;
    let announce = Announce {
        scan_interval: Duration::from_millis(200),
        trace_context: None,
    };
    let (tenants, actor) = ([seven().tenant], seven());
    let redriven = store.redrive_dead_letter(&tenants, DeadLetterId(letter), &actor, &announce);
    assert!(matches!(redriven.await.unwrap(), DeadLetterActed::Now(..)));
    let second = told(&service, 2).await;
    assert_eq!(
        counts(&second),
        [2, 3, 3, 0, 0].map(Value::from),
        "{second}"
    );
    let granted: u64 = house
        .database
        .one("SELECT COUNT(*) FROM coupon_grant")
        .await;
    assert_eq!(granted, 3);
}
