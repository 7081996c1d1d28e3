//! Row errors as csv: UTF-8 with a byte order mark, comma, CRLF; text that a program could take for
//! a formula is guarded by `'`, as in exports (api.md, Settled details).

use actix_web::web::Bytes;
use domain::RowError;

const HEADER: &str = "\u{feff}row,sheet,column,field,code,value,message,related_rows\r\n";

/// The first part of the file, with its header.
pub(super) fn opening(errors: &[RowError]) -> Bytes {
    let mut out = HEADER.to_owned();
    errors.iter().for_each(|error| push(error, &mut out));
    out.into()
}

/// Any further part.
pub(super) fn lines(errors: &[RowError]) -> Bytes {
    let mut out = String::new();
    errors.iter().for_each(|error| push(error, &mut out));
    out.into()
}

fn push(error: &RowError, out: &mut String) {
    out.push_str(&error.row.to_string());
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let related: Vec<String> = error.related_rows.iter().map(u32::to_string).collect();
    for field in [
        text(&error.sheet),
        text(&error.column),
        text(&error.field),
        error.code.to_string(),
        text(&error.value),
        error.message.clone(),
        related.join(" "),
    ] {
        out.push(',');
        push_field(&field, out);
    }
    out.push_str("\r\n");
}

fn push_field(field: &str, out: &mut String) {
    let guard = if is_formula(field) { "'" } else { "" };
    if field.contains(['"', ',', '\r', '\n']) {
        let doubled = field.replace('"', "\"\"");
        out.push_str(&format!("\"{guard}{doubled}\""));
    } else {
        out.push_str(guard);
        out.push_str(field);
    }
}

/// A plain number stays one.
fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err()
}
