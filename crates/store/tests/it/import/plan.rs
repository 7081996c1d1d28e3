//! Every statement of imports, once, for `plans`.

use domain::RowCode;
use store::{ImportEnd, Store, TaskFilter};
use testkit::TestDatabase;

use super::{
    Lanes, Outcome, a_fault, a_new_upload, a_split_import, acme, an_end, born, claim, finishing,
    recording, seen, settle, the_failures, uploaded,
};
use crate::apply::request::keyed_rows;
use crate::settle::owner;

/// Calls everything once, on one import and on several.
pub(crate) async fn exercise(store: &Store) {
    let lanes = Lanes::new();
    let user = owner().user.expect("a user");
    let dropped = uploaded(store, a_new_upload("7")).await;
    let drop = store.drop_upload(&acme(), dropped.file).await;
    drop.expect("dropped");
    store.open_uploads(&acme(), &user).await.expect("counted");
    for _ in 0..2 {
        let rows = keyed_rows("k", "0", None);
        store.apply_rows_once(rows).await.expect("answered");
    }
    let mut open = Vec::new();
    for _ in 0..2 {
        let (task, batches) = a_split_import(store, &lanes, 20, 2).await;
        let born = born(settle(store, &batches[0], recording(a_batch(1))).await);
        assert_eq!(born.len(), 0);
        open.push((task, batches));
    }
    let tasks: Vec<_> = open.iter().map(|(task, _)| *task).collect();
    let (task, mut batches) = open.remove(0);
    seen(store, task).await;
    let datasets = ["member".to_owned(), "employee".to_owned()];
    let open = store.backlog_by_dataset(&lanes.batches, &datasets).await;
    open.expect("counted");
    let dead = store.dead_batches(&lanes.batches, &datasets).await;
    dead.expect("counted");
    store.backlog(&lanes.batches).await.expect("counted");
    let filter = TaskFilter {
        limit: 5,
        ..TaskFilter::default()
    };
    store.tasks(&owner(), filter).await.expect("listed");
    store.tasks_by_id(tasks).await.expect("read");
    store.ledger(&acme(), task).await.expect("read");
    store.batch_errors(&acme(), task, None).await.expect("read");
    for code in [None, Some(RowCode::Required)] {
        let page = store.row_errors(&owner(), task, code, None, 10).await;
        page.expect("read").expect("the owner's");
    }
    let last = batches.remove(1);
    let finish = born(settle(store, &last, recording(a_batch(2))).await);
    let end = ImportEnd {
        file: Some(the_failures("acme/tasks/1/e1/failures.xlsx")),
        ..an_end()
    };
    settle(store, &claim(store, &finish).await[0], finishing(end)).await;
}

fn a_batch(number: u32) -> Outcome {
    Outcome {
        number,
        first_row: number * 10,
        inserted: 9,
        failed: 1,
        errors: vec![a_fault(number * 10, RowCode::Required)],
        ..Outcome::default()
    }
}

/// Makes imports of ten batches each, open and final, and uploads, so many of each.
pub(crate) async fn fill(database: &TestDatabase, rows: usize) {
    let numbers = format!(
        "(WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) \
         SELECT n FROM s) seq"
    );
    database
        .execute(&format!(
            "SET cte_max_recursion_depth = 1000000; \
             INSERT INTO task (tenant, kind, dataset, name, queue, params, locale, created_by, \
             status, group_id, total_rows) SELECT 'acme', 'IMPORT', 'member', 'x', 'default', \
             '{{}}', 'en', 100 + n % 10, ELT(1 + n % 2, 'SUCCESS', 'PROCESSING'), n, 100 \
             FROM {numbers}; \
             INSERT INTO import_batch (tenant, task_id, batch_no, first_row, last_row, done, \
             inserted, updated, failed, skipped, by_code, row_errors) SELECT 'acme', 1 + n DIV 10, \
             {rows} + n, 2, 11, 9, 9, 0, 1, 0, '{{\"required\":1}}', 'x' FROM {numbers}; \
             INSERT INTO task_file (tenant, created_by, role, state, object_key, name, \
             expires_at, remove_at) SELECT 'acme', n % 10, 'UPLOAD', \
             ELT(1 + n % 3, 'DELETED', 'DELETED', 'AVAILABLE'), 'x', 'x', UTC_TIMESTAMP(), \
             UTC_TIMESTAMP() FROM {numbers}; \
             ANALYZE TABLE task, task_file, import_batch"
        ))
        .await;
}
