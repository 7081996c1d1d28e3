//! So many calls of one host at once, and none of a host that does not answer: whoever would have to
//! wait is put off without having spent a try, so one host's trouble delays the calls of no other.
//!
//! A host that has failed often in a row (no connection, no answer in time, a no that may pass) is left
//! alone for a while; then one call finds out whether it is well, and the others go on waiting. Each
//! worker learns that by itself. Shown by `tests/it/hosts.rs`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use url::Url;

/// Failures in a row after which a host is left alone.
const FAILURES: u32 = 20;

/// For how long, in milliseconds; doubled with each call that fails after it.
const SHUT_MILLIS: u64 = 1_000;

/// The longest such time, in milliseconds.
const SHUT_MOST_MILLIS: u64 = 60_000;

/// How long a row waits whose host has all the calls that it may have, in milliseconds.
const BUSY_MILLIS: u64 = 500;

/// Hosts that are remembered though nothing is the matter with them: ports are for users to choose
/// where a definition leaves them open.
const HOSTS_KNOWN: usize = 1_000;

/// The hosts that one kind of work calls.
pub(super) struct Hosts {
    /// Calls of one host at once.
    most: usize,
    desks: Mutex<HashMap<String, Host>>,
}

#[derive(Default)]
struct Host {
    calls: usize,
    /// In a row.
    failures: u32,
    /// How often it has been shut in a row.
    trips: u32,
    shut_until: Option<Instant>,
    /// A call is finding out whether it is well.
    probing: bool,
}

/// The right to make one call; given back when it is dropped.
pub(super) struct Visit {
    hosts: Arc<Hosts>,
    host: String,
}

impl Hosts {
    /// So many calls of one host at once.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            desks: Mutex::default(),
        })
    }

    /// Whether the host of the address may be called now, or how long to wait.
    pub(super) fn enter(self: &Arc<Self>, url: &Url) -> Result<Visit, Duration> {
        let name = name_of(url);
        let mut desks = self.desks();
        if desks.len() >= HOSTS_KNOWN {
            desks.retain(|_, host| host.calls > 0 || host.shut_until.is_some());
        }
        let host = desks.entry(name.clone()).or_default();
        host.may_be_called(self.most)?;
        host.calls += 1;
        Ok(Visit {
            hosts: self.clone(),
            host: name,
        })
    }

    /// What a call has shown of its host.
    pub(super) fn tell(&self, url: &Url, is_well: bool) {
        let mut desks = self.desks();
        if let Some(host) = desks.get_mut(&name_of(url)) {
            host.hear(is_well);
        }
    }

    fn desks(&self) -> MutexGuard<'_, HashMap<String, Host>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    fn may_be_called(&mut self, most: usize) -> Result<(), Duration> {
        if let Some(until) = self.shut_until {
            let left = until.saturating_duration_since(Instant::now());
            if self.probing || !left.is_zero() {
                return Err(left.max(Duration::from_millis(BUSY_MILLIS)));
            }
            self.probing = true;
        } else if self.calls >= most {
            return Err(Duration::from_millis(BUSY_MILLIS));
        }
        Ok(())
    }

    fn hear(&mut self, is_well: bool) {
        if is_well {
            (self.failures, self.trips) = (0, 0);
            (self.shut_until, self.probing) = (None, false);
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let was_open = self.shut_until.is_none();
        if self.probing || was_open && self.failures >= FAILURES {
            let pause = SHUT_MILLIS << self.trips.min(16);
            let pause = Duration::from_millis(pause.min(SHUT_MOST_MILLIS));
            self.trips += 1;
            (self.shut_until, self.probing) = (Some(Instant::now() + pause), false);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut desks = self.hosts.desks();
        if let Some(host) = desks.get_mut(&self.host) {
            host.calls = host.calls.saturating_sub(1);
            if host.calls == 0 {
                // a call that was broken off has found out nothing
                host.probing = false;
            }
        }
    }
}

fn name_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    format!("{host}:{}", url.port_or_known_default().unwrap_or_default())
}
