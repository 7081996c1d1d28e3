//! Sheet and header of an upload: found by the split, and found again by the finish.

use std::fs::File;

use domain::{Dataset, Failure, Header, ImportSpec, Mapping, SheetChoice, SheetChunk};
use tabular::{Book, Merges, ReadTerms, SheetRows, Stamp, StopSign, Visibility};
use tokio_util::sync::CancellationToken;

use crate::failure::of_refusal;
use crate::refusals;
use crate::spool::Spool;

/// A pass over a sheet that has come to its header.
pub(crate) struct Begun {
    pub(crate) rows: SheetRows,
    /// What was read to find the header.
    pub(crate) chunks: Vec<SheetChunk>,
    pub(crate) header: Header,
}

/// Opens the upload. What is read of it ends when `stop` is cancelled.
pub(crate) fn open(
    file: File,
    spec: &ImportSpec,
    spool: &Spool,
    stop: CancellationToken,
) -> Result<Book, Failure> {
    let terms = ReadTerms {
        temp_dir: Some(spool.directory().to_owned()),
        stop: StopSign::when(move || stop.is_cancelled()),
        ..ReadTerms::default()
    };
    let book = Book::open(file, spec.upload.format, &terms);
    book.map_err(|refusal| of_refusal(&refusal))
}

/// The import as its file is to be read. A failure workbook is of our own making: what the options
/// say of the first file's sheet and header is untrue of it, and it knows what its headers mean.
pub(crate) fn as_stamped(spec: &ImportSpec, stamp: Option<&Stamp>) -> ImportSpec {
    let mut spec = spec.clone();
    if let Some(stamp) = stamp.filter(|stamp| stamp.task.is_some()) {
        spec.options.sheet = None;
        spec.options.header_row = None;
        for (header, column) in &stamp.mapping {
            let mapping = spec.options.mapping.entry(header.clone());
            mapping.or_insert_with(|| column.clone());
        }
    }
    spec
}

/// The sheet that was asked for, or the first visible one that holds rows, read as far as its header.
pub(crate) fn choose(
    book: &Book,
    dataset: &Dataset,
    spec: &ImportSpec,
) -> Result<(usize, Begun), Failure> {
    let sheets = book.sheets();
    let candidates: Vec<usize> = match &spec.options.sheet {
        Some(choice) => {
            let found = find(book, choice);
            vec![found.ok_or_else(|| refusals::no_such_sheet(&spec.locale, choice))?]
        }
        None => (0..sheets.len())
            .filter(|at| sheets[*at].worksheet)
            .filter(|at| sheets[*at].visible == Visibility::Visible)
            .collect(),
    };
    for sheet in candidates {
        if let Some(begun) = begin(book, sheet, &Merges::default(), dataset, spec)? {
            return Ok((sheet, begun));
        }
    }
    Err(refusals::empty_file("no sheet holds a row"))
}

/// Begins a pass: reads as far as the header. None when the sheet holds no row.
pub(crate) fn begin(
    book: &Book,
    sheet: usize,
    merges: &Merges,
    dataset: &Dataset,
    spec: &ImportSpec,
) -> Result<Option<Begun>, Failure> {
    let from = spec.options.header_row.unwrap_or(1);
    let rows = book.rows(sheet, merges);
    let mut rows = rows.map_err(|refusal| of_refusal(&refusal))?;
    let mut chunks: Vec<SheetChunk> = Vec::new();
    let mut seen = 0;
    while seen <= Mapping::HEADER_ROWS
        && let Some(chunk) = rows.next().map_err(|refusal| of_refusal(&refusal))?
    {
        let rows = chunk.rows().filter(|row| row.number >= from);
        let found = rows.filter(|row| !row.is_blank()).count();
        seen += found;
        if found > 0 {
            chunks.push(chunk);
        }
    }
    let first = chunks.iter().flat_map(SheetChunk::rows);
    let header = Mapping::find_header(dataset, &spec.options, first);
    Ok(header.map(|header| Begun {
        rows,
        chunks,
        header,
    }))
}

fn find(book: &Book, choice: &SheetChoice) -> Option<usize> {
    let sheets = book.sheets();
    let at = match choice {
        SheetChoice::Number(number) => usize::try_from(*number).ok()?.checked_sub(1)?,
        SheetChoice::Name(name) => {
            let name = name.trim().to_lowercase();
            sheets
                .iter()
                .position(|sheet| sheet.name.trim().to_lowercase() == name)?
        }
    };
    sheets.get(at).filter(|sheet| sheet.worksheet).map(|_| at)
}
