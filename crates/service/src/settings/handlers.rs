//! `[handlers]`: what is done with business work.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{load, redact};

/// `[handlers]`
#[derive(Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HandlerSettings {
    /// Directory of the definition files (`*.toml`). Without one there are no handlers: no business
    /// work is taken.
    pub dir: Option<PathBuf>,
    /// The biz types whose work this biz-worker does, of those that there are definitions of; without
    /// any, the work of all of them. From the environment as `coupon_grant,callback`.
    #[serde(deserialize_with = "load::names")]
    pub only: Vec<String>,
    /// What calls are signed with, by the name that definitions call it. 16 bytes or more each.
    #[serde(serialize_with = "redact::secrets")]
    pub secrets: BTreeMap<String, SecretString>,
    /// How long rows of a biz type that no definition names are left alone, in seconds, before they
    /// are given up: while a new definition is rolled out, another worker may know it.
    pub unknown_patience_seconds: u32,
    /// Most bytes of a context that the gateway takes: from 1 to [`HandlerSettings::LARGEST_CONTEXT`].
    pub max_context_bytes: usize,
}

impl HandlerSettings {
    /// Half of the largest call, in bytes: workers hold several contexts in memory at once.
    pub const LARGEST_CONTEXT: usize = 16 << 20;

    /// What is out of its bounds, and what it must be.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        let largest = Self::LARGEST_CONTEXT;
        let fits = (1..=largest).contains(&self.max_context_bytes);
        (!fits).then(|| {
            let reason = format!("must be from 1 to {largest}");
            ("handlers.max_context_bytes", reason)
        })
    }

    /// `unknown_patience_seconds` as a duration.
    pub fn unknown_patience(&self) -> Duration {
        Duration::from_secs(self.unknown_patience_seconds.into())
    }
}

impl Default for HandlerSettings {
    fn default() -> Self {
        Self {
            dir: None,
            only: Vec::new(),
            secrets: BTreeMap::new(),
            unknown_patience_seconds: 60,
            max_context_bytes: 1 << 20,
        }
    }
}
