//! What must hold in every state of the house, and what must happen in some.

use domain::{BizStatus, Event};
use stateright::{Model, Property};

use super::standing::{Batch, Ear, Ended, Harm, Relay, Rings, State, Wake, Worker};
use super::step::Step;
use super::{House, batches};

pub(super) const ONCE: &str = "an effect is committed once, and exactly with SUCCESS";
pub(super) const TIMERS_OF_OPEN_ROWS: &str = "exactly the rows that are not final have a timer";
pub(super) const ENDS: &str = "whoever dies, sweep and scan alone bring the row to its end";
pub(super) const ONLY_HOLDERS_WRITE: &str = "only the holder writes";
pub(super) const ONE_HOLDER: &str = "one worker at most holds the row's epoch";
pub(super) const TOLD_TRULY: &str = "a holder is told the truth about its ending";
pub(super) const RESCUED_LATE: &str = "a row is rescued only when its lease has ended";
pub(super) const TIMERS_LAST: &str = "only time ends a lease or a backoff";
pub(super) const EPOCH_GROWS: &str = "the epoch only grows";
pub(super) const GIVEN_UP_IS_TOLD: &str = "a row that was given up has its dead letter";

type Law = Property<House>;

/// The laws, and the events that the house's members make possible.
pub(super) fn of(house: &House) -> Vec<Law> {
    let mut all = vec![
        Law::always(ONCE, |_, state| {
            let done = state.row.status == BizStatus::Success;
            state.row.effects == u8::from(done)
        }),
        Law::always(TIMERS_OF_OPEN_ROWS, |_, state| {
            state.row.status.is_final() == (state.row.wake == Wake::Never)
        }),
        Law::always(ENDS, ends_whoever_dies),
        Law::always(ONLY_HOLDERS_WRITE, |_, state| {
            state.harm != Some(Harm::StaleWrite)
        }),
        Law::always(ONE_HOLDER, |_, state| {
            (0..2).all(|worker| state.holds(worker) || !believes(state, worker))
        }),
        Law::always(TOLD_TRULY, |_, state| {
            let lies = [Harm::ToldThatItStands, Harm::ToldThatItIsLost];
            state.harm.is_none_or(|harm| !lies.contains(&harm))
        }),
        Law::always(RESCUED_LATE, |_, state| {
            state.harm != Some(Harm::RescuedInTime)
        }),
        Law::always(TIMERS_LAST, |_, state| state.harm != Some(Harm::TimerCut)),
        Law::always(EPOCH_GROWS, |_, state| state.harm != Some(Harm::EpochFell)),
        Law::always(GIVEN_UP_IS_TOLD, |_, state| {
            let given_up = state.row.status == BizStatus::Failed && !state.row.rejected;
            let owed = state.workers.iter().any(|worker| worker.owes_letter);
            !given_up || state.row.letter || owed
        }),
        Law::sometimes("the row is given up", |_, state| state.row.letter),
        Law::sometimes("the user was wrong", |_, state| state.row.rejected),
        Law::sometimes("it is done in a later run", |_, state| {
            state.row.again && state.row.status == BizStatus::Success
        }),
        Law::sometimes("it is cancelled while held", |_, state| {
            state.row.status == BizStatus::Cancelled && state.workers[0].hold.is_some()
        }),
        Law::sometimes("a finish is committed and its answer lost", |_, state| {
            state.workers[0]
                .hold
                .is_some_and(|hold| hold.ended == Ended::Finished)
        }),
        Law::sometimes("a worker wakes after another run has begun", |_, state| {
            let epoch = state.workers[0].hold.map(|hold| hold.epoch);
            epoch.is_some_and(|epoch| epoch + 1 < state.row.epoch)
        }),
        Law::sometimes(
            "a ring comes after the row has gone on",
            |_, state| matches!(state.workers[0].ear, Ear::Heard(epoch) if epoch < state.row.epoch),
        ),
        Law::sometimes(
            "a heartbeat comes between a sweeper's two looks",
            |_, state| state.sweepers[0] && state.holds(0) && state.row.wake == Wake::Later,
        ),
    ];
    if house.workers == 2 {
        all.extend(among_workers());
    }
    if house.relays == 2 {
        all.extend(of_relays());
    }
    if house.batches > 0 {
        all.extend(batches::happens());
    }
    all
}

fn among_workers() -> [Law; 4] {
    [
        Law::sometimes("two workers believe that they hold the row", |_, state| {
            state.workers.iter().all(|worker| worker.hold.is_some())
        }),
        Law::sometimes("two workers hear the same ring", |_, state| {
            let ring = Ear::Heard(state.row.epoch);
            state.workers.iter().all(|worker| worker.ear == ring)
        }),
        Law::sometimes(
            "a worker wakes after another has done the row",
            |_, state| {
                let epoch = state.workers[0].hold.map(|hold| hold.epoch);
                let stale = epoch.is_some_and(|epoch| epoch < state.row.epoch);
                stale && state.row.status == BizStatus::Success
            },
        ),
        Law::sometimes("two sweepers find the same row", |_, state| {
            state.sweepers == [true, true]
        }),
    ]
}

fn of_relays() -> [Law; 3] {
    [
        Law::sometimes("a retraction comes when the row is held", |_, state| {
            let late =
                matches!(state.relays[0], Relay::Undelivered(epoch) if epoch < state.row.epoch);
            late && state.holds(0)
        }),
        Law::sometimes(
            "a ring is sent for a row that has gone on",
            |_, state| matches!(state.relays[0], Relay::Marked(epoch) if epoch < state.row.epoch),
        ),
        Law::sometimes(
            "two relays have marked the row one after the other",
            |_, state| state.relays.iter().all(|relay| *relay != Relay::Free),
        ),
    ]
}

/// Whether the worker takes the present lease for its own, and has not ended it.
fn believes(state: &State, worker: usize) -> bool {
    let is_held = state.row.status == BizStatus::Processing;
    let hold = state.workers[worker].hold;
    is_held && hold.is_some_and(|hold| hold.epoch == state.row.epoch && hold.ended == Ended::No)
}

/// All processes die and all rings are lost; then time, one sweeper and one worker's scan, in this
/// order, end the row. As nothing can keep them from it, every fair life ends.
fn ends_whoever_dies(house: &House, state: &State) -> bool {
    let mut state = State {
        rings: Rings::default(),
        workers: [Worker::default(); 2],
        relays: [Relay::Free; 2],
        sweepers: [false; 2],
        batches: [Batch::default(); 2],
        ..*state
    };
    for _ in 0..6 {
        let steps = match (state.row.status, state.row.wake) {
            (BizStatus::Success | BizStatus::Failed | BizStatus::Cancelled, _) => return true,
            (_, Wake::Never) => return false,
            (_, Wake::Later) => vec![Step::TimerEnds],
            (BizStatus::WaitHandle, Wake::Now) if house.batches > 0 => {
                vec![Step::BatchScan(0), Step::BatchRun(0, Event::Finish, true)]
            }
            (BizStatus::WaitHandle, Wake::Now) => {
                vec![Step::Scan(0), Step::Settle(0, Event::Finish, true)]
            }
            (BizStatus::Processing, Wake::Now) => vec![Step::Find(0), Step::Rescue(0)],
        };
        for step in steps {
            let Some(next) = house.next_state(&state, step) else {
                return false;
            };
            state = next;
        }
    }
    false
}
