//! What a sheet as a whole looks like.

use calamine::Data;
use domain::{Cell, ColumnType};
use proptest::prelude::*;
use tabular::{Layout, Press, assemble};

use crate::written::{Broken, blocks, chunks, column, layout, pieces, sure, write};

fn people() -> Layout {
    layout(vec![
        column("姓名", ColumnType::String),
        column("人数", ColumnType::Integer),
    ])
}

#[test]
fn labels_are_a_bold_frozen_filtered_header() {
    let written = write(people(), &[vec![Cell::Text("赵伟"), Cell::Int(3)]]);
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
    let written = write(bare, &[vec![Cell::Text("a"), Cell::Null]]);
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
    let widths = column_widths(&sheet);
    assert!(widths[0] > 40.0 && widths[0] < 41.0, "{widths:?}");
    assert!(widths[1] > 24.0 && widths[1] < 25.0, "{widths:?}");
    assert!(widths[2] > 20.0 && widths[2] < 21.0, "{widths:?}");
}

#[test]
fn a_column_shows_the_content_of_its_first_rows_and_wide_characters_count_double() {
    let rows = [
        vec![Cell::Text("赵伟赵伟赵伟赵伟赵伟"), Cell::Int(1)],
        vec![
            Cell::Text("a line that is longer\nthan the next"),
            Cell::Int(123_456_789_012),
        ],
    ];
    let long = "好".repeat(5_000);
    let widths = |rows: &[Vec<Cell<'_>>]| {
        let sheet = write(people(), rows).part("xl/worksheets/sheet1.xml");
        column_widths(&sheet)
    };
    let of = |characters: f64| characters + 0.710_937_5;
    assert_eq!(widths(&rows[..1]), [of(20.0), of(10.0)]);
    assert_eq!(widths(&rows), [of(21.0), of(12.0)]);
    assert_eq!(widths(&[vec![Cell::Text(&long), Cell::Null]])[0], of(60.0));
}

fn column_widths(sheet: &str) -> Vec<f64> {
    let widths = sheet.split("<col ").skip(1).map(|col| {
        let width = col.split(" width=\"").nth(1).unwrap();
        width.split('"').next().unwrap().parse().unwrap()
    });
    widths.collect()
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
    let layout = people();
    let made = || blocks(&Press::new(&layout, false, 1), &pieces(&layout, []));
    let refused = assemble(&layout, None, sure(made()), Full).unwrap_err();
    assert!(
        matches!(&refused, Broken::Output(error) if !error.to_string().is_empty()),
        "{refused:?}"
    );
    // nor is a file whose rows went on in another taken for whole
    let short = Layout {
        rows_per_file: Some(1),
        ..people()
    };
    let row = || vec![Cell::Null, Cell::Int(1)];
    let two = pieces(&short, chunks([row(), row()], 2, 2));
    let two = blocks(&Press::new(&short, false, 1), &two);
    let refused = assemble(&short, None, sure(two), std::io::sink()).unwrap_err();
    assert!(matches!(refused, Broken::Output(_)), "{refused:?}");
    // the rows' own error comes out as it is
    let broken = made()
        .into_iter()
        .map(Ok)
        .chain([Err(Broken::Rows("gone"))]);
    let refused = assemble(&layout, None, broken, std::io::sink()).unwrap_err();
    assert!(matches!(refused, Broken::Rows("gone")), "{refused:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_title_makes_names_that_excel_takes_and_no_two_alike(
        title in prop_oneof![any::<String>(), "[a-cA-C' ()12/\\[]{20,40}", "x{25} \\([0-9]{1,3}\\)"],
        sheets in 1..12u32,
    ) {
        let narrow = Layout {
            title,
            rows_per_sheet: 1,
            ..layout(vec![column("n", ColumnType::Integer)])
        };
        let rows: Vec<_> = (0..sheets).map(|n| vec![Cell::UInt(n.into())]).collect();
        let written = write(narrow, &rows);
        let names = written.sheet_names();
        prop_assert_eq!(names.len(), rows.len());
        let mut folded: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        folded.sort();
        folded.dedup();
        prop_assert_eq!(folded.len(), names.len(), "{:?}", names);
        for name in &names {
            let units = name.encode_utf16().count();
            prop_assert!((1..=31).contains(&units), "{:?}", name);
            prop_assert!(!name.contains(['*', '?', ':', '[', ']', '\\', '/']), "{:?}", name);
            prop_assert!(!name.starts_with('\'') && !name.ends_with('\''), "{:?}", name);
            prop_assert!(!name.eq_ignore_ascii_case("history"), "{:?}", name);
            prop_assert!(!name.contains(char::is_control), "{:?}", name);
        }
        for (index, row) in rows.iter().enumerate() {
            let Cell::UInt(number) = row[0] else { unreachable!() };
            let sheet = written.sheet(index);
            let expected = f64::from(u32::try_from(number).unwrap());
            prop_assert_eq!(sheet.get_value((1, 0)), Some(&Data::Float(expected)));
        }
    }
}
