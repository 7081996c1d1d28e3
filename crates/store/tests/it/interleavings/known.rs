//! What the callers know, and what they make of an act with it.

use domain::{CompensateBizId, LeaseEpoch, Rung};
use store::{Lease, Wanted};

use super::act::{Act, Age};
use super::call::{Answer, Call, OnLetter};
use super::club::{Club, MEMBERS};

/// What the callers know: the epochs that they have heard of, every lease that was ever granted.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) epochs: [u64; MEMBERS],
    pub(super) leases: Vec<Lease>,
    pub(super) follow_ups: Vec<CompensateBizId>,
    pub(super) follow_up_leases: Vec<Lease>,
}

impl Known {
    /// The call that an act comes to; none when it is about what does not exist yet.
    pub(super) fn call(&self, club: &Club, act: &Act) -> Option<Call> {
        let rung = |member: usize, age: Age| {
            let member = member % MEMBERS;
            let epoch = match age {
                Age::Present => Some(self.epochs[member]),
                Age::Old => self.epochs[member].checked_sub(1),
                Age::Ahead => Some(self.epochs[member] + 1),
            };
            epoch.map(|epoch| Rung {
                id: club.members[member].0,
                epoch: LeaseEpoch(epoch),
            })
        };
        let rung_of = |rows: &[(usize, Age)]| {
            let rows = rows.iter();
            let mut rows: Vec<Rung> = rows
                .filter_map(|(member, age)| rung(*member, *age))
                .collect();
            rows.sort_unstable();
            rows.dedup_by_key(|row| row.id);
            rows
        };
        // The later half more often: those of today.
        let one_of = |leases: &[Lease], number: usize| {
            let from = if number.is_multiple_of(3) {
                0
            } else {
                leases.len().saturating_sub(4)
            };
            let leases = &leases[from..];
            (!leases.is_empty()).then(|| leases[number % leases.len()].clone())
        };
        Some(match act {
            Act::Ring(rows, held) => Call::Ring(rung_of(rows), *held),
            Act::DueBatch(limit, refuses) => Call::Batch(Wanted::Due(*limit), *refuses),
            Act::RungBatch(rows, refuses) => Call::Batch(Wanted::Rung(rung_of(rows)), *refuses),
            Act::Scan(limit, held) => Call::Scan(*limit, *held),
            Act::Beat(number, held) => Call::Beat(one_of(&self.leases, *number)?, *held),
            Act::Settle(number, end) => Call::Settle(one_of(&self.leases, *number)?, *end),
            Act::Sweep(limit) => Call::Sweep(*limit),
            Act::Relay(limit) => Call::Relay(*limit),
            Act::Retract(member, age) => Call::Retract(rung(*member, *age)?),
            Act::Cancel(member) => Call::Cancel(member % MEMBERS),
            Act::Retry(member) => Call::Retry(member % MEMBERS),
            Act::Letter(member, back, act) => Call::Letter(member % MEMBERS, *back, *act),
            Act::TimePasses(member) => Call::TimePasses(member % MEMBERS),
            Act::ClaimFollowUp(number) => {
                let number = number.checked_rem(self.follow_ups.len())?;
                Call::ClaimFollowUp(self.follow_ups[number])
            }
            Act::FinishFollowUp(number) => {
                Call::FinishFollowUp(one_of(&self.follow_up_leases, *number)?)
            }
        })
    }
}

impl Known {
    /// Leases that an answer grants.
    pub(super) fn learn(&mut self, answer: &Answer) {
        if let Answer::Rung(claimed, _) | Answer::Scanned(claimed) = answer {
            for row in claimed {
                let is_follow_up = self.follow_ups.contains(&row.lease.id);
                let leases = if is_follow_up {
                    &mut self.follow_up_leases
                } else {
                    &mut self.leases
                };
                leases.push(row.lease.clone());
            }
        }
    }

    /// Epochs that an answer tells of, where nobody looks into the table.
    pub(super) fn hear_of(&mut self, club: &Club, answer: &Answer) {
        let heard: Vec<(CompensateBizId, u64)> = match answer {
            Answer::Rung(claimed, _) | Answer::Scanned(claimed) => claimed
                .iter()
                .map(|row| (row.lease.id, row.lease.epoch.0))
                .collect(),
            Answer::Relayed(rung) => rung.iter().map(|rung| (rung.id, rung.epoch.0)).collect(),
            Answer::Retried(rung) => rung.iter().map(|rung| (rung.id, rung.epoch.0)).collect(),
            Answer::Letter(OnLetter::Redriven(_, rung)) => vec![(rung.id, rung.epoch.0)],
            Answer::Letter(_)
            | Answer::Batch(_)
            | Answer::Beat(_)
            | Answer::Settled(_)
            | Answer::Swept(_)
            | Answer::Retracted(_)
            | Answer::Cancelled(_)
            | Answer::Nothing
            | Answer::FollowUp(_, _) => Vec::new(),
        };
        for (id, epoch) in heard {
            if let Some(member) = club.members.iter().position(|(other, _)| *other == id) {
                self.epochs[member] = self.epochs[member].max(epoch);
            }
        }
    }
}
