//! Rows of a request that has a key: written once, answered as the first time.

use std::sync::Arc;

use domain::{ImportMode, UserId};
use store::{
    Applied, ApplyRows, ApplyTarget, KeyedRows, RowsOnce, Store, StoreError, StoreSettings,
};
use testkit::{MoodyProxy, TestDatabase};

use super::thing::{a_table, read, rows, target, tenant};

const FIELDS: [&str; 2] = ["code", "name"];

/// A request of user 7; `body` stands for the hash of its fields. The answer tells the counts.
pub(crate) fn keyed_rows(
    key: &str,
    body: &str,
    work: Option<(ApplyTarget, ApplyRows)>,
) -> KeyedRows {
    KeyedRows {
        tenant: tenant("acme"),
        user: UserId::parse("7").expect("a user"),
        request_id: Some("r-7".to_owned()),
        dataset: "thing".to_owned(),
        key: key.to_owned(),
        request_hash: body.repeat(64),
        work,
        reply: Arc::new(|applied: &Applied| {
            serde_json::to_vec(&(applied.inserted, applied.updated, applied.refused.len()))
        }),
    }
}

fn inserting(key: &str, body: &str, codes: &[&str]) -> KeyedRows {
    let given: Vec<[&str; 2]> = codes.iter().map(|code| [*code, "x"]).collect();
    let work = (target(ImportMode::Insert, &FIELDS), rows(&given));
    keyed_rows(key, body, Some(work))
}

async fn send(store: &Store, rows: KeyedRows) -> RowsOnce {
    store.apply_rows_once(rows).await.expect("answered")
}

async fn codes(database: &TestDatabase) -> Vec<String> {
    read(database, "code").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_and_body_is_answered_as_the_first_time_and_another_body_is_told() {
    let database = a_table().await;
    let store = database.store();
    let first = send(&store, inserting("k", "0", &["a", "b"])).await;
    let RowsOnce::Now(Some(applied), answer) = first else {
        panic!("{first:?}");
    };
    assert_eq!(
        (applied.inserted, answer.as_slice()),
        (2, b"[2,0,0]".as_slice())
    );
    for _ in 0..2 {
        let again = send(&store, inserting("k", "0", &["a", "b"])).await;
        assert_eq!(again, RowsOnce::Replayed(answer.clone()));
    }
    let other = send(&store, inserting("k", "1", &["c"])).await;
    assert_eq!(other, RowsOnce::KeyReused);
    assert_eq!(codes(&database).await, ["a", "b"]);
    let mut of_another = inserting("k", "1", &["c"]);
    of_another.user = UserId::parse("8").expect("a user");
    assert!(matches!(send(&store, of_another).await, RowsOnce::Now(..)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_which_no_row_is_good_is_remembered_too() {
    let store = a_table().await.store();
    let first = send(&store, keyed_rows("k", "0", None)).await;
    assert_eq!(
        first,
        RowsOnce::Now(Some(Applied::default()), b"[0,0,0]".to_vec())
    );
    let again = send(&store, keyed_rows("k", "0", None)).await;
    assert_eq!(again, RowsOnce::Replayed(b"[0,0,0]".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_with_one_key_one_is_written_and_all_are_answered_alike() {
    let database = a_table().await;
    let store = database.store_with_pool(8);
    let sent = (0..24).map(|_| send(&store, inserting("k", "0", &["a", "b", "c"])));
    let answers = futures::future::join_all(sent).await;
    let mut written = 0;
    for answer in answers {
        match answer {
            RowsOnce::Now(_, answer) => {
                written += 1;
                assert_eq!(answer, b"[3,0,0]");
            }
            RowsOnce::Replayed(answer) => assert_eq!(answer, b"[3,0,0]"),
            RowsOnce::KeyReused => panic!("the same request"),
        }
    }
    assert_eq!(written, 1);
    assert_eq!(codes(&database).await, ["a", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_has_expired_and_one_whose_request_was_not_accepted_are_free() {
    let database = a_table().await;
    let store = database.store();
    send(&store, inserting("k", "0", &["a"])).await;
    database
        .execute("UPDATE idempotency SET expires_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND")
        .await;
    let later = send(&store, inserting("k", "1", &["b"])).await;
    assert!(matches!(later, RowsOnce::Now(..)), "{later:?}");

    database.execute("RENAME TABLE thing TO elsewhere").await;
    let refused = store.apply_rows_once(inserting("j", "0", &["c"])).await;
    assert!(refused.is_err(), "{refused:?}");
    database.execute("RENAME TABLE elsewhere TO thing").await;
    let mended = send(&store, inserting("j", "1", &["c"])).await;
    assert!(matches!(mended, RowsOnce::Now(..)), "{mended:?}");
    assert_eq!(codes(&database).await, ["a", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_unanswered_commit_the_key_tells_the_answer_and_without_one_nobody_knows() {
    let database = a_table().await;
    let proxy = MoodyProxy::before(database.url()).await;
    let settings = StoreSettings {
        url: proxy.url(database.url()),
        pool_size: 2,
    };
    let store = Store::connect(settings).expect("a pool");
    proxy.cut_next_commits(1);
    let known = send(&store, inserting("k", "0", &["a"])).await;
    assert_eq!(proxy.cuts_left(), 0, "the cut happened");
    assert_eq!(known, RowsOnce::Now(None, b"[1,0,0]".to_vec()));
    let again = send(&store, inserting("k", "0", &["a"])).await;
    assert_eq!(again, RowsOnce::Replayed(b"[1,0,0]".to_vec()));

    proxy.cut_next_commits(1);
    let given = (target(ImportMode::Insert, &FIELDS), rows(&[["b", "x"]]));
    let unknown = store.apply_rows(given.0, given.1).await;
    assert!(
        matches!(unknown, Err(StoreError::UnknownCommit(_))),
        "{unknown:?}"
    );
    assert_eq!(codes(&database).await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_is_kept_small_and_given_back_whole() {
    let database = a_table().await;
    let store = database.store();
    let result = |at| format!("{{\"index\":{at},\"status\":\"FAILED\",\"code\":\"required\"}}");
    let long: Vec<u8> = (0..50_000).flat_map(|at| result(at).into_bytes()).collect();
    let mut request = keyed_rows("k", "0", None);
    let reply = long.clone();
    request.reply = Arc::new(move |_| Ok(reply.clone()));
    send(&store, request.clone()).await;
    let kept: u64 = database.one("SELECT LENGTH(answer) FROM idempotency").await;
    assert!(kept < long.len() as u64 / 4, "{kept} bytes");
    let again = send(&store, request).await;
    assert!(again == RowsOnce::Replayed(long), "as it was");
}
