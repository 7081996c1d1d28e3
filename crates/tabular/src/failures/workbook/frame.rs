//! What stands around the rows of a failure workbook: header, drop-downs, hidden sheet.

use domain::{Calendar, column_letters};

use super::style::{HEADER, NumberFormat, Style, Styles, put};
use crate::failures::columns::{Columns, OWN_WIDTHS};
use crate::look::{Choices, list_range};
use crate::stamp::{STAMP_SHEET, Stamp};
use crate::text::{SheetNames, fitting};
use crate::xlsx::{MAX_SHEET_ROWS, PADDING, keeps_space, push_name, push_text};

const DECLARATION: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
    "\n"
);
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const RELATION: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// All that stands before the first row of data.
pub(super) fn opening(columns: &Columns, styles: &mut Styles) -> Vec<u8> {
    let mut part = format!(
        concat!(
            r#"{}<worksheet xmlns="{}"><sheetViews><sheetView tabSelected="1" workbookViewId="0">"#,
            r#"<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>"#,
            r#"<selection pane="bottomLeft"/></sheetView></sheetViews>"#,
            r#"<sheetFormatPr defaultRowHeight="15"/><cols>"#,
        ),
        DECLARATION, MAIN
    );
    let own = columns.own.iter().map(|column| {
        let format = NumberFormat::of_entry(column.kind);
        let style = styles.index(Style {
            format,
            faulty: false,
        });
        (column.width, style)
    });
    let ours = OWN_WIDTHS.map(|width| (width, 0));
    for (number, (width, style)) in (1..).zip(own.chain(ours)) {
        let width = width + PADDING;
        put(
            &mut part,
            format_args!(
                r#"<col min="{number}" max="{number}" width="{width}" style="{style}" customWidth="1"/>"#
            ),
        );
    }
    part.push_str(r#"</cols><sheetData><row r="1">"#);
    let mut xml = part.into_bytes();
    for (at, header) in (0..).zip(columns.headers()) {
        push_text_cell(&mut xml, &column_letters(at), 1, HEADER, header);
    }
    xml.extend_from_slice(b"</row>");
    xml
}

fn push_text_cell(xml: &mut Vec<u8>, letters: &str, row: usize, style: usize, text: &str) {
    let text = fitting(text);
    let space = if keeps_space(text) {
        r#" xml:space="preserve""#
    } else {
        ""
    };
    let head = format!(r#"<c r="{letters}{row}" s="{style}" t="inlineStr"><is><t{space}>"#);
    xml.extend_from_slice(head.as_bytes());
    push_text(xml, text);
    xml.extend_from_slice(b"</t></is></c>");
}

/// The parts that do not depend on rows.
pub(super) struct Frame {
    title: String,
    stamp: String,
    /// Lists that no rule can hold.
    lists: Vec<Choices>,
}

impl Frame {
    pub(super) fn new(title: &str, stamp: &Stamp) -> Self {
        Self {
            title: SheetNames::of(title).next(),
            stamp: stamp.json(),
            lists: Vec::new(),
        }
    }

    /// All that stands after the last row; `range` is filtered.
    pub(super) fn closing(&mut self, columns: &Columns, range: &str) -> String {
        let mut part = format!(r#"</sheetData><autoFilter ref="{range}"/>"#);
        let ruled = || {
            let own = (0..).zip(&columns.own);
            own.filter_map(|(at, column)| Some((at, column.choices.as_ref()?)))
        };
        let count = ruled().count();
        if count > 0 {
            put(
                &mut part,
                format_args!(r#"<dataValidations count="{count}">"#),
            );
            for (at, choices) in ruled() {
                self.push_rule(&mut part, &column_letters(at), choices);
            }
            part.push_str("</dataValidations>");
        }
        part.push_str(concat!(
            r#"<pageMargins left="0.7" right="0.7" top="0.75" bottom="0.75" header="0.3" footer="0.3"/>"#,
            "</worksheet>",
        ));
        part
    }

    fn push_rule(&mut self, part: &mut String, letters: &str, choices: &Choices) {
        let strict = u8::from(choices.strict);
        put(
            part,
            format_args!(
                r#"<dataValidation type="list" allowBlank="1" showErrorMessage="{strict}" sqref="{letters}2:{letters}{MAX_SHEET_ROWS}"><formula1>"#
            ),
        );
        if choices.fits_inline() {
            push_name(part, &format!("\"{}\"", choices.values.join(",")));
        } else {
            let list = u16::try_from(self.lists.len()).unwrap_or(u16::MAX);
            push_name(part, &list_range(list, choices.values.len()));
            self.lists.push(choices.clone());
        }
        part.push_str("</formula1></dataValidation>");
    }

    /// `xl/workbook.xml`
    pub(super) fn workbook(&self, calendar: Calendar, range: &str) -> String {
        let of_1904 = match calendar {
            Calendar::From1900 => "",
            Calendar::From1904 => r#" date1904="1""#,
        };
        let mut part = format!(
            concat!(
                r#"{}<workbook xmlns="{}" xmlns:r="{}"><workbookPr{} defaultThemeVersion="124226"/>"#,
                r#"<bookViews><workbookView activeTab="0"/></bookViews><sheets><sheet name=""#,
            ),
            DECLARATION, MAIN, RELATION, of_1904
        );
        push_name(&mut part, &self.title);
        put(
            &mut part,
            format_args!(
                concat!(
                    r#"" sheetId="1" r:id="rId1"/>"#,
                    r#"<sheet name="{}" sheetId="2" state="veryHidden" r:id="rId2"/></sheets>"#,
                    r#"<definedNames><definedName name="_xlnm._FilterDatabase" localSheetId="0" hidden="1">'"#,
                ),
                STAMP_SHEET
            ),
        );
        push_name(&mut part, &self.title.replace('\'', "''"));
        put(
            &mut part,
            format_args!(
                // formulas without a value are counted when the file is opened
                r#"'!{}</definedName></definedNames><calcPr fullCalcOnLoad="1"/></workbook>"#,
                absolute(range)
            ),
        );
        part
    }

    /// The very hidden sheet: the stamp in A1, a list in each column beside it.
    pub(super) fn hidden_sheet(&self) -> String {
        let mut xml = format!(r#"{DECLARATION}<worksheet xmlns="{MAIN}"><sheetData>"#).into_bytes();
        let longest = self.lists.iter().map(|list| list.values.len()).max();
        for row in 1..=longest.unwrap_or(1).max(1) {
            xml.extend_from_slice(format!(r#"<row r="{row}">"#).as_bytes());
            if row == 1 {
                push_text_cell(&mut xml, "A", row, 0, &self.stamp);
            }
            for (column, list) in (1..).zip(&self.lists) {
                if let Some(value) = list.values.get(row - 1) {
                    push_choice(&mut xml, &column_letters(column), row, value, list.numeric);
                }
            }
            xml.extend_from_slice(b"</row>");
        }
        xml.extend_from_slice(b"</sheetData></worksheet>");
        String::from_utf8(xml).expect("made of texts")
    }
}

fn push_choice(xml: &mut Vec<u8>, letters: &str, row: usize, value: &str, numeric: bool) {
    match value.parse::<f64>() {
        Ok(number) if numeric && number.is_finite() => {
            let cell = format!(r#"<c r="{letters}{row}"><v>{number}</v></c>"#);
            xml.extend_from_slice(cell.as_bytes());
        }
        _ => push_text_cell(xml, letters, row, 0, value),
    }
}

/// `A1:K9` as `$A$1:$K$9`.
fn absolute(range: &str) -> String {
    let mut out = String::new();
    let mut in_letters = false;
    for c in range.chars() {
        if c.is_ascii_alphabetic() != in_letters {
            out.push('$');
            in_letters = !in_letters;
        }
        out.push(c);
    }
    out
}
