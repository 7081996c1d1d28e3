//! From no rows to more than a sheet holds, complete in two readers.

use std::io::Cursor;

use calamine::{Data, DataRef, Reader, Xlsx};
use domain::{Cell, ColumnType};
use tabular::Layout;

use crate::openpyxl::measured;
use crate::written::{Written, chunks, column, layout, write_chunks};

fn numbered(rows: u32, header: bool) -> Written {
    let shape = Layout {
        title: "n".into(),
        header,
        ..layout(vec![column("n", ColumnType::Integer)])
    };
    let cells = (1..=rows).map(|number| vec![Cell::UInt(number.into())]);
    write_chunks(&shape, chunks(cells, 1, 5_000))
}

/// The numbers of a sheet in their order, by calamine's stream of cells.
fn numbers(written: &Written, sheet: &str) -> Vec<u32> {
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(written.bytes.as_slice())).unwrap();
    let mut cells = workbook.worksheet_cells_reader(sheet).unwrap();
    let mut numbers = Vec::new();
    while let Some(cell) = cells.next_cell().unwrap() {
        if let DataRef::Float(number) = cell.get_value() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "small whole numbers"
            )]
            numbers.push(*number as u32);
        }
    }
    numbers
}

#[test]
fn no_row_and_one_row_are_complete() {
    let none = numbered(0, true);
    assert_eq!(none.range().get_size(), (1, 1));
    assert_eq!(
        none.range().get_value((0, 0)),
        Some(&Data::String("n".into()))
    );
    assert_eq!(measured(&none), ["n 1 ('n',) ('n',)"]);
    assert_eq!(measured(&numbered(0, false)), ["n 0 None None"]);
    let one = numbered(1, true);
    assert_eq!(numbers(&one, "n"), [1]);
    assert_eq!(measured(&one), ["n 2 ('n',) (1,)"]);
}

#[test]
fn a_full_sheet_is_one_sheet() {
    let full = numbered(1_048_575, true);
    assert_eq!(full.sheet_names(), ["n"]);
    assert_eq!(full.summary.rows, 1_048_575);
    assert!(numbers(&full, "n").into_iter().eq(1..=1_048_575));
    assert_eq!(measured(&full), ["n 1048576 ('n',) (1048575,)"]);
    let bare = numbered(1_048_576, false);
    assert_eq!(bare.sheet_names(), ["n"]);
    assert!(numbers(&bare, "n").into_iter().eq(1..=1_048_576));
}

#[test]
fn one_row_more_goes_into_a_second_sheet_with_its_own_header() {
    let more = numbered(1_048_576, true);
    assert_eq!(more.sheet_names(), ["n", "n (2)"]);
    assert_eq!(more.summary.rows, 1_048_576);
    assert!(numbers(&more, "n").into_iter().eq(1..=1_048_575));
    assert_eq!(numbers(&more, "n (2)"), [1_048_576]);
    let seen = measured(&more);
    assert_eq!(
        seen,
        ["n 1048576 ('n',) (1048575,)", "n (2) 2 ('n',) (1048576,)"]
    );
}
