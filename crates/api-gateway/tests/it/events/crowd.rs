//! Many streams, slow ones, and what goes away under them.

use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::json;
use testkit::{MoodyProxy, eventually};

use super::{OWN, change, events_of, lively};
use crate::house::{DAY, House, manager, token};
use crate::reader::Reader;

#[tokio::test(flavor = "multi_thread")]
async fn more_open_tasks_than_a_mailbox_holds_are_all_told() {
    let house = lively().await;
    let task = house.an_export(&manager()).await;
    let copies = format!(
        "INSERT INTO task (tenant, kind, dataset, name, queue, params, locale, created_by) \
         WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 150) \
         SELECT tenant, kind, dataset, name, queue, params, locale, created_by FROM task, s \
         WHERE id = {task}"
    );
    house.database.execute(&copies).await;
    let mut stream = Reader::open(&house, OWN, &manager()).await;
    let mut told = std::collections::BTreeSet::new();
    while told.len() < 151 {
        assert!(
            told.insert(stream.event().await.unwrap().task().to_owned()),
            "none twice"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_open_streams_and_does_not_wait_for_them() {
    let house = lively().await;
    let task = house.an_export(&manager()).await;
    let mut one = Reader::open(&house, &events_of(&task), &manager()).await;
    let mut all = Reader::open(&house, OWN, &manager()).await;
    for stream in [&mut one, &mut all] {
        stream.event().await.unwrap();
    }
    house.lifecycle.begin_shutdown();
    for stream in [&mut one, &mut all] {
        assert!(stream.event().await.is_none());
    }
    house.lifecycle.run_to_end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_watchers_of_one_task_cost_one_question_per_look_and_one_read_per_change() {
    const WATCHERS: usize = 30;
    let house = House::open_with(|settings| {
        settings.events.poll_interval_ms = 20;
        settings.events.streams_per_user = WATCHERS;
    })
    .await;
    let log_on = "SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = ON";
    house.database.execute(log_on).await;
    let task = house.an_export(&manager()).await;
    let mut streams = Vec::new();
    for _ in 0..WATCHERS {
        let mut stream = Reader::open(&house, &events_of(&task), &manager()).await;
        stream.event().await.unwrap();
        streams.push(stream);
    }
    const CHANGES: usize = 3;
    for version in 2..2 + CHANGES as u64 {
        change(&house, &task).await;
        for stream in &mut streams {
            assert_eq!(stream.event().await.unwrap().version(), version);
        }
    }
    house.lifecycle.begin_shutdown();
    house.lifecycle.run_to_end().await.unwrap();

    let name = house.database.url().rsplit('/').next().unwrap();
    let statements: Vec<String> = house
        .database
        .query(&format!(
            "SELECT CONVERT(l.argument USING utf8mb4) FROM mysql.general_log l \
             WHERE l.command_type = 'Execute' AND EXISTS (SELECT 1 FROM mysql.general_log c \
             WHERE c.thread_id = l.thread_id AND c.command_type = 'Connect' \
             AND CONVERT(c.argument USING utf8mb4) LIKE '%{name}%')"
        ))
        .await;
    let seen = |text: &str| statements.iter().filter(|it| it.contains(text)).count();
    let looks = seen("SELECT UTC_TIMESTAMP(6) AS now");
    let questions = seen(&format!(
        "version, finished_at FROM task FORCE INDEX (PRIMARY) WHERE id IN ({task}) "
    ));
    assert!(looks > CHANGES);
    // the look that was under way at the shutdown may be seen with one of its two statements
    assert!(
        looks.abs_diff(questions) <= 1,
        "one question per look, naming the task once: {questions} in {looks}"
    );
    let reads = seen("STRAIGHT_JOIN task_file");
    assert_eq!(reads, CHANGES, "one read per change, not per watcher");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_holds_up_nobody_and_skips_what_is_outdated() {
    let house = lively().await;
    let task = house.an_export(&manager()).await;
    // Each event is larger than a small socket buffer; together they are more than any.
    let grow = format!(
        "UPDATE task SET params = CONCAT('{{\"x\":\"', REPEAT('x', 500000), '\"}}') WHERE id = {task}"
    );
    house.database.execute(&grow).await;
    let mut lazy = Reader::open(&house, &events_of(&task), &manager()).await;
    let mut eager = Reader::open(&house, &events_of(&task), &manager()).await;
    eager.event().await.unwrap();
    for version in 2..42 {
        change(&house, &task).await;
        assert_eq!(eager.event().await.unwrap().version(), version);
    }
    let cancel = format!("/api/v1/tasks/{task}/cancel");
    house.post(&manager(), &cancel, &json!({})).await;
    assert_eq!(eager.event().await.unwrap().status(), "CANCELLED");
    assert!(eager.event().await.is_none());

    let mut seen = Vec::new();
    while let Some(event) = lazy.event().await {
        seen.push((event.version(), event.status().to_owned()));
    }
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!(seen.last(), Some(&(42, "CANCELLED".to_owned())));
    assert!(seen.len() < 41, "{} of 42 states were sent", seen.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_are_bounded_per_user_and_per_process() {
    let house = House::open_with(|settings| {
        settings.events.keep_alive_ms = 20;
        settings.events.streams_per_user = 2;
        settings.events.streams_per_process = 3;
    })
    .await;
    let task = house.an_export(&manager()).await;
    let one = Reader::open(&house, &events_of(&task), &manager()).await;
    let _two = Reader::open(&house, OWN, &manager()).await;
    let refused = async |token: &str| {
        let answer = house.get(token, OWN).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (429, "quota_exceeded")
        );
        assert!(answer.header("retry-after").is_some());
    };
    refused(&manager()).await;
    let _three = Reader::open(&house, OWN, &token("acme", "8", &[])).await;
    refused(&token("acme", "9", &[])).await;

    drop(one);
    eventually("the place is free again", async || {
        let answer = house.request(Method::GET, OWN).bearer_auth(manager());
        let answer = answer.send().await.unwrap();
        (answer.status() == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_ends_no_stream() {
    let proxy = MoodyProxy::before(&testkit::mysql()).await;
    let house = House::open_with(|settings| {
        settings.events.poll_interval_ms = 20;
        settings.events.keep_alive_ms = 100;
        settings.mysql.url = proxy.url(settings.mysql.url.expose_secret()).into();
    })
    .await;
    let task = house.an_export(&manager()).await;
    let mut one = Reader::open(&house, &events_of(&task), &manager()).await;
    let mut all = Reader::open(&house, OWN, &manager()).await;
    for stream in [&mut one, &mut all] {
        stream.event().await.unwrap();
    }
    proxy.go_away();
    eventually("the gateway asks in vain", async || {
        (proxy.refused() > 2).then_some(())
    })
    .await;
    house.run(&task, "a.xlsx", b"abc", DAY).await;
    let refused = house.get(&manager(), &events_of(&task)).await;
    assert_eq!(refused.problem(), "database_unavailable");
    for stream in [&mut one, &mut all] {
        stream.comment().await;
    }
    proxy.come_back();
    for stream in [&mut one, &mut all] {
        assert_eq!(stream.event().await.unwrap().status(), "SUCCESS");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_are_measured_by_kind() {
    let telemetry = crate::house::telemetry();
    let house = lively().await;
    let task = house.an_export(&manager()).await;
    let _one = Reader::open(&house, &events_of(&task), &manager()).await;
    let _all = Reader::open(&house, OWN, &manager()).await;
    let metrics = telemetry.render_metrics();
    for kind in ["task", "own"] {
        let gauge = format!("quayside_event_streams{{kind=\"{kind}\"}}");
        assert!(metrics.contains(&gauge), "{metrics}");
    }
}
