//! `quay compensations`, and the client of it for other programs.

use std::path::{Path, PathBuf};

use quay::{CompensationCall, CompensationClient, CompensationItem};
use serde_json::json;
use tempfile::TempDir;

use crate::house::{Bell, House, token};

/// Kinds of work that this test's gateway takes; nobody works on them.
const HANDLERS: [(&str, &str); 2] = [("grant", "[\"MANAGER\"]"), ("tell", "[\"MANAGER\"]")];

struct Scene {
    house: House,
    folder: TempDir,
}

impl Scene {
    async fn open() -> Self {
        let folder = TempDir::new().expect("a directory");
        let handlers = folder.path().join("handlers");
        std::fs::create_dir(&handlers).expect("a directory");
        for (name, roles) in HANDLERS {
            let text = format!(
                "biz_type = \"{name}\"\nkind = \"http\"\nroles = {roles}\n[http]\n\
                 url = \"http://example.com/{name}\"\n"
            );
            write(&handlers.join(format!("{name}.toml")), &text);
        }
        let handlers = handlers.display().to_string();
        let house = House::open_with(Bell::Broken, &[("QUAYSIDE__HANDLERS__DIR", &handlers)]).await;
        Self { house, folder }
    }

    fn file(&self, text: &str) -> String {
        let path: PathBuf = self.folder.path().join("rows.csv");
        write(&path, text);
        path.display().to_string()
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("the file is written");
}

const GRANTS: &str =
    "\u{feff}member,coupon,amount\nM1,A,1.50\nM1,B,\n\"M,2\",A,12345678901234567890\n";

#[tokio::test(flavor = "multi_thread")]
async fn each_row_of_a_csv_becomes_work_once_and_the_group_counts_it() {
    let scene = Scene::open().await;
    let file = scene.file(GRANTS);
    let arguments = [
        "compensations",
        "submit",
        &file,
        "--biz-type",
        "grant",
        "--biz-id",
        "{member}-{coupon}",
        "--number",
        "amount",
        "--context",
        r#"{"batch": "spring"}"#,
        "--priority",
        "5",
        "--group",
        "spring",
        "--seal",
        "--on-finished",
        r#"{"biz_type": "tell", "context": {"to": "marketing"}}"#,
        "--chunk",
        "2",
    ];
    let sent = scene.house.quay(&arguments);
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    assert!(
        sent.stdout.starts_with("3 accepted, 0 were there before"),
        "{}",
        sent.stdout
    );
    let rows: Vec<(String, String, u8)> = scene
        .house
        .database
        .query("SELECT biz_id, context, priority FROM compensate_biz ORDER BY biz_id")
        .await;
    let row = |biz_id: &str, context: serde_json::Value| {
        let (text, stored) = (context.to_string(), rows.iter().find(|row| row.0 == biz_id));
        let stored: serde_json::Value =
            serde_json::from_str(&stored.expect("it is there").1).expect("JSON");
        assert_eq!(stored.to_string(), text);
    };
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.2 == 5));
    row(
        "M1-A",
        json!({"amount": 1.5, "batch": "spring", "coupon": "A", "member": "M1"}),
    );
    row(
        "M1-B",
        json!({"amount": null, "batch": "spring", "coupon": "B", "member": "M1"}),
    );
    row(
        "M,2-A",
        json!({"amount": 12_345_678_901_234_567_890_u64, "batch": "spring", "coupon": "A",
            "member": "M,2"}),
    );
    let group: (u32, bool, String) = scene
        .house
        .database
        .one("SELECT total, sealed, on_finished FROM compensate_group")
        .await;
    assert_eq!((group.0, group.1), (3, true));
    assert!(group.2.contains("quayside.biz.tell"), "{}", group.2);

    let again = scene
        .house
        .quay(&[&arguments[..], &["--json"]].concat())
        .json();
    assert_eq!(
        again,
        json!({"accepted": 0, "duplicates": 3, "group_id": "1"})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_file_goes_in_many_calls_and_every_row_arrives() {
    let scene = Scene::open().await;
    let mut text = String::from("biz_id,n\n");
    for n in 0..2_500 {
        text.push_str(&format!("k{n},{n}\n"));
    }
    let file = scene.file(&text);
    let sent = scene.house.quay(&[
        "compensations",
        "submit",
        &file,
        "--biz-type",
        "grant",
        "--chunk",
        "100",
        "--json",
    ]);
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    assert_eq!(sent.json()["accepted"], 2_500);
    let stored: u64 = scene
        .house
        .database
        .one("SELECT COUNT(*) FROM compensate_biz WHERE biz_type = 'grant'")
        .await;
    assert_eq!(stored, 2_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_meant_is_told_where_and_nothing_of_it_is_submitted() {
    let scene = Scene::open().await;
    for (text, further, code, says) in [
        ("a,b\n1,2\n", &[][..], 2, "has no column `biz_id`"),
        ("biz_id,a,a\n1,2,3\n", &[], 2, "two columns `a`"),
        ("biz_id,,a\n1,2,3\n", &[], 2, "has no name"),
        (
            "biz_id,a\n1,x\n",
            &["--number", "a"],
            2,
            "line 2: `a` is no number",
        ),
        ("biz_id,a\n1\n", &[], 1, "cannot be read as csv"),
        (
            "biz_id\n1\n",
            &["--biz-id", "{a"],
            2,
            "a brace without its other",
        ),
        ("biz_id\n1\n", &["--context", "[]"], 2, "no JSON object"),
        ("biz_id\n1\n", &["--seal"], 2, "--group"),
        ("biz_id\n1\n", &["--queue", "x"], 4, "422 unknown_queue"),
        (
            "biz_id\n1\n",
            &["--delay-level", "6s"],
            4,
            "delay_level is one of 1s, 5s",
        ),
    ] {
        let file = scene.file(text);
        let arguments = ["compensations", "submit", &file, "--biz-type", "grant"];
        let sent = scene.house.quay(&[&arguments[..], further].concat());
        assert_eq!(sent.code, code, "{text}: {}", sent.stderr);
        assert!(sent.stderr.contains(says), "{says}: {}", sent.stderr);
    }
    let file = scene.file("biz_id\n1\n");
    let unknown = scene
        .house
        .quay(&["compensations", "submit", &file, "--biz-type", "x"]);
    assert!(
        unknown.stderr.contains("known here: grant, tell"),
        "{}",
        unknown.stderr
    );
    let stored: u64 = scene
        .house
        .database
        .one("SELECT COUNT(*) FROM compensate_biz")
        .await;
    assert_eq!(stored, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_listed_shown_cancelled_and_tried_again() {
    let scene = Scene::open().await;
    let file = scene.file("biz_id\na\nb\n");
    let group = ["--group", "g", "--delay-level", "1h"];
    let arguments = ["compensations", "submit", &file, "--biz-type", "grant"];
    let sent = scene.house.quay(&[&arguments[..], &group].concat());
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    let ask = |arguments: &[&str]| {
        let house = &scene.house;
        house.quay_as("OPERATOR", &[&["compensations"], arguments].concat())
    };
    let table = ask(&["list", "--biz-type", "grant"]).stdout;
    let row: Vec<&str> = table
        .lines()
        .nth(1)
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(
        row[1..6],
        ["grant", "b", "WAIT_HANDLE", "0", "1"],
        "{table}"
    );
    let one = ask(&["list", "--biz-type", "grant", "--biz-id", "a", "--json"]).json();
    let id = one[0]["id"].as_str().expect("an id").to_owned();
    let shown = ask(&["show", &id]).stdout;
    for words in ["(grant)", "quayside.biz.grant", r#"{"biz_id":"a"}"#, "due"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let cancelled = ask(&["cancel", &id]);
    assert_eq!(cancelled.stdout, format!("Compensation {id}: CANCELLED\n"));
    let failed = ask(&["list", "--status", "cancelled", "--group", "1", "--json"]).json();
    assert_eq!(failed.as_array().map(Vec::len), Some(1), "{failed}");
    let group = ask(&["group", "1"]).stdout;
    assert!(group.contains("cancelled  1"), "{group}");
    let retried = ask(&["retry", &id, "--json"]).json();
    assert_eq!(retried["status"], "WAIT_HANDLE");
    let refused = ask(&["retry", &id]);
    assert_eq!(refused.code, 4);
    assert!(
        refused.stderr.contains("409 state_conflict"),
        "{}",
        refused.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_program_submits_by_the_client_and_may_do_so_again() {
    let scene = Scene::open().await;
    let client = CompensationClient::new(scene.house.url(), &token("MANAGER"));
    let client = client.expect("an address");
    let item = |biz_id: &str| CompensationItem {
        biz_type: "grant".to_owned(),
        biz_id: biz_id.to_owned(),
        context: json!({"member": biz_id}),
        ..CompensationItem::default()
    };
    let call = CompensationCall {
        items: vec![item("a"), item("b")],
        group: None,
    };
    let first = client.submit(&call, Some("k")).await.expect("accepted");
    assert_eq!((first.accepted, first.duplicates), (2, 0));
    assert_eq!(
        client.submit(&call, Some("k")).await.expect("accepted"),
        first
    );
    let again = client.submit(&call, None).await.expect("accepted");
    assert_eq!((again.accepted, again.duplicates), (0, 2));
    assert_eq!(again.items[1].id, first.items[1].id);
    let unknown = CompensationCall {
        items: vec![CompensationItem {
            biz_type: "x".to_owned(),
            ..item("a")
        }],
        group: None,
    };
    let refused = client.submit(&unknown, None).await.expect_err("refused");
    assert_eq!(
        (refused.code(), refused.is_transient()),
        ("unknown_biz_type", false)
    );
    let nobody = CompensationClient::new("http://127.0.0.1:1", "x").expect("an address");
    let away = nobody
        .submit(&call, None)
        .await
        .expect_err("nobody is there");
    assert!(away.is_transient(), "{away}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_waited_for_until_it_has_ended_and_the_exit_code_tells_whether_all_is_done() {
    let scene = Scene::open().await;
    let file = scene.file("member\nM1\nM2\n");
    let arguments = [
        "compensations",
        "submit",
        &file,
        "--biz-type",
        "grant",
        "--biz-id",
        "member",
        "--group",
        "spring",
        "--seal",
        "--json",
    ];
    let sent = scene.house.quay(&arguments).json();
    let group = sent["group_id"].as_str().expect("a group").to_owned();
    let wait = ["compensations", "group", &group, "--wait"];
    let early = scene.house.quay(&[&wait[..], &["--timeout", "1"]].concat());
    assert_eq!(early.code, 5, "{}", early.stderr);
    assert!(
        early.stderr.contains("has not ended yet"),
        "{}",
        early.stderr
    );
    let ids: Vec<u64> = scene
        .house
        .database
        .query("SELECT id FROM compensate_biz ORDER BY id")
        .await;
    for id in ids {
        let id = id.to_string();
        let cancel = ["compensations", "cancel", &id];
        assert_eq!(scene.house.quay_as("OPERATOR", &cancel).code, 0);
    }
    let ended = scene.house.quay(&wait);
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    assert!(ended.stdout.contains("cancelled  2\n"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("finished   true\n"),
        "{}",
        ended.stdout
    );
    // as the worker counts what it has done
    let done = "UPDATE compensate_group SET cancelled = 0, succeeded = 2";
    scene.house.database.execute(done).await;
    assert_eq!(scene.house.quay(&wait).code, 0);
}
