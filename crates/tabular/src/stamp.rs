//! The mark by which a file of ours is known when it comes back filled in.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use domain::{Empty, Formulas, ImportMode, NumberForm, SheetCell, TaskId};
use serde::{Deserialize, Serialize};

use crate::read::{Book, Merges, Refusal, SheetInfo, Visibility};

/// The very hidden sheet that holds the stamp in A1, and the lists of drop-downs beside it.
pub(crate) const STAMP_SHEET: &str = "_quayside";

/// What a template or a failure workbook was made of. A person does not see it; whoever edits it
/// deceives only about what the columns and rows show anyway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Name of the dataset.
    pub dataset: String,
    /// Version of its definition.
    pub version: String,
    /// The import whose failed rows these are; none for a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// What was said of that import: the mended file is read without being told again.
    #[serde(flatten)]
    pub said: Said,
}

/// What was said of an import that holds of its failed rows still, as `ImportOptions` and the request
/// have it: so that a mended file means what the first one meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Header text to column name, for headers that the definition does not know.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mapping: BTreeMap<String, String>,
    /// How texts group digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<NumberForm>,
    /// Of dates and times in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<Tz>,
    /// What becomes of rows whose key is in the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ImportMode>,
    /// What an empty cell means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_means: Option<Empty>,
    /// What a formula's cell gives. Merged cells and hidden rows have no such word: a failure file
    /// has neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formulas: Option<Formulas>,
}

impl Said {
    /// What an earlier one said counts where this one says nothing.
    pub fn learn(&mut self, earlier: Self) {
        for (header, column) in earlier.mapping {
            self.mapping.entry(header).or_insert(column);
        }
        self.numbers = self.numbers.or(earlier.numbers);
        self.timezone = self.timezone.or(earlier.timezone);
        self.mode = self.mode.or(earlier.mode);
        self.empty_means = self.empty_means.or(earlier.empty_means);
        self.formulas = self.formulas.or(earlier.formulas);
    }
}

impl Stamp {
    /// The stamp of an opened file; none where there is none, or where the file's own fault keeps it
    /// from being read. A csv has none.
    ///
    /// # Errors
    /// What is no fault of the file: our own disk failed, or reading was stopped.
    pub fn read(book: &Book) -> Result<Option<Self>, Refusal> {
        match Self::cell(book) {
            Err(refusal) if refusal.code.is_users_fault() => Ok(None),
            read => read,
        }
    }

    /// Where the stamp of a file lies, if it has one.
    #[must_use]
    pub fn sheet(book: &Book) -> Option<usize> {
        let is_stamp = |sheet: &SheetInfo| {
            sheet.worksheet && sheet.visible != Visibility::Visible && sheet.name == STAMP_SHEET
        };
        book.sheets().iter().position(is_stamp)
    }

    fn cell(book: &Book) -> Result<Option<Self>, Refusal> {
        let Some(sheet) = Self::sheet(book) else {
            return Ok(None);
        };
        let chunk = book.rows(sheet, &Merges::default())?.next()?;
        let Some(first) = chunk.as_ref().and_then(|chunk| chunk.rows().next()) else {
            return Ok(None);
        };
        Ok(match first.cell(0).cell {
            SheetCell::Text(json) if first.number == 1 => serde_json::from_str(json).ok(),
            _ => None,
        })
    }

    /// As it stands in the cell.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("texts and a number have a JSON form")
    }
}
