//! Judged rows become batches: every sheet row in exactly one, in the order of the sheet.

use bytes::Bytes;
use domain::Failure;

use crate::checking::{Checked, Mark, Verdict};
use crate::failure::internal;
use crate::object::{Head, Shape, write_batch};
use crate::refusals;
use crate::sizes::{BatchSizes, MAX_BATCHES};

/// Bytes of rows and errors from which on a batch ends early. A batch is held some ten times over
/// while it is applied: parsed, told, packed for the ledger.
const FULL_BYTES: usize = 1 << 20;
/// Batches that may end early; past them rows alone decide, which makes sure that the rest fits.
const EARLY_ENDS: u32 = MAX_BATCHES / 10 * 9;
/// The most rows that go in all at once.
const MOST_AT_ONCE: u64 = 100_000;
/// The most bytes of rows and errors that go in all at once, and of one batch. Batches come to it
/// only past [`EARLY_ENDS`].
const MOST_BYTES_AT_ONCE: usize = 64 << 20;

/// A batch that has been cut. The first is number 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) number: u32,
    pub(crate) first_row: u32,
    pub(crate) last_row: u32,
}

/// A batch's object, still in parts.
pub(crate) struct CutBatch {
    pub(crate) number: u32,
    head: Head,
    numbers: Vec<u32>,
    text: Vec<u8>,
    bad: Vec<u8>,
}

impl CutBatch {
    /// The object's bytes. CPU work.
    pub(crate) fn object(&self) -> Result<Bytes, Failure> {
        write_batch(&self.head, &self.numbers, &self.text, &self.bad).map_err(internal)
    }
}

/// What the cutter goes by.
pub(crate) struct Terms {
    pub(crate) shape: Shape,
    pub(crate) sizes: BatchSizes,
    /// All rows are one batch.
    pub(crate) at_once: bool,
    /// Of sentences for the user.
    pub(crate) locale: String,
}

/// Cuts.
pub(crate) struct Cutter {
    terms: Terms,
    cuts: Vec<Cut>,
    rows: u64,
    open: Open,
}

/// The batch that is being filled.
#[derive(Default)]
struct Open {
    /// Rows of all kinds.
    rows: u32,
    first_row: u32,
    last_row: u32,
    skipped: u32,
    numbers: Vec<u32>,
    text: Vec<u8>,
    bad: Vec<u8>,
}

impl Cutter {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            terms,
            cuts: Vec::new(),
            rows: 0,
            open: Open::default(),
        }
    }

    /// Rows so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// The batches so far.
    pub(crate) fn cuts(&self) -> &[Cut] {
        &self.cuts
    }

    /// Adds rows; gives the batches that became full.
    ///
    /// # Errors
    /// `too_many_rows`; `file_too_large` where all must go in at once.
    pub(crate) fn add(&mut self, checked: &Checked) -> Result<Vec<CutBatch>, Failure> {
        let mut full = Vec::new();
        let (mut text, mut bad) = (0, 0);
        for mark in &checked.marks {
            let bytes = match mark.verdict {
                Verdict::Good => &checked.text[std::mem::replace(&mut text, mark.end)..mark.end],
                Verdict::Bad => &checked.bad[std::mem::replace(&mut bad, mark.end)..mark.end],
                Verdict::Skipped => &[],
            };
            self.open.take(*mark, bytes);
            self.rows += 1;
            self.limits()?;
            if self.is_full() {
                full.push(self.cut());
            }
        }
        Ok(full)
    }

    /// The last batch, when rows are left.
    pub(crate) fn finish(&mut self) -> Option<CutBatch> {
        (self.open.rows > 0).then(|| self.cut())
    }

    fn limits(&self) -> Result<(), Failure> {
        let Terms {
            sizes,
            at_once,
            locale,
            ..
        } = &self.terms;
        let most = if *at_once {
            sizes.max_rows.min(MOST_AT_ONCE)
        } else {
            sizes.max_rows
        };
        if self.rows > most {
            return Err(refusals::too_many_rows(locale, most));
        }
        match (self.open.bytes() > MOST_BYTES_AT_ONCE, *at_once) {
            (true, true) => Err(refusals::too_large_at_once(locale, MOST_BYTES_AT_ONCE)),
            (true, false) => Err(refusals::batch_too_large(MOST_BYTES_AT_ONCE)),
            (false, _) => Ok(()),
        }
    }

    fn is_full(&self) -> bool {
        if self.terms.at_once {
            return false;
        }
        let batches = u32::try_from(self.cuts.len()).unwrap_or(u32::MAX);
        let before = self.rows - u64::from(self.open.rows);
        let size = self.terms.sizes.next(batches, before);
        let ends_early = batches < EARLY_ENDS && self.open.bytes() >= FULL_BYTES;
        self.open.rows >= size || ends_early
    }

    fn cut(&mut self) -> CutBatch {
        let open = std::mem::take(&mut self.open);
        let number = u32::try_from(self.cuts.len() + 1).unwrap_or(u32::MAX);
        self.cuts.push(Cut {
            number,
            first_row: open.first_row,
            last_row: open.last_row,
        });
        CutBatch {
            number,
            head: Head {
                shape: self.terms.shape.clone(),
                first_row: open.first_row,
                last_row: open.last_row,
                skipped: open.skipped,
            },
            numbers: open.numbers,
            text: open.text,
            bad: open.bad,
        }
    }
}

impl Open {
    fn take(&mut self, mark: Mark, bytes: &[u8]) {
        if self.rows == 0 {
            self.first_row = mark.number;
        }
        self.last_row = mark.number;
        self.rows += 1;
        match mark.verdict {
            Verdict::Good => {
                self.numbers.push(mark.number);
                self.text.extend_from_slice(bytes);
            }
            Verdict::Bad => self.bad.extend_from_slice(bytes),
            Verdict::Skipped => self.skipped += 1,
        }
    }

    fn bytes(&self) -> usize {
        self.text.len() + self.bad.len()
    }
}

#[cfg(test)]
mod tests;
