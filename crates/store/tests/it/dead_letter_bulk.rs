//! Putting many dead letters back at once.

use domain::{DeadLetterStatus, TaskStatus};
use store::{BulkRedrive, BulkRedriven, DeadLetterFilter, Store};
use testkit::{TestDatabase, a_lane, terms};

use crate::dead_letter::{a_message, acme, house, letters};
use crate::dead_letter_acts::operator;
use crate::group_import::{ROWS, Split};
use crate::retry::{broken, fail};
use crate::settle::{a_claimed_export, owner};

fn everything() -> BulkRedrive {
    BulkRedrive {
        filter: DeadLetterFilter::default(),
        dry_run: false,
        max: 1_000,
        step_micros: 0,
    }
}

async fn redrive(store: &Store, bulk: &BulkRedrive) -> (u64, u64) {
    let BulkRedriven { matched, redriven } = store
        .redrive_dead_letters(&acme(), bulk, &operator())
        .await
        .expect("answered");
    (matched, redriven)
}

/// A house with so many dead exports.
async fn with_dead(exports: usize) -> (TestDatabase, Store) {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let lane = a_lane();
    for _ in 0..exports {
        let row = a_claimed_export(&store, &lane).await;
        fail(&store, &row, broken()).await;
    }
    (database, store)
}

async fn stand(store: &Store) -> Vec<DeadLetterStatus> {
    let letters = letters(store, &acme()).await;
    letters.iter().rev().map(|letter| letter.status).collect()
}

const OPEN: DeadLetterStatus = DeadLetterStatus::Open;
const REDRIVEN: DeadLetterStatus = DeadLetterStatus::Redriven;
const DISCARDED: DeadLetterStatus = DeadLetterStatus::Discarded;

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_and_changes_nothing() {
    let (_database, store) = with_dead(3).await;
    let bulk = BulkRedrive {
        dry_run: true,
        ..everything()
    };
    assert_eq!(redrive(&store, &bulk).await, (3, 0));
    assert_eq!(stand(&store).await, [OPEN; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_come_first_up_to_the_maximum_and_the_rest_is_told() {
    let (database, store) = with_dead(3).await;
    let bulk = BulkRedrive {
        max: 2,
        ..everything()
    };
    assert_eq!(redrive(&store, &bulk).await, (3, 2));
    assert_eq!(stand(&store).await, [REDRIVEN, REDRIVEN, OPEN]);
    let due: u64 = database
        .one(
            "SELECT COUNT(*) FROM compensate_biz WHERE biz_type = 'EXPORT' \
             AND status = 'WAIT_HANDLE' AND NOT announced AND wake_at <= UTC_TIMESTAMP(6)",
        )
        .await;
    assert_eq!(due, 2, "relay and scan bring them");
    let log: u64 = database
        .one("SELECT COUNT(*) FROM operation_log WHERE action = 'DEAD_LETTER_REDRIVE' AND request_id = 'r-1'")
        .await;
    assert_eq!(log, 2);
    assert_eq!(redrive(&store, &bulk).await, (1, 1));
    assert_eq!(redrive(&store, &bulk).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_spaces_the_due_times_and_nothing_else() {
    let (database, store) = with_dead(5).await;
    let bulk = BulkRedrive {
        step_micros: 60_000_000,
        ..everything()
    };
    assert_eq!(redrive(&store, &bulk).await, (5, 5));
    let steps: Vec<i64> = database
        .query(
            "SELECT TIMESTAMPDIFF(SECOND, (SELECT MIN(wake_at) FROM compensate_biz \
             WHERE biz_type = 'EXPORT'), wake_at) FROM compensate_biz \
             WHERE biz_type = 'EXPORT' ORDER BY id",
        )
        .await;
    assert_eq!(steps, [0, 60, 120, 180, 240]);
    let lane = letters(&store, &acme()).await[0].lane.clone();
    let lane = domain::Lane::parse(lane).expect("a lane");
    let due = store.claim_due(&lane, 9, &terms("one")).await;
    assert_eq!(due.expect("claimed").len(), 1, "one is due now");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_filter_holds_is_put_back_what_is_parked_too_and_never_messages() {
    let (database, store) = with_dead(3).await;
    let other = a_claimed_export(&store, &a_lane()).await;
    let timed_out = domain::Failure::permanent(domain::FailureCode::TimedOut, "late");
    fail(&store, &other, timed_out).await;
    store
        .record_poison(a_message(&a_lane()))
        .await
        .expect("kept");
    database
        .execute(
            "UPDATE dead_letter SET tenant = 'acme' WHERE source = 'MESSAGE'; \
             UPDATE dead_letter SET status = 'PARKED' WHERE id = 1",
        )
        .await;
    let filter = |reason: &str, biz_type: &str| DeadLetterFilter {
        reason: Some(reason.to_owned()),
        biz_type: Some(biz_type.to_owned()),
        ..DeadLetterFilter::default()
    };
    for (filter, answer) in [
        (filter("internal", "IMPORT"), (0, 0)),
        (filter("malformed", "EXPORT"), (0, 0)),
        (filter("timed_out", "EXPORT"), (1, 1)),
        (DeadLetterFilter::default(), (3, 3)),
    ] {
        let bulk = BulkRedrive {
            filter,
            ..everything()
        };
        assert_eq!(redrive(&store, &bulk).await, answer, "{bulk:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_one_import_are_one_generation_and_its_needless_end_is_discarded() {
    let mut split = Split::into(3).await;
    split.done(0).await;
    split.dead(1).await;
    let born = split.dead(2).await;
    let finish = split.claim_finish(&born).await;
    fail(&split.store, &finish, broken()).await;
    split.stands_at(TaskStatus::Failed).await;

    assert_eq!(redrive(&split.store, &everything()).await, (3, 2));
    assert_eq!(stand(&split.store).await, [REDRIVEN, REDRIVEN, DISCARDED]);
    split.stands_at(TaskStatus::Processing).await;
    let generation: u32 = split
        .database
        .one("SELECT generation FROM compensate_group")
        .await;
    assert_eq!(generation, 2);
    for batch in [1, 2] {
        let id = split.batches[batch].id;
        split.batches[batch].epoch = domain::LeaseEpoch(
            split
                .database
                .one(&format!(
                    "SELECT lease_epoch FROM compensate_biz WHERE id = {id}"
                ))
                .await,
        );
    }
    split.done(1).await;
    let born = split.done(2).await;
    split.finish(&born).await;
    let done = split.seen().await;
    assert_eq!(done.status, TaskStatus::Success);
    assert_eq!(done.progress.done_rows, u64::from(3 * ROWS));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_operators_at_once_each_letter_is_put_back_by_one() {
    let (database, store) = with_dead(20).await;
    let bulk = everything();
    let calls = futures::future::join_all((0..4).map(|_| redrive(&store, &bulk))).await;
    let redriven: u64 = calls.iter().map(|(_, redriven)| redriven).sum();
    assert_eq!(redriven, 20, "{calls:?}");
    let epochs: Vec<u64> = database
        .query("SELECT DISTINCT lease_epoch FROM compensate_biz WHERE biz_type = 'EXPORT'")
        .await;
    assert_eq!(epochs, [2], "claimed once, put back once");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_one_transaction_takes_are_put_back_in_their_order() {
    const MANY: u64 = 450;
    let database = TestDatabase::create().await;
    let store = database.store();
    database
        .execute(&format!(
            "SET cte_max_recursion_depth = 10000; \
             INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, lane, status) \
             WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {MANY}) \
             SELECT 'acme', 'COUPON', n, '{{}}', 'quayside.biz.coupon', 'FAILED' FROM s; \
             INSERT INTO dead_letter (tenant, source, lane, biz_type, compensate_biz_id, reason) \
             SELECT 'acme', 'ROW', lane, biz_type, id, 'internal' FROM compensate_biz ORDER BY id"
        ))
        .await;
    let bulk = BulkRedrive {
        step_micros: 1_000_000,
        ..everything()
    };
    assert_eq!(redrive(&store, &bulk).await, (MANY, MANY));
    let out_of_order: u64 = database
        .one(
            "SELECT COUNT(*) FROM (SELECT wake_at, LAG(wake_at) OVER (ORDER BY id) AS before_it \
             FROM compensate_biz) s WHERE before_it >= wake_at",
        )
        .await;
    assert_eq!(out_of_order, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn anothers_letters_are_neither_counted_nor_put_back() {
    let (_database, store) = with_dead(2).await;
    let globex = [domain::Tenant::parse("globex").expect("a name")];
    for tenants in [globex.to_vec(), house()] {
        let answer = store
            .redrive_dead_letters(&tenants, &everything(), &operator())
            .await
            .expect("answered");
        assert_eq!((answer.matched, answer.redriven), (0, 0));
    }
    assert_eq!(stand(&store).await, [OPEN; 2]);
    let filter = store::TaskFilter {
        limit: 9,
        ..store::TaskFilter::default()
    };
    let tasks = store.tasks(&owner(), filter).await.expect("listed").items;
    assert!(tasks.iter().all(|task| task.status == TaskStatus::Failed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_raises_the_generation_of_a_group_once_however_many_its_dead_members_are() {
    const MANY: u32 = 450;
    let split = Split::into(MANY).await;
    split
        .database
        .execute(&format!(
            "UPDATE compensate_biz SET status = 'FAILED', wake_at = NULL, announced = FALSE \
             WHERE group_id IS NOT NULL; \
             UPDATE compensate_group SET dead = {MANY}, ended_generation = 1; \
             INSERT INTO dead_letter (tenant, source, lane, biz_type, compensate_biz_id, reason) \
             SELECT tenant, 'ROW', lane, biz_type, id, 'internal' FROM compensate_biz \
             WHERE group_id IS NOT NULL ORDER BY id"
        ))
        .await;
    let some = BulkRedrive {
        max: 300,
        step_micros: 1_000_000,
        ..everything()
    };
    let group = "SELECT generation, dead FROM compensate_group";
    assert_eq!(redrive(&split.store, &some).await, (450, 300));
    let (generation, dead): (u32, u32) = split.database.one(group).await;
    assert_eq!((generation, dead), (2, 150));
    let spaced: u64 = split
        .database
        .one(
            "SELECT COUNT(DISTINCT ROUND(TIMESTAMPDIFF(MICROSECOND, created_at, wake_at) / 1e6)) \
              FROM compensate_biz WHERE status = 'WAIT_HANDLE' AND group_id IS NOT NULL",
        )
        .await;
    assert!(spaced >= 299, "{spaced} of 300 due times");
    assert_eq!(redrive(&split.store, &some).await, (150, 150));
    let (generation, dead): (u32, u32) = split.database.one(group).await;
    assert_eq!((generation, dead), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_whose_work_can_never_be_put_back_are_discarded_and_the_others_stay() {
    let (database, store) = with_dead(5).await;
    let rows: Vec<(u64, u64)> = database
        .query("SELECT id, task_id FROM compensate_biz WHERE biz_type = 'EXPORT' ORDER BY id")
        .await;
    crate::delete::delete(&store, domain::TaskId(rows[0].1)).await;
    let status = |row: usize, status: &str| {
        let id = rows[row].0;
        format!("UPDATE compensate_biz SET status = '{status}' WHERE id = {id}")
    };
    database
        .execute(&format!(
            "DELETE FROM compensate_biz WHERE id = {}; {}; {}",
            rows[1].0,
            status(2, "SUCCESS"),
            status(3, "PROCESSING"),
        ))
        .await;
    assert_eq!(redrive(&store, &everything()).await, (5, 1));
    assert_eq!(
        stand(&store).await,
        [DISCARDED, DISCARDED, DISCARDED, OPEN, REDRIVEN]
    );
    let log: Vec<(String, u64)> = database
        .query(
            "SELECT action, COUNT(*) FROM operation_log WHERE actor = 'op' \
             AND (action = 'DEAD_LETTER_REDRIVE' OR detail LIKE '%because%') \
             GROUP BY action ORDER BY action",
        )
        .await;
    let log: Vec<(&str, u64)> = log.iter().map(|(action, n)| (&**action, *n)).collect();
    assert_eq!(
        log,
        [("DEAD_LETTER_DISCARD", 3), ("DEAD_LETTER_REDRIVE", 1)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_discarded_counts_towards_the_maximum() {
    let (database, store) = with_dead(3).await;
    database
        .execute("DELETE FROM compensate_biz WHERE biz_type = 'EXPORT' ORDER BY id LIMIT 1")
        .await;
    let bulk = BulkRedrive {
        max: 2,
        ..everything()
    };
    assert_eq!(redrive(&store, &bulk).await, (3, 1));
    assert_eq!(stand(&store).await, [DISCARDED, REDRIVEN, OPEN]);
}
