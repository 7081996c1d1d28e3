//! Where the data of a sheet end: with the sheet, or with a run of blank rows, if an import asks for
//! that (cases.md A 6). What stands behind is counted, so that its user is told.

use domain::SheetChunk;

/// The end of the data, as it is found.
pub(crate) struct Extent {
    /// Blank rows on end that are the end.
    most: Option<u32>,
    /// The last row that is one of the data.
    last: u32,
    ended: bool,
    beyond: u64,
}

impl Extent {
    /// Of what stands below the header.
    pub(crate) fn from(header_row: u32, most: Option<u32>) -> Self {
        Self {
            most,
            last: header_row,
            ended: false,
            beyond: 0,
        }
    }

    /// The number of the last row of the chunk that may be one of the data.
    pub(crate) fn last_of(&mut self, chunk: &SheetChunk) -> u32 {
        let Some(most) = self.most else {
            return u32::MAX;
        };
        let below = chunk.rows().filter(|row| row.number > self.last);
        let numbers: Vec<u32> = below
            .filter(|row| !row.is_blank())
            .map(|row| row.number)
            .collect();
        for number in numbers {
            // rows between the two are blank
            self.ended |= number - self.last > most;
            if self.ended {
                self.beyond += 1;
            } else {
                self.last = number;
            }
        }
        if self.ended { self.last } else { u32::MAX }
    }

    /// How many rows that hold something stood behind the end so far.
    pub(crate) fn beyond(&self) -> u64 {
        self.beyond
    }
}
