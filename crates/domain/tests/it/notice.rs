//! What people are told, and who may be told by what way.

use domain::{
    About, HandlerCatalog, HandlerKind, Notice, NotifySpec, TaskEnd, TaskId, TaskKind, TaskStatus,
    UserId, WebhookEvent, is_email_address,
};
use url::Url;

use crate::dataset::shipped;

const NOTIFY: &str = r#"
biz_type = "notify"
kind = "notify"

[notify]
link = "https://quay.example.com/tasks/{id}"
private_ranges = ["10.1.0.0/16"]

[notify.email]
from = "quay@example.com"
domains = ["Example.com"]
"#;

fn read(text: &str) -> HandlerCatalog {
    HandlerCatalog::parse([("x.toml", text)], &shipped()).unwrap()
}

fn spec(text: &str) -> NotifySpec {
    match &read(text).get("notify").unwrap().kind {
        HandlerKind::Notify(spec) => spec.clone(),
        other => panic!("{other:?}"),
    }
}

fn end(status: TaskStatus, locale: &str) -> TaskEnd {
    TaskEnd {
        task: 42,
        kind: TaskKind::Import,
        dataset: "member".to_owned(),
        name: "会员\r\nBcc: x@example.com".to_owned(),
        status,
        locale: locale.to_owned(),
        created_by: UserId::parse("7").unwrap(),
        total_rows: Some(9),
        done_rows: 5,
        failed_rows: 3,
        skipped_rows: 1,
        error_code: None,
        error_message: None,
        finished_at: chrono::DateTime::UNIX_EPOCH,
    }
}

#[test]
fn each_way_of_telling_has_a_lane_of_its_own() {
    let handlers = read(NOTIFY);
    let notify = handlers.get("notify").unwrap();
    let lanes: Vec<&str> = notify.usual_lanes().map(|lane| lane.as_str()).collect();
    assert_eq!(
        lanes,
        [
            "quayside.biz.notify",
            "quayside.biz.notify.email",
            "quayside.biz.notify.webhook"
        ]
    );
}

#[test]
fn a_wrong_definition_is_refused_with_file_line_and_reason() {
    for (from, to, told) in [
        (
            "biz_type = \"notify\"",
            "biz_type = \"news\"",
            "x.toml:2: kind `notify` is of biz_type",
        ),
        (
            "kind = \"notify\"",
            "kind = \"notify\"\nqueues = [\"a\"]",
            "x.toml:2: kind `notify` has its queues",
        ),
        ("tasks/{id}", "tasks", "x.toml:6: `link` is"),
        ("https://quay", "quay", "x.toml:6: `link` is"),
        ("10.1.0.0/16", "10.1", "x.toml:7: a range"),
        (
            "quay@example.com",
            "quay",
            "x.toml:10: `from` is no e-mail address",
        ),
        (
            "Example.com",
            "@example.com",
            "x.toml:11: this is no name of a domain",
        ),
        ("domains", "domain", "x.toml:11: "),
    ] {
        let text = NOTIFY.replacen(from, to, 1);
        assert_ne!(text, NOTIFY, "{from}");
        let faults = HandlerCatalog::parse([("x.toml", &text)], &shipped()).unwrap_err();
        let fault = faults[0].to_string();
        assert!(fault.starts_with(told), "{to}: {fault}");
    }
    let http = "biz_type = \"notify\"\nkind = \"http\"\n[http]\nurl = \"https://a.example/\"";
    let faults = HandlerCatalog::parse([("x.toml", http)], &shipped()).unwrap_err();
    assert!(faults[0].to_string().contains("is for kind `notify`"));
}

#[test]
fn a_webhook_leads_to_no_private_address_but_those_that_the_definition_opens() {
    let spec = spec(NOTIFY);
    let check = |url: &str| spec.check_url(&Url::parse(url).unwrap());
    for open in [
        "https://example.com/x?y=z",
        "http://93.184.215.14:8080/",
        "http://10.1.2.3/",
        "http://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
    ] {
        assert_eq!(check(open), Ok(()), "{open}");
    }
    for closed in [
        "http://10.2.0.1/",
        "http://127.0.0.1/",
        "http://0x7f.1/",
        "http://localhost/",
        "http://a.localhost./",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://[::ffff:10.2.0.1]/",
        "file:///etc/passwd",
        "https://me@example.com/",
    ] {
        assert!(check(closed).is_err(), "{closed}");
    }
}

#[test]
fn mail_goes_to_addresses_of_the_domains_that_the_definition_names() {
    let spec = spec(NOTIFY);
    assert_eq!(spec.check_email("a.b+c@EXAMPLE.com"), Ok(()));
    for address in ["a@example.org", "a@sub.example.com", "a", ""] {
        assert!(spec.check_email(address).is_err(), "{address}");
    }
    let at = NOTIFY.find("[notify.email]").unwrap();
    let without = self::spec(&NOTIFY[..at]);
    assert!(without.check_email("a@example.com").is_err());
}

#[test]
fn an_address_is_one_that_cannot_be_two_or_a_header() {
    for good in [
        "a@b",
        "first.last@mail.example.com",
        "x!#$%&'*+-/=?^_`{|}~@b.c",
    ] {
        assert!(is_email_address(good), "{good}");
    }
    let long = format!("{}@example.com", "a".repeat(65));
    let longer = format!("a@{}", "b.".repeat(130));
    for bad in [
        "",
        "@",
        "a@",
        "@b",
        "a@b@c",
        "a b@c",
        "a@b c",
        "a@b\r\nBcc: d@e",
        "a,b@c",
        "<a@b>",
        "a..b@c",
        ".a@b",
        "a.@b",
        "a@.b",
        "a@b.",
        "a@-b",
        "é@b",
        "\"a\"@b",
        &long,
        &longer,
    ] {
        assert!(!is_email_address(bad), "{bad:?}");
    }
}

#[test]
fn a_tasks_end_is_told_in_its_own_language_on_one_line_with_counts_and_link() {
    let link = |task: TaskId| spec(NOTIFY).link_to(task);
    let about = About::Task(end(TaskStatus::PartialSuccess, "zh-CN"));
    assert_eq!(about.subject(), "导入部分完成：会员  Bcc: x@example.com");
    assert_eq!(
        about.text(link),
        "导入部分完成：会员  Bcc: x@example.com\n成功 5 行，失败 3 行，跳过 1 行\n\
         查看任务：https://quay.example.com/tasks/42"
    );
    let mut failed = end(TaskStatus::Failed, "en");
    failed.error_message = Some("The file is damaged or is not a workbook.".to_owned());
    let about = About::Task(failed);
    assert_eq!(
        about.text(link),
        "Import failed: 会员  Bcc: x@example.com\nRows done: 5, failed: 3, skipped: 1\n\
         The file is damaged or is not a workbook.\nThe task: https://quay.example.com/tasks/42"
    );
}

#[test]
fn every_end_is_an_event_and_nothing_else_is() {
    for status in TaskStatus::ALL {
        assert_eq!(
            WebhookEvent::of(*status).is_some(),
            status.is_final(),
            "{status}"
        );
    }
}

#[test]
fn a_notice_is_read_as_it_was_written_and_an_unknown_field_is_refused() {
    let notice = Notice::Email {
        to: "a@b".to_owned(),
        about: About::Task(end(TaskStatus::Success, "en")),
    };
    let text = serde_json::to_string(&notice).unwrap();
    assert_eq!(Notice::read(&text).unwrap(), notice);
    assert!(notice.is_of_the_house());
    let words = r#"{"channel":"inbox","user":"7","about":{"text":{"subject":"s","text":"t"}}}"#;
    assert!(!Notice::read(words).unwrap().is_of_the_house());
    let after_a_group = words.replacen('{', r#"{"group":{"total":3},"#, 1);
    assert_eq!(
        Notice::read(&after_a_group).unwrap(),
        Notice::read(words).unwrap()
    );
    let colour = words.replace("\"user\"", "\"colour\":1,\"user\"");
    assert!(Notice::read(&colour).is_err());
}
