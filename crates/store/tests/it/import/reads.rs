//! Imports among the tasks that are watched, listed and deleted.

use domain::{FileRole, TaskKind};
use store::{Deleted, ImportEnd, TaskFilter};
use testkit::{TestDatabase, an_export};

use super::{
    Lanes, Outcome, a_fault, a_split_import, an_end, born, claim, finishing, recording, seen,
    settle, the_failures,
};
use crate::settle::owner;

fn a_batch(number: u32, failed: u32) -> Outcome {
    let first_row = 2 + (number - 1) * 10;
    let faulty = first_row..first_row + failed;
    Outcome {
        number,
        first_row,
        inserted: 10 - failed,
        failed,
        errors: faulty
            .map(|row| a_fault(row, domain::RowCode::NotInList))
            .collect(),
        ..Outcome::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_of_an_import_rises_with_every_batch_until_it_is_final() {
    let store = TestDatabase::create().await.store();
    let (task, batches) = a_split_import(&store, &Lanes::new(), 30, 3).await;
    let users = || vec![crate::changes::users(1).remove(0)];
    let mut versions = Vec::new();
    let mut follow_ups = Vec::new();
    for (number, batch) in (1..).zip(&batches) {
        let standings = store
            .standings(vec![task], users())
            .await
            .expect("answered");
        assert_eq!(standings.tasks, standings.of_users);
        assert_eq!(standings.tasks[0].finished_at, None);
        versions.push(standings.tasks[0].version);
        follow_ups = born(settle(&store, batch, recording(a_batch(number, 1))).await);
    }
    let finish = claim(&store, &follow_ups).await;
    let open = store
        .standings(vec![task], Vec::new())
        .await
        .expect("answered");
    versions.push(open.tasks[0].version);
    settle(&store, &finish[0], finishing(an_end())).await;
    let over = store
        .standings(vec![task], users())
        .await
        .expect("answered");
    versions.push(over.tasks[0].version);
    assert!(over.of_users[0].finished_at.is_some());
    assert!(
        versions.is_sorted_by(|one, next| one < next),
        "{versions:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn open_imports_exports_and_finished_imports_stand_in_one_list_each_with_its_own_counts() {
    let store = TestDatabase::create().await.store();
    let lanes = Lanes::new();
    let mut expected = Vec::new();
    for failed in [0, 3, 7] {
        let (task, batches) = a_split_import(&store, &lanes, 20, 2).await;
        settle(&store, &batches[0], recording(a_batch(1, failed))).await;
        if failed == 7 {
            let born = born(settle(&store, &batches[1], recording(a_batch(2, 0))).await);
            settle(&store, &claim(&store, &born).await[0], finishing(an_end())).await;
        }
        expected.push((task, u64::from(failed)));
    }
    let export = store.submit_export(an_export(&lanes.imports)).await;
    let export = export.expect("accepted").task;
    let filter = TaskFilter {
        limit: 9,
        ..TaskFilter::default()
    };
    let listed = store.tasks(&owner(), filter).await.expect("listed").items;
    let ids = expected.iter().map(|(task, _)| *task).chain([export]);
    let watched = store.tasks_by_id(ids.collect()).await.expect("read");
    for tasks in [listed, watched] {
        assert_eq!(tasks.len(), 4);
        for task in tasks {
            let failed = expected.iter().find(|(id, _)| *id == task.id);
            match task.kind {
                TaskKind::Export => assert_eq!(task.errors_by_code.len(), 0),
                TaskKind::Import => {
                    let (_, failed) = failed.expect("one of these");
                    assert_eq!(task.progress.failed_rows, *failed);
                    assert_eq!(task.errors_by_code.values().sum::<u64>(), *failed);
                    assert!(task.progress.done_rows >= 10 - failed);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_tells_its_speed_by_its_batches_and_not_by_the_reading() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let (task, batches) = a_split_import(&store, &Lanes::new(), 20, 2).await;
    let sealed = seen(&store, task).await;
    assert!(sealed.attempt_at > sealed.started_at);
    assert_eq!(sealed.progress_at, None);
    settle(&store, &batches[0], recording(a_batch(1, 0))).await;
    let under_way = seen(&store, task).await;
    assert_eq!(under_way.attempt_at, sealed.attempt_at);
    assert!(under_way.progress_at > sealed.attempt_at);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_import_takes_its_upload_and_its_failures_away() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let (task, batches) = a_split_import(&store, &Lanes::new(), 10, 1).await;
    let refused = store.delete_task(&owner(), task).await;
    assert!(matches!(refused, Ok(Deleted::Refused(_))));
    let finish = born(settle(&store, &batches[0], recording(a_batch(1, 1))).await);
    let end = ImportEnd {
        file: Some(the_failures("acme/tasks/1/e1/failures.xlsx")),
        ..an_end()
    };
    settle(&store, &claim(&store, &finish).await[0], finishing(end)).await;
    let files = seen(&store, task).await.files;
    let roles: Vec<FileRole> = files.iter().map(|file| file.role).collect();
    assert_eq!(roles, [FileRole::Upload, FileRole::Failures]);

    let Ok(Deleted::Now(leftovers)) = store.delete_task(&owner(), task).await else {
        panic!("it is over");
    };
    let gone: Vec<_> = leftovers
        .iter()
        .map(|it| (it.file, &it.object_key))
        .collect();
    let all: Vec<_> = files.iter().map(|it| (it.id, &it.object_key)).collect();
    assert_eq!(gone, all);
    let due: u64 = database
        .one(
            "SELECT COUNT(*) FROM task_file \
             WHERE state = 'DELETED' AND remove_at <= UTC_TIMESTAMP(6)",
        )
        .await;
    assert_eq!(due, 2);
    let page = store.row_errors(&owner(), task, None, None, 10).await;
    assert_eq!(page.expect("read"), None);
}
