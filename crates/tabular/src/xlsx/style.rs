//! The styles of a workbook: plain, the header, and one for each number format in use.

use std::fmt::Write;

use domain::ColumnType;

use super::xml::push_name;
use crate::layout::{Layout, OutputColumn};

/// The style of a label.
pub(super) const HEADER_STYLE: usize = 1;
/// Styles that are there before any number format.
const FIXED_STYLES: usize = 2;
/// The first number of a format that is not built in (ECMA-376 part 1, 18.8.30).
const FIRST_FORMAT: usize = 164;

/// Number formats in use and who uses which.
#[derive(Debug)]
pub(crate) struct Styles {
    formats: Vec<String>,
    /// By column; none for the plain style.
    of_column: Vec<Option<usize>>,
}

impl Styles {
    pub(crate) fn of(layout: &Layout) -> Self {
        let mut formats: Vec<String> = Vec::new();
        let mut style = |column: &OutputColumn| {
            let format = number_format(column)?;
            let known = formats.iter().position(|it| *it == format);
            let index = known.unwrap_or_else(|| {
                formats.push(format);
                formats.len() - 1
            });
            Some(FIXED_STYLES + index)
        };
        let of_column = layout.columns.iter().map(&mut style).collect();
        Self { formats, of_column }
    }

    /// The style of a column's numbers.
    pub(super) fn of_column(&self, column: usize) -> Option<usize> {
        self.of_column[column]
    }

    /// `xl/styles.xml`
    pub(crate) fn part(&self) -> String {
        let mut part = String::from(concat!(
            r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
            "\n",
            r#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">"#,
        ));
        self.push_formats(&mut part);
        part.push_str(concat!(
            r#"<fonts count="2"><font><sz val="11"/><name val="Calibri"/><family val="2"/></font>"#,
            r#"<font><b/><sz val="11"/><name val="Calibri"/><family val="2"/></font></fonts>"#,
            r#"<fills count="2"><fill><patternFill patternType="none"/></fill>"#,
            r#"<fill><patternFill patternType="gray125"/></fill></fills>"#,
            r#"<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>"#,
            r#"<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>"#,
        ));
        self.push_cell_styles(&mut part);
        part.push_str(concat!(
            r#"<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>"#,
            r#"<dxfs count="0"/></styleSheet>"#,
        ));
        part
    }

    fn push_formats(&self, part: &mut String) {
        if self.formats.is_empty() {
            return;
        }
        put(
            part,
            format_args!(r#"<numFmts count="{}">"#, self.formats.len()),
        );
        for (number, format) in (FIRST_FORMAT..).zip(&self.formats) {
            put(
                part,
                format_args!(r#"<numFmt numFmtId="{number}" formatCode=""#),
            );
            push_name(part, format);
            part.push_str(r#""/>"#);
        }
        part.push_str("</numFmts>");
    }

    fn push_cell_styles(&self, part: &mut String) {
        let count = FIXED_STYLES + self.formats.len();
        put(part, format_args!(r#"<cellXfs count="{count}">"#));
        part.push_str(concat!(
            r#"<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>"#,
            r#"<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>"#,
        ));
        for number in (FIRST_FORMAT..).take(self.formats.len()) {
            put(
                part,
                format_args!(
                    r#"<xf numFmtId="{number}" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>"#
                ),
            );
        }
        part.push_str("</cellXfs>");
    }
}

/// Adds formatted text.
pub(super) fn put(part: &mut String, text: std::fmt::Arguments<'_>) {
    part.write_fmt(text).expect("a String takes every text");
}

fn number_format(column: &OutputColumn) -> Option<String> {
    let own = match column.kind {
        ColumnType::String | ColumnType::Boolean => None,
        ColumnType::Integer => Some("0".to_owned()),
        ColumnType::Decimal => column.scale.map(|scale| match scale {
            0 => "0".to_owned(),
            scale => format!("0.{}", "0".repeat(scale.into())),
        }),
        ColumnType::Date => Some("yyyy-mm-dd".to_owned()),
        ColumnType::Datetime => Some("yyyy-mm-dd hh:mm:ss".to_owned()),
        ColumnType::Time => Some("hh:mm:ss".to_owned()),
    };
    column.format.clone().or(own)
}
