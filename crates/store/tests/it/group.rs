//! Groups: the joint end of rows asks for follow-up work, once for each generation.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{CompensateBizId, Lane, Rung, TaskId};
use store::{Announced, Claimed, Effects, Ending, Retried, Settled, Store, Story};
use testkit::{TestDatabase, a_lane, an_export, terms};

use crate::retry::{broken, by_the_owner};
use crate::settle::owner;

const FOLLOW_UPS: &str = "SELECT biz_id FROM compensate_biz WHERE biz_type = 'FOLLOW' ORDER BY id";

/// Exports that were made members of one group, each the only row of its task.
struct Members {
    database: TestDatabase,
    store: Store,
    lane: Lane,
    follow_lane: Lane,
    rows: Vec<(TaskId, Rung)>,
}

impl Members {
    async fn of(count: usize, sealed: bool) -> Self {
        let database = TestDatabase::create().await;
        let (lane, follow_lane) = (a_lane(), a_lane());
        let store = database.store_with_pool(8);
        database
            .execute(&format!(
                r#"INSERT INTO compensate_group (id, tenant, total, sealed, on_finished) VALUES
                   (5, 'acme', {count}, {sealed}, '[{{"biz_type": "FOLLOW", "lane": "{follow_lane}",
                   "context": "{{}}", "max_cnt": 3}}]')"#
            ))
            .await;
        let mut rows = Vec::new();
        for _ in 0..count {
            let submitted = store
                .submit_export(an_export(&lane))
                .await
                .expect("accepted");
            rows.push((submitted.task, submitted.rung));
        }
        database
            .execute(&format!(
                "UPDATE compensate_biz SET group_id = 5 WHERE lane = '{lane}'"
            ))
            .await;
        Self {
            database,
            store,
            lane,
            follow_lane,
            rows,
        }
    }

    async fn claim(&self, rung: Rung) -> Claimed {
        claim(&self.store, &self.lane, rung).await
    }

    async fn done(&self, member: usize) -> Vec<(Lane, Announced)> {
        let row = self.claim(self.rows[member].1).await;
        finish(&self.store, &row, Effects::none()).await
    }

    async fn dead(&self, member: usize) -> Vec<(Lane, Announced)> {
        let row = self.claim(self.rows[member].1).await;
        let ending = Ending::Failed(broken(), Duration::ZERO);
        settle(&self.store, &row, ending).await
    }

    /// Puts a member back; its new ring.
    async fn redrive(&mut self, member: usize) {
        let task = self.rows[member].0;
        let retried = self.store.retry_task(&owner(), task, &by_the_owner()).await;
        let Ok(Retried::Now(_, rung)) = retried else {
            panic!("it is open again: {retried:?}");
        };
        self.rows[member].1 = rung[0].1.rung;
    }

    async fn follow_ups(&self) -> Vec<String> {
        self.database.query(FOLLOW_UPS).await
    }

    async fn state(&self) -> (u32, u32, u32, u32, u32) {
        self.database
            .one(
                "SELECT succeeded, dead, cancelled, generation, ended_generation \
                 FROM compensate_group",
            )
            .await
    }
}

async fn claim(store: &Store, lane: &Lane, rung: Rung) -> Claimed {
    let claim = store
        .claim_rung(lane, &[rung], &terms("one"))
        .await
        .expect("claimed");
    claim.claimed.into_iter().next().expect("the row was free")
}

/// Ends the attempt; what was born with it besides rows that tell of dead letters.
async fn settle(store: &Store, row: &Claimed, ending: Ending) -> Vec<(Lane, Announced)> {
    let settled = store
        .settle_held(&row.lease, ending, Story::default())
        .await
        .expect("answered");
    match settled {
        Settled::Now(_, mut born) => {
            born.retain(|(lane, _)| !lane.is_dead_letters());
            born
        }
        Settled::Lost => panic!("the row was held"),
    }
}

async fn finish(store: &Store, row: &Claimed, effects: Effects) -> Vec<(Lane, Announced)> {
    settle(store, row, Ending::Finished(effects)).await
}

/// Finishes a follow-up; whether it was told that it is superseded.
async fn finish_follow_up(store: &Store, row: &Claimed) -> bool {
    let told = Arc::new(Mutex::new(None));
    let heard = told.clone();
    let effects = Effects::new(move |tx| {
        let heard = heard.clone();
        Box::pin(async move {
            let is_superseded = tx.is_superseded().await?;
            *heard.lock().expect("no panic under it") = Some(is_superseded);
            Ok(())
        })
    });
    finish(store, row, effects).await;
    let told = told.lock().expect("no panic under it").take();
    told.expect("the effects ran")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_ends_once_when_its_last_member_is_done_dead_or_cancelled() {
    let members = Members::of(3, true).await;
    assert_eq!(members.done(0).await, []);
    assert_eq!(members.dead(1).await, []);
    assert_eq!(members.follow_ups().await, [""; 0]);
    let task = members.rows[2].0;
    members
        .store
        .cancel_task(&owner(), task)
        .await
        .expect("cancelled");
    assert_eq!(members.follow_ups().await, ["5/1"]);
    assert_eq!(members.state().await, (1, 1, 1, 1, 1));
    let relayed: (bool, bool) = members
        .database
        .one(
            "SELECT announced, wake_at <= UTC_TIMESTAMP(6) FROM compensate_biz \
             WHERE biz_type = 'FOLLOW'",
        )
        .await;
    assert_eq!(relayed, (false, true), "nobody was there to ring it");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_follow_up_is_born_announced_in_the_transaction_of_the_last_member() {
    let members = Members::of(2, true).await;
    members.done(0).await;
    let born = members.done(1).await;
    let [(lane, announced)] = born.as_slice() else {
        panic!("one row was born: {born:?}");
    };
    assert_eq!(*lane, members.follow_lane);
    let row = claim(&members.store, lane, announced.rung).await;
    assert_eq!(
        (
            row.biz_type.as_str(),
            row.biz_id.as_str(),
            row.context.as_str()
        ),
        ("FOLLOW", "5/1", "{}")
    );
    assert!(!finish_follow_up(&members.store, &row).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_redrive_is_a_generation_with_one_end_and_older_follow_ups_are_superseded() {
    let mut members = Members::of(3, true).await;
    members.done(0).await;
    members.dead(1).await;
    let first = members.dead(2).await;
    let first = claim(&members.store, &members.follow_lane, first[0].1.rung).await;

    // one by one, the second while the first has not ended yet
    members.redrive(1).await;
    members.redrive(2).await;
    assert_eq!(members.state().await, (1, 0, 0, 3, 1));
    assert_eq!(members.done(1).await, []);
    let third = members.dead(2).await;
    assert_eq!(members.follow_ups().await, ["5/1", "5/3"]);
    // and once more, after the end
    members.redrive(2).await;
    let fourth = members.done(2).await;
    assert_eq!(members.follow_ups().await, ["5/1", "5/3", "5/4"]);
    assert_eq!(members.state().await, (3, 0, 0, 4, 4));

    let third = claim(&members.store, &members.follow_lane, third[0].1.rung).await;
    let fourth = claim(&members.store, &members.follow_lane, fourth[0].1.rung).await;
    assert!(!finish_follow_up(&members.store, &fourth).await);
    assert!(finish_follow_up(&members.store, &first).await);
    assert!(finish_follow_up(&members.store, &third).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_has_the_name_of_a_follow_up_is_taken_as_born() {
    let members = Members::of(1, true).await;
    let lane = &members.follow_lane;
    members
        .database
        .execute(&format!(
            "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, lane) \
             VALUES ('acme', 'FOLLOW', '5/1', '{{}}', '{lane}')"
        ))
        .await;
    members
        .database
        .execute(&format!(
            r#"UPDATE compensate_group SET on_finished =
               '[{{"biz_type": "FOLLOW", "lane": "{lane}", "context": "{{}}", "max_cnt": 3}},
                 {{"biz_type": "OTHER", "lane": "{lane}", "context": "{{}}", "max_cnt": 3}}]'"#
        ))
        .await;
    assert_eq!(members.done(0).await.len(), 1, "the other is born");
    assert_eq!(members.follow_ups().await, ["5/1"]);
    assert_eq!(members.state().await, (1, 0, 0, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_sealed_last_ends_with_that() {
    let members = Members::of(3, false).await;
    members.done(0).await;
    members.dead(1).await;
    assert_eq!(members.done(2).await, []);
    assert_eq!(members.state().await, (2, 1, 0, 1, 0));
    let born = seal(&members.store).await;
    assert_eq!(born.len(), 1);
    assert_eq!(seal(&members.store).await, [], "it has ended");
    assert_eq!(members.follow_ups().await, ["5/1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_group_ends_when_it_is_sealed() {
    let members = Members::of(0, false).await;
    assert_eq!(seal(&members.store).await.len(), 1);
    assert_eq!(members.follow_ups().await, ["5/1"]);
}

/// Seals the group by the effects of a row that is no member.
async fn seal(store: &Store) -> Vec<(Lane, Announced)> {
    let row = crate::settle::a_claimed_export(store, &a_lane()).await;
    let effects = Effects::new(|tx| Box::pin(async move { tx.seal_group(5).await }));
    finish(store, &row, effects).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_members_settled_by_eight_connections_at_once_end_the_group_once() {
    for _ in 0..3 {
        let members = Members::of(32, true).await;
        let mut rows = Vec::new();
        for (_, rung) in &members.rows {
            rows.push(members.claim(*rung).await);
        }
        let endings = rows.iter().enumerate().map(|(place, row)| {
            let ending = if place % 3 == 0 {
                Ending::Failed(broken(), Duration::ZERO)
            } else {
                Ending::Finished(Effects::none())
            };
            settle(&members.store, row, ending)
        });
        let born = futures::future::join_all(endings).await.concat();
        assert_eq!(born.len(), 1);
        assert_eq!(members.follow_ups().await, ["5/1"]);
        assert_eq!(members.state().await, (21, 11, 0, 1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_waits_for_another_try_is_not_counted() {
    let members = Members::of(1, true).await;
    let row = members.claim(members.rows[0].1).await;
    settle(&members.store, &row, Ending::HandedBack).await;
    assert_eq!(members.state().await, (0, 0, 0, 1, 0));
    assert_eq!(members.follow_ups().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_member_could_not_commit_is_not_counted_either() {
    let members = Members::of(1, true).await;
    let row = members.claim(members.rows[0].1).await;
    let refused = Effects::new(|tx| Box::pin(async move { tx.seal_group(404).await }));
    let settled = members
        .store
        .settle_held(&row.lease, Ending::Finished(refused), Story::default())
        .await;
    assert!(settled.is_err(), "there is no such group");
    assert_eq!(members.state().await, (0, 0, 0, 1, 0));
    assert_eq!(members.follow_ups().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_ends_a_group_whose_last_worker_vanished() {
    let members = Members::of(1, true).await;
    members.claim(members.rows[0].1).await;
    members
        .database
        .execute(
            "UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6), hard_deadline = UTC_TIMESTAMP(6)",
        )
        .await;
    members.store.sweep(&members.lane, 9).await.expect("swept");
    assert_eq!(members.state().await, (0, 1, 0, 1, 1));
    let due = members
        .store
        .announce_due(&members.follow_lane, 9, Duration::from_secs(5))
        .await
        .expect("announced");
    assert_eq!(due.len(), 1, "the relay rings it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_outlived_its_group_is_settled_all_the_same() {
    let members = Members::of(1, true).await;
    members
        .database
        .execute("DELETE FROM compensate_group")
        .await;
    assert_eq!(members.done(0).await, []);
    let status: String = members
        .database
        .one("SELECT status FROM compensate_biz")
        .await;
    assert_eq!(status, "SUCCESS");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_another_tenant_moves_no_group() {
    let members = Members::of(1, true).await;
    members
        .database
        .execute("UPDATE compensate_group SET tenant = 'globex'")
        .await;
    members.done(0).await;
    assert_eq!(members.state().await, (0, 0, 0, 1, 0));
    let id: u64 = members.database.one("SELECT id FROM compensate_biz").await;
    assert_eq!(CompensateBizId(id), members.rows[0].1.id);
}
