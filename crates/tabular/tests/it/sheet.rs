//! What a sheet as a whole looks like.

use calamine::Data;
use domain::{Cell, ColumnType};
use tabular::{Layout, MAX_SHEET_ROWS, SheetWriter, WriteError};

use crate::written::{column, layout, write};

fn people() -> Layout {
    layout(vec![
        column("姓名", ColumnType::String),
        column("人数", ColumnType::Integer),
    ])
}

#[test]
fn labels_are_a_bold_frozen_filtered_header() {
    let written = write(people(), &[vec![Cell::Text("赵伟".into()), Cell::Int(3)]]);
    let range = written.range();
    assert_eq!(range.get_value((0, 0)), Some(&Data::String("姓名".into())));
    assert_eq!(range.get_value((1, 0)), Some(&Data::String("赵伟".into())));
    assert_eq!(range.get_value((1, 1)), Some(&Data::Float(3.0)));
    assert_eq!(written.sheet_names(), ["员工信息"]);
    let sheet = written.part("xl/worksheets/sheet1.xml");
    assert!(
        sheet.contains(r#"<pane ySplit="1" topLeftCell="A2""#),
        "{sheet}"
    );
    assert!(sheet.contains(r#"<autoFilter ref="A1:B2""#), "{sheet}");
    assert!(written.part("xl/styles.xml").contains("<b/>"));
    assert_eq!(
        (written.summary.rows, written.summary.warnings.len()),
        (1, 0)
    );
}

#[test]
fn no_rows_at_all_make_a_valid_file_with_its_header() {
    let written = write(people(), &[]);
    assert_eq!(written.range().get_size(), (1, 2));
    assert_eq!(written.summary.rows, 0);
}

#[test]
fn without_header_the_first_row_is_data() {
    let bare = Layout {
        header: false,
        ..people()
    };
    let written = write(bare, &[vec![Cell::Text("a".into()), Cell::Null]]);
    assert_eq!(
        written.range().get_value((0, 0)),
        Some(&Data::String("a".into()))
    );
    assert!(
        !written
            .part("xl/worksheets/sheet1.xml")
            .contains("autoFilter")
    );
}

#[test]
fn any_title_becomes_a_name_that_a_sheet_may_have() {
    let cases = [
        ("a/b\\c?d*e:f[g]", "a_b_c_d_e_f_g_"),
        ("'quoted'", "quoted"),
        ("History", "History_"),
        ("  ", "Sheet1"),
        (
            "会员会员会员会员会员会员会员会员会员会员会员会员会员会员会员会员会员",
            "会员会员会员会员会员会员会员会员会员会员会员会员会员会员会员会",
        ),
        (
            "😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀",
            "😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀",
        ),
    ];
    for (title, name) in cases {
        let written = write(
            Layout {
                title: title.into(),
                ..people()
            },
            &[],
        );
        assert_eq!(written.sheet_names(), [name], "{title}");
    }
}

#[test]
fn a_column_is_as_wide_as_asked_else_as_its_label_and_type_need() {
    let mut wide = column("c", ColumnType::String);
    wide.width = Some(40.0);
    let written = write(
        layout(vec![
            wide,
            column("一二三四五六七八九十", ColumnType::Integer),
            column("t", ColumnType::Datetime),
        ]),
        &[],
    );
    let sheet = written.part("xl/worksheets/sheet1.xml");
    let widths: Vec<f64> = sheet
        .split("<col ")
        .skip(1)
        .map(|col| {
            col.split(" width=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    assert!(widths[0] > 40.0 && widths[0] < 41.0, "{widths:?}");
    assert!(widths[1] > 24.0 && widths[1] < 25.0, "{widths:?}");
    assert!(widths[2] > 20.0 && widths[2] < 21.0, "{widths:?}");
}

#[test]
fn a_full_sheet_takes_no_further_row() {
    let dir = tempfile::tempdir().unwrap();
    let one = layout(vec![column("n", ColumnType::Integer)]);
    let mut writer = SheetWriter::create(one, dir.path()).unwrap();
    for _ in 1..MAX_SHEET_ROWS {
        writer.write_row(&[Cell::Null]).unwrap();
    }
    let refused = writer.write_row(&[Cell::Null]).unwrap_err();
    assert!(
        matches!(refused, WriteError::TooManyRows(1_048_575)),
        "{refused}"
    );
    assert_eq!(writer.finish(std::io::sink()).unwrap().rows, 1_048_575);
}

#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let writer = SheetWriter::create(people(), dir.path()).unwrap();
    assert!(matches!(writer.finish(Full), Err(WriteError::Workbook(_))));
    assert!(SheetWriter::create(people(), &dir.path().join("gone")).is_err());
}
