//! Headers as they are compared, and where in a sheet the header is.

use std::collections::{BTreeMap, HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

use super::padding::{is_blank, is_invisible, trimmed};
use crate::{Column, Dataset, ImportMode, ImportOptions, SheetCell, SheetRow};

/// Most characters of a header, without the padding at its ends: as it stands, and as NFKC has it,
/// which makes up to 18 of one. A longer text names no column: to compare pages of it would cost more
/// than reading the file does.
pub(crate) const MAX_HEADER: usize = 512;

/// The header of a sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its row, counted from 1; the second, where it has two. Data begin in the row after it.
    pub row: u32,
    /// What stands in it, by rising column; blank cells are left out.
    pub cells: Vec<(u16, String)>,
}

/// A header as it is compared (cases.md A 19): NFKC, without characters of no width, in lower case,
/// spaces and line ends collapsed, without the star that marks a required column. None when it has
/// more than [`MAX_HEADER`] characters.
pub(crate) fn normal_header(text: &str) -> Option<String> {
    let text = trimmed(text);
    if text.chars().nth(MAX_HEADER).is_some() {
        return None;
    }
    let mut letters = text.nfkc();
    let plain: String = letters
        .by_ref()
        .take(MAX_HEADER)
        .filter(|letter| !is_invisible(*letter))
        .flat_map(char::to_lowercase)
        .collect();
    if letters.next().is_some() {
        return None;
    }
    let bare = plain.trim_matches(|letter: char| letter == '*' || letter.is_whitespace());
    Some(bare.split_whitespace().collect::<Vec<_>>().join(" "))
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
        let mut mean = |header: &str, column: &'a Column| {
            names.extend(normal_header(header).map(|header| (header, column)));
        };
        // importable columns last: of equal headers they are the ones that are meant
        let (importable, others): (Vec<_>, Vec<_>) =
            dataset.columns.iter().partition(|column| column.importable);
        for column in others.into_iter().chain(importable) {
            for (_, label) in column.label.iter() {
                mean(label, column);
            }
            mean(&column.name, column);
        }
        for (header, name) in &options.mapping {
            if let Some(column) = dataset.column(name) {
                mean(header, column);
            }
        }
        Self {
            dataset,
            mode: options.mode,
            names,
        }
    }

    /// The column that a header means, as [`normal_header`] has it.
    pub(super) fn column(&self, normal: &str) -> Option<&'a Column> {
        self.names.get(normal).copied()
    }

    /// The columns that a sheet must have and that are not among those that its header means.
    pub(super) fn missing(&self, found: impl Iterator<Item = &'a Column>) -> Vec<&'a Column> {
        let found: HashSet<&str> = found.map(|column| column.name.as_str()).collect();
        let needed = |column: &&Column| {
            let is_key = self.dataset.key.contains(&column.name);
            is_key || self.mode != ImportMode::Update && column.required && column.importable
        };
        let columns = self.dataset.columns.iter().filter(needed);
        columns
            .filter(|column| !found.contains(column.name.as_str()))
            .collect()
    }
}

/// A row that may be the header. Each of its texts is compared once: a row may hold mebibytes.
#[derive(Clone)]
struct Line<'r, 'a> {
    row: SheetRow<'r>,
    /// By column of the sheet: what stands there, and the column that it means. Blanks are left out.
    cells: BTreeMap<u16, (&'r str, Option<&'a Column>)>,
}

impl<'r, 'a> Line<'r, 'a> {
    fn of(names: &Names<'a>, row: SheetRow<'r>) -> Self {
        let read = |(at, text)| {
            let normal = normal_header(text);
            (at, (text, normal.and_then(|normal| names.column(&normal))))
        };
        Self {
            row,
            cells: texts(row).map(read).collect(),
        }
    }

    fn named(&self) -> impl Iterator<Item = &'a Column> {
        self.cells.values().filter_map(|(_, column)| *column)
    }

    fn knows_any(&self) -> bool {
        self.named().next().is_some()
    }

    /// Whether a cell of this row is merged down into the row below.
    fn reaches_into(&self, below: &Self) -> bool {
        let from = self.row.number;
        let mut cells = below.row.cells();
        cells.any(|placed| matches!(placed.cell, SheetCell::Merged { row, .. } if row == from))
    }

    fn header(&self) -> Header {
        let cells = self.cells.iter();
        Header {
            row: self.row.number,
            cells: cells
                .map(|(at, (text, _))| (*at, (*text).to_owned()))
                .collect(),
        }
    }
}

/// Finds the header: the row that the options name, else the first row that is not blank, or the
/// first after it that names a column, if it names none. Where that row lacks columns and the one
/// below makes up for them, or where a cell of it is merged down into the one below, the two are one
/// header: what the lower one leaves blank stands above.
pub(super) fn find<'r>(
    dataset: &Dataset,
    options: &ImportOptions,
    most: usize,
    rows: impl Iterator<Item = SheetRow<'r>>,
) -> Option<Header> {
    let wanted = options.header_row;
    let most = if wanted.is_some() { 1 } else { most };
    let rows: Vec<SheetRow<'r>> = rows
        .skip_while(|row| wanted.is_some_and(|wanted| row.number < wanted))
        .filter(|row| !row.is_blank())
        .take(most + 1)
        .collect();
    let at_wanted = |row: &SheetRow<'_>| wanted.is_none_or(|wanted| row.number == wanted);
    rows.first().filter(|row| at_wanted(row))?;
    // not for a sheet without rows, of which there may be thousands
    let names = Names::of(dataset, options);
    let lines: Vec<Line<'_, '_>> = rows.iter().map(|row| Line::of(&names, *row)).collect();
    let mut candidates = (0..lines.len().min(most)).map(|at| header_at(&names, &lines[at..]));
    if wanted.is_some() {
        return candidates.next().map(|line| line.header());
    }
    let named = candidates.find(Line::knows_any);
    Some(named.as_ref().unwrap_or(&lines[0]).header())
}

/// The first of these lines, or that and the one below as one.
fn header_at<'r, 'a>(names: &Names<'a>, lines: &[Line<'r, 'a>]) -> Line<'r, 'a> {
    let upper = &lines[0];
    let next = upper.row.number + 1;
    let Some(lower) = lines.get(1).filter(|below| below.row.number == next) else {
        return upper.clone();
    };
    let lacking = names.missing(upper.named()).len();
    let is_one = upper.reaches_into(lower);
    if lacking == 0 && !is_one {
        return upper.clone();
    }
    let mut both = upper.clone();
    both.row = lower.row;
    both.cells.extend(&lower.cells);
    if lower.knows_any() && (is_one || names.missing(both.named()).len() < lacking) {
        both
    } else {
        upper.clone()
    }
}

/// What a person reads in the cells of a header.
fn texts(row: SheetRow<'_>) -> impl Iterator<Item = (u16, &str)> {
    row.cells().filter_map(|placed| {
        let text = match placed.cell {
            SheetCell::Text(text) | SheetCell::Number(text, _) | SheetCell::IsoDate(text) => text,
            SheetCell::Bool(true) => "TRUE",
            SheetCell::Bool(false) => "FALSE",
            SheetCell::Blank
            | SheetCell::Error(_)
            | SheetCell::FormulaWithoutValue
            | SheetCell::Merged { .. } => return None,
        };
        (!is_blank(text)).then_some((placed.column, text))
    })
}
