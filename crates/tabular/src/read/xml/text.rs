//! Characters, decoded.

use memchr::{memchr, memchr2};

use crate::read::Refusal;

/// Appends text as it stands in the file: references resolved, line ends as XML has them.
pub(crate) fn push_text(raw: &[u8], out: &mut String) -> Result<(), Refusal> {
    let mut rest = utf8(raw)?;
    while let Some(at) = memchr2(b'&', b'\r', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let special = &rest[at..];
        rest = match special.strip_prefix('\r') {
            Some(behind) => line_end(behind, out),
            None => reference(special, out)?,
        };
    }
    out.push_str(rest);
    Ok(())
}

/// Appends the inside of a CDATA section.
pub(super) fn push_cdata(raw: &[u8], out: &mut String) -> Result<(), Refusal> {
    let mut rest = utf8(raw)?;
    while let Some(at) = memchr(b'\r', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = line_end(&rest[at + 1..], out);
    }
    out.push_str(rest);
    Ok(())
}

/// CR LF and CR alone are LF (XML 1.0, 2.11).
fn line_end<'a>(behind: &'a str, out: &mut String) -> &'a str {
    out.push('\n');
    behind.strip_prefix('\n').unwrap_or(behind)
}

fn reference<'a>(text: &'a str, out: &mut String) -> Result<&'a str, Refusal> {
    let unknown = || Refusal::broken("a part refers to an entity that XML does not know");
    let end = text.bytes().take(12).position(|byte| byte == b';');
    let end = end.ok_or_else(unknown)?;
    let character = match &text[1..end] {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        name => numbered(name).ok_or_else(unknown)?,
    };
    out.push(character);
    Ok(&text[end + 1..])
}

fn numbered(name: &str) -> Option<char> {
    let digits = name.strip_prefix('#')?;
    let number = match digits.strip_prefix('x') {
        Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u32::from_str_radix(hex, 16).ok()?
        }
        None if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    char::from_u32(number).filter(|character| *character != '\0')
}

/// Bytes of the file as text.
pub(crate) fn utf8(raw: &[u8]) -> Result<&str, Refusal> {
    // the error would show where in the user's text it lies, which helps nobody
    #[expect(clippy::map_err_ignore, reason = "it says only at which byte")]
    std::str::from_utf8(raw).map_err(|_| Refusal::broken("a part is not in UTF-8"))
}
