//! What becomes of the rows that tell of dead letters.

use domain::{DeadLetterStatus, FailureCode, UserId};
use serde_json::json;
use store::Actor;
use testkit::eventually;

use crate::house::{House, tenant_of};

#[tokio::test(flavor = "multi_thread")]
async fn operators_are_told_once_of_each_kind_and_the_count_is_that_of_the_letters() {
    let house = House::build().await;
    let announcer = house.announcer();
    let worker = house.handle();
    for _ in 0..3 {
        house.give_up(&announcer, FailureCode::Internal).await;
    }
    house.give_up(&announcer, FailureCode::TimedOut).await;
    house.all_handled().await;

    let told = house.told("acme").await;
    let mut counts: Vec<_> = told
        .iter()
        .map(|told| (told.params["reason"].clone(), told.count))
        .collect();
    counts.sort_by_key(|(_, count)| *count);
    assert_eq!(counts, [(json!("timed_out"), 1), (json!("internal"), 3)]);
    assert!(
        told.iter()
            .all(|told| told.params["lane"] == house.lane.as_str()
                && told.params["biz_type"] == "EXPORT"
                && told.read_at.is_none())
    );
    assert_eq!(house.stand().await, [DeadLetterStatus::Open; 4]);
    assert_eq!(house.told("globex").await, []);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_of_what_somebody_has_acted_on_by_then() {
    let house = House::build().await;
    let announcer = house.announcer();
    house.give_up(&announcer, FailureCode::Internal).await;
    let actor = Actor {
        tenant: tenant_of("acme"),
        user: UserId::parse("op").expect("a name"),
        request_id: None,
    };
    let id = house.letters().await[0].id;
    house
        .store
        .discard_dead_letter(&[tenant_of("acme")], id, &actor)
        .await
        .expect("discarded");
    let worker = house.handle();
    house.all_handled().await;
    assert_eq!(house.told("acme").await, []);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_could_be_told_of_is_parked_and_makes_no_further_letter() {
    let house = House::build().await;
    house
        .database
        .execute("RENAME TABLE notification TO away")
        .await;
    let worker = house.handle();
    let announcer = house.announcer();
    house.give_up(&announcer, FailureCode::Internal).await;
    house.all_handled().await;
    assert_eq!(house.stand().await, [DeadLetterStatus::Parked]);
    let rows: u64 = house
        .database
        .one("SELECT COUNT(*) FROM compensate_biz")
        .await;
    assert_eq!(rows, 2, "the export, and what was to tell of it");

    house
        .database
        .execute("RENAME TABLE away TO notification")
        .await;
    house.give_up(&announcer, FailureCode::Internal).await;
    eventually("the next one to be told of", async || {
        (house.told("acme").await.len() == 1).then_some(())
    })
    .await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_names_anothers_letter_or_none_tells_nobody_and_parks_nothing_of_others() {
    let house = House::build().await;
    let announcer = house.announcer();
    house.give_up(&announcer, FailureCode::Internal).await;
    let id = house.letters().await[0].id;
    let dead = house.lane.dead_letters();
    house
        .database
        .execute(&format!(
            "DELETE FROM compensate_biz WHERE biz_type = 'DEAD_LETTER'; \
             INSERT INTO compensate_biz (tenant, biz_type, biz_id, lane, context) VALUES \
             ('globex', 'DEAD_LETTER', '{id}', '{dead}', '{{\"dead_letter\": {id}}}'), \
             ('acme', 'DEAD_LETTER', '404', '{dead}', '{{\"dead_letter\": 404}}'), \
             ('acme', 'DEAD_LETTER', 'x', '{dead}', 'no JSON'), \
             ('acme', 'COUPON', '7', '{dead}', '{{}}')"
        ))
        .await;
    let worker = house.handle();
    eventually("the rows to be given up", async || {
        let failed: u64 = house
            .database
            .one(
                "SELECT COUNT(*) FROM compensate_biz WHERE lane LIKE '%.dlt' AND status = 'FAILED'",
            )
            .await;
        (failed == 4).then_some(())
    })
    .await;
    house.all_handled().await;
    let letters = eventually("the ring of the row that is gone", async || {
        let letters = house.letters().await;
        (letters.len() == 3).then_some(letters)
    })
    .await;
    let mut stand: Vec<_> = letters
        .iter()
        .map(|letter| (letter.biz_type.as_deref(), letter.status))
        .collect();
    stand.sort_unstable();
    assert_eq!(
        stand,
        [
            (None, DeadLetterStatus::Parked),
            (Some("COUPON"), DeadLetterStatus::Open),
            (Some("EXPORT"), DeadLetterStatus::Open),
        ],
        "strange work on the lane is set aside like any other, and told of"
    );
    assert_eq!(house.told("globex").await, []);
    let told = house.told("acme").await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].params["biz_type"], "COUPON");
    worker.stop().await;
}
