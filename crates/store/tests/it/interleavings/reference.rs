//! A plain reading of the rules: what each call must answer, and how all stand after it.

mod answers;
mod row;

use domain::{BizStatus, CompensateBizId, Event, FailureKind, GroupState, RowState, transition};

use super::call::{Answer, Call};
use super::club::{Club, MAX_CNT, MEMBERS, Seen};
use row::Row;

pub(super) struct Reference {
    rows: Vec<Row>,
    group: GroupState,
    /// The generations of the follow-ups, and who holds each, if it is not done.
    follow_ups: Vec<(u32, BizStatus)>,
}

impl Reference {
    pub(super) fn new(club: &Club) -> Self {
        let state = RowState {
            status: BizStatus::WaitHandle,
            cnt: 0,
            max_cnt: MAX_CNT,
        };
        let row = |(id, _): &(CompensateBizId, _)| Row {
            id: *id,
            state,
            epoch: 0,
            owner: None,
            announced: true,
            due: Some(false),
            effects: Vec::new(),
            letters: 0,
            letters_ever: 0,
            attempts: 0,
            rejected: false,
        };
        let group = GroupState {
            total: u32::try_from(MEMBERS).expect("few"),
            succeeded: 0,
            dead: 0,
            cancelled: 0,
            sealed: true,
            generation: 1,
            ended_generation: 0,
        };
        Self {
            rows: club.members.iter().map(row).collect(),
            group,
            follow_ups: Vec::new(),
        }
    }

    /// Panics when the rules do not allow the answer.
    pub(super) fn allows(&mut self, call: &Call, answer: &Answer, ids: &[CompensateBizId]) {
        match (call, answer) {
            (Call::Ring(rows, held), Answer::Rung(claimed, duplicates)) => {
                self.rung(rows, *held, claimed, *duplicates);
            }
            (Call::Scan(limit, held), Answer::Scanned(claimed)) => {
                let due = self.those(|row| row.is(BizStatus::WaitHandle) && row.due == Some(true));
                self.claims(&due, *limit, claimed, *held);
            }
            (Call::Batch(wanted, refuses), Answer::Batch(ran)) => {
                self.runs(wanted, *refuses, ran);
            }
            (Call::Beat(lease, held), Answer::Beat(beat)) => self.beats(lease, *held, *beat),
            (Call::Settle(lease, end), Answer::Settled(settled)) => {
                self.settles(lease, *end, settled);
            }
            (Call::Sweep(limit), Answer::Swept(rescued)) => self.sweeps(*limit, rescued),
            (Call::Relay(limit), Answer::Relayed(rung)) => self.relays(*limit, rung),
            (Call::Retract(rung), Answer::Retracted(touched)) => self.retracts(*rung, *touched),
            (Call::Cancel(member), Answer::Cancelled(cancelled)) => {
                self.cancels(*member, *cancelled);
            }
            (Call::Retry(member), Answer::Retried(rung)) => self.redrives(*member, *rung),
            (Call::Letter(member, back, act), Answer::Letter(told)) => {
                self.acts_on_letter(*member, *back, *act, told);
            }
            (Call::TimePasses(member), Answer::Nothing) => {
                let due = &mut self.rows[*member].due;
                *due = due.map(|_| true);
            }
            (Call::ClaimFollowUp(id), Answer::Rung(claimed, _)) => {
                self.claims_follow_up(ids, *id, claimed.len());
            }
            (Call::FinishFollowUp(lease), Answer::FollowUp(settled, told)) => {
                self.finishes_follow_up(ids, lease, settled, *told);
            }
            (call, answer) => panic!("{call:?} was answered by {answer:?}"),
        }
    }

    /// The row, then the group.
    fn follow(&mut self, number: usize, event: Event, waits: bool) {
        let row = &mut self.rows[number];
        let from = row.state.status;
        let change = transition(row.state, event).expect("the rules allow it");
        row.state = RowState {
            status: change.to,
            cnt: change.cnt,
            ..row.state
        };
        row.epoch += u64::from(change.raises_epoch);
        row.owner = None;
        row.announced = false;
        row.due = (!change.to.is_final()).then_some(!waits);
        row.letters += u64::from(change.dead_letter);
        row.letters_ever += usize::from(change.dead_letter);
        row.attempts += u64::from(matches!(event, Event::Fail(_) | Event::Rescue { .. }));
        row.rejected = event == Event::Fail(FailureKind::Rejected);
        if !from.is_final() && !change.to.is_final() {
            return;
        }
        let mut group = self
            .group
            .moved(from, change.to, 1)
            .expect("it stood there");
        if event == Event::Redrive {
            group = group.redriven();
        }
        if group.ends() {
            self.follow_ups
                .push((group.generation, BizStatus::WaitHandle));
            group = group.ended();
        }
        self.group = group;
    }

    /// Panics when something stands elsewhere than here.
    pub(super) fn compare(&self, seen: &[Seen], counts: [u32; 5], follow_ups: &[u32]) {
        let expected: Vec<Seen> = self.rows.iter().map(Row::seen).collect();
        assert_eq!(seen, expected);
        let group = &self.group;
        let expected = [
            group.succeeded,
            group.dead,
            group.cancelled,
            group.generation,
            group.ended_generation,
        ];
        assert_eq!(counts, expected);
        let expected: Vec<u32> = self.follow_ups.iter().map(|(number, _)| *number).collect();
        assert_eq!(follow_ups, expected);
    }

    fn those(&self, which: impl Fn(&Row) -> bool) -> Vec<usize> {
        (0..self.rows.len())
            .filter(|number| which(&self.rows[*number]))
            .collect()
    }

    fn number(&self, id: CompensateBizId) -> usize {
        self.rows
            .iter()
            .position(|row| row.id == id)
            .expect("a member")
    }

    fn row(&mut self, id: CompensateBizId) -> &mut Row {
        let number = self.number(id);
        &mut self.rows[number]
    }

    fn follow_up(&mut self, ids: &[CompensateBizId], id: CompensateBizId) -> &mut (u32, BizStatus) {
        let number = ids
            .iter()
            .position(|other| *other == id)
            .expect("a follow-up");
        &mut self.follow_ups[number]
    }
}
