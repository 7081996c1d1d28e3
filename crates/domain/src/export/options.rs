//! The options of an export.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fault::{FaultCode, Faults, FieldFault, Pointer, body};
use super::file_name::safe_stem;
use super::spec::ExportFormat;

/// Rows of a sheet, its header among them (the limit of .xlsx).
const MAX_SHEET_ROWS: u32 = 1_048_576;
/// Longest text written in place of null, in characters.
const MAX_NULL_TEXT: usize = 255;
/// Longest file name that is looked at, in characters; it is shortened further by bytes.
const MAX_FILE_NAME: usize = 255;

/// How the file is written. Stored as a part of the spec: what older programs do not know is only
/// written when it is used, and what is missing has its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExportOptions {
    /// Write a first row with the labels of the columns, in every sheet and every file.
    pub header: bool,
    /// Written in place of null; without it the cell is blank.
    pub null_text: Option<String>,
    /// The file's name as the user wants it, without extension.
    pub file_name: Option<String>,
    /// Keep text from being taken for a formula. A sheet's text cells never are, so this is of
    /// consequence for csv alone.
    pub guard_formulas: bool,
    /// Data rows of a sheet, at most; the header comes on top. Without it a sheet is filled to the
    /// format's limit. For xlsx alone; from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_per_sheet: Option<u32>,
    /// Data rows of a file, at most; more than one file come as a zip. Without it there is one
    /// file. From 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_per_file: Option<u64>,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self {
            header: true,
            null_text: None,
            file_name: None,
            guard_formulas: true,
            rows_per_sheet: None,
            rows_per_file: None,
        }
    }
}

impl ExportOptions {
    /// Data rows that go into one sheet, with regard to the header and the format's limit.
    #[must_use]
    pub fn sheet_rows(&self) -> u32 {
        self.rows_per_sheet
            .map_or(self.room(), |rows| rows.min(self.room()))
    }

    /// Data rows that a sheet has room for.
    fn room(&self) -> u32 {
        MAX_SHEET_ROWS - u32::from(self.header)
    }

    /// Reads the options of a request; every fault is added to `faults`.
    pub(super) fn read(
        raw: &Map<String, Value>,
        format: ExportFormat,
        faults: &mut Faults,
    ) -> Self {
        let mut options = Self::default();
        let mut refuse = |name: &str, message: String| {
            let at: Pointer = body("options").field(name);
            faults.push(FieldFault::new(&at, FaultCode::InvalidRequest, message));
        };
        for (name, value) in raw.iter().filter(|(_, value)| !value.is_null()) {
            if let Err(message) = options.set(name, value) {
                refuse(name, message);
            }
        }
        if let Some(rows) = options.rows_per_sheet
            && let Err(message) = options.fits_a_sheet(rows, format)
        {
            refuse("rows_per_sheet", message);
        }
        options
    }

    /// Looked at last: the room hangs on the header.
    fn fits_a_sheet(&self, rows: u32, format: ExportFormat) -> Result<(), String> {
        let room = self.room();
        match format {
            ExportFormat::Csv => Err("rows_per_sheet is for xlsx; csv has no sheets".to_owned()),
            ExportFormat::Xlsx if rows > room => Err(format!(
                "rows_per_sheet is at most {room}, the rows of a sheet without its header"
            )),
            ExportFormat::Xlsx => Ok(()),
        }
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
                    Some(safe_stem(wanted).ok_or("file_name holds no usable character")?);
            }
            "rows_per_sheet" => {
                let rows = count(name, value)?;
                self.rows_per_sheet = Some(u32::try_from(rows).unwrap_or(u32::MAX));
            }
            "rows_per_file" => self.rows_per_file = Some(count(name, value)?),
            _ => return Err(format!("there is no option `{name}`")),
        }
        Ok(())
    }
}

fn count(name: &str, value: &Value) -> Result<u64, String> {
    let rows = value.as_u64().filter(|rows| *rows > 0);
    rows.ok_or_else(|| format!("{name} must be a whole number from 1"))
}

fn text<'v>(name: &str, value: &'v Value, most: usize) -> Result<&'v str, String> {
    match value.as_str() {
        Some(text) if text.chars().count() <= most => Ok(text),
        Some(_) => Err(format!("{name} is longer than {most} characters")),
        None => Err(format!("{name} must be a text")),
    }
}
