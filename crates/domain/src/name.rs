//! Names that people and settings give: tenant, user, biz type, lane. Checked once, at the border.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is no name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} must be 1 to {max} characters without control characters or spaces at its ends")]
pub struct InvalidName {
    what: &'static str,
    max: usize,
}

/// Trailing spaces are refused because `utf8mb4_bin` compares with padding: `a` equals `a `.
fn check(what: &'static str, text: &str, max: usize) -> Result<(), InvalidName> {
    let length = text.chars().count();
    let fits =
        (1..=max).contains(&length) && text.trim() == text && !text.chars().any(char::is_control);
    fits.then_some(()).ok_or(InvalidName { what, max })
}

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text.
            ///
            /// # Errors
            /// [`InvalidName`] when it is empty, too long, padded or has control characters.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidName> {
                let text = text.into();
                check($what, &text, $max)?;
                Ok(Self(text))
            }

            /// What the database holds, however odd: plain SQL clients insert rows, too, and one odd
            /// name must not stop the rows behind it.
            #[must_use]
            pub fn stored(text: String) -> Self {
                Self(text)
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

text_name!(
    /// Whose data it is; from the token, never from a request. At most 64 characters.
    Tenant, "tenant", 64
);
text_name!(
    /// A person or service within a tenant: the token's `sub`. At most 128 characters.
    UserId, "user", 128
);
text_name!(
    /// The kind of work of a row: `EXPORT`, or a business's own. At most 128 characters.
    BizType, "biz_type", 128
);
text_name!(
    /// What the work is about; unique with tenant and type. At most 128 characters.
    BizId, "biz_id", 128
);

/// A topic and the rows that ring on it (design.md, glossary).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lane(String);

/// Longest topic name that Kafka takes, less room for `.dlt`.
/// Source: Kafka's `org.apache.kafka.common.internals.Topic.MAX_NAME_LENGTH` = 249.
const LANE_MAX_LENGTH: usize = 245;

/// Begins the name of a lane of business work.
const BIZ: &str = "quayside.biz.";

/// Ends the name of a lane of dead letters.
const DEAD_LETTERS: &str = ".dlt";

/// Ends the name of a lane of urgent work.
const URGENT: &str = ".high";

/// Ends the name of a lane of what goes beyond a tenant's share.
const REST: &str = ".rest";

impl Lane {
    /// Checks the text against Kafka's rule for topic names: `[a-zA-Z0-9._-]`, not too long; a lane
    /// of dead letters has room for its `.dlt`.
    ///
    /// # Errors
    /// [`InvalidName`] otherwise.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidName> {
        let text = text.into();
        let name = text.strip_suffix(DEAD_LETTERS).unwrap_or(&text);
        let fits = (1..=LANE_MAX_LENGTH).contains(&name.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if fits {
            Ok(Self(text))
        } else {
            Err(InvalidName {
                what: "lane",
                max: LANE_MAX_LENGTH,
            })
        }
    }

    /// What the database holds, however odd: a plain SQL client may have named what is no topic, and
    /// whoever looks after such rows must be able to say which.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The lane of exports on a queue: `quayside.export.<queue>`.
    ///
    /// # Errors
    /// [`InvalidName`] when the queue's name does not fit a topic.
    pub fn export(queue: &str) -> Result<Self, InvalidName> {
        Self::parse(format!("quayside.export.{queue}"))
    }

    /// The lane of imports on a queue, their reading and their finish: `quayside.import.<queue>`.
    ///
    /// # Errors
    /// [`InvalidName`] when the queue's name does not fit a topic.
    pub fn import(queue: &str) -> Result<Self, InvalidName> {
        Self::parse(format!("quayside.import.{queue}"))
    }

    /// The lane of the batches of imports on a queue: `quayside.import-batch.<queue>`.
    ///
    /// # Errors
    /// [`InvalidName`] when the queue's name does not fit a topic.
    pub fn import_batch(queue: &str) -> Result<Self, InvalidName> {
        Self::parse(format!("quayside.import-batch.{queue}"))
    }

    /// The lane of a business's own kind of work: `quayside.biz.<biz_type>`, and of its further queues
    /// `quayside.biz.<biz_type>.<queue>`.
    ///
    /// # Errors
    /// [`InvalidName`] when type or queue do not fit a topic.
    pub fn biz(biz_type: &BizType, queue: Option<&str>) -> Result<Self, InvalidName> {
        let dot = if queue.is_some() { "." } else { "" };
        Self::parse(format!("{BIZ}{biz_type}{dot}{}", queue.unwrap_or("")))
    }

    /// Whether it is a lane of a business's own kind of work.
    #[must_use]
    pub fn is_biz(&self) -> bool {
        self.0.starts_with(BIZ)
    }

    /// The lane of the urgent among this lane's work: `<topic>.high`.
    ///
    /// # Errors
    /// [`InvalidName`] when that is too long for a topic.
    pub fn urgent(&self) -> Result<Self, InvalidName> {
        Self::parse(format!("{}{URGENT}", self.0))
    }

    /// The lane of what a tenant asks for beyond its share of this lane: `<topic>.rest`.
    ///
    /// # Errors
    /// [`InvalidName`] when that is too long for a topic.
    pub fn rest(&self) -> Result<Self, InvalidName> {
        Self::parse(format!("{}{REST}", self.0))
    }

    /// The usual lane of the queue whose urgent work or rest this is the lane of; itself, if it is of
    /// neither.
    #[must_use]
    pub fn usual(&self) -> Self {
        let usual = self.0.strip_suffix(URGENT);
        let usual = usual.or_else(|| self.0.strip_suffix(REST));
        usual.map_or_else(|| self.clone(), |usual| Self(usual.to_owned()))
    }

    /// The lane of this lane's dead letters: `<topic>.dlt`; itself, if it is one.
    #[must_use]
    pub fn dead_letters(&self) -> Self {
        if self.is_dead_letters() {
            self.clone()
        } else {
            Self(format!("{}{DEAD_LETTERS}", self.0))
        }
    }

    /// Whether it is a lane of dead letters.
    #[must_use]
    pub fn is_dead_letters(&self) -> bool {
        self.0.ends_with(DEAD_LETTERS)
    }

    /// The topic's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Lane {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(text)
    }
}

impl From<Lane> for String {
    fn from(lane: Lane) -> String {
        lane.0
    }
}
