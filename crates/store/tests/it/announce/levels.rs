//! Due rows of a queue with further lanes find theirs when they are announced.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{BizType, Lane, Levels};
use store::{Announced, Store, Walk};
use testkit::{TestDatabase, terms};

const MINUTE: Duration = Duration::from_secs(60);

fn levels() -> Levels {
    let grant = BizType::parse("grant").expect("a name");
    let usual = Lane::biz(&grant, None).expect("a lane");
    Levels {
        urgent: usual.urgent().expect("a lane"),
        rest: usual.rest().expect("a lane"),
        usual,
    }
}

/// Rows as a plain SQL client inserts them, due for so many seconds.
async fn ask(database: &TestDatabase, tenant: &str, rows: u32, priority: u8, seconds: u32) {
    database
        .execute(&format!(
            "SET cte_max_recursion_depth = 100000; \
             INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, priority, wake_at) \
             WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) \
             SELECT '{tenant}', 'grant', UUID(), '{{}}', {priority}, \
             UTC_TIMESTAMP(6) - INTERVAL {seconds} SECOND FROM s"
        ))
        .await;
}

async fn announce(store: &Store, share: usize, limit: usize) -> BTreeMap<Lane, Vec<Announced>> {
    let mut of_lane: BTreeMap<Lane, Vec<Announced>> = BTreeMap::new();
    let levels = levels();
    let mut walk = Walk::default();
    let due = store.announce_due_by_level(&levels, share, limit, MINUTE, &mut walk);
    for (lane, row) in due.await.expect("announced") {
        of_lane.entry(lane).or_default().push(row);
    }
    of_lane
}

/// Announced rows by tenant and lane.
async fn announced(database: &TestDatabase) -> Vec<(String, String, u64)> {
    database
        .query(
            "SELECT tenant, lane, COUNT(*) FROM compensate_biz WHERE announced \
             GROUP BY tenant, lane ORDER BY tenant, lane",
        )
        .await
}

fn told(tenant: &str, lane: &Lane, rows: u64) -> (String, String, u64) {
    (tenant.to_owned(), lane.to_string(), rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_few_rows_of_one_tenant_do_not_wait_for_the_many_of_another_that_came_before() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let Levels {
        urgent,
        usual,
        rest,
    } = levels();
    // More than a pass looks at.
    ask(&database, "acme", 3_000, 0, 60).await;
    ask(&database, "globex", 3, 4, 2).await;
    ask(&database, "globex", 1, 5, 1).await;
    let due = announce(&store, 100, 100).await;
    let rows = |lane: &Lane| due.get(lane).map_or(0, Vec::len);
    assert_eq!((rows(&urgent), rows(&usual), rows(&rest)), (1, 3, 96));
    assert_eq!(
        announced(&database).await,
        [
            told("acme", &rest, 96),
            told("globex", &usual, 3),
            told("globex", &urgent, 1)
        ]
    );
    // To the end: of what is left at last, a share stays on the usual lane.
    while !announce(&store, 100, 500).await.is_empty() {}
    let acme = announced(&database).await;
    let stayed = acme
        .iter()
        .find(|it| it.0 == "acme" && it.1 == usual.as_str());
    let moved = acme.iter().find(|it| it.1 == rest.as_str());
    let (stayed, moved) = (stayed.map_or(0, |it| it.2), moved.map_or(0, |it| it.2));
    assert_eq!(stayed + moved, 3_000);
    assert!(stayed <= 100, "{stayed} stayed on the usual lane");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_few_rows_of_one_tenant_do_not_wait_for_the_many_urgent_ones_of_another() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let Levels {
        urgent,
        usual,
        rest,
    } = levels();
    ask(&database, "acme", 3_000, 9, 60).await;
    ask(&database, "acme", 2, 0, 2).await;
    ask(&database, "globex", 3, 4, 2).await;
    ask(&database, "globex", 1, 5, 1).await;
    announce(&store, 100, 100).await;
    assert_eq!(
        announced(&database).await,
        [
            told("acme", &usual, 2),
            told("acme", &rest, 94),
            told("globex", &usual, 3),
            told("globex", &urgent, 1)
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_is_announced_where_it_is_and_urgent_rows_on_their_lane() {
    let database = TestDatabase::create().await;
    let store = database.store();
    ask(&database, "acme", 50, 4, 1).await;
    ask(&database, "acme", 7, 9, 1).await;
    let due = announce(&store, 100, 500).await;
    let Levels { urgent, usual, .. } = levels();
    assert_eq!(due[&usual].len(), 50);
    assert_eq!(due[&urgent].len(), 7);
    assert!(announce(&store, 100, 500).await.is_empty(), "each once");
    // They are rung where they lie now.
    let rung: Vec<_> = due[&urgent].iter().map(|row| row.rung).collect();
    let claim = store.claim_rung(&urgent, &rung, &terms("one")).await;
    assert_eq!(claim.expect("claimed").claimed.len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_on_the_lane_that_a_row_has_left_is_a_duplicate_and_no_orphan() {
    let database = TestDatabase::create().await;
    let store = database.store();
    ask(&database, "acme", 1, 9, 1).await;
    let due = announce(&store, 100, 500).await;
    let Levels { urgent, usual, .. } = levels();
    let rung = due[&urgent][0].rung;
    let claim = store.claim_rung(&usual, &[rung], &terms("one")).await;
    let claim = claim.expect("claimed");
    assert_eq!((claim.claimed.len(), claim.duplicates), (0, 1));
    assert_eq!(claim.orphans, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_few_rows_amid_the_many_of_another_are_seen_within_a_walk_through_them() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let levels = levels();
    ask(&database, "acme", 5_000, 0, 60).await;
    ask(&database, "globex", 3, 0, 50).await;
    // More than the newest that are looked at, and than one stretch beside the oldest: those of one
    // moment, and those that came after them.
    ask(&database, "acme", 5_000, 0, 40).await;
    let mut walk = Walk::default();
    let globex = async || {
        let sql = "SELECT COUNT(*) FROM compensate_biz WHERE tenant = 'globex' AND announced";
        database.one::<u64>(sql).await
    };
    let mut passes = 0;
    while globex().await < 3 {
        let due = store.announce_due_by_level(&levels, 100, 10, MINUTE, &mut walk);
        assert_eq!(due.await.expect("announced").len(), 10);
        passes += 1;
        assert!(passes <= 5, "{passes} passes through 10,003 rows");
    }
    let all = announced(&database).await;
    assert!(all.contains(&told("globex", &levels.usual, 3)), "{all:?}");
    // Behind the last row the walk begins anew.
    for _ in passes..5 {
        let due = store.announce_due_by_level(&levels, 100, 10, MINUTE, &mut walk);
        due.await.expect("announced");
    }
    ask(&database, "initech", 3, 0, 55).await;
    for _ in 0..5 {
        let due = store.announce_due_by_level(&levels, 100, 10, MINUTE, &mut walk);
        due.await.expect("announced");
    }
    let all = announced(&database).await;
    assert!(all.contains(&told("initech", &levels.usual, 3)), "{all:?}");
}

/// Where the tables are large, so many due rows that a relay walks through them.
pub(crate) async fn fill(database: &TestDatabase, rows: usize) {
    if rows > 1_000 {
        ask(database, "acme", 3_000, 0, 60).await;
        ask(database, "acme", 3_000, 0, 40).await;
    }
}

/// Calls everything once, for the plans: on the lanes of its own and on the one that is full, which is
/// walked, too.
pub(crate) async fn exercise(store: &Store, full: &Lane) {
    for usual in [levels().usual, full.clone()] {
        let levels = Levels {
            urgent: usual.urgent().expect("a lane"),
            rest: usual.rest().expect("a lane"),
            usual,
        };
        let mut walk = Walk::default();
        for _ in 0..2 {
            let due = store.announce_due_by_level(&levels, 1, 10, MINUTE, &mut walk);
            due.await.expect("announced");
        }
    }
}
