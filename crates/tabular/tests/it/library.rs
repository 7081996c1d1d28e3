//! The oracle: rust_xlsxwriter, by the author of the best-known writers, says the same of the same
//! values.

use std::io::Cursor;

use calamine::{Data, Range, Reader, Xlsx};
use domain::{Cell, ColumnType};
use proptest::prelude::*;
use xlsxwriter::{Format, Workbook};

use crate::written::{column, layout, write};

/// One row of values that both writers know.
type Row = (String, i32, f64, bool);

fn by_the_library(rows: &[Row]) -> Range<Data> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    let plain = Format::new().set_num_format("0");
    for (index, label) in (0..).zip(["s", "n", "f", "b"]) {
        sheet.write_string(0, index, label).unwrap();
    }
    for (row, (text, whole, float, truth)) in (1..).zip(rows) {
        if !text.is_empty() {
            sheet.write_string(row, 0, text).unwrap();
        }
        sheet
            .write_number_with_format(row, 1, *whole, &plain)
            .unwrap();
        sheet.write_number(row, 2, *float).unwrap();
        sheet.write_boolean(row, 3, *truth).unwrap();
    }
    let bytes = workbook.save_to_buffer().unwrap();
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).unwrap();
    workbook.worksheet_range_at(0).unwrap().unwrap()
}

fn by_us(rows: &[Row]) -> Range<Data> {
    let columns = vec![
        column("s", ColumnType::String),
        column("n", ColumnType::Integer),
        column("f", ColumnType::Decimal),
        column("b", ColumnType::Boolean),
    ];
    let cells: Vec<_> = rows
        .iter()
        .map(|(text, whole, float, truth)| {
            vec![
                Cell::Text(text),
                Cell::Int((*whole).into()),
                Cell::Float(*float),
                Cell::Bool(*truth),
            ]
        })
        .collect();
    write(layout(columns), &cells).range()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_reader_sees_the_same_cells_as_in_the_librarys_workbook(
        rows in prop::collection::vec(
            ("[ -~äß好😀\n\t]{0,12}", any::<i32>(), -1e15..1e15f64, any::<bool>()),
            0..12,
        )
    ) {
        let (ours, theirs) = (by_us(&rows), by_the_library(&rows));
        prop_assert_eq!(ours.get_size(), theirs.get_size());
        prop_assert!(ours.cells().eq(theirs.cells()), "{:?} {:?}", ours, theirs);
    }
}
