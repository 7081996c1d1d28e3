//! `_xHHHH_`: a character that XML cannot hold (ECMA-376, 22.9.2.19 ST_Xstring).

use memchr::memmem;

/// Decodes the escapes in `text` from the byte `from` on. Two that are halves of one character
/// make it; a half alone stays as it stands.
pub(super) fn decode(text: &mut String, from: usize) {
    if memmem::find(&text.as_bytes()[from..], b"_x").is_none() {
        return;
    }
    let escaped = text.split_off(from);
    let mut rest = escaped.as_str();
    while let Some(at) = rest.find("_x") {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        match character(rest) {
            Some((character, length)) => {
                text.push(character);
                rest = &rest[length..];
            }
            None => {
                text.push('_');
                rest = &rest[1..];
            }
        }
    }
    text.push_str(rest);
}

/// The character that the text begins with an escape of, and the escape's bytes.
fn character(text: &str) -> Option<(char, usize)> {
    let first = unit(text)?;
    if let Some(character) = char::from_u32(u32::from(first)) {
        return Some((character, 7));
    }
    let pair = [first, unit(&text[7..])?];
    let character = char::decode_utf16(pair).next()?.ok()?;
    Some((character, 14))
}

fn unit(text: &str) -> Option<u16> {
    let escape = text.as_bytes().get(..7)?;
    let hex = &escape[2..6];
    let whole = escape.starts_with(b"_x") && escape[6] == b'_';
    if !whole || !hex.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(text.get(2..6)?, 16).ok()
}
