//! When servers were away, and what else keeps the house from being well soon, so that a recovery
//! which another fault prolonged is told apart.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::servers::Server;

/// Sweepers of the house.
const SWEEPERS: usize = 2;

/// All outages of MySQL and Kafka, and all gusts.
#[derive(Default)]
pub(crate) struct Weather {
    outages: Mutex<Vec<Outage>>,
    /// A sweeper, or without a name any of them, began anew or lost its connection: it rescues nothing
    /// for a lease period, as promised.
    gusts: Mutex<Vec<(Instant, Option<String>)>>,
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

    /// What keeps a sweeper, or any of them, from acting happens now.
    pub(crate) fn gust(&self, sweeper: Option<&str>) {
        lock(&self.gusts).push((Instant::now(), sweeper.map(str::to_owned)));
    }

    /// Whether a server was away at some moment since.
    pub(crate) fn was_bad_since(&self, since: Instant) -> bool {
        lock(&self.outages).iter().any(|it| it.lasted_until(since))
    }

    /// Whether no sweeper could act all the time since.
    pub(crate) fn kept_sweepers_since(&self, since: Instant) -> bool {
        let gusts = lock(&self.gusts);
        let after = || gusts.iter().filter(|(at, _)| *at > since);
        let whose: BTreeSet<&str> = after().filter_map(|(_, who)| who.as_deref()).collect();
        let outages = lock(&self.outages);
        let mut of_mysql = outages.iter().filter(|it| it.of == Server::Mysql);
        of_mysql.any(|it| it.lasted_until(since))
            || after().any(|(_, who)| who.is_none())
            || whose.len() >= SWEEPERS
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
