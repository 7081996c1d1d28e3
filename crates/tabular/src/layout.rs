//! What a file's columns are, whatever its format.

use chrono_tz::Tz;
use domain::{Column, ColumnType, Dataset, ExportFormat, ExportSpec, FieldFault};

use crate::xlsx::MAX_SHEET_ROWS;

/// One column of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputColumn {
    pub label: String,
    pub kind: ColumnType,
    /// In characters; without one it is chosen by label, type and the first rows.
    pub width: Option<f64>,
    /// Number format as Excel writes it; without one it is the type's own.
    pub format: Option<String>,
    /// Digits after the point of a decimal.
    pub scale: Option<u8>,
    /// The zone of the wall-clock times in a datetime column.
    pub stored_in: Tz,
}

impl OutputColumn {
    fn of(column: &Column, locale: &str) -> Self {
        Self {
            label: column.label.get(locale).to_owned(),
            kind: column.kind,
            width: column.width,
            format: column.format.clone(),
            scale: column.scale,
            stored_in: column.stored_in,
        }
    }
}

/// The shape of a file: its columns and how values are written.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    pub format: ExportFormat,
    /// What the file is about; becomes the sheet's name.
    pub title: String,
    pub columns: Vec<OutputColumn>,
    /// Moments are written in this zone.
    pub zone: Tz,
    /// Write a first row of labels.
    pub header: bool,
    /// Written in place of null; without it the cell is blank.
    pub null_text: Option<String>,
    /// Keep text of a csv from being taken for a formula.
    pub guard_formulas: bool,
    /// Data rows of a sheet; never more than it holds.
    pub rows_per_sheet: u32,
    /// Data rows of a file; what is more goes into further files, all of them in a zip.
    pub rows_per_file: Option<u64>,
}

impl Layout {
    /// The layout of an export.
    ///
    /// # Errors
    /// When the definition has lost a column since the request was checked.
    pub fn of(dataset: &Dataset, spec: &ExportSpec) -> Result<Self, FieldFault> {
        let columns = spec.resolve(dataset)?.columns;
        Ok(Self {
            format: spec.format,
            title: dataset.label.get(&spec.locale).to_owned(),
            columns: columns
                .iter()
                .map(|column| OutputColumn::of(column, &spec.locale))
                .collect(),
            zone: spec.timezone,
            header: spec.options.header,
            null_text: spec.options.null_text.clone(),
            guard_formulas: spec.options.guard_formulas,
            rows_per_sheet: spec.options.sheet_rows(),
            rows_per_file: spec.options.rows_per_file,
        })
    }

    /// Data rows that go into one sheet; a csv has no such bound.
    pub(crate) fn data_rows_per_sheet(&self) -> u32 {
        match self.format {
            ExportFormat::Csv => u32::MAX,
            ExportFormat::Xlsx => {
                let room = MAX_SHEET_ROWS - u32::from(self.header);
                self.rows_per_sheet.clamp(1, room)
            }
        }
    }
}
