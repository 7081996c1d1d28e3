//! What several lanes share: so many rows, or batches, at once, for all of them together.
//!
//! A turn that becomes free goes to one of the lanes that wait for it, to each as often as its weight
//! says: a lane of a hundred thousand rows neither holds up a lighter one nor starves beside a heavier
//! one, and a lane that is alone has all turns. Who has nothing to do holds no turn. Shown by
//! `tests/it/turns.rs`.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use domain::Lane;
use tokio::sync::oneshot;

/// A number of turns, and the lanes that share them. Cheap to clone.
#[derive(Clone)]
pub struct Turns(Arc<Mutex<Desk>>);

struct Desk {
    free: usize,
    places: Vec<Place>,
}

struct Place {
    weight: i64,
    /// What it has not had of what its weight promises, among those that wait.
    credit: i64,
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// A lane's place among those that share.
#[derive(Clone)]
pub struct Seat {
    turns: Turns,
    place: usize,
    under: Option<Lane>,
}

/// A turn that is waited for; it goes to the next when this is dropped.
pub struct Asked(oneshot::Receiver<Turn>);

/// The right to run one row, or one batch; given back when it is dropped.
pub struct Turn(Option<Turns>);

impl Turns {
    /// So many turns at once; one at least.
    #[must_use]
    pub fn new(turns: usize) -> Self {
        Self(Arc::new(Mutex::new(Desk {
            free: turns.max(1),
            places: Vec::new(),
        })))
    }

    /// A place for one more lane, of a weight of one or more. What a person pauses `under` stands
    /// still on this lane, too.
    #[must_use]
    pub fn seat(&self, weight: u32, under: Option<Lane>) -> Seat {
        let mut desk = self.desk();
        desk.places.push(Place {
            weight: i64::from(weight.max(1)),
            credit: 0,
            waiting: VecDeque::new(),
        });
        Seat {
            turns: self.clone(),
            place: desk.places.len() - 1,
            under,
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// Whose turn it is, of those that wait.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let mut promised = 0;
        for place in &mut self.places {
            place.waiting.retain(|it| !it.is_closed());
            if !place.waiting.is_empty() {
                place.credit += place.weight;
                promised += place.weight;
            }
        }
        let waiting = self.places.iter_mut().filter(|it| !it.waiting.is_empty());
        let place = waiting.max_by_key(|it| it.credit)?;
        place.credit -= promised;
        place.waiting.pop_front()
    }
}

impl Seat {
    /// The lane whose pause by a person holds this one, too.
    pub(crate) fn under(&self) -> Option<Lane> {
        self.under.clone()
    }

    /// A turn, once this lane may have one. Safe to cancel, but a turn that it had been given
    /// meanwhile goes to the next: who is often interrupted does better to [`Seat::ask`] once.
    pub async fn take(&self) -> Turn {
        self.ask().await
    }

    /// Waits for a turn from this moment on, whether or not the answer is looked at.
    #[must_use]
    pub fn ask(&self) -> Asked {
        let (turn, waiting) = oneshot::channel();
        let mut desk = self.turns.desk();
        if let Some(free) = desk.free.checked_sub(1) {
            desk.free = free;
            drop(desk);
            // Whoever is to have it is still here.
            drop(turn.send(Turn(Some(self.turns.clone()))));
        } else {
            let place = &mut desk.places[self.place];
            place.waiting.retain(|it| !it.is_closed());
            place.waiting.push_back(turn);
        }
        Asked(waiting)
    }

    /// A turn that is free now.
    #[must_use]
    pub fn try_take(&self) -> Option<Turn> {
        let mut desk = self.turns.desk();
        desk.free = desk.free.checked_sub(1)?;
        Some(Turn(Some(self.turns.clone())))
    }
}

impl Future for Asked {
    type Output = Turn;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Turn> {
        let waiting = Pin::new(&mut self.get_mut().0).poll(context);
        waiting
            .map(|turn| turn.unwrap_or_else(|gone| unreachable!("whoever waits is served: {gone}")))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.0.take() else {
            return;
        };
        let mut turn = Self(Some(turns.clone()));
        loop {
            let next = {
                let mut desk = turns.desk();
                let next = desk.next();
                if next.is_none() {
                    desk.free += 1;
                }
                next
            };
            let Some(next) = next else {
                turn.0 = None;
                return;
            };
            match next.send(turn) {
                Ok(()) => return,
                // it has gone meanwhile
                Err(again) => turn = again,
            }
        }
    }
}
