//! Announcing and taking announcements back.

pub(crate) mod levels;

use std::time::Duration;

use domain::{Failure, FailureCode};
use store::{Ending, Story};
use testkit::{TestDatabase, a_lane, an_export, terms};

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_cannot_be_hidden_by_a_late_mark() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    // Rung at epoch 0, claimed, failed, waiting for its retry at epoch 1 …
    let first = store
        .submit_export(an_export(&lane))
        .await
        .expect("accepted")
        .rung;
    let row = store
        .claim_rung(&lane, &[first], &terms("one"))
        .await
        .expect("claimed")
        .claimed;
    let failure = Failure::transient(FailureCode::Internal, "once");
    let ending = Ending::Failed(failure, Duration::from_secs(600));
    store
        .settle_held(&row[0].lease, ending, Story::default())
        .await
        .expect("settled");
    let before: (bool, String) = timer(&database).await;

    // … when the report of the first ring comes in, late: not delivered.
    assert_eq!(store.retract(&[first]).await.expect("answers"), 0);
    assert_eq!(timer(&database).await, before);

    // The retry is due: announced, claimed, failed again; the second ring's report is late, too.
    database
        .execute("UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6)")
        .await;
    let due = store
        .announce_due(&lane, 9, Duration::from_secs(5))
        .await
        .expect("answers");
    assert_eq!(due.len(), 1);
    let row = store
        .claim_rung(&lane, &[due[0].rung], &terms("one"))
        .await
        .expect("claimed");
    let failure = Failure::transient(FailureCode::Internal, "twice");
    let ending = Ending::Failed(failure, Duration::from_secs(600));
    store
        .settle_held(&row.claimed[0].lease, ending, Story::default())
        .await
        .expect("settled");
    assert_eq!(store.retract(&[due[0].rung]).await.expect("answers"), 0);
    assert!(
        !timer(&database).await.0,
        "the retry is still to be announced"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_relays_share_what_is_due_without_overlap() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(4);
    let lane = a_lane();
    for _ in 0..40 {
        store
            .submit_export(an_export(&lane))
            .await
            .expect("accepted");
    }
    database
        .execute("UPDATE compensate_biz SET announced = FALSE, wake_at = UTC_TIMESTAMP(6)")
        .await;
    let pass = || store.announce_due(&lane, 25, Duration::from_secs(5));
    let (one, two, three) = tokio::join!(pass(), pass(), pass());
    let mut ids: Vec<_> = [one, two, three]
        .into_iter()
        .flat_map(|due| due.expect("answers"))
        .map(|due| due.rung.id)
        .collect();
    let rest = pass().await.expect("answers");
    ids.extend(rest.iter().map(|due| due.rung.id));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 40);
    assert!(
        pass().await.expect("answers").is_empty(),
        "each is announced once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undelivered_ring_makes_its_row_due_at_once() {
    let store = TestDatabase::create().await.store();
    let lane = a_lane();
    let mut export = an_export(&lane);
    export.scan_interval = Duration::from_secs(600);
    let rung = store.submit_export(export).await.expect("accepted").rung;
    assert!(
        store
            .announce_due(&lane, 9, Duration::ZERO)
            .await
            .expect("answers")
            .is_empty()
    );
    assert_eq!(store.retract(&[rung]).await.expect("answers"), 1);
    assert_eq!(
        store
            .claim_due(&lane, 9, &terms("one"))
            .await
            .expect("claimed")
            .len(),
        1
    );
}

async fn timer(database: &TestDatabase) -> (bool, String) {
    database
        .one("SELECT announced, CAST(wake_at AS CHAR) FROM compensate_biz")
        .await
}
