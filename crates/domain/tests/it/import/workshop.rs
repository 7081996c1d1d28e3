//! Datasets, sheets and imports for the tests of this room.

use chrono_tz::Tz;
use domain::{
    Calendar, Catalog, Dataset, ExportDefaults, Failure, Field, Fields, Header, ImportRequest,
    ImportSpec, Mapping, NumberStyle, RowCheck, RowCode, RowError, SheetCell, SheetChunk,
    TaskFileId, Upload, UploadFormat,
};
use serde_json::{Value, json};

pub(crate) fn upload() -> Upload {
    Upload {
        file: TaskFileId(7),
        object_key: "acme/uploads/one.xlsx".into(),
        name: "members.xlsx".into(),
        size: 4_096,
        sha256: "00".into(),
        format: UploadFormat::Xlsx,
    }
}

pub(crate) fn defaults() -> ExportDefaults {
    ExportDefaults {
        locale: "zh-CN".into(),
        timezone: Tz::Asia__Shanghai,
    }
}

/// A dataset `thing` with a text key `code` and the given further columns and top-level lines.
pub(crate) fn thing_with(lines: &str, columns: &str) -> Catalog {
    let text = format!(
        r#"
name = "thing"
label = {{ zh-CN = "东西", en = "Thing" }}
version = "1"
table = "thing"
primary_key = ["id"]
key = ["code"]
shared = true
import_modes = ["insert", "upsert", "update"]
{lines}
columns = [
  {{ name = "code", label = {{ zh-CN = "编码", en = "Code" }}, type = "string" }},
  {columns}
]
"#
    );
    Catalog::parse([("thing.toml", text)]).unwrap()
}

pub(crate) fn thing(columns: &str) -> Catalog {
    thing_with("", columns)
}

/// A catalog with one further column `it`, of which `rules` are all but name and label.
pub(crate) fn column(rules: &str) -> Catalog {
    thing(&format!(
        r#"{{ name = "it", label = {{ zh-CN = "它", en = "It" }}, {rules} }},"#
    ))
}

pub(crate) fn spec(catalog: &Catalog, options: &Value) -> ImportSpec {
    let name = catalog.iter().next().unwrap().name.clone();
    ImportRequest::read(&name, Some(options.to_string().as_bytes()))
        .unwrap()
        .check(catalog, &defaults(), upload(), false)
        .unwrap()
}

pub(crate) fn only(catalog: &Catalog) -> &Dataset {
    catalog.iter().next().unwrap()
}

/// A sheet of one cell per column; rows are numbered from `first`.
pub(crate) fn sheet(first: u32, rows: &[&[SheetCell<'_>]]) -> SheetChunk {
    let mut chunk = SheetChunk::new();
    for (number, row) in (first..).zip(rows) {
        chunk.begin_row(number, false);
        for (column, cell) in (0..).zip(*row) {
            chunk.push(column, false, *cell);
        }
    }
    chunk
}

pub(crate) fn text_row<'a>(texts: &[&'a str]) -> Vec<SheetCell<'a>> {
    texts.iter().map(|text| SheetCell::Text(text)).collect()
}

pub(crate) fn header(texts: &[&str]) -> Vec<(u16, String)> {
    (0..)
        .zip(texts.iter().map(|text| (*text).to_owned()))
        .collect()
}

pub(crate) fn map(catalog: &Catalog, options: &Value, texts: &[&str]) -> Result<Mapping, Failure> {
    let spec = spec(catalog, options);
    let extra = |text: &str| text == "错误信息";
    Mapping::of(
        only(catalog),
        &spec.options,
        &spec.locale,
        &header(texts),
        &extra,
    )
}

pub(crate) fn find(catalog: &Catalog, options: &Value, chunk: &SheetChunk) -> Option<Header> {
    let spec = spec(catalog, options);
    Mapping::find_header(only(catalog), &spec.options, chunk.rows())
}

/// A check of sheets whose header is the dataset's importable columns by name, in their order.
pub(crate) fn check_in(catalog: &Catalog, options: &Value, calendar: Calendar) -> RowCheck {
    let names: Vec<&str> = only(catalog)
        .columns
        .iter()
        .filter(|column| column.importable)
        .map(|column| column.name.as_str())
        .collect();
    check_of(catalog, options, calendar, &names)
}

/// A check of sheets with this header.
pub(crate) fn check_of(
    catalog: &Catalog,
    options: &Value,
    calendar: Calendar,
    names: &[&str],
) -> RowCheck {
    let mapping = map(catalog, options, names).unwrap();
    let spec = spec(catalog, options);
    RowCheck::new(only(catalog), &mapping, &spec, Some("Sheet1"), calendar).unwrap()
}

pub(crate) fn check(catalog: &Catalog, options: &Value) -> RowCheck {
    check_in(catalog, options, Calendar::From1900)
}

/// What a field became, for comparing.
pub(crate) fn told(field: Field<'_>) -> String {
    match field {
        Field::Missing => "<missing>".into(),
        Field::Null => "<null>".into(),
        Field::Keep => "<keep>".into(),
        Field::Text(text) => text.into(),
    }
}

/// Checks one row of cells.
pub(crate) fn row(check: &RowCheck, cells: &[SheetCell<'_>]) -> (Vec<String>, Vec<RowError>) {
    let chunk = sheet(2, &[cells]);
    let mut fields = Fields::new();
    let result = check.check(chunk.rows().next().unwrap(), &mut fields);
    (
        fields.iter().map(told).collect(),
        result.err().unwrap_or_default(),
    )
}

/// What a cell becomes in the column `it`.
pub(crate) fn cell_in(
    catalog: &Catalog,
    options: &Value,
    calendar: Calendar,
    cell: SheetCell<'_>,
) -> Result<String, Box<RowError>> {
    let check = check_in(catalog, options, calendar);
    let (mut fields, mut errors) = row(&check, &[SheetCell::Text("c1"), cell]);
    assert_eq!(fields.len(), 2);
    match errors.pop() {
        None => Ok(fields.remove(1)),
        Some(error) => {
            assert!(errors.is_empty(), "{errors:?}");
            assert_eq!(
                (fields[1].as_str(), error.field.as_deref()),
                ("<missing>", Some("it"))
            );
            assert_eq!((error.row, error.column.as_deref()), (2, Some("B")));
            Err(Box::new(error))
        }
    }
}

/// The value or the code of a cell in a column of these rules.
pub(crate) fn it(rules: &str, cell: SheetCell<'_>) -> Result<String, RowCode> {
    cell_in(&column(rules), &json!({}), Calendar::From1900, cell).map_err(|error| error.code)
}

pub(crate) fn ok(text: &str) -> Result<String, RowCode> {
    Ok(text.to_owned())
}

pub(crate) fn number(text: &str) -> SheetCell<'_> {
    SheetCell::Number(text, NumberStyle::Plain)
}

pub(crate) fn dated(text: &str) -> SheetCell<'_> {
    SheetCell::Number(text, NumberStyle::Date)
}
