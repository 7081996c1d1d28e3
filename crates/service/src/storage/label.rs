//! What a stored file is called and of what type it is, for whoever downloads it: in the headers of
//! our own answers, and as attributes of an object that a client gets straight from a bucket.

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

/// A file's label, made from its name alone: `成员_20261121.xlsx`.
#[derive(Clone, Copy, Debug)]
pub struct Label<'a> {
    file_name: &'a str,
}

impl<'a> Label<'a> {
    /// The label of a file called `file_name`, in any script.
    #[must_use]
    pub fn new(file_name: &'a str) -> Self {
        Self { file_name }
    }

    /// The media type, by the name's ending; bytes of any kind when the ending is not known.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        match self.file_name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Some("csv") => "text/csv; charset=utf-8",
            Some("zip") => "application/zip",
            _ => "application/octet-stream",
        }
    }

    /// The value of a `Content-Disposition` header (RFC 6266, RFC 8187), ASCII only: `attachment`
    /// with the name in ASCII for old clients and in full for all others.
    #[must_use]
    pub fn content_disposition(&self) -> String {
        let full = utf8_percent_encode(self.file_name, ESCAPED);
        format!(
            "attachment; filename=\"{}\"; filename*=UTF-8''{full}",
            ascii(self.file_name)
        )
    }
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
