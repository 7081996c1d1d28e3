//! What has had its time goes, once; what somebody may still need stays.

mod files;
mod leftovers;
mod purge;
mod rest;
mod retries;
mod rows;

use std::time::Duration;

use domain::{LeaseEpoch, TaskFileId, TaskId};
use store::{AttemptsEnd, EndedTask, Goes, NewExport, RetentionTerms, Store};
use testkit::{TestDatabase, a_lane, an_export, terms};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Rows for 30 days, leftovers for one.
const TERMS: RetentionTerms = RetentionTerms {
    rows: Duration::from_secs(30 * 24 * 3_600),
    leftovers: DAY,
};

/// Rows, tasks and attempts that are not to go.
const COMPANY: usize = 60;

/// Lets so many days pass for everything that has a time.
async fn days_later(database: &TestDatabase, days: u32) {
    for (table, columns) in [
        ("task", "finished_at swept_at sweep_again_at deleted_at"),
        ("task_file", "remove_at expires_at"),
        ("compensate_biz", "created_at finished_at"),
        ("dead_letter", "created_at updated_at"),
    ] {
        let set: Vec<String> = columns
            .split(' ')
            .map(|column| format!("{column} = {column} - INTERVAL {days} DAY"))
            .collect();
        let sql = format!("UPDATE {table} SET {}", set.join(", "));
        database.execute(&sql).await;
    }
}

async fn ended(store: &Store) -> Vec<EndedTask> {
    store.take_ended_tasks(TERMS, 100).await.expect("answered")
}

/// What the one task that is told of leaves.
async fn the_end(store: &Store) -> AttemptsEnd {
    let mut ended = ended(store).await;
    assert_eq!(ended.len(), 1);
    match ended.remove(0).goes {
        Goes::Leftovers(end) => end,
        all => panic!("it was not deleted: {all:?}"),
    }
}

/// Every statement, once, for `plans`: on whatever is due there.
pub(crate) async fn exercise(store: &Store) {
    // company for what goes: a statement that names half of a small table reads all of it
    let lane = a_lane();
    for _ in 0..COMPANY {
        let export = NewExport {
            scan_interval: Duration::ZERO,
            ..an_export(&lane)
        };
        store.submit_export(export).await.expect("accepted");
    }
    let mut short = terms("vanished");
    short.lease = Duration::ZERO;
    let claimed = store.claim_due(&lane, COMPANY, &short).await;
    assert_eq!(claimed.expect("claimed").len(), COMPANY);
    let rescued = store.sweep(&lane, COMPANY).await.expect("swept");
    assert_eq!(rescued.len(), COMPANY);

    store.lanes_of_rows().await.expect("read");
    let terms = RetentionTerms {
        rows: Duration::ZERO,
        leftovers: Duration::ZERO,
    };
    let files = store.take_files_to_remove(50).await.expect("taken");
    let ids: Vec<TaskFileId> = files.iter().map(|file| file.file).collect();
    assert!(!ids.is_empty(), "some file has had its time");
    store.files_removed(&ids).await.expect("noted");
    let tasks = store.take_ended_tasks(terms, 50).await.expect("taken");
    let mut purged = 0;
    for task in &tasks {
        match &task.goes {
            Goes::Leftovers(_) => store.task_swept(task, terms).await.expect("noted"),
            Goes::All { .. } => {
                store.purge_task(task).await.expect("purged");
                purged += 1;
            }
        }
    }
    assert!(purged > 0 && purged < tasks.len(), "{purged} of {tasks:?}");
    store.forget_expired_keys().await.expect("forgotten");
    let mut after = Some(0);
    while let Some(behind) = after {
        let walked = store.drop_finished_rows(behind, Duration::ZERO).await;
        after = walked.expect("walked").next;
    }
    let walked = store.drop_settled_letters(0, Duration::ZERO).await;
    walked.expect("walked");
    let month = 30 * DAY;
    let walked = store.drop_empty_groups(0, month).await;
    walked.expect("walked");
    let walked = store.drop_old_notifications(0, month).await;
    walked.expect("walked");
}

fn epoch(number: u64) -> LeaseEpoch {
    LeaseEpoch(number)
}

async fn exists(database: &TestDatabase, task: TaskId) -> bool {
    let sql = format!("SELECT COUNT(*) FROM task WHERE id = {task}");
    database.one::<u64>(&sql).await == 1
}
