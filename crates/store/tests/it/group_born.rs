//! Rows that are born with a finish: each is rung by the id that it has, and those that are due later
//! are left to the relay.

use std::time::Duration;

use store::{Ending, NewBatch};
use testkit::{TestDatabase, a_lane, an_export, terms};

use crate::group_import::{a_claimed_import, sealed_with, settled};

const IN_THEIR_ORDER: &str = "SELECT id, announced FROM compensate_biz \
     WHERE biz_type = 'IMPORT_BATCH' \
     ORDER BY CAST(SUBSTRING_INDEX(biz_id, '/', -1) AS UNSIGNED)";

/// Every seventh is due later; some are so large that a statement takes one of them.
fn batches() -> Vec<NewBatch> {
    let batch = |number: usize| {
        let size = if number.is_multiple_of(400) {
            700_000
        } else {
            100
        };
        let later = number.is_multiple_of(7);
        NewBatch {
            context: format!(r#"{{"number": {number}, "of": "{}"}}"#, "x".repeat(size)),
            delay: Duration::from_secs(if later { 3_600 } else { 0 }),
        }
    };
    (1..=1_603).map(batch).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_is_rung_by_its_own_id_while_others_insert_and_what_is_not_waits() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(6);
    let (lane, batch_lane) = (a_lane(), a_lane());
    let (_, split) = a_claimed_import(&store, &lane).await;
    let effects = sealed_with(&lane, &batch_lane, batches());
    let born = settled(&store, &split, Ending::Finished(effects));
    let others = (0..150).map(|_| store.submit_export(an_export(&lane)));
    let (born, others) = tokio::join!(born, futures::future::join_all(others));
    assert!(others.iter().all(Result::is_ok));

    let rows: Vec<(u64, bool)> = database.query(IN_THEIR_ORDER).await;
    assert_eq!(rows.len(), 1_603);
    let is_due = |number: usize| !number.is_multiple_of(7);
    let due: Vec<u64> = (1..)
        .zip(&rows)
        .filter(|(number, _)| is_due(*number))
        .map(|(_, (id, _))| *id)
        .collect();
    let rung: Vec<u64> = born.iter().map(|(_, row)| row.rung.id.0).collect();
    assert_eq!(rung, due);
    for (number, (_, announced)) in (1..).zip(&rows) {
        assert_eq!(*announced, is_due(number), "batch {number}");
    }
    let claim = store
        .claim_rung(&batch_lane, &[born[342].1.rung], &terms("one"))
        .await
        .expect("claimed");
    assert!(
        claim.claimed[0].context.starts_with(r#"{"number": 400, "#),
        "the 343rd that is due"
    );
    let early = store
        .announce_due(&batch_lane, 10, Duration::from_secs(5))
        .await
        .expect("answered");
    assert_eq!(early, [], "their time has not come");
}
