//! `quay tasks watch`, with a stream, without one, and with one that breaks.

use serde_json::Value;
use testkit::eventually;

use crate::house::{Bell, House};
use crate::relay::{Cut, NOT_FOUND, Relay};

/// What was printed so far, as the lines of JSON that it is.
fn lines(house: &House) -> Vec<Value> {
    let printed = house.printed();
    let whole = printed
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    whole
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect()
}

/// Watches a new task from PENDING to its end, and checks what was printed.
async fn watch_to_the_end(house: &mut House, relay: &Relay) -> Vec<Value> {
    assert_eq!(house.quay(&["export", "user"]).stdout, "1\n");
    let mut watching = house.start_quay_at(&relay.url(), &["tasks", "watch", "1", "--json"]);
    eventually("the first line", async || {
        (!lines(house).is_empty()).then_some(())
    })
    .await;
    house.start_worker().await;
    assert_eq!(watching.end().await.code(), Some(0), "{}", watching.log());
    let lines = lines(house);
    let versions: Vec<_> = lines.iter().map(|line| line["version"].as_u64()).collect();
    assert!(
        versions.windows(2).all(|pair| pair[0] < pair[1]),
        "each once: {versions:?}"
    );
    assert_eq!(lines[0]["status"], "PENDING");
    assert_eq!(
        lines.last().map(|line| &line["status"]),
        Some(&"SUCCESS".into())
    );
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_followed_to_its_end_by_its_events() {
    let mut house = House::open(Bell::Embedded).await;
    let relay = Relay::before(house.url()).await;
    watch_to_the_end(&mut house, &relay).await;
    let streams = relay.heard("/tasks/1/events");
    assert_eq!(streams.len(), 1, "one stream to the end: {streams:?}");
    let looks = relay.heard("GET /api/v1/tasks/1 ");
    assert_eq!(looks.len(), 1, "nothing is polled beside it: {looks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_stream_the_task_is_looked_at() {
    let mut house = House::open(Bell::Embedded).await;
    let relay = Relay::before(house.url()).await;
    relay.answer("/events", NOT_FOUND);
    watch_to_the_end(&mut house, &relay).await;
    assert_eq!(relay.heard("/events").len(), 1, "it is asked for once");
    assert!(relay.heard("GET /api/v1/tasks/1 ").len() > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_is_resumed_after_its_last_event() {
    let mut house = House::open(Bell::Embedded).await;
    let relay = Relay::before(house.url()).await;
    relay.cut_once("/events", Cut::Text("event: task"));
    let lines = watch_to_the_end(&mut house, &relay).await;
    let streams = relay.heard("/tasks/1/events");
    assert!(streams.len() > 1, "{streams:?}");
    assert!(!streams[0].contains("last-event-id"), "{}", streams[0]);
    let first = format!("last-event-id: {}\r\n", lines[0]["version"]);
    assert!(
        streams[1].contains(&first),
        "{first:?} is in {}",
        streams[1]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_ones_own_are_watched_with_a_line_per_change() {
    let mut house = House::open(Bell::Embedded).await;
    for blocked in [false, true] {
        let relay = Relay::before(house.url()).await;
        if blocked {
            relay.answer("/events", NOT_FOUND);
        }
        let watching = house.start_quay_at(&relay.url(), &["tasks", "watch"]);
        watching.wait_for_log("Watching your tasks").await;
        let export = house.quay(&["export", "user", "--force"]).stdout;
        let id = export.trim();
        let line = |state: &str| format!("{id}  {state}");
        let printed = async |state: &str| {
            eventually(state, async || {
                house.printed().contains(&line(state)).then_some(())
            })
            .await;
        };
        printed("PENDING").await;
        assert_eq!(house.quay(&["tasks", "cancel", id]).code, 0);
        printed("CANCELLED").await;
        assert_eq!(watching.interrupt().await.code(), Some(130));
        let lines = house.printed();
        let mut distinct: Vec<_> = lines.lines().collect();
        distinct.dedup();
        assert_eq!(
            distinct.len(),
            lines.lines().count(),
            "each state once: {lines}"
        );
        assert!(
            lines.lines().all(|line| line.starts_with(id)),
            "what is over is not told: {lines}"
        );
    }
    house.stop_gateway().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_ends_as_the_task_does() {
    let house = House::open(Bell::Broken).await;
    assert_eq!(house.quay(&["export", "user"]).stdout, "1\n");
    let late = house.quay(&["tasks", "watch", "1", "--timeout", "1"]);
    assert_eq!(late.code, 5, "{}", late.stderr);
    for words in ["PENDING", "the work goes on", "quay tasks download 1"] {
        assert!(late.stderr.contains(words), "{words:?}: {}", late.stderr);
    }
    let mut watching = house.start_quay(&["tasks", "watch", "1"]);
    watching.wait_for_log("PENDING").await;
    assert_eq!(house.quay(&["tasks", "cancel", "1"]).code, 0);
    assert_eq!(watching.end().await.code(), Some(1), "{}", watching.log());
    watching.wait_for_log("task 1 is CANCELLED").await;
    let over = house.quay(&["tasks", "watch", "1"]);
    assert_eq!(over.code, 1, "{}", over.stderr);
    let nobodys = house.quay(&["tasks", "watch", "99"]);
    assert_eq!(nobodys.code, 4, "{}", nobodys.stderr);
    assert!(
        nobodys.stderr.contains("404 not_found"),
        "{}",
        nobodys.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_outlives_a_gateway_that_goes_away_for_a_while() {
    let mut house = House::open(Bell::Embedded).await;
    assert_eq!(house.quay(&["export", "user"]).stdout, "1\n");
    let mut watching = house.start_quay(&["tasks", "watch", "1"]);
    watching.wait_for_log("PENDING").await;
    house.stop_gateway().await;
    watching.wait_for_log("the gateway does not answer").await;
    house.start_gateway().await;
    house.start_worker().await;
    assert_eq!(watching.end().await.code(), Some(0), "{}", watching.log());
    assert!(
        house
            .printed()
            .contains("Fetch it with: quay tasks download 1")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_terminal_the_state_is_drawn_in_place_and_the_file_is_named_at_the_end() {
    let mut house = House::open(Bell::Embedded).await;
    house.start_worker().await;
    for arguments in [&["export", "user", "--wait"][..], &["tasks", "watch", "1"]] {
        let seen = house.quay_on_terminal(arguments, "");
        assert_eq!(seen.code, 0, "{}", seen.stdout);
        assert!(
            seen.stdout.contains("\u{1b}[2K"),
            "a line is cleared: {:?}",
            seen.stdout
        );
        let last = seen.stdout.lines().last().unwrap_or_default();
        assert!(
            last.ends_with("Fetch it with: quay tasks download 1"),
            "{:?}",
            seen.stdout
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_further_stream_is_given_the_task_is_looked_at() {
    let one_stream = [("QUAYSIDE__EVENTS__STREAMS_PER_USER", "1")];
    let house = House::open_with(Bell::Broken, &one_stream).await;
    assert_eq!(house.quay(&["export", "user"]).stdout, "1\n");
    let holding = house.start_quay(&["tasks", "watch"]);
    holding.wait_for_log("Watching your tasks").await;
    let looked = house.quay(&["tasks", "watch", "1", "--timeout", "1"]);
    assert_eq!(looked.code, 5, "{}", looked.stderr);
    for words in [
        "PENDING",
        "429 quota_exceeded]; trying again",
        "the work goes on",
    ] {
        assert!(
            looked.stderr.contains(words),
            "{words:?}: {}",
            looked.stderr
        );
    }
    assert_eq!(holding.interrupt().await.code(), Some(130));
}
