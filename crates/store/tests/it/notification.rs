//! What people are told.

use domain::{NotificationKind, Recipient, Tenant, UserId};
use store::{Effects, Ending, Inbox, NewNotification, Notification, Store};
use testkit::{TestDatabase, a_lane};

use crate::dead_letter::{acme, house};
use crate::group_import::settled;
use crate::settle::a_claimed_export;

fn operators() -> Recipient {
    Recipient::Role("OPERATOR".to_owned())
}

fn news(key: &str, recipient: Recipient) -> NewNotification {
    NewNotification {
        recipient,
        kind: NotificationKind::DeadLetters,
        key: key.to_owned(),
        params: serde_json::json!({"reason": key}),
    }
}

/// Told with the finish of a row of tenant acme.
async fn tell(store: &Store, new: NewNotification) {
    let row = a_claimed_export(store, &a_lane()).await;
    let effects = Effects::new(move |tx| {
        let new = new.clone();
        Box::pin(async move { tx.notify(&new).await })
    });
    settled(store, &row, Ending::Finished(effects)).await;
}

fn inboxes(tenants: &[Tenant], of: &[Recipient]) -> Vec<Inbox> {
    let of_tenant = |tenant: &Tenant| {
        let tenant = tenant.clone();
        of.iter().map(move |recipient| Inbox {
            tenant: tenant.clone(),
            recipient: recipient.clone(),
        })
    };
    tenants.iter().flat_map(of_tenant).collect()
}

async fn inbox(store: &Store, tenants: &[Tenant], of: &[Recipient]) -> Vec<Notification> {
    let page = store.notifications(&inboxes(tenants, of), None, 50).await;
    page.expect("read").items
}

async fn read(
    store: &Store,
    tenants: &[Tenant],
    of: &[Recipient],
    id: u64,
) -> Option<Notification> {
    let read = store.read_notification(&inboxes(tenants, of), id).await;
    read.expect("answered")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_again_is_counted_and_unread_again() {
    let store = TestDatabase::create().await.store();
    let all = [operators()];
    tell(&store, news("internal", operators())).await;
    let first = inbox(&store, &acme(), &all).await.remove(0);
    assert_eq!((first.count, first.read_at), (1, None));
    assert_eq!(first.params, serde_json::json!({"reason": "internal"}));

    let once = read(&store, &acme(), &all, first.id).await;
    let once = once.expect("theirs");
    assert!(once.read_at.is_some());
    assert_eq!(read(&store, &acme(), &all, first.id).await, Some(once));

    tell(&store, news("internal", operators())).await;
    tell(&store, news("timed_out", operators())).await;
    let all = inbox(&store, &acme(), &all).await;
    let told: Vec<_> = all.iter().map(|it| (it.count, it.read_at)).collect();
    assert_eq!(told, [(1, None), (2, None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_who_tell_the_same_at_once_are_one_entry_that_counts_eight() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let telling = (0..8).map(|_| tell(&store, news("internal", operators())));
    futures::future::join_all(telling).await;
    let told = inbox(&store, &acme(), &[operators()]).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].count, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_is_its_recipients_alone() {
    let store = TestDatabase::create().await.store();
    let user = |name: &str| Recipient::User(UserId::parse(name).expect("a name"));
    tell(&store, news("a", operators())).await;
    tell(&store, news("a", user("7"))).await;
    let mine = inbox(&store, &acme(), &[user("7"), operators()]).await;
    assert_eq!(mine.len(), 2);
    let id = mine[1].id;
    assert_eq!(mine[1].recipient, "OPERATOR");
    for (tenants, of) in [
        (acme(), vec![user("8"), user("OPERATOR")]),
        (house(), vec![user("7"), operators()]),
    ] {
        assert_eq!(inbox(&store, &tenants, &of).await, []);
        assert_eq!(read(&store, &tenants, &of, id).await, None);
    }
    let page = store
        .notifications(
            &inboxes(&acme(), &[user("7"), operators()]),
            Some(mine[0].id),
            1,
        )
        .await
        .expect("read");
    assert_eq!((page.items[0].id, page.more), (id, false));
}

/// Calls everything once, for `plans`.
pub(crate) async fn exercise(store: &Store) {
    tell(store, news("internal", operators())).await;
    let told = inbox(store, &acme(), &[operators()]).await;
    read(store, &acme(), &[operators()], told[0].id).await;
}
