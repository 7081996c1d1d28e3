//! What attempts left behind.

use domain::{CompensateBizId, TaskStatus};
use testkit::{TestDatabase, a_lane, terms};

use super::{days_later, ended, epoch, the_end};
use crate::import::{
    Lanes, Outcome, a_split_import, an_end, born, claim, dying, finishing, recording, seen, settle,
};
use crate::retry::{broken, by_the_owner, fail};
use crate::settle::{a_claimed_export, owner};

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_told_once_for_each_end_and_epochs_that_begin_later_are_not_over() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let lane = a_lane();
    let row = a_claimed_export(&store, &lane).await;
    days_later(&database, 9).await;
    assert!(ended(&store).await.is_empty(), "it is open");
    let task = fail(&store, &row, broken()).await;
    assert!(ended(&store).await.is_empty(), "it has just ended");

    days_later(&database, 1).await;
    let (one, two) = tokio::join!(ended(&store), ended(&store));
    let told = [one, two].concat();
    assert_eq!(told.len(), 1, "one is told");
    let store::Goes::Leftovers(end) = &told[0].goes else {
        panic!("it was not deleted");
    };
    assert!(end.is_over(row.lease.epoch), "an export begins anew");
    assert!(!end.is_over(row.lease.epoch.next()));
    assert!(!end.finish_is_over(CompensateBizId(row.lease.id.0), epoch(1)));
    store
        .task_swept(&told[0], super::TERMS)
        .await
        .expect("noted");
    days_later(&database, 60).await;
    assert!(ended(&store).await.is_empty(), "it was told of this end");

    let retried = store.retry_task(&owner(), task, &by_the_owner()).await;
    retried.expect("answered");
    days_later(&database, 60).await;
    assert!(ended(&store).await.is_empty(), "it is open again");
    store.cancel_task(&owner(), task).await.expect("cancelled");
    days_later(&database, 1).await;
    let end = the_end(&store).await;
    assert!(end.is_over(row.lease.epoch.next()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_reported_is_told_again_and_what_was_opened_meanwhile_is_not_swept() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let row = a_claimed_export(&store, &a_lane()).await;
    let task = fail(&store, &row, broken()).await;
    days_later(&database, 1).await;
    let told = ended(&store).await.remove(0);
    assert!(ended(&store).await.is_empty(), "somebody is at it");
    let again = "UPDATE task SET sweep_again_at = sweep_again_at - INTERVAL 10 MINUTE";
    database.execute(again).await;
    the_end(&store).await;

    // the report of one that was slow comes when the task has been opened and has ended anew
    let retried = store.retry_task(&owner(), task, &by_the_owner()).await;
    retried.expect("answered");
    store.cancel_task(&owner(), task).await.expect("cancelled");
    store
        .task_swept(&told, super::TERMS)
        .await
        .expect("answered");
    days_later(&database, 1).await;
    the_end(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_stay_while_a_retry_needs_them_and_until_their_time_has_passed() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lanes = Lanes::new();
    let (task, batches) = a_split_import(&store, &lanes, 20, 2).await;
    let done = Outcome {
        number: 1,
        first_row: 2,
        inserted: 10,
        ..Outcome::default()
    };
    settle(&store, &batches[0], recording(done)).await;
    let finish = born(settle(&store, &batches[1], dying()).await);
    let finish = claim(&store, &finish).await.remove(0);
    settle(&store, &finish, finishing(an_end())).await;
    assert_eq!(seen(&store, task).await.status, TaskStatus::PartialSuccess);

    days_later(&database, 1).await;
    let told = ended(&store).await;
    let store::Goes::Leftovers(end) = &told[0].goes else {
        panic!("it was not deleted");
    };
    assert!(!end.is_over(epoch(1)), "dead batches can be tried again");
    assert!(end.finish_is_over(finish.lease.id, finish.lease.epoch));
    assert!(!end.finish_is_over(finish.lease.id, finish.lease.epoch.next()));
    let unknown = CompensateBizId(finish.lease.id.0 + 1);
    assert!(
        !end.finish_is_over(unknown, epoch(1)),
        "it may be born later"
    );
    store
        .task_swept(&told[0], super::TERMS)
        .await
        .expect("noted");

    days_later(&database, 28).await;
    assert!(ended(&store).await.is_empty(), "their time has not passed");
    days_later(&database, 1).await;
    let told = ended(&store).await;
    let store::Goes::Leftovers(end) = &told[0].goes else {
        panic!("it was not deleted");
    };
    assert!(end.is_over(epoch(1)), "now it has");
    store
        .task_swept(&told[0], super::TERMS)
        .await
        .expect("noted");
    days_later(&database, 90).await;
    assert!(ended(&store).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_a_cancelled_import_go_with_its_other_leftovers() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lanes = Lanes::new();
    let (task, _) = a_split_import(&store, &lanes, 20, 2).await;
    store.cancel_task(&owner(), task).await.expect("cancelled");
    days_later(&database, 1).await;
    let end = the_end(&store).await;
    assert!(end.is_over(epoch(1)));
    let claimed = store.claim_due(&lanes.batches, 9, &terms("late")).await;
    assert!(claimed.expect("answered").is_empty());
}
