//! Bounds and oddities of text in a sheet.

/// Most UTF-16 units in one cell (Excel's specifications and limits).
const MAX_CELL_UNITS: usize = 32_767;
/// Most UTF-16 units in a sheet's name.
const MAX_NAME_UNITS: usize = 31;

/// The text as far as a cell can hold it, never cutting a character in two.
pub(crate) fn fitting(text: &str) -> &str {
    // a UTF-8 byte is at most one UTF-16 unit, so most text is settled by its length
    if text.len() <= MAX_CELL_UNITS {
        text
    } else {
        prefix(text, MAX_CELL_UNITS)
    }
}

fn prefix(text: &str, most_units: usize) -> &str {
    let mut units = 0;
    for (at, c) in text.char_indices() {
        units += c.len_utf16();
        if units > most_units {
            return &text[..at];
        }
    }
    text
}

/// Where text must be split into two runs so that it reads back as it is: `_x0041` before a
/// control character, which is escaped as `_x0008_`, would lend it the underscore that makes
/// `_x0041_` an escape itself.
pub(crate) fn false_escape(text: &str) -> Option<usize> {
    let follows = |end: usize| {
        let next = text[end..].chars().next();
        next.is_some_and(|c| matches!(c, '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}'))
    };
    text.match_indices("_x").map(|(at, _)| at + 6).find(|&end| {
        let digits = text.get(end - 4..end);
        digits.is_some_and(|it| it.bytes().all(|b| b.is_ascii_hexdigit())) && follows(end)
    })
}

/// A name that Excel takes for a sheet.
pub(crate) fn sheet_name(title: &str) -> String {
    let forbidden = |c: char| c.is_control() || "*?:[]\\/".contains(c);
    let clean: String = title
        .chars()
        .map(|c| if forbidden(c) { '_' } else { c })
        .collect();
    let name = prefix(clean.trim(), MAX_NAME_UNITS).trim_matches(|c: char| c == '\'' || c == ' ');
    // `History` is reserved for shared workbooks
    match name {
        "" => "Sheet1".to_owned(),
        name if name.eq_ignore_ascii_case("history") => format!("{name}_"),
        name => name.to_owned(),
    }
}

/// Width as people see it: East Asian characters and emoji count double.
pub(crate) fn display_width(text: &str) -> u16 {
    let width = |c: char| match u32::from(c) {
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    };
    text.chars().map(width).fold(0, u16::saturating_add)
}
