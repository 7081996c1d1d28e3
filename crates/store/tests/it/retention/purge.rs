//! Deleted tasks whose time has passed.

use domain::TaskId;
use store::{EndedTask, Goes, Purged, Store};
use testkit::TestDatabase;

use super::{days_later, ended, exists};
use crate::delete::{a_finished_task, delete};
use crate::import::{Lanes, Outcome, a_fault, a_split_import, recording, settle};
use crate::settle::owner;

/// A cancelled import with a batch in the ledger, a group, an upload and attempts.
async fn an_import_that_ended(store: &Store) -> TaskId {
    let (task, batches) = a_split_import(store, &Lanes::new(), 20, 2).await;
    let outcome = Outcome {
        number: 1,
        first_row: 2,
        inserted: 9,
        failed: 1,
        errors: vec![a_fault(3, domain::RowCode::Required)],
        ..Outcome::default()
    };
    settle(store, &batches[0], recording(outcome)).await;
    settle(
        store,
        &batches[1],
        store::Ending::Failed(crate::retry::broken(), std::time::Duration::ZERO),
    )
    .await;
    store.cancel_task(&owner(), task).await.expect("answered");
    task
}

const COUNTS: &str = "SELECT CONCAT_WS(' ', (SELECT COUNT(*) FROM task), \
    (SELECT COUNT(*) FROM task_file), \
    (SELECT COUNT(*) FROM compensate_biz WHERE biz_type <> 'DEAD_LETTER'), \
    (SELECT COUNT(*) FROM compensate_biz_attempt), (SELECT COUNT(*) FROM compensate_group), \
    (SELECT COUNT(*) FROM import_batch))";

async fn told(store: &Store) -> EndedTask {
    let mut ended = ended(store).await;
    assert_eq!(ended.len(), 1, "{ended:?}");
    ended.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_task_goes_with_all_that_is_its_own_and_with_nothing_else() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let kept = an_import_that_ended(&store).await;
    a_finished_task(&store).await;
    // what becomes of them is no matter of this test
    database
        .execute("UPDATE task SET swept_at = UTC_TIMESTAMP(6) + INTERVAL 1 YEAR")
        .await;
    let before: String = database.one(COUNTS).await;
    let gone = an_import_that_ended(&store).await;
    delete(&store, gone).await;

    days_later(&database, 1).await;
    let first = told(&store).await;
    assert!(matches!(
        first.goes,
        Goes::All {
            and_the_task: false
        }
    ));
    store.task_swept(&first, super::TERMS).await.expect("noted");
    days_later(&database, 28).await;
    assert!(ended(&store).await.is_empty(), "its time has not passed");
    days_later(&database, 1).await;
    let second = told(&store).await;
    assert!(matches!(second.goes, Goes::All { and_the_task: true }));

    // its upload's object has not been removed yet
    assert_eq!(
        store.purge_task(&second).await.expect("done"),
        Purged::NotYet
    );
    assert!(exists(&database, gone).await, "it is come back to");
    let files = store.take_files_to_remove(9).await.expect("taken");
    let files: Vec<_> = files.into_iter().map(|file| file.file).collect();
    store.files_removed(&files).await.expect("noted");
    let (one, two) = tokio::join!(store.purge_task(&second), store.purge_task(&second));
    assert_eq!(
        (one.expect("done"), two.expect("done")),
        (Purged::Gone, Purged::Gone)
    );
    assert_eq!(database.one::<String>(COUNTS).await, before);
    assert!(!exists(&database, gone).await && exists(&database, kept).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_task_of_which_a_row_is_open_stays() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let task = a_finished_task(&store).await;
    delete(&store, task).await;
    database
        .execute("UPDATE compensate_biz SET status = 'PROCESSING', finished_at = NULL")
        .await;
    days_later(&database, 31).await;
    let files = store.take_files_to_remove(9).await.expect("taken");
    store.files_removed(&[files[0].file]).await.expect("noted");
    let ended = told(&store).await;
    assert_eq!(
        store.purge_task(&ended).await.expect("done"),
        Purged::NotYet
    );
    let rows: u64 = database.one("SELECT COUNT(*) FROM compensate_biz").await;
    assert!(rows == 1 && exists(&database, task).await);
}
