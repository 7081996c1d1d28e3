//! Sheet and header of an upload: found by the split, and found again by the finish.

use std::fs::File;

use domain::{
    Dataset, Failure, Header, ImportSpec, Mapping, SheetCell, SheetChoice, SheetChunk, TaskId,
    UploadFormat,
};
use tabular::{
    Book, Merges, Pulse, ReadTerms, Said, SheetInfo, SheetRows, Stamp, StopSign, Visibility,
    import_of_header,
};
use tokio_util::sync::CancellationToken;

use crate::failure::of_refusal;
use crate::refusals;
use crate::spool::Spool;

/// Sheets that are not read and are looked at, whether they hold rows.
const MOST_LOOKED_AT: usize = 20;

/// A pass over a sheet that has come to its header.
pub(crate) struct Begun {
    pub(crate) rows: SheetRows,
    /// What was read to find the header.
    pub(crate) chunks: Vec<SheetChunk>,
    pub(crate) header: Header,
}

/// Opens the upload. What is read of it ends when `stop` is cancelled, and shows in `pulse`.
pub(crate) fn open(
    file: File,
    spec: &ImportSpec,
    spool: &Spool,
    stop: CancellationToken,
    pulse: Pulse,
) -> Result<Book, Failure> {
    let terms = ReadTerms {
        temp_dir: Some(spool.directory().to_owned()),
        encoding: spec.options.encoding,
        stop: StopSign::when(move || stop.is_cancelled()),
        pulse,
        ..ReadTerms::default()
    };
    let book = Book::open(file, spec.upload.format, &terms);
    book.map_err(|refusal| of_refusal(&refusal))
}

/// The import as its file is to be read. A failure file is of our own making: where its header stands
/// is known, and what its rows mean, by its stamp or, of a csv, by the import that it names; what the
/// request itself names counts before that (`said` puts all this together). What the options say of
/// another sheet or header was said of the first file, unless they name a further sheet that is there:
/// somebody has added it, and it is read as they say.
pub(crate) fn as_told(
    book: &Book,
    dataset: &Dataset,
    spec: &ImportSpec,
    stamp: Option<&Stamp>,
    said: &dyn Fn(TaskId, Said) -> Result<Said, Failure>,
) -> Result<ImportSpec, Failure> {
    let mut spec = spec.clone();
    let stamped = stamp.and_then(|stamp| Some((stamp.task?, stamp.said.clone())));
    let known = match stamped {
        Some(stamped) => Some(stamped),
        None => named_by_csv(book, &spec)?.map(|first| (first, Said::default())),
    };
    let Some((first, stamped)) = known else {
        return Ok(spec);
    };
    if names_added_sheet(book, &spec)? {
        return Ok(spec);
    }
    let said = said(first, stamped)?;
    spec.timezone = said.timezone.unwrap_or(spec.timezone);
    let options = &mut spec.options;
    options.sheet = None;
    options.header_row = None;
    options.mapping = said.mapping;
    options.numbers = said.numbers;
    // a file may say anything
    let offered = said.mode.filter(|mode| dataset.import_modes.contains(mode));
    options.mode = offered.unwrap_or(options.mode);
    options.empty_means = said.empty_means.unwrap_or(options.empty_means);
    options.formulas = said.formulas.unwrap_or(options.formulas);
    Ok(spec)
}

/// Whether the options name a sheet of a failure file that is none of ours: neither the first that is
/// seen, which has the rows, nor the stamp's.
fn names_added_sheet(book: &Book, spec: &ImportSpec) -> Result<bool, Failure> {
    let Some(choice) = &spec.options.sheet else {
        return Ok(false);
    };
    let Some(named) = find(book, &spec.locale, choice)? else {
        return Ok(false);
    };
    let own = book.sheets().iter().position(is_offered);
    Ok(Some(named) != own && Some(named) != Stamp::sheet(book))
}

/// The import whose failures these are, if the first line of a csv names one.
fn named_by_csv(book: &Book, spec: &ImportSpec) -> Result<Option<TaskId>, Failure> {
    if spec.upload.format != UploadFormat::Csv {
        return Ok(None);
    }
    let rows = book.rows(0, &Merges::default());
    let first = rows.and_then(|mut rows| rows.next());
    let first = first.map_err(|refusal| of_refusal(&refusal))?;
    let Some(header) = first.as_ref().and_then(|chunk| chunk.rows().next()) else {
        return Ok(None);
    };
    let named = header.cells().find_map(|placed| match placed.cell {
        SheetCell::Text(text) => import_of_header(text),
        _ => None,
    });
    Ok(named.filter(|_| header.number == 1))
}

/// Sheets that a person sees and that are not read, unless it was said which one is to be: the names
/// of those that hold rows.
pub(crate) fn ignored_sheets(book: &Book, sheet: usize, spec: &ImportSpec) -> Vec<String> {
    if spec.options.sheet.is_some() {
        return Vec::new();
    }
    let sheets = book.sheets().iter().enumerate();
    let others = sheets.filter(|(at, other)| *at != sheet && is_offered(other));
    let mut ignored = Vec::new();
    for (looked, (at, other)) in others.enumerate() {
        // to look costs time: past so many all count
        if looked >= MOST_LOOKED_AT || book.may_hold_rows(at) {
            ignored.push(other.name.clone());
        }
    }
    ignored
}

/// Whether rows are looked for in a sheet that nobody named.
fn is_offered(sheet: &SheetInfo) -> bool {
    sheet.worksheet && sheet.visible == Visibility::Visible
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
            let found = find(book, &spec.locale, choice)?;
            vec![found.ok_or_else(|| refusals::no_such_sheet(&spec.locale, choice))?]
        }
        None => (0..sheets.len())
            .filter(|at| is_offered(&sheets[*at]))
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

/// The sheet that a choice means, if there is one.
fn find(book: &Book, locale: &str, choice: &SheetChoice) -> Result<Option<usize>, Failure> {
    let name = match choice {
        SheetChoice::Name(name) => name,
        SheetChoice::Number(number) => {
            let at = usize::try_from(*number).ok();
            let at = at.and_then(|number| number.checked_sub(1));
            let sheet = at.and_then(|at| book.sheets().get(at));
            return Ok(at.filter(|_| sheet.is_some_and(|sheet| sheet.worksheet)));
        }
    };
    let found = named(book.sheets(), name);
    match found[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(refusals::sheets_of_one_name(locale, name, &found)),
    }
}

/// Sheets of a name without regard to case: those that a person sees before all others, and among
/// them those that are called exactly so.
fn named(sheets: &[SheetInfo], name: &str) -> Vec<usize> {
    let alike = |name: &str| name.trim().to_lowercase();
    let wanted = alike(name);
    let found = |at: &usize| sheets[*at].worksheet && alike(&sheets[*at].name) == wanted;
    let mut found: Vec<usize> = (0..sheets.len()).filter(found).collect();
    let preferred: [&dyn Fn(&SheetInfo) -> bool; 2] = [&is_offered, &|sheet| sheet.name == *name];
    for preferred in preferred {
        if found.iter().any(|at| preferred(&sheets[*at])) {
            found.retain(|at| preferred(&sheets[*at]));
        }
    }
    found
}
