//! What collations take for equal beyond what Unicode says of case, accents and width.
//!
//! `fold_table.txt` was made from the weights that MySQL gives to every character. Left out are
//! utf8mb4_persian_ci and single letters of a language's own collation that would make unlike ASCII
//! letters one (`Ę` is `ä` in Swedish). What is missed this way is told by the database when the row
//! is written.

use std::sync::LazyLock;

/// First of each run of ten decimal digits in the Basic Multilingual Plane (Unicode, category Nd).
const ZEROS: [u32; 36] = [
    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66,
    0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
];
const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// Character and what it counts as, by rising character.
static TABLE: LazyLock<Vec<(u32, &str)>> = LazyLock::new(|| {
    let mut table = Vec::new();
    for line in include_str!("fold_table.txt").lines() {
        let mut words = line.split(' ');
        let target = words.next().filter(|target| *target != "#");
        let target = target.map(|it| if it == "-" { "" } else { it });
        for code in words.filter_map(|word| u32::from_str_radix(word, 16).ok()) {
            table.extend(target.map(|target| (code, target)));
        }
    }
    for zero in ZEROS {
        table.extend((zero..).zip(DIGITS));
    }
    table.sort_unstable();
    table
});

/// What a character that is not ASCII counts as, if not as itself.
pub(super) fn same(letter: char) -> Option<&'static str> {
    let code = u32::from(letter);
    if code > 0xffff {
        // older collations take everything beyond the first plane for one character
        return Some("\u{fffd}");
    }
    let found = TABLE.binary_search_by_key(&code, |(code, _)| *code);
    found.ok().map(|at| TABLE[at].1)
}
