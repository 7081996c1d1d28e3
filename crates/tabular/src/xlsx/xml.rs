//! Text as XML and as a sheet reads it.

/// Adds an attribute's value or an element's text in which nothing is escaped for a sheet: names.
pub(crate) fn push_name(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
}

/// Adds a cell's text. What XML cannot hold is written `_xHHHH_` (ECMA-376 part 1, 22.9.2.19,
/// ST_Xstring); text that would be read as such an escape gets its underscore escaped.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut done = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if !IS_SPECIAL[usize::from(*byte)] {
            continue;
        }
        let Some((escape, length)) = escape(bytes, at) else {
            continue;
        };
        out.extend_from_slice(&bytes[done..at]);
        push_escape(out, escape);
        done = at + length;
    }
    out.extend_from_slice(&bytes[done..]);
}

/// Bytes at which [`push_text`] looks twice.
const IS_SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        // tab and line feed are what they are
        table[byte] = byte != 0x09 && byte != 0x0a;
        byte += 1;
    }
    table[b'&' as usize] = true;
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[b'_' as usize] = true;
    // the first byte of U+FFFE and U+FFFF
    table[0xef] = true;
    table
};

enum Escape {
    Entity(&'static [u8]),
    Code(u16),
}

/// What stands for the character at `at`, and its length in bytes; none if it may stay.
fn escape(bytes: &[u8], at: usize) -> Option<(Escape, usize)> {
    match bytes[at] {
        b'&' => Some((Escape::Entity(b"&amp;"), 1)),
        b'<' => Some((Escape::Entity(b"&lt;"), 1)),
        b'>' => Some((Escape::Entity(b"&gt;"), 1)),
        b'_' => is_like_escape(bytes, at).then_some((Escape::Code(0x5f), 1)),
        0xef => match bytes.get(at + 1..at + 3) {
            Some([0xbf, 0xbe]) => Some((Escape::Code(0xfffe), 3)),
            Some([0xbf, 0xbf]) => Some((Escape::Code(0xffff), 3)),
            _ => None,
        },
        control => Some((Escape::Code(control.into()), 1)),
    }
}

/// Whether a reader would take what begins at `at` for an escape: `_x0041_`, or `_x0041` before a
/// character that is itself written as an escape and lends it the underscore.
fn is_like_escape(bytes: &[u8], at: usize) -> bool {
    let Some([b'x', digits @ .., closing]) = bytes.get(at + 1..at + 7) else {
        return false;
    };
    digits.iter().all(u8::is_ascii_hexdigit)
        && (*closing == b'_' || escape(bytes, at + 6).is_some_and(|(it, _)| is_code(&it)))
}

fn is_code(escape: &Escape) -> bool {
    matches!(escape, Escape::Code(_))
}

fn push_escape(out: &mut Vec<u8>, escape: Escape) {
    match escape {
        Escape::Entity(entity) => out.extend_from_slice(entity),
        Escape::Code(code) => out.extend_from_slice(format!("_x{code:04X}_").as_bytes()),
    }
}

/// Whether a reader would drop white space of the text unless told to keep it.
pub(crate) fn keeps_space(text: &str) -> bool {
    let is_space = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    let bytes = text.as_bytes();
    is_space(bytes.first())
        || is_space(bytes.last())
        || bytes.iter().any(|byte| matches!(byte, b'\n' | b'\t'))
        || text.contains("  ")
}
