//! When servers were away, and what else keeps the house from being well soon, so that a recovery
//! which another fault prolonged is told apart.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::servers::Server;

/// Sweepers of the house.
const SWEEPERS: usize = 2;

/// All that happened to the house.
#[derive(Default)]
pub(crate) struct Weather {
    outages: Mutex<Vec<Outage>>,
    /// A sweeper begins anew, or stood still: it rescues nothing for a lease period, as promised.
    gusts: Mutex<Vec<(Instant, String)>>,
    /// Faults and deaths, for whoever wonders why something took so long.
    happened: Mutex<Vec<(Instant, String)>>,
}

struct Outage {
    of: Server,
    end: Option<Instant>,
}

impl Weather {
    /// An outage begins; the answer ends it.
    pub(crate) fn clouds(&self, of: Server) -> usize {
        let mut outages = lock(&self.outages);
        outages.push(Outage { of, end: None });
        outages.len() - 1
    }

    /// It is over.
    pub(crate) fn clears(&self, outage: usize) {
        if let Some(outage) = lock(&self.outages).get_mut(outage) {
            outage.end = Some(Instant::now());
        }
    }

    /// What keeps a sweeper from acting ends now, but for its wait.
    pub(crate) fn gust(&self, sweeper: &str) {
        lock(&self.gusts).push((Instant::now(), sweeper.to_owned()));
    }

    /// Something is broken now.
    pub(crate) fn happens(&self, what: String) {
        lock(&self.happened).push((Instant::now(), what));
    }

    /// What was broken since.
    pub(crate) fn happened_since(&self, since: Instant) -> Vec<String> {
        let happened = lock(&self.happened);
        let after = happened.iter().filter(|(at, _)| *at > since);
        after.map(|(_, what)| what.clone()).collect()
    }

    /// Whether a server was away at some moment since.
    pub(crate) fn was_bad_since(&self, since: Instant) -> bool {
        lock(&self.outages).iter().any(|it| it.lasted_until(since))
    }

    /// Whether no sweeper could act all the time since; `kept` are those that say so themselves.
    pub(crate) fn kept_sweepers_since(&self, since: Instant, mut kept: BTreeSet<String>) -> bool {
        let gusts = lock(&self.gusts);
        kept.extend(
            gusts
                .iter()
                .filter(|it| it.0 > since)
                .map(|it| it.1.clone()),
        );
        let outages = lock(&self.outages);
        let mut of_mysql = outages.iter().filter(|it| it.of == Server::Mysql);
        of_mysql.any(|it| it.lasted_until(since)) || kept.len() >= SWEEPERS
    }
}

impl Outage {
    fn lasted_until(&self, moment: Instant) -> bool {
        self.end.is_none_or(|end| end > moment)
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
