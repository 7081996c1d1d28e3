//! Finishes that write nothing besides.

use std::sync::Arc;

use mysql_async::prelude::Queryable;
use testkit::{a_lane, eventually};

use crate::counted::Counted;
use crate::probe::{House, Probe, Running, Step};

const ROWS: usize = 60;

/// So many rows under way at once, which end when they are let.
async fn under_way(house: &House, rows: usize) -> (Arc<Probe>, Running) {
    house
        .database
        .execute(&format!(
            "INSERT INTO compensate_biz (tenant, lane, biz_type, biz_id, context, max_cnt, wake_at) \
             WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) \
             SELECT IF(n % 3 = 0, 'globex', 'acme'), '{}', 'EXPORT', n, '{{}}', 3, UTC_TIMESTAMP(6) \
             FROM s",
            house.lane
        ))
        .await;
    let probe = Probe::always(Step::FinishWhenLet);
    let mut settings = house.settings();
    settings.permits = rows;
    let worker = house.work("one", settings, &probe);
    eventually("all of them to be under way", async || {
        (probe.runs().len() == rows).then_some(())
    })
    .await;
    (probe, worker)
}

async fn until_done(house: &House, rows: usize) {
    eventually(&format!("{rows} rows to be done"), async || {
        let sql = "SELECT COUNT(*) FROM compensate_biz WHERE status = 'SUCCESS'";
        (house.database.one::<usize>(sql).await == rows).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_while_a_commit_is_under_way_is_finished_by_the_next_one_together() {
    let house = House::build().await;
    let (probe, worker) = under_way(&house, ROWS).await;
    probe.gate.add_permits(ROWS);
    until_done(&house, ROWS).await;
    let moments = "SELECT COUNT(DISTINCT tenant, finished_at) FROM compensate_biz";
    let done: usize = house.database.one(moments).await;
    // One statement ends all rows of a transaction at one moment.
    assert!(
        done <= ROWS / 2,
        "{ROWS} rows were finished by {done} transactions"
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_somebody_holds_keeps_back_its_own_rows_alone() {
    let house = House::build().await;
    let (probe, worker) = under_way(&house, 20).await;
    let group = "INSERT INTO compensate_group (id, tenant, total, sealed) VALUES (5, 'acme', 2, TRUE); \
                 UPDATE compensate_biz SET group_id = 5 WHERE biz_id IN ('1', '2')";
    house.database.execute(group).await;
    let mut person = house.database.plain_connection().await;
    let held = "BEGIN; SELECT id FROM compensate_group WHERE id = 5 FOR UPDATE";
    person.query_drop(held).await.expect("locked");
    probe.gate.add_permits(20);
    until_done(&house, 18).await;
    person.query_drop("ROLLBACK").await.expect("let go");
    until_done(&house, 20).await;
    assert!(
        probe.runs().values().all(|times| *times == 1),
        "each ran once"
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_born_by_the_slower_of_two_tenants_is_rung_as_soon_as_it_is_born() {
    let counted = Counted::begin();
    let house = House::build().await;
    let (probe, worker) = under_way(&house, 60).await;
    let follow_lane = a_lane();
    let topic = house.broker.create_topic(follow_lane.as_str(), 1);
    topic.expect("a topic");
    let group = format!(
        r#"INSERT INTO compensate_group (id, tenant, total, sealed, on_finished) VALUES
           (5, 'globex', 20, TRUE, '[{{"biz_type": "FOLLOW", "lane": "{follow_lane}",
           "context": "{{}}", "max_cnt": 3}}]');
           UPDATE compensate_biz SET group_id = 5 WHERE tenant = 'globex'"#
    );
    house.database.execute(&group).await;
    let mut person = house.database.plain_connection().await;
    let held = "BEGIN; SELECT id FROM compensate_group WHERE id = 5 FOR UPDATE";
    person.query_drop(held).await.expect("locked");
    probe.gate.add_permits(60);
    until_done(&house, 40).await;
    person.query_drop("ROLLBACK").await.expect("let go");
    until_done(&house, 60).await;
    // nobody relays here: a ring that is lost stays lost
    eventually("the follow-up to be rung", async || {
        let rung = counted.of("quayside_ring_sent_total", &follow_lane);
        (rung == 1).then_some(())
    })
    .await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_finish_is_refused_fails_alone() {
    let house = House::build().await;
    let (probe, worker) = under_way(&house, 20).await;
    // The last of a group whose end asks for what is no JSON.
    let broken = "INSERT INTO compensate_group (id, tenant, total, sealed, on_finished) \
                  VALUES (5, 'acme', 1, TRUE, 'garbage'); \
                  UPDATE compensate_biz SET group_id = 5 WHERE biz_id = '1'";
    house.database.execute(broken).await;
    probe.gate.add_permits(20);
    until_done(&house, 19).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_meanwhile_loses_no_finish() {
    let (house, proxy) = House::behind_a_proxy().await;
    let (probe, worker) = under_way(&house, 20).await;
    proxy.go_away_at_the_next_commit();
    probe.gate.add_permits(20);
    eventually("the worker to have tried", async || {
        (proxy.refused() > 0).then_some(())
    })
    .await;
    proxy.come_back();
    until_done(&house, 20).await;
    assert!(
        probe.runs().values().all(|times| *times == 1),
        "each ran once"
    );
    worker.stop().await;
}
