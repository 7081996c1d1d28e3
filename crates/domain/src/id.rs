//! Identities. Numbers are `BIGINT UNSIGNED` in MySQL and strings in JSON (api.md, ground rules),
//! so that no client rounds them.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, ParseIntError> {
                text.parse().map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

number_id!(
    /// One row of `compensate_biz`.
    CompensateBizId
);
number_id!(
    /// One row of `task`.
    TaskId
);
number_id!(
    /// One row of `task_file`.
    TaskFileId
);
number_id!(
    /// One row of `dead_letter`.
    DeadLetterId
);
number_id!(
    /// The fence: rises whenever the right to run a row changes hands, and never falls.
    LeaseEpoch
);

impl LeaseEpoch {
    /// The epoch after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A row that must be rung, at the epoch that it has then: all that a ring says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rung {
    /// The row.
    pub id: CompensateBizId,
    /// Its epoch when it was announced; a row that has moved on makes the ring a duplicate.
    pub epoch: LeaseEpoch,
}
