//! Names of files: safe on every system that they are saved on.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// Longest stem, in bytes: with the extension and a browser's ` (1)` it stays below the 255 bytes
/// of the usual file systems.
const MAX_STEM_BYTES: usize = 200;
/// Endings that a wanted name loses: the file's own is put in their place.
const ENDINGS: [&str; 3] = [".xlsx", ".csv", ".zip"];
/// Names that Windows keeps for devices, whatever the extension.
const RESERVED: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];

/// `<label>_yyyyMMdd_HHmmss`, in the task's zone.
pub(super) fn dated(label: &str, at: DateTime<Utc>, zone: Tz) -> String {
    let moment = at.with_timezone(&zone).format("_%Y%m%d_%H%M%S");
    format!(
        "{}{moment}",
        safe_stem(label).unwrap_or_else(|| "export".to_owned())
    )
}

/// A name without anything that a file system or a header could stumble over, and without the
/// extension; none if nothing is left.
pub fn safe_stem(wanted: &str) -> Option<String> {
    let clean: String = wanted
        .trim()
        .chars()
        .map(|c| if is_unsafe(c) { '_' } else { c })
        .collect();
    let mut stem = clean.as_str();
    while let Some(shorter) = without_ending(stem) {
        stem = shorter;
    }
    let bounded = &stem[..stem.floor_char_boundary(MAX_STEM_BYTES)];
    let stem = bounded.trim_matches(|c: char| c == '.' || c.is_whitespace());
    if stem.chars().all(|c| c == '_') {
        return None;
    }
    Some(if is_reserved(stem) {
        format!("_{stem}")
    } else {
        stem.to_owned()
    })
}

fn without_ending(name: &str) -> Option<&str> {
    ENDINGS.iter().find_map(|ending| {
        let (stem, end) = name.split_at_checked(name.len().checked_sub(ending.len())?)?;
        end.eq_ignore_ascii_case(ending).then_some(stem)
    })
}

fn is_unsafe(c: char) -> bool {
    let separator = matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    // direction marks can make `exe.xlsx` look like `xslx.exe`; U+2028 and U+2029 end lines
    let invisible = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    separator || invisible || c.is_control()
}

fn is_reserved(stem: &str) -> bool {
    let first = stem
        .split('.')
        .next()
        .unwrap_or(stem)
        .trim_end()
        .to_ascii_uppercase();
    let numbered = |prefix: &str| {
        first
            .strip_prefix(prefix)
            .is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit())
    };
    RESERVED.contains(&first.as_str()) || numbered("COM") || numbered("LPT")
}
