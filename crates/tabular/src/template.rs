//! Import templates: an empty file that says what may be filled in.
//!
//! A workbook holds the importable columns with their labels, a note with the rules on each, the
//! formats that keep what is typed (text for identifiers), drop-downs, and the [`Stamp`] in a very
//! hidden sheet. The same definition and locale give the same bytes.
//! Proven by `tests/it/template.rs`.

mod note;

use std::io::{self, Write};

use domain::{Column, Dataset};
use xlsxwriter::{
    Color, DataValidation, DocProperties, ExcelDateTime, Format, Formula, Note, Workbook,
    Worksheet, XlsxError,
};

use crate::csv;
use crate::language::Language;
use crate::look::{Choices, entry_format, list_range, width};
use crate::stamp::{STAMP_SHEET, Said, Stamp};
use crate::text::SheetNames;
use crate::xlsx::MAX_SHEET_ROWS;

const HEADER_FILL: Color = Color::RGB(0x00dd_ebf7);
const REQUIRED_FILL: Color = Color::RGB(0x00fc_e4d6);
const REQUIRED_TEXT: Color = Color::RGB(0x00c0_0000);
/// Size of a note, in pixels.
const NOTE_WIDTH: u32 = 280;
const NOTE_LINE_HEIGHT: u32 = 18;
/// Characters of a note's line, Chinese ones counting double.
const NOTE_LINE_CHARS: usize = 40;

/// Writes the template of a dataset as .xlsx.
///
/// # Errors
/// Those of `out`; what was written by then is no file.
pub fn write_template(dataset: &Dataset, locale: &str, out: impl Write + Send) -> io::Result<()> {
    let mut book = Workbook::new();
    // a moment of its own would make every file a different one
    let epoch = ExcelDateTime::from_ymd(2000, 1, 1).map_err(of_library)?;
    book.set_properties(&DocProperties::new().set_creation_datetime(&epoch));
    let mut sheet = Template {
        language: Language::of(locale),
        locale,
        main: Worksheet::new(),
        hidden: Worksheet::new(),
        lists: 0,
    };
    sheet.fill(dataset).map_err(of_library)?;
    book.push_worksheet(sheet.main);
    book.push_worksheet(sheet.hidden);
    book.save_to_writer(out).map_err(of_library)
}

/// Writes the template of a dataset as .csv: a byte order mark and the line of labels.
///
/// # Errors
/// Those of `out`.
pub fn write_csv_template(dataset: &Dataset, locale: &str, mut out: impl Write) -> io::Result<()> {
    let labels = importable(dataset).map(|column| column.label.get(locale));
    out.write_all(&csv::first_line(labels))
}

fn importable(dataset: &Dataset) -> impl Iterator<Item = &Column> {
    dataset.columns.iter().filter(|column| column.importable)
}

struct Template<'a> {
    language: Language,
    locale: &'a str,
    main: Worksheet,
    /// The stamp, and the lists that no rule can hold.
    hidden: Worksheet,
    lists: u16,
}

impl Template<'_> {
    fn fill(&mut self, dataset: &Dataset) -> Result<(), XlsxError> {
        let stamp = Stamp {
            dataset: dataset.name.clone(),
            version: dataset.version.clone(),
            task: None,
            said: Said::default(),
        };
        self.hidden.set_name(STAMP_SHEET)?.set_very_hidden(true);
        self.hidden.write_string(0, 0, stamp.json())?;
        let title = SheetNames::of(dataset.label.get(self.locale)).next();
        self.main.set_name(title)?.set_freeze_panes(1, 0)?;
        for (at, column) in (0..).zip(importable(dataset)) {
            self.column(at, column)?;
        }
        Ok(())
    }

    fn column(&mut self, at: u16, column: &Column) -> Result<(), XlsxError> {
        let label = column.label.get(self.locale);
        self.main.set_column_width(at, width(Some(column), label))?;
        if let Some(format) = entry_format(column.kind) {
            self.main
                .set_column_format(at, &Format::new().set_num_format(format))?;
        }
        self.main
            .write_string_with_format(0, at, label, &header_format(column.required))?;
        self.main.insert_note(0, at, &self.note(column))?;
        if let Some(choices) = Choices::of(column, self.language) {
            let rule = self.rule(&choices)?;
            self.main
                .add_data_validation(1, at, MAX_SHEET_ROWS - 1, at, &rule)?;
        }
        Ok(())
    }

    fn note(&self, column: &Column) -> Note {
        let lines = note::lines(column, self.language);
        let shown: usize = lines
            .iter()
            .map(|line| usize::from(crate::text::display_width(line)) / NOTE_LINE_CHARS + 1)
            .sum();
        let height = u32::try_from(shown + 1).unwrap_or(u32::MAX);
        Note::new(lines.join("\n"))
            .add_author_prefix(false)
            .set_width(NOTE_WIDTH)
            .set_height(height.saturating_mul(NOTE_LINE_HEIGHT))
    }

    fn rule(&mut self, choices: &Choices) -> Result<DataValidation, XlsxError> {
        let rule = DataValidation::new().show_error_message(choices.strict);
        if choices.fits_inline() {
            return rule.allow_list_strings(&choices.values);
        }
        let list = self.lists;
        self.lists += 1;
        for (row, value) in (0..).zip(&choices.values) {
            match value.parse::<f64>() {
                Ok(number) if choices.numeric => self.hidden.write_number(row, list + 1, number)?,
                _ => self.hidden.write_string(row, list + 1, value)?,
            };
        }
        let range = list_range(list, choices.values.len());
        Ok(rule.allow_list_formula(Formula::new(range)))
    }
}

fn header_format(required: bool) -> Format {
    let plain = Format::new().set_bold().set_num_format("@");
    if required {
        plain
            .set_font_color(REQUIRED_TEXT)
            .set_background_color(REQUIRED_FILL)
    } else {
        plain.set_background_color(HEADER_FILL)
    }
}

fn of_library(error: XlsxError) -> io::Error {
    match error {
        XlsxError::IoError(error) => error,
        other => io::Error::other(other),
    }
}
