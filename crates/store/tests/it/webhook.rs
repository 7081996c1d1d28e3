//! Where users want to be called, and what became of the calls.

use std::sync::Arc;
use std::time::Duration;

use domain::{Failure, FailureCode, LeaseEpoch, Tenant, UserId, WebhookEvent};
use store::{
    Actor, DeliveryStatus, DeliveryTry, Effects, Ending, MAX_WEBHOOKS, NewWebhook, Store, Webhook,
    WebhookDelivery, WebhookKey, WebhookMade,
};
use testkit::{TestDatabase, a_lane};

use crate::compensation::actor;
use crate::group_import::settled;
use crate::settle::a_claimed_export;

fn new(actor: Actor, events: &[WebhookEvent], key: Option<&str>) -> NewWebhook {
    NewWebhook {
        actor,
        url: "https://example.com/hook".to_owned(),
        secret: "0123456789abcdef".to_owned(),
        events: events.to_vec(),
        key: key.map(|key| WebhookKey {
            key: key.to_owned(),
            request_hash: "0".repeat(64),
        }),
        reply: Arc::new(|made: &Webhook| Ok(made.id.to_string().into_bytes())),
    }
}

/// A webhook of user 7 of acme; its number.
pub(crate) async fn a_webhook(store: &Store, events: &[WebhookEvent]) -> u64 {
    let made = store.make_webhook(new(actor("acme"), events, None)).await;
    number(made.expect("made"))
}

fn number(made: WebhookMade) -> u64 {
    match made {
        WebhookMade::Now(answer) | WebhookMade::Replayed(answer) => {
            let text = String::from_utf8(answer).expect("digits");
            text.parse().expect("a number")
        }
        WebhookMade::KeyReused | WebhookMade::TooMany => panic!("{made:?}"),
    }
}

fn acme() -> Tenant {
    actor("acme").tenant
}

fn seven() -> UserId {
    actor("acme").user
}

async fn own(store: &Store) -> Vec<u64> {
    let page = store.webhooks(&acme(), &seven(), None, 50).await;
    page.expect("read").items.iter().map(|it| it.id).collect()
}

async fn deliveries(store: &Store, webhook: u64) -> Vec<WebhookDelivery> {
    let page = store
        .webhook_deliveries(&acme(), &seven(), webhook, (None, 50))
        .await;
    page.expect("read").expect("one's own").items
}

/// A task of user 7 fails.
async fn a_task_fails(store: &Store) {
    let row = a_claimed_export(store, &a_lane()).await;
    let failure = Failure::permanent(FailureCode::Internal, "no");
    settled(store, &row, Ending::Failed(failure, Duration::ZERO)).await;
}

fn a_try(delivery: u64, epoch: u64, code: u16, error: Option<&str>) -> DeliveryTry {
    DeliveryTry {
        delivery,
        epoch: LeaseEpoch(epoch),
        code: Some(code),
        error: error.map(str::to_owned),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_so_many_webhooks_and_never_more_however_many_are_made_at_once() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let making = (0..MAX_WEBHOOKS + 6).map(|_| {
        let new = new(actor("acme"), WebhookEvent::ALL, None);
        store.make_webhook(new)
    });
    let made = futures::future::join_all(making).await;
    let made = made.into_iter().map(|it| it.expect("answered"));
    let refused = made.filter(|it| *it == WebhookMade::TooMany).count();
    assert_eq!((own(&store).await.len(), refused), (MAX_WEBHOOKS, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_again_makes_no_second_webhook() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let make = |key: &str, hash: &str| {
        let mut new = new(actor("acme"), WebhookEvent::ALL, Some(key));
        if let Some(key) = &mut new.key {
            key.request_hash = hash.repeat(64);
        }
        store.make_webhook(new)
    };
    let at_once = futures::future::join_all((0..4).map(|_| make("k", "0"))).await;
    let at_once = at_once.into_iter().map(|it| it.expect("answered"));
    let at_once: Vec<WebhookMade> = at_once.collect();
    let now = at_once
        .iter()
        .filter(|it| matches!(it, WebhookMade::Now(_)));
    assert_eq!(now.count(), 1, "{at_once:?}");
    assert_eq!(own(&store).await.len(), 1);
    assert_eq!(
        make("k", "1").await.expect("answered"),
        WebhookMade::KeyReused
    );
    // Nor is a key spent on what was refused.
    for _ in 1..MAX_WEBHOOKS {
        a_webhook(&store, WebhookEvent::ALL).await;
    }
    assert_eq!(
        make("l", "0").await.expect("answered"),
        WebhookMade::TooMany
    );
    let replayed = make("k", "0").await.expect("answered");
    assert!(matches!(replayed, WebhookMade::Replayed(_)));
    let gone = own(&store).await[0];
    assert!(
        store
            .delete_webhook(&actor("acme"), gone)
            .await
            .expect("done")
    );
    let made = make("l", "0").await.expect("answered");
    assert!(matches!(made, WebhookMade::Now(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_its_owners_alone() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let webhook = a_webhook(&store, WebhookEvent::ALL).await;
    a_task_fails(&store).await;
    for (tenant, user) in [("acme", "8"), ("globex", "7")] {
        let actor = Actor {
            tenant: Tenant::parse(tenant).expect("a name"),
            user: UserId::parse(user).expect("a name"),
            request_id: None,
        };
        assert!(!store.delete_webhook(&actor, webhook).await.expect("done"));
        let page = store.webhooks(&actor.tenant, &actor.user, None, 50).await;
        assert_eq!(page.expect("read").items, []);
        let page = store.webhook_deliveries(&actor.tenant, &actor.user, webhook, (None, 50));
        assert!(page.await.expect("read").is_none());
        let call = store.webhook_call(&actor.tenant, 1).await.expect("read");
        assert_eq!(
            call.is_some(),
            tenant == "acme",
            "the worker knows no users"
        );
    }
    assert!(
        store
            .delete_webhook(&actor("acme"), webhook)
            .await
            .expect("done")
    );
    assert!(
        !store
            .delete_webhook(&actor("acme"), webhook)
            .await
            .expect("done")
    );
    let call = store.webhook_call(&acme(), 1).await.expect("read");
    assert!(call.is_none(), "nobody is called any more");
    let log: Vec<String> = database
        .query("SELECT action FROM operation_log WHERE object_kind = 'WEBHOOK' ORDER BY id")
        .await;
    assert_eq!(log, ["WEBHOOK_CREATE", "WEBHOOK_DELETE"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_called_for_the_events_that_it_names() {
    let store = TestDatabase::create().await.store();
    let success = a_webhook(&store, &[WebhookEvent::TaskSuccess]).await;
    let others = [WebhookEvent::TaskFailed, WebhookEvent::TaskCancelled];
    let others = a_webhook(&store, &others).await;
    a_task_fails(&store).await;
    assert_eq!(deliveries(&store, success).await, []);
    let row = a_claimed_export(&store, &a_lane()).await;
    settled(&store, &row, Ending::Finished(Effects::none())).await;
    let event =
        |made: Vec<WebhookDelivery>| made.into_iter().map(|it| it.event).collect::<Vec<_>>();
    assert_eq!(event(deliveries(&store, success).await), ["TASK_SUCCESS"]);
    assert_eq!(event(deliveries(&store, others).await), ["TASK_FAILED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_tells_of_its_tries_and_a_late_worker_writes_over_nothing() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let webhook = a_webhook(&store, WebhookEvent::ALL).await;
    a_task_fails(&store).await;
    let one = || async { deliveries(&store, webhook).await.remove(0) };
    let born = one().await;
    assert_eq!((born.status, born.attempts), (DeliveryStatus::Pending, 0));
    for made in [
        a_try(born.id, 1, 503, Some("the service answered 503")),
        a_try(born.id, 1, 500, Some("twice noted")),
        a_try(born.id, 3, 429, Some("the service answered 429")),
        a_try(born.id, 2, 500, Some("late")),
    ] {
        store.note_delivery_try(&acme(), made).await.expect("noted");
    }
    let tried = one().await;
    assert_eq!((tried.status, tried.attempts), (DeliveryStatus::Pending, 2));
    assert_eq!(tried.code, Some(429));
    assert!(tried.error.is_some() && tried.attempted_at.is_some());

    let row = "biz_type = 'notify' AND biz_id = 'delivery/1'";
    for (status, shown) in [
        ("PROCESSING", DeliveryStatus::Pending),
        ("FAILED", DeliveryStatus::Failed),
        ("CANCELLED", DeliveryStatus::Failed),
    ] {
        let sql = format!("UPDATE compensate_biz SET status = '{status}' WHERE {row}");
        database.execute(&sql).await;
        assert_eq!(one().await.status, shown);
    }
    let made = a_try(born.id, 4, 204, None);
    store.note_delivery_try(&acme(), made).await.expect("noted");
    let done = one().await;
    assert_eq!((done.status, done.attempts), (DeliveryStatus::Delivered, 3));
    assert_eq!((done.code, done.error), (Some(204), None));
    assert!(done.delivered_at.is_some());
    let sql = format!("DELETE FROM compensate_biz WHERE {row}");
    database.execute(&sql).await;
    assert_eq!(one().await.status, DeliveryStatus::Delivered);
}

/// Everything once, for `plans`; user 7 has webhooks and a task that has ended.
pub(crate) async fn exercise(store: &Store) {
    let webhook = own(store).await[0];
    let keyed = || new(actor("acme"), WebhookEvent::ALL, Some("k"));
    for _ in 0..2 {
        store.make_webhook(keyed()).await.expect("answered");
    }
    let delivery = deliveries(store, webhook).await.remove(0).id;
    let call = store.webhook_call(&acme(), delivery).await;
    call.expect("read").expect("one's own");
    let made = a_try(delivery, 1, 500, Some("no"));
    store.note_delivery_try(&acme(), made).await.expect("noted");
    let walked = store.drop_old_deliveries(0, Duration::from_secs(1)).await;
    walked.expect("walked");
    store
        .delete_webhook(&actor("acme"), webhook)
        .await
        .expect("done");
}
