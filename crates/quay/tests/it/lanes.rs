//! `quay lanes`.

use testkit::eventually;

use crate::house::{Bell, House};

/// The operators of `acme` are those of the house.
const OPERATED: &[(&str, &str)] = &[("QUAYSIDE__DEAD_LETTERS__HOUSE_TENANT", "acme")];

/// The lane's row of the table, as its cells behind the name, of which the table shows the
/// beginning. Its dead letters come after it.
fn cells(table: &str, lane: &str) -> Vec<String> {
    let row = table.lines().find(|line| line.starts_with(&lane[..40]));
    let row = row.unwrap_or_else(|| panic!("no {lane} in {table}"));
    row.split_whitespace().skip(1).map(str::to_owned).collect()
}

/// The admin port of the worker that was started last.
async fn admin_of(house: &House) -> String {
    let worker = house.services.last().expect("a worker");
    worker.wait_for_log("takes work").await;
    let line = worker.wait_for_log("admin port is open").await;
    let line: serde_json::Value = serde_json::from_str(&line).expect("logs are JSON");
    format!("http://{}", line["address"].as_str().expect("an address"))
}

/// What is answered with 200.
async fn get(url: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build();
    let answer = client.expect("a client").get(url).send().await;
    let answer = answer.expect("answers");
    assert_eq!(
        answer.status().as_u16(),
        200,
        "a paused lane makes no process unready"
    );
    answer.text().await.expect("a text")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_lists_pauses_and_resumes_a_lane_and_work_waits_meanwhile() {
    let mut house = House::open_with(Bell::Embedded, OPERATED).await;
    let lane = format!("quayside.export.{}", house.queue());
    let quay = |house: &House, arguments: &[&str]| house.quay_as("OPERATOR", arguments);
    let paused = quay(&house, &["lanes", "pause", &lane, "--reason", "new disk"]);
    assert_eq!(
        paused.stdout,
        format!("{lane}: PAUSED\n"),
        "{}",
        paused.stderr
    );
    house.start_worker().await;
    let admin = admin_of(&house).await;
    eventually("the worker to tell of it", async || {
        let told = get(&format!("{admin}/readyz")).await;
        let paused = format!("{lane} is PAUSED, paused by acme/7: new disk");
        told.contains(&paused).then_some(())
    })
    .await;
    let metrics = get(&format!("{admin}/metrics")).await;
    let gauge = format!("quayside_lane_state{{lane=\"{lane}\",state=\"PAUSED\"}} 1\n");
    assert!(metrics.contains(&gauge), "{metrics}");
    assert_eq!(house.quay(&["export", "user"]).stdout, "1\n");

    let listed = quay(&house, &["lanes", "list"]);
    let row = cells(&listed.stdout, &lane);
    assert_eq!(row[..2], ["PAUSED", "1"], "{}", listed.stdout);
    assert!(listed.stdout.contains("acme/7"), "{}", listed.stdout);
    assert!(listed.stdout.contains("new disk"), "{}", listed.stdout);
    let told = quay(&house, &["lanes", "list", "--json"]).json();
    let told = told.as_array().expect("a list").iter();
    let told: Vec<_> = told.filter(|it| it["lane"] == lane.as_str()).collect();
    assert_eq!(
        (&told[0]["state"], &told[0]["reason"]),
        (&"PAUSED".into(), &"new disk".into())
    );

    let resumed = quay(&house, &["lanes", "resume", &lane, "--json"]).json();
    assert_eq!(resumed["state"], "OPEN");
    let watched = house.quay(&["tasks", "watch", "1"]);
    assert_eq!(watched.code, 0, "{}", watched.stderr);
    let listed = quay(&house, &["lanes", "list"]).stdout;
    assert_eq!(cells(&listed, &lane), ["OPEN", "0", "-"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_are_refused_to_others_and_an_unknown_one_is_told() {
    let house = House::open_with(Bell::Broken, OPERATED).await;
    let manager = house.quay(&["lanes", "list"]);
    assert_eq!(manager.code, 4, "{}", manager.stderr);
    assert!(
        manager.stderr.contains("403 forbidden"),
        "{}",
        manager.stderr
    );
    for arguments in [
        &["lanes", "pause", "nobody", "--reason", "x"][..],
        &["lanes", "resume", "../tasks"],
    ] {
        let unknown = house.quay_as("OPERATOR", arguments);
        assert_eq!(unknown.code, 4, "{}", unknown.stderr);
        assert!(
            unknown.stderr.contains("404 not_found"),
            "{}",
            unknown.stderr
        );
    }
    let silent = house.quay_as("OPERATOR", &["lanes", "pause", "nobody"]);
    assert_eq!(silent.code, 2, "a reason must be given: {}", silent.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_asks_for_a_scan_of_a_lane_that_is_open() {
    let house = House::open_with(Bell::Broken, OPERATED).await;
    let lane = format!("quayside.export.{}", house.queue());
    let quay = |arguments: &[&str]| house.quay_as("OPERATOR", arguments);
    let asked = quay(&["lanes", "scan", &lane]);
    let told = format!("{lane}: its workers look for due rows within seconds\n");
    assert_eq!(asked.stdout, told, "{}", asked.stderr);
    let scans: u64 = house.database.one("SELECT scans FROM lane").await;
    assert_eq!(scans, 1);
    quay(&["lanes", "pause", &lane, "--reason", "new disk"]);
    let refused = quay(&["lanes", "scan", &lane]);
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("409 state_conflict"),
        "{}",
        refused.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_of_a_queue_tells_which_of_its_lanes_are_not_looked_at() {
    let handlers = tempfile::tempdir().expect("a directory");
    let call = "biz_type = \"call\"\nkind = \"http\"\n[http]\nurl = \"https://shop.example/\"";
    std::fs::write(handlers.path().join("call.toml"), call).expect("written");
    let dir = handlers.path().display().to_string();
    let settings = [OPERATED[0], ("QUAYSIDE__HANDLERS__DIR", &dir)];
    let house = House::open_with(Bell::Broken, &settings).await;
    let paused = "INSERT INTO lane (name, state) VALUES ('quayside.biz.call.rest', 'PAUSED')";
    house.database.execute(paused).await;
    let asked = house.quay_as("OPERATOR", &["lanes", "scan", "quayside.biz.call"]);
    let told = "quayside.biz.call: its workers look for due rows within seconds\n\
                quayside.biz.call.rest: not open, nothing is taken from it\n";
    assert_eq!(asked.stdout, told, "{}", asked.stderr);
}
