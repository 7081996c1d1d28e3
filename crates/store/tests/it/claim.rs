//! Taking the right to run rows.

use std::collections::HashSet;
use std::time::Duration;

use domain::{CompensateBizId, Lane, LeaseEpoch, Rung};
use store::{Beat, Ending, Story};
use testkit::{TestDatabase, a_lane, an_export, terms};

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_delivered_twice_to_one_worker_and_to_two_is_claimed_once() {
    let store = TestDatabase::create().await.store();
    let lane = a_lane();
    let rung = store
        .submit_export(an_export(&lane))
        .await
        .expect("accepted")
        .rung;

    let (first, second) = (terms("one"), terms("two"));
    let ring = [rung];
    let (one, two, again) = tokio::join!(
        store.claim_rung(&lane, &ring, &first),
        store.claim_rung(&lane, &ring, &second),
        store.claim_rung(&lane, &ring, &first),
    );
    let claims = [one, two, again].map(|claim| claim.expect("the database answers"));
    assert_eq!(
        claims
            .iter()
            .map(|claim| claim.claimed.len())
            .sum::<usize>(),
        1
    );
    assert_eq!(
        claims.iter().map(|claim| claim.duplicates).sum::<usize>(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_connections_that_claim_the_same_rows_by_ring_and_scan_share_them_without_overlap() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let lane = a_lane();
    let mut rung = Vec::new();
    for _ in 0..60 {
        let mut export = an_export(&lane);
        export.scan_interval = Duration::ZERO;
        rung.push(store.submit_export(export).await.expect("accepted").rung);
    }
    let claims = (0..8).map(|number| {
        let (store, lane, rung) = (store.clone(), lane.clone(), rung.clone());
        async move {
            let terms = terms(&format!("worker-{number}"));
            if number % 2 == 0 {
                store
                    .claim_rung(&lane, &rung, &terms)
                    .await
                    .expect("claimed")
                    .claimed
            } else {
                store.claim_due(&lane, 20, &terms).await.expect("claimed")
            }
        }
    });
    let claimed: Vec<_> = futures::future::join_all(claims)
        .await
        .into_iter()
        .flatten()
        .collect();
    let distinct: HashSet<_> = claimed.iter().map(|row| row.lease.id).collect();
    assert_eq!((claimed.len(), distinct.len()), (60, 60));
    assert!(claimed.iter().all(|row| row.lease.epoch == LeaseEpoch(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_waits_for_a_row_that_is_locked_for_a_moment_instead_of_leaving_it_behind() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let rung = store
        .submit_export(an_export(&lane))
        .await
        .expect("accepted")
        .rung;

    let mut other = database.plain_connection().await;
    use mysql_async::prelude::Queryable;
    other.query_drop("BEGIN").await.expect("begins");
    other
        .query_drop(format!(
            "SELECT id FROM compensate_biz WHERE id = {} FOR UPDATE",
            rung.id
        ))
        .await
        .expect("locks");
    let claim = {
        let (store, lane) = (store.clone(), lane.clone());
        async move { store.claim_rung(&lane, &[rung], &terms("one")).await }
    };
    let release = async {
        testkit::eventually("the claim to wait for the lock", async || {
            let waits: u64 = database
                .one("SELECT COUNT(*) FROM performance_schema.data_lock_waits")
                .await;
            (waits > 0).then_some(())
        })
        .await;
        other.query_drop("ROLLBACK").await.expect("releases");
    };
    let (claim, ()) = tokio::join!(claim, release);
    assert_eq!(claim.expect("claimed").claimed.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_takes_the_oldest_due_rows_of_its_own_lane_and_no_more_than_asked() {
    let store = TestDatabase::create().await.store();
    let (lane, other) = (a_lane(), a_lane());
    let mut ids = Vec::new();
    for lane in [&lane, &lane, &lane, &other] {
        let mut export = an_export(lane);
        export.scan_interval = Duration::ZERO;
        ids.push(store.submit_export(export).await.expect("accepted").rung.id);
    }
    let mut early = an_export(&lane);
    early.scan_interval = Duration::from_secs(60);
    store.submit_export(early).await.expect("accepted");

    let claimed = store
        .claim_due(&lane, 2, &terms("one"))
        .await
        .expect("claimed");
    assert_eq!(
        claimed.iter().map(|row| row.lease.id).collect::<Vec<_>>(),
        ids[..2]
    );
    let claimed = store
        .claim_due(&lane, 9, &terms("one"))
        .await
        .expect("claimed");
    assert_eq!(
        claimed.iter().map(|row| row.lease.id).collect::<Vec<_>>(),
        ids[2..3]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_for_a_row_that_does_not_exist_or_rings_elsewhere_is_an_orphan() {
    let store = TestDatabase::create().await.store();
    let lane = a_lane();
    let elsewhere = store
        .submit_export(an_export(&a_lane()))
        .await
        .expect("accepted")
        .rung;
    let nowhere = Rung {
        id: CompensateBizId(999_999),
        epoch: LeaseEpoch(0),
    };
    let claim = store
        .claim_rung(&lane, &[nowhere, elsewhere], &terms("one"))
        .await;
    let claim = claim.expect("the database answers");
    assert_eq!(claim.orphans.len(), 2);
    assert!(claim.claimed.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_ring_of_an_earlier_epoch_claims_nothing() {
    let store = TestDatabase::create().await.store();
    let lane = a_lane();
    let rung = store
        .submit_export(an_export(&lane))
        .await
        .expect("accepted")
        .rung;
    let claimed = store
        .claim_rung(&lane, &[rung], &terms("one"))
        .await
        .expect("claimed")
        .claimed;
    store
        .settle_held(&claimed[0].lease, Ending::HandedBack, Story::default())
        .await
        .expect("handed back");
    let late = store
        .claim_rung(&lane, &[rung], &terms("two"))
        .await
        .expect("answers");
    assert_eq!((late.claimed.len(), late.duplicates), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_brings_no_row_before_the_time_that_nobody_has_announced() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let rung = store
        .submit_export(an_export(&lane))
        .await
        .expect("accepted")
        .rung;
    // as a further try waits, or work that was asked for later
    let put_off = "UPDATE compensate_biz SET announced = FALSE, \
                   wake_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR";
    database.execute(put_off).await;
    let forged = store.claim_rung(&lane, &[rung], &terms("one")).await;
    let forged = forged.expect("answers");
    assert_eq!((forged.claimed.len(), forged.duplicates), (0, 1));
    assert_eq!(forged.orphans, []);

    let due = "UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6)";
    database.execute(due).await;
    let rung = store.claim_rung(&lane, &[rung], &terms("one")).await;
    assert_eq!(rung.expect("answers").claimed.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_whose_rows_are_at_different_epochs_claims_each_at_its_own() {
    let store = TestDatabase::create().await.store();
    let lane = a_lane();
    let old = store
        .submit_export(an_export(&lane))
        .await
        .expect("accepted")
        .rung;
    let new = store
        .submit_export(an_export(&lane))
        .await
        .expect("accepted")
        .rung;
    let held = store
        .claim_rung(&lane, &[old], &terms("one"))
        .await
        .expect("claimed")
        .claimed;
    store
        .settle_held(&held[0].lease, Ending::HandedBack, Story::default())
        .await
        .expect("handed back");
    let moved = Rung {
        id: old.id,
        epoch: LeaseEpoch(2),
    };
    let claim = store
        .claim_rung(&lane, &[new, moved], &terms("two"))
        .await
        .expect("claimed");
    assert_eq!(claim.claimed.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_a_plain_sql_client_in_any_session_zone_is_due_at_once_on_its_types_lane() {
    let database = TestDatabase::create().await;
    for (number, zone) in ["+08:00", "-05:00"].into_iter().enumerate() {
        database
            .execute(&format!(
                "SET time_zone = '{zone}'; INSERT INTO compensate_biz (biz_type, biz_id, context) \
                 VALUES ('COUPON', 'member-{number}', '{{}}')"
            ))
            .await;
    }
    let lane = Lane::parse("quayside.biz.COUPON").expect("a lane");
    let claimed = database
        .store()
        .claim_due(&lane, 9, &terms("one"))
        .await
        .expect("claimed");
    assert_eq!(claimed.len(), 2);
    let filled: Vec<(u32, bool)> = database
        .query("SELECT max_cnt, hard_deadline > UTC_TIMESTAMP() FROM compensate_biz")
        .await;
    assert_eq!(
        filled,
        [(3, true), (3, true)],
        "what the definition knows is filled at the claim"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_with_odd_names_does_not_stop_the_rows_behind_it() {
    let database = TestDatabase::create().await;
    let store = database.store();
    database
        .execute(
            "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context) \
             VALUES ('', 'COUPON', 'x ', '{}'), (' acme\n', 'COUPON', '', '{}'), \
             ('acme', 'COUPON', 'good', '{}')",
        )
        .await;
    let lane = Lane::parse("quayside.biz.COUPON").expect("a lane");
    let mut short = terms("one");
    short.lease = Duration::ZERO;
    assert_eq!(
        store
            .claim_due(&lane, 9, &short)
            .await
            .expect("claimed")
            .len(),
        3
    );
    assert_eq!(store.sweep(&lane, 9).await.expect("swept").len(), 3);
    let due = store
        .announce_due(&lane, 9, Duration::ZERO)
        .await
        .expect("announced");
    let rung: Vec<Rung> = due.iter().map(|row| row.rung).collect();
    let claim = store
        .claim_rung(&lane, &rung, &terms("two"))
        .await
        .expect("claimed");
    assert_eq!(claim.claimed.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_extends_the_lease_but_never_past_the_hard_deadline() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let rung = store
        .submit_export(an_export(&lane))
        .await
        .expect("accepted")
        .rung;
    let mut terms = terms("one");
    terms.hard_deadline = Duration::from_secs(40);
    let claimed = store
        .claim_rung(&lane, &[rung], &terms)
        .await
        .expect("claimed")
        .claimed;
    let lease = &claimed[0].lease;
    let beat = store
        .heartbeat(lease, Duration::from_secs(3600), None)
        .await;
    assert_eq!(beat.expect("the database answers"), Beat::Held);
    let at_deadline: bool = database
        .one("SELECT wake_at = hard_deadline FROM compensate_biz")
        .await;
    assert!(at_deadline);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_claim_has_a_hard_deadline_of_its_own_however_long_the_row_has_waited() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    store
        .submit_export(an_export(&lane))
        .await
        .expect("accepted");
    // as after a claim 28 minutes ago, or a pause of the lane over night
    for left in ["+ INTERVAL 2 SECOND", "- INTERVAL 9 HOUR"] {
        let waited = format!(
            "UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6), \
             hard_deadline = UTC_TIMESTAMP(6) {left}"
        );
        database.execute(&waited).await;
        let claimed = store.claim_due(&lane, 1, &terms("one")).await;
        let claimed = claimed.expect("claimed");
        let granted: (bool, bool) = database
            .one(
                "SELECT wake_at > UTC_TIMESTAMP(6) + INTERVAL 15 SECOND, \
                 hard_deadline > UTC_TIMESTAMP(6) + INTERVAL 29 MINUTE FROM compensate_biz",
            )
            .await;
        assert_eq!(
            granted,
            (true, true),
            "all of its lease and deadline: {left}"
        );
        let back = store.settle_held(&claimed[0].lease, Ending::HandedBack, Story::default());
        back.await.expect("handed back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_holds_up_nobody_over_rows_of_its_ring_that_it_did_not_take() {
    use mysql_async::prelude::Queryable;

    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let mut ring = Vec::new();
    for _ in 0..3 {
        let submitted = store.submit_export(an_export(&lane)).await;
        ring.push(submitted.expect("accepted").rung);
    }
    ring[0].epoch = LeaseEpoch(9);
    let lock = |row: usize| {
        let id = ring[row].id;
        format!("SELECT id FROM compensate_biz WHERE id = {id} FOR UPDATE")
    };
    let until_waiting = async |waiting: u64| {
        testkit::eventually("transactions to wait", async || {
            let sql = "SELECT COUNT(*) FROM performance_schema.data_locks \
                       WHERE LOCK_STATUS = 'WAITING' AND OBJECT_SCHEMA = DATABASE()";
            (database.one::<u64>(sql).await == waiting).then_some(())
        })
        .await;
    };
    let mut third = database.plain_connection().await;
    third.query_drop("BEGIN").await.expect("begins");
    third.query_drop(lock(2)).await.expect("locks the last");
    let terms = terms("one");
    let claim = store.claim_rung(&lane, &ring, &terms);
    // Another takes the row that the claim has passed by, and then waits for one that it has taken.
    let other = async {
        until_waiting(1).await;
        let mut other = database.plain_connection().await;
        other.query_drop("BEGIN").await.expect("begins");
        other.query_drop(lock(0)).await.expect("it is nobody's");
        let release = async {
            until_waiting(2).await;
            third.query_drop("ROLLBACK").await.expect("releases");
        };
        let (taken, ()) = tokio::join!(other.query_drop(lock(1)), release);
        other.query_drop("ROLLBACK").await.expect("releases");
        taken
    };
    let (claim, other) = tokio::join!(claim, other);
    let claim = claim.expect("claimed");
    assert_eq!((claim.claimed.len(), claim.duplicates), (2, 1));
    other.expect("no deadlock");
}
