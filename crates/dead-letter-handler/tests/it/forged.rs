//! Messages that nobody of ours sent: each is a dead letter and nothing else.

use domain::{CompensateBizId, DeadLetterSource, DeadLetterStatus, LeaseEpoch, Rung};
use store::HOUSE_TENANT;
use testkit::{a_lane, an_export, eventually};

use crate::house::House;

/// A ring of a later version of the contract that names row 1: fields `schema_version` = 99, `rows`.
const LATER: &[u8] = &[0x08, 99, 0x12, 0x02, 0x08, 0x01];

/// A ring without rows.
const OF_NOBODY: &[u8] = &[0x08, 0x01];

/// A ring and something behind it.
const WITH_A_TAIL: &[u8] = &[0x08, 0x01, 0x12, 0x02, 0x08, 0x01, 0x7a, 0x01, 0x78];

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_worked_on_is_a_letter_of_the_house_is_told_of_and_does_nothing_else() {
    let house = House::build().await;
    // Rows that the messages may be about: another lane's, and one that waits at another epoch.
    let elsewhere = house.store.submit_export(an_export(&a_lane())).await;
    let elsewhere = elsewhere.expect("accepted").rung;
    let held = house.an_attempt().await;
    let before = rows(&house).await;
    let absurd = vec![7; 900_000];
    for payload in [
        None,
        Some(&b""[..]),
        Some(&absurd),
        Some(b"not a ring"),
        Some(LATER),
        Some(OF_NOBODY),
        Some(WITH_A_TAIL),
    ] {
        house.produce(&house.lane, payload).await;
    }
    let ringer = bus::Ringer::new(&house.bus).expect("the settings are right");
    for row in [
        elsewhere,
        Rung {
            id: CompensateBizId(u64::MAX),
            epoch: LeaseEpoch(u64::MAX),
        },
        // a doubled ring of a row that is being worked on: no letter
        Rung {
            id: held.lease.id,
            epoch: LeaseEpoch(0),
        },
    ] {
        let trace = bus::TraceHeaders::default();
        let rung = ringer.ring(&house.lane, &[row], &trace).await;
        rung.expect("delivered");
    }

    let (listener, teller) = (house.listen(), house.handle());
    eventually("nine letters", async || {
        (house.letters().await.len() == 9).then_some(())
    })
    .await;
    house.all_handled().await;
    let letters = house.letters().await;
    let mut reasons: Vec<&str> = letters.iter().map(|letter| &*letter.reason).collect();
    reasons.sort_unstable();
    let expected = [
        "empty",
        "empty",
        "malformed",
        "malformed",
        "no_rows",
        "orphan",
        "orphan",
        "too_large",
        "unknown_version",
    ];
    assert_eq!(reasons, expected);
    assert!(letters.iter().all(|letter| {
        letter.source == DeadLetterSource::Message
            && letter.status == DeadLetterStatus::Open
            && letter.tenant.as_str() == HOUSE_TENANT
    }));
    let told = house.told(HOUSE_TENANT).await;
    assert_eq!(told.iter().map(|told| told.count).sum::<u32>(), 9);
    assert_eq!(house.told("acme").await, []);
    assert_eq!(rows(&house).await, before, "no row was touched");
    listener.stop().await;
    teller.stop().await;
}

/// Id, status and epoch of all work but what tells of letters.
async fn rows(house: &House) -> Vec<(u64, String, u64)> {
    house
        .database
        .query(
            "SELECT id, status, lease_epoch FROM compensate_biz \
             WHERE biz_type <> 'DEAD_LETTER' ORDER BY id",
        )
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_worked_on_among_dead_letters_is_parked_and_told_of_to_nobody() {
    let house = House::build().await;
    let dead = house.lane.dead_letters();
    for payload in [None, Some(&b"not a ring"[..]), Some(LATER)] {
        house.produce(&dead, payload).await;
    }
    let worker = house.handle();
    eventually("three letters", async || {
        (house.letters().await.len() == 3).then_some(())
    })
    .await;
    assert_eq!(house.stand().await, [DeadLetterStatus::Parked; 3]);
    let made: (u64, u64) = house
        .database
        .one("SELECT (SELECT COUNT(*) FROM compensate_biz), (SELECT COUNT(*) FROM notification)")
        .await;
    assert_eq!(made, (0, 0));
    worker.stop().await;
}
