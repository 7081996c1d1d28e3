//! What a request for rows says, before any of its values is looked at.

use domain::{Dataset, ImportMode};
use serde_json::{Map, Value};

use crate::problem::{Code, Problem};

/// Most rows of a request.
const MAX_ROWS: usize = 1_000;

/// The rows and the mode of a body.
pub(super) fn read(
    dataset: &Dataset,
    body: &[u8],
) -> Result<(Vec<Map<String, Value>>, ImportMode), Problem> {
    let whole = |message: String| Problem::invalid("", message);
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| whole(format!("the body is not valid JSON: {error}")))?;
    let Value::Object(mut body) = body else {
        return Err(whole("the body must be a JSON object".to_owned()));
    };
    let mode = mode(dataset, body.remove("mode"))?;
    let rows = rows(body.remove("rows"))?;
    match body.keys().next() {
        None => Ok((rows, mode)),
        Some(name) => Err(Problem::unknown_field(name)),
    }
}

fn mode(dataset: &Dataset, wanted: Option<Value>) -> Result<ImportMode, Problem> {
    let modes = &dataset.import_modes;
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_null()) else {
        let insert = modes.iter().find(|mode| **mode == ImportMode::Insert);
        let first = insert.or(modes.first()).copied();
        return first.ok_or_else(|| Problem::invalid("mode", "the dataset takes no rows"));
    };
    let known = wanted.as_str().and_then(|word| word.parse().ok());
    known.filter(|mode| modes.contains(mode)).ok_or_else(|| {
        let modes: Vec<&str> = modes.iter().map(|mode| mode.as_str()).collect();
        Problem::invalid("mode", format!("mode is one of {}", modes.join(", ")))
    })
}

fn rows(wanted: Option<Value>) -> Result<Vec<Map<String, Value>>, Problem> {
    let Some(Value::Array(rows)) = wanted else {
        return Err(Problem::invalid("rows", "rows is a list of objects"));
    };
    if rows.len() > MAX_ROWS {
        let message = format!("at most {MAX_ROWS} rows are taken; import a file for more");
        return Err(Problem::at(Code::TooManyRows, "rows", message));
    }
    let row = |(index, row)| match row {
        Value::Object(row) => Ok(row),
        _ => Err(Problem::invalid(
            &format!("rows/{index}"),
            "a row is an object",
        )),
    };
    rows.into_iter().enumerate().map(row).collect()
}
