//! Work that no definition names, and work that only looks like it.

use std::time::Duration;

use domain::{Lane, Rung};
use store::Store;
use tempfile::TempDir;
use testkit::eventually;

use crate::house::House;
use crate::service::Service;

const GRANT: &str = r#"
kind = "rows"
[rows]
dataset = "coupon_grant"
columns = { batch = "batch", member_no = "member", coupon = "coupon" }
"#;

/// Of a row of this kind; the first.
async fn letter(house: &House, kind: &str) -> (String, String) {
    eventually(&format!("a letter of {kind}"), async || {
        house.letters(kind).await.into_iter().next()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn work_of_a_kind_that_no_definition_names_becomes_a_dead_letter() {
    let house = House::open().await;
    house.define("grant", GRANT);
    let _worker = house.work();
    house.ask("stranger", "1", "{}").await;
    let letter = eventually("a letter", async || {
        house.letters("stranger").await.into_iter().next()
    })
    .await;
    assert_eq!(letter.0, "1");
    assert!(letter.1.contains("no handler for stranger"), "{letter:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_given_up_keeps_no_other_from_it() {
    let house = House::open().await;
    house.define("grant", GRANT);
    // What the database refuses for good.
    house
        .database
        .execute("ALTER TABLE dead_letter ADD CONSTRAINT odd CHECK (biz_id <> 'odd')")
        .await;
    for (kind, biz_id) in [("stranger", "odd"), ("stranger", "1"), ("tramp", "2")] {
        house.ask(kind, biz_id, "{}").await;
    }
    let _worker = house.work();
    for (kind, biz_id) in [("stranger", "1"), ("tramp", "2")] {
        let letter = eventually("a letter", async || {
            house.letters(kind).await.into_iter().next()
        })
        .await;
        assert_eq!(letter.0, biz_id);
    }
    let told = "a row cannot be given up";
    eventually("it to be told", async || {
        house.log().contains(told).then_some(())
    })
    .await;
    let rows = house.rows("stranger").await;
    assert!(
        rows.iter()
            .any(|row| row.0 == "odd" && row.1 == "PROCESSING"),
        "{rows:?}"
    );
}

/// As relays do whose rings do not arrive, the topic not being there.
async fn ring_in_vain(store: &Store, lane: &Lane) {
    loop {
        let interval = Duration::from_secs(60);
        let rung = store.announce_due(lane, 500, interval).await.unwrap();
        let rung: Vec<Rung> = rung.into_iter().map(|row| row.rung).collect();
        store.retract(&rung).await.unwrap();
        // between two passes of a relay
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_rung_in_vain_again_and_again_becomes_a_dead_letter_all_the_same() {
    let house = House::open().await;
    house.define("grant", GRANT);
    let _worker = house.work_with(&[("QUAYSIDE__HANDLERS__UNKNOWN_PATIENCE_SECONDS", "2")]);
    house.ask("stranger", "1", "{}").await;
    let store = house.database.store();
    let lane = Lane::parse("quayside.biz.stranger").unwrap();
    tokio::select! {
        () = ring_in_vain(&store, &lane) => unreachable!("it rings for ever"),
        letter = letter(&house, "stranger") => {
            assert!(letter.1.contains("no handler for stranger"), "{letter:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_another_worker_serves_slowly_loses_nothing_however_old_its_backlog() {
    let (house, service) = (House::open().await, Service::open().await);
    house.define("grant", GRANT);
    let others = TempDir::new().unwrap();
    let slow = "biz_type = \"slow\"\nkind = \"http\"\nconcurrency = 1\nscan_interval = \"200ms\"\n\
                timeout = \"20s\"\n[http]\nurl_field = \"url\"\nhosts = [\"127.0.0.1\"]\n\
                private_ranges = [\"127.0.0.0/8\"]";
    std::fs::write(others.path().join("slow.toml"), slow).unwrap();
    house.add_topics("quayside.biz.slow");
    // the first call takes longer than the patience
    for (biz_id, path) in [("0", "/slow/4000"), ("1", "/slow/100"), ("2", "/slow/200")] {
        house.ask("slow", biz_id, &service.context(path)).await;
    }
    // these wait for the one turn that there is for all lanes of the queue
    for number in 3..10 {
        let context = service.context("/slow/200");
        house.ask("slow", &number.to_string(), &context).await;
    }
    let rest = "UPDATE compensate_biz SET lane = CONCAT(lane, '.rest') WHERE biz_id >= '3'";
    house.database.execute(rest).await;
    let patience = ("QUAYSIDE__HANDLERS__UNKNOWN_PATIENCE_SECONDS", "3");
    let dir = others.path().to_str().unwrap();
    let _knows = house.work_with(&[patience, ("QUAYSIDE__HANDLERS__DIR", dir)]);
    eventually("it to be called", async || {
        (service.all_calls() > 0).then_some(())
    })
    .await;
    let _knows_not = house.work_with(&[patience]);
    let ended = house.all_ended("slow").await;
    let is_done = |row: &(String, String, u32)| row.1 == "SUCCESS" && row.2 == 0;
    assert!(ended.len() == 10 && ended.iter().all(is_done), "{ended:?}");
    assert_eq!(service.all_calls(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_kind_that_can_be_no_topic_become_dead_letters_too() {
    let house = House::open().await;
    house.define("grant", GRANT);
    let kinds = ["优惠券", "my type", "a/b", ""];
    for kind in kinds {
        house.ask(kind, "1", "{}").await;
    }
    // one that a worker held that vanished, and one that names the lane itself
    house
        .database
        .execute(
            "INSERT INTO compensate_biz \
             (biz_type, biz_id, context, lane, status, lease_epoch, lease_owner, max_cnt) VALUES \
             ('held', '1', '{}', 'no topic at all!', 'PROCESSING', 1, 'gone/1', 3), \
             ('named', '1', '{}', 'no topic at all!', 'WAIT_HANDLE', 0, NULL, NULL)",
        )
        .await;
    let _worker = house.work();
    for kind in kinds.into_iter().chain(["held", "named"]) {
        let letter = letter(&house, kind).await;
        let told = format!("no handler for {kind}");
        assert!(letter.1.contains(&told), "{kind}: {letter:?}");
    }
    let ended = house.all_ended("held").await;
    assert_eq!(ended, [("1".to_owned(), "FAILED".to_owned(), 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_known_kind_are_not_given_up_where_nobody_serves_it() {
    let house = House::open().await;
    house.define("grant", GRANT);
    house.define("call", "kind = \"code\"\n[code]\nhandler = \"canary\"");
    // the same lane to the database, which takes no notice of spaces at the end
    for (kind, biz_id) in [("grant ", "1"), ("grant", "2"), ("grant", "3")] {
        house.ask(kind, biz_id, "{}").await;
    }
    let _worker = house.work_with(&[("QUAYSIDE__HANDLERS__ONLY", "call")]);
    for number in 1..=2 {
        // what is given up later than they would be
        let kind = format!("stranger{number}");
        house.ask(&kind, "1", "{}").await;
        letter(&house, &kind).await;
    }
    let rows = house.rows("grant").await;
    let waits = |row: &(String, String, u32)| row.1 == "WAIT_HANDLE" && row.2 == 0;
    assert!(rows.len() == 3 && rows.iter().all(waits), "{rows:?}");
}
