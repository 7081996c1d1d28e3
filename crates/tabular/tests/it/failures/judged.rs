//! A failure file goes up again: what nobody mended is judged as before, what was mended is taken.

use chrono_tz::Tz;
use domain::{
    Calendar, Dataset, Field, Fields, Formulas, ImportOptions, ImportSpec, Mapping, Merged,
    RowCheck, RowCode, RowError, SheetCell, SheetChunk, SheetRow, TaskFileId, Upload, UploadFormat,
};
use proptest::prelude::*;
use tabular::{Book, FailureColumn, Merges, is_failure_header};

use super::cells::cell;
use super::{Made, Told, column, text};
use crate::people::{dataset, open};

fn spec(format: UploadFormat, options: &ImportOptions) -> ImportSpec {
    ImportSpec {
        dataset: "member".into(),
        dataset_version: "3".into(),
        upload: Upload {
            file: TaskFileId(1),
            object_key: "acme/uploads/1".into(),
            name: "会员.xlsx".into(),
            size: 1,
            sha256: String::new(),
            format,
        },
        locale: "zh-CN".into(),
        timezone: Tz::Asia__Shanghai,
        queue: "default".into(),
        sees_sensitive: true,
        options: options.clone(),
    }
}

/// The importable columns, in their order, as a user's file has them.
fn columns(dataset: &Dataset) -> Vec<FailureColumn> {
    let importable = dataset.columns.iter().filter(|it| it.importable);
    (0..)
        .zip(importable)
        .map(|(at, it)| column(it.label.get("zh-CN"), &it.name, at))
        .collect()
}

fn rules(header: &[(u16, String)], calendar: Calendar, options: &ImportOptions) -> RowCheck {
    let dataset = dataset();
    let mapping = Mapping::of(&dataset, options, "zh-CN", header, &is_failure_header).unwrap();
    assert_eq!(mapping.ignored(), 0);
    let spec = spec(UploadFormat::Xlsx, options);
    RowCheck::new(&dataset, &mapping, &spec, None, calendar).unwrap()
}

/// What a row is taken for: its values, and what is wrong with it.
#[derive(Debug, Clone, PartialEq)]
struct Judged {
    values: Vec<Option<String>>,
    faults: Vec<(RowCode, Option<String>)>,
}

fn judge(rules: &RowCheck, row: SheetRow<'_>) -> (Judged, Vec<RowError>) {
    let mut fields = Fields::new();
    let errors = rules.check(row, &mut fields).err().unwrap_or_default();
    let value = |field| match field {
        Field::Text(text) => Some(text.to_owned()),
        Field::Missing | Field::Null | Field::Keep => None,
    };
    let judged = Judged {
        values: fields.iter().map(value).collect(),
        faults: errors
            .iter()
            .map(|it| (it.code, it.field.clone()))
            .collect(),
    };
    (judged, errors)
}

/// Judges every row of an upload as its import would, header first.
fn judge_upload(book: &Book, options: &ImportOptions) -> Vec<Judged> {
    let mut pass = book.rows(0, &Merges::default()).unwrap();
    let mut rules_of_header = None;
    let mut all = Vec::new();
    while let Some(chunk) = pass.next().unwrap() {
        for row in chunk.rows() {
            match &rules_of_header {
                Some(rules) => all.push(judge(rules, row).0),
                None => {
                    let header = row.cells().map(|placed| match placed.cell {
                        SheetCell::Text(text) => (placed.column, text.to_owned()),
                        other => panic!("a header is text, not {other:?}"),
                    });
                    let header: Vec<_> = header.collect();
                    rules_of_header = Some(rules(&header, book.calendar(), options));
                }
            }
        }
    }
    all
}

/// Judges rows, writes them as failed ones, and judges what comes back.
fn twice(rows: &[Vec<Told>], format: UploadFormat, calendar: Calendar) -> [Vec<Judged>; 2] {
    twice_under(rows, format, calendar, &ImportOptions::default())
}

fn twice_under(
    rows: &[Vec<Told>],
    format: UploadFormat,
    calendar: Calendar,
    options: &ImportOptions,
) -> [Vec<Judged>; 2] {
    let made = Made {
        format,
        calendar,
        ..Made::of(columns(&dataset()))
    };
    let header: Vec<_> = made
        .columns
        .iter()
        .map(|it| (it.column, it.header.clone()))
        .collect();
    let rules = rules(&header, calendar, options);
    let mut first = Vec::new();
    let mut failed = Vec::new();
    for (number, cells) in (2..).zip(rows) {
        let mut chunk = SheetChunk::new();
        chunk.begin_row(number, false);
        for (at, cell) in (0..).zip(cells) {
            chunk.push(at, cell.is_formula(), cell.cell());
        }
        let (judged, errors) = judge(&rules, chunk.rows().next().unwrap());
        first.push(judged);
        failed.push((number, cells.clone(), errors));
    }
    [
        first,
        judge_upload(&open(&made.write(&failed), format), options),
    ]
}

#[test]
fn a_mended_failure_workbook_is_taken_as_it_is() {
    let good = [
        "M1",
        "王小明",
        "3",
        "1.50",
        "2026-01-31",
        "",
        "",
        "是",
        "金卡",
        "",
        "1007",
    ];
    let filled = |it: &str| if it.is_empty() { Told::Blank } else { text(it) };
    let mut cells: Vec<Told> = good.map(filled).to_vec();
    cells[2] = text("9");
    let [first, second] = twice(&[cells.clone()], UploadFormat::Xlsx, Calendar::From1900);
    assert_eq!(
        first[0].faults,
        [(RowCode::OutOfRange, Some("level".to_owned()))]
    );
    assert_eq!(first, second);
    cells[2] = text("3");
    let [_, mended] = twice(&[cells], UploadFormat::Xlsx, Calendar::From1900);
    assert_eq!(mended[0].faults, []);
    assert_eq!(mended[0].values[1].as_deref(), Some("王小明"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn what_nobody_mended_is_judged_as_before(
        rows in prop::collection::vec(prop::collection::vec(cell(), 11), 1..8),
        from_1904 in any::<bool>(),
    ) {
        let calendar = if from_1904 { Calendar::From1904 } else { Calendar::From1900 };
        let [first, second] = twice(&rows, UploadFormat::Xlsx, calendar);
        prop_assert_eq!(first, second);
    }

    #[test]
    fn covered_cells_and_formulas_that_nobody_mended_are_judged_as_before(
        rows in prop::collection::vec(prop::collection::vec(cell_of_any_origin(), 11), 1..8),
        merged in prop::sample::select(vec![Merged::Error, Merged::FirstOnly]),
        formulas in prop::sample::select(vec![Formulas::Value, Formulas::Error]),
    ) {
        let options = ImportOptions { merged, formulas, ..ImportOptions::default() };
        let [mut first, second] =
            twice_under(&rows, UploadFormat::Xlsx, Calendar::From1900, &options);
        for (code, _) in first.iter_mut().flat_map(|judged| &mut judged.faults) {
            // the range has gone, the fault has not
            if *code == RowCode::MergedCell {
                *code = RowCode::ErrorCell;
            }
        }
        prop_assert_eq!(first, second);
    }

    #[test]
    fn what_nobody_mended_in_a_csv_is_judged_as_before(
        rows in prop::collection::vec(prop::collection::vec(csv_field(), 11), 1..8),
    ) {
        let [first, second] = twice(&rows, UploadFormat::Csv, Calendar::From1900);
        prop_assert_eq!(first, second);
    }
}

/// Also those that a merged range covers or a formula gave.
fn cell_of_any_origin() -> impl Strategy<Value = Told> {
    prop_oneof![
        4 => cell(),
        1 => Just(Told::Merged),
        1 => "[0-9]{1,3}(\\.[0-9]{1,2})?".prop_map(Told::Formula),
    ]
}

/// What a csv gives: text, or no cell.
fn csv_field() -> impl Strategy<Value = Told> {
    let written = prop_oneof![
        any::<String>().prop_map(|it| it.replace('\0', "")),
        "[=+@-]{0,2}[0-9]{0,3}(\\.[0-9]{1,2})?",
        "(是|否|金卡|2026-01-31|08:30)",
    ];
    prop_oneof![Just(Told::Blank), written.prop_map(Told::Text)]
}
