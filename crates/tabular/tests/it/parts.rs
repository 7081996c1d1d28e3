//! Several sheets, several files.

use std::io::Cursor;

use calamine::{Data, Reader, Xlsx};
use domain::{Cell, ColumnType, ExportFormat};
use proptest::prelude::*;
use tabular::Layout;

use crate::written::{column, layout, write, write_zip};

fn numbers(rows_per_sheet: u32, rows_per_file: Option<u64>) -> Layout {
    Layout {
        title: "n".into(),
        rows_per_sheet,
        rows_per_file,
        ..layout(vec![
            column("n", ColumnType::Integer),
            column("s", ColumnType::String),
        ])
    }
}

fn rows(count: u64) -> Vec<Vec<Cell<'static>>> {
    let row = |number| vec![Cell::UInt(number), Cell::Text("好")];
    (1..=count).map(row).collect()
}

/// The numbers of each sheet.
fn sheets(bytes: &[u8]) -> Vec<Vec<u64>> {
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).unwrap();
    let number = |cell: &Data| match cell {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small whole numbers"
        )]
        Data::Float(number) => *number as u64,
        other => panic!("{other:?}"),
    };
    let sheets = workbook.worksheets().into_iter().map(|(_, range)| {
        let mut rows = range.rows();
        assert_eq!(rows.next().unwrap()[0], Data::String("n".into()));
        rows.map(|row| number(&row[0])).collect()
    });
    sheets.collect()
}

#[test]
fn rows_per_sheet_count_data_rows_and_each_sheet_has_header_filter_and_frozen_row() {
    let written = write(numbers(2, None), &rows(5));
    assert_eq!(sheets(&written.bytes), [vec![1, 2], vec![3, 4], vec![5]]);
    assert_eq!(written.sheet_names(), ["n", "n (2)", "n (3)"]);
    for (number, range) in [(1, "A1:B3"), (2, "A1:B3"), (3, "A1:B2")] {
        let sheet = written.part(&format!("xl/worksheets/sheet{number}.xml"));
        let filter = format!("<autoFilter ref=\"{range}\"/>");
        assert!(sheet.contains(&filter), "{sheet}");
        assert!(sheet.contains("<pane ySplit=\"1\""), "{sheet}");
        assert_eq!(sheet.contains("tabSelected"), number == 1);
    }
    let workbook = written.part("xl/workbook.xml");
    assert!(workbook.contains("'n (2)'!$A$1:$B$3"), "{workbook}");
}

#[test]
fn workbooks_past_rows_per_file_lie_in_a_zip_each_whole() {
    let zip = write_zip(&numbers(2, Some(3)), &rows(7));
    assert_eq!(zip.entries(), ["部分_1.xlsx", "部分_2.xlsx", "部分_3.xlsx"]);
    assert_eq!(sheets(&zip.entry("部分_1.xlsx")), [vec![1, 2], vec![3]]);
    assert_eq!(sheets(&zip.entry("部分_2.xlsx")), [vec![4, 5], vec![6]]);
    assert_eq!(sheets(&zip.entry("部分_3.xlsx")), [vec![7]]);
    assert_eq!(zip.summary.rows, 7);
}

#[test]
fn csv_files_past_rows_per_file_lie_in_a_zip_each_with_its_header() {
    let shape = Layout {
        format: ExportFormat::Csv,
        ..numbers(1, Some(2))
    };
    let zip = write_zip(&shape, &rows(3));
    assert_eq!(zip.entries(), ["部分_1.csv", "部分_2.csv"]);
    let text = |name| String::from_utf8(zip.entry(name)).unwrap();
    assert_eq!(text("部分_1.csv"), "\u{feff}n,s\r\n1,好\r\n2,好\r\n");
    assert_eq!(text("部分_2.csv"), "\u{feff}n,s\r\n3,好\r\n");
}

#[test]
fn the_same_rows_make_the_same_bytes() {
    let make = || write(numbers(2, None), &rows(5)).bytes;
    assert!(make() == make());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_row_lies_in_one_sheet_of_one_file_in_its_order(
        count in 1..60u64, per_sheet in 1..9u32, per_file in 1..30u64,
    ) {
        let zip = write_zip(&numbers(per_sheet, Some(per_file)), &rows(count));
        let mut seen = Vec::new();
        for name in zip.entries() {
            let sheets = sheets(&zip.entry(&name));
            let in_file: usize = sheets.iter().map(Vec::len).sum();
            prop_assert!(in_file as u64 <= per_file);
            prop_assert!(sheets.iter().all(|sheet| sheet.len() <= per_sheet as usize));
            seen.extend(sheets.into_iter().flatten());
        }
        prop_assert!(seen.into_iter().eq(1..=count));
        prop_assert_eq!(zip.entries().len() as u64, count.div_ceil(per_file));
    }
}
