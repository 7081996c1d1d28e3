//! A sweep looks for ended leases without locks, and takes the rows a moment later: whoever gives a
//! sign of life in between keeps its row.

use std::collections::HashSet;
use std::time::Duration;

use domain::Rung;
use store::{Beat, ClaimTerms};
use testkit::{TestDatabase, a_lane, an_export, terms};

const ROWS: usize = 6;
const ROUNDS: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn of_a_heartbeat_and_a_sweep_at_the_same_moment_exactly_one_has_the_row() {
    let database = TestDatabase::create().await;
    let (store, sweeping) = (database.store_with_pool(ROWS), database.store_with_pool(1));
    let lane = a_lane();
    let ended = ClaimTerms {
        lease: Duration::ZERO,
        ..terms("slow")
    };
    let (mut kept, mut rescued_in_all) = (0, 0);
    let mut rounds = 0;
    // on a busy machine one of them may be the faster one for long
    while rounds < ROUNDS || (kept == 0 || rescued_in_all == 0) && rounds < 20 * ROUNDS {
        rounds += 1;
        let mut rung: Vec<Rung> = Vec::new();
        for _ in 0..ROWS {
            let submitted = store.submit_export(an_export(&lane)).await;
            rung.push(submitted.expect("accepted").rung);
        }
        let claim = store
            .claim_rung(&lane, &rung, &ended)
            .await
            .expect("claimed");
        let leases: Vec<_> = claim.claimed.into_iter().map(|row| row.lease).collect();
        let beats = leases
            .iter()
            .map(|lease| store.heartbeat(lease, Duration::from_secs(600), None));
        let (beats, rescued) = tokio::join!(
            futures::future::join_all(beats),
            sweeping.sweep(&lane, ROWS)
        );
        let rescued = rescued.expect("answered");
        let rescued: HashSet<_> = rescued.into_iter().map(|row| row.id).collect();
        for (lease, beat) in leases.iter().zip(beats) {
            let held = beat.expect("answered") == Beat::Held;
            kept += u32::from(held);
            rescued_in_all += u32::from(rescued.contains(&lease.id));
            assert!(
                !(held && rescued.contains(&lease.id)),
                "{lease:?} was extended and taken away"
            );
        }
        database
            .execute("UPDATE compensate_biz SET wake_at = NULL, status = 'CANCELLED'")
            .await;
    }
    assert!(
        kept > 0 && rescued_in_all > 0,
        "{kept} kept, {rescued_in_all} rescued"
    );
}
