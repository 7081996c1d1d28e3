//! Patterns of text columns.

use regex::Regex;

/// Compiles a pattern. It matches anywhere unless it says `^` and `$`. `\d` is an ASCII digit as in
/// most other languages, not a digit of any script; everything else is as the regex crate has it.
///
/// # Errors
/// Why it is no pattern.
pub(crate) fn compile_pattern(pattern: &str) -> Result<Regex, String> {
    Regex::new(&ascii_digits(pattern)).map_err(|error| error.to_string())
}

fn ascii_digits(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('d') => out.push_str("[0-9]"),
            Some('D') => out.push_str("[^0-9]"),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}
