//! What a file's columns are, whatever its format.

use chrono_tz::Tz;
use domain::{Column, ColumnType, Dataset, ExportSpec, FieldFault};

/// One column of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputColumn {
    pub label: String,
    pub kind: ColumnType,
    /// In characters; without one it is chosen by label and type.
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
    /// What the file is about; becomes the sheet's name.
    pub title: String,
    pub columns: Vec<OutputColumn>,
    /// Moments are written in this zone.
    pub zone: Tz,
    /// Write a first row of labels.
    pub header: bool,
    /// Written in place of null; without it the cell is blank.
    pub null_text: Option<String>,
}

impl Layout {
    /// The layout of an export.
    ///
    /// # Errors
    /// When the definition has lost a column since the request was checked.
    pub fn of(dataset: &Dataset, spec: &ExportSpec) -> Result<Self, FieldFault> {
        let columns = spec.resolve(dataset)?.columns;
        Ok(Self {
            title: dataset.label.get(&spec.locale).to_owned(),
            columns: columns
                .iter()
                .map(|column| OutputColumn::of(column, &spec.locale))
                .collect(),
            zone: spec.timezone,
            header: spec.options.header,
            null_text: spec.options.null_text.clone(),
        })
    }
}
