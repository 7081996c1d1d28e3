//! What a number format shows a number as (ECMA-376, 18.8.30 and 18.8.31).

use domain::NumberStyle;

/// The style of a format that every workbook has by its number.
pub(super) fn built_in(id: u32) -> NumberStyle {
    match id {
        9 | 10 => NumberStyle::Percent,
        // 27 to 36 and 50 to 58 are dates and times in East Asian languages
        14..=22 | 27..=36 | 45..=47 | 50..=58 => NumberStyle::Date,
        _ => NumberStyle::Plain,
    }
}

/// The style that a format's code makes.
pub(super) fn of_code(code: &str) -> NumberStyle {
    let signs = Signs::of(code);
    if signs.date {
        NumberStyle::Date
    } else if signs.percent {
        NumberStyle::Percent
    } else {
        zeros(code)
    }
}

/// What a code holds outside of its literals.
#[derive(Default)]
struct Signs {
    date: bool,
    percent: bool,
}

impl Signs {
    fn of(code: &str) -> Self {
        let mut signs = Self::default();
        let mut rest = code;
        while let Some(first) = rest.chars().next() {
            let mut length = first.len_utf8();
            match first {
                '"' => length = literal(rest),
                // an escaped character, the width of one, one that fills
                '\\' | '_' | '*' => {
                    length += rest[1..].chars().next().map_or(0, char::len_utf8);
                }
                '[' => match rest.split_once(']') {
                    Some((inside, _)) => {
                        length = inside.len() + 1;
                        signs.date |= is_elapsed(&inside[1..]);
                    }
                    None => length = rest.len(),
                },
                'G' | 'g' if starts_with(rest, "General") => length = "General".len(),
                'A' | 'a' => signs.date |= starts_with(rest, "AM/PM") || starts_with(rest, "aaa"),
                'd' | 'D' | 'm' | 'M' | 'y' | 'Y' | 'h' | 'H' | 's' | 'S' => signs.date = true,
                '%' => signs.percent = true,
                _ => {}
            }
            rest = &rest[length..];
        }
        signs
    }
}

/// Bytes of the quoted text that `rest` begins with.
fn literal(rest: &str) -> usize {
    rest[1..].find('"').map_or(rest.len(), |end| end + 2)
}

/// `[h]`, `[mm]`, `[ss]`: time that goes on past a day. Others are colours, conditions, languages.
fn is_elapsed(inside: &str) -> bool {
    let one = |letter: char| {
        !inside.is_empty() && inside.chars().all(|own| own.eq_ignore_ascii_case(&letter))
    };
    one('h') || one('m') || one('s')
}

fn starts_with(text: &str, word: &str) -> bool {
    let head = text.get(..word.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(word))
}

/// `000000`: nothing but two zeros or more in the code's first section, colour and language aside.
fn zeros(code: &str) -> NumberStyle {
    let mut section = code.split(';').next().unwrap_or_default();
    while let Some(inside) = section.strip_prefix('[')
        && let Some((inside, behind)) = inside.split_once(']')
        && !inside.starts_with(['<', '>', '='])
        && (!inside.starts_with('$') || inside.starts_with("$-"))
    {
        section = behind;
    }
    let count = section.len();
    match u8::try_from(count) {
        Ok(count) if count > 1 && section.bytes().all(|byte| byte == b'0') => {
            NumberStyle::Zeros(count)
        }
        _ => NumberStyle::Plain,
    }
}
