//! In one transaction with the finish, by LOAD DATA where it is worth it, all or nothing.

use std::sync::{Arc, Mutex};

use domain::{ImportMode, Progress, RowCode};
use store::{Applied, ApplyRows, ApplyTarget, Effects, Ending, Settled, Store, StoreError, Story};
use testkit::{TestDatabase, a_lane};

use super::thing::{a_table, apply, refusals, rows, target};
use crate::settle::a_claimed_export;

const FIELDS: [&str; 2] = ["code", "level"];

fn many(count: usize) -> Vec<[String; 2]> {
    (0..count)
        .map(|n| [format!("C{n:04}"), "1".to_owned()])
        .collect()
}

async fn stored(database: &TestDatabase) -> u64 {
    database.one("SELECT COUNT(*) FROM thing").await
}

/// Applies the rows within the finish of a row, and breaks after it if told so.
async fn finish_with(
    store: &Store,
    (target, rows): (ApplyTarget, ApplyRows),
    all_or_nothing: bool,
    breaks: bool,
) -> (Result<Settled, StoreError>, Option<Applied>) {
    let row = a_claimed_export(store, &a_lane()).await;
    let told = Arc::new(Mutex::new(None));
    let tell = Arc::clone(&told);
    let effects = Effects::new(move |tx| {
        let (target, rows, tell) = (target.clone(), rows.clone(), Arc::clone(&tell));
        Box::pin(async move {
            let applied = tx.apply(&target, &rows, all_or_nothing).await?;
            let progress = Progress {
                done_rows: applied.inserted + applied.updated,
                ..Progress::default()
            };
            *tell.lock().expect("whole") = Some(applied);
            if breaks {
                return Err(StoreError::Corrupt("after the rows".to_owned()));
            }
            tx.count(&progress, &[]).await
        })
    });
    let ending = Ending::Finished(effects);
    let settled = store
        .settle_held(&row.lease, ending, Story::default())
        .await;
    let told = told.lock().expect("whole").take();
    (settled, told)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_in_the_table_with_the_finish_and_not_without_it() {
    let database = a_table().await;
    let store = database.store();
    for (mode, count) in [
        (ImportMode::Insert, 3),
        (ImportMode::Insert, 300),
        (ImportMode::Upsert, 300),
    ] {
        database.execute("DELETE FROM thing").await;
        let work = (target(mode, &FIELDS), rows(&many(count)));
        let (broken, told) = finish_with(&store, work.clone(), false, true).await;
        assert!(broken.is_err());
        assert_eq!(told.expect("applied").inserted, count as u64);
        assert_eq!(stored(&database).await, 0, "{mode} of {count}");
        let (settled, told) = finish_with(&store, work, false, false).await;
        assert!(matches!(settled, Ok(Settled::Now(..))), "{settled:?}");
        assert_eq!(told.expect("applied").inserted, count as u64);
        assert_eq!(stored(&database).await, count as u64);
    }
    let done: Vec<u64> = database
        .query("SELECT done_rows FROM task WHERE status = 'SUCCESS' ORDER BY id")
        .await;
    assert_eq!(done, [3, 300, 300]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_or_nothing_leaves_nothing_of_a_batch_with_a_bad_row_but_finishes() {
    let database = a_table().await;
    let store = database.store();
    for count in [5, 300] {
        let mut given = many(count);
        given[2][1] = "many".to_owned();
        given[count - 1][1] = "500".to_owned();
        let work = (target(ImportMode::Upsert, &FIELDS), rows(&given));
        let (settled, told) = finish_with(&store, work, true, false).await;
        assert!(matches!(settled, Ok(Settled::Now(..))), "{settled:?}");
        let told = told.expect("applied");
        assert_eq!((told.inserted, told.updated), (0, 0));
        let last = u32::try_from(count + 1).expect("small");
        let wanted = [
            (4, RowCode::TypeMismatch, Some("level")),
            (last, RowCode::OutOfRange, Some("level")),
        ];
        assert_eq!(refusals(&told), wanted);
        assert_eq!(stored(&database).await, 0);
    }
    let work = (target(ImportMode::Upsert, &FIELDS), rows(&many(300)));
    let (_, told) = finish_with(&store, work, true, false).await;
    assert_eq!(told.expect("applied").inserted, 300);
    assert_eq!(stored(&database).await, 300);
}

/// How often the clients of this database have sent LOAD DATA.
async fn loads(database: &TestDatabase) -> u64 {
    let name = database.url().rsplit('/').next().expect("a name");
    database
        .one(&format!(
            "SELECT CAST(COALESCE(SUM(s.COUNT_STAR), 0) AS UNSIGNED) \
             FROM performance_schema.events_statements_summary_by_thread_by_event_name s \
             JOIN performance_schema.threads t ON t.THREAD_ID = s.THREAD_ID \
             WHERE s.EVENT_NAME = 'statement/sql/load' AND t.PROCESSLIST_DB = '{name}'"
        ))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_travel_by_load_data_and_few_do_not() {
    let database = a_table().await;
    let store = database.store_with_pool(1);
    for (count, wanted) in [(5, 0), (500, 1)] {
        database.execute("DELETE FROM thing").await;
        apply(&store, ImportMode::Insert, &FIELDS, &many(count)[..]).await;
        assert_eq!(loads(&database).await, wanted, "after {count} rows");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_texts_are_cut_into_statements_that_the_server_takes() {
    let database = a_table().await;
    let store = database.store();
    let fields = ["code", "note", "level"];
    // 12 MB of text, and as JSON six times that
    let note = "\u{1}长文本\n".repeat(6_000);
    let mut given: Vec<[String; 3]> = (0..150)
        .map(|n| {
            [
                format!("C{n:03}"),
                note.chars().take(15_000 + n).collect(),
                "1".to_owned(),
            ]
        })
        .collect();
    given[70][2] = "500".to_owned();
    for (mode, done) in [
        (ImportMode::Insert, (149, 0)),
        (ImportMode::Upsert, (0, 149)),
    ] {
        let applied = apply(&store, mode, &fields, &given).await;
        assert_eq!((applied.inserted, applied.updated), done);
        assert_eq!(
            refusals(&applied),
            [(72, RowCode::OutOfRange, Some("level"))]
        );
        let stored: Vec<String> = database.query("SELECT note FROM thing ORDER BY code").await;
        let wanted = given.iter().enumerate().filter(|(n, _)| *n != 70);
        assert!(stored.iter().eq(wanted.map(|(_, row)| &row[1])));
    }
}
