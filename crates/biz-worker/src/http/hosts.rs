//! So many calls of one host at once, and none of a host that does not answer: whoever would have to
//! wait is put off without having spent a try, so one host's trouble delays the calls of no other. Each
//! is put off to a moment of its own, one after the other as fast as the host gets through with calls:
//! so rows that wait for a host are taken and put off about once, and not again and again.
//!
//! A host that has failed often in a row (no connection, no answer in time, a no that may pass) is left
//! alone for a while; then one call finds out whether it is well, and the others go on waiting. One that
//! is away for longer than the definition's `host_patience` costs each row that comes for it a try, as a
//! call would: what is gone for good must not keep rows for ever. Each worker learns all that by itself.
//! Shown by `tests/it/hosts.rs`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::{BizType, Failure};
use engine::Attempt;
use url::Url;

use super::failures::tried_again;

/// Failures in a row after which a host is left alone.
const FAILURES: u32 = 20;

/// For how long, in milliseconds; doubled with each call that fails after it.
const SHUT_MILLIS: u64 = 1_000;

/// The longest such time, in milliseconds.
const SHUT_MOST_MILLIS: u64 = 60_000;

/// How long a row waits at least whose host has all the calls that it may have, in milliseconds.
const BUSY_MILLIS: u64 = 500;

/// The longest that a row is put off, in milliseconds: should the host be faster than it was, so much
/// time is lost.
const PUT_OFF_MOST_MILLIS: u64 = 120_000;

/// What a call takes before one has ended, in milliseconds; a later one counts for an eighth.
const USUAL_CALL_MILLIS: u64 = 100;
const OLD_CALLS: u32 = 7;

/// Hosts that are remembered though nothing is the matter with them: ports are for users to choose
/// where a definition leaves them open.
const HOSTS_KNOWN: usize = 1_000;

/// The hosts that one kind of work calls.
pub(crate) struct Hosts {
    biz_type: String,
    /// Calls of one host at once.
    most: usize,
    /// How long rows wait for a host that is away.
    patience: Duration,
    desks: Mutex<HashMap<String, Host>>,
}

struct Host {
    calls: usize,
    /// What a call takes, about.
    call: Duration,
    /// Up to this moment rows were put off.
    booked: Instant,
    /// In a row.
    failures: u32,
    /// How often it has been shut in a row.
    trips: u32,
    shut_until: Option<Instant>,
    /// Since when it has been shut, but for calls that found out that it is still away.
    away_since: Option<Instant>,
    /// A call is finding out whether it is well.
    probing: bool,
}

/// The right to make one call; given back when it is dropped.
pub(crate) struct Visit {
    hosts: Arc<Hosts>,
    host: String,
    began: Instant,
}

/// Why a call may not be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PutOff {
    /// Its host has all the calls that it may have, or is left alone: later, after so long.
    For(Duration),
    /// Its host has been away for longer than rows wait for it.
    Away,
}

impl Hosts {
    /// So many calls of one host at once, and so much patience with one that is away.
    pub(crate) fn new(biz_type: &BizType, most: usize, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            biz_type: biz_type.to_string(),
            most: most.max(1),
            patience,
            desks: Mutex::default(),
        })
    }

    /// What a row is to answer that may not call now. One that is put off has lost nothing by it.
    pub(crate) fn put_off(&self, attempt: &Attempt, why: PutOff) -> Failure {
        match why {
            PutOff::For(wait) => {
                let biz_type = self.biz_type.clone();
                metrics::counter!("quayside_calls_put_off_total", "biz_type" => biz_type)
                    .increment(1);
                attempt.postpone(wait);
                Failure::stopped()
            }
            PutOff::Away => tried_again("the host is away".to_owned()),
        }
    }

    /// The right to make a call of the address's host now.
    ///
    /// # Errors
    /// Why not, to be told to [`Hosts::put_off`] for each row of the call.
    pub(crate) fn visit(self: &Arc<Self>, url: &Url) -> Result<Visit, PutOff> {
        let (name, now) = (name_of(url), Instant::now());
        let mut desks = self.desks();
        if desks.len() >= HOSTS_KNOWN {
            let is_idle = |host: &Host| host.calls == 0 && host.shut_until.is_none();
            desks.retain(|_, host| !is_idle(host) || host.booked > now);
        }
        let host = desks.entry(name.clone()).or_insert_with(|| Host::new(now));
        host.may_be_called(self, now)?;
        host.calls += 1;
        Ok(Visit {
            hosts: self.clone(),
            host: name,
            began: now,
        })
    }

    /// What a call has shown of its host.
    pub(crate) fn tell(&self, url: &Url, is_well: bool) {
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
    fn new(now: Instant) -> Self {
        Self {
            calls: 0,
            call: Duration::from_millis(USUAL_CALL_MILLIS),
            booked: now,
            failures: 0,
            trips: 0,
            shut_until: None,
            away_since: None,
            probing: false,
        }
    }

    fn may_be_called(&mut self, terms: &Hosts, now: Instant) -> Result<(), PutOff> {
        let most = terms.most;
        if let Some(until) = self.shut_until {
            let left = until.saturating_duration_since(now);
            if self.probing || !left.is_zero() {
                let away = self.away_since.map(|since| now - since);
                return Err(match away {
                    Some(away) if away >= terms.patience => PutOff::Away,
                    _ => PutOff::For(self.book(left, most, now)),
                });
            }
            self.probing = true;
        } else if self.calls >= most {
            return Err(PutOff::For(self.book(Duration::ZERO, most, now)));
        }
        Ok(())
    }

    /// Puts a row off, for so long at least and behind those that were put off before.
    fn book(&mut self, least: Duration, most: usize, now: Instant) -> Duration {
        let soonest = now + least.max(Duration::from_millis(BUSY_MILLIS));
        let latest = now + Duration::from_millis(PUT_OFF_MOST_MILLIS);
        let pace = self.call / u32::try_from(most).unwrap_or(u32::MAX);
        self.booked = (self.booked.max(soonest) + pace).min(latest);
        self.booked - now
    }

    fn hear(&mut self, is_well: bool) {
        if is_well {
            (self.failures, self.trips) = (0, 0);
            (self.shut_until, self.away_since, self.probing) = (None, None, false);
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let was_open = self.shut_until.is_none();
        if self.probing || was_open && self.failures >= FAILURES {
            let pause = SHUT_MILLIS << self.trips.min(16);
            let pause = Duration::from_millis(pause.min(SHUT_MOST_MILLIS));
            let now = Instant::now();
            self.trips += 1;
            self.away_since.get_or_insert(now);
            (self.shut_until, self.probing) = (Some(now + pause), false);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut desks = self.hosts.desks();
        if let Some(host) = desks.get_mut(&self.host) {
            host.calls = host.calls.saturating_sub(1);
            host.call = (host.call * OLD_CALLS + self.began.elapsed()) / (OLD_CALLS + 1);
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
