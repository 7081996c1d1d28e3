//! A handler's definition in hand is whole; a wrong one is refused with file, line and reason.

use std::net::IpAddr;
use std::time::Duration;

use domain::{Catalog, HandlerCatalog, HandlerKind, HttpTarget, ImportMode, IpRange, is_public};
use url::Url;

use crate::dataset::shipped;

const ROWS: &str = r#"
biz_type = "grant"
kind = "rows"
roles = ["OPERATOR"]

[rows]
dataset = "member"
mode = "upsert"
columns = { member_no = "no", name = "name", mobile = "tel", level = "level", points = "points", balance = "balance" }
"#;

const HTTP: &str = r#"
biz_type = "call"
kind = "http"
queues = ["slow"]
concurrency = 8
lease = "1m"
hard_deadline = "2h"
max_attempts = 5
backoff = ["250ms", "1s"]
scan_interval = "5s"
timeout = "900ms"

[http]
url = "https://shop.example.com/grant"
private_ranges = ["10.0.0.0/8"]
secret = "shop"
"#;

fn read(text: &str) -> HandlerCatalog {
    HandlerCatalog::parse([("x.toml", text)], &shipped()).unwrap()
}

fn refused(text: &str) -> String {
    let faults = HandlerCatalog::parse([("x.toml", text)], &shipped()).unwrap_err();
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    told.join("\n")
}

#[test]
fn the_shipped_handlers_are_whole() {
    let datasets = Catalog::parse([
        (
            "member.toml",
            include_str!("../../../../deploy/datasets/member.toml"),
        ),
        (
            "coupon_grant.toml",
            include_str!("../../../../deploy/datasets/coupon_grant.toml"),
        ),
    ])
    .unwrap();
    let files = [
        (
            "coupon_grant.toml",
            include_str!("../../../../deploy/handlers/coupon_grant.toml"),
        ),
        (
            "callback.toml",
            include_str!("../../../../deploy/handlers/callback.toml"),
        ),
        (
            "operation_log.toml",
            include_str!("../../../../deploy/handlers/operation_log.toml"),
        ),
        (
            "notify.toml",
            include_str!("../../../../deploy/handlers/notify.toml"),
        ),
    ];
    let handlers = HandlerCatalog::parse(files, &datasets).unwrap();
    let names: Vec<&str> = handlers.names().collect();
    assert_eq!(
        names,
        ["callback", "coupon_grant", "notify", "operation_log"]
    );
    assert_eq!(handlers.get("coupon_grant").unwrap().kind.as_str(), "rows");
    assert_eq!(handlers.get("callback").unwrap().kind.as_str(), "http");
}

#[test]
fn what_a_file_leaves_out_has_its_default() {
    let handlers = read(ROWS);
    let grant = handlers.get("grant").unwrap();
    assert_eq!(grant.lane.as_str(), "quayside.biz.grant");
    assert_eq!((grant.batch_size, grant.concurrency), (500, 64));
    assert_eq!(grant.lease, Duration::from_secs(30));
    assert_eq!(grant.hard_deadline, Duration::from_secs(3_600));
    assert_eq!(grant.scan_interval, Duration::from_secs(60));
    assert_eq!(grant.timeout, Duration::from_secs(3));
    assert_eq!(grant.retry.max_cnt(), 3);
    assert_eq!(grant.retry.delay(2, 0.0), Duration::from_secs(4));
    assert!(grant.may_submit(&["OPERATOR".into()]) && !grant.may_submit(&["CLERK".into()]));
    let HandlerKind::Rows(rows) = &grant.kind else {
        panic!("{:?}", grant.kind);
    };
    assert_eq!(
        (rows.dataset.as_str(), rows.mode),
        ("member", ImportMode::Upsert)
    );
    assert!(rows.columns.contains(&("mobile".into(), "tel".into())));
}

#[test]
fn what_a_file_says_holds() {
    let handlers = read(HTTP);
    let call = handlers.get("call").unwrap();
    assert_eq!(call.lane_of(None).unwrap().as_str(), "quayside.biz.call");
    assert_eq!(call.lane_of(Some("default")), call.lane_of(None));
    assert_eq!(
        call.lane_of(Some("slow")).unwrap().as_str(),
        "quayside.biz.call.slow"
    );
    assert_eq!(call.lane_of(Some("fast")), None);
    assert_eq!(call.queue_names().collect::<Vec<_>>(), ["default", "slow"]);
    assert_eq!(handlers.lanes().count(), 6, "three of each queue");
    assert_eq!((call.batch_size, call.concurrency), (1, 8));
    assert_eq!(call.retry.max_cnt(), 5);
    assert_eq!(call.retry.delay(1, 0.0), Duration::from_millis(250));
    assert_eq!(call.timeout, Duration::from_millis(900));
    let HandlerKind::Http(http) = &call.kind else {
        panic!("{:?}", call.kind);
    };
    assert!(matches!(&http.target, HttpTarget::Fixed(url) if url.path() == "/grant"));
    assert_eq!(http.hosts, ["shop.example.com"]);
    assert_eq!(http.secret.as_deref(), Some("shop"));
}

#[test]
fn a_wrong_definition_is_refused_with_file_line_and_reason() {
    let of_rows = [
        ("\"grant\"", "\"EXPORT\"", "x.toml:2: ", "the house's own"),
        ("\"grant\"", "\"gr ant\"", "x.toml:2: ", "topic"),
        ("\"grant\"", "\"grant.dlt\"", "x.toml:2: ", "topic"),
        ("\"rows\"", "\"email\"", "x.toml:3: ", "email"),
        ("\"rows\"", "\"http\"", "x.toml:3: ", "needs a table [http]"),
        (
            "\"member\"",
            "\"nobody\"",
            "x.toml:7: ",
            "no dataset `nobody`",
        ),
        ("\"upsert\"", "\"replace\"", "x.toml:8: ", "replace"),
        ("member_no = ", "member_nr = ", "x.toml:9: ", "`member_nr`"),
        (
            "points = \"points\", ",
            "",
            "x.toml:9: ",
            "needs its column `points`",
        ),
        (
            "member_no = ",
            "id = \"id\", member_no = ",
            "x.toml:9: ",
            "`id`",
        ),
        (
            "kind = \"rows\"",
            "kind = \"rows\"\nbatch_size = 1001",
            "x.toml:4: ",
            "1 to 1000",
        ),
        (
            "kind = \"rows\"",
            "kind = \"rows\"\ncolour = 1",
            "x.toml:4: ",
            "colour",
        ),
        (
            "kind = \"rows\"",
            "kind = \"rows\"\nqueues = [\"a\", \"a\"]",
            "x.toml:4: ",
            "already",
        ),
        (
            "kind = \"rows\"",
            "kind = \"rows\"\nlease = \"20ms\"",
            "x.toml:4: ",
            "a second",
        ),
    ];
    let of_http = [
        ("\"1m\"", "\"1 minute\"", "x.toml:6: ", "no duration"),
        ("\"1m\"", "\"0s\"", "x.toml:6: ", "no duration"),
        ("\"1s\"", "\"40d\"", "x.toml:9: ", "at most 30d"),
        ("[\"250ms\", \"1s\"]", "[]", "x.toml:9: ", "backoff"),
        (
            "concurrency = 8",
            "batch_size = 1001",
            "x.toml:5: ",
            "1 to 1000",
        ),
        (
            "https://shop",
            "ftp://shop",
            "x.toml:14: ",
            "neither http nor https",
        ),
        (
            "https://shop",
            "https://me:pw@shop",
            "x.toml:14: ",
            "a password",
        ),
        (
            "private_ranges",
            "hosts = [\"other.example.com\"]\nprivate_ranges",
            "x.toml:14: ",
            "`hosts`",
        ),
        (
            "private_ranges",
            "hosts = []\nprivate_ranges",
            "x.toml:15: ",
            "no host",
        ),
        ("10.0.0.0/8", "10.0.0.0/33", "x.toml:15: ", "a range"),
        (
            "url = \"https://shop.example.com/grant\"",
            "url_field = \"to\"",
            "x.toml:13: ",
            "`hosts`",
        ),
        (
            "secret = ",
            "url_field = \"to\"\nsecret = ",
            "x.toml:16: ",
            "exclude",
        ),
    ];
    let cases = of_rows.map(|it| (ROWS, it)).into_iter();
    for (text, (from, to, place, reason)) in cases.chain(of_http.map(|it| (HTTP, it))) {
        assert!(text.contains(from), "{from}");
        let told = refused(&text.replacen(from, to, 1));
        assert!(
            told.starts_with(place) && told.contains(reason),
            "{to}: {told}"
        );
    }
}

#[test]
fn rows_go_into_one_call_only_where_one_address_takes_them_all() {
    let batch = HTTP.replacen("concurrency = 8", "batch_size = 50", 1);
    assert_eq!(read(&batch).get("call").unwrap().batch_size, 50);
    let url = "url = \"https://shop.example.com/grant\"";
    let by_field = batch.replacen(url, "url_field = \"to\"\nhosts = [\"a.example\"]", 1);
    let told = refused(&by_field);
    assert!(
        told.starts_with("x.toml:5: ") && told.contains("1 to 1 "),
        "{told}"
    );
}

#[test]
fn one_call_holds_no_more_rows_than_are_worked_on_at_once() {
    let of = |size: u32| {
        let sizes = format!("concurrency = 8\nbatch_size = {size}");
        HTTP.replacen("concurrency = 8", &sizes, 1)
    };
    assert_eq!(read(&of(8)).get("call").unwrap().batch_size, 8);
    let told = refused(&of(9));
    let wanted = "x.toml:6: `batch_size` may be no more than `concurrency`, 8, here";
    assert_eq!(told, wanted);
    // batches that are written have a transaction of their own
    let rows = ROWS.replacen("roles", "concurrency = 1\nbatch_size = 500\nroles", 1);
    assert_eq!(read(&rows).get("grant").unwrap().batch_size, 500);
}

#[test]
fn how_a_host_is_spared_has_defaults_and_bounds() {
    let of = |more: &str| {
        let handlers = read(&HTTP.replacen("secret = ", &format!("{more}\nsecret = "), 1));
        match &handlers.get("call").unwrap().kind {
            HandlerKind::Http(http) => (http.host_concurrency, http.host_patience),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(of(""), (None, Duration::from_secs(120)));
    let said = of("host_concurrency = 3\nhost_patience = \"5m\"");
    assert_eq!(said, (Some(3), Duration::from_secs(300)));
    for (wrong, reason) in [
        ("host_concurrency = 0", "1 to 1024"),
        ("host_concurrency = 1025", "1 to 1024"),
        ("host_patience = \"long\"", "no duration"),
    ] {
        let told = refused(&HTTP.replacen("secret = ", &format!("{wrong}\nsecret = "), 1));
        let at_its_line = told.starts_with("x.toml:16: ");
        assert!(at_its_line && told.contains(reason), "{told}");
    }
}

#[test]
fn no_two_handlers_share_a_name_or_a_lane() {
    let of = |biz_type: &str, queues: &str| {
        ROWS.replace("\"grant\"", &format!("{biz_type:?}\nqueues = {queues}"))
    };
    let both = |one: String, other: String| {
        HandlerCatalog::parse([("a.toml", one), ("b.toml", other)], &shipped())
    };
    assert!(both(of("a", "[]"), of("b", "[]")).is_ok());
    for other in [of("a", "[]"), of("a.x", "[]")] {
        let faults = both(of("a", "[\"x\"]"), other).unwrap_err();
        assert!(
            faults[0].to_string().contains("defined in a.toml"),
            "{faults:?}"
        );
    }
}

#[test]
fn an_address_is_called_only_where_the_definition_says() {
    let handlers = read(HTTP);
    let HandlerKind::Http(http) = &handlers.get("call").unwrap().kind else {
        panic!("an http handler");
    };
    let may = |url: &str| http.check_url(&Url::parse(url).unwrap()).is_ok();
    assert!(may("https://shop.example.com/other") && may("http://SHOP.example.com:81/"));
    for url in [
        "https://shop.example.com.evil.example/",
        "https://evil.example/shop.example.com",
        "https://shop.example.com@evil.example/",
        "https://user@shop.example.com/",
        "file:///etc/passwd",
    ] {
        assert!(!may(url), "{url}");
    }
}

#[test]
fn a_host_with_a_port_is_called_at_this_port_alone() {
    let hosts = r#"hosts = ["shop.example.com:8443", "[::1]:80", "[::2]"]"#;
    let text = HTTP
        .replacen(
            "https://shop.example.com/",
            "https://shop.example.com:8443/",
            1,
        )
        .replacen("private_ranges", &format!("{hosts}\nprivate_ranges"), 1);
    let handlers = read(&text);
    let HandlerKind::Http(http) = &handlers.get("call").unwrap().kind else {
        panic!("an http handler");
    };
    let may = |url: &str| http.check_url(&Url::parse(url).unwrap()).is_ok();
    assert!(
        may("https://shop.example.com:8443/") && may("http://[::1]/") && may("http://[::2]:7/")
    );
    for url in [
        "https://shop.example.com/",
        "http://shop.example.com:8444/",
        "https://[::1]/",
        "http://[::3]/",
    ] {
        assert!(!may(url), "{url}");
    }
    for wrong in ["shop.example.com/x", "a:b", "me@shop", "shop:99999", ""] {
        let text = text.replacen("[::2]", wrong, 1);
        let told = refused(&text);
        assert!(told.contains("no host"), "{wrong}: {told}");
    }
}

#[test]
fn every_queue_has_three_lanes_and_a_share() {
    let handlers = read(HTTP);
    let call = handlers.get("call").unwrap();
    let lanes: Vec<&str> = call.lanes().map(|lane| lane.as_str()).collect();
    let wanted = [
        "quayside.biz.call",
        "quayside.biz.call.slow",
        "quayside.biz.call.high",
        "quayside.biz.call.rest",
        "quayside.biz.call.slow.high",
        "quayside.biz.call.slow.rest",
    ];
    assert_eq!(lanes, wanted);
    assert_eq!(call.share, 32, "four rounds of what is worked on at once");
    let slow = call.levels_of(call.lane_of(Some("slow")).unwrap()).unwrap();
    assert_eq!(slow.rest.as_str(), "quayside.biz.call.slow.rest");
    assert_eq!(read(ROWS).get("grant").unwrap().share, 5_000, "ten batches");
    let clash = HTTP.replacen("[\"slow\"]", "[\"high\"]", 1);
    let told = refused(&clash);
    assert!(
        told.starts_with("x.toml:4: ") && told.contains("of another queue"),
        "{told}"
    );
    let told = refused(&HTTP.replacen("queues", "share = 0\nqueues", 1));
    assert!(told.contains("`share` may be 1 to"), "{told}");
}

#[test]
fn code_is_named_and_nothing_more_is_asked() {
    let text = "biz_type = \"bird\"\nkind = \"code\"\n[code]\nhandler = \"canary\"";
    let handlers = read(text);
    let kind = &handlers.get("bird").unwrap().kind;
    assert_eq!(*kind, HandlerKind::Code("canary".to_owned()));
    let told = refused("biz_type = \"bird\"\nkind = \"code\"");
    assert!(told.contains("needs a table [code]"), "{told}");
}

#[test]
fn only_addresses_of_the_public_internet_are_public() {
    let is = |text: &str| is_public(text.parse::<IpAddr>().unwrap());
    for public in [
        "8.8.8.8",
        "1.1.1.1",
        "172.32.0.1",
        "100.128.0.1",
        "2606:4700::1111",
    ] {
        assert!(is(public), "{public}");
    }
    for closed in [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
        "::1",
        "::",
        "fe80::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:db8::1",
        "2001::1",
    ] {
        assert!(!is(closed), "{closed}");
    }
}

#[test]
fn a_range_holds_what_begins_with_its_bits() {
    let holds = |range: &str, address: &str| {
        range
            .parse::<IpRange>()
            .unwrap()
            .contains(address.parse().unwrap())
    };
    assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
    assert!(holds("127.0.0.1", "127.0.0.1") && !holds("127.0.0.1", "127.0.0.2"));
    assert!(holds("10.0.0.0/8", "::ffff:10.0.0.1"));
    assert!(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "::2"));
    assert!(holds("fd00::/8", "fd12::1") && !holds("fd00::/8", "fe00::1"));
    for wrong in [
        "",
        "10.0.0.0/",
        "10.0.0/8",
        "::/129",
        "10.0.0.0/-1",
        "ten/8",
    ] {
        assert!(wrong.parse::<IpRange>().is_err(), "{wrong}");
    }
}
