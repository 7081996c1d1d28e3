//! Which column of the sheet is which column of the dataset.

use std::collections::HashSet;

use super::header::{Header, Names, find, normal_header};
use crate::{Column, Dataset, Failure, FailureCode, ImportOptions, SheetRow, column_letters};

/// Most columns that a refusal names.
const MAX_NAMED: usize = 20;

/// What each column of a sheet is taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    columns: Vec<(u16, String)>,
    ignored: usize,
}

impl Mapping {
    /// Rows that are tried for a header.
    pub const HEADER_ROWS: usize = 10;

    /// Finds the header among the rows of a sheet, from the first. With
    /// [`ImportOptions::header_row`] that row and the one below are looked at; else the first
    /// [`Mapping::HEADER_ROWS`] rows that are not blank and one more. None when there is no such row.
    ///
    /// Without a row named, a first row that names no column is passed over (a title above the
    /// table). A row that lacks required columns is read together with the row right below, if that
    /// makes up for them (a header of two lines).
    pub fn find_header<'a>(
        dataset: &Dataset,
        options: &ImportOptions,
        rows: impl Iterator<Item = SheetRow<'a>>,
    ) -> Option<Header> {
        find(dataset, options, Self::HEADER_ROWS, rows)
    }

    /// Reads a header. A header means the column that the options map it to, else the one whose
    /// label in any language or whose name it is. Compared without regard to case, width, spaces at
    /// the ends, runs of spaces, line ends and stars around it; a text of more than 512 characters
    /// means none. `is_extra` tells headers that we wrote ourselves; they do not count as ignored.
    ///
    /// # Errors
    /// `missing_columns` when a required importable column is not there (for updates: a key column),
    /// or a header that the options map; `duplicate_header` when two headers mean one column; all with
    /// a sentence in `locale`'s language that names them.
    pub fn of(
        dataset: &Dataset,
        options: &ImportOptions,
        locale: &str,
        header: &[(u16, String)],
        is_extra: &dyn Fn(&str) -> bool,
    ) -> Result<Self, Failure> {
        let names = Names::of(dataset, options);
        let mut columns: Vec<(u16, String)> = Vec::new();
        let mut ignored = 0;
        let mut known = Vec::new();
        // each text is compared once, each mapped header once: there may be thousands of both
        let mut there: HashSet<String> = HashSet::new();
        for (at, text) in header {
            let normal = normal_header(text);
            let column = normal.as_deref().and_then(|normal| names.column(normal));
            known.extend(column);
            there.extend(normal);
            match column.filter(|column| column.importable) {
                Some(column) => {
                    if let Some((other, _)) = columns.iter().find(|(_, it)| *it == column.name) {
                        return Err(twice(locale, column, [*other, *at]));
                    }
                    columns.push((*at, column.name.clone()));
                }
                None if is_extra(text) => {}
                None => ignored += 1,
            }
        }
        let is_there = |mapped: &&str| normal_header(mapped).is_some_and(|it| there.contains(&it));
        let mapped = options.mapping.keys().map(String::as_str);
        let absent: Vec<&str> = mapped.filter(|mapped| !is_there(mapped)).collect();
        if !absent.is_empty() {
            return Err(unmapped(locale, &absent));
        }
        let missing = names.missing(known.into_iter());
        if !missing.is_empty() {
            return Err(lacking(locale, &missing));
        }
        columns.sort_unstable_by_key(|(at, _)| *at);
        Ok(Self { columns, ignored })
    }

    /// Column of the sheet, counted from 0, and column of the dataset; by rising column.
    #[must_use]
    pub fn columns(&self) -> &[(u16, String)] {
        &self.columns
    }

    /// How many columns of the sheet have a header and are not imported: unknown, or not importable.
    #[must_use]
    pub fn ignored(&self) -> usize {
        self.ignored
    }
}

fn twice(locale: &str, column: &Column, places: [u16; 2]) -> Failure {
    let [first, second] = places.map(column_letters);
    let label = column.label.get(locale);
    let sentence = if locale.starts_with("zh") {
        format!("表头重复：{first} 列和 {second} 列都是“{label}”")
    } else {
        format!("Columns {first} and {second} both mean “{label}”.")
    };
    let detail = format!("{first} and {second} both mean `{}`", column.name);
    Failure {
        sentence: Some(sentence),
        ..Failure::rejected(FailureCode::DuplicateHeader, detail)
    }
}

/// The options map headers that the file does not have.
fn unmapped(locale: &str, absent: &[&str]) -> Failure {
    let quoted = absent.iter().take(MAX_NAMED);
    let quoted: Vec<String> = quoted.map(|header| format!("“{header}”")).collect();
    let sentence = if locale.starts_with("zh") {
        format!("文件中没有列映射所指的表头：{}", quoted.join("、"))
    } else {
        let named = quoted.join(", ");
        format!("The file has no header {named}, which the mapping names.")
    };
    let detail = format!("{} mapped headers are not in the file", absent.len());
    Failure {
        sentence: Some(sentence),
        ..Failure::rejected(FailureCode::MissingColumns, detail)
    }
}

fn lacking(locale: &str, missing: &[&Column]) -> Failure {
    let chinese = locale.starts_with("zh");
    let (before, between, after) = if chinese {
        ("缺少必需的列：", "、", "")
    } else {
        ("Columns that are required are missing: ", ", ", ".")
    };
    let labels = missing.iter().map(|column| column.label.get(locale));
    let named = labels.take(MAX_NAMED).collect::<Vec<_>>().join(between);
    let more = if missing.len() > MAX_NAMED {
        "…"
    } else {
        after
    };
    let names: Vec<&str> = missing.iter().map(|column| column.name.as_str()).collect();
    Failure {
        sentence: Some(format!("{before}{named}{more}")),
        ..Failure::rejected(FailureCode::MissingColumns, names.join(", "))
    }
}
