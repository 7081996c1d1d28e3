//! Writes sheets for the tests and reads them back.

use std::io::{Cursor, Read};
use std::path::Path;

use calamine::{Data, Range, Reader, Xlsx};
use chrono_tz::Tz;
use domain::{Cell, ColumnType};
use tabular::{Layout, OutputColumn, SheetWriter, Summary};

/// A workbook in memory, with what its writer said of it.
pub(crate) struct Written {
    pub(crate) bytes: Vec<u8>,
    pub(crate) summary: Summary,
}

pub(crate) fn column(label: &str, kind: ColumnType) -> OutputColumn {
    OutputColumn {
        label: label.into(),
        kind,
        width: None,
        format: None,
        scale: None,
        stored_in: Tz::UTC,
    }
}

pub(crate) fn layout(columns: Vec<OutputColumn>) -> Layout {
    Layout {
        title: "员工信息".into(),
        columns,
        zone: Tz::Asia__Shanghai,
        header: true,
        null_text: None,
    }
}

pub(crate) fn write(layout: Layout, rows: &[Vec<Cell>]) -> Written {
    let dir = tempfile::tempdir().unwrap();
    let written = write_in(layout, rows, dir.path());
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "temporary files left"
    );
    written
}

fn write_in(layout: Layout, rows: &[Vec<Cell>], dir: &Path) -> Written {
    let mut writer = SheetWriter::create(layout, dir).unwrap();
    for row in rows {
        writer.write_row(row).unwrap();
    }
    let mut bytes = Vec::new();
    let summary = writer.finish(&mut bytes).unwrap();
    Written { bytes, summary }
}

/// One column of cells without header, as they read back.
pub(crate) fn read_back(column: OutputColumn, cells: Vec<Cell>) -> (Vec<Data>, Summary) {
    let count = cells.len();
    let rows: Vec<Vec<Cell>> =
        // the second column keeps rows apart that would be empty
        cells.into_iter().map(|cell| vec![cell, Cell::Int(1)]).collect();
    let shape = Layout {
        header: false,
        ..layout(vec![column, self::column("n", ColumnType::Integer)])
    };
    let written = write(shape, &rows);
    let range = written.range();
    let value = |row| range.get_value((row, 0)).cloned().unwrap_or(Data::Empty);
    let values = (0..u32::try_from(count).unwrap()).map(value).collect();
    (values, written.summary)
}

impl Written {
    pub(crate) fn range(&self) -> Range<Data> {
        let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(self.bytes.as_slice())).unwrap();
        workbook.worksheet_range_at(0).unwrap().unwrap()
    }

    pub(crate) fn sheet_names(&self) -> Vec<String> {
        let workbook: Xlsx<_> = Xlsx::new(Cursor::new(self.bytes.as_slice())).unwrap();
        workbook.sheet_names()
    }

    /// The raw text of a part.
    pub(crate) fn part(&self, name: &str) -> String {
        let mut archive = zip::ZipArchive::new(Cursor::new(self.bytes.as_slice())).unwrap();
        let mut text = String::new();
        archive
            .by_name(name)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    }
}
