//! How many further tries a lane bears, so that an outage does not become a storm: a bucket of
//! tokens, filled by first tries and by time. A further try without a token loses nothing, it only
//! waits until the bucket would have one. Shown by `tests/it/budget.rs`.

use std::time::Duration;

/// How the bucket fills.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetTerms {
    /// Further tries for each first try.
    pub share: f64,
    /// Further tries for each second, whatever else happens.
    pub per_second: f64,
    /// Further tries that can be saved up; so many there are at the beginning.
    pub burst: f64,
    /// The longest that the budget makes a try wait, before jitter.
    pub longest: Duration,
}

impl Default for BudgetTerms {
    fn default() -> Self {
        Self {
            share: 0.2,
            per_second: 10.0,
            burst: 100.0,
            longest: Duration::from_secs(60),
        }
    }
}

/// The bucket. Time is what the caller says, counted from the bucket's beginning.
#[derive(Debug, Clone)]
pub struct RetryBudget {
    terms: BudgetTerms,
    /// Below zero: promised to tries that wait.
    tokens: f64,
    at: Duration,
}

impl RetryBudget {
    /// A full one.
    #[must_use]
    pub fn new(terms: BudgetTerms) -> Self {
        Self {
            tokens: terms.burst,
            terms,
            at: Duration::ZERO,
        }
    }

    /// A row was tried for the first time.
    pub fn first_try(&mut self) {
        self.fill(self.terms.share);
    }

    /// A row will be tried again: how much longer than its backoff it has to wait. `jitter` is 0.0
    /// to 1.0 and adds up to half.
    pub fn further_try(&mut self, now: Duration, jitter: f64) -> Duration {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.fill(passed * self.terms.per_second);
        self.at = self.at.max(now);
        let longest = self.terms.longest.as_secs_f64();
        // What nobody could wait for is not owed either: the lane recovers within `longest`.
        self.tokens = (self.tokens - 1.0).max(-longest * self.terms.per_second - 1.0);
        if self.tokens >= 0.0 {
            return Duration::ZERO;
        }
        let seconds = (-self.tokens / self.terms.per_second).min(longest);
        Duration::from_secs_f64(seconds).mul_f64(1.0 + 0.5 * jitter.clamp(0.0, 1.0))
    }

    fn fill(&mut self, tokens: f64) {
        self.tokens = (self.tokens + tokens).min(self.terms.burst);
    }
}
