//! Live events, read from real streams.

mod crowd;
mod tickets;

use std::time::Duration;

use domain::Progress;
use reqwest::Method;
use serde_json::json;
use store::{Beat, Claimed};

use crate::house::{DAY, House, admin, manager, token};
use crate::reader::Reader;

/// A gateway that looks often and is never silent for long.
async fn lively() -> House {
    House::open_with(|settings| {
        settings.events.poll_interval_ms = 20;
        settings.events.keep_alive_ms = 100;
    })
    .await
}

fn events_of(task: &str) -> String {
    format!("/api/v1/tasks/{task}/events")
}

const OWN: &str = "/api/v1/tasks/events";

async fn tell_progress(house: &House, row: &Claimed, done_rows: u64) {
    let progress = Progress {
        phase: Some("writing".to_owned()),
        total_rows: Some(10),
        done_rows,
        ..Progress::default()
    };
    let task = row.task_id.unwrap();
    let beat = house
        .store
        .heartbeat(&row.lease, Duration::from_secs(30), Some((task, progress)));
    assert_eq!(beat.await.unwrap(), Beat::Held);
}

async fn change(house: &House, task: &str) {
    let sql = format!("UPDATE task SET version = version + 1 WHERE id = {task}");
    house.database.execute(&sql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_shows_the_present_state_each_change_and_the_last_state_and_ends() {
    let house = lively().await;
    let task = house.an_export(&manager()).await;
    let mut stream = Reader::open(&house, &events_of(&task), &manager()).await;
    assert_eq!(stream.header("content-type"), "text/event-stream");
    assert_eq!(stream.header("cache-control"), "no-cache");
    assert_eq!(stream.header("x-accel-buffering"), "no");

    let first = stream.event().await.unwrap();
    assert_eq!((first.status(), first.id.as_str()), ("PENDING", "1"));
    let shown = house
        .get(&manager(), &format!("/api/v1/tasks/{task}"))
        .await;
    assert_eq!(first.data, shown.json(), "an event holds what GET shows");

    let row = house.claim(&task).await;
    let running = stream.event().await.unwrap();
    assert_eq!(running.status(), "PROCESSING");
    assert!(running.version() > first.version());
    tell_progress(&house, &row, 4).await;
    let further = stream.event().await.unwrap();
    assert_eq!(further.data["progress"]["done_rows"], 4);
    assert_eq!(further.id, further.version().to_string());

    let cancel = format!("/api/v1/tasks/{task}/cancel");
    house.post(&manager(), &cancel, &json!({})).await;
    let last = stream.event().await.unwrap();
    assert_eq!(last.status(), "CANCELLED");
    assert!(last.version() > further.version());
    assert!(
        stream.event().await.is_none(),
        "nothing follows the last state"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_task_is_one_event_and_the_end_and_none_for_who_knows_it() {
    let house = lively().await;
    let task = house.an_export(&manager()).await;
    house.run(&task, "a.xlsx", b"abc", DAY).await;
    let mut stream = Reader::open(&house, &events_of(&task), &manager()).await;
    let only = stream.event().await.unwrap();
    assert_eq!(only.status(), "SUCCESS");
    assert_eq!(only.data["files"][0]["size"], 3);
    assert!(stream.event().await.is_none());

    let again = house
        .request(Method::GET, &events_of(&task))
        .bearer_auth(manager())
        .header("last-event-id", &only.id);
    let again = house.send(again).await;
    assert_eq!((again.status, again.body.len()), (204, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_repeats_nothing_that_is_known_and_skips_to_the_newest_of_what_is_not() {
    let house = lively().await;
    let task = house.an_export(&manager()).await;
    for _ in 0..3 {
        change(&house, &task).await;
    }
    let path = events_of(&task);
    for older in ["1", "3", "no version", "99"] {
        let mut stream = Reader::resume(&house, &path, &manager(), older).await;
        assert_eq!(stream.event().await.unwrap().version(), 4, "after {older}");
    }
    let mut stream = Reader::resume(&house, &path, &manager(), "4").await;
    stream.comment().await;
    change(&house, &task).await;
    assert_eq!(stream.event().await.unwrap().version(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_of_ones_own_tasks_shows_nobody_elses() {
    let house = lively().await;
    let mine = house.an_export(&manager()).await;
    for other in [
        token("acme", "8", &["MANAGER"]),
        token("globex", "7", &["MANAGER"]),
        admin(),
    ] {
        house.an_export(&other).await;
    }
    let mut stream = Reader::open(&house, OWN, &manager()).await;
    assert_eq!(stream.event().await.unwrap().task(), mine);
    for other in [
        token("acme", "8", &["MANAGER"]),
        token("globex", "7", &["MANAGER"]),
        admin(),
    ] {
        house.an_export(&other).await;
    }
    let second = house.an_export(&manager()).await;
    assert_eq!(stream.event().await.unwrap().task(), second);
    house.claim(&mine).await;
    let changed = stream.event().await.unwrap();
    assert_eq!(
        (changed.task(), changed.status()),
        (mine.as_str(), "PROCESSING")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_of_all_begins_with_what_is_open_and_not_with_what_is_over() {
    let house = lively().await;
    let over = house.an_export(&manager()).await;
    house.run(&over, "a.xlsx", b"abc", DAY).await;
    let open = house.an_export(&manager()).await;
    let mut stream = Reader::open(&house, OWN, &manager()).await;
    assert_eq!(stream.event().await.unwrap().task(), open);
    house.run(&open, "a.xlsx", b"abc", DAY).await;
    let end = stream.until(|event| event.status() == "SUCCESS").await;
    assert_eq!(end.task(), open);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_of_all_tells_everything_that_changed_meanwhile() {
    let house = lively().await;
    let (a, b) = (
        house.an_export(&manager()).await,
        house.an_export(&manager()).await,
    );
    let mut stream = Reader::open(&house, OWN, &manager()).await;
    stream.event().await.unwrap();
    let seen = stream.event().await.unwrap().id;
    drop(stream);

    house.run(&a, "a.xlsx", b"abc", DAY).await;
    let cancel = format!("/api/v1/tasks/{b}/cancel");
    house.post(&manager(), &cancel, &json!({})).await;
    let c = house.an_export(&manager()).await;
    let brief = house.an_export(&manager()).await;
    house.run(&brief, "b.xlsx", b"abc", DAY).await;

    let mut expected = vec![
        (a, "SUCCESS".to_owned()),
        (b, "CANCELLED".to_owned()),
        (c, "PENDING".to_owned()),
        (brief, "SUCCESS".to_owned()),
    ];
    expected.sort();
    for resumed in [
        Reader::resume(&house, OWN, &manager(), &seen).await,
        Reader::open(&house, &format!("{OWN}?last_event_id={seen}"), &manager()).await,
    ] {
        let mut resumed = resumed;
        let mut told = Vec::new();
        for _ in 0..4 {
            let event = resumed.event().await.unwrap();
            told.push((event.task().to_owned(), event.status().to_owned()));
        }
        told.sort();
        assert_eq!(told, expected);
    }
    let odd = house.request(Method::GET, OWN).bearer_auth(manager());
    let odd = house.send(odd.header("last-event-id", "yesterday")).await;
    assert_eq!(
        (odd.status, odd.problem().as_str()),
        (400, "invalid_request")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_speaks_at_once_and_is_never_silent_for_long() {
    let house = lively().await;
    let mut stream = Reader::open(&house, OWN, &manager()).await;
    assert_eq!(stream.block().await.unwrap(), "retry: 2000\n: here");
    for _ in 0..3 {
        stream.comment().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_task_ends_its_stream() {
    let house = lively().await;
    let task = house.an_export(&manager()).await;
    let mut stream = Reader::open(&house, &events_of(&task), &manager()).await;
    stream.event().await.unwrap();
    let sql = format!("UPDATE task SET deleted_at = UTC_TIMESTAMP(6) WHERE id = {task}");
    house.database.execute(&sql).await;
    assert!(stream.event().await.is_none());
}
