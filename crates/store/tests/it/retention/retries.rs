//! What a retry of an import needs: its file, and the batches that were made of it.

use domain::{Action, FileState, TaskFileId, TaskId};
use store::{DeadLetterActed, Goes, Refusal, Retried, Store};
use testkit::TestDatabase;

use super::{TERMS, days_later, ended, epoch};
use crate::dead_letter::{acme, the_letter};
use crate::dead_letter_acts;
use crate::import::{Lanes, Outcome, a_split_import, an_end, born, claim, dying, seen, settle};
use crate::import::{finishing, recording};
use crate::retry::by_the_owner;
use crate::settle::owner;

/// An import that has ended with a dead batch of its two.
async fn a_partial_import(store: &Store) -> TaskId {
    let (task, batches) = a_split_import(store, &Lanes::new(), 20, 2).await;
    let done = Outcome {
        number: 1,
        first_row: 2,
        inserted: 10,
        ..Outcome::default()
    };
    settle(store, &batches[0], recording(done)).await;
    let finish = born(settle(store, &batches[1], dying()).await);
    let finish = claim(store, &finish).await.remove(0);
    settle(store, &finish, finishing(an_end())).await;
    task
}

async fn told_files(store: &Store) -> Vec<TaskFileId> {
    let files = store.take_files_to_remove(9).await.expect("answered");
    files.into_iter().map(|file| file.file).collect()
}

async fn retry(store: &Store, task: TaskId) -> Retried {
    let retried = store.retry_task(&owner(), task, &by_the_owner()).await;
    retried.expect("answered")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_offered_as_long_as_what_it_needs_is_there_and_no_longer() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let task = a_partial_import(&store).await;
    let both = [Action::Delete, Action::Retry];
    // the file was to be kept for an hour: a retry needs it longer
    for days in [1, 28] {
        days_later(&database, days).await;
        assert_eq!(told_files(&store).await, []);
        for told in ended(&store).await {
            assert!(matches!(&told.goes, Goes::Leftovers(end) if !end.is_over(epoch(1))));
            store.task_swept(&told, TERMS).await.expect("noted");
        }
        assert_eq!(seen(&store, task).await.allowed_actions(), both);
    }
    days_later(&database, 1).await;
    let told = ended(&store).await.remove(0);
    assert!(matches!(&told.goes, Goes::Leftovers(end) if end.is_over(epoch(1))));

    // from here on, before anything is removed, it is refused
    let shown = seen(&store, task).await;
    assert_eq!(shown.files[0].state, FileState::Expired);
    assert_eq!(shown.allowed_actions(), [Action::Delete]);
    let Retried::Refused(refused) = retry(&store, task).await else {
        panic!("there is nothing that it could be tried with");
    };
    assert_eq!(refused.allowed_actions(), [Action::Delete]);
    let letter = the_letter(&store).await.id;
    let redriven = dead_letter_acts::redrive(&store, &acme(), letter).await;
    assert!(
        matches!(redriven, DeadLetterActed::Refused(_, Refusal::FileGone)),
        "{redriven:?}"
    );
    assert_eq!(told_files(&store).await, [shown.files[0].id]);
    store.task_swept(&told, TERMS).await.expect("noted");
    days_later(&database, 90).await;
    assert!(ended(&store).await.is_empty(), "it is not come back to");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_opened_again_keeps_what_it_needs_for_another_end() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let task = a_partial_import(&store).await;
    days_later(&database, 29).await;
    assert!(matches!(retry(&store, task).await, Retried::Now(..)));
    days_later(&database, 60).await;
    assert!(ended(&store).await.is_empty(), "it is open");
    assert_eq!(told_files(&store).await, []);
    assert_eq!(
        seen(&store, task).await.files[0].state,
        FileState::Available
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_removed_and_a_retry_at_once_are_never_both_done() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let mut tasks = Vec::new();
    for _ in 0..12 {
        tasks.push(a_partial_import(&store).await);
    }
    // nothing but the file's own time keeps it
    database
        .execute(
            "UPDATE task SET swept_at = UTC_TIMESTAMP(6) + INTERVAL 1 YEAR; \
             UPDATE task_file SET remove_at = UTC_TIMESTAMP(6)",
        )
        .await;
    let retries = futures::future::join_all(tasks.iter().map(|task| retry(&store, *task)));
    let removals = async {
        let mut told = Vec::new();
        for _ in 0..12 {
            let files = store.take_files_to_remove(1).await.expect("answered");
            told.extend(files.into_iter().map(|file| file.file));
        }
        told
    };
    let (retried, removed) = tokio::join!(retries, removals);
    for (task, retried) in tasks.iter().zip(retried) {
        let shown = seen(&store, *task).await;
        let file = &shown.files[0];
        let is_removed = removed.contains(&file.id);
        match retried {
            Retried::Now(..) => assert!(!is_removed && file.state == FileState::Available),
            Retried::Refused(_) => assert!(is_removed && file.state == FileState::Expired),
            other => panic!("{other:?}"),
        }
    }
}
