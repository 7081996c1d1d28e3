//! What a person does with one piece of business work.

use std::time::Duration;

use domain::{BizStatus, CompensateBizId, Failure, FailureCode, Lane};
use store::{
    Announce, BulkRedrive, CompensationActed, CompensationReach, DeadLetterActed, DeadLetterFilter,
    Ending, OperationFilter, Store, Story, SubmittedCompensations,
};
use testkit::{MoodyProxy, TestDatabase, terms};

use super::group::of;
use super::{actor, behind, call, lane, reach, submit};

fn announced() -> Announce {
    Announce {
        scan_interval: Duration::from_secs(60),
        trace_context: None,
    }
}

async fn retry(store: &Store, id: CompensateBizId) -> CompensationActed {
    store
        .retry_compensation(&reach(), id, &actor("acme"), &announced())
        .await
        .expect("answered")
}

async fn cancel(store: &Store, id: CompensateBizId) -> CompensationActed {
    store
        .cancel_compensation(&reach(), id, &actor("acme"))
        .await
        .expect("answered")
}

pub(super) async fn exercise(store: &Store, id: CompensateBizId) {
    cancel(store, id).await;
    retry(store, id).await;
    cancel(store, id).await;
}

/// The row's attempt ends as a failure for good.
async fn die(store: &Store, done: &SubmittedCompensations) {
    let rung: Vec<_> = done.rung.iter().map(|(_, row)| row.rung).collect();
    let claimed = store.claim_rung(&lane(), &rung, &terms("one")).await;
    for row in claimed.expect("claimed").claimed {
        let failure = Failure::permanent(FailureCode::Internal, "no such coupon");
        let ending = Ending::Failed(failure, Duration::ZERO);
        let settled = store.settle_held(&row.lease, ending, Story::default());
        settled.await.expect("settled");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_row_is_tried_again_with_its_letter_redriven_and_told_with_its_attempts() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let done = submit(&store, call(&["a"])).await;
    let id = done.items[0].id;
    die(&store, &done).await;
    let (dead, content) = store
        .compensation(&reach(), id, 1 << 20)
        .await
        .expect("read")
        .expect("it is there");
    assert_eq!((dead.status, dead.failures), (BizStatus::Failed, 1));
    assert_eq!(content.attempts.len(), 1);
    assert_eq!(
        content.attempts[0].detail.as_deref(),
        Some("no such coupon")
    );
    let CompensationActed::Now(row, rung) = retry(&store, id).await else {
        panic!("it is put back");
    };
    assert_eq!((row.status, row.failures), (BizStatus::WaitHandle, 0));
    let letter: (String, String) = database
        .one("SELECT status, acted_by FROM dead_letter")
        .await;
    assert_eq!(letter, ("REDRIVEN".to_owned(), "7".to_owned()));
    let rung: Vec<_> = rung.iter().map(|(_, row)| row.rung).collect();
    let claimed = store.claim_rung(&lane(), &rung, &terms("two")).await;
    assert_eq!(claimed.expect("claimed").claimed.len(), 1);
    assert!(matches!(
        retry(&store, id).await,
        CompensationActed::Refused(row) if row.status == BizStatus::Processing
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_row_is_ended_for_whoever_runs_it_and_may_be_tried_again() {
    let store = TestDatabase::create().await.store();
    let done = submit(&store, call(&["a"])).await;
    let id = done.items[0].id;
    let claimed = store
        .claim_rung(&lane(), &[done.rung[0].1.rung], &terms("one"))
        .await
        .expect("claimed");
    let lease = &claimed.claimed[0].lease;
    assert!(matches!(
        cancel(&store, id).await,
        CompensationActed::Now(row, _) if row.status == BizStatus::Cancelled
    ));
    let ending = Ending::Finished(store::Effects::none());
    let late = store.settle_held(lease, ending, Story::default()).await;
    assert_eq!(late.expect("answered"), store::Settled::Lost);
    assert!(matches!(
        cancel(&store, id).await,
        CompensationActed::Refused(_)
    ));
    assert!(matches!(
        retry(&store, id).await,
        CompensationActed::Now(..)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_on_members_are_counted_by_their_group_and_a_retry_raises_its_generation() {
    let store = TestDatabase::create().await.store();
    let mut some = of("spring", &["a", "b"]);
    some.group.as_mut().expect("a group").seal = true;
    let done = submit(&store, some).await;
    let group = done.group_id.expect("a group");
    let told = async || {
        let found = store.compensation_group(&reach(), group).await;
        let group = found.expect("read").expect("it is there");
        (group.cancelled, group.generation, group.finished)
    };
    cancel(&store, done.items[0].id).await;
    assert_eq!(told().await, (1, 1, false));
    cancel(&store, done.items[1].id).await;
    assert_eq!(told().await, (2, 1, true));
    retry(&store, done.items[1].id).await;
    assert_eq!(told().await, (1, 2, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_tasks_of_letters_and_of_others_are_not_there_to_be_acted_on() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let export = store
        .submit_export(testkit::an_export(&testkit::a_lane()))
        .await
        .expect("accepted");
    let done = submit(&store, call(&["a"])).await;
    die(&store, &done).await;
    let teller: u64 = database
        .one("SELECT id FROM compensate_biz WHERE biz_type = 'DEAD_LETTER'")
        .await;
    for id in [
        export.rung.id,
        CompensateBizId(teller),
        CompensateBizId(1 << 40),
    ] {
        assert_eq!(cancel(&store, id).await, CompensationActed::NotFound);
        assert_eq!(retry(&store, id).await, CompensationActed::NotFound);
    }
    let theirs = CompensationReach {
        tenants: vec![actor("globex").tenant],
        user: None,
    };
    let id = done.items[0].id;
    let acted = store
        .cancel_compensation(&theirs, id, &actor("globex"))
        .await;
    assert_eq!(acted.expect("answered"), CompensationActed::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_whose_commit_was_not_answered_is_read_back_and_logged_once() {
    let database = TestDatabase::create().await;
    let proxy = MoodyProxy::before(database.url()).await;
    let store = behind(&proxy, &database);
    let id = submit(&store, call(&["a"])).await.items[0].id;
    proxy.cut_next_commits(1);
    assert!(matches!(
        cancel(&store, id).await,
        CompensationActed::Now(..)
    ));
    proxy.cut_next_commits(1);
    assert!(matches!(
        retry(&store, id).await,
        CompensationActed::Now(..)
    ));
    assert_eq!(proxy.cuts_left(), 0, "the cuts happened");
    let filter = OperationFilter {
        limit: 20,
        ..OperationFilter::default()
    };
    let log = store.operations(&actor("acme").tenant, filter).await;
    let (entries, _) = log.expect("read");
    let entries = entries.into_iter();
    let entries: Vec<_> = entries.map(|it| (it.action, it.outcome)).collect();
    let done = [
        "COMPENSATION_RETRY",
        "COMPENSATION_CANCEL",
        "COMPENSATION_SUBMIT",
    ]
    .map(|action| (action.to_owned(), "DONE".to_owned()));
    assert_eq!(entries, done, "and nobody was refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_lane_is_no_topic_is_put_back_in_each_way_and_left_to_the_strays() {
    let database = TestDatabase::create().await;
    let store = database.store();
    database
        .execute(
            "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context) VALUES \
             ('acme', 'my type', 'a', '{}'), ('acme', 'my type', 'b', '{}'), \
             ('acme', 'my type', 'c', '{}')",
        )
        .await;
    let odd = Lane::stored("quayside.biz.my type".to_owned());
    let given_up = async || {
        let claimed = store.claim_due(&odd, 3, &terms("one")).await;
        let claimed = claimed.expect("claimed");
        for row in &claimed {
            let failure = Failure::permanent(FailureCode::Internal, "nobody");
            let ending = Ending::Failed(failure, Duration::ZERO);
            let settled = store.settle_held(&row.lease, ending, Story::default());
            settled.await.expect("given up");
        }
        claimed.len()
    };
    assert_eq!(given_up().await, 3);

    let id: u64 = database
        .one("SELECT id FROM compensate_biz WHERE biz_id = 'a'")
        .await;
    let CompensationActed::Now(row, rung) = retry(&store, CompensateBizId(id)).await else {
        panic!("it is tried again");
    };
    assert_eq!((row.status, rung), (BizStatus::WaitHandle, vec![]));
    let letters = crate::dead_letter::letters(&store, &crate::dead_letter::acme()).await;
    let letter = letters.iter().find(|it| it.biz_id.as_deref() == Some("b"));
    let letter = letter.expect("a letter").id;
    let (tenants, actor) = (crate::dead_letter::acme(), actor("acme"));
    let terms = announced();
    let one = store.redrive_dead_letter(&tenants, letter, &actor, &terms);
    let DeadLetterActed::Now(_, rung) = one.await.expect("answered") else {
        panic!("it is redriven");
    };
    assert_eq!(rung, []);
    let all = BulkRedrive {
        filter: DeadLetterFilter::default(),
        dry_run: false,
        max: 10,
        step_micros: 0,
    };
    let many = store.redrive_dead_letters(&tenants, &all, &actor);
    assert_eq!(many.await.expect("answered").redriven, 1);
    assert_eq!(given_up().await, 3, "due at once, for whoever looks");
}
