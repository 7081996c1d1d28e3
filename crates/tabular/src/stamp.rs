//! The mark by which a file of ours is known when it comes back filled in.

use std::collections::BTreeMap;

use domain::{SheetCell, TaskId};
use serde::{Deserialize, Serialize};

use crate::read::{Book, Merges, Visibility};

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
    /// Which column each header of that import meant that the definition does not know, as
    /// `ImportOptions::mapping` says it: the mended file is read without being told again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mapping: BTreeMap<String, String>,
}

impl Stamp {
    /// The stamp of an opened file; none where there is none or it cannot be read. A csv has none.
    #[must_use]
    pub fn read(book: &Book) -> Option<Self> {
        let is_stamp = |sheet: &crate::read::SheetInfo| {
            sheet.worksheet && sheet.visible != Visibility::Visible && sheet.name == STAMP_SHEET
        };
        let sheet = book.sheets().iter().position(is_stamp)?;
        let mut rows = book.rows(sheet, &Merges::default()).ok()?;
        let chunk = rows.next().ok()??;
        let first = chunk.rows().next()?;
        match first.cell(0).cell {
            SheetCell::Text(json) if first.number == 1 => serde_json::from_str(json).ok(),
            _ => None,
        }
    }

    /// As it stands in the cell.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("texts and a number have a JSON form")
    }
}
