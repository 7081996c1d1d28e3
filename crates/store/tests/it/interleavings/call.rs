//! An act with all that it needs, and what came of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{
    BizStatus, CompensateBizId, DeadLetterAct, DeadLetterId, Failure, FailureCode, FailureKind,
    FileRole, LeaseEpoch, Progress, Rung, Tenant, UserId,
};
use store::{
    Actor, Announce, Beat, Cancelled, ClaimTerms, Claimed, DeadLetterActed, Effects, Ending, Lease,
    NewArtifact, Refusal, Retried, Retry, Settled, Store, Story, Wanted,
};
use testkit::terms;

use super::act::{End, Held};
use super::batch::{self, Ran, Refuses};
use super::club::{Club, LEASE};
use crate::dead_letter::acme;
use crate::dead_letter_acts::operator;
use crate::settle::owner;
use crate::submit::NO_LIMITS;

/// An act with all that it needs.
#[derive(Debug, Clone)]
pub(super) enum Call {
    Ring(Vec<Rung>, Held),
    Scan(usize, Held),
    Batch(Wanted, Refuses),
    Beat(Lease, Held),
    Settle(Lease, End),
    Sweep(usize),
    Relay(usize),
    Retract(Rung),
    Cancel(usize),
    Retry(usize),
    Letter(usize, usize, DeadLetterAct),
    TimePasses(usize),
    ClaimFollowUp(CompensateBizId),
    FinishFollowUp(Lease),
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Answer {
    Rung(Vec<Claimed>, usize),
    Scanned(Vec<Claimed>),
    Batch(Ran),
    Beat(Beat),
    Settled(Settled),
    Swept(Vec<(CompensateBizId, BizStatus)>),
    Relayed(Vec<Rung>),
    Retracted(usize),
    Cancelled(Cancelled),
    /// The new ring, if it is open again.
    Retried(Option<Rung>),
    Letter(OnLetter),
    Nothing,
    /// Whether the follow-up was told that it is superseded.
    FollowUp(Settled, Option<bool>),
}

/// What became of an act on a letter.
#[derive(Debug)]
pub(super) enum OnLetter {
    /// The member has no such letter.
    Nothing,
    /// Its row is open again, with this ring.
    Redriven(DeadLetterId, Rung),
    Discarded(DeadLetterId),
    Refused(Refusal),
}

fn ending(end: End, lease: &Lease) -> Ending {
    match end {
        End::Finish => Ending::Finished(an_effect(lease)),
        End::HandBack => Ending::HandedBack,
        End::Fail(kind, delay) => Ending::Failed(failure(kind), delay.lasts()),
    }
}

pub(super) fn failure(kind: FailureKind) -> Failure {
    // A user's own fault is not tried again, whoever asks.
    let code = match kind {
        FailureKind::Rejected => FailureCode::InvalidRequest,
        _ => FailureCode::Internal,
    };
    Failure {
        kind,
        code,
        sentence: None,
        detail: "as drawn".to_owned(),
    }
}

/// A file that names the attempt: `task_file` has no unique key, so a second one is seen.
fn an_effect(lease: &Lease) -> Effects {
    let file = NewArtifact {
        role: FileRole::Artifact,
        object_key: format!("{}/e{}", lease.id, lease.epoch),
        name: "1.xlsx".to_owned(),
        size: 1,
        sha256: "0".repeat(64),
        rows: 1,
        keep: Duration::from_secs(3_600),
    };
    Effects::new(move |tx| {
        let file = file.clone();
        Box::pin(async move { tx.publish(&file).await })
    })
}

pub(super) fn claim_terms(worker: &str, held: Held) -> ClaimTerms {
    ClaimTerms {
        lease: held.lasts(),
        ..terms(worker)
    }
}

/// Does it, as the worker or person of that name, on that store's connection.
pub(super) async fn perform(club: &Club, store: &Store, name: &str, call: &Call) -> Answer {
    let lane = &club.lane;
    match call {
        Call::Ring(rows, held) => {
            let terms = claim_terms(name, *held);
            let claim = store
                .claim_rung(lane, rows, &terms)
                .await
                .expect("answered");
            assert_eq!(claim.orphans, []);
            Answer::Rung(claim.claimed, claim.duplicates)
        }
        Call::Scan(limit, held) => {
            let terms = claim_terms(name, *held);
            Answer::Scanned(
                store
                    .claim_due(lane, *limit, &terms)
                    .await
                    .expect("answered"),
            )
        }
        Call::Batch(wanted, refuses) => {
            let wanted = (wanted.clone(), *refuses);
            Answer::Batch(batch::run(club, store, name, wanted).await)
        }
        Call::Beat(lease, held) => {
            let told = Some((club.task_of(lease.id), Progress::default()));
            let beat = store.heartbeat(lease, held.lasts(), told).await;
            Answer::Beat(beat.expect("answered"))
        }
        Call::Settle(lease, end) => {
            Answer::Settled(settle(store, lease, ending(*end, lease)).await)
        }
        Call::Sweep(limit) => {
            let rescued = store.sweep(lane, *limit).await.expect("answered");
            Answer::Swept(rescued.iter().map(|row| (row.id, row.change.to)).collect())
        }
        Call::Relay(limit) => {
            let due = store
                .announce_due(lane, *limit, LEASE)
                .await
                .expect("answered");
            Answer::Relayed(due.iter().map(|row| row.rung).collect())
        }
        Call::Retract(rung) => Answer::Retracted(store.retract(&[*rung]).await.expect("answered")),
        Call::Cancel(member) => {
            let task = club.members[*member].1;
            Answer::Cancelled(store.cancel_task(&owner(), task).await.expect("answered"))
        }
        Call::Retry(member) => {
            let task = club.members[*member].1;
            let retried = store
                .retry_task(&owner(), task, &by_a_person())
                .await
                .expect("answered");
            Answer::Retried(match retried {
                Retried::Now(_, rows) => Some(rows[0].1.rung),
                Retried::Refused(_) => None,
                other => panic!("neither open again nor refused: {other:?}"),
            })
        }
        Call::Letter(member, back, act) => {
            Answer::Letter(act_on_letter(club, store, (*member, *back), *act).await)
        }
        Call::TimePasses(member) => {
            club.time_passes(*member).await;
            Answer::Nothing
        }
        Call::ClaimFollowUp(id) => {
            let rung = Rung {
                id: *id,
                epoch: LeaseEpoch(0),
            };
            let terms = claim_terms(name, Held::Long);
            let claim = store.claim_rung(&club.follow_lane, &[rung], &terms).await;
            let claim = claim.expect("answered");
            Answer::Rung(claim.claimed, claim.duplicates)
        }
        Call::FinishFollowUp(lease) => finish_follow_up(store, lease).await,
    }
}

async fn act_on_letter(
    club: &Club,
    store: &Store,
    (member, back): (usize, usize),
    act: DeadLetterAct,
) -> OnLetter {
    let Some(letter) = club.letter(member, back).await else {
        return OnLetter::Nothing;
    };
    let announce = Announce {
        scan_interval: LEASE,
        trace_context: None,
    };
    let (tenants, actor) = (acme(), operator());
    let acted = match act {
        DeadLetterAct::Redrive => {
            let redriven = store.redrive_dead_letter(&tenants, letter, &actor, &announce);
            redriven.await
        }
        DeadLetterAct::Discard => store.discard_dead_letter(&tenants, letter, &actor).await,
    };
    match acted.expect("answered") {
        DeadLetterActed::Now(_, rows) => match rows.as_slice() {
            [] => OnLetter::Discarded(letter),
            [(_, row)] => OnLetter::Redriven(letter, row.rung),
            several => panic!("one letter, one row: {several:?}"),
        },
        DeadLetterActed::Refused(_, why) => OnLetter::Refused(why),
        DeadLetterActed::NotFound => panic!("letter {letter} was there"),
    }
}

async fn settle(store: &Store, lease: &Lease, ending: Ending) -> Settled {
    store
        .settle_held(lease, ending, Story::default())
        .await
        .expect("answered")
}

/// Finishes it; what its effects were told of the generation, if they ran.
async fn finish_follow_up(store: &Store, lease: &Lease) -> Answer {
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
    let settled = settle(store, lease, Ending::Finished(effects)).await;
    let told = told.lock().expect("no panic under it").take();
    Answer::FollowUp(settled, told)
}

fn by_a_person() -> Retry {
    Retry {
        actor: Actor {
            tenant: Tenant::parse("acme").expect("a name"),
            user: UserId::parse("7").expect("a name"),
            request_id: None,
        },
        limits: NO_LIMITS,
        announce: Announce {
            scan_interval: LEASE,
            trace_context: None,
        },
    }
}
