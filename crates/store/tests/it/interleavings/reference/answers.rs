//! What each answer must be, and what follows from it.

use domain::{BizStatus, CompensateBizId, DeadLetterAct, Event, Rung, TaskStatus, transition};
use store::{Beat, Cancelled, Claimed, Lease, Refusal, Settled, Wanted};

use super::Reference;
use crate::interleavings::act::{End, Held};
use crate::interleavings::batch::{Ran, Refuses};
use crate::interleavings::call::OnLetter;

impl Reference {
    /// Those of the rows that wait at their ring's epoch, and for no later time of which nobody told.
    fn waiting_at(&self, rows: &[Rung]) -> Vec<usize> {
        let waits = |rung: &&Rung| {
            let row = &self.rows[self.number(rung.id)];
            let in_time = row.announced || row.due == Some(true);
            row.is(BizStatus::WaitHandle) && row.epoch == rung.epoch.0 && in_time
        };
        let rows = rows.iter().filter(waits);
        rows.map(|rung| self.number(rung.id)).collect()
    }

    pub(super) fn rung(
        &mut self,
        rows: &[Rung],
        held: Held,
        claimed: &[Claimed],
        duplicates: usize,
    ) {
        let due = self.waiting_at(rows);
        assert_eq!(rows.len() - due.len(), duplicates);
        self.claims(&due, due.len(), claimed, held);
    }

    /// Taken and ended at once: the first as it is refused, the others done.
    pub(super) fn runs(&mut self, wanted: &Wanted, refuses: Refuses, ran: &Ran) {
        let wanted = match wanted {
            Wanted::Rung(rung) => {
                let due = self.waiting_at(rung);
                assert_eq!(rung.len() - due.len(), ran.duplicates);
                assert_eq!(due.len(), ran.rows.len(), "{ran:?} of {due:?}");
                due
            }
            Wanted::Due(limit) => {
                let due = self.those(|row| row.is(BizStatus::WaitHandle) && row.due == Some(true));
                assert_eq!(due.len().min(*limit), ran.rows.len(), "{ran:?} of {due:?}");
                due
            }
        };
        let mut failed = Vec::new();
        for (place, id) in ran.rows.iter().enumerate() {
            let number = self.number(*id);
            assert!(wanted.contains(&number));
            let row = &mut self.rows[number];
            let claim = transition(row.state, Event::Claim).expect("it waits");
            row.state.status = claim.to;
            row.epoch += u64::from(claim.raises_epoch);
            if let Some((kind, delay)) = refuses.filter(|_| place == 0) {
                self.follow(number, Event::Fail(kind), matches!(delay, Held::Long));
                failed.push((*id, self.rows[number].state.status));
            } else {
                self.follow(number, Event::Finish, false);
            }
        }
        assert_eq!(
            (ran.done, &ran.failed),
            (ran.rows.len() - failed.len(), &failed)
        );
        for (id, effect) in ran.effects() {
            self.row(id).effects.push(effect);
        }
    }

    pub(super) fn beats(&mut self, lease: &Lease, held: Held, beat: Beat) {
        let row = self.row(lease.id);
        let holds = row.is_held_by(lease);
        assert_eq!(beat, if holds { Beat::Held } else { Beat::Lost });
        if holds {
            row.due = Some(held.lasts().is_zero());
        }
    }

    pub(super) fn relays(&mut self, limit: usize, rung: &[Rung]) {
        let silent = self
            .those(|row| row.is(BizStatus::WaitHandle) && row.due == Some(true) && !row.announced);
        assert_eq!(rung.len(), silent.len().min(limit));
        for rung in rung {
            assert!(silent.contains(&self.number(rung.id)));
            let row = self.row(rung.id);
            assert_eq!(rung.epoch.0, row.epoch);
            (row.announced, row.due) = (true, Some(false));
        }
    }

    pub(super) fn retracts(&mut self, rung: Rung, touched: usize) {
        let row = self.row(rung.id);
        let waits = row.is(BizStatus::WaitHandle) && row.announced;
        let expected = waits && row.epoch == rung.epoch.0;
        assert_eq!(touched, usize::from(expected));
        if expected {
            (row.announced, row.due) = (false, Some(true));
        }
    }

    pub(super) fn cancels(&mut self, member: usize, cancelled: Cancelled) {
        let status = self.rows[member].state.status;
        if status.is_final() {
            assert_eq!(cancelled, Cancelled::TooLate(TaskStatus::of_row(status)));
        } else {
            assert_eq!(cancelled, Cancelled::Now);
            self.follow(member, Event::Cancel, false);
        }
    }

    pub(super) fn redrives(&mut self, member: usize, rung: Option<Rung>) {
        let row = &self.rows[member];
        let redriven = transition(row.state, Event::Redrive).is_ok() && !row.rejected;
        let expected = redriven.then_some(row.epoch + 1);
        assert_eq!(rung.map(|rung| rung.epoch.0), expected);
        if redriven {
            self.puts_back(member);
        }
    }

    pub(super) fn acts_on_letter(
        &mut self,
        member: usize,
        back: usize,
        act: DeadLetterAct,
        told: &OnLetter,
    ) {
        let row = &mut self.rows[member];
        let exists = row.letters_ever > back;
        let is_open = back == 0 && row.letters == 1;
        match told {
            OnLetter::Nothing => assert!(!exists),
            OnLetter::Refused(why) => {
                assert!(exists && !is_open, "{why}");
                assert_eq!(*why, Refusal::NotOpen);
            }
            OnLetter::Discarded(_) => {
                assert!(is_open && act == DeadLetterAct::Discard);
                row.letters = 0;
            }
            OnLetter::Redriven(_, rung) => {
                assert!(is_open && act == DeadLetterAct::Redrive);
                assert_eq!((rung.id, rung.epoch.0), (row.id, row.epoch + 1));
                self.puts_back(member);
            }
        }
    }

    /// By its letter or by its owner.
    fn puts_back(&mut self, member: usize) {
        self.follow(member, Event::Redrive, true);
        let row = &mut self.rows[member];
        (row.announced, row.letters) = (true, 0);
    }

    pub(super) fn claims_follow_up(
        &mut self,
        ids: &[CompensateBizId],
        id: CompensateBizId,
        claimed: usize,
    ) {
        let follow_up = self.follow_up(ids, id);
        let waits = follow_up.1 == BizStatus::WaitHandle;
        assert_eq!(claimed, usize::from(waits));
        if waits {
            follow_up.1 = BizStatus::Processing;
        }
    }

    pub(super) fn finishes_follow_up(
        &mut self,
        ids: &[CompensateBizId],
        lease: &Lease,
        settled: &Settled,
        told: Option<bool>,
    ) {
        let present = self.group.generation;
        let follow_up = self.follow_up(ids, lease.id);
        // Each has one lease; asked again, it answers what was.
        assert!(
            matches!(settled, Settled::Now(BizStatus::Success, _)),
            "{settled:?}"
        );
        let first = follow_up.1 == BizStatus::Processing;
        assert_eq!(told, first.then_some(follow_up.0 != present));
        follow_up.1 = BizStatus::Success;
    }

    /// At most `limit` of the due ones were claimed, and if there are fewer, all.
    pub(super) fn claims(&mut self, due: &[usize], limit: usize, claimed: &[Claimed], held: Held) {
        assert_eq!(
            claimed.len(),
            due.len().min(limit),
            "{claimed:?} of {due:?}"
        );
        for claimed in claimed {
            let number = self.number(claimed.lease.id);
            assert!(due.contains(&number));
            let row = &mut self.rows[number];
            let change = transition(row.state, Event::Claim).expect("it waits");
            row.state.status = change.to;
            row.epoch += u64::from(change.raises_epoch);
            assert_eq!(
                (claimed.lease.epoch.0, claimed.cnt),
                (row.epoch, row.state.cnt)
            );
            row.owner = Some(claimed.lease.token.clone());
            (row.announced, row.due) = (true, Some(held.lasts().is_zero()));
        }
    }

    pub(super) fn settles(&mut self, lease: &Lease, end: End, settled: &Settled) {
        let waits = matches!(end, End::Fail(_, Held::Long));
        let expected = self.is_told(lease, end.event(), waits);
        match (settled, expected) {
            (Settled::Lost, None) => {}
            (Settled::Now(status, _), Some(expected)) => assert_eq!(*status, expected),
            (found, expected) => panic!("{found:?}, and not {expected:?}"),
        }
    }

    /// What the holder is told: the row's state if the ending stands, nothing if it does not.
    fn is_told(&mut self, lease: &Lease, event: Event, waits: bool) -> Option<BizStatus> {
        let number = self.number(lease.id);
        let row = &self.rows[number];
        if row.is_held_by(lease) {
            self.follow(number, event, waits);
            let row = &mut self.rows[number];
            if event == Event::Finish {
                row.effects.push(format!("{}/e{}", lease.id, lease.epoch));
            }
            return Some(row.state.status);
        }
        let at_my_epoch = row.epoch == lease.epoch.0 && !row.is(BizStatus::Processing);
        let handed_back = event == Event::HandBack
            && row.is(BizStatus::WaitHandle)
            && row.epoch == lease.epoch.next().0;
        (at_my_epoch || handed_back).then_some(row.state.status)
    }

    pub(super) fn sweeps(&mut self, limit: usize, rescued: &[(CompensateBizId, BizStatus)]) {
        let overdue = self.those(|row| row.is(BizStatus::Processing) && row.due == Some(true));
        assert_eq!(rescued.len(), overdue.len().min(limit));
        for (id, to) in rescued {
            let number = self.number(*id);
            assert!(overdue.contains(&number));
            let event = Event::Rescue {
                deadline_passed: false,
            };
            self.follow(number, event, false);
            assert_eq!(*to, self.rows[number].state.status);
        }
    }
}
