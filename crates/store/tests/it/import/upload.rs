//! Files that users give, before an import has them.

use domain::{FileState, Tenant, UserId};
use futures::StreamExt;
use store::{Once, Quota, Store, StoreError, Submission, UploadOpened};
use testkit::TestDatabase;

use super::{Lanes, a_new_upload, acme, an_import, seen, uploaded};
use crate::submit::NO_LIMITS;

async fn open(store: &Store, user: &str, most: u32) -> UploadOpened {
    store
        .open_upload(a_new_upload(user), most)
        .await
        .expect("answered")
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_uploads_at_once_a_user_has_so_many_and_no_more() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(16);
    let opens = (0..120).map(|number| open(&store, ["7", "8", "9"][number % 3], 5));
    let answers: Vec<UploadOpened> = futures::stream::iter(opens)
        .buffer_unordered(16)
        .collect()
        .await;
    let refused = UploadOpened::TooMany(Quota::User);
    assert!(answers.contains(&refused));
    for user in ["7", "8", "9"] {
        // Whoever comes again when the crowd is gone gets what is left.
        while open(&store, user, 5).await != refused {}
        let held: u64 = database
            .one(&format!(
                "SELECT COUNT(*) FROM task_file WHERE created_by = '{user}'"
            ))
            .await;
        assert_eq!(held, 5, "what was refused left nothing behind");
    }
    let elsewhere = store::NewUpload {
        tenant: Tenant::parse("globex").expect("a name"),
        ..a_new_upload("7")
    };
    let opened = store.open_upload(elsewhere, 1).await.expect("answered");
    assert!(matches!(opened, UploadOpened::Opened(_)), "another tenant");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_submitted_dropped_or_abandoned_makes_room() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let full = UploadOpened::TooMany(Quota::User);
    let submitted = uploaded(&store, a_new_upload("7")).await;
    assert_eq!(open(&store, "7", 1).await, full);
    let import = an_import(&Lanes::new(), submitted);
    let answer = store.submit_import_once(import, Once::Always, NO_LIMITS);
    assert!(matches!(answer.await, Ok(Submission::New(_))));

    let dropped = uploaded(&store, a_new_upload("7")).await;
    assert_eq!(open(&store, "7", 1).await, full);
    store
        .drop_upload(&acme(), dropped.file)
        .await
        .expect("dropped");

    let abandoned = uploaded(&store, a_new_upload("7")).await;
    assert_eq!(open(&store, "7", 1).await, full);
    let later = format!(
        "UPDATE task_file SET remove_at = remove_at - INTERVAL {} SECOND WHERE id = {}",
        store::ABANDONED_SECONDS,
        abandoned.file
    );
    database.execute(&later).await;
    assert!(matches!(
        open(&store, "7", 1).await,
        UploadOpened::Opened(_)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_upload_is_to_be_removed_and_cannot_be_submitted() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let upload = uploaded(&store, a_new_upload("7")).await;
    let globex = Tenant::parse("globex").expect("a name");
    store
        .drop_upload(&globex, upload.file)
        .await
        .expect("answered");
    let state = "SELECT state, remove_at <= UTC_TIMESTAMP(6) FROM task_file";
    let kept: (String, bool) = database.one(state).await;
    assert_eq!(
        kept,
        (FileState::Pending.to_string(), false),
        "another tenant's"
    );
    store
        .drop_upload(&acme(), upload.file)
        .await
        .expect("dropped");
    let due: (String, bool) = database.one(state).await;
    assert_eq!(due, (FileState::Deleted.to_string(), true));
    let import = an_import(&Lanes::new(), upload);
    let answer = store
        .submit_import_once(import, Once::Always, NO_LIMITS)
        .await;
    assert!(matches!(answer, Err(StoreError::Fenced)), "{answer:?}");
    let tasks: u64 = database.one("SELECT COUNT(*) FROM task").await;
    assert_eq!(tasks, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_submitted_by_its_own_user_once_and_then_not_dropped() {
    let store = TestDatabase::create().await.store();
    let upload = uploaded(&store, a_new_upload("7")).await;
    let lanes = Lanes::new();
    for (tenant, user) in [("acme", "8"), ("globex", "7")] {
        let mut theirs = an_import(&lanes, upload.clone());
        theirs.tenant = Tenant::parse(tenant).expect("a name");
        theirs.user = UserId::parse(user).expect("a name");
        let answer = store
            .submit_import_once(theirs, Once::Always, NO_LIMITS)
            .await;
        assert!(matches!(answer, Err(StoreError::Fenced)), "{answer:?}");
    }
    let import = an_import(&lanes, upload.clone());
    let answer = store.submit_import_once(import.clone(), Once::Always, NO_LIMITS);
    let Ok(Submission::New(accepted)) = answer.await else {
        panic!("the user's own");
    };
    let again = store
        .submit_import_once(import, Once::Always, NO_LIMITS)
        .await;
    assert!(matches!(again, Err(StoreError::Fenced)), "{again:?}");
    store
        .drop_upload(&acme(), upload.file)
        .await
        .expect("answered");
    let files = seen(&store, accepted.task.id).await.files;
    assert_eq!(files.len(), 1);
    assert_eq!(
        (files[0].id, files[0].state),
        (upload.file, FileState::Available)
    );
}
