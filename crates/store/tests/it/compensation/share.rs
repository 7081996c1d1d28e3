//! Whose the open rows of a lane are.

use std::time::Duration;

use store::Due;
use testkit::{TestDatabase, terms};

use super::{actor, call, lane, submit};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rung_or_at_work_is_told_by_tenant_and_what_is_done_or_due_later_is_not() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let done = submit(&store, call(&["1", "2", "3", "4"])).await;
    let mut other = call(&["1", "2"]);
    other.actor = actor("globex");
    other.items[1].due = Due::After(Duration::from_secs(3_600));
    submit(&store, other).await;
    let minute = Duration::from_secs(60);
    let open = |most| {
        let store = store.clone();
        async move {
            let open = store.open_by_tenant(&lane(), minute, most).await;
            let open = open.expect("read").into_iter();
            let open = open.map(|(tenant, rows)| (tenant.to_string(), rows));
            open.collect::<Vec<_>>()
        }
    };
    let of = |tenant: &str, rows| (tenant.to_owned(), rows);
    assert_eq!(open(100).await, [of("acme", 4), of("globex", 1)]);
    let rung: Vec<_> = done.rung.iter().map(|(_, row)| row.rung).collect();
    let claimed = store.claim_rung(&lane(), &rung[..1], &terms("one")).await;
    assert_eq!(claimed.expect("claimed").claimed.len(), 1);
    assert_eq!(open(100).await, [of("acme", 4), of("globex", 1)]);
    database
        .execute(
            "UPDATE compensate_biz SET status = 'SUCCESS', wake_at = NULL \
             WHERE tenant = 'acme' AND biz_id <> '1'",
        )
        .await;
    assert_eq!(open(100).await, [of("acme", 1), of("globex", 1)]);
    let few = open(1).await;
    assert_eq!(
        few.iter().map(|(_, rows)| rows).sum::<usize>(),
        1,
        "{few:?}"
    );
}
