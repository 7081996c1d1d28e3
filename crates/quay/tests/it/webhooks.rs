//! `quay webhooks` and `quay notifications settings`.

use tempfile::TempDir;

use crate::house::{Bell, House};

const NOTIFY: &str = "biz_type = \"notify\"\nkind = \"notify\"\n[notify]\n\
                      link = \"https://quay.example/{id}\"\n\
                      [notify.email]\nfrom = \"quay@example.com\"\n";

async fn open() -> (House, TempDir) {
    let folder = TempDir::new().expect("a directory");
    std::fs::write(folder.path().join("notify.toml"), NOTIFY).expect("the file is written");
    let dir = folder.path().display().to_string();
    let house = House::open_with(Bell::Broken, &[("QUAYSIDE__HANDLERS__DIR", &dir)]).await;
    (house, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_added_listed_followed_and_removed() {
    let (house, _folder) = open().await;
    let address = "https://example.com/hook";
    let arguments = ["webhooks", "add", address, "--event", "TASK_CANCELLED"];
    let added = house.quay(&arguments);
    assert_eq!(
        (added.code, added.stdout.trim().len()),
        (0, 64),
        "{}",
        added.stderr
    );
    assert!(added.stderr.contains("Webhook 1 made"), "{}", added.stderr);
    let table = house.quay(&["webhooks", "list"]).stdout;
    let row = table.lines().nth(1).unwrap_or_default();
    assert!(
        row.trim_start().starts_with('1') && row.ends_with(address),
        "{table}"
    );
    assert!(
        row.contains("TASK_CANCELLED") && !table.contains(added.stdout.trim()),
        "{table}"
    );

    house.quay(&["export", "user", "--force"]);
    assert_eq!(house.quay(&["tasks", "cancel", "1"]).code, 0);
    let made = house
        .quay(&["webhooks", "deliveries", "1", "--json"])
        .json();
    assert_eq!(
        (&made[0]["task_id"], &made[0]["status"]),
        (&"1".into(), &"PENDING".into())
    );
    let table = house.quay(&["webhooks", "deliveries", "1"]).stdout;
    assert!(
        table.contains("TASK_CANCELLED") && table.contains("PENDING"),
        "{table}"
    );

    let removed = house.quay(&["webhooks", "remove", "1"]);
    assert_eq!(removed.stdout, "Webhook 1: removed\n", "{}", removed.stderr);
    let again = house.quay(&["webhooks", "remove", "1"]);
    assert_eq!(again.code, 4, "{}", again.stderr);
    let inside = house.quay(&["webhooks", "add", "http://127.0.0.1/"]);
    assert_eq!(inside.code, 4, "{}", inside.stderr);
    assert!(
        inside.stderr.contains("private network"),
        "{}",
        inside.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_wants_to_be_told_by_is_shown_and_changed_bit_by_bit() {
    let (house, _folder) = open().await;
    let settings = |arguments: &[&str]| {
        let all = [&["notifications", "settings"], arguments].concat();
        let ran = house.quay(&all);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stdout
    };
    assert_eq!(settings(&[]), "inbox  off\nmail   off\n");
    assert_eq!(settings(&["--in-app", "on"]), "inbox  on\nmail   off\n");
    let mail = settings(&["--email", "me@example.com"]);
    assert_eq!(mail, "inbox  on\nmail   me@example.com\n");
    let off = settings(&["--in-app", "off", "--no-email"]);
    assert_eq!(off, "inbox  off\nmail   off\n");
    assert_eq!(
        settings(&["--json"]).replace([' ', '\n'], ""),
        r#"{"email":null,"in_app":false}"#
    );
}
