//! How many rows a batch takes (docs/adr/0008-batch-sizes.md). Shown by `tests/it/sizes.rs`.

/// Rows of a batch of a small file.
const FIRST: u32 = 500;
/// Rows of a batch of a large one, when nobody says otherwise.
const LARGEST: u32 = 5_000;
/// A batch takes no more than this part of the rows before it, once that is more than [`FIRST`]: the
/// size begins to grow at 10,000 rows and has grown at 100,000.
const SHARE: u64 = 20;
/// The most batches of one import.
pub const MAX_BATCHES: u32 = 10_000;
/// From this batch on the size makes sure that the rest fits.
const FITTING_FROM: u32 = MAX_BATCHES / 2;

/// The sizes of an import's batches, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSizes {
    /// What the user asked for.
    pub asked: Option<u32>,
    /// The most that the dataset takes.
    pub most: u32,
    /// The most rows that the file may have.
    pub max_rows: u64,
}

impl BatchSizes {
    /// Rows of the batch that follows so many batches with so many rows. Whatever is asked for, a
    /// file of `max_rows` rows comes to [`MAX_BATCHES`] at most.
    #[must_use]
    pub fn next(&self, batches: u32, rows: u64) -> u32 {
        let wanted = match self.asked {
            Some(size) => size,
            None => u32::try_from(rows / SHARE)
                .unwrap_or(LARGEST)
                .clamp(FIRST, LARGEST),
        };
        let wanted = wanted.clamp(1, self.most.max(1));
        if batches < FITTING_FROM {
            return wanted;
        }
        let left = MAX_BATCHES.saturating_sub(batches).max(1);
        let rest = self.max_rows.saturating_sub(rows);
        let needed = rest.div_ceil(left.into());
        wanted.max(u32::try_from(needed).unwrap_or(u32::MAX))
    }
}
