//! `GET /lanes`, pause and resume.

use domain::{BreakerTerms, Lane};
use serde_json::{Value, json};

use crate::house::{House, admin, manager, token};

const LANES: &str = "/api/v1/lanes";
const EXPORTS: &str = "quayside.export.default";

fn operator() -> String {
    token("acme", "9", &["OPERATOR"])
}

/// With the operators of `acme` as those of the house.
async fn open() -> House {
    House::open_with(|settings| {
        settings.dead_letters.house_tenant = domain::Tenant::parse("acme").unwrap();
    })
    .await
}

fn act(lane: &str, verb: &str) -> String {
    format!("{LANES}/{lane}/{verb}")
}

async fn listed(house: &House, lane: &str) -> Option<Value> {
    let lanes = house.get(&operator(), LANES).await.json();
    let mut lanes = lanes["items"].as_array().unwrap().clone().into_iter();
    lanes.find(|it| it["lane"] == lane)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_is_paused_and_let_go_on_by_operators_alone() {
    let house = open().await;
    let body = json!({"reason": "maintenance"});
    let pause = act(EXPORTS, "pause");
    for refused in [
        house.get(&manager(), LANES).await,
        house.post(&manager(), &pause, &body).await,
        // another tenant's operator sees the lanes, and that is all
        house
            .post(&token("umbrella", "9", &["OPERATOR"]), &pause, &body)
            .await,
        house
            .post(&manager(), &act(EXPORTS, "resume"), &json!({}))
            .await,
    ] {
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (403, "forbidden")
        );
    }
    house.an_export(&manager()).await;
    let open = listed(&house, EXPORTS).await.unwrap();
    assert_eq!(
        (&open["state"], &open["open_rows"]),
        (&json!("OPEN"), &json!(1))
    );
    let paused = house.post(&operator(), &pause, &body).await;
    assert_eq!(paused.status, 200, "{paused:?}");
    let paused = paused.json();
    assert_eq!(paused["state"], "PAUSED");
    assert_eq!(paused["paused_by"], "acme/9");
    assert_eq!(paused["reason"], "maintenance");
    assert!(paused["paused_at"].is_string() && paused["probe_at"].is_null());
    let told = listed(&house, EXPORTS).await.unwrap();
    assert_eq!(told["reason"], "maintenance");

    let other = house.post(&admin(), &pause, &body).await;
    assert_eq!(
        (other.status, other.problem().as_str()),
        (409, "state_conflict")
    );
    let other = other.json();
    assert_eq!(
        (&other["state"], &other["allowed_actions"]),
        (&json!("PAUSED"), &json!(["resume"]))
    );
    let again = house
        .post(&operator(), &pause, &json!({"reason": " longer "}))
        .await;
    assert_eq!(
        (again.status, &again.json()["reason"]),
        (200, &json!("longer"))
    );
    for _ in 0..2 {
        let open = house
            .post(&admin(), &act(EXPORTS, "resume"), &json!({}))
            .await;
        assert_eq!((open.status, &open.json()["state"]), (200, &json!("OPEN")));
    }
    let acts: Vec<(String, String, String)> = house
        .database
        .query(
            "SELECT actor, action, outcome FROM operation_log WHERE object_kind = 'LANE' AND request_id IS NOT NULL \
             ORDER BY id",
        )
        .await;
    let words = |actor: &str, action: &str, outcome: &str| {
        (actor.to_owned(), action.to_owned(), outcome.to_owned())
    };
    let expected = [
        words("9", "LANE_PAUSE", "DONE"),
        words("1", "LANE_PAUSE", "REFUSED"),
        words("9", "LANE_PAUSE", "DONE"),
        words("1", "LANE_RESUME", "DONE"),
    ];
    assert_eq!(acts, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_paused_by_itself_says_so_and_a_person_opens_it() {
    let house = open().await;
    let lane = Lane::parse(EXPORTS).unwrap();
    let terms = BreakerTerms::default();
    let tripped = house
        .store
        .trip_lane(&lane, "50 of the last 50", &terms)
        .await;
    assert!(tripped.unwrap());
    let told = listed(&house, EXPORTS).await.unwrap();
    assert_eq!(
        (&told["state"], &told["trips"]),
        (&json!("PAUSED"), &json!(1))
    );
    assert_eq!(
        (&told["paused_by"], &told["reason"]),
        (&Value::Null, &json!("50 of the last 50"))
    );
    assert!(told["probe_at"].is_string());
    let open = house
        .post(&operator(), &act(EXPORTS, "resume"), &json!({}))
        .await;
    assert_eq!(
        (&open.json()["state"], &open.json()["trips"]),
        (&json!("OPEN"), &json!(0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_lane_or_no_reason_is_refused() {
    let house = open().await;
    let body = json!({"reason": "x"});
    for lane in ["quayside.export.nobody", "not%20a%20topic"] {
        for verb in ["pause", "resume", "scan"] {
            let refused = house.post(&operator(), &act(lane, verb), &body).await;
            assert_eq!(
                (refused.status, refused.problem().as_str()),
                (404, "not_found")
            );
        }
    }
    for body in [
        json!({}),
        json!({"reason": null}),
        json!({"reason": "  "}),
        json!({"reason": 7}),
        json!({"reason": "x".repeat(501)}),
        json!({"reason": "x", "until": "tomorrow"}),
        json!([]),
    ] {
        let refused = house.post(&operator(), &act(EXPORTS, "pause"), &body).await;
        assert_eq!(refused.problem(), "invalid_request", "{body}");
    }
    assert!(
        listed(&house, "quayside.export.default.dlt")
            .await
            .is_some()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_of_the_house_asks_for_a_scan_of_a_lane_that_is_open() {
    let house = open().await;
    let lane = "quayside.biz.coupon_grant";
    let asked = house
        .post(&operator(), &act(lane, "scan"), &json!({}))
        .await;
    assert_eq!(
        (asked.status, &asked.json()["state"]),
        (200, &json!("OPEN"))
    );
    let stranger = token("globex", "9", &["OPERATOR"]);
    for who in [manager(), stranger] {
        let refused = house.post(&who, &act(lane, "scan"), &json!({})).await;
        assert_eq!((refused.status, &*refused.problem()), (403, "forbidden"));
    }
    let pause = json!({"reason": "x"});
    house.post(&operator(), &act(lane, "pause"), &pause).await;
    let refused = house
        .post(&operator(), &act(lane, "scan"), &json!({}))
        .await;
    assert_eq!(
        (refused.status, &*refused.problem()),
        (409, "state_conflict")
    );
    assert_eq!(
        (&refused.json()["state"], &refused.json()["allowed_actions"]),
        (&json!("PAUSED"), &json!(["resume"]))
    );
    assert_eq!(scans(&house, lane).await, 1);
}

async fn scans(house: &House, lane: &str) -> u64 {
    let sql = format!("SELECT scans FROM lane WHERE name = '{lane}'");
    house.database.one(&sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_of_a_queue_reaches_its_urgent_work_and_its_rest_and_tells_what_it_does_not() {
    let house = open().await;
    let usual = "quayside.biz.coupon_grant";
    let [urgent, rest] = [".high", ".rest"].map(|end| format!("{usual}{end}"));
    let scan = async |lane: &str| {
        let act = act(lane, "scan");
        house.post(&operator(), &act, &json!({})).await
    };
    let asked = scan(usual).await.json();
    assert_eq!(
        (&asked["lane"], &asked["not_open"]),
        (&json!(usual), &json!([]))
    );
    let lane = Lane::parse(rest.as_str()).unwrap();
    let terms = BreakerTerms::default();
    let tripped = house.store.trip_lane(&lane, "x", &terms);
    assert!(tripped.await.unwrap());
    let asked = scan(usual).await;
    assert_eq!(
        (asked.status, &asked.json()["not_open"]),
        (200, &json!([rest]))
    );
    for (lane, times) in [(usual, 2), (&urgent, 2), (&rest, 1)] {
        assert_eq!(scans(&house, lane).await, times, "{lane}");
    }
    // A part alone, unless a person holds all of the queue.
    assert_eq!(scan(&urgent).await.json()["not_open"], json!([]));
    let pause = json!({"reason": "x"});
    house.post(&operator(), &act(usual, "pause"), &pause).await;
    let refused = scan(&urgent).await;
    assert_eq!(
        (refused.status, &*refused.problem()),
        (409, "state_conflict")
    );
    assert_eq!(scans(&house, &urgent).await, 3);
}
