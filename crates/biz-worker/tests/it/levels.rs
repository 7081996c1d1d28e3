//! Urgent work, and what goes beyond a tenant's share, on lanes of their own.

use testkit::eventually;

use crate::house::{House, done};
use crate::service::Service;

/// Open rows of a tenant.
async fn open(house: &House, tenant: &str) -> u64 {
    let sql = format!(
        "SELECT COUNT(*) FROM compensate_biz WHERE tenant = '{tenant}' AND finished_at IS NULL"
    );
    house.database.one(&sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_rows_of_a_tenant_do_not_wait_for_the_hundreds_of_another() {
    let (house, service) = (House::open().await, Service::open().await);
    house.define(
        "call",
        "kind = \"http\"\nconcurrency = 4\n[http]\nurl_field = \"url\"\n\
         hosts = [\"127.0.0.1\"]\nprivate_ranges = [\"127.0.0.0/8\"]",
    );
    let context = service.context("/slow/30");
    let ask = |tenant: &str, lane: &str, rows: u32| {
        let sql = format!(
            "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, lane) \
             WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) \
             SELECT '{tenant}', 'call', UUID(), '{context}', '{lane}' FROM s"
        );
        let database = &house.database;
        async move { database.execute(&sql).await }
    };
    // As the gateway and the relay place them.
    ask("acme", "quayside.biz.call.rest", 500).await;
    let _worker = house.work();
    eventually("the worker to be at it", async || {
        (open(&house, "acme").await < 480).then_some(())
    })
    .await;
    ask("globex", "quayside.biz.call", 10).await;
    ask("initech", "quayside.biz.call.high", 10).await;
    eventually("the few to be done", async || {
        let few = open(&house, "globex").await + open(&house, "initech").await;
        (few == 0).then_some(())
    })
    .await;
    let left = open(&house, "acme").await;
    assert!(left >= 150, "only {left} of 500 were still waiting");
    let stays = left;
    eventually("the many to go on", async || {
        (open(&house, "acme").await < stays).then_some(())
    })
    .await;
}

const GRANT: &str = r#"
kind = "rows"
[rows]
dataset = "coupon_grant"
columns = { batch = "batch", member_no = "member", coupon = "coupon" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_newer_gateway_placed_where_nobody_listens_is_done_by_the_first_worker_that_knows_the_lane()
 {
    let (house, service) = (House::open().await, Service::open().await);
    let call = "kind = \"http\"\n[http]\nurl_field = \"url\"\nhosts = [\"127.0.0.1\"]\n\
                private_ranges = [\"127.0.0.0/8\"]";
    house.define("call", call);
    // The older one knows nothing of grants and of their lanes, for which there are no topics either.
    let patient = ("QUAYSIDE__HANDLERS__UNKNOWN_PATIENCE_SECONDS", "60");
    let older = house.work_with(&[patient]);
    for (place, level) in ["", ".high", ".rest"].into_iter().enumerate() {
        let rung_in_vain = format!(
            "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, lane, announced) \
             VALUES ('acme', 'grant', '{place}', \
             '{{\"batch\": \"b\", \"member\": \"M{place}\", \"coupon\": \"A\"}}', \
             'quayside.biz.grant{level}', TRUE)"
        );
        house.database.execute(&rung_in_vain).await;
    }
    house
        .ask("call", "1", &service.context("/answer/200"))
        .await;
    assert_eq!(house.all_ended("call").await, [done("1")]);
    let waits = |row: &(String, String, u32)| row.1 == "WAIT_HANDLE" && row.2 == 0;
    let rows = house.rows("grant").await;
    assert!(rows.len() == 3 && rows.iter().all(waits), "{rows:?}");

    house.define_without_topics("grant", GRANT);
    let newer = house.work_with(&[patient]);
    let all = ["0", "1", "2"].map(done);
    assert_eq!(house.all_ended("grant").await, all);
    assert_eq!(house.letters("grant").await, []);
    for worker in [older, newer] {
        assert!(worker.end().await.success());
    }
}

const MEMBER: &str = r#"
kind = "rows"
[rows]
dataset = "member"
mode = "upsert"
columns = { member_no = "no", name = "name", mobile = "tel", level = "level", points = "points", balance = "balance" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_whose_table_is_locked_delays_no_other_kind_of_the_same_worker() {
    use mysql_async::prelude::Queryable;
    let house = House::open().await;
    house.define("grant", GRANT);
    house.define("member", MEMBER);
    // Whoever writes this coupon waits for it.
    let mut other = house.database.plain_connection().await;
    other
        .query_drop(
            "START TRANSACTION; INSERT INTO coupon_grant (tenant, batch, member_no, coupon) \
             VALUES ('acme', 'b', 'M1', 'A')",
        )
        .await
        .unwrap();
    let grant = r#"{"batch": "b", "member": "M1", "coupon": "A"}"#;
    for number in 0..8 {
        house.ask("grant", &number.to_string(), grant).await;
    }
    let _worker = house.work();
    eventually("a batch to hang", async || {
        let sql = "SELECT COUNT(*) FROM performance_schema.data_locks \
                   WHERE object_schema = DATABASE() AND lock_status = 'WAITING'";
        let waiting: u64 = house.database.one(sql).await;
        (waiting > 0).then_some(())
    })
    .await;
    for number in 0..20 {
        let context = format!(
            r#"{{"no": "M{number}", "name": "n", "tel": "13800000000", "level": 1, "points": 1, "balance": "1.50"}}"#
        );
        house.ask("member", &number.to_string(), &context).await;
    }
    let ended = house.all_ended("member").await;
    assert!(ended.iter().all(|row| row.1 == "SUCCESS"), "{ended:?}");
    let hangs = house.rows("grant").await;
    assert!(hangs.iter().all(|row| row.1 == "WAIT_HANDLE"), "{hangs:?}");
    other.query_drop("ROLLBACK").await.unwrap();
    let ended = house.all_ended("grant").await;
    let good = ended.iter().filter(|row| row.1 == "SUCCESS").count();
    assert_eq!((ended.len(), good), (8, 1), "one coupon is granted once");
}
