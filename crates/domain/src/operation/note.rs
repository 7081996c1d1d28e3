//! An entry of the operation log as it travels: the context of a row of a biz type of kind
//! `operation_log`.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{OperationAction, OperationOutcome};
use crate::group::GROUP_FIELD;
use crate::{BizId, UserId};

/// What the names of the house's own rows begin with.
const HOUSE_NAMES: &str = "house/";
/// Bytes of what may be done, and of what to.
const ACTION_BYTES: usize = 64;
/// See [`ACTION_BYTES`].
const OBJECT_KIND_BYTES: usize = 32;
/// Characters of an object's id.
const OBJECT_ID_CHARACTERS: usize = 249;
/// Characters of a request's id.
const REQUEST_ID_CHARACTERS: usize = 128;
/// Characters of a detail, as JSON.
const DETAIL_CHARACTERS: usize = 8_000;

/// What somebody did, told by a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationNote {
    /// Who did it; whoever submits the note, if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<UserId>,
    /// What, in a word: capital letters, digits and `_`, at most 64.
    pub action: String,
    /// What kind of thing it was done to, in a word of at most 32.
    pub object_kind: String,
    /// Which one, at most 249 characters.
    pub object_id: String,
    /// What came of it; done, if it does not say.
    #[serde(default = "done")]
    pub outcome: OperationOutcome,
    /// What else is to be said, at most 8,000 characters as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Map<String, Value>>,
    /// The request that asked for it, at most 128 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

const fn done() -> OperationOutcome {
    OperationOutcome::Done
}

impl OperationNote {
    /// Reads the context of a row. What a group came to is passed over: it stands in the context of
    /// whatever follows the end of one.
    ///
    /// # Errors
    /// What is wrong with it, without its values.
    pub fn read(context: &str) -> Result<Self, &'static str> {
        let fields: serde_json::Result<Map<String, Value>> = serde_json::from_str(context);
        let note = fields.and_then(|mut fields| {
            fields.remove(GROUP_FIELD);
            serde_json::from_value::<Self>(Value::Object(fields))
        });
        let note = note.map_err(|_odd| {
            "the context is no entry: an object with action, object_kind, object_id, and perhaps \
             actor, outcome, detail and request_id"
        })?;
        note.check().map(|()| note)
    }

    fn check(&self) -> Result<(), &'static str> {
        let characters = |text: &str| text.chars().count();
        let request = self.request_id.as_deref().map_or(0, characters);
        let detail = self.detail.as_ref();
        let detail = detail.map_or(0, |detail| {
            characters(&Value::Object(detail.clone()).to_string())
        });
        if !is_operation_word(&self.action) {
            Err("action is a word of 1 to 64 capital letters, digits and _")
        } else if !is_word(&self.object_kind, OBJECT_KIND_BYTES) {
            Err("object_kind is a word of 1 to 32 capital letters, digits and _")
        } else if characters(&self.object_id) > OBJECT_ID_CHARACTERS {
            Err("object_id has more than 249 characters")
        } else if request > REQUEST_ID_CHARACTERS {
            Err("request_id has more than 128 characters")
        } else if detail > DETAIL_CHARACTERS {
            Err("detail has more than 8,000 characters")
        } else {
            Ok(())
        }
    }

    /// Whether a row of kind `operation_log` may bear this name only if the house made it.
    #[must_use]
    pub fn is_name_of_the_house(biz_id: &str) -> bool {
        biz_id.starts_with(HOUSE_NAMES)
    }

    /// The name of a row that the house makes.
    #[must_use]
    pub fn name_of_the_house(once: &str) -> BizId {
        BizId::stored(format!("{HOUSE_NAMES}{once}"))
    }

    /// Whether it tells of an act of the house's own, which nobody else may tell of.
    #[must_use]
    pub fn is_of_the_house(&self) -> bool {
        OperationAction::from_str(&self.action).is_ok()
    }
}

/// Whether an entry of the operation log may have this as its action: one of [`OperationAction`], or
/// a service's own word of 1 to 64 capital letters, digits and `_`, a letter first.
#[must_use]
pub fn is_operation_word(text: &str) -> bool {
    is_word(text, ACTION_BYTES)
}

fn is_word(text: &str, most: usize) -> bool {
    text.len() <= most
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text
            .bytes()
            .all(|it| it.is_ascii_uppercase() || it.is_ascii_digit() || it == b'_')
}
