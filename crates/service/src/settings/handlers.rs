//! `[handlers]`: what is done with business work.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::redact;

/// `[handlers]`
#[derive(Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HandlerSettings {
    /// Directory of the definition files (`*.toml`). Without one there are no handlers: no business
    /// work is taken.
    pub dir: Option<PathBuf>,
    /// What calls are signed with, by the name that definitions call it. 16 bytes or more each.
    #[serde(serialize_with = "redact::secrets")]
    pub secrets: BTreeMap<String, SecretString>,
    /// How long rows of a biz type that no definition names are left alone, in seconds, before they
    /// are given up: while a new definition is rolled out, another worker may know it.
    pub unknown_patience_seconds: u32,
}

impl HandlerSettings {
    /// `unknown_patience_seconds` as a duration.
    pub fn unknown_patience(&self) -> Duration {
        Duration::from_secs(self.unknown_patience_seconds.into())
    }
}

impl Default for HandlerSettings {
    fn default() -> Self {
        Self {
            dir: None,
            secrets: BTreeMap::new(),
            unknown_patience_seconds: 60,
        }
    }
}
