//! A failure file as a workbook.

mod frame;
mod style;

use std::io::{self, Write};

use domain::{Calendar, ColumnType, NumberStyle, RowError, SheetCell, SheetRow, column_letters};
use rawzip::ZipArchiveWriter;

use self::frame::Frame;
use self::style::{NumberFormat, Style, Styles};
use super::FailureTerms;
use super::columns::{Columns, Kept, OwnedColumn, Reasons};
use super::formula;
use super::part::Part;
use super::seen::identifier;
use crate::assemble::{add, of_zip};
use crate::text::fitting;
use crate::xlsx::{
    MAX_SHEET_ROWS, content_types, keeps_space, push_name, push_text, relations, workbook_relations,
};

pub(super) struct Workbook<W> {
    out: W,
    frame: Frame,
    sheet: Part,
    styles: Styles,
    /// Letters of the columns of this file.
    letters: Vec<String>,
    /// Number of the row written last.
    last_row: u32,
    xml: Vec<u8>,
    pub(super) calendar: Calendar,
}

impl<W: Write> Workbook<W> {
    pub(super) fn begin(terms: &FailureTerms<'_>, columns: &Columns, out: W) -> io::Result<Self> {
        let mut styles = Styles::default();
        let title = terms.dataset.label.get(terms.locale);
        let frame = Frame::new(title, &terms.stamp);
        let mut sheet = Part::new(terms.temp_dir);
        sheet.write(&frame::opening(columns, &mut styles))?;
        let letters = (0..).map(column_letters).take(columns.headers().count());
        Ok(Self {
            out,
            frame,
            sheet,
            styles,
            letters: letters.collect(),
            last_row: 1,
            xml: Vec::new(),
            calendar: Calendar::default(),
        })
    }

    pub(super) fn row(
        &mut self,
        columns: &Columns,
        row: &SheetRow<'_>,
        errors: &[RowError],
        reasons: &Reasons,
    ) -> io::Result<()> {
        if self.last_row == MAX_SHEET_ROWS {
            return Err(io::Error::other("more failed rows than a sheet holds"));
        }
        self.last_row += 1;
        self.xml.clear();
        self.xml.extend_from_slice(br#"<row r=""#);
        self.push_row_number();
        self.xml.extend_from_slice(br#"">"#);
        for (at, column) in columns.own.iter().enumerate() {
            let faulty = column.is_faulty(errors);
            match column.kept(row.cell(column.source), errors) {
                Kept::Cell(cell) => self.cell(at, column, cell, faulty),
                Kept::Formula(cell) => self.formula(at, column, cell, faulty),
            }
        }
        let own = columns.own.len();
        self.number(own, row.number.to_string().as_str(), Style::PLAIN);
        self.text(own + 1, &reasons.codes, Style::PLAIN);
        self.text(own + 2, &reasons.messages, Style::PLAIN);
        self.xml.extend_from_slice(b"</row>");
        self.sheet.write(&self.xml)
    }

    /// A cell as it stood there, so that it reads back as the same.
    fn cell(&mut self, at: usize, column: &OwnedColumn, cell: SheetCell<'_>, faulty: bool) {
        let base = Style {
            format: NumberFormat::of_entry(column.kind),
            faulty,
        };
        match cell {
            SheetCell::Blank | SheetCell::Merged { .. } => {
                if faulty {
                    self.open(at, base);
                    self.xml.extend_from_slice(b"/>");
                }
            }
            SheetCell::Text(text) => self.text(at, text, base),
            SheetCell::Number(number, style) => self.user_number(at, column, number, style, faulty),
            SheetCell::Bool(truth) => {
                let style = Style {
                    faulty,
                    ..Style::PLAIN
                };
                self.typed(at, "b", if truth { "1" } else { "0" }, style);
            }
            SheetCell::IsoDate(text) => match NumberFormat::of_iso(text) {
                Some(format) => self.typed(at, "d", text, Style { format, faulty }),
                None => self.text(at, text, base),
            },
            SheetCell::Error(text) => self.typed(
                at,
                "e",
                text,
                Style {
                    faulty,
                    ..Style::PLAIN
                },
            ),
            SheetCell::FormulaWithoutValue => {
                self.open(at, base);
                self.xml.extend_from_slice(b"><f>NA()</f></c>");
            }
        }
    }

    /// A formula that says the value of one which was not allowed.
    fn formula(&mut self, at: usize, column: &OwnedColumn, cell: SheetCell<'_>, faulty: bool) {
        let Some(says) = formula::saying(cell) else {
            return self.cell(at, column, SheetCell::FormulaWithoutValue, faulty);
        };
        let format = match cell {
            SheetCell::Number(number, style) => NumberFormat::of_number(column.kind, number, style),
            _ => NumberFormat::General,
        };
        let (kind, value) = match cell {
            SheetCell::Number(number, _) => ("n", number),
            SheetCell::Bool(_) => ("b", if says == "TRUE" { "1" } else { "0" }),
            SheetCell::Text(text) | SheetCell::IsoDate(text) => ("str", text),
            _ => ("e", "#N/A"),
        };
        self.open(at, Style { format, faulty });
        self.xml.extend_from_slice(br#" t=""#);
        self.xml.extend_from_slice(kind.as_bytes());
        self.xml.extend_from_slice(br#""><f>"#);
        push_text(&mut self.xml, &says);
        self.xml.extend_from_slice(b"</f><v>");
        push_text(&mut self.xml, fitting(value));
        self.xml.extend_from_slice(b"</v></c>");
    }

    fn user_number(
        &mut self,
        at: usize,
        column: &OwnedColumn,
        number: &str,
        style: NumberStyle,
        faulty: bool,
    ) {
        let is_text_column = column.kind == Some(ColumnType::String);
        if is_text_column && let Some(text) = identifier(number, style) {
            let format = NumberFormat::Text;
            return self.text(at, &text, Style { format, faulty });
        }
        let format = match style {
            // what is typed over it stays text
            NumberStyle::Plain if is_text_column => NumberFormat::Text,
            style => NumberFormat::of_number(column.kind, number, style),
        };
        self.number(at, number, Style { format, faulty });
    }

    fn number(&mut self, at: usize, number: &str, style: Style) {
        self.typed(at, "n", number, style);
    }

    /// A cell with its value as it is.
    fn typed(&mut self, at: usize, kind: &str, value: &str, style: Style) {
        self.open(at, style);
        self.xml.extend_from_slice(br#" t=""#);
        self.xml.extend_from_slice(kind.as_bytes());
        self.xml.extend_from_slice(br#""><v>"#);
        push_value(&mut self.xml, value);
        self.xml.extend_from_slice(b"</v></c>");
    }

    fn text(&mut self, at: usize, text: &str, style: Style) {
        self.open(at, style);
        let kept = fitting(text);
        self.xml.extend_from_slice(if keeps_space(kept) {
            br#" t="inlineStr"><is><t xml:space="preserve">"#
        } else {
            br#" t="inlineStr"><is><t>"#.as_slice()
        });
        push_text(&mut self.xml, kept);
        self.xml.extend_from_slice(b"</t></is></c>");
    }

    fn open(&mut self, at: usize, style: Style) {
        self.xml.extend_from_slice(br#"<c r=""#);
        self.xml.extend_from_slice(self.letters[at].as_bytes());
        self.push_row_number();
        self.xml.push(b'"');
        let index = self.styles.index(style);
        if index > 0 {
            self.xml.extend_from_slice(br#" s=""#);
            self.xml
                .extend_from_slice(itoa::Buffer::new().format(index).as_bytes());
            self.xml.push(b'"');
        }
    }

    fn push_row_number(&mut self) {
        let mut digits = itoa::Buffer::new();
        self.xml
            .extend_from_slice(digits.format(self.last_row).as_bytes());
    }

    pub(super) fn finish(mut self, columns: &Columns) -> io::Result<()> {
        let range = format!(
            "A1:{}{}",
            self.letters[self.letters.len() - 1],
            self.last_row
        );
        let closing = self.frame.closing(columns, &range);
        self.sheet.write(closing.as_bytes())?;
        let mut zip = ZipArchiveWriter::new(&mut self.out);
        add(&mut zip, "[Content_Types].xml", &content_types(2))?;
        add(&mut zip, "_rels/.rels", &relations())?;
        let workbook = self.frame.workbook(self.calendar, &range);
        add(&mut zip, "xl/workbook.xml", &workbook)?;
        add(
            &mut zip,
            "xl/_rels/workbook.xml.rels",
            &workbook_relations(2),
        )?;
        add(&mut zip, "xl/styles.xml", &self.styles.part())?;
        self.sheet.add_to(&mut zip, "xl/worksheets/sheet1.xml")?;
        let hidden = self.frame.hidden_sheet();
        add(&mut zip, "xl/worksheets/sheet2.xml", &hidden)?;
        zip.finish().map_err(of_zip)?;
        self.out.flush()
    }
}

/// A value in which nothing is escaped for a sheet: numbers, ISO dates, errors.
fn push_value(xml: &mut Vec<u8>, value: &str) {
    if value.contains(['&', '<', '>']) {
        let mut escaped = String::new();
        push_name(&mut escaped, value);
        xml.extend_from_slice(escaped.as_bytes());
    } else {
        xml.extend_from_slice(value.as_bytes());
    }
}
