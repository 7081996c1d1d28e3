//! `Content-Disposition` for a file with any name (RFC 6266, RFC 8187).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What `filename*` must escape: all but `attr-char` of RFC 8187.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// `attachment` with the name in ASCII for old clients and in full for all others.
pub(crate) fn attachment(name: &str) -> String {
    let full = utf8_percent_encode(name, ESCAPED);
    format!(
        "attachment; filename=\"{}\"; filename*=UTF-8''{full}",
        ascii(name)
    )
}

/// The name with each run of characters that a quoted string cannot carry safely as one `_`.
fn ascii(name: &str) -> String {
    let mut fallback = String::with_capacity(name.len());
    for character in name.chars() {
        let plain = character.is_ascii_graphic() || character == ' ';
        if plain && !matches!(character, '"' | '\\' | '%' | '/' | ';') {
            fallback.push(character);
        } else if !fallback.ends_with('_') {
            fallback.push('_');
        }
    }
    fallback
}
