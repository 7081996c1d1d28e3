//! A person ends a task.

use std::time::Duration;

use domain::{TaskStatus, Tenant, UserId};
use store::{Beat, Cancelled, Effects, Ending, Settled, Story, Visibility};
use testkit::{TestDatabase, a_lane, an_export, terms};

use crate::settle::{a_claimed_export, owner};

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_task_is_neither_claimed_nor_finished_afterwards() {
    let store = TestDatabase::create().await.store();
    let lane = a_lane();
    let row = a_claimed_export(&store, &lane).await;
    let task = row.task_id.expect("a task");
    assert_eq!(
        store.cancel_task(&owner(), task).await.expect("answers"),
        Cancelled::Now
    );

    let beat = store
        .heartbeat(&row.lease, Duration::from_secs(30), None)
        .await;
    assert_eq!(beat.expect("answers"), Beat::Lost);
    let ending = Ending::Finished(Effects::none());
    let settled = store
        .settle_held(&row.lease, ending, Story::default())
        .await;
    assert_eq!(settled.expect("answers"), Settled::Lost);
    assert!(
        store
            .claim_due(&lane, 9, &terms("two"))
            .await
            .expect("answers")
            .is_empty()
    );
    assert_eq!(
        store.cancel_task(&owner(), task).await.expect("answers"),
        Cancelled::TooLate(TaskStatus::Cancelled)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_task_that_is_cancelled_ignores_its_ring() {
    let store = TestDatabase::create().await.store();
    let lane = a_lane();
    let submitted = store
        .submit_export(an_export(&lane))
        .await
        .expect("accepted");
    store
        .cancel_task(&owner(), submitted.task)
        .await
        .expect("answers");
    let claim = store
        .claim_rung(&lane, &[submitted.rung], &terms("one"))
        .await
        .expect("answers");
    assert_eq!((claim.claimed.len(), claim.duplicates), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_cancels_anothers_task() {
    let store = TestDatabase::create().await.store();
    let task = store
        .submit_export(an_export(&a_lane()))
        .await
        .expect("accepted")
        .task;
    for (tenant, user) in [("acme", "8"), ("globex", "7")] {
        let stranger = Visibility {
            tenant: Tenant::parse(tenant).expect("a name"),
            user: Some(UserId::parse(user).expect("a name")),
        };
        let cancelled = store.cancel_task(&stranger, task).await.expect("answers");
        assert_eq!(cancelled, Cancelled::NotFound);
    }
}
