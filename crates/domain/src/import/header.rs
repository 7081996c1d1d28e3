//! Headers as they are compared, and where in a sheet the header is.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use super::padding::{is_blank, is_invisible};
use crate::{Column, Dataset, ImportMode, ImportOptions, SheetCell, SheetRow};

/// A longer text names no column: to compare pages of it would cost what reading the file does.
const MAX_HEADER_BYTES: usize = 4_096;

/// The header of a sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its row, counted from 1; the second, where it has two. Data begin in the row after it.
    pub row: u32,
    /// What stands in it, by rising column; blank cells are left out.
    pub cells: Vec<(u16, String)>,
}

/// A header as it is compared (cases.md A 19): NFKC, without characters of no width, in lower case,
/// spaces and line ends collapsed, without the star that marks a required column.
pub(crate) fn normal_header(text: &str) -> String {
    let plain: String = text
        .nfkc()
        .filter(|letter| !is_invisible(*letter))
        .flat_map(char::to_lowercase)
        .collect();
    let bare = plain.trim_matches(|letter: char| letter == '*' || letter.is_whitespace());
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every header that means a column of the dataset.
pub(super) struct Names<'a> {
    dataset: &'a Dataset,
    mode: ImportMode,
    names: HashMap<String, &'a Column>,
}

impl<'a> Names<'a> {
    pub(super) fn of(dataset: &'a Dataset, options: &ImportOptions) -> Self {
        let mut names = HashMap::new();
        // importable columns last: of equal headers they are the ones that are meant
        let (importable, others): (Vec<_>, Vec<_>) =
            dataset.columns.iter().partition(|column| column.importable);
        for column in others.into_iter().chain(importable) {
            for (_, label) in column.label.iter() {
                names.insert(normal_header(label), column);
            }
            names.insert(normal_header(&column.name), column);
        }
        for (header, name) in &options.mapping {
            if let Some(column) = dataset.column(name) {
                names.insert(normal_header(header), column);
            }
        }
        Self {
            dataset,
            mode: options.mode,
            names,
        }
    }

    pub(super) fn column(&self, header: &str) -> Option<&'a Column> {
        if header.len() > MAX_HEADER_BYTES {
            return None;
        }
        self.names.get(&normal_header(header)).copied()
    }

    /// Whether a text is a header that the options map, as headers are compared.
    pub(super) fn is(mapped: &str, text: &str) -> bool {
        text.len() <= MAX_HEADER_BYTES && normal_header(text) == normal_header(mapped)
    }

    /// The columns that a sheet must have and that are not among these headers.
    pub(super) fn missing(&self, header: &[(u16, String)]) -> Vec<&'a Column> {
        let found: Vec<&str> = header
            .iter()
            .filter_map(|(_, text)| self.column(text))
            .map(|column| column.name.as_str())
            .collect();
        let needed = |column: &&Column| {
            let is_key = self.dataset.key.contains(&column.name);
            is_key || self.mode != ImportMode::Update && column.required && column.importable
        };
        let columns = self.dataset.columns.iter().filter(needed);
        columns
            .filter(|column| !found.contains(&column.name.as_str()))
            .collect()
    }

    fn knows_any(&self, header: &[(u16, String)]) -> bool {
        header.iter().any(|(_, text)| self.column(text).is_some())
    }
}

/// Finds the header: the row that the options name, else the first row that is not blank, or the
/// first after it that names a column, if it names none. Where that row lacks columns and the one
/// below makes up for them, or where a cell of it is merged down into the one below, the two are one
/// header: what the lower one leaves blank stands above.
pub(super) fn find<'r>(
    names: &Names<'_>,
    wanted: Option<u32>,
    most: usize,
    rows: impl Iterator<Item = SheetRow<'r>>,
) -> Option<Header> {
    let rows: Vec<SheetRow<'r>> = rows
        .skip_while(|row| wanted.is_some_and(|wanted| row.number < wanted))
        .filter(|row| !row.is_blank())
        .take(most + 1)
        .collect();
    let at_wanted = |row: &SheetRow<'_>| wanted.is_none_or(|wanted| row.number == wanted);
    let first = rows.first().filter(|row| at_wanted(row))?;
    let mut candidates = (0..rows.len().min(most)).map(|at| header_at(names, &rows, at));
    if wanted.is_some() {
        return candidates.next();
    }
    let named = candidates.find(|header| names.knows_any(&header.cells));
    Some(named.unwrap_or_else(|| Header {
        row: first.number,
        cells: texts(first),
    }))
}

fn header_at(names: &Names<'_>, rows: &[SheetRow<'_>], at: usize) -> Header {
    let row = &rows[at];
    let single = Header {
        row: row.number,
        cells: texts(row),
    };
    let lacking = names.missing(&single.cells).len();
    let below = rows
        .get(at + 1)
        .filter(|below| below.number == row.number + 1);
    let Some(below) = below else {
        return single;
    };
    let is_one = reaches_into(row, below);
    if lacking == 0 && !is_one {
        return single;
    }
    let lower = texts(below);
    let mut both = lower.clone();
    for (column, text) in &single.cells {
        if !lower.iter().any(|(other, _)| other == column) {
            both.push((*column, text.clone()));
        }
    }
    both.sort_by_key(|(column, _)| *column);
    if names.knows_any(&lower) && (is_one || names.missing(&both).len() < lacking) {
        Header {
            row: below.number,
            cells: both,
        }
    } else {
        single
    }
}

/// Whether a cell of a row is merged down into the row below.
fn reaches_into(row: &SheetRow<'_>, below: &SheetRow<'_>) -> bool {
    let from = row.number;
    below
        .cells()
        .any(|placed| matches!(placed.cell, SheetCell::Merged { row, .. } if row == from))
}

/// What a person reads in the cells of a header.
fn texts(row: &SheetRow<'_>) -> Vec<(u16, String)> {
    let shown = row.cells().filter_map(|placed| {
        let text = match placed.cell {
            SheetCell::Text(text) | SheetCell::Number(text, _) | SheetCell::IsoDate(text) => text,
            SheetCell::Bool(true) => "TRUE",
            SheetCell::Bool(false) => "FALSE",
            SheetCell::Blank
            | SheetCell::Error(_)
            | SheetCell::FormulaWithoutValue
            | SheetCell::Merged { .. } => return None,
        };
        (!is_blank(text)).then(|| (placed.column, text.to_owned()))
    });
    shown.collect()
}
