//! The whole way on a real Kafka: rings alone bring the rows, each of them many.

use bus::{BusSettings, Ringer, TopicPlan, TraceHeaders, create_topics};
use domain::{CompensateBizId, Lane, LeaseEpoch, Rung};
use testkit::eventually;

use crate::house::House;

/// Rows of one ring.
const RING: usize = 250;

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_rings_of_a_real_kafka_bring_to_two_workers_are_written_once() {
    let mut house = House::open().await;
    let bus = BusSettings::new(testkit::kafka());
    house.brokers.clone_from(&bus.brokers);
    let suffix = house.database.url().rsplit('_').next().unwrap().to_owned();
    let biz_type = format!("grant-{suffix}");
    let lane = Lane::parse(format!("quayside.biz.{biz_type}")).unwrap();
    let plans = ["", ".high", ".rest"].map(|end| TopicPlan::new(format!("{lane}{end}"), 4, 1));
    create_topics(&bus, &plans).await.unwrap();
    let definition = format!(
        "biz_type = \"{biz_type}\"\nkind = \"rows\"\nscan_interval = \"1h\"\n[rows]\n\
         dataset = \"coupon_grant\"\n\
         columns = {{ batch = \"batch\", member_no = \"member\", coupon = \"coupon\" }}\n"
    );
    std::fs::write(house.definitions().join("grant.toml"), definition).unwrap();
    let (one, other) = (house.work(), house.work());
    eventually("both to be ready", async || {
        let ready = house.log().matches("business work is done").count();
        (ready == 2).then_some(())
    })
    .await;

    house
        .database
        .execute(&format!(
            "SET cte_max_recursion_depth = 10000; \
             INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, announced, wake_at) \
             WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 5000) \
             SELECT 'acme', '{biz_type}', n, \
             JSON_OBJECT('batch', 'b', 'member', CONCAT('M', n), 'coupon', 'A'), TRUE, \
             UTC_TIMESTAMP(6) + INTERVAL 1 HOUR FROM s"
        ))
        .await;
    let ids: Vec<u64> = house
        .database
        .query("SELECT id FROM compensate_biz ORDER BY id")
        .await;
    let rung = |id: &u64| Rung {
        id: CompensateBizId(*id),
        epoch: LeaseEpoch(0),
    };
    let ringer = Ringer::new(&bus).unwrap();
    for ids in ids.chunks(RING) {
        let rung: Vec<Rung> = ids.iter().map(rung).collect();
        // Twice, as any broker may deliver it.
        for _ in 0..2 {
            ringer
                .ring(&lane, &rung, &TraceHeaders::default())
                .await
                .unwrap();
        }
    }
    let ended = house.all_ended(&biz_type).await;
    assert_eq!(ended.len(), 5_000);
    assert!(
        ended
            .iter()
            .all(|(_, status, cnt)| status == "SUCCESS" && *cnt == 0)
    );
    let granted: u64 = house
        .database
        .one("SELECT COUNT(*) FROM coupon_grant")
        .await;
    assert_eq!(granted, 5_000);
    assert!(one.end().await.success());
    assert!(other.end().await.success());
}
