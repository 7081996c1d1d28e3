//! The checker, checked: it finds nothing in a run that ended well, and each fault that is planted in
//! one. What it could never find, no chaos would show.

mod gateway;
mod scene;

use chaos::{Business, Handler, Way};
use serde_json::json;

use scene::{Scene, Truth};

/// What the checker has to say, and what is done to the database.
type Planted = (&'static str, &'static str);

/// The same, of what else there is.
type Told = (&'static str, fn(&mut Truth));

const ROWS: &[Planted] = &[
    (
        "a row that has ended still has a timer or an owner: 10 ",
        "UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6) WHERE id = 10",
    ),
    (
        "a row that has ended still has a timer or an owner: 3 ",
        "UPDATE compensate_biz SET lease_owner = 'somebody' WHERE id = 3",
    ),
    (
        "a row that has ended still has a timer or an owner: 7 ",
        "UPDATE compensate_biz SET finished_at = NULL WHERE id = 7",
    ),
    (
        "a row succeeded and nobody ever claimed it: 11 ",
        "UPDATE compensate_biz SET lease_epoch = 0 WHERE id = 11",
    ),
    (
        "two attempts ended at one epoch: 3 2 2 ",
        "INSERT INTO compensate_biz_attempt (tenant, compensate_biz_id, epoch, outcome) \
         VALUES ('acme', 3, 2, 'LOST')",
    ),
    (
        "an attempt at an epoch that its row has not reached: 31 2 1",
        "UPDATE compensate_biz_attempt SET epoch = 2 WHERE compensate_biz_id = 31",
    ),
    (
        "an attempt at an epoch that its row has not reached: 999 1",
        "INSERT INTO compensate_biz_attempt (tenant, compensate_biz_id, epoch, outcome) \
         VALUES ('acme', 999, 1, 'LOST')",
    ),
    (
        "given up, and no dead letter: 3 ",
        "DELETE FROM dead_letter WHERE id = 1",
    ),
    (
        "given up, and no dead letter: 3 ",
        "UPDATE dead_letter SET tenant = 'other' WHERE id = 1",
    ),
    (
        "given up, and no dead letter: 12 ",
        "UPDATE compensate_biz SET last_failed_reason = NULL WHERE id = 12",
    ),
    (
        "given up, and no attempt tells why: 12 ",
        "DELETE FROM compensate_biz_attempt WHERE compensate_biz_id = 12",
    ),
    (
        "a dead letter that no row of work brings to a person: 2 ",
        "DELETE FROM compensate_biz WHERE id = 9",
    ),
    (
        "a row of a dead letter that was given up, and the letter is not parked: 1 ",
        "UPDATE compensate_biz SET status = 'FAILED' WHERE id = 8",
    ),
    (
        "good work of a task was given up: 1 EXPORT 1 of 3 permanent internal: x",
        "UPDATE compensate_biz SET status = 'FAILED', cnt = 1, max_cnt = 3, \
         last_failed_reason = 'permanent internal: x' WHERE id = 1",
    ),
    (
        "good work of a task was given up: 1 EXPORT 4 of 3 permanent storage_unavailable: x",
        "UPDATE compensate_biz SET status = 'FAILED', cnt = 4, max_cnt = 3, \
         last_failed_reason = 'permanent storage_unavailable: x' WHERE id = 1",
    ),
    (
        "good work of a task was given up: 2 EXPORT 3 of 3 transient database_unavailable: x",
        "UPDATE compensate_biz SET status = 'FAILED', cnt = 3, max_cnt = 3, \
         last_failed_reason = 'transient database_unavailable: x' WHERE id = 2",
    ),
    (
        "good work of a task was given up: 2 EXPORT 1 of 3 lease_lost timed_out: the lease ended",
        "UPDATE compensate_biz SET status = 'FAILED', cnt = 1, max_cnt = 3, \
         last_failed_reason = 'lease_lost timed_out: the lease ended' WHERE id = 2",
    ),
    (
        "good work of a task was given up: 4 IMPORT 1 of 3 rejected not_a_workbook: x",
        "UPDATE compensate_biz SET status = 'FAILED', cnt = 1, max_cnt = 3, \
         last_failed_reason = 'rejected not_a_workbook: x' WHERE id = 4",
    ),
    (
        "good work of a task was given up: 5 IMPORT_BATCH 4 of 3 transient internal: it panicked",
        "UPDATE compensate_biz SET status = 'FAILED', cnt = 4, max_cnt = 3, \
         last_failed_reason = 'transient internal: it panicked' WHERE id = 5",
    ),
    (
        "good work of a task was given up: 6 IMPORT_FINISH 4 of 3",
        "UPDATE compensate_biz SET status = 'FAILED', cnt = 4, max_cnt = 3 WHERE id = 6",
    ),
    (
        "a task failed, and nothing of it was given up: 1 EXPORT internal",
        "UPDATE task SET status = 'FAILED', error_code = 'internal' WHERE id = 1",
    ),
    (
        "a task failed, and nothing of it was given up: 4 IMPORT internal",
        "UPDATE task SET status = 'FAILED', error_code = 'internal' WHERE id = 4",
    ),
    (
        "a group whose counters are not those of its rows: 2 3 2 0 0 rows 2 2 0 0",
        "UPDATE compensate_group SET total = 3 WHERE id = 2",
    ),
    (
        "a group whose counters are not those of its rows: 1 1 0 0 0 rows 1 1 0 0",
        "UPDATE compensate_group SET succeeded = 0 WHERE id = 1",
    ),
    (
        "a group whose counters are not those of its rows: 1 1 1 1 0 rows 1 1 0 0",
        "UPDATE compensate_group SET dead = 1 WHERE id = 1",
    ),
    (
        "a group whose counters are not those of its rows: 1 1 1 0 1 rows 1 1 0 0",
        "UPDATE compensate_group SET cancelled = 1 WHERE id = 1",
    ),
    (
        "a group whose counters are not those of its rows: 1 1 1 0 0 rows 0 0 0 0",
        "DELETE FROM compensate_biz WHERE id = 5",
    ),
    (
        "a group whose rows have all ended, and it has not: 1 4 1 0",
        "UPDATE compensate_group SET ended_generation = 0 WHERE id = 1",
    ),
    (
        "a group of business work whose rows have all ended, cancelled ones too, and it has not: 2 grp",
        "UPDATE compensate_biz SET status = 'CANCELLED' WHERE id = 51; \
         UPDATE compensate_group SET succeeded = 1, cancelled = 1, ended_generation = 0 WHERE id = 2",
    ),
    (
        "an end of a group for a generation that it never had: 52 2/2",
        "UPDATE compensate_biz SET biz_id = '2/2' WHERE id = 52",
    ),
    (
        "an end of a group for a generation that it never had: 6 1/10",
        "UPDATE compensate_biz SET biz_id = '1/10' WHERE id = 6",
    ),
    (
        "an import whose counts are not those of its ledger: 4 PARTIAL_SUCCESS 2 2 0 ledger 3 2 0",
        "UPDATE import_batch SET done = 3",
    ),
    (
        "an import whose counts are not those of its ledger: 4 PARTIAL_SUCCESS 2 2 0 ledger 2 1 0",
        "UPDATE import_batch SET failed = 1",
    ),
    (
        "an import whose counts are not those of its ledger: 4 PARTIAL_SUCCESS 2 2 0 ledger 2 2 1",
        "UPDATE import_batch SET skipped = 1",
    ),
    (
        "a batch that succeeded without an entry in the ledger: 5 4 ",
        "DELETE FROM import_batch",
    ),
    (
        "rows of chaos_upsert that the ledger does not know, or the other way round: table 3 ledger 4",
        "DELETE FROM chaos_upsert WHERE effect = 'd.0'",
    ),
    (
        "rows of chaos_upsert that the ledger does not know, or the other way round: table 4 ledger 3",
        "DELETE FROM chaos_ledger WHERE effect = 'd.0'",
    ),
];

const EFFECTS: &[Planted] = &[
    (
        "doubled: i.2 was written 2 times",
        "INSERT INTO chaos_append (tenant, effect, amount) VALUES ('acme', 'i.2', 2)",
    ),
    (
        "doubled: d.1 was written 2 times",
        "UPDATE chaos_upsert SET amount = 1 + amount WHERE effect = 'd.1'",
    ),
    (
        "i.1 is a bad row and was written",
        "INSERT INTO chaos_append (tenant, effect, amount) VALUES ('acme', 'i.1', 1)",
    ),
    (
        "i (task Some(4)): 1 rows are written, 2 of 4 were good",
        "DELETE FROM chaos_append WHERE effect LIKE 'i.2#%'",
    ),
    (
        "v (task Some(5)): 1 rows are written, 2 of 2 were good",
        "INSERT INTO chaos_append (tenant, effect, amount) VALUES ('acme', 'v.0', 1)",
    ),
    (
        "d: 3 rows were good, 3 told as stored, 2 are",
        "DELETE FROM chaos_ledger WHERE effect = 'd.0'; DELETE FROM chaos_upsert WHERE effect = 'd.0'",
    ),
    (
        "nobody accepted the effect zzz (1 times)",
        "INSERT INTO chaos_append (tenant, effect, amount) VALUES ('acme', 'zzz', 1)",
    ),
    (
        "doubled: task 7 was accepted under no key of its own",
        "INSERT INTO task (id, tenant, kind, dataset, name, queue, params, locale, status, created_by) \
         VALUES (7, 'acme', 'EXPORT', 'member', '', 'default', '{}', 'en', 'SUCCESS', '7')",
    ),
    (
        "export 1: 0 visible files (done: true)",
        "UPDATE task_file SET state = 'DELETED' WHERE id = 1",
    ),
    (
        "export 1: 2 visible files (done: true)",
        "UPDATE task_file SET task_id = 1",
    ),
    (
        "export 6: 1 visible files (done: false)",
        "UPDATE task_file SET task_id = 6 WHERE id = 1",
    ),
    (
        "export 1: the file has ",
        "UPDATE task_file SET sha256 = 'x' WHERE id = 1",
    ),
    (
        "export 2: the file has ",
        "UPDATE task_file SET row_count = 2 WHERE id = 2",
    ),
];

const BUSINESS: &[Planted] = &[
    (
        "lost: g.0 of Grant is \"\"",
        "DELETE FROM compensate_biz WHERE id = 10",
    ),
    (
        "lost: c.0 of Call is \"WAIT_HANDLE\"",
        "UPDATE compensate_biz SET status = 'WAIT_HANDLE' WHERE id = 30",
    ),
    (
        "nobody asked for chaos_grant zzz, which is SUCCESS",
        "UPDATE compensate_biz SET biz_id = 'zzz' WHERE id = 11",
    ),
    (
        "g.2 of Grant is a bad one and is done",
        "UPDATE compensate_biz SET status = 'SUCCESS' WHERE id = 12",
    ),
    (
        "k.0 of Keep is a good one and was given up",
        "UPDATE compensate_biz SET status = 'FAILED' WHERE id = 20",
    ),
    (
        "k.0 of Keep is a good one and was given up: transient database_unavailable: x",
        "UPDATE compensate_biz SET status = 'FAILED', cnt = 4, max_cnt = 3, \
         last_failed_reason = 'transient database_unavailable: x' WHERE id = 20",
    ),
    (
        "c.0 of Call is a good one and was given up: permanent internal: it answered 404",
        "UPDATE compensate_biz SET status = 'FAILED', cnt = 1, max_cnt = 6, \
         last_failed_reason = 'permanent internal: it answered 404' WHERE id = 30",
    ),
    (
        "b.0 of Batch is a good one and was given up: transient internal: it answered 503",
        "UPDATE compensate_biz SET status = 'FAILED', cnt = 8, max_cnt = 8, \
         last_failed_reason = 'transient internal: it answered 503' WHERE id = 32",
    ),
    (
        "n.0 of Tell is a good one and was given up: transient internal: it panicked",
        "UPDATE compensate_biz SET status = 'FAILED', cnt = 9, max_cnt = 8, \
         last_failed_reason = 'transient internal: it panicked' WHERE id = 40",
    ),
    (
        "g.1 of Grant is SUCCESS, written 2 times",
        "INSERT INTO chaos_append (tenant, effect, amount) VALUES ('acme', 'g.1', 1)",
    ),
    (
        "g.1 of Grant is SUCCESS, written 0 times",
        "DELETE FROM chaos_append WHERE effect LIKE 'g.1#%'",
    ),
    (
        "g.2 of Grant is FAILED, written 1 times",
        "INSERT INTO chaos_append (tenant, effect, amount) VALUES ('acme', 'g.2', 1)",
    ),
    (
        "n.0 of Tell is SUCCESS, written 2 times",
        "UPDATE notification SET count = 2",
    ),
    (
        "the group grp stands so: []",
        "UPDATE compensate_group SET group_key = 'another' WHERE id = 2",
    ),
    (
        "the group grp stands so: [(2, 2, false,",
        "UPDATE compensate_group SET sealed = FALSE WHERE id = 2",
    ),
    (
        "what follows grp for 1: None",
        "DELETE FROM compensate_biz WHERE id = 52",
    ),
    (
        "what follows grp for 1: Some(\"CANCELLED\")",
        "UPDATE compensate_biz SET status = 'CANCELLED' WHERE id = 52",
    ),
    (
        "the group grp has 2 and 2 of 2 rows, ended for 0 of 1, and its end was told 1 times by 1",
        "UPDATE compensate_group SET ended_generation = 0 WHERE id = 2",
    ),
    (
        "the group grp has 2 and 2 of 2 rows, ended for 1 of 1, and its end was told 2 times by 1",
        "INSERT INTO chaos_append (tenant, effect, amount) VALUES ('acme', 'grp.end', 0)",
    ),
    (
        "the group grp has 2 and 2 of 2 rows, ended for 1 of 1, and its end was told 0 times by 1",
        "DELETE FROM chaos_append WHERE effect LIKE 'grp.end#%'",
    ),
    (
        "the group grp has 2 and 1 of 2 rows",
        "UPDATE compensate_biz SET group_id = NULL WHERE id = 50",
    ),
    (
        "orders by SQL: 0 were committed, 1 are known",
        "DELETE FROM chaos_order",
    ),
    (
        "orders by SQL: 2 were committed, 1 are known",
        "INSERT INTO chaos_order (name) VALUES ('t')",
    ),
];

const TOLD: &[Told] = &[
    ("one and again are both task 1", |truth| {
        let mut again = truth.tasks[0].clone();
        again.key = "again".to_owned();
        truth.tasks.push(again);
    }),
    ("lost: two was task 2, now None", |truth| {
        truth.answers.remove("2");
    }),
    ("lost: two was task 2, now Some(\"PENDING\")", |truth| {
        truth.tell("2", |told| told["status"] = "PENDING".into());
    }),
    ("the counts of task 1 do not add up", |truth| {
        truth.tell("1", |told| told["progress"]["skipped_rows"] = 1.into());
    }),
    ("i (task Some(4)): 2 rows are written", |truth| {
        truth.tell("4", |told| {
            told["progress"] = json!({"total_rows": 4, "done_rows": 3, "failed_rows": 1});
        });
    }),
    ("i (task Some(4)): 2 rows are written", |truth| {
        truth.tell("4", |told| {
            told["progress"] = json!({"total_rows": 3, "done_rows": 2, "failed_rows": 1});
        });
    }),
    ("i (task Some(4)): 2 rows are written", |truth| {
        truth.tell("4", |told| told["error"]["code"] = "all_rows_failed".into());
    }),
    ("d: 3 rows were good, 2 told as stored, 3 are", |truth| {
        truth.tasks[6].stored = 2;
    }),
    ("export 1: the file has ", |truth| {
        let bytes = truth.answers.get_mut("1/files/1").expect("a file");
        bytes.truncate(bytes.len() - 4);
    }),
    ("export 2: the file has Err", |truth| {
        truth.answers.remove("2/files/2");
    }),
    ("the service was called for chaos_call/zzz", |truth| {
        truth.calls.push(("chaos_call/zzz", "acme", json!({})));
    }),
    ("the calls for chaos_call/c.0 were not all alike", |truth| {
        truth.calls[1].1 = "other";
    }),
    ("the calls for chaos_call/c.0 were not all alike", |truth| {
        truth.calls[1].2["more"] = true.into();
    }),
    (
        "chaos_call/c.0 is done, and the service never said yes",
        |truth| {
            truth.calls[0].2["manner"] = "refuse".into();
            truth.calls.remove(1);
        },
    ),
    (
        "chaos_batch/b.0 is done, and the service never said yes",
        |truth| {
            truth.calls.remove(2);
        },
    ),
    ("lost: g.3 of Grant is \"\"", |truth| {
        let mut rows = truth.tasks[6].wish.clone();
        if let chaos::Wish::Direct(rows) = &mut rows {
            (rows.count, rows.every_bad) = (4, 3);
            truth.business[0].wish = Business::of(Handler::Grant, Way::Keyed, rows.clone());
        }
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn in_a_run_that_ended_well_nothing_is_found_and_everything_is_counted() {
    let scene = Scene::build().await;
    let (tally, found) = scene.judge(&Truth::sound(), true).await;
    assert_eq!(found, [""; 0]);
    let asked = (tally.accepted, tally.done, tally.dead, tally.cancelled);
    assert_eq!(asked, (18, 14, 3, 1));
    assert_eq!((tally.lost, tally.doubled), (0, 0));
    assert_eq!((tally.files, tally.effects, tally.letters), (2, 13, 3));
    let calls = (tally.business, tally.calls, tally.calls_repeated);
    assert_eq!(calls, (11, 3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_rows_of_work_must_never_be_is_found() {
    every_one_is_found(ROWS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_effects_tasks_and_files_must_never_be_is_found() {
    every_one_is_found(EFFECTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_business_work_must_never_be_is_found() {
    every_one_is_found(BUSINESS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gateway_service_and_clients_must_never_say_is_found() {
    let scene = Scene::build().await;
    for (what, lie) in TOLD {
        let mut truth = Truth::sound();
        lie(&mut truth);
        is_found(&scene, what, &truth).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_or_done_twice_is_counted_as_such() {
    let scene = Scene::build().await;
    for (sql, lost, doubled) in [
        ("DELETE FROM compensate_biz WHERE id IN (10, 20)", 2, 0),
        (
            "INSERT INTO chaos_append (tenant, effect, amount) VALUES ('acme', 'i.0', 0), ('acme', 'g.0', 0)",
            0,
            2,
        ),
    ] {
        let mut truth = Truth::sound();
        truth.spoil(sql);
        let (tally, _) = scene.judge(&truth, false).await;
        assert_eq!((tally.lost, tally.doubled), (lost, doubled), "{sql}");
    }
}

/// What kills, and servers that are away, come to when they hit the same row again and again.
const DIED_OF_FAULTS: [(u64, u32, u32, &str); 6] = [
    (
        1,
        4,
        3,
        "lease_lost timed_out: the lease ended without a word from x",
    ),
    (2, 4, 3, "transient storage_unavailable: x"),
    (
        4,
        1,
        3,
        "lease_lost timed_out: the hard deadline passed while x held the row",
    ),
    (5, 4, 3, "transient database_unavailable: x"),
    (30, 7, 6, "transient internal: no connection"),
    (
        40,
        9,
        8,
        "lease_lost timed_out: the lease ended without a word from x",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn good_work_whose_tries_were_spent_on_the_faults_of_a_run_is_no_violation() {
    let scene = Scene::build().await;
    let mut truth = Truth::sound();
    for (id, cnt, max_cnt, why) in DIED_OF_FAULTS {
        truth.spoil(&format!(
            "UPDATE compensate_biz SET status = 'FAILED', cnt = {cnt}, max_cnt = {max_cnt}, \
             last_failed_reason = '{why}' WHERE id = {id}; \
             UPDATE task SET status = 'FAILED', error_code = 'internal' \
             WHERE id = (SELECT task_id FROM compensate_biz WHERE id = {id})"
        ));
    }
    let (_, found) = scene.judge(&truth, false).await;
    // what these ends ought to have left behind is missing here
    let of_ends = |one: &&String| {
        one.contains("good work of a task was given up")
            || one.contains("is a good one and was given up")
            || one.contains("a task failed, and nothing of it was given up")
    };
    let of_ends: Vec<&String> = found.iter().filter(of_ends).collect();
    assert!(of_ends.is_empty(), "{of_ends:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_still_open_at_the_end_is_found() {
    let scene = Scene::build().await;
    let mut truth = Truth::sound();
    truth.spoil(
        "UPDATE compensate_biz SET status = 'PROCESSING' WHERE id = 10; \
         UPDATE task SET status = 'PENDING' WHERE id = 2",
    );
    let (_, found) = scene.judge(&truth, true).await;
    for what in [
        "still open after 0 s: 10 chaos_grant PROCESSING",
        "task still open: 2 EXPORT PENDING",
    ] {
        assert!(
            found.iter().any(|one| one.starts_with(what)),
            "{what}: {found:?}"
        );
    }
}

async fn every_one_is_found(planted: &[Planted]) {
    let scene = Scene::build().await;
    for (what, sql) in planted {
        let mut truth = Truth::sound();
        truth.spoil(sql);
        is_found(&scene, what, &truth).await;
    }
}

async fn is_found(scene: &Scene, what: &str, truth: &Truth) {
    let (_, found) = scene.judge(truth, false).await;
    assert!(
        found.iter().any(|one| one.starts_with(what)),
        "not found: {what}; found: {found:#?}"
    );
}
