//! The options of an export.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fault::{FaultCode, FieldFault, Pointer, body};
use super::file_name::sanitise;

/// Longest text written in place of null, in characters.
const MAX_NULL_TEXT: usize = 255;
/// Longest file name that is looked at, in characters; it is shortened further by bytes.
const MAX_FILE_NAME: usize = 255;

/// How the file is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExportOptions {
    /// Write a first row with the labels of the columns.
    pub header: bool,
    /// Written in place of null; without it the cell is blank.
    pub null_text: Option<String>,
    /// The file's name as the user wants it, without extension.
    pub file_name: Option<String>,
    /// Keep text from being taken for a formula. A sheet's text cells never are, so this is of
    /// consequence for csv alone.
    pub guard_formulas: bool,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self {
            header: true,
            null_text: None,
            file_name: None,
            guard_formulas: true,
        }
    }
}

impl ExportOptions {
    /// Reads the options of a request; every fault is added to `faults`.
    pub(super) fn read(raw: &Map<String, Value>, faults: &mut Vec<FieldFault>) -> Self {
        let mut options = Self::default();
        for (name, value) in raw.iter().filter(|(_, value)| !value.is_null()) {
            if let Err(message) = options.set(name, value) {
                let at: Pointer = body("options").field(name);
                faults.push(FieldFault::new(&at, FaultCode::InvalidRequest, message));
            }
        }
        options
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), String> {
        let flag = || {
            value
                .as_bool()
                .ok_or_else(|| format!("{name} must be true or false"))
        };
        match name {
            "header" => self.header = flag()?,
            "guard_formulas" => self.guard_formulas = flag()?,
            "null_text" => self.null_text = Some(text(name, value, MAX_NULL_TEXT)?.to_owned()),
            "file_name" => {
                let wanted = text(name, value, MAX_FILE_NAME)?;
                self.file_name =
                    Some(sanitise(wanted).ok_or("file_name holds no usable character")?);
            }
            "rows_per_sheet" | "rows_per_file" => match value.as_u64() {
                Some(1..) => return Err(format!("{name} is not available yet")),
                Some(0) | None => return Err(format!("{name} must be a whole number from 1")),
            },
            _ => return Err(format!("there is no option `{name}`")),
        }
        Ok(())
    }
}

fn text<'v>(name: &str, value: &'v Value, most: usize) -> Result<&'v str, String> {
    match value.as_str() {
        Some(text) if text.chars().count() <= most => Ok(text),
        Some(_) => Err(format!("{name} is longer than {most} characters")),
        None => Err(format!("{name} must be a text")),
    }
}
