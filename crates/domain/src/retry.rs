//! When a transient failure is tried again (design.md §5): a floor of 2, 4, 8 s plus up to 50 %.

use std::collections::BTreeMap;
use std::time::Duration;

use thiserror::Error;

use crate::name::BizType;

/// How often and how soon a row is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    max_cnt: u32,
    floors: Vec<Duration>,
}

/// The policy cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a retry policy needs at least one backoff")]
pub struct NoBackoff;

impl RetryPolicy {
    /// `max_cnt` further tries; the n-th waits at least `floors[n-1]`, later ones the last floor.
    ///
    /// # Errors
    /// [`NoBackoff`] when `floors` is empty.
    pub fn new(max_cnt: u32, floors: Vec<Duration>) -> Result<Self, NoBackoff> {
        if floors.is_empty() {
            return Err(NoBackoff);
        }
        Ok(Self { max_cnt, floors })
    }

    /// Failures that may happen before the next one is final.
    #[must_use]
    pub fn max_cnt(&self) -> u32 {
        self.max_cnt
    }

    /// How long the row waits after its `cnt`-th failure (from 1). `jitter` is 0.0 to 1.0 and adds
    /// up to half of the floor.
    #[must_use]
    pub fn delay(&self, cnt: u32, jitter: f64) -> Duration {
        let index = usize::try_from(cnt.saturating_sub(1)).unwrap_or(usize::MAX);
        let floor = self.floors[index.min(self.floors.len() - 1)];
        floor.mul_f64(1.0 + 0.5 * jitter.clamp(0.0, 1.0))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_cnt: 3,
            floors: [2, 4, 8].map(Duration::from_secs).to_vec(),
        }
    }
}

/// The policy of each kind of work: one for all, and those that have their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetryPolicies {
    common: RetryPolicy,
    own: BTreeMap<BizType, RetryPolicy>,
}

impl RetryPolicies {
    /// One policy for all kinds.
    #[must_use]
    pub fn new(common: RetryPolicy) -> Self {
        Self {
            common,
            own: BTreeMap::new(),
        }
    }

    /// Gives a kind its own policy.
    #[must_use]
    pub fn with(mut self, biz_type: BizType, policy: RetryPolicy) -> Self {
        self.own.insert(biz_type, policy);
        self
    }

    /// The policy of a kind.
    #[must_use]
    pub fn of(&self, biz_type: &BizType) -> &RetryPolicy {
        self.own.get(biz_type).unwrap_or(&self.common)
    }

    /// The policy of the kinds that have none of their own.
    #[must_use]
    pub fn common(&self) -> &RetryPolicy {
        &self.common
    }

    /// The kinds that have their own.
    pub fn own(&self) -> impl Iterator<Item = (&BizType, &RetryPolicy)> {
        self.own.iter()
    }
}

impl From<RetryPolicy> for RetryPolicies {
    fn from(common: RetryPolicy) -> Self {
        Self::new(common)
    }
}
