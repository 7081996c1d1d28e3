//! What an operator does with one dead letter.

use std::time::Duration;

use domain::{DeadLetterId, DeadLetterStatus, Lane, TaskStatus, Tenant, UserId};
use store::{
    Actor, Announce, Announced, Cancelled, CompensationActed, DeadLetterActed, Effects, Ending,
    OperationFilter, Refusal, Store,
};
use testkit::{TestDatabase, a_lane, terms};

use crate::dead_letter::{a_message, acme, house, letters, the_letter};
use crate::group_import::{ROWS, Split, a_claimed_import, applied, claim, finished, settled};
use crate::retry::{broken, by_the_owner, fail};
use crate::settle::{a_claimed_export, owner};

pub(crate) fn operator() -> Actor {
    Actor {
        tenant: Tenant::parse("acme").expect("a name"),
        user: UserId::parse("op").expect("a name"),
        request_id: Some("r-1".to_owned()),
    }
}

pub(crate) fn announce() -> Announce {
    Announce {
        scan_interval: Duration::from_secs(5),
        trace_context: None,
    }
}

pub(crate) async fn redrive(
    store: &Store,
    tenants: &[Tenant],
    id: DeadLetterId,
) -> DeadLetterActed {
    store
        .redrive_dead_letter(tenants, id, &operator(), &announce())
        .await
        .expect("answered")
}

async fn discard(store: &Store, id: DeadLetterId) -> DeadLetterActed {
    store
        .discard_dead_letter(&acme(), id, &operator())
        .await
        .expect("answered")
}

/// The rows that came of it.
async fn redriven(store: &Store, id: DeadLetterId) -> Vec<(Lane, Announced)> {
    match redrive(store, &acme(), id).await {
        DeadLetterActed::Now(letter, rows) => {
            assert_eq!(letter.status, DeadLetterStatus::Redriven);
            assert_eq!(letter.acted_by.as_deref(), Some("op"));
            assert!(letter.acted_at.is_some());
            rows
        }
        other => panic!("it is redriven: {other:?}"),
    }
}

async fn refused(store: &Store, id: DeadLetterId) -> Refusal {
    match redrive(store, &acme(), id).await {
        DeadLetterActed::Refused(_, why) => why,
        other => panic!("it is refused: {other:?}"),
    }
}

/// What the log says of letters, oldest first.
async fn told(store: &Store) -> Vec<(String, String, String)> {
    let filter = OperationFilter {
        actor: Some("op".to_owned()),
        limit: 100,
        ..OperationFilter::default()
    };
    let (entries, _) = store.operations(&acme()[0], filter).await.expect("read");
    let entries = entries.into_iter().rev();
    entries
        .map(|entry| (entry.action, entry.object_id, entry.outcome))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_export_begins_anew_and_its_row_is_rung() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let row = a_claimed_export(&store, &lane).await;
    let task = fail(&store, &row, broken()).await;
    database.execute("UPDATE task SET total_rows = 9").await;
    let letter = the_letter(&store).await;

    let rows = redriven(&store, letter.id).await;
    let seen = store.task(&owner(), task).await.expect("read");
    let seen = seen.expect("the owner's");
    assert_eq!((seen.status, seen.error), (TaskStatus::Pending, None));
    assert_eq!(seen.progress.total_rows, None);
    let [(rung_lane, announced)] = rows.as_slice() else {
        panic!("one row: {rows:?}");
    };
    assert_eq!(announced.rung.epoch, row.lease.epoch.next());
    let fresh = claim(&store, rung_lane, announced.rung).await;
    assert_eq!((fresh.lease.id, fresh.cnt), (row.lease.id, 0));
    settled(&store, &fresh, Ending::Finished(Effects::none())).await;
    assert_eq!(
        told(&store).await,
        [entry("DEAD_LETTER_REDRIVE", letter.id, "DONE")]
    );
}

fn entry(action: &str, id: DeadLetterId, outcome: &str) -> (String, String, String) {
    (action.to_owned(), id.to_string(), outcome.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_fails_again_is_another_letter() {
    let store = TestDatabase::create().await.store();
    let lane = a_lane();
    let row = a_claimed_export(&store, &lane).await;
    fail(&store, &row, broken()).await;
    let first = the_letter(&store).await.id;
    let rows = redriven(&store, first).await;
    let again = claim(&store, &lane, rows[0].1.rung).await;
    fail(&store, &again, broken()).await;
    let letters = letters(&store, &acme()).await;
    let stand: Vec<_> = letters.iter().map(|letter| letter.status).collect();
    assert_eq!(stand, [DeadLetterStatus::Open, DeadLetterStatus::Redriven]);
    assert_eq!(refused(&store, first).await, Refusal::NotOpen);
    redriven(&store, letters[0].id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_batch_is_redriven_while_its_import_runs_and_completes_it() {
    let mut split = Split::into(3).await;
    split.done(0).await;
    split.dead(1).await;
    let rows = redriven(&split.store, the_letter(&split.store).await.id).await;
    split.stands_at(TaskStatus::Processing).await;
    split.batches[1] = rows[0].1.rung;
    split.done(2).await;
    let born = split.done(1).await;
    split.finish(&born).await;
    let done = split.seen().await;
    assert_eq!(done.status, TaskStatus::Success);
    assert_eq!(done.progress.done_rows, u64::from(3 * ROWS));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_is_redriven_while_its_import_is_cancelled_leaves_no_row_open() {
    for _ in 0..8 {
        let split = Split::into(3).await;
        split.done(0).await;
        split.dead(1).await;
        let (store, id) = (&split.store, the_letter(&split.store).await.id);
        let tenants = acme();
        let redriven = redrive(store, &tenants, id);
        let who = owner();
        let cancelled = store.cancel_task(&who, split.task);
        let (_either, cancelled) = tokio::join!(redriven, cancelled);
        assert_eq!(cancelled.expect("answered"), Cancelled::Now);
        split.stands_at(TaskStatus::Cancelled).await;
        let open: u64 = split
            .database
            .one(
                "SELECT COUNT(*) FROM compensate_biz WHERE biz_type = 'IMPORT_BATCH' \
                  AND status IN ('WAIT_HANDLE', 'PROCESSING')",
            )
            .await;
        assert_eq!(open, 0, "no row runs after a cancel");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_batch_of_an_ended_import_opens_it_again_and_its_end_is_written_anew() {
    let mut split = Split::into(2).await;
    split.done(0).await;
    let born = split.dead(1).await;
    split.finish(&born).await;
    split.stands_at(TaskStatus::PartialSuccess).await;

    let rows = redriven(&split.store, the_letter(&split.store).await.id).await;
    let open = split.seen().await;
    assert_eq!(open.status, TaskStatus::Processing);
    assert_eq!(open.finished_at, None);
    split.batches[1] = rows[0].1.rung;
    let born = split.done(1).await;
    split.finish(&born).await;
    split.stands_at(TaskStatus::Success).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_split_reads_its_file_again() {
    let store = TestDatabase::create().await.store();
    let lane = a_lane();
    let (task, row) = a_claimed_import(&store, &lane).await;
    fail(&store, &row, broken()).await;
    let rows = redriven(&store, the_letter(&store).await.id).await;
    let seen = store.task(&owner(), task).await.expect("read");
    assert_eq!(seen.expect("the owner's").status, TaskStatus::Pending);
    let again = claim(&store, &lane, rows[0].1.rung).await;
    let batches = crate::group_import::sealed(&lane, &a_lane(), 1);
    assert_eq!(
        settled(&store, &again, Ending::Finished(batches))
            .await
            .len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_end_is_redriven_by_itself_and_never_once_its_batches_went_on() {
    let mut split = Split::into(2).await;
    split.done(0).await;
    let born = split.dead(1).await;
    let finish = split.claim_finish(&born).await;
    fail(&split.store, &finish, broken()).await;
    split.stands_at(TaskStatus::Failed).await;
    let both = letters(&split.store, &acme()).await;
    let (end, batch) = (both[0].id, both[1].id);

    let rows = redriven(&split.store, end).await;
    split.stands_at(TaskStatus::Processing).await;
    let finish = claim(&split.store, &split.lane, rows[0].1.rung).await;
    fail(&split.store, &finish, broken()).await;
    let end = letters(&split.store, &acme()).await[0].id;

    let rows = redriven(&split.store, batch).await;
    split.batches[1] = rows[0].1.rung;
    assert_eq!(refused(&split.store, end).await, Refusal::Superseded);
    let born = split.done(1).await;
    let finish = split.claim_finish(&born).await;
    settled(&split.store, &finish, finished()).await;
    split.stands_at(TaskStatus::Success).await;
    assert_eq!(refused(&split.store, end).await, Refusal::Superseded);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_redriven_says_why_and_the_log_says_that_it_was_tried() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let mut ids = Vec::new();
    for _ in 0..4 {
        let row = a_claimed_export(&store, &lane).await;
        let task = fail(&store, &row, broken()).await;
        ids.push((letters(&store, &acme()).await[0].id, task, row.lease.id));
    }
    let [
        (deleted, task, _),
        (gone, _, row),
        (stands, _, other),
        (discarded, ..),
    ] = ids[..]
    else {
        panic!("four: {ids:?}");
    };
    store.delete_task(&owner(), task).await.expect("deleted");
    database
        .execute(&format!(
            "DELETE FROM compensate_biz WHERE id = {row}; \
             UPDATE compensate_biz SET status = 'SUCCESS' WHERE id = {other}"
        ))
        .await;
    assert!(matches!(
        discard(&store, discarded).await,
        DeadLetterActed::Now(..)
    ));

    assert_eq!(refused(&store, deleted).await, Refusal::TaskDeleted);
    assert_eq!(refused(&store, gone).await, Refusal::RowGone);
    let success = Refusal::RowStands(domain::BizStatus::Success);
    assert_eq!(refused(&store, stands).await, success);
    assert_eq!(refused(&store, discarded).await, Refusal::NotOpen);
    let again = discard(&store, discarded).await;
    assert!(
        matches!(again, DeadLetterActed::Refused(letter, Refusal::NotOpen)
        if letter.status == DeadLetterStatus::Discarded)
    );
    assert_eq!(
        told(&store).await,
        [
            entry("DEAD_LETTER_DISCARD", discarded, "DONE"),
            entry("DEAD_LETTER_REDRIVE", deleted, "REFUSED"),
            entry("DEAD_LETTER_REDRIVE", gone, "REFUSED"),
            entry("DEAD_LETTER_REDRIVE", stands, "REFUSED"),
            entry("DEAD_LETTER_REDRIVE", discarded, "REFUSED"),
            entry("DEAD_LETTER_DISCARD", discarded, "REFUSED"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_import_is_not_opened_by_its_letters() {
    let split = Split::into(2).await;
    split.dead(0).await;
    split
        .store
        .cancel_task(&owner(), split.task)
        .await
        .expect("cancelled");
    let letter = the_letter(&split.store).await.id;
    let why = Refusal::TaskEnded(TaskStatus::Cancelled);
    assert_eq!(refused(&split.store, letter).await, why);
    split.stands_at(TaskStatus::Cancelled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_can_only_be_discarded() {
    let store = TestDatabase::create().await.store();
    store
        .record_poison(a_message(&a_lane()))
        .await
        .expect("kept");
    let id = letters(&store, &house()).await[0].id;
    let answer = redrive(&store, &house(), id).await;
    assert!(matches!(
        answer,
        DeadLetterActed::Refused(_, Refusal::Message)
    ));
    let answer = store.discard_dead_letter(&house(), id, &operator()).await;
    assert!(matches!(answer, Ok(DeadLetterActed::Now(letter, _))
        if letter.status == DeadLetterStatus::Discarded));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_letter_waits_for_a_person_as_well() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let row = a_claimed_export(&store, &a_lane()).await;
    fail(&store, &row, broken()).await;
    database
        .execute("UPDATE dead_letter SET status = 'PARKED'")
        .await;
    redriven(&store, the_letter(&store).await.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_operators_at_once_one_acts() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let row = a_claimed_export(&store, &a_lane()).await;
    fail(&store, &row, broken()).await;
    let id = the_letter(&store).await.id;
    let tenants = acme();
    let redrives = futures::future::join_all((0..6).map(|_| redrive(&store, &tenants, id)));
    let discards = futures::future::join_all((0..6).map(|_| discard(&store, id)));
    let (redrives, discards) = tokio::join!(redrives, discards);
    let acted = redrives.iter().chain(&discards);
    let acted = acted.filter(|answer| matches!(answer, DeadLetterActed::Now(..)));
    assert_eq!(acted.count(), 1);
    let log = told(&store).await;
    let done = log.iter().filter(|(.., outcome)| outcome == "DONE");
    assert_eq!((done.count(), log.len()), (1, 12));
    let (epoch, status): (u64, String) = database
        .one(
            "SELECT b.lease_epoch, l.status FROM dead_letter l \
             JOIN compensate_biz b ON b.id = l.compensate_biz_id",
        )
        .await;
    let raised = u64::from(status == "REDRIVEN");
    assert_eq!(epoch, row.lease.epoch.0 + raised);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_of_the_task_and_a_redrive_of_its_letter_open_it_once() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let row = a_claimed_export(&store, &a_lane()).await;
    let task = fail(&store, &row, broken()).await;
    let id = the_letter(&store).await.id;
    let (who, by, tenants) = (owner(), by_the_owner(), acme());
    let (retried, acted) = tokio::join!(
        store.retry_task(&who, task, &by),
        redrive(&store, &tenants, id)
    );
    let opened = matches!(retried.expect("answered"), store::Retried::Now(..));
    let redriven = matches!(acted, DeadLetterActed::Now(..));
    assert!(opened != redriven, "one of them");
    let epoch: u64 = database
        .one("SELECT lease_epoch FROM compensate_biz WHERE biz_type = 'EXPORT'")
        .await;
    assert_eq!(epoch, row.lease.epoch.next().0);
}

#[tokio::test(flavor = "multi_thread")]
async fn anothers_letter_does_not_exist() {
    let store = TestDatabase::create().await.store();
    let row = a_claimed_export(&store, &a_lane()).await;
    fail(&store, &row, broken()).await;
    let id = the_letter(&store).await.id;
    let globex = [Tenant::parse("globex").expect("a name")];
    assert_eq!(
        redrive(&store, &globex, id).await,
        DeadLetterActed::NotFound
    );
    let discarded = store.discard_dead_letter(&globex, id, &operator()).await;
    assert_eq!(discarded.expect("answered"), DeadLetterActed::NotFound);
    assert_eq!(the_letter(&store).await.status, DeadLetterStatus::Open);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_batch_whose_rows_were_applied_before_applies_nothing_again() {
    let split = Split::into(1).await;
    let born = split.done(0).await;
    split.finish(&born).await;
    // As if its finish had been lost after its effects: what the store itself never lets happen.
    split
        .database
        .execute(&format!(
            "UPDATE compensate_biz SET status = 'FAILED' WHERE id = {0}; \
             UPDATE compensate_group SET succeeded = 0, dead = 1; \
             INSERT INTO dead_letter (tenant, source, lane, biz_type, compensate_biz_id, reason) \
             VALUES ('acme', 'ROW', '{1}', 'IMPORT_BATCH', {0}, 'internal')",
            split.batches[0].id, split.batch_lane
        ))
        .await;
    let rows = redriven(&split.store, the_letter(&split.store).await.id).await;
    let again = claim(&split.store, &split.batch_lane, rows[0].1.rung).await;
    let answer = split
        .store
        .settle_held(&again.lease, applied(0), store::Story::default())
        .await;
    assert!(
        matches!(answer, Err(store::StoreError::Duplicate(_))),
        "its ledger knows it: {answer:?}"
    );
    let applied: (u64, u64) = split
        .database
        .one("SELECT COUNT(*), CAST(SUM(done) AS UNSIGNED) FROM import_batch")
        .await;
    assert_eq!(applied, (1, u64::from(ROWS)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_follow_up_is_never_put_back_once_its_group_went_on_but_a_row_of_such_a_name_is() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    database
        .execute(&format!(
            r#"INSERT INTO compensate_group (id, tenant, sealed, generation, ended_generation,
               on_finished) VALUES (5, 'acme', TRUE, 1, 1, '[{{"biz_type": "follow",
               "lane": "{lane}", "context": "{{}}", "max_cnt": 3}}]')"#
        ))
        .await;
    database
        .execute(&format!(
            "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, lane) VALUES \
             ('acme', 'follow', '5/1', '{{}}', '{lane}'), ('acme', 'plain', '5/1', '{{}}', '{lane}')"
        ))
        .await;
    let claimed = store.claim_due(&lane, 9, &terms("one")).await;
    for row in claimed.expect("claimed") {
        settled(&store, &row, Ending::Failed(broken(), Duration::ZERO)).await;
    }
    let dead = letters(&store, &acme()).await;
    let of = |kind: &str| {
        let letter = dead.iter().find(|it| it.biz_type.as_deref() == Some(kind));
        let letter = letter.expect("a letter");
        (letter.id, letter.compensate_biz_id.expect("its row"))
    };
    let ((follow, follow_row), (plain, _)) = (of("follow"), of("plain"));

    database
        .execute("UPDATE compensate_group SET generation = 2")
        .await;
    assert_eq!(refused(&store, follow).await, Refusal::Superseded);
    let reach = crate::compensation::reach();
    let retried = store
        .retry_compensation(&reach, follow_row, &operator(), &announce())
        .await;
    assert!(matches!(
        retried.expect("answered"),
        CompensationActed::Superseded(_)
    ));
    assert_eq!(redriven(&store, plain).await.len(), 1);
}
