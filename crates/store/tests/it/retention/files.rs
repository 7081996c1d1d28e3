//! Files, uploads and keys.

use domain::{FileState, TaskFileId};
use store::{FileToRemove, Once, Store, StoreError, Submission};
use testkit::{TestDatabase, a_lane, an_export};

use super::days_later;
use crate::import::{Lanes, a_new_upload, acme, an_import, seen, uploaded};
use crate::settle::owner;
use crate::submit::{NO_LIMITS, submit, with_key};

async fn taken(store: &Store) -> Vec<FileToRemove> {
    store.take_files_to_remove(100).await.expect("answered")
}

/// Longer than whoever was told of an object has to remove it.
const MINUTES_LATER: &str = "UPDATE task_file SET remove_at = remove_at - INTERVAL 10 MINUTE";

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_time_is_over_is_expired_and_told_to_one_until_its_object_is_gone() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let task = crate::delete::a_finished_task(&store).await;
    assert_eq!(taken(&store).await, [], "it is kept for an hour");
    days_later(&database, 1).await;
    let (one, two) = tokio::join!(taken(&store), taken(&store));
    let told: Vec<FileToRemove> = one.into_iter().chain(two).collect();
    let [file] = told.as_slice() else {
        panic!("one is told of it: {told:?}");
    };
    assert!(file.has_expired && file.object_key == "acme/1/e1/1.xlsx");
    let shown = store.task(&owner(), task).await.expect("read");
    assert_eq!(shown.expect("there").files[0].state, FileState::Expired);

    database.execute(MINUTES_LATER).await;
    let again = taken(&store).await;
    assert_eq!(again.len(), 1, "nobody said that it is gone");
    assert!(!again[0].has_expired, "which it has been for a while");
    store.files_removed(&[file.file]).await.expect("noted");
    database.execute(MINUTES_LATER).await;
    assert_eq!(taken(&store).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_nobody_submitted_is_forgotten_and_cannot_be_submitted_meanwhile() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let upload = uploaded(&store, a_new_upload("7")).await;
    let dropped = uploaded(&store, a_new_upload("7")).await;
    store
        .drop_upload(&acme(), dropped.file)
        .await
        .expect("dropped");
    store
        .objects_removed(&acme(), &[dropped.file])
        .await
        .expect("noted");
    assert_eq!(taken(&store).await, [], "an hour is left to it");
    days_later(&database, 1).await;
    let told: Vec<TaskFileId> = taken(&store).await.iter().map(|it| it.file).collect();
    assert_eq!(told, [upload.file, dropped.file]);
    let import = an_import(&Lanes::new(), upload);
    let late = store.submit_import_once(import, Once::Always, NO_LIMITS);
    assert!(matches!(late.await, Err(StoreError::Fenced)));
    store.files_removed(&told).await.expect("noted");
    let left: u64 = database.one("SELECT COUNT(*) FROM task_file").await;
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upload_of_an_open_import_is_kept_for_it_however_long_it_takes() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let upload = uploaded(&store, a_new_upload("7")).await;
    let file = upload.file;
    let import = an_import(&Lanes::new(), upload);
    let submitted = store.submit_import_once(import, Once::Always, NO_LIMITS);
    let Ok(Submission::New(accepted)) = submitted.await else {
        panic!("it is new");
    };
    let task = accepted.task.id;
    days_later(&database, 8).await;
    assert_eq!(taken(&store).await, []);
    let shown = seen(&store, task).await;
    assert_eq!(shown.files[0].state, FileState::Available);

    store.cancel_task(&owner(), task).await.expect("cancelled");
    database.execute(MINUTES_LATER).await;
    let told = taken(&store).await;
    assert_eq!((told.len(), told[0].file), (1, file));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_forgotten_when_it_has_expired_and_not_before() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let export = an_export(&a_lane());
    for key in ["old", "new"] {
        submit(&store, &export, with_key(key, 'a')).await;
    }
    assert_eq!(store.forget_expired_keys().await.expect("answered"), 0);
    database
        .execute(
            "UPDATE idempotency SET expires_at = UTC_TIMESTAMP(6) WHERE idempotency_key = 'old'",
        )
        .await;
    let (one, two) = tokio::join!(store.forget_expired_keys(), store.forget_expired_keys());
    assert_eq!(one.expect("answered") + two.expect("answered"), 1);
    let left: Vec<String> = database
        .query("SELECT idempotency_key FROM idempotency")
        .await;
    assert_eq!(left, ["new"]);
}
