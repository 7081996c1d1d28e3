//! What nobody sees at the ends of a text.

/// White space of any script, and characters of no width.
pub(super) fn is_padding(letter: char) -> bool {
    letter.is_whitespace() || is_invisible(letter)
}

/// Characters of no width: marks of direction, joiners, soft hyphen, byte order mark.
pub(super) fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The text without padding at its ends.
pub(super) fn trimmed(text: &str) -> &str {
    let visible = |byte: Option<&u8>| byte.is_some_and(|byte| (0x21..0x7f).contains(byte));
    let bytes = text.as_bytes();
    if visible(bytes.first()) && visible(bytes.last()) {
        text
    } else {
        text.trim_matches(is_padding)
    }
}

/// Whether there is nothing to see.
pub(super) fn is_blank(text: &str) -> bool {
    let visible = |byte: &u8| (0x21..0x7f).contains(byte);
    !text.as_bytes().first().is_some_and(visible) && text.chars().all(is_padding)
}
