//! Failure files: what a person finds in them, and what they say when they come back.

mod cells;
mod csv;
mod judged;

use std::path::PathBuf;

use domain::{
    Calendar, Empty, Formulas, ImportMode, NumberForm, NumberStyle, RowCode, RowError, SheetCell,
    SheetChunk, TaskId, UploadFormat,
};
use serde_json::Map;
use tabular::{
    FailureColumn, FailureTerms, FailureWriter, Merges, Said, Stamp, import_of_header,
    is_failure_header,
};

use crate::openpyxl::python;
use crate::people::{dataset, open};

/// One cell as it is told in a test, without lifetime.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Blank,
    Text(String),
    Number(String, NumberStyle),
    Bool(bool),
    IsoDate(String),
    Error(String),
    FormulaWithoutValue,
    /// A formula and its value, a number.
    Formula(String),
    Merged,
}

impl Told {
    fn of(cell: SheetCell<'_>) -> Self {
        match cell {
            SheetCell::Blank => Self::Blank,
            SheetCell::Text(it) => Self::Text(it.into()),
            SheetCell::Number(it, style) => Self::Number(it.into(), style),
            SheetCell::Bool(it) => Self::Bool(it),
            SheetCell::IsoDate(it) => Self::IsoDate(it.into()),
            SheetCell::Error(it) => Self::Error(it.into()),
            SheetCell::FormulaWithoutValue => Self::FormulaWithoutValue,
            SheetCell::Merged { .. } => Self::Merged,
        }
    }

    fn cell(&self) -> SheetCell<'_> {
        match self {
            Self::Blank => SheetCell::Blank,
            Self::Text(it) => SheetCell::Text(it),
            Self::Number(it, style) => SheetCell::Number(it, *style),
            Self::Bool(it) => SheetCell::Bool(*it),
            Self::IsoDate(it) => SheetCell::IsoDate(it),
            Self::Error(it) => SheetCell::Error(it),
            Self::FormulaWithoutValue => SheetCell::FormulaWithoutValue,
            Self::Formula(it) => SheetCell::Number(it, NumberStyle::Plain),
            Self::Merged => SheetCell::Merged { row: 1, column: 0 },
        }
    }

    fn is_formula(&self) -> bool {
        matches!(self, Self::FormulaWithoutValue | Self::Formula(_))
    }
}

fn text(it: &str) -> Told {
    Told::Text(it.into())
}

fn number(it: &str) -> Told {
    Told::Number(it.into(), NumberStyle::Plain)
}

fn date(it: &str) -> Told {
    Told::Number(it.into(), NumberStyle::Date)
}

fn column(header: &str, field: &str, column: u16) -> FailureColumn {
    FailureColumn {
        header: header.into(),
        field: (!field.is_empty()).then(|| field.into()),
        column,
    }
}

fn error(at: Option<&str>, field: Option<&str>, code: RowCode, message: &str) -> RowError {
    RowError {
        row: 0,
        sheet: None,
        column: at.map(Into::into),
        field: field.map(Into::into),
        code,
        value: None,
        message: message.into(),
        params: Map::new(),
        related_rows: Vec::new(),
    }
}

fn stamp() -> Stamp {
    Stamp {
        dataset: "member".into(),
        version: "3".into(),
        task: Some(TaskId(u64::MAX)),
        said: Said {
            mapping: [("Nr".to_owned(), "id".to_owned())].into(),
            numbers: Some(NumberForm::PointComma),
            timezone: Some(chrono_tz::America::New_York),
            mode: Some(ImportMode::Update),
            empty_means: Some(Empty::Keep),
            formulas: Some(Formulas::Error),
        },
    }
}

/// A failure file to be.
struct Made {
    format: UploadFormat,
    locale: &'static str,
    calendar: Calendar,
    columns: Vec<FailureColumn>,
    temp_dir: Option<PathBuf>,
}

impl Made {
    fn of(columns: Vec<FailureColumn>) -> Self {
        Self {
            format: UploadFormat::Xlsx,
            locale: "zh-CN",
            calendar: Calendar::From1900,
            columns,
            temp_dir: None,
        }
    }

    /// Rows of cells, by the columns' places, with their faults.
    fn write(&self, rows: &[(u32, Vec<Told>, Vec<RowError>)]) -> Vec<u8> {
        self.write_with(rows, Told::is_formula)
    }

    /// Rows from the second on of which every cell was a formula, all with the same fault.
    fn write_formulas<const N: usize>(&self, rows: &[[Told; N]], fault: &RowError) -> Vec<u8> {
        let rows = (2..).zip(rows);
        let rows: Vec<_> = rows
            .map(|(number, cells)| (number, cells.to_vec(), vec![fault.clone()]))
            .collect();
        self.write_with(&rows, |_| true)
    }

    fn write_with(
        &self,
        rows: &[(u32, Vec<Told>, Vec<RowError>)],
        is_formula: impl Fn(&Told) -> bool,
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        let (dataset, columns) = (dataset(), &self.columns);
        let terms = FailureTerms {
            dataset: &dataset,
            locale: self.locale,
            stamp: stamp(),
            columns,
            format: self.format,
            temp_dir: self.temp_dir.as_deref(),
        };
        let writer = FailureWriter::new(&terms, &mut bytes);
        let mut writer = writer.unwrap().with_calendar(self.calendar);
        for (number, cells, errors) in rows {
            let mut chunk = SheetChunk::new();
            chunk.begin_row(*number, false);
            for (column, cell) in (0..).zip(cells) {
                chunk.push(column, is_formula(cell), cell.cell());
            }
            writer.row(&chunk.rows().next().unwrap(), errors).unwrap();
        }
        assert_eq!(writer.finish().unwrap(), rows.len() as u64);
        bytes
    }
}

/// All cells of a file's first sheet, row by row, up to `width`.
fn read(bytes: &[u8], format: UploadFormat, width: u16) -> Vec<(u32, Vec<Told>)> {
    let book = open(bytes, format);
    let mut pass = book.rows(0, &Merges::default()).unwrap();
    let mut rows = Vec::new();
    while let Some(chunk) = pass.next().unwrap() {
        for row in chunk.rows() {
            let cells = (0..width).map(|column| Told::of(row.cell(column).cell));
            rows.push((row.number, cells.collect()));
        }
    }
    assert!(pass.merges().is_empty());
    rows
}

#[test]
fn a_failure_workbook_has_the_users_columns_in_their_order_and_then_the_reasons() {
    let made = Made::of(vec![
        column("手机", "", 1),
        column(" 会员号 ", "member_no", 2),
        column("姓名", "name", 5),
    ]);
    let cells = [
        Told::Blank,
        text("138"),
        text("M1"),
        Told::Blank,
        text("not told of"),
        Told::Blank,
    ];
    let errors = vec![
        error(Some("F"), Some("name"), RowCode::Required, "“姓名”不能为空"),
        error(
            Some("C"),
            Some("member_no"),
            RowCode::DuplicateInFile,
            "“会员号”与第 9 行重复",
        ),
        error(None, None, RowCode::BusinessRule, "整行不符合规则"),
    ];
    let bytes = made.write(&[(1042, cells.to_vec(), errors)]);
    let header = [
        "手机",
        " 会员号 ",
        "姓名",
        "原表行号",
        "导入错误代码",
        "导入错误说明",
    ];
    let reasons = "“姓名”不能为空；“会员号”与第 9 行重复；整行不符合规则";
    let expected = [
        (1, header.map(text).to_vec()),
        (
            2,
            vec![
                text("138"),
                text("M1"),
                Told::Blank,
                number("1042"),
                text("required, duplicate_in_file, business_rule"),
                text(reasons),
            ],
        ),
    ];
    assert_eq!(read(&bytes, UploadFormat::Xlsx, 6), expected);
    assert_eq!(open(&bytes, UploadFormat::Xlsx).sheets()[0].name, "会员");
}

#[test]
fn the_reasons_are_in_the_language_of_the_task_and_told_once() {
    let made = Made {
        locale: "en",
        ..Made::of(vec![column("Name", "name", 0)])
    };
    let twice = || {
        error(
            Some("A"),
            Some("name"),
            RowCode::TooLong,
            "“Name” is too long.",
        )
    };
    let other = error(None, None, RowCode::TooLong, "The row is bad.");
    let rows = [(7, vec![text("x")], vec![twice(), twice(), other])];
    let seen = read(&made.write(&rows), UploadFormat::Xlsx, 4);
    let header = [
        "Name",
        "Original row",
        "Import error code",
        "Import error message",
    ];
    assert_eq!(seen[0].1, header.map(text));
    let reasons = [
        text("too_long"),
        text("“Name” is too long. The row is bad."),
    ];
    assert_eq!(seen[1].1[2..], reasons);
}

#[test]
fn the_added_columns_are_recognised_in_every_language_and_replaced_when_they_come_back() {
    for own in [
        "原表行号",
        "导入错误代码",
        "导入错误说明",
        " original ROW ",
        "Original row #1042",
        "Import error code",
    ] {
        assert!(is_failure_header(own), "{own}");
    }
    for other in [
        "",
        "行号",
        "姓名",
        "row #7",
        "Import error",
        "错误代码",
        "#7",
    ] {
        assert!(!is_failure_header(other), "{other}");
        assert_eq!(import_of_header(other), None, "{other}");
    }
    for (header, import) in [
        ("原表行号 #1042", Some(1_042)),
        (" ORIGINAL row#7 ", Some(7)),
        ("Original row", None),
        ("Original row #+7", None),
        ("Original row #18446744073709551616", None),
    ] {
        assert_eq!(import_of_header(header), import.map(TaskId), "{header}");
    }
    let made = Made::of(vec![
        column("姓名", "name", 0),
        column("Original row", "", 1),
        column("导入错误代码", "", 2),
        column("导入错误说明", "", 3),
    ]);
    let cells = ["x", "1042", "required", "必填"].map(text).to_vec();
    let rows = [(
        2,
        cells,
        vec![error(None, None, RowCode::NotFound, "不存在")],
    )];
    let seen = read(&made.write(&rows), UploadFormat::Xlsx, 6);
    let expected = [
        text("x"),
        number("2"),
        text("not_found"),
        text("不存在"),
        Told::Blank,
        Told::Blank,
    ];
    assert_eq!(seen[1].1, expected);
}

#[test]
fn a_failure_workbook_says_which_import_it_mends() {
    let bytes = Made::of(vec![column("姓名", "name", 0)]).write(&[]);
    assert_eq!(
        Stamp::read(&open(&bytes, UploadFormat::Xlsx)),
        Ok(Some(stamp()))
    );
}

/// Prints the fill of each cell of the second row, then widths, filter and rules.
const LOOK: &str = r#"
import sys, io, openpyxl
book = openpyxl.load_workbook(io.BytesIO(sys.stdin.buffer.read()))
sheet = book.worksheets[0]
print(sheet.freeze_panes, sheet.auto_filter.ref, book.worksheets[1].sheet_state)
for cell in sheet[2]:
    dim = sheet.column_dimensions[cell.column_letter]
    print("|".join(str(it) for it in [cell.coordinate, cell.fill.fgColor.rgb if cell.fill.fill_type else None, cell.number_format, dim.number_format, dim.width]))
for rule in sheet.data_validations.dataValidation:
    print("|".join(str(it) for it in [rule.sqref, rule.type, rule.formula1, rule.showErrorMessage]))
"#;

#[test]
fn faulty_cells_are_filled_and_drop_downs_are_those_of_the_template() {
    let made = Made::of(vec![
        column("姓名", "name", 0),
        column("生日", "birthday", 1),
        column("启用", "active", 2),
        column("级别", "grade", 3),
        column("城市", "city", 4),
        column("代码", "code", 5),
    ]);
    let cells = vec![
        text("x"),
        Told::Blank,
        number("7"),
        text("铜卡"),
        text("y"),
        Told::Error("#N/A".into()),
    ];
    let errors = vec![
        error(Some("B"), Some("birthday"), RowCode::Required, "必填"),
        error(Some("D"), Some("grade"), RowCode::NotInList, "不在列表中"),
        // what the database found knows no letters
        error(None, Some("name"), RowCode::DuplicateInDb, "已存在"),
        error(Some("F"), Some("code"), RowCode::ErrorCell, "错误值"),
    ];
    let seen = python(LOOK, &made.write(&[(2, cells, errors)]));
    let expected = [
        "A2 A1:I2 veryHidden",
        "A2|FFFFC7CE|@|@|16.7109375",
        "B2|FFFFC7CE|yyyy-mm-dd|yyyy-mm-dd|12.7109375",
        "C2|None|General|General|10.7109375",
        "D2|FFFFC7CE|@|@|16.7109375",
        "E2|None|@|@|16.7109375",
        "F2|FFFFC7CE|General|General|10.7109375",
        "G2|None|General|General|12.7109375",
        "H2|None|General|General|24.7109375",
        "I2|None|General|General|60.7109375",
        "C2:C1048576|list|\"是,否\"|False",
        "D2:D1048576|list|\"金卡,银卡,A&B\"|True",
        "E2:E1048576|list|'_quayside'!$B$1:$B$201|True",
        "F2:F1048576|list|'_quayside'!$C$1:$C$100|True",
    ];
    assert_eq!(seen.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_file_of_no_rows_has_its_header() {
    let made = Made::of(vec![column("姓名", "name", 0)]);
    assert_eq!(
        read(&made.write(&[]), UploadFormat::Xlsx, 1),
        [(1, vec![text("姓名")])]
    );
}

#[test]
fn columns_that_are_ignored_make_room_for_the_reasons() {
    let mut columns: Vec<_> = (1..16_384).map(|at| column("x", "", at)).collect();
    columns.insert(0, column("姓名", "name", 0));
    let made = Made::of(columns);
    let seen = read(
        &made.write(&[(2, vec![text("a")], Vec::new())]),
        UploadFormat::Xlsx,
        2,
    );
    assert_eq!(seen[1].1, [text("a"), number("2")]);
}

#[test]
fn a_file_that_does_not_fit_into_memory_takes_the_disk_and_stays_whole() {
    let directory = tempfile::tempdir().unwrap();
    let mut made = Made::of(vec![column("姓名", "name", 0), column("x", "", 1)]);
    made.temp_dir = Some(directory.path().to_owned());
    let mut random = 1_u64;
    let mut word = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        format!("{random:x}")
    };
    let rows: Vec<_> = (2..150_000)
        .map(|row| (row, vec![text(&word()), text(&word())], vec![]))
        .collect();
    let bytes = made.write(&rows);
    made.temp_dir = Some(directory.path().join("nowhere"));
    let nowhere = std::panic::catch_unwind(|| made.write(&rows));
    assert!(nowhere.is_err(), "the disk that is told");
    // well beyond the 4 MiB that stay in memory
    assert!(bytes.len() > 6 << 20, "{}", bytes.len());
    let seen = read(&bytes, UploadFormat::Xlsx, 2);
    assert_eq!(seen.len(), rows.len() + 1);
    assert!(
        seen[1..]
            .iter()
            .zip(&rows)
            .all(|(seen, row)| seen.1 == row.1)
    );
}
