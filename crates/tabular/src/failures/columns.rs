//! The columns of a failure file, and what stands in the three that are ours.

use std::io;

use domain::{
    Column, ColumnType, Dataset, PlacedCell, RowCode, RowError, SheetCell, TaskId, column_letters,
};

use crate::language::Language;
use crate::look::{Choices, width};

/// Columns of a sheet (Excel's specifications and limits).
const MAX_COLUMNS: usize = 16_384;
/// From so many columns on, those that are ignored are left out: nobody mends rows of such a width,
/// and each of a million rows would have to walk them.
const MANY_COLUMNS: usize = 1_000;
/// Headers of our own columns: the row in the sheet, the codes, the messages.
const OWN_HEADERS: [(&str, &str); 3] = [
    ("原表行号", "Original row"),
    ("导入错误代码", "Import error code"),
    ("导入错误说明", "Import error message"),
];
/// What a program shows where there is no value.
pub(super) const NO_VALUE: &str = "#N/A";
/// Widths of our own columns, in characters.
pub(super) const OWN_WIDTHS: [f64; 3] = [12.0, 24.0, 60.0];

/// Whether a header is one of those that a failure file adds (the row in the sheet, the codes, the
/// messages), in whatever language, whatever the case of its letters and the space around it.
#[must_use]
pub fn is_failure_header(text: &str) -> bool {
    let text = text.trim().to_lowercase();
    let text = named_import(&text).map_or(&*text, |(own, _)| own);
    Language::ALL.iter().any(|language| {
        own_headers(*language)
            .iter()
            .any(|own| own.to_lowercase() == text)
    })
}

/// The import that a header of a failure file names. A csv has no hidden sheet for a [`Stamp`], so
/// there the first of our headers says whose rows these are: `Original row #1042`.
///
/// [`Stamp`]: crate::Stamp
#[must_use]
pub fn import_of_header(text: &str) -> Option<TaskId> {
    let (_, task) = named_import(text.trim())?;
    is_failure_header(text).then_some(task)
}

/// A header without the import that it names, and that.
fn named_import(text: &str) -> Option<(&str, TaskId)> {
    let (own, number) = text.rsplit_once('#')?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse().ok().filter(|_| is_number)?;
    Some((own.trim_end(), TaskId(number)))
}

pub(super) fn own_headers(language: Language) -> [&'static str; 3] {
    OWN_HEADERS.map(|(chinese, english)| language.pick(chinese, english))
}

/// One column of the file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureColumn {
    /// Its header, as the user wrote it; empty where there is none.
    pub header: String,
    /// The dataset's column that it was taken for; none for one that is ignored.
    pub field: Option<String>,
    /// Where it stands in the sheet, counted from 0.
    pub column: u16,
}

/// What is to be written for a cell.
pub(super) enum Kept<'a> {
    Cell(SheetCell<'a>),
    /// A formula whose last result this was.
    Formula(SheetCell<'a>),
}

/// The user's columns and what is known of each.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) own: Vec<OwnedColumn>,
    pub(super) language: Language,
}

#[derive(Debug)]
pub(super) struct OwnedColumn {
    pub(super) header: String,
    /// Where it stood in the sheet that was read.
    pub(super) source: u16,
    letters: String,
    field: Option<String>,
    pub(super) kind: Option<ColumnType>,
    pub(super) choices: Option<Choices>,
    pub(super) width: f64,
}

impl Columns {
    /// The columns of the file, without those that an earlier failure file added.
    pub(super) fn of(
        dataset: &Dataset,
        language: Language,
        columns: &[FailureColumn],
    ) -> io::Result<Self> {
        let is_theirs =
            |one: &&FailureColumn| one.field.is_some() || !is_failure_header(&one.header);
        let mut kept: Vec<&FailureColumn> = columns.iter().filter(is_theirs).collect();
        if kept.len() > MANY_COLUMNS {
            kept.retain(|one| one.field.is_some());
        }
        if kept.len() > MAX_COLUMNS - OWN_HEADERS.len() {
            return Err(io::Error::other("more columns than a sheet holds"));
        }
        let own = kept.into_iter().map(|one| {
            let column = one.field.as_deref().and_then(|name| dataset.column(name));
            OwnedColumn::of(one, column, language)
        });
        Ok(Self {
            own: own.collect(),
            language,
        })
    }

    /// All headers, in order.
    pub(super) fn headers(&self) -> impl Iterator<Item = &str> {
        let own = self.own.iter().map(|column| column.header.as_str());
        own.chain(own_headers(self.language))
    }

    /// All headers, in order, of which the first of ours names the import.
    pub(super) fn headers_of(&self, import: Option<TaskId>) -> Vec<String> {
        let mut headers: Vec<String> = self.headers().map(str::to_owned).collect();
        if let (Some(import), Some(row)) = (import, headers.get_mut(self.own.len())) {
            *row = format!("{row} #{import}");
        }
        headers
    }
}

impl OwnedColumn {
    fn of(from: &FailureColumn, column: Option<&Column>, language: Language) -> Self {
        Self {
            header: from.header.clone(),
            source: from.column,
            letters: column_letters(from.column),
            field: from.field.clone(),
            kind: column.map(|column| column.kind),
            choices: column.and_then(|column| Choices::of(column, language)),
            width: width(column, &from.header),
        }
    }

    /// Whether one of the faults lies in this column.
    pub(super) fn is_faulty(&self, errors: &[RowError]) -> bool {
        errors.iter().any(|error| self.is_at(error))
    }

    /// What is to be written for a cell. Where not the value was at fault but what gave it, the value
    /// alone would be taken: an error or a formula stands there instead, to be typed over.
    pub(super) fn kept<'a>(&self, placed: PlacedCell<'a>, errors: &[RowError]) -> Kept<'a> {
        // one in the row is enough: the policy is the same for all its cells, told or beyond the 20
        let is_refused =
            |code| self.field.is_some() && errors.iter().any(|error| error.code == code);
        match placed.cell {
            SheetCell::Merged { .. } if is_refused(RowCode::MergedCell) => {
                Kept::Cell(SheetCell::Error(NO_VALUE))
            }
            cell if placed.formula && is_refused(RowCode::FormulaNotAllowed) => Kept::Formula(cell),
            cell => Kept::Cell(cell),
        }
    }

    fn is_at(&self, error: &RowError) -> bool {
        match (&error.column, &error.field) {
            (Some(letters), _) => *letters == self.letters,
            // what the database found knows the field alone
            (None, Some(field)) => self.field.as_ref() == Some(field),
            (None, None) => false,
        }
    }
}

/// What our own columns say of a row.
#[derive(Debug)]
pub(super) struct Reasons {
    pub(super) codes: String,
    pub(super) messages: String,
}

impl Reasons {
    /// Each code and each message once. Messages are whole sentences that name their column.
    pub(super) fn of(language: Language, errors: &[RowError]) -> Self {
        let mut codes: Vec<&str> = Vec::new();
        let mut messages: Vec<&str> = Vec::new();
        for error in errors {
            let code = error.code.as_str();
            if !codes.contains(&code) {
                codes.push(code);
            }
            if !messages.contains(&error.message.as_str()) {
                messages.push(&error.message);
            }
        }
        Self {
            codes: codes.join(", "),
            messages: messages.join(language.pick("；", " ")),
        }
    }
}
