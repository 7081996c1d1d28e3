//! Lanes of one kind of work that share its turns: the urgent first, the rest not never.

use domain::Lane;
use engine::Turns;

use super::club::Club;

/// Rows of one batch.
const BATCH: usize = 20;

/// Two lanes that share one turn, with so many rows each from the beginning on; the first weighs 16
/// times as much as the other. Runs them to their end.
async fn race(club: &Club, urgent: usize, rest: usize) -> (Lane, Lane) {
    let (first, second) = (club.lane.urgent(), club.lane.rest());
    let (first, second) = (first.expect("a lane"), second.expect("a lane"));
    for (lane, rows) in [(&first, urgent), (&second, rest)] {
        club.ask_on(lane, rows).await;
    }
    let turns = Turns::new(1);
    let mut running = Vec::new();
    for (lane, weight) in [(&first, 16), (&second, 1)] {
        let mut settings = club.settings();
        settings.lane = lane.clone();
        settings.batch_size = BATCH;
        let seat = turns.seat(weight, Some(club.lane.clone()));
        running.push(club.work_sharing("one", settings, seat));
    }
    let all = u64::try_from(urgent + rest).expect("a few");
    club.until_all("SUCCESS", all).await;
    for worker in running {
        worker.stop().await;
    }
    (first, second)
}

/// Rows of a lane that were done when the last of the other was.
async fn done_before_the_last_of(club: &Club, lane: &Lane, other: &Lane) -> u64 {
    let sql = format!(
        "SELECT COUNT(*) FROM compensate_biz WHERE lane = '{lane}' AND finished_at < \
         (SELECT MAX(finished_at) FROM compensate_biz WHERE lane = '{other}')"
    );
    club.database.one(&sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn urgent_rows_do_not_wait_for_a_saturated_lane_that_shares_its_turns() {
    let club = Club::open().await;
    let (urgent, rest) = race(&club, 200, 2_000).await;
    let before = done_before_the_last_of(&club, &rest, &urgent).await;
    assert!(before < 1_000, "{before} of 2,000 others came first");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_is_served_while_a_saturated_urgent_lane_has_more() {
    let club = Club::open().await;
    let (urgent, rest) = race(&club, 2_000, 40).await;
    let before = done_before_the_last_of(&club, &rest, &urgent).await;
    assert_eq!(before, 40, "none of them waited for the last urgent row");
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_that_are_both_saturated_have_turns_by_their_weights() {
    let club = Club::open().await;
    let (urgent, rest) = race(&club, 3_200, 1_000).await;
    let sql = format!(
        "SELECT COUNT(*) FROM compensate_biz WHERE lane = '{rest}' AND finished_at BETWEEN \
         (SELECT MIN(finished_at) FROM compensate_biz WHERE lane = '{urgent}') AND \
         (SELECT MAX(finished_at) FROM compensate_biz WHERE lane = '{urgent}')"
    );
    let between: u64 = club.database.one(&sql).await;
    // 16 to 1 makes 200, and turn about all 1,000.
    assert!((100..=400).contains(&between), "{between} to 3,200");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_is_probed_while_the_lanes_beside_it_have_all_turns() {
    let club = Club::open().await;
    let lane = club.lane.rest().expect("a lane");
    club.ask_on(&lane, 10).await;
    let mut settings = club.settings();
    settings.lane = lane.clone();
    settings.breaker.look = std::time::Duration::from_millis(50);
    settings.breaker.pause = std::time::Duration::ZERO;
    let store = club.database.store();
    let tripped = store.trip_lane(&lane, "a test", &settings.breaker).await;
    assert!(tripped.expect("answers"));
    let turns = Turns::new(1);
    let busy = turns.seat(16, None).take().await;
    let worker = club.work_sharing("one", settings, turns.seat(1, None));
    testkit::eventually("the lane to be open again", async || {
        let standing = store.lane(&lane).await.expect("answers");
        (standing.state == domain::LaneState::Open).then_some(())
    })
    .await;
    assert_eq!(club.granted().await, 1, "a probe is one row");
    drop(busy);
    club.until_all("SUCCESS", 10).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_pauses_stands_still_on_the_lanes_beside_it() {
    let club = Club::open().await;
    let lane = &club.lane;
    club.database
        .execute(&format!(
            "INSERT INTO lane (name, state, paused_by, reason) \
             VALUES ('{lane}', 'PAUSED', 'acme/9', 'why not')"
        ))
        .await;
    let rest = lane.rest().expect("a lane");
    club.ask_on(&rest, 10).await;
    let mut settings = club.settings();
    settings.lane = rest.clone();
    settings.breaker.look = std::time::Duration::from_millis(50);
    let seat = Turns::new(1).seat(1, Some(lane.clone()));
    let board = engine::LaneBoard::default();
    let worker = club.work_on_board("one", settings, seat, &board);
    testkit::eventually("the worker to have looked", async || {
        (board.told().0 == "paused").then_some(())
    })
    .await;
    assert_eq!(club.granted().await, 0);
    let open = format!("UPDATE lane SET state = 'OPEN', paused_by = NULL WHERE name = '{lane}'");
    club.database.execute(&open).await;
    club.until_all("SUCCESS", 10).await;
    worker.stop().await;
}
