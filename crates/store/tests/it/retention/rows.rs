//! Finished rows and dead letters: every case compared with a plain reading of the rule.

use std::collections::BTreeSet;

use store::{Store, Walked};
use testkit::TestDatabase;

use super::TERMS;

/// One way in which a row can stand.
#[derive(Debug, Clone, Copy)]
struct Case {
    status: &'static str,
    biz_type: &'static str,
    /// Days since its end; and it was born a day before.
    days: u32,
    task: &'static str,
    letter: &'static str,
}

const STATUSES: [&str; 5] = [
    "WAIT_HANDLE",
    "PROCESSING",
    "SUCCESS",
    "FAILED",
    "CANCELLED",
];
const TYPES: [&str; 5] = [
    "COUPON",
    "EXPORT",
    "IMPORT",
    "IMPORT_BATCH",
    "IMPORT_FINISH",
];
const TASKS: [&str; 4] = ["none", "gone", "open", "ended"];
const LETTERS: [&str; 5] = ["none", "OPEN", "PARKED", "REDRIVEN", "DISCARDED"];

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for status in STATUSES {
        for biz_type in TYPES {
            for days in [29, 31] {
                for task in TASKS {
                    for letter in LETTERS {
                        cases.push(Case {
                            status,
                            biz_type,
                            days,
                            task,
                            letter,
                        });
                    }
                }
            }
        }
    }
    cases
}

/// As the rule is told, without SQL.
fn goes(case: &Case) -> bool {
    let is_final = ["SUCCESS", "FAILED", "CANCELLED"].contains(&case.status);
    let waits = ["OPEN", "PARKED"].contains(&case.letter) && case.status == "FAILED";
    let is_free = match case.task {
        "none" | "gone" => true,
        "ended" => case.status == "SUCCESS" && case.biz_type.starts_with("IMPORT_"),
        _ => false,
    };
    is_final && case.days > 30 && is_free && !waits
}

/// Makes a row for each case; the row's number is the case's place, from 1.
async fn fill(database: &TestDatabase, cases: &[Case]) {
    let mut rows = Vec::new();
    let mut letters = Vec::new();
    for (id, case) in (1..).zip(cases) {
        let Case {
            status,
            biz_type,
            days,
            ..
        } = case;
        let task = match case.task {
            "none" => "NULL",
            "gone" => "999",
            "open" => "1",
            _ => "2",
        };
        let ended = match *status {
            "WAIT_HANDLE" | "PROCESSING" => "NULL".to_owned(),
            _ => format!("UTC_TIMESTAMP(6) - INTERVAL {days} DAY"),
        };
        rows.push(format!(
            "({id}, 'acme', '{biz_type}', '{id}', '{{}}', '{status}', {task}, {ended}, \
             UTC_TIMESTAMP(6) - INTERVAL {} DAY)",
            days + 1
        ));
        if case.letter != "none" {
            letters.push(format!(
                "('acme', 'ROW', 'x', {id}, 'internal', '{}')",
                case.letter
            ));
        }
    }
    let task = |id: u32, status: &str, ended: &str| {
        format!(
            "({id}, 'acme', 'IMPORT', 'member', 'x', 'default', '{{}}', 'en', '{status}', '7', {ended})"
        )
    };
    database
        .execute(&format!(
            "INSERT INTO task (id, tenant, kind, dataset, name, queue, params, locale, status, \
             created_by, finished_at) VALUES {}, {}; \
             INSERT INTO compensate_biz (id, tenant, biz_type, biz_id, context, status, task_id, \
             finished_at, created_at) VALUES {}; \
             INSERT INTO dead_letter (tenant, source, lane, compensate_biz_id, reason, status) \
             VALUES {}; \
             INSERT INTO compensate_biz_attempt (tenant, compensate_biz_id, epoch, outcome) \
             SELECT tenant, id, 1, 'FAILED' FROM compensate_biz",
            task(1, "PROCESSING", "NULL"),
            task(2, "PARTIAL_SUCCESS", "UTC_TIMESTAMP(6)"),
            rows.join(","),
            letters.join(",")
        ))
        .await;
}

/// Walks once over all rows; answers how many went.
async fn walk(store: &Store) -> usize {
    let (mut after, mut gone) = (Some(0), 0);
    while let Some(behind) = after {
        let Walked { next, removed } = store
            .drop_finished_rows(behind, TERMS.rows)
            .await
            .expect("walked");
        gone += removed;
        after = next;
    }
    gone
}

#[tokio::test(flavor = "multi_thread")]
async fn no_row_goes_that_is_still_needed_and_no_other_stays_though_two_walk_at_once() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let cases = cases();
    fill(&database, &cases).await;
    let needless = cases.iter().filter(|case| goes(case)).count();
    assert!(needless > 50 && needless < cases.len() / 2, "{needless}");
    let (one, two) = tokio::join!(walk(&store), walk(&store));
    // what the one holds the other leaves alone; a further walk finds what neither took
    let third = walk(&store).await;
    assert_eq!(one + two + third, needless, "each once");
    let kept = |sql: &'static str| {
        let database = &database;
        async move { database.query::<u64>(sql).await.into_iter().collect() }
    };
    let left: BTreeSet<u64> = kept("SELECT id FROM compensate_biz").await;
    for (id, case) in (1..).zip(&cases) {
        assert_eq!(left.contains(&id), !goes(case), "{case:?}");
    }
    let attempts: BTreeSet<u64> =
        kept("SELECT compensate_biz_id FROM compensate_biz_attempt").await;
    assert_eq!(attempts, left, "attempts go with their rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_goes_page_by_page_and_begins_anew_where_everything_is_too_young() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let fill = |from: u32, days: u32| {
        format!(
            "SET cte_max_recursion_depth = 10000; \
             INSERT INTO compensate_biz (biz_type, biz_id, context, status, finished_at, created_at) \
             SELECT 'COUPON', n, '{{}}', 'SUCCESS', UTC_TIMESTAMP(6) - INTERVAL {days} DAY, \
             UTC_TIMESTAMP(6) - INTERVAL {days} DAY FROM (WITH RECURSIVE s (n) AS (SELECT {from} \
             UNION ALL SELECT n + 1 FROM s WHERE n < {from} + 1999) SELECT n FROM s) seq"
        )
    };
    database.execute(&fill(1, 40)).await;
    database.execute(&fill(2001, 3)).await;
    let mut walked = Vec::new();
    let mut after = Some(0);
    while let Some(behind) = after {
        let page = store.drop_finished_rows(behind, TERMS.rows).await;
        let page = page.expect("walked");
        walked.push(page.removed);
        after = page.next;
    }
    assert_eq!(walked, [1_000, 1_000, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_go_when_somebody_has_dealt_with_them_and_the_others_never() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let letters: Vec<String> = LETTERS[1..]
        .iter()
        .flat_map(|status| [29, 31, 400].map(|days| (status, days)))
        .map(|(status, days)| {
            let moment = format!("UTC_TIMESTAMP(6) - INTERVAL {days} DAY");
            format!("('MESSAGE', 'x', 'malformed', '{status}', {moment}, {moment})")
        })
        .collect();
    database
        .execute(&format!(
            "INSERT INTO dead_letter (source, lane, reason, status, created_at, updated_at) VALUES {}",
            letters.join(",")
        ))
        .await;
    let (one, two) = tokio::join!(
        store.drop_settled_letters(0, TERMS.rows),
        store.drop_settled_letters(0, TERMS.rows)
    );
    let removed = one.expect("walked").removed + two.expect("walked").removed;
    assert_eq!(removed, 4);
    let left: Vec<(String, u64)> = database
        .query("SELECT status, COUNT(*) FROM dead_letter GROUP BY status ORDER BY MIN(id)")
        .await;
    let left: Vec<(&str, u64)> = left.iter().map(|(status, n)| (&**status, *n)).collect();
    assert_eq!(
        left,
        [
            ("OPEN", 3),
            ("PARKED", 3),
            ("REDRIVEN", 1),
            ("DISCARDED", 1)
        ]
    );
}
