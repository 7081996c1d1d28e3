//! Bounds and oddities of text in a sheet.

/// Most UTF-16 units in one cell: all that Excel asks of a text in a file (MS-OI29500 2.1.706, `t`).
/// The 253 line feeds of its specifications and limits are not told of files, nor is a file known that
/// was refused for them. They are not counted: a cut would lose what was there, and, with the next
/// import of the file, take it out of the table.
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

/// Names that Excel takes for sheets, each given once.
#[derive(Debug)]
pub(crate) struct SheetNames {
    base: String,
    taken: Vec<String>,
}

impl SheetNames {
    /// Names made of a title: itself, then with ` (2)`, ` (3)`, …
    pub(crate) fn of(title: &str) -> Self {
        Self {
            base: sheet_name(title),
            taken: Vec::new(),
        }
    }

    /// The next name. No two are equal, whatever the case of their letters.
    pub(crate) fn next(&mut self) -> String {
        let mut number = self.taken.len() + 1;
        loop {
            let name = self.numbered(number);
            let folded = name.to_lowercase();
            if !self.taken.contains(&folded) {
                self.taken.push(folded);
                return name;
            }
            number += 1;
        }
    }

    fn numbered(&self, number: usize) -> String {
        if number == 1 {
            return self.base.clone();
        }
        let suffix = format!(" ({number})");
        let room = MAX_NAME_UNITS - suffix.len();
        prefix(&self.base, room).to_owned() + &suffix
    }
}

fn sheet_name(title: &str) -> String {
    let clean: String = title
        .chars()
        .map(|c| if is_forbidden(c) { '_' } else { c })
        .collect();
    let outer = |c: char| c == '\'' || c.is_whitespace();
    let name = prefix(clean.trim_matches(outer), MAX_NAME_UNITS).trim_matches(outer);
    // `History` is reserved for shared workbooks
    match name {
        "" => "Sheet1".to_owned(),
        name if name.eq_ignore_ascii_case("history") => format!("{name}_"),
        name => name.to_owned(),
    }
}

fn is_forbidden(c: char) -> bool {
    c.is_control() || "*?:[]\\/".contains(c) || matches!(c, '\u{fffe}' | '\u{ffff}')
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
