//! An import that can be run, and the contexts of its rows. Stored as JSON: fields are only ever
//! added.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::closed_set::closed_set;
use crate::{ImportMode, NumberForm, TaskFileId, TaskId};

closed_set! {
    /// What a fault of one row means for the others.
    OnError {
        /// The good rows go in.
        Continue = "continue",
        /// None goes in.
        Abort = "abort",
    }
}

closed_set! {
    /// What an empty cell means for a column that the file has.
    Empty {
        /// The value becomes null.
        Null = "null",
        /// An existing row keeps what it has; a new one takes the table's default.
        Keep = "keep",
    }
}

closed_set! {
    /// What a formula's cell gives.
    Formulas {
        /// Its last result.
        Value = "value",
        /// A fault.
        Error = "error",
    }
}

closed_set! {
    /// What a cell gives that a merged range covers.
    Merged {
        /// A fault.
        Error = "error",
        /// Blank, but for the first.
        FirstOnly = "first_only",
        /// What the range's first cell holds.
        Fill = "fill",
    }
}

closed_set! {
    /// What becomes of rows that the sheet hides.
    HiddenRows {
        /// They are rows as any other.
        Include = "include",
        /// They are skipped, and counted so.
        Skip = "skip",
    }
}

closed_set! {
    /// In which encoding a csv is written that has no byte order mark.
    TextEncoding {
        Utf8 = "utf-8",
        Utf16Le = "utf-16le",
        Utf16Be = "utf-16be",
        Gb18030 = "gb18030",
        Big5 = "big5",
        ShiftJis = "shift_jis",
        EucKr = "euc-kr",
        Windows1252 = "windows-1252",
    }
}

closed_set! {
    /// The kinds of file that can be read.
    UploadFormat {
        Xlsx = "xlsx",
        Csv = "csv",
    }
}

/// Which sheet of the workbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SheetChoice {
    /// Counted from 1 among all sheets of the workbook.
    Number(u32),
    /// By its name, without regard to case.
    Name(String),
}

/// How the file is read and what becomes of its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImportOptions {
    pub mode: ImportMode,
    /// Check every row and write none.
    pub validate_only: bool,
    /// Without it the first visible sheet that holds rows.
    pub sheet: Option<SheetChoice>,
    /// The header's row, counted from 1; without it the first row that is not blank, or the first
    /// after it that names a column, if that one names none (a title above the table).
    pub header_row: Option<u32>,
    /// Header text to column name, for headers that the definition does not know.
    pub mapping: BTreeMap<String, String>,
    pub on_error: OnError,
    /// Rows of one batch, 1 to 5,000; without it 500, growing with the file (ADR 0008).
    pub batch_size: Option<u32>,
    /// Spacing between the due times of batches, in milliseconds, drawn between the two.
    pub stagger_ms: Option<(u32, u32)>,
    pub empty_means: Empty,
    pub formulas: Formulas,
    pub merged: Merged,
    pub hidden_rows: HiddenRows,
    /// How texts group digits, in every column of numbers; without it as each column declares, and
    /// where none does, grouped digits are ambiguous.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbers: Option<NumberForm>,
    /// Of a csv without a byte order mark; without it the encoding is looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<TextEncoding>,
    /// So many blank rows on end are the end of the data; without it only the end of the sheet is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_after_blank_rows: Option<u32>,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            mode: ImportMode::Insert,
            validate_only: false,
            sheet: None,
            header_row: None,
            mapping: BTreeMap::new(),
            on_error: OnError::Continue,
            batch_size: None,
            stagger_ms: None,
            empty_means: Empty::Null,
            formulas: Formulas::Value,
            merged: Merged::Error,
            hidden_rows: HiddenRows::Include,
            numbers: None,
            encoding: None,
            stop_after_blank_rows: None,
        }
    }
}

/// The file that the user gave, as it lies in storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    pub file: TaskFileId,
    pub object_key: String,
    /// As the user calls it, with its extension.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// Told by the file's first bytes.
    pub format: UploadFormat,
}

/// A checked import: the context of an IMPORT row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportSpec {
    pub dataset: String,
    /// The definition's version when the request was checked.
    pub dataset_version: String,
    pub upload: Upload,
    /// Of messages and of the failure workbook.
    pub locale: String,
    /// Of dates and times in the file.
    pub timezone: Tz,
    pub queue: String,
    /// Whether messages may quote what stood in sensitive columns.
    pub sees_sensitive: bool,
    pub options: ImportOptions,
}

/// One batch: the context of an IMPORT_BATCH row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchSpec {
    pub dataset: String,
    /// [`Dataset::fingerprint`](crate::Dataset::fingerprint) of the definition that the rows were
    /// judged by; none in rows of before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Counted from 1.
    pub number: u32,
    /// How many batches the import has.
    pub of: u32,
    /// Where its rows lie.
    pub object_key: String,
    /// Where the rows lie that are duplicates of rows elsewhere in the file; none if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicates_key: Option<String>,
    pub mode: ImportMode,
    pub validate_only: bool,
    pub on_error: OnError,
    pub empty_means: Empty,
    pub locale: String,
    pub sees_sensitive: bool,
}

/// The end of an import: the context of an IMPORT_FINISH row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishSpec {
    pub import: ImportSpec,
    /// The sheet that was read.
    pub sheet: Option<String>,
    /// The row of its header, counted from 1; the last one, where the header has two lines.
    pub header_row: u32,
    /// Warnings of the reading.
    pub warnings: Vec<crate::Warning>,
    /// What each column of the sheet was taken for: (column counted from 0, column of the dataset).
    pub columns: Vec<(u16, String)>,
    /// The task that a failure workbook said it came from.
    pub mends: Option<TaskId>,
    /// Whether the sheet that was read has merged ranges; none in rows of before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<bool>,
    /// How many columns hold something, from the first; 0 in rows of before it was kept.
    #[serde(default)]
    pub width: u32,
}
