//! Business work that a call submits: all of it or nothing, each key once.

mod acts;
mod group;
mod list;
mod share;

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use domain::{BizId, BizStatus, BizType, CompensateBizId, Lane, Tenant, UserId};
use store::{
    Actor, CallKey, CompensationFilter, CompensationReach, CompensationsOnce, Due, NewCompensation,
    NewCompensations, OperationFilter, Store, StoreSettings, SubmittedCompensations,
};
use testkit::{MoodyProxy, TestDatabase, terms};

const KEYS: &str = "SELECT biz_id FROM compensate_biz ORDER BY biz_id";

pub(crate) fn actor(tenant: &str) -> Actor {
    Actor {
        tenant: Tenant::parse(tenant).expect("a name"),
        user: UserId::parse("7").expect("a name"),
        request_id: Some("r-1".to_owned()),
    }
}

/// Whom an operator of acme looks after.
pub(crate) fn reach() -> CompensationReach {
    CompensationReach {
        tenants: vec![actor("acme").tenant],
        user: None,
    }
}

pub(crate) fn lane() -> Lane {
    Lane::parse("quayside.biz.grant").expect("a topic")
}

pub(crate) fn item(biz_id: &str) -> NewCompensation {
    NewCompensation {
        biz_type: BizType::parse("grant").expect("a name"),
        biz_id: BizId::parse(biz_id).expect("a name"),
        lane: lane(),
        context: r#"{"coupon": "A", "amount": 1.10}"#.to_owned(),
        priority: 3,
        due: Due::Now,
        scan_interval: Duration::from_secs(60),
    }
}

/// A call of user 7 of acme.
pub(crate) fn call(biz_ids: &[&str]) -> NewCompensations {
    NewCompensations {
        actor: actor("acme"),
        items: biz_ids.iter().map(|biz_id| item(biz_id)).collect(),
        group: None,
        trace_context: None,
        key: None,
    }
}

fn keyed(biz_ids: &[&str], key: &str, body: &str) -> NewCompensations {
    let key = CallKey {
        key: key.to_owned(),
        request_hash: body.repeat(64),
        reply: Arc::new(|done| serde_json::to_vec(&(done.items.len(), done.duplicates()))),
    };
    NewCompensations {
        key: Some(key),
        ..call(biz_ids)
    }
}

pub(crate) async fn send(store: &Store, call: NewCompensations) -> CompensationsOnce {
    store.submit_compensations(call).await.expect("answered")
}

pub(crate) async fn submit(store: &Store, call: NewCompensations) -> SubmittedCompensations {
    match send(store, call).await {
        CompensationsOnce::Now(done, _) => done,
        other => panic!("{other:?}"),
    }
}

fn duplicates(done: &SubmittedCompensations) -> Vec<bool> {
    done.items.iter().map(|item| item.duplicate).collect()
}

fn behind(proxy: &MoodyProxy, database: &TestDatabase) -> Store {
    let settings = StoreSettings {
        url: proxy.url(database.url()),
        pool_size: 2,
    };
    Store::connect(settings).expect("a pool")
}

/// Calls everything once, for the plans.
pub(crate) async fn exercise(store: &Store) {
    for _ in 0..2 {
        let mut some = call(&["p-1", "p-2", "p-3"]);
        some.group = Some(group::grouped("plans", false));
        submit(store, some).await;
    }
    let done = submit(store, call(&["p-2"])).await;
    let id = done.items[0].id;
    let group = submit(store, group::of("plans", &["p-4"])).await.group_id;
    let owned = CompensationReach {
        user: Some(actor("acme").user),
        ..reach()
    };
    for reach in [reach(), owned] {
        store.compensation(&reach, id, 1 << 20).await.expect("read");
        let group = group.expect("a group");
        store.compensation_group(&reach, group).await.expect("read");
        for filter in list::every_kind_of_filter(group) {
            let before = Some(CompensateBizId(1 << 40));
            let listed = store.compensations(&reach, filter, before, 20).await;
            listed.expect("listed");
        }
    }
    acts::exercise(store, id).await;
    let minute = Duration::from_secs(60);
    let open = store.open_by_tenant(&lane(), minute, 10).await;
    open.expect("read");
    let mut later = call(&["p-5"]);
    later.items[0].due = Due::At(DateTime::UNIX_EPOCH);
    submit(store, later).await;
}

/// The values go to the server as literals of a text.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_whatever_characters_is_stored_as_it_was_sent() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let mut contexts: Vec<String> = [
        r"'); DROP TABLE compensate_biz; -- ",
        r"\'), (\\",
        "\0\u{1a}\u{8}\r\n\t\"`%_?:@a",
        "\u{bf5c}\u{27}\u{5c}表縗\u{1f4a5}\u{10ffff}",
    ]
    .map(str::to_owned)
    .into();
    let each = (0..0x2_000).chain(0xFE00..0x1_0100);
    contexts.push(each.filter_map(char::from_u32).collect());
    contexts.push(r"\'".repeat(500_000));
    let mut all = call(&[]);
    for (place, context) in contexts.iter().enumerate() {
        all.items.push(NewCompensation {
            context: context.clone(),
            ..item(&format!("{place}-\\'"))
        });
    }
    all.trace_context = Some(r"00-\'-01".to_owned());
    submit(&store, all).await;
    let stored: Vec<(String, String, String)> = database
        .query("SELECT biz_id, context, trace_context FROM compensate_biz ORDER BY id")
        .await;
    let expected = contexts.into_iter().enumerate();
    let expected = expected.map(|(place, context)| {
        let trace = r"00-\'-01".to_owned();
        (format!("{place}-\\'"), context, trace)
    });
    assert!(stored.into_iter().eq(expected), "some text was altered");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_call_submits_is_there_once_due_now_announced_and_to_be_rung() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let done = submit(&store, call(&["b", "c", "a"])).await;
    assert_eq!(duplicates(&done), [false; 3]);
    let row: (String, String, String, u8, bool, bool, Option<u32>) = database
        .one(
            "SELECT status, lane, context, priority, announced, \
             wake_at > UTC_TIMESTAMP(6) + INTERVAL 50 SECOND, max_cnt \
             FROM compensate_biz WHERE biz_id = 'b' AND created_by = '7' AND tenant = 'acme'",
        )
        .await;
    let context = item("b").context;
    let told = ("WAIT_HANDLE".to_owned(), lane().to_string(), context);
    assert_eq!(row, (told.0, told.1, told.2, 3, true, true, None));

    let ids: Vec<(u64, String)> = database
        .query("SELECT id, biz_id FROM compensate_biz")
        .await;
    for (biz_id, item) in ["b", "c", "a"].iter().zip(&done.items) {
        assert!(ids.contains(&(item.id.0, (*biz_id).to_owned())), "{ids:?}");
        assert_eq!(item.status, BizStatus::WaitHandle);
    }
    let rung: Vec<_> = done.rung.iter().map(|(_, row)| row.rung).collect();
    let claimed = store.claim_rung(&lane(), &rung, &terms("one")).await;
    assert_eq!(claimed.expect("claimed").claimed.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_and_what_stands_twice_in_a_call_is_a_duplicate_and_the_rest_is_new() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let first = submit(&store, call(&["a", "b"])).await;
    let mut second = call(&["c", "a", "c", "d"]);
    second.items[2].context = "{}".to_owned();
    let second = submit(&store, second).await;
    assert_eq!(duplicates(&second), [false, true, true, false]);
    assert_eq!(second.items[1].id, first.items[0].id);
    assert_eq!(second.items[2].id, second.items[0].id, "the first stands");
    assert_eq!(second.rung.len(), 2, "a duplicate is not rung");
    assert_eq!(database.query::<String>(KEYS).await, ["a", "b", "c", "d"]);
    let kept: String = database
        .one("SELECT context FROM compensate_biz WHERE biz_id = 'c'")
        .await;
    assert_eq!(kept, item("c").context);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_and_two_kinds_have_the_same_biz_id_each() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let mut of_another = call(&["a"]);
    of_another.actor = actor("globex");
    let mut of_another_kind = call(&["a", "a"]);
    of_another_kind.items[1].biz_type = BizType::parse("notice").expect("a name");
    submit(&store, of_another).await;
    let done = submit(&store, of_another_kind).await;
    assert_eq!(duplicates(&done), [false, false]);
    assert_eq!(database.query::<String>(KEYS).await, ["a", "a", "a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_of_a_row_that_a_plain_client_inserted_is_found_whatever_it_padded() {
    let database = TestDatabase::create().await;
    database
        .execute(
            "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, status) \
             VALUES ('acme', 'grant', 'a  ', '{}', 'SUCCESS')",
        )
        .await;
    let done = submit(&database.store(), call(&["a", "b"])).await;
    assert_eq!(duplicates(&done), [true, false]);
    assert_eq!(done.items[0].status, BizStatus::Success);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_items_are_accepted_at_once_and_found_again_one_by_one() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let keys: Vec<String> = (0..10_000)
        .map(|n| format!("m-{}", n * 7919 % 10_007))
        .collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let done = submit(&store, call(&keys)).await;
    assert_eq!((done.duplicates(), done.rung.len()), (0, 10_000));
    let rows: Vec<(u64, String)> = database
        .query("SELECT id, biz_id FROM compensate_biz")
        .await;
    let rows: std::collections::HashMap<u64, String> = rows.into_iter().collect();
    for (key, item) in keys.iter().zip(&done.items) {
        assert_eq!(rows.get(&item.id.0).map(String::as_str), Some(*key));
    }
    let again = submit(&store, call(&keys)).await;
    assert_eq!((again.duplicates(), again.rung.len()), (10_000, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_calls_with_the_same_keys_at_once_each_row_is_one_calls() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let keys: Vec<String> = (0..300).map(|n| format!("k{n}")).collect();
    let sent = (0..8).map(|turn| {
        let mut keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        keys.rotate_left(turn * 37);
        submit(&store, call(&keys))
    });
    let done = futures::future::join_all(sent).await;
    let new: usize = done.iter().map(|done| 300 - done.duplicates()).sum();
    assert_eq!(new, 300, "each is new to one call");
    assert_eq!(database.query::<String>(KEYS).await.len(), 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_later_waits_silently_and_what_was_due_before_is_due_now() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let now: chrono::NaiveDateTime = chrono::NaiveDateTime::parse_from_str(
        &database
            .one::<String>("SELECT CAST(UTC_TIMESTAMP(6) AS CHAR)")
            .await,
        "%Y-%m-%d %H:%M:%S%.f",
    )
    .expect("a time");
    let mut some = call(&["delayed", "later", "past"]);
    some.items[0].due = Due::After(Duration::from_secs(30));
    some.items[1].due = Due::At(now.and_utc() + Duration::from_secs(3_600));
    some.items[2].due = Due::At(now.and_utc() - Duration::from_secs(3_600));
    let done = submit(&store, some).await;
    assert_eq!(done.rung.len(), 1);
    assert_eq!(done.rung[0].1.rung.id, done.items[2].id);
    let rows: Vec<(String, bool, i64)> = database
        .query(
            "SELECT biz_id, announced, \
             ROUND(TIMESTAMPDIFF(SECOND, created_at, wake_at) / 10) * 10 \
             FROM compensate_biz ORDER BY biz_id",
        )
        .await;
    let told = |key: &str, announced, wait| (key.to_owned(), announced, wait);
    assert_eq!(
        rows,
        [
            told("delayed", false, 30),
            told("later", false, 3_600),
            told("past", true, 60)
        ]
    );
    let due = store
        .announce_due(&lane(), 10, Duration::from_secs(5))
        .await;
    assert_eq!(due.expect("announced"), [], "nothing is due yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_commit_was_not_answered_knows_its_rows_by_their_token() {
    let database = TestDatabase::create().await;
    let proxy = MoodyProxy::before(database.url()).await;
    let store = behind(&proxy, &database);
    submit(&store, call(&["b"])).await;
    proxy.cut_next_commits(1);
    let done = submit(&store, call(&["a", "b", "c", "a"])).await;
    assert_eq!(proxy.cuts_left(), 0, "the cut happened");
    assert_eq!(duplicates(&done), [false, true, false, true]);
    assert_eq!(done.rung.len(), 2, "its own are rung");
    assert_eq!(database.query::<String>(KEYS).await, ["a", "b", "c"]);
    let logged = database
        .query::<u64>("SELECT id FROM operation_log WHERE action = 'COMPENSATION_SUBMIT'")
        .await;
    assert_eq!(logged.len(), 2, "one entry a call");
}

#[tokio::test(flavor = "multi_thread")]
async fn gathered_calls_share_a_transaction_and_each_knows_its_rows_whatever_became_of_the_answer()
{
    let database = TestDatabase::create().await;
    let proxy = MoodyProxy::before(database.url()).await;
    let store = behind(&proxy, &database);
    let mut of_another = call(&["a"]);
    of_another.actor = actor("globex");
    let calls = [call(&["a", "b"]), of_another, call(&["b", "c"])];
    proxy.cut_next_commits(1);
    let done = store.submit_gathered(calls.into()).await.expect("accepted");
    assert_eq!(proxy.cuts_left(), 0, "the cut happened");
    let told: Vec<_> = done.iter().map(duplicates).collect();
    assert_eq!(told, [vec![false, false], vec![false], vec![true, false]]);
    assert_eq!(done[2].items[0].id, done[0].items[1].id);
    let rung: Vec<_> = done.iter().map(|done| done.rung.len()).collect();
    assert_eq!(rung, [2, 1, 1]);
    let stored: (u64, u64) = database
        .one("SELECT COUNT(*), COUNT(DISTINCT submit_token) FROM compensate_biz")
        .await;
    assert_eq!(stored, (4, 1));
    let logged: Vec<u64> = database.query("SELECT id FROM operation_log").await;
    assert_eq!(logged.len(), 3, "an entry for each call, once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_and_body_is_answered_as_the_first_time_and_another_body_is_told() {
    let database = TestDatabase::create().await;
    let proxy = MoodyProxy::before(database.url()).await;
    let store = behind(&proxy, &database);
    let first = send(&store, keyed(&["a", "b"], "k", "0")).await;
    let CompensationsOnce::Now(_, Some(answer)) = first else {
        panic!("{first:?}");
    };
    assert_eq!(answer, b"[2,0]");
    let again = send(&store, keyed(&["a", "b"], "k", "0")).await;
    assert_eq!(again, CompensationsOnce::Replayed(answer));
    let other = send(&store, keyed(&["c"], "k", "1")).await;
    assert_eq!(other, CompensationsOnce::KeyReused);

    proxy.cut_next_commits(1);
    let unseen = send(&store, keyed(&["d"], "j", "1")).await;
    assert_eq!(unseen, CompensationsOnce::Remembered(b"[1,0]".to_vec()));
    assert_eq!(database.query::<String>(KEYS).await, ["a", "b", "d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_cannot_be_stored_whole_stores_nothing() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let keys: Vec<String> = (0..1_001).map(|n| format!("k{n}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut some = call(&keys);
    // the last of the second statement
    some.items[7].biz_id = BizId::stored("z".repeat(129));
    let refused = store.submit_compensations(some).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(database.query::<String>(KEYS).await.is_empty());
    let logged: Vec<u64> = database.query("SELECT id FROM operation_log").await;
    assert!(logged.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_of_a_call_how_much_of_what_and_by_which_request() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let done = submit(&store, call(&["a", "b", "a"])).await;
    let filter = OperationFilter {
        limit: 5,
        ..OperationFilter::default()
    };
    let log = store.operations(&actor("acme").tenant, filter).await;
    let (log, _) = log.expect("read");
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].action, "COMPENSATION_SUBMIT");
    assert_eq!(log[0].object_id, done.items[0].id.to_string());
    assert_eq!(log[0].request_id.as_deref(), Some("r-1"));
    assert_eq!(
        log[0].detail,
        serde_json::json!({"accepted": 2, "duplicates": 1, "biz_types": ["grant"],
            "group_id": null})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn contexts_keep_every_character_and_large_ones_go_in_statements_of_their_own() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let mut some = call(&["a", "b", "c", "d"]);
    for (item, letter) in some.items.iter_mut().zip(["x", "员", "\\u0000", "😀"]) {
        item.context = format!("{{\"text\": \"{}\"}}", letter.repeat(120_000));
    }
    let sent: Vec<String> = some.items.iter().map(|item| item.context.clone()).collect();
    let done = submit(&store, some).await;
    for (item, sent) in done.items.iter().zip(sent) {
        let found = store
            .compensation(&reach(), item.id, 1 << 20)
            .await
            .expect("read");
        let (_, content) = found.expect("it is there");
        assert_eq!(content.context_bytes, sent.len() as u64);
        assert!(content.context == Some(sent), "as it was sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_by_kind_and_id_find_the_one_row() {
    let store = TestDatabase::create().await.store();
    let done = submit(&store, call(&["a", "b"])).await;
    let filter = CompensationFilter {
        biz_type: Some("grant".to_owned()),
        biz_id: Some("b".to_owned()),
        ..CompensationFilter::default()
    };
    let found = store.compensations(&reach(), filter, None, 50).await;
    let (items, next) = found.expect("listed");
    assert_eq!(
        (items.len(), items[0].id, next),
        (1, done.items[1].id, None)
    );
}
