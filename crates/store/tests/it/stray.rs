//! Whether anybody serves a lane, told by its rows.

use std::time::Duration;

use domain::{CompensateBizId, Failure, FailureCode, Lane, LeaseEpoch, Rung};
use store::{ClaimTerms, Ending, Store, Story};
use testkit::{TestDatabase, a_lane, terms};

/// A row that is due for so many seconds.
async fn due(database: &TestDatabase, lane: &Lane, biz_id: &str, seconds: i32) {
    database
        .execute(&format!(
            "INSERT INTO compensate_biz (biz_type, biz_id, context, lane, wake_at) \
             VALUES ('X', '{biz_id}', '{{}}', '{lane}', \
             UTC_TIMESTAMP(6) - INTERVAL {seconds} SECOND)"
        ))
        .await;
}

/// Calls everything once.
pub(crate) async fn exercise(store: &Store, lane: &Lane) {
    let due = store.longest_due(lane, 10).await.expect("read");
    store.wait_as_before(&due).await.expect("read");
    let (one, other) = (LeaseEpoch(1), LeaseEpoch(2));
    let rows = [(1, one), (2, other)].map(|(id, epoch)| Rung {
        id: CompensateBizId(id),
        epoch,
    });
    store.wait_as_before(&rows).await.expect("read");
    store.is_at_work(lane).await.expect("read");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_as_before_until_it_is_taken_whatever_rings_it_in_vain() {
    let database = TestDatabase::create().await;
    let (store, lane) = (database.store(), a_lane());
    for (biz_id, seconds) in [("late", 60), ("later", 90), ("latest", 120), ("soon", -60)] {
        due(&database, &lane, biz_id, seconds).await;
    }
    let rows = store.longest_due(&lane, 2).await.expect("read");
    let ids: Vec<u64> = rows.iter().map(|row| row.id.0).collect();
    assert_eq!(ids, [3, 2], "the longest due first");
    assert!(store.wait_as_before(&rows).await.expect("read"));
    // rung in vain
    let interval = Duration::from_secs(60);
    let rung = store.announce_due(&lane, 3, interval).await.expect("rung");
    assert_eq!(rung.len(), 3);
    assert!(store.longest_due(&lane, 2).await.expect("read").is_empty());
    assert!(store.wait_as_before(&rows).await.expect("read"));
    let rung: Vec<Rung> = rung.iter().map(|row| row.rung).collect();
    assert_eq!(store.retract(&rung).await.expect("taken back"), 3);
    assert!(store.wait_as_before(&rows).await.expect("read"));
    // taken by somebody, and given back
    let claimed = store.claim_due(&lane, 3, &terms("one")).await;
    for row in claimed.expect("claimed") {
        assert!(!store.wait_as_before(&rows).await.expect("read"));
        let back = store.settle_held(&row.lease, Ending::HandedBack, Story::default());
        back.await.expect("given back");
    }
    assert_eq!(store.longest_due(&lane, 4).await.expect("read").len(), 3);
    assert!(!store.wait_as_before(&rows).await.expect("read"));
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_at_a_lane_as_long_as_a_row_of_it_is_held() {
    let database = TestDatabase::create().await;
    let (store, lane) = (database.store(), a_lane());
    due(&database, &lane, "1", 60).await;
    due(&database, &lane, "soon", -60).await;
    assert!(!store.is_at_work(&lane).await.expect("read"));
    let gone = ClaimTerms {
        lease: Duration::ZERO,
        ..terms("gone")
    };
    store.claim_due(&lane, 1, &gone).await.expect("claimed");
    assert!(
        !store.is_at_work(&lane).await.expect("read"),
        "its lease is over"
    );
    due(&database, &lane, "2", 60).await;
    let claimed = store.claim_due(&lane, 1, &terms("one")).await;
    let claimed = claimed.expect("claimed").remove(0);
    assert!(store.is_at_work(&lane).await.expect("read"));
    assert!(!store.is_at_work(&a_lane()).await.expect("read"));
    let back = store.settle_held(&claimed.lease, Ending::HandedBack, Story::default());
    back.await.expect("given back");
    assert!(!store.is_at_work(&lane).await.expect("read"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_lane_that_is_no_topic_are_taken_and_given_up_as_any_other() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let odd = Lane::stored("quayside.biz.优惠券".to_owned());
    due(&database, &odd, "1", 60).await;
    let rows = store.longest_due(&odd, 2).await.expect("read");
    assert_eq!(rows.len(), 1);
    let claimed = store.claim_due(&odd, 2, &terms("one")).await;
    let claimed = claimed.expect("claimed").remove(0);
    let failure = Failure::permanent(FailureCode::Internal, "nobody");
    let ending = Ending::Failed(failure, Duration::ZERO);
    let settled = store.settle_held(&claimed.lease, ending, Story::default());
    settled.await.expect("given up");
    let letter: (String, String) = database.one("SELECT lane, biz_id FROM dead_letter").await;
    assert_eq!(letter, (odd.to_string(), "1".to_owned()));
    assert!(!store.wait_as_before(&rows).await.expect("read"));
}
