//! A lane that is paused by itself or by a person, and what opens it again.

use std::time::Duration;

use domain::{BizType, BreakerTerms, Lane, LaneState, RetryPolicy, Tenant, UserId};
use store::{Actor, LaneAct, LaneProbe, LaneStanding, Store};
use testkit::{TestDatabase, a_lane, an_export, terms};

fn person(user: &str) -> Actor {
    Actor {
        tenant: Tenant::parse("acme").expect("a name"),
        user: UserId::parse(user).expect("a name"),
        request_id: Some("r1".to_owned()),
    }
}

/// No pause: a probe is due at once.
fn at_once() -> BreakerTerms {
    BreakerTerms {
        pause: Duration::ZERO,
        longest_pause: Duration::ZERO,
        ..BreakerTerms::default()
    }
}

async fn trip(store: &Store, lane: &Lane, terms: &BreakerTerms) {
    let tripped = store.trip_lane(lane, "50 of 50", terms).await;
    assert!(tripped.expect("answers"));
}

async fn take(store: &Store, lane: &Lane, owner: &str) -> Option<LaneProbe> {
    let limit = Duration::from_secs(60);
    store.take_probe(lane, owner, limit).await.expect("answers")
}

async fn standing(store: &Store, lane: &Lane) -> LaneStanding {
    store.lane(lane).await.expect("answers")
}

/// Seconds from the pause to the next probe.
async fn pause_of(database: &TestDatabase) -> i64 {
    database
        .one("SELECT TIMESTAMPDIFF(SECOND, paused_at, probe_at) FROM lane")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_nobody_paused_is_open_and_eight_breakers_at_once_pause_it_once() {
    let database = TestDatabase::create().await;
    let (store, lane) = (database.store_with_pool(8), a_lane());
    assert_eq!(
        standing(&store, &lane).await,
        LaneStanding::open(lane.clone())
    );
    let terms = BreakerTerms::default();
    let trips = (0..8).map(|_| store.trip_lane(&lane, "50 of 50", &terms));
    let tripped = futures::future::join_all(trips).await;
    let tripped = tripped
        .into_iter()
        .filter(|it| *it.as_ref().expect("answers"));
    assert_eq!(tripped.count(), 1);
    let paused = standing(&store, &lane).await;
    assert_eq!((paused.state, paused.trips), (LaneState::Paused, 1));
    assert_eq!(
        (paused.reason.as_deref(), paused.paused_by),
        (Some("50 of 50"), None)
    );
    assert!(!paused.probe_is_due);
    assert_eq!(pause_of(&database).await, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_goes_to_one_of_many_and_only_once_it_is_due() {
    let database = TestDatabase::create().await;
    let (store, lane) = (database.store_with_pool(8), a_lane());
    assert_eq!(
        take(&store, &lane, "early").await,
        None,
        "an open lane has none"
    );
    trip(&store, &lane, &BreakerTerms::default()).await;
    assert_eq!(
        take(&store, &lane, "early").await,
        None,
        "the pause is not over"
    );
    database
        .execute("UPDATE lane SET probe_at = UTC_TIMESTAMP(6)")
        .await;
    let owners: Vec<String> = (0..8).map(|number| format!("w{number}")).collect();
    let asked = owners.iter().map(|owner| take(&store, &lane, owner));
    let taken = futures::future::join_all(asked).await;
    let taken: Vec<LaneProbe> = taken.into_iter().flatten().collect();
    assert_eq!(taken.len(), 1);
    let now = standing(&store, &lane).await;
    assert_eq!(now.state, LaneState::Probing);
    assert_eq!(
        LaneProbe::held_by(&taken[0].owner, &now).as_ref(),
        Some(&taken[0])
    );
    assert_eq!(LaneProbe::held_by("other", &now), None);

    // Its owner has vanished: when its time is over, another has it, and the first no more.
    database
        .execute("UPDATE lane SET probe_at = UTC_TIMESTAMP(6)")
        .await;
    let second = take(&store, &lane, "second")
        .await
        .expect("it is due again");
    let terms = BreakerTerms::default();
    let failed = store.probe_failed(&lane, &taken[0], "late", &terms).await;
    assert!(!failed.expect("answers"));
    assert!(
        store
            .probe_succeeded(&lane, &second)
            .await
            .expect("answers")
    );
    let open = standing(&store, &lane).await;
    assert_eq!(
        (open.state, open.reason, open.probe_owner),
        (LaneState::Open, None, None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failed_probe_doubles_the_pause_up_to_a_quarter_of_an_hour() {
    let database = TestDatabase::create().await;
    let (store, lane) = (database.store(), a_lane());
    let terms = BreakerTerms::default();
    trip(&store, &lane, &terms).await;
    for expected in [60, 120, 240, 480, 900, 900] {
        database
            .execute("UPDATE lane SET probe_at = UTC_TIMESTAMP(6)")
            .await;
        let probe = take(&store, &lane, "one").await.expect("it is due");
        let failed = store.probe_failed(&lane, &probe, "a probe", &terms).await;
        assert!(failed.expect("answers"));
        assert_eq!(pause_of(&database).await, expected);
        let late = store.probe_succeeded(&lane, &probe).await;
        assert!(!late.expect("answers"), "what failed has not succeeded");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_trips_again_soon_pauses_longer_and_after_a_good_time_as_at_first() {
    let database = TestDatabase::create().await;
    let (store, lane) = (database.store(), a_lane());
    let terms = BreakerTerms::default();
    for (since, expected) in [("1 SECOND", 30), ("1 SECOND", 60), ("16 MINUTE", 30)] {
        let back = format!("UPDATE lane SET updated_at = UTC_TIMESTAMP(6) - INTERVAL {since}");
        database.execute(&back).await;
        trip(&store, &lane, &terms).await;
        assert_eq!(pause_of(&database).await, expected);
        database
            .execute("UPDATE lane SET probe_at = UTC_TIMESTAMP(6)")
            .await;
        let probe = take(&store, &lane, "one").await.expect("it is due");
        assert!(store.probe_succeeded(&lane, &probe).await.expect("answers"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_paused_only_a_person_lets_go_on_and_every_act_is_in_the_log() {
    let database = TestDatabase::create().await;
    let (store, lane) = (database.store(), a_lane());
    trip(&store, &lane, &at_once()).await;
    let probe = take(&store, &lane, "one").await.expect("it is due");
    let (ann, bob) = (person("ann"), person("bob"));
    let paused = store.pause_lane(&lane, &ann, "maintenance").await;
    let LaneAct::Done(paused) = paused.expect("answers") else {
        panic!("nobody else has paused it");
    };
    assert_eq!(paused.state, LaneState::Paused);
    assert_eq!(paused.paused_by.as_deref(), Some("acme/ann"));
    assert_eq!(paused.reason.as_deref(), Some("maintenance"));
    assert!(paused.paused_at.is_some() && paused.probe_at.is_none());

    let terms = at_once();
    assert!(!store.probe_succeeded(&lane, &probe).await.expect("answers"));
    assert!(
        !store
            .probe_failed(&lane, &probe, "x", &terms)
            .await
            .expect("answers")
    );
    assert!(!store.trip_lane(&lane, "x", &terms).await.expect("answers"));
    assert_eq!(take(&store, &lane, "two").await, None);
    let refused = store
        .pause_lane(&lane, &bob, "mine")
        .await
        .expect("answers");
    assert_eq!(refused, LaneAct::Refused(paused.clone()));
    let again = store
        .pause_lane(&lane, &ann, "longer")
        .await
        .expect("answers");
    let expected = LaneStanding {
        reason: Some("longer".to_owned()),
        ..paused
    };
    assert_eq!(again, LaneAct::Done(expected));

    let open = store.resume_lane(&lane, &bob).await.expect("answers");
    assert_eq!(
        (open.state, open.trips, open.paused_by),
        (LaneState::Open, 0, None)
    );
    store.resume_lane(&lane, &bob).await.expect("answers");
    let acts: Vec<(String, String, String, String)> = database
        .query("SELECT actor, action, outcome, object_id FROM operation_log ORDER BY id")
        .await;
    let expected = [
        ("ann", "LANE_PAUSE", "DONE"),
        ("bob", "LANE_PAUSE", "REFUSED"),
        ("ann", "LANE_PAUSE", "DONE"),
        ("bob", "LANE_RESUME", "DONE"),
    ];
    let expected = expected.map(|(actor, action, outcome)| {
        let words = [actor, action, outcome, lane.as_str()].map(str::to_owned);
        let [actor, action, outcome, lane] = words;
        (actor, action, outcome, lane)
    });
    assert_eq!(acts, expected, "to let an open lane go on is no act");
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_are_those_that_are_known_that_were_paused_and_that_rows_name() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = |name: &str| Lane::parse(name).expect("a lane");
    let (known, paused, named) = (lane("b.known"), lane("c.paused"), lane("a.named"));
    trip(&store, &paused, &BreakerTerms::default()).await;
    store
        .submit_export(an_export(&named))
        .await
        .expect("accepted");
    let lanes = store
        .lanes(std::slice::from_ref(&known))
        .await
        .expect("answers");
    let told: Vec<(&str, LaneState, u64)> = lanes
        .iter()
        .map(|(lane, backlog)| (lane.lane.as_str(), lane.state, backlog.rows))
        .collect();
    let expected = [
        ("a.named", LaneState::Open, 1),
        ("b.known", LaneState::Open, 0),
        ("c.paused", LaneState::Paused, 0),
    ];
    assert_eq!(told, expected);
    for (lane, knows) in [(&known, false), (&paused, true), (&named, true)] {
        assert_eq!(
            store.knows_lane(lane).await.expect("answers"),
            knows,
            "{lane}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_often_a_row_may_fail_is_filled_at_the_claim_by_its_kind() {
    let database = TestDatabase::create().await;
    let lane = a_lane();
    database
        .execute(&format!(
            "INSERT INTO compensate_biz (biz_type, biz_id, context, lane, max_cnt) VALUES \
             ('A', '1', '{{}}', '{lane}', NULL), ('B', '1', '{{}}', '{lane}', NULL), \
             ('a', '1', '{{}}', '{lane}', NULL), ('A', '2', '{{}}', '{lane}', 1), \
             ('C', '1', '{{}}', '{lane}', NULL)"
        ))
        .await;
    let mut terms = terms("one");
    for (kind, max_cnt) in [("A", 7), ("B", 0)] {
        let policy = RetryPolicy::new(max_cnt, vec![Duration::ZERO]).expect("a backoff");
        let kind = BizType::parse(kind).expect("a name");
        terms.retry = terms.retry.with(kind, policy);
    }
    let claimed = database.store().claim_due(&lane, 9, &terms).await;
    assert_eq!(claimed.expect("claimed").len(), 5);
    let filled: Vec<u32> = database
        .query("SELECT max_cnt FROM compensate_biz ORDER BY id")
        .await;
    assert_eq!(filled, [7, 0, 3, 1, 3]);
}

/// Calls everything once, for `plans`.
pub(crate) async fn exercise(store: &Store, lane: &Lane) {
    let (terms, ann) = (at_once(), person("ann"));
    trip(store, lane, &terms).await;
    let probe = take(store, lane, "one").await.expect("it is due");
    let failed = store.probe_failed(lane, &probe, "x", &terms).await;
    assert!(failed.expect("answers"));
    let probe = take(store, lane, "one").await.expect("it is due");
    let kept = store.keep_probe(lane, &probe, Duration::ZERO).await;
    assert!(kept.expect("answers"));
    assert!(store.probe_succeeded(lane, &probe).await.expect("answers"));
    store.pause_lane(lane, &ann, "x").await.expect("answers");
    store.resume_lane(lane, &ann).await.expect("answers");
    store.scan_lane(lane, &ann).await.expect("answers");
    assert!(store.knows_lane(lane).await.expect("answers"));
    store.lanes(&[]).await.expect("answers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_is_kept_is_nobody_elses_until_it_is_lost() {
    let database = TestDatabase::create().await;
    let (store, lane) = (database.store(), a_lane());
    trip(&store, &lane, &at_once()).await;
    let probe = take(&store, &lane, "one").await.expect("it is due");
    let due = "UPDATE lane SET probe_at = UTC_TIMESTAMP(6)";
    let limit = Duration::from_secs(60);
    let keep = async || store.keep_probe(&lane, &probe, limit).await;
    database.execute(due).await;
    assert!(keep().await.expect("answers"));
    assert_eq!(take(&store, &lane, "two").await, None, "it is kept");
    database.execute(due).await;
    take(&store, &lane, "two").await.expect("it was not kept");
    assert!(!keep().await.expect("answers"), "it is another's");
    let now = standing(&store, &lane).await;
    assert_eq!(now.probe_owner.as_deref(), Some("two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scan_that_a_person_asks_for_is_seen_and_one_of_a_paused_lane_is_refused() {
    let database = TestDatabase::create().await;
    let (store, lane, ann) = (database.store(), a_lane(), person("ann"));
    for times in 1..=2 {
        let asked = store.scan_lane(&lane, &ann).await.expect("answers");
        let LaneAct::Done(standing) = asked else {
            panic!("{asked:?}");
        };
        assert_eq!((standing.scans, standing.state), (times, LaneState::Open));
    }
    trip(&store, &lane, &BreakerTerms::default()).await;
    let refused = store.scan_lane(&lane, &ann).await.expect("answers");
    assert!(matches!(refused, LaneAct::Refused(_)), "{refused:?}");
    assert_eq!(standing(&store, &lane).await.scans, 2);
    let entries: Vec<(String, String)> = database
        .query("SELECT action, outcome FROM operation_log ORDER BY id")
        .await;
    let entry = |outcome: &str| ("LANE_SCAN".to_owned(), outcome.to_owned());
    assert_eq!(entries, [entry("DONE"), entry("DONE"), entry("REFUSED")]);
}
