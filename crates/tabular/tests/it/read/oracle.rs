//! What others write is read as others read it: files of rust_xlsxwriter, against calamine.

use std::collections::BTreeMap;
use std::io::Cursor;

use calamine::{Data, Reader};
use domain::{NumberStyle, SheetCell};
use proptest::prelude::*;
use tabular::Merges;
use xlsxwriter::{Format, Formula, Workbook};

use super::kit::open;

#[derive(Debug, Clone)]
enum Value {
    Text(String),
    Number(f64),
    Date(f64),
    Percent(f64),
    Bool(bool),
    Formula(f64),
    Blank,
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[ -~\n\t\u{a0}\u{3000}中文é\u{1f600}<>&_x0-9]{1,20}".prop_map(Value::Text),
        (-1e15..1e15).prop_map(Value::Number),
        any::<i32>().prop_map(|number| Value::Number(number.into())),
        (1.0..80_000.0).prop_map(Value::Date),
        (-10.0..10.0).prop_map(Value::Percent),
        any::<bool>().prop_map(Value::Bool),
        (-1e6..1e6).prop_map(Value::Formula),
        Just(Value::Blank),
    ]
}

type Cells = BTreeMap<(u32, u16), Value>;

fn write(cells: &Cells, constant_memory: bool) -> Vec<u8> {
    let date = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss");
    let percent = Format::new().set_num_format("0.00%");
    let mut book = Workbook::new();
    let sheet = match constant_memory {
        true => book.add_worksheet_with_constant_memory().unwrap(),
        false => book.add_worksheet(),
    };
    for ((row, column), value) in cells {
        let (row, column) = (*row, *column);
        let written = match value {
            Value::Text(text) => sheet.write_string(row, column, text),
            Value::Number(number) => sheet.write_number(row, column, *number),
            Value::Date(number) => sheet.write_number_with_format(row, column, *number, &date),
            Value::Percent(number) => {
                sheet.write_number_with_format(row, column, *number, &percent)
            }
            Value::Bool(truth) => sheet.write_boolean(row, column, *truth),
            Value::Formula(number) => {
                let formula = Formula::new("=A1").set_result(number.to_string());
                sheet.write_formula(row, column, formula)
            }
            Value::Blank => sheet.write_blank(row, column, &date),
        };
        written.unwrap();
    }
    book.save_to_buffer().unwrap()
}

fn ours(bytes: &[u8]) -> BTreeMap<(u32, u16), Data> {
    let book = open(bytes).unwrap();
    let mut rows = book.rows(0, &Merges::default()).unwrap();
    let mut cells = BTreeMap::new();
    while let Some(chunk) = rows.next().unwrap() {
        for row in chunk.rows() {
            for placed in row.cells() {
                let data = match placed.cell {
                    SheetCell::Text(text) => Data::String(text.into()),
                    SheetCell::Number(text, NumberStyle::Date) => {
                        Data::String(format!("date {}", number(text)))
                    }
                    SheetCell::Number(text, _) => Data::Float(number(text)),
                    SheetCell::Bool(truth) => Data::Bool(truth),
                    other => panic!("{other:?}"),
                };
                cells.insert((row.number - 1, placed.column), data);
            }
        }
    }
    cells
}

fn number(text: &str) -> f64 {
    text.parse().unwrap()
}

fn theirs(bytes: &[u8]) -> BTreeMap<(u32, u16), Data> {
    let mut book: calamine::Xlsx<_> = calamine::Xlsx::new(Cursor::new(bytes)).unwrap();
    let mut cells = BTreeMap::new();
    let range = book.worksheet_range_at(0).unwrap().unwrap();
    let start = range.start().unwrap_or_default();
    for (row, column, data) in range.used_cells() {
        let data = match data {
            Data::DateTime(moment) => Data::String(format!("date {}", moment.as_f64())),
            other => other.clone(),
        };
        let row = start.0 + u32::try_from(row).unwrap();
        let column = u16::try_from(start.1 as usize + column).unwrap();
        cells.insert((row, column), data);
    }
    cells
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn well_formed_files_are_read_as_calamine_reads_them(
        cells in prop::collection::btree_map((0..40_u32, 0..30_u16), value(), 0..120),
        constant_memory: bool,
    ) {
        let bytes = write(&cells, constant_memory);
        prop_assert_eq!(ours(&bytes), theirs(&bytes));
    }
}
