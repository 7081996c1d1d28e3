//! Workbooks made byte by byte, so that a test says all that is in them.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// What stands in a cell.
#[derive(Clone)]
pub(crate) enum Value {
    Blank,
    Text(String),
    Number(String),
    /// A formula and its last result, a number.
    Formula(String, String),
}

pub(crate) fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}

pub(crate) fn number(value: impl ToString) -> Value {
    Value::Number(value.to_string())
}

/// One sheet: rows from 1 on, each hidden or not; numbers of hidden columns, from 1 on.
#[derive(Clone)]
pub(crate) struct Sheet {
    pub(crate) name: String,
    pub(crate) hidden: bool,
    pub(crate) rows: Vec<(bool, Vec<Value>)>,
    pub(crate) merges: Vec<String>,
    pub(crate) hidden_columns: Vec<u16>,
}

impl Sheet {
    pub(crate) fn new(name: &str, rows: Vec<Vec<Value>>) -> Self {
        Self {
            name: name.to_owned(),
            hidden: false,
            rows: rows.into_iter().map(|row| (false, row)).collect(),
            merges: Vec::new(),
            hidden_columns: Vec::new(),
        }
    }

    fn xml(&self) -> String {
        let mut xml = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><worksheet \
             xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\">",
        );
        if !self.hidden_columns.is_empty() {
            xml.push_str("<cols>");
            for at in &self.hidden_columns {
                let col = format!("<col min=\"{at}\" max=\"{at}\" width=\"0\" hidden=\"1\"/>");
                xml.push_str(&col);
            }
            xml.push_str("</cols>");
        }
        xml.push_str("<sheetData>");
        for (number, (hidden, cells)) in (1..).zip(&self.rows) {
            let hidden = if *hidden { " hidden=\"1\"" } else { "" };
            write!(xml, "<row r=\"{number}\"{hidden}>").expect("a String takes all");
            for (column, value) in (0..).zip(cells) {
                let place = format!("{}{number}", domain::column_letters(column));
                match value {
                    Value::Blank => Ok(()),
                    Value::Text(text) => write!(
                        xml,
                        "<c r=\"{place}\" t=\"inlineStr\"><is><t xml:space=\"preserve\">{}</t></is></c>",
                        escaped(text)
                    ),
                    Value::Number(number) => write!(xml, "<c r=\"{place}\"><v>{number}</v></c>"),
                    Value::Formula(formula, result) => {
                        write!(xml, "<c r=\"{place}\"><f>{formula}</f><v>{result}</v></c>")
                    }
                }
                .expect("a String takes all");
            }
            xml.push_str("</row>");
        }
        xml.push_str("</sheetData>");
        if !self.merges.is_empty() {
            write!(xml, "<mergeCells count=\"{}\">", self.merges.len()).expect("a String");
            for range in &self.merges {
                write!(xml, "<mergeCell ref=\"{range}\"/>").expect("a String");
            }
            xml.push_str("</mergeCells>");
        }
        xml.push_str("</worksheet>");
        xml
    }
}

/// A workbook of one sheet.
pub(crate) fn workbook(rows: Vec<Vec<Value>>) -> Vec<u8> {
    workbook_of(&[Sheet::new("Sheet1", rows)])
}

/// A workbook.
pub(crate) fn workbook_of(sheets: &[Sheet]) -> Vec<u8> {
    let (mut listed, mut related, mut typed) = (String::new(), String::new(), String::new());
    for (number, sheet) in (1..).zip(sheets) {
        let state = if sheet.hidden {
            " state=\"hidden\""
        } else {
            ""
        };
        let name = escaped(&sheet.name);
        write!(
            listed,
            "<sheet name=\"{name}\" sheetId=\"{number}\"{state} r:id=\"rId{number}\"/>"
        )
        .expect("a String");
        write!(related, "<Relationship Id=\"rId{number}\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet{number}.xml\"/>").expect("a String");
        write!(typed, "<Override PartName=\"/xl/worksheets/sheet{number}.xml\" ContentType=\"{SPREADSHEET}.worksheet+xml\"/>").expect("a String");
    }
    let mut parts = vec![
        (
            "[Content_Types].xml".to_owned(),
            format!(
                "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
                 <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
                 <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
                 <Override PartName=\"/xl/workbook.xml\" ContentType=\"{SPREADSHEET}.sheet.main+xml\"/>{typed}</Types>"
            ),
        ),
        (
            "_rels/.rels".to_owned(),
            format!(
                "<Relationships xmlns=\"{PACKAGE}\"><Relationship Id=\"rId1\" \
                 Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/workbook.xml".to_owned(),
            format!(
                "<workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" \
                 xmlns:r=\"{OFFICE}\"><sheets>{listed}</sheets></workbook>"
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels".to_owned(),
            format!("<Relationships xmlns=\"{PACKAGE}\">{related}</Relationships>"),
        ),
    ];
    for (number, sheet) in (1..).zip(sheets) {
        parts.push((format!("xl/worksheets/sheet{number}.xml"), sheet.xml()));
    }
    zipped(&parts)
}

const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const SPREADSHEET: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";

fn zipped(parts: &[(String, String)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(1));
    for (name, content) in parts {
        archive.start_file(name, options).expect("an entry");
        archive.write_all(content.as_bytes()).expect("its bytes");
    }
    archive.finish().expect("an archive").into_inner()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

/// The labels of a member's columns, as its definition has them.
pub(crate) fn member_header() -> Vec<Value> {
    [
        "会员号",
        "姓名",
        "手机号",
        "邮箱",
        "等级",
        "积分",
        "余额",
        "生日",
        "备注",
    ]
    .map(text)
    .to_vec()
}

/// A member that can be taken.
pub(crate) fn member(number_of_member: u32) -> Vec<Value> {
    let n = number_of_member;
    vec![
        text(format!("M{n:07}")),
        text(format!("赵{n}")),
        text(format!("138{:08}", n % 100_000_000)),
        text(format!("m{n}@example.com")),
        number(n % 5 + 1),
        number(n % 1_000),
        number(format!("{}.{:02}", n % 500, n % 100)),
        text("1990-01-31"),
        if n.is_multiple_of(7) {
            Value::Blank
        } else {
            text(format!("第{n}位"))
        },
    ]
}

/// A workbook of so many members, each changed by `change` (its place from 0).
pub(crate) fn members(count: u32, change: impl Fn(u32, &mut Vec<Value>)) -> Vec<u8> {
    workbook(member_rows(count, change))
}

/// The rows of [`members`], header included.
pub(crate) fn member_rows(count: u32, change: impl Fn(u32, &mut Vec<Value>)) -> Vec<Vec<Value>> {
    let rows = (0..count).map(|n| {
        let mut row = member(n);
        change(n, &mut row);
        row
    });
    std::iter::once(member_header()).chain(rows).collect()
}
