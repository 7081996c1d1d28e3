//! Submitting an import: once, with its file.

use domain::{FileRole, FileState, TaskKind, TaskStatus};
use store::{NewImport, Once, Store, Submission};
use testkit::{TestDatabase, an_export};

use super::{Lanes, a_new_upload, an_import, seen, uploaded};
use crate::quota::at_most;
use crate::submit::{NO_LIMITS, new_task, with_key};

async fn submit(store: &Store, import: NewImport, once: Once) -> Submission {
    store
        .submit_import_once(import, once, NO_LIMITS)
        .await
        .expect("answered")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_imports_at_once_with_one_key_make_one_task_with_one_file() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(16);
    let lanes = Lanes::new();
    let submits = (0..200).map(|_| async {
        let upload = uploaded(&store, a_new_upload("7")).await;
        submit(&store, an_import(&lanes, upload), with_key("k", 'a')).await
    });
    let mut new = 0;
    let mut tasks = Vec::new();
    for answer in futures::future::join_all(submits).await {
        match answer {
            Submission::New(accepted) => {
                new += 1;
                tasks.push(accepted.task.id);
            }
            Submission::Replayed(task) => tasks.push(task.id),
            other => panic!("{other:?}"),
        }
    }
    tasks.dedup();
    assert_eq!((new, tasks.len()), (1, 1));
    let stored: (u64, u64, u64, u64) = database
        .one(
            "SELECT (SELECT COUNT(*) FROM task), (SELECT COUNT(*) FROM compensate_biz), \
             (SELECT COUNT(*) FROM task_file WHERE task_id IS NOT NULL), \
             (SELECT COUNT(*) FROM task_file WHERE state = 'PENDING')",
        )
        .await;
    assert_eq!(stored, (1, 1, 1, 199));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_an_import_and_one_of_an_export_are_two() {
    let store = TestDatabase::create().await.store();
    let lanes = Lanes::new();
    let export = new_task(&store, &an_export(&lanes.imports), with_key("k", 'a')).await;
    let upload = uploaded(&store, a_new_upload("7")).await;
    let import = an_import(&lanes, upload);
    let Submission::New(accepted) = submit(&store, import.clone(), with_key("k", 'b')).await else {
        panic!("another route, another key");
    };
    assert_ne!(accepted.task.id, export);
    let again = submit(&store, import.clone(), with_key("k", 'b')).await;
    assert!(matches!(again, Submission::Replayed(task) if task.id == accepted.task.id));
    let other = submit(&store, import, with_key("k", 'c')).await;
    assert_eq!(other, Submission::KeyReused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_answers_with_the_task_as_it_is_stored_its_upload_among_its_files() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lanes = Lanes::new();
    for once in [Once::Always, with_key("k", 'a')] {
        let upload = uploaded(&store, a_new_upload("7")).await;
        let Submission::New(accepted) =
            submit(&store, an_import(&lanes, upload.clone()), once).await
        else {
            panic!("a new task");
        };
        let mut stored = seen(&store, accepted.task.id).await;
        stored.read_at = accepted.task.read_at;
        assert_eq!(stored, accepted.task);
        assert_eq!(
            (stored.kind, stored.status),
            (TaskKind::Import, TaskStatus::Pending)
        );
        let [file] = stored.files.as_slice() else {
            panic!("one file: {:?}", stored.files);
        };
        assert_eq!(
            (file.role, file.state),
            (FileRole::Upload, FileState::Available)
        );
        assert_eq!((file.size, &file.sha256), (upload.size, &upload.sha256));
        let row: (u64, String, String, bool) = database
            .one(&format!(
                "SELECT id, biz_type, lane, announced FROM compensate_biz WHERE task_id = {}",
                stored.id
            ))
            .await;
        let lane = lanes.imports.to_string();
        assert_eq!(row, (accepted.rung.id.0, "IMPORT".to_owned(), lane, true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_too_many_leaves_its_upload_to_be_dropped() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lanes = Lanes::new();
    let upload = uploaded(&store, a_new_upload("7")).await;
    let answer = store
        .submit_import_once(an_import(&lanes, upload), Once::Always, at_most(0, 9))
        .await;
    assert!(
        matches!(answer, Ok(Submission::TooManyOpen(_))),
        "{answer:?}"
    );
    let left: (u64, String, Option<u64>) = database
        .one("SELECT (SELECT COUNT(*) FROM task), state, task_id FROM task_file")
        .await;
    assert_eq!(left, (0, FileState::Pending.to_string(), None));
}
