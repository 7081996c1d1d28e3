//! The second reader: openpyxl, in Python, which shares no code with calamine.

use std::io::Write;
use std::process::{Command, Stdio};

use domain::{Cell, ColumnType};

use crate::written::{Written, column, layout, write};

/// The system's own Python, which `deploy/local/install.sh readers` gives openpyxl.
const PYTHON: &str = "/usr/bin/python3";

/// Prints one line a row, cells as Python writes them, sheet by sheet.
const PRINT: &str = r#"
import sys, io, openpyxl
workbook = openpyxl.load_workbook(io.BytesIO(sys.stdin.buffer.read()), read_only=True)
for sheet in workbook.worksheets:
    print("sheet", sheet.title)
    for row in sheet.iter_rows(values_only=True):
        print(repr(row))
"#;

/// Prints the name, the rows, and the first and last row of each sheet.
const MEASURE: &str = r#"
import sys, io, openpyxl
workbook = openpyxl.load_workbook(io.BytesIO(sys.stdin.buffer.read()), read_only=True)
for sheet in workbook.worksheets:
    count, first, last = 0, None, None
    for row in sheet.iter_rows(values_only=True):
        first = row if first is None else first
        count, last = count + 1, row
    print(sheet.title, count, first, last)
"#;

pub(crate) fn python(script: &str, workbook: &[u8]) -> String {
    let mut child = Command::new(PYTHON)
        .args(["-c", script])
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Python with openpyxl (deploy/local/install.sh readers)");
    child.stdin.take().unwrap().write_all(workbook).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Name, rows, first and last row of each sheet.
pub(crate) fn measured(written: &Written) -> Vec<String> {
    let lines = python(MEASURE, &written.bytes);
    lines.lines().map(str::to_owned).collect()
}

#[test]
fn another_reader_sees_the_same_values() {
    let day = chrono::NaiveDate::from_ymd_opt(2026, 1, 31).unwrap();
    let columns = vec![
        column("文字", ColumnType::String),
        column("n", ColumnType::Integer),
        column("m", ColumnType::Decimal),
        column("d", ColumnType::Date),
        column("t", ColumnType::Datetime),
        column("b", ColumnType::Boolean),
    ];
    let rows = [
        vec![
            Cell::Text("=1+1"),
            Cell::Int(-7),
            Cell::Decimal("12.50"),
            Cell::Date(day),
            Cell::DateTime(day.and_hms_opt(20, 0, 0).unwrap()),
            Cell::Bool(true),
        ],
        vec![
            Cell::Text(" <&>'\"]]> _x0041_ 😀 "),
            Cell::UInt(u64::MAX),
            Cell::Decimal("99999999999999999999.99"),
            Cell::Odd("0000-00-00"),
            Cell::Null,
            Cell::Bool(false),
        ],
    ];
    let written = write(layout(columns), &rows);
    let seen = python(PRINT, &written.bytes);
    let expected = [
        "sheet 员工信息",
        "('文字', 'n', 'm', 'd', 't', 'b')",
        "('=1+1', -7, 12.5, datetime.datetime(2026, 1, 31, 0, 0), datetime.datetime(2026, 2, 1, 4, 0), True)",
        // openpyxl does not decode _xHHHH_ and shows the escape itself
        "(' <&>\\'\"]]> _x005F_x0041_ 😀 ', '18446744073709551615', '99999999999999999999.99', '0000-00-00', None, False)",
    ];
    assert_eq!(seen.lines().collect::<Vec<_>>(), expected);
}
