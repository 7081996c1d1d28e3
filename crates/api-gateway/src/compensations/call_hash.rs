//! What two calls that submit business work have in common that are the same: their fields, in any
//! order and with any white space between them, null as left out. A context is the text that was sent,
//! as it counts to the last digit. Shown by `tests/it/compensations.rs`.

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::body::{Fields, fields, list, whole};
use crate::problem::Problem;

/// The hash behind the key of a call that has been read: no field is of a wrong shape.
pub(super) fn call_hash(body: &[u8]) -> Result<String, Problem> {
    let mut hash = CallHash(Sha256::new());
    hash.fields(whole(body)?, |hash, name, value| match name {
        "items" => hash.items(value),
        "group" => hash.fields(fields(name, value)?, |hash, name, value| match name {
            "on_finished" => hash.items(value),
            _ => hash.value(value),
        }),
        _ => hash.value(value),
    })?;
    Ok(hex::encode(hash.0.finalize()))
}

/// Every piece goes in with its length, every list and object with their number of members: what is
/// hashed can be read in one way only, so no two calls are alike that differ.
struct CallHash(Sha256);

impl CallHash {
    /// In the order of their names.
    fn fields<'b>(
        &mut self,
        fields: Fields<'b>,
        each: impl Fn(&mut Self, &str, &'b RawValue) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.number(fields.len());
        for (name, value) in fields {
            self.text(&name);
            each(self, &name, value)?;
        }
        Ok(())
    }

    fn items(&mut self, raw: &RawValue) -> Result<(), Problem> {
        let items = list("items", raw)?;
        self.number(items.len());
        for item in items {
            self.fields(fields("items", item)?, |hash, name, value| match name {
                "context" => hash.raw(value),
                _ => hash.value(value),
            })?;
        }
        Ok(())
    }

    /// A text by what it says, however it is escaped; anything else as it was sent.
    fn value(&mut self, raw: &RawValue) -> Result<(), Problem> {
        match serde_json::from_str::<String>(raw.get()) {
            Ok(text) => {
                self.0.update(b"s");
                self.text(&text);
                Ok(())
            }
            Err(_no_text) => self.raw(raw),
        }
    }

    fn raw(&mut self, raw: &RawValue) -> Result<(), Problem> {
        self.0.update(b"r");
        self.text(raw.get());
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.update(text);
    }

    fn number(&mut self, number: usize) {
        self.0.update((number as u64).to_le_bytes());
    }
}
