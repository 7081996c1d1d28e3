//! One pass over a sheet.

use domain::SheetChunk;

use super::csv::CsvRows;
use super::sheet::Sheet;
use super::{Merges, Refusal};

/// The rows of a sheet, in order. Inflates ahead on a thread of its own, which ends when this is
/// dropped. Rows that hold no value are not among them, nor are blank cells.
pub struct SheetRows {
    body: Body,
    merges: Merges,
    failed: Option<Refusal>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "there is one of it for a whole pass"
)]
enum Body {
    Csv(CsvRows),
    Sheet(Sheet),
}

impl SheetRows {
    pub(super) fn of_csv(rows: CsvRows) -> Self {
        Self {
            body: Body::Csv(rows),
            merges: Merges::default(),
            failed: None,
        }
    }

    pub(super) fn of_sheet(sheet: Sheet, merges: &Merges) -> Self {
        Self {
            body: Body::Sheet(sheet),
            merges: merges.clone(),
            failed: None,
        }
    }

    /// The next rows, about 1,000 or 256 KiB; none at the sheet's end, when the whole entry has
    /// been checked: its XML, its size, its CRC.
    ///
    /// # Errors
    /// A [`Refusal`], and the same ever after; nothing that came before may be used then.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator cannot end with an error"
    )]
    pub fn next(&mut self) -> Result<Option<SheetChunk>, Refusal> {
        if let Some(refusal) = &self.failed {
            return Err(refusal.clone());
        }
        let next = match &mut self.body {
            Body::Csv(rows) => rows.next(),
            Body::Sheet(sheet) => sheet.next(),
        };
        match (&next, &self.body) {
            (Err(refusal), _) => self.failed = Some(refusal.clone()),
            (Ok(None), Body::Sheet(sheet)) => self.merges = sheet.found(),
            (Ok(_), _) => {}
        }
        next
    }

    /// The sheet's merged ranges: until the end of the rows those that the pass was begun with, from
    /// then on those of the file.
    #[must_use]
    pub fn merges(&self) -> &Merges {
        &self.merges
    }
}
