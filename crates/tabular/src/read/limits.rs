//! The bounds of reading.

/// What a file may hold at most, and what reading it may take. What exceeds one is refused with
/// `archive_limits`, columns with `too_many_columns`; nothing is cut.
///
/// Memory of an open workbook and one pass over a sheet is at most about
/// `strings_in_memory` + 32 MiB (cache of spilled strings 8 MiB, inflating ahead 1 MiB, one chunk,
/// styles, merged ranges, index of strings: 1 byte for 8 strings), 64 MiB by default; one row of the
/// largest kind may take `row_bytes` more. The rest of the shared strings lies in an unlinked
/// temporary file of at most `strings_bytes`.
///
/// There is no bound on runs of blank rows: they are walked past without being kept, at the speed
/// of inflating, because rows behind them must not be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadLimits {
    /// Entries of the archive.
    pub entries: usize,
    /// Bytes of the archive's central directory.
    pub directory_bytes: u64,
    /// Inflated bytes of one sheet, and of the shared strings; counted while inflating.
    pub entry_bytes: u64,
    /// What reading one [`Book`](super::Book) may cost, every pass counted, in units of about a
    /// nanosecond of one core: inflated bytes, tags, cells, spilled strings each have their price. A
    /// million rows of eleven columns cost 1.3e9; a row of 100 numbers costs about 14,000.
    pub work: u64,
    /// Inflated bytes of each small part: content types, relations, workbook, styles.
    pub part_bytes: u64,
    /// Sheets of the workbook.
    pub sheets: usize,
    /// Cell formats, and likewise number formats, of the workbook. Excel takes 65,490.
    pub styles: usize,
    /// Shared strings.
    pub strings: usize,
    /// Bytes of all shared strings together.
    pub strings_bytes: u64,
    /// Bytes of shared strings that stay in memory; what is beyond spills to a temporary file.
    pub strings_in_memory: usize,
    /// Columns; Excel's own bound. A cell beyond it is refused with `too_many_columns`.
    pub columns: u16,
    /// The highest number of a row; Excel's own bound.
    pub rows: u32,
    /// Text of one cell, in UTF-16 units; Excel's own bound.
    pub cell_text: usize,
    /// Bytes of one row: texts and 16 for each cell.
    pub row_bytes: usize,
    /// Bytes of all texts that one pass over a sheet gives, a shared string counted each time.
    pub text_bytes: u64,
    /// Bytes of one tag or of one run of text in the XML.
    pub token_bytes: usize,
    /// Merged ranges of a sheet.
    pub merges: usize,
    /// Cells that merged ranges cover together, counted in rows that hold a value.
    pub merged_cells: u64,
    /// Rows of a chunk, about.
    pub chunk_rows: usize,
    /// Bytes of a chunk, about.
    pub chunk_bytes: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        const KIB: usize = 1024;
        const MIB: usize = 1024 * KIB;
        const GIB: u64 = 1024 * 1024 * 1024;
        Self {
            entries: 10_000,
            directory_bytes: 4 * MIB as u64,
            entry_bytes: 4 * GIB,
            work: 15_000_000_000,
            part_bytes: 16 * MIB as u64,
            sheets: 4_096,
            styles: 100_000,
            strings: 32 * 1024 * 1024,
            strings_bytes: GIB,
            strings_in_memory: 32 * MIB,
            columns: 16_384,
            rows: 1_048_576,
            cell_text: 32_767,
            row_bytes: 8 * MIB,
            text_bytes: 4 * GIB,
            token_bytes: MIB,
            merges: 200_000,
            merged_cells: 20_000_000,
            chunk_rows: 1_000,
            chunk_bytes: 256 * KIB,
        }
    }
}
