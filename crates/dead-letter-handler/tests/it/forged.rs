//! Messages that nobody of ours sent: each is a dead letter and nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::{
    BizType, CompensateBizId, DeadLetterSource, DeadLetterStatus, Failure, LeaseEpoch, Rung,
};
use engine::{Attempt, BizHandler};
use store::{DeadLetterFilter, Effects, HOUSE_TENANT, NewExport};
use testkit::{a_lane, an_export, eventually};

use crate::house::{House, tenant_of};

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

/// Whom each row was run for.
#[derive(Default)]
struct Runs(Mutex<Vec<(CompensateBizId, String)>>);

#[async_trait]
impl BizHandler for Runs {
    async fn run(&self, attempt: &Attempt) -> Result<Effects, Failure> {
        let run = (attempt.claimed().lease.id, attempt.tenant().to_string());
        self.0.lock().expect("no panic under it").push(run);
        Ok(Effects::none())
    }

    async fn clean_up(&self, _: &Attempt) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_ids_have_its_rows_run_for_it_alone_once_and_not_before_their_time() {
    let house = House::build().await;
    let submit = async |lane| {
        let export = NewExport {
            tenant: tenant_of("globex"),
            ..an_export(lane)
        };
        let submitted = house.store.submit_export(export).await;
        submitted.expect("accepted").rung
    };
    let other_lane = a_lane();
    let (elsewhere, later) = (submit(&other_lane).await, submit(&house.lane).await);
    let due = submit(&house.lane).await;
    let put_off = format!(
        "UPDATE compensate_biz SET announced = FALSE, \
         wake_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR WHERE id = {}",
        later.id
    );
    house.database.execute(&put_off).await;
    let at = |epoch, row: Rung| Rung {
        epoch: LeaseEpoch(epoch),
        ..row
    };
    let ringer = bus::Ringer::new(&house.bus).expect("the settings are right");
    // one partition: what is rung last is heard last
    for row in [
        elsewhere,
        at(7, elsewhere),
        later,
        at(1, later),
        at(1, due),
        due,
        due,
    ] {
        let trace = bus::TraceHeaders::default();
        let rung = ringer.ring(&house.lane, &[row], &trace).await;
        rung.expect("delivered");
    }
    let runs = Arc::new(Runs::default());
    let handler: Arc<dyn BizHandler> = runs.clone();
    let kind = BizType::parse("EXPORT").expect("a name");
    let worker = house.work(&house.lane, HashMap::from([(kind, handler)]));
    let teller = house.handle();
    eventually("the row to be run and two letters", async || {
        let letters = house.letters().await.len();
        let done = house.database.one::<u64>(
            "SELECT COUNT(*) FROM compensate_biz WHERE biz_type = 'EXPORT' AND status = 'SUCCESS'",
        );
        (done.await == 1 && letters == 2).then_some(())
    })
    .await;
    house.all_handled().await;
    worker.stop().await;
    teller.stop().await;

    let ran = runs.0.lock().expect("no panic under it").clone();
    assert_eq!(ran, [(due.id, "globex".to_owned())]);
    let untouched = |row: Rung| (row.id.0, "WAIT_HANDLE".to_owned(), 0);
    let expected = [
        untouched(elsewhere),
        untouched(later),
        (due.id.0, "SUCCESS".to_owned(), 1),
    ];
    assert_eq!(rows(&house).await, expected);
    // the row of another lane is told of, to the house alone
    let letters = house.letters().await;
    assert!(
        letters
            .iter()
            .all(|it| it.reason == "orphan" && it.tenant.as_str() == HOUSE_TENANT)
    );
    let tenants = ["acme", "globex"].map(tenant_of);
    let filter = DeadLetterFilter::default();
    let seen = house.store.dead_letters(&tenants, filter, None, 9).await;
    assert_eq!(seen.expect("listed").items, []);
    for tenant in ["acme", "globex"] {
        assert_eq!(house.told(tenant).await, []);
    }
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
