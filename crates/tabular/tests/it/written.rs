//! Writes files for the tests and reads them back.

use std::io::{self, Cursor, Read};

use calamine::{Data, Range, Reader, Xlsx};
use chrono_tz::Tz;
use domain::{Cell, ColumnType, ExportFormat, RowChunk};
use tabular::{
    Block, Cutter, Layout, MAX_SHEET_ROWS, OutputColumn, Piece, Press, Summary, assemble,
};

/// Rows of a chunk: few, so that every file is put together of many blocks.
const CHUNK_ROWS: usize = 3;
const ZIP_LEVEL: u32 = 1;

/// A file in memory, with what its writer said of it.
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
        format: ExportFormat::Xlsx,
        title: "员工信息".into(),
        columns,
        zone: Tz::Asia__Shanghai,
        header: true,
        null_text: None,
        guard_formulas: true,
        rows_per_sheet: MAX_SHEET_ROWS,
        rows_per_file: None,
    }
}

/// Chunks of so many rows.
pub(crate) fn chunks<'a>(
    rows: impl IntoIterator<Item = Vec<Cell<'a>>>,
    width: usize,
    chunk_rows: usize,
) -> Vec<RowChunk> {
    let mut chunks = Vec::new();
    let mut chunk = RowChunk::with_capacity(width, chunk_rows);
    for row in rows {
        row.into_iter().for_each(|cell| chunk.push(cell));
        if chunk.len() == chunk_rows {
            let empty = RowChunk::with_capacity(width, chunk_rows);
            chunks.push(std::mem::replace(&mut chunk, empty));
        }
    }
    if !chunk.is_empty() {
        chunks.push(chunk);
    }
    chunks
}

/// All pieces of the chunks.
pub(crate) fn pieces(layout: &Layout, chunks: impl IntoIterator<Item = RowChunk>) -> Vec<Piece> {
    let mut cutter = Cutter::new(layout);
    let mut pieces: Vec<Piece> = chunks.into_iter().flat_map(|it| cutter.cut(it)).collect();
    pieces.extend(cutter.finish());
    pieces
}

/// The blocks of pieces, made on two threads.
pub(crate) fn blocks(press: &Press, pieces: &[Piece]) -> Vec<Block> {
    let (front, back) = pieces.split_at(pieces.len() / 2);
    let made =
        |pieces: &[Piece]| -> Vec<Block> { pieces.iter().map(|it| press.block(it)).collect() };
    std::thread::scope(|threads| {
        let second = threads.spawn(|| made(back));
        let mut blocks = made(front);
        blocks.extend(second.join().unwrap());
        blocks
    })
}

pub(crate) fn write_chunks(layout: &Layout, chunks: Vec<RowChunk>) -> Written {
    let press = Press::new(layout, false, ZIP_LEVEL);
    let blocks = blocks(&press, &pieces(layout, chunks));
    let mut bytes = Vec::new();
    let summary = assemble(
        layout,
        None,
        blocks.into_iter().map(Ok::<_, io::Error>),
        &mut bytes,
    );
    Written {
        bytes,
        summary: summary.unwrap(),
    }
}

pub(crate) fn write(layout: Layout, rows: &[Vec<Cell<'_>>]) -> Written {
    let width = layout.columns.len();
    write_chunks(&layout, chunks(rows.to_vec(), width, CHUNK_ROWS))
}

/// Several files in a zip, named `1`, `2`, … with the format's ending.
pub(crate) fn write_zip(layout: &Layout, rows: &[Vec<Cell<'_>>]) -> Written {
    let press = Press::new(layout, true, ZIP_LEVEL);
    let chunks = chunks(rows.to_vec(), layout.columns.len(), CHUNK_ROWS);
    let blocks = blocks(&press, &pieces(layout, chunks));
    let ending = layout.format.as_str();
    let name = |number: u64| format!("部分_{number}.{ending}");
    let mut bytes = Vec::new();
    let blocks = blocks.into_iter().map(Ok::<_, io::Error>);
    let summary = assemble(layout, Some(&name), blocks, &mut bytes).unwrap();
    Written { bytes, summary }
}

/// One column of cells without header, as they read back.
pub(crate) fn read_back(column: OutputColumn, cells: Vec<Cell<'_>>) -> (Vec<Data>, Summary) {
    let count = cells.len();
    let rows: Vec<Vec<Cell<'_>>> =
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
        self.sheet(0)
    }

    pub(crate) fn sheet(&self, index: usize) -> Range<Data> {
        let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(self.bytes.as_slice())).unwrap();
        workbook.worksheet_range_at(index).unwrap().unwrap()
    }

    pub(crate) fn sheet_names(&self) -> Vec<String> {
        let workbook: Xlsx<_> = Xlsx::new(Cursor::new(self.bytes.as_slice())).unwrap();
        workbook.sheet_names()
    }

    /// Names of the entries, in their order in the file.
    pub(crate) fn entries(&self) -> Vec<String> {
        let archive = zip::ZipArchive::new(Cursor::new(self.bytes.as_slice())).unwrap();
        archive
            .file_names()
            .map(|name| name.unwrap().into_owned())
            .collect()
    }

    /// The bytes of an entry; its checksum is checked.
    pub(crate) fn entry(&self, name: &str) -> Vec<u8> {
        let mut archive = zip::ZipArchive::new(Cursor::new(self.bytes.as_slice())).unwrap();
        let mut bytes = Vec::new();
        archive
            .by_name(name)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    }

    /// The raw text of a part.
    pub(crate) fn part(&self, name: &str) -> String {
        String::from_utf8(self.entry(name)).unwrap()
    }
}

/// Blocks that cannot fail.
pub(crate) fn sure(blocks: Vec<Block>) -> impl Iterator<Item = Result<Block, Broken>> {
    blocks.into_iter().map(Ok)
}

/// What can go wrong in a test.
#[derive(Debug)]
pub(crate) enum Broken {
    Rows(&'static str),
    Output(io::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
