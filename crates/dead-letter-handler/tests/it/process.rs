//! The handler as a process.

use std::process::{Child, Command, Stdio};

use domain::{DeadLetterStatus, FailureCode, Lane, UserId};
use store::Actor;
use testkit::eventually;

use crate::house::{HANDLERS, House, datasets, tenant_of};

/// Killed when the test ends.
struct Handler(Child);

impl Drop for Handler {
    fn drop(&mut self) {
        // it may have ended by itself
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn start(house: &House, log: &tempfile::NamedTempFile) -> Handler {
    let child = Command::new(env!("CARGO_BIN_EXE_dead-letter-handler"))
        .env("QUAYSIDE__MYSQL__URL", house.database.url())
        .env("QUAYSIDE__KAFKA__BROKERS", house.broker.bootstrap())
        .env("QUAYSIDE__DATASETS__DIR", datasets())
        .env("QUAYSIDE__HANDLERS__DIR", HANDLERS)
        .env("QUAYSIDE__ADMIN__LISTEN", "127.0.0.1:0")
        .env("QUAYSIDE__WORKER__SCAN_INTERVAL_SECONDS", "1")
        .stdout(Stdio::null())
        .stderr(log.reopen().expect("a log"))
        .spawn();
    Handler(child.expect("it starts"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_aside_on_a_queue_that_no_definition_names_is_told_of_too() {
    let house = House::with(Lane::export("retired").expect("a lane")).await;
    let log = tempfile::NamedTempFile::new().expect("a file");
    let _handler = start(&house, &log);
    house
        .give_up(&house.announcer(), FailureCode::Internal)
        .await;
    eventually("the operators to be told", async || {
        (house.told("acme").await.len() == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_a_kind_whose_name_ends_as_that_of_dead_letters_becomes_one() {
    let house = House::with(Lane::parse("quayside.biz.odd").expect("a lane")).await;
    let log = tempfile::NamedTempFile::new().expect("a file");
    let insert = "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context) \
                  VALUES ('acme', 'odd.dlt', '1', '{}')";
    house.database.execute(insert).await;
    let _handler = start(&house, &log);
    eventually("the operators to be told", async || {
        (house.told("acme").await.len() == 1).then_some(())
    })
    .await;
    let letter: (String, String) = house
        .database
        .one("SELECT biz_type, detail FROM dead_letter")
        .await;
    let told = "this worker has no handler for odd.dlt";
    assert_eq!(letter, ("odd.dlt".to_owned(), told.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_on_the_dead_letters_of_business_work_is_heard_before_any_row_is_there()
{
    let house = House::with(Lane::parse("quayside.biz.coupon_grant").expect("a lane")).await;
    let log = tempfile::NamedTempFile::new().expect("a file");
    let _handler = start(&house, &log);
    let dead_letters = house.lane.dead_letters();
    house.produce(&dead_letters, Some(b"not a ring")).await;
    eventually("the message to be set aside", async || {
        (house.stand().await == [DeadLetterStatus::Parked]).then_some(())
    })
    .await;
}

/// What it says of itself, once its admin port is open.
async fn readyz(log: &tempfile::NamedTempFile) -> Option<String> {
    let told = std::fs::read_to_string(log.path()).expect("a log");
    let line = told
        .lines()
        .find(|line| line.contains("admin port is open"))?;
    let port = line.split("127.0.0.1:").nth(1)?;
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    let client = reqwest::Client::builder().no_proxy().build();
    let url = format!("http://127.0.0.1:{port}/readyz");
    let answer = client.expect("a client").get(url).send().await;
    answer.expect("it answers").text().await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_of_dead_letters_that_is_paused_is_told_in_readyz() {
    let house = House::with(Lane::export("default").expect("a lane")).await;
    let actor = Actor {
        tenant: tenant_of("acme"),
        user: UserId::parse("op").expect("a name"),
        request_id: None,
    };
    let lane = house.lane.dead_letters();
    let paused = house.store.pause_lane(&lane, &actor, "as the test says");
    paused.await.expect("paused");
    let log = tempfile::NamedTempFile::new().expect("a file");
    let _handler = start(&house, &log);
    let wanted = format!("{lane} is PAUSED, paused by acme/op: as the test says");
    eventually("the lane to be told of", async || {
        readyz(&log)
            .await
            .filter(|told| told.contains(&wanted))
            .map(drop)
    })
    .await;
    let resumed = house.store.resume_lane(&lane, &actor);
    resumed.await.expect("resumed");
    eventually("the lane to be open", async || {
        let told = readyz(&log).await?;
        (!told.contains(&wanted)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_tells_of_what_is_set_aside_and_ends_well() {
    let house = House::with(Lane::export("default").expect("a lane")).await;
    let log = tempfile::NamedTempFile::new().expect("a file");
    let mut handler = start(&house, &log);
    house
        .give_up(&house.announcer(), FailureCode::Internal)
        .await;
    eventually("the operators to be told", async || {
        (house.told("acme").await.len() == 1).then_some(())
    })
    .await;
    let told = std::fs::read_to_string(log.path()).expect("a log");
    let line = told.lines().find(|line| line.contains("set aside"));
    let line = line.unwrap_or_else(|| panic!("a line tells of it: {told}"));
    assert!(
        line.contains("internal") && line.contains("quayside.export.default"),
        "{line}"
    );
    assert!(!line.contains("as the test says"), "{line}");

    let signalled = Command::new("kill")
        .args(["-s", "TERM", &handler.0.id().to_string()])
        .status();
    assert!(signalled.expect("kill runs").success());
    let ended = eventually("it to end", async || handler.0.try_wait().expect("a child")).await;
    assert!(ended.success(), "{ended}");
}
