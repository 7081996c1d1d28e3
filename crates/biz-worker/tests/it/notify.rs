//! Kind `notify`: the real worker, a real mail server and a real HTTP server.

mod mails;
mod secured;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use biz_worker::Call;
use domain::{Tenant, UserId, WebhookEvent};
use secrecy::SecretString;
use serde_json::{Value, json};
use store::{
    Actor, DeliveryStatus, Effects, Ending, NewWebhook, NotificationSettings, Store, Story,
    WebhookDelivery, WebhookMade,
};
use testkit::{a_lane, an_export, terms};

use crate::house::{House, Worker, done};
use crate::service::{SECRET, Service};
use mails::{Mail, Mails, Manner};

const NOTIFY: &str = r#"
kind = "notify"
[notify]
link = "https://quay.example/tasks/{id}"
private_ranges = ["127.0.0.0/8"]
"#;

/// What the owner of a webhook is told of an address that is not called.
const CLOSED: &str = "the address cannot be called";

const EMAIL: &str = "[notify.email]\nfrom = \"quay@example.com\"\ndomains = [\"example.com\"]\n";

fn defined(house: &House) {
    house.define("notify", &format!("{NOTIFY}{EMAIL}"));
    for lane in ["quayside.biz.notify.email", "quayside.biz.notify.webhook"] {
        house.add_topics(lane);
    }
}

/// A worker that sends mail to this server.
fn work(house: &House, mails: &Mails, tls: &str) -> Worker {
    let port = mails.port.to_string();
    house.work_with(&[
        ("QUAYSIDE__SMTP__HOST", "127.0.0.1"),
        ("QUAYSIDE__SMTP__PORT", &port),
        ("QUAYSIDE__SMTP__TLS", tls),
    ])
}

fn seven() -> Actor {
    Actor {
        tenant: Tenant::parse("acme").unwrap(),
        user: UserId::parse("7").unwrap(),
        request_id: None,
    }
}

/// User 7 is to be called there.
async fn a_webhook(store: &Store, url: String) -> u64 {
    let made = store
        .make_webhook(NewWebhook {
            actor: seven(),
            url,
            secret: SECRET.to_owned(),
            events: WebhookEvent::ALL.to_vec(),
            key: None,
            reply: Arc::new(|made| Ok(made.id.to_string().into_bytes())),
        })
        .await;
    match made.unwrap() {
        WebhookMade::Now(id) => String::from_utf8(id).unwrap().parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// An export of user 7 ends well; its number.
async fn an_export_ends(store: &Store, name: &str) -> u64 {
    let lane = a_lane();
    let mut export = an_export(&lane);
    export.name = name.to_owned();
    let rung = store.submit_export(export).await.unwrap().rung;
    let claimed = store.claim_rung(&lane, &[rung], &terms("one")).await;
    let row = claimed.unwrap().claimed.remove(0);
    let ending = Ending::Finished(Effects::none());
    let settled = store.settle_held(&row.lease, ending, Story::default());
    settled.await.unwrap();
    row.task_id.unwrap().0
}

async fn deliveries(store: &Store, webhook: u64) -> Vec<WebhookDelivery> {
    let Actor { tenant, user, .. } = seven();
    let page = store.webhook_deliveries(&tenant, &user, webhook, (None, 50));
    page.await.unwrap().unwrap().items
}

/// Kind and params of what stands in user 7's inbox.
async fn inbox(house: &House) -> Vec<(String, Value)> {
    let rows: Vec<(String, String)> = house
        .database
        .query(
            "SELECT kind, params FROM notification WHERE tenant = 'acme' \
             AND recipient_kind = 'USER' AND recipient = '7' ORDER BY id",
        )
        .await;
    let read = |(kind, params): (String, String)| (kind, serde_json::from_str(&params).unwrap());
    rows.into_iter().map(read).collect()
}

/// What a mail says: its subject's encoded words and its text, read as a mail program does.
fn read(mail: &Mail) -> (String, String) {
    let (head, text) = mail.text.split_once("\r\n\r\n").unwrap();
    let head = head.replace("\r\n ", "");
    let subject = head.lines().find_map(|it| it.strip_prefix("Subject: "));
    let words = subject.unwrap().split("?=").filter(|it| !it.is_empty());
    let words = words.map(|word| STANDARD.decode(word.strip_prefix("=?UTF-8?B?").unwrap()));
    let words: Vec<String> = words
        .map(|word| String::from_utf8(word.unwrap()).unwrap())
        .collect();
    let text: Vec<u8> = text
        .lines()
        .flat_map(|line| STANDARD.decode(line).unwrap())
        .collect();
    (words.join(""), String::from_utf8(text).unwrap())
}

fn header<'m>(mail: &'m Mail, name: &str) -> Vec<&'m str> {
    let head = mail.text.split("\r\n\r\n").next().unwrap().lines();
    head.filter_map(|line| line.strip_prefix(name)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_task_is_told_by_inbox_mail_and_webhook_in_the_tasks_language() {
    let (house, service) = (House::open().await, Service::open().await);
    let mails = Mails::open().await;
    defined(&house);
    let store = house.database.store();
    let settings = NotificationSettings {
        in_app: true,
        email: Some("seven@example.com".to_owned()),
    };
    store
        .set_notification_settings(&seven(), &settings)
        .await
        .unwrap();
    let url = format!("http://127.0.0.1:{}/answer/503/200", service.port);
    let webhook = a_webhook(&store, url).await;
    // A name that would like to be a header of a mail.
    let task = an_export_ends(&store, "员工信息\r\nBcc: x@example.com").await;
    let _worker = work(&house, &mails, "none");

    let rows = house.all_ended("notify").await;
    let ended: Vec<&str> = rows.iter().map(|(_, status, _)| status.as_str()).collect();
    assert_eq!(ended, ["SUCCESS"; 3], "{rows:?}");
    let (title, link) = (
        "导出完成：员工信息  Bcc: x@example.com",
        format!("https://quay.example/tasks/{task}"),
    );

    let told = inbox(&house).await;
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].0.as_str(), &told[0].1["title"]),
        ("TASK_END", &json!(title))
    );
    assert_eq!(told[0].1["task"], task.to_string());
    assert_eq!(told[0].1["link"], link);

    let mail = mails.taken().remove(0);
    assert_eq!(
        (mail.from.as_str(), mail.to.as_str()),
        ("quay@example.com", "seven@example.com")
    );
    let (subject, text) = read(&mail);
    assert_eq!(subject, title);
    assert!(text.starts_with(title) && text.contains(&link), "{text}");
    assert_eq!(header(&mail, "Bcc:"), Vec::<&str>::new());
    assert_eq!(header(&mail, "Message-ID: ").len(), 1);
    assert_eq!(mails.taken().len(), 1);

    let calls = service.calls("/answer/503/200");
    assert_eq!(calls.len(), 2, "the first was answered 503");
    let call = Call {
        key: calls[1].headers["idempotency-key"].clone(),
        tenant: calls[1].headers["x-quayside-tenant"].clone(),
        body: calls[1].body.clone(),
    };
    let at: i64 = calls[1].headers["x-quayside-timestamp"].parse().unwrap();
    let signature = call.signature(&SecretString::from(SECRET), at);
    assert_eq!(calls[1].headers["x-quayside-signature"], signature);
    assert_eq!(
        calls[0].headers["idempotency-key"], call.key,
        "the same for every try"
    );
    let body: Value = serde_json::from_str(&call.body).unwrap();
    assert_eq!(body["event"], "TASK_SUCCESS");
    assert_eq!(body["task"]["id"], task.to_string());
    assert_eq!(body["task"]["status"], "SUCCESS");
    assert_eq!(
        (&body["subject"], &body["link"]),
        (&json!(title), &json!(link))
    );

    let made = deliveries(&store, webhook).await.remove(0);
    assert_eq!((made.status, made.attempts), (DeliveryStatus::Delivered, 2));
    assert_eq!((made.code, made.error), (Some(200), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_cannot_be_told_is_given_up_without_a_letter_and_its_owner_sees_why() {
    let (house, service) = (House::open().await, Service::open().await);
    let mails = Mails::open().await;
    defined(&house);
    let store = house.database.store();
    let at = |path: &str| format!("http://127.0.0.1:{}{path}", service.port);
    let cases = [
        (at("/answer/500"), 3, Some(500), "the answer was no"),
        (at("/answer/410"), 1, Some(410), "the answer was no"),
        (
            at("/to/127.0.0.1:1"),
            1,
            Some(302),
            "redirects are not followed",
        ),
        (at("/hang"), 3, None, "no whole answer in time"),
        (at("/drip"), 3, Some(200), "no whole answer"),
        // The definition opens no such address.
        ("http://10.0.0.1/".to_owned(), 1, None, CLOSED),
        // What was stored is looked at anew.
        (at("/answer/201").replace("//", "//me:pw@"), 1, None, CLOSED),
        ("http://nobody.invalid/".to_owned(), 3, None, CLOSED),
    ];
    let mut webhooks = Vec::new();
    for (url, ..) in &cases {
        webhooks.push(a_webhook(&store, url.clone()).await);
    }
    let gone = a_webhook(&store, at("/answer/200")).await;
    an_export_ends(&store, "x.xlsx").await;
    assert!(store.delete_webhook(&seven(), gone).await.unwrap());
    let _worker = work(&house, &mails, "none");

    let rows = house.all_ended("notify").await;
    assert_eq!(rows.len(), cases.len() + 1);
    for ((url, attempts, code, error), webhook) in cases.iter().zip(webhooks) {
        let made = deliveries(&store, webhook).await.remove(0);
        let told = made.error.unwrap_or_default();
        assert_eq!(
            (made.status, made.attempts),
            (DeliveryStatus::Failed, *attempts),
            "{url}"
        );
        assert_eq!(made.code, *code, "{url}");
        assert_eq!(told, *error, "{url}");
    }
    let well = rows
        .iter()
        .filter(|(_, status, _)| status == "SUCCESS")
        .count();
    assert_eq!(well, 1, "nobody is called who took the webhook away");
    assert_eq!(service.calls("/answer/200").len(), 0);
    assert_eq!(service.calls("/answer/201").len(), 0);
    assert_eq!(house.letters("notify").await, []);
    let paused: u64 = house
        .database
        .one("SELECT COUNT(*) FROM lane WHERE state <> 'OPEN'")
        .await;
    assert_eq!(paused, 0, "nor does it speak against the lane");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_hangs_delays_no_call_of_another_host() {
    let (house, hangs, well) = (
        House::open().await,
        Service::open().await,
        Service::open().await,
    );
    let mails = Mails::open().await;
    house.define(
        "notify",
        &NOTIFY.replace("[notify]", "concurrency = 4\n[notify]"),
    );
    house.add_topics("quayside.biz.notify.webhook");
    let store = house.database.store();
    let hanging = a_webhook(&store, format!("http://127.0.0.1:{}/hang", hangs.port)).await;
    a_webhook(&store, format!("http://127.0.0.1:{}/answer/200", well.port)).await;
    for number in 0..12 {
        an_export_ends(&store, &format!("{number}.xlsx")).await;
    }
    let _worker = work(&house, &mails, "none");
    testkit::eventually("the other host to have been called", async || {
        (well.calls("/answer/200").len() == 12).then_some(())
    })
    .await;
    assert!(hangs.open_connections() <= 1, "a quarter of all calls");
    let waiting = deliveries(&store, hanging).await.into_iter();
    let waiting = waiting.filter(|it| it.status == DeliveryStatus::Pending);
    assert!(waiting.count() > 6, "they wait and have lost nothing");
}

fn a_mail(to: &str) -> String {
    let about = json!({"text": {"subject": "s", "text": "one line and no more"}});
    json!({"channel": "email", "to": to, "about": about}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_tried_again_where_the_server_is_at_fault_and_given_up_where_the_address_is() {
    let house = House::open().await;
    let mails = Mails::open().await;
    defined(&house);
    let _worker = work(&house, &mails, "none");
    for (biz_id, to) in [
        ("1 good", "good@example.com"),
        ("2 later", "later@example.com"),
        ("3 never", "never@example.com"),
        ("4 nobody", "nobody@example.com"),
        ("5 elsewhere", "good@elsewhere.example"),
        ("6 no address", "good"),
    ] {
        house.ask("notify", biz_id, &a_mail(to)).await;
    }
    let told = house.all_ended("notify").await;
    let told: Vec<(&str, &str)> = told
        .iter()
        .map(|it| (it.0.as_str(), it.1.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("1 good", "SUCCESS"),
            ("2 later", "SUCCESS"),
            ("3 never", "FAILED"),
            ("4 nobody", "FAILED"),
            ("5 elsewhere", "FAILED"),
            ("6 no address", "FAILED"),
        ]
    );
    let letters = house.letters("notify").await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(
        letters[0].1.contains("the mail server answered 451"),
        "{letters:?}"
    );
    let mut to: Vec<String> = mails.taken().into_iter().map(|it| it.to).collect();
    to.sort_unstable();
    assert_eq!(to, ["good@example.com", "later@example.com"]);
    assert_eq!((mails.tries("later@"), mails.tries("never@")), (2, 3));
    assert_eq!(
        (mails.tries("nobody@"), mails.tries("good@elsewhere")),
        (1, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_offers_no_tls_is_told_nothing_where_tls_is_asked_for() {
    let house = House::open().await;
    let mails = Mails::open().await;
    defined(&house);
    let _worker = work(&house, &mails, "starttls");
    house.ask("notify", "1", &a_mail("good@example.com")).await;
    let told = house.all_ended("notify").await;
    assert_eq!(told[0].1, "FAILED");
    assert_eq!((mails.taken().len(), mails.tries("good@")), (0, 0));
    assert_eq!(house.letters("notify").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_is_silent_holds_up_no_other_way_of_telling() {
    let house = House::open().await;
    let mails = Mails::serving(Manner::Silent).await;
    defined(&house);
    let store = house.database.store();
    let settings = NotificationSettings {
        in_app: true,
        email: Some("seven@example.com".to_owned()),
    };
    store
        .set_notification_settings(&seven(), &settings)
        .await
        .unwrap();
    an_export_ends(&store, "x.xlsx").await;
    let _worker = work(&house, &mails, "none");
    let rows = house.all_ended("notify").await;
    let of = |way: &str| rows.iter().find(|it| it.0.ends_with(way)).unwrap();
    assert_eq!(of("/inbox").1, "SUCCESS");
    assert_eq!(
        (of("/email").1.as_str(), inbox(&house).await.len()),
        ("FAILED", 1)
    );
    let letters = house.letters("notify").await;
    assert!(letters[0].1.contains("in time"), "{letters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_mails_for_a_server_that_is_silent_hold_up_no_inbox() {
    let house = House::open().await;
    let mails = Mails::serving(Manner::Silent).await;
    defined(&house);
    let about = json!({"text": {"subject": "s", "text": "t"}});
    let mail = json!({"channel": "email", "to": "seven@example.com", "about": about});
    // more than a worker has in hand at once
    for number in 0..100 {
        let sql = format!(
            "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, lane) VALUES \
             ('acme', 'notify', 'm{number}', '{mail}', 'quayside.biz.notify.email')"
        );
        house.database.execute(&sql).await;
    }
    let _worker = work(&house, &mails, "none");
    testkit::eventually("mails are under way", async || {
        let rows = house.rows("notify").await;
        rows.iter().any(|row| row.1 == "PROCESSING").then_some(())
    })
    .await;
    let words = json!({"channel": "inbox", "user": "7", "about": about});
    house.ask("notify", "words", &words.to_string()).await;
    testkit::eventually("the inbox goes on", async || {
        (!inbox(&house).await.is_empty()).then_some(())
    })
    .await;
    let open = house.rows("notify").await;
    let open = open.iter().filter(|row| row.1 != "SUCCESS").count();
    assert_eq!(open, 100, "not a mail went out meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_own_words_come_to_the_inbox_once_and_rubbish_becomes_a_letter() {
    let house = House::open().await;
    let mails = Mails::open().await;
    defined(&house);
    let _worker = work(&house, &mails, "none");
    let about = json!({"text": {"subject": "tonight", "text": "we close at ten"}});
    let words = json!({"channel": "inbox", "user": "7", "about": about});
    house.ask("notify", "1", &words.to_string()).await;
    let pigeon = json!({"channel": "pigeon", "user": "7", "about": about});
    house.ask("notify", "2", &pigeon.to_string()).await;
    let rows = house.all_ended("notify").await;
    assert_eq!(rows[0], done("1"));
    let told = inbox(&house).await;
    let params = json!({"title": "tonight", "text": "we close at ten"});
    assert_eq!(told, [("MESSAGE".to_owned(), params)]);
    let letters = house.letters("notify").await;
    assert_eq!((letters.len(), letters[0].0.as_str()), (1, "2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_without_a_server_or_with_a_password_in_the_open_keeps_it_from_starting() {
    for (settings, told) in [
        (vec![], "notify.toml:1: smtp.host is not set"),
        (
            vec![
                ("QUAYSIDE__SMTP__HOST", "127.0.0.1"),
                ("QUAYSIDE__SMTP__TLS", "none"),
                ("QUAYSIDE__SMTP__USER", "quay"),
            ],
            "notify.toml:1: smtp.tls is none",
        ),
    ] {
        let house = House::open().await;
        defined(&house);
        let ended = house.work_with(&settings).ended().await;
        assert_eq!(ended.code(), Some(1));
        let log = house.log();
        assert!(log.contains(told), "{told}: {log}");
    }
}
