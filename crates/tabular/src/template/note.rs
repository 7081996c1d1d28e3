//! What the note on a header says: the rules of its column, one on each line.

use domain::{Column, ColumnType};

use crate::language::Language;
use crate::text::fitting;

/// Most values that a note lists; the drop-down has them all.
const MAX_LISTED: usize = 20;
/// Most bytes of a pattern that a note shows.
const MAX_PATTERN_BYTES: usize = 200;

/// The rules of a column.
pub(super) fn lines(column: &Column, language: Language) -> Vec<String> {
    let presence = if column.required {
        language.pick("必填", "Required")
    } else {
        language.pick("选填", "Optional")
    };
    let mut lines = vec![presence.to_owned(), kind(column, language)];
    lines.extend(column.max_length.map(|most| {
        language.pick(
            format!("最多 {most} 个字符"),
            format!("At most {most} characters"),
        )
    }));
    // what is finer of a second is cut and not refused
    let digits = column.scale.filter(|_| column.kind == ColumnType::Decimal);
    lines.extend(digits.map(|digits| {
        language.pick(
            format!("小数最多 {digits} 位"),
            format!("At most {digits} digits after the point"),
        )
    }));
    lines.extend(range(column, language));
    lines.extend(allowed(column, language));
    lines.extend(column.pattern.as_deref().map(|pattern| {
        let shown = &pattern[..pattern.floor_char_boundary(MAX_PATTERN_BYTES)];
        language.pick(
            format!("须符合格式：{shown}"),
            format!("Must match: {shown}"),
        )
    }));
    if column.unique {
        lines.push(language.pick("不可重复", "Must be unique").to_owned());
    }
    // a label or a value may be of any length; a cell's text is not
    lines.iter().map(|line| fitting(line).to_owned()).collect()
}

fn kind(column: &Column, language: Language) -> String {
    let (chinese, english) = match column.kind {
        ColumnType::String => ("类型：文本", "Type: text"),
        ColumnType::Integer => ("类型：整数", "Type: whole number"),
        ColumnType::Decimal => ("类型：小数", "Type: decimal number"),
        ColumnType::Boolean => ("类型：是/否", "Type: TRUE or FALSE"),
        ColumnType::Date => (
            "类型：日期，如 2026-01-31",
            "Type: date, such as 2026-01-31",
        ),
        ColumnType::Datetime => (
            "类型：日期时间，如 2026-01-31 08:30:00",
            "Type: date and time, such as 2026-01-31 08:30:00",
        ),
        ColumnType::Time => ("类型：时间，如 08:30:00", "Type: time, such as 08:30:00"),
    };
    language.pick(chinese, english).to_owned()
}

fn range(column: &Column, language: Language) -> Option<String> {
    match (&column.min, &column.max) {
        (Some(min), Some(max)) => Some(language.pick(
            format!("范围：{min} 至 {max}"),
            format!("From {min} to {max}"),
        )),
        (Some(min), None) => {
            Some(language.pick(format!("不小于 {min}"), format!("Not below {min}")))
        }
        (None, Some(max)) => {
            Some(language.pick(format!("不大于 {max}"), format!("Not above {max}")))
        }
        (None, None) => None,
    }
}

fn allowed(column: &Column, language: Language) -> Option<String> {
    let allowed = column.allowed.as_ref()?;
    let shown: Vec<&str> = allowed
        .iter()
        .take(MAX_LISTED)
        .map(String::as_str)
        .collect();
    let shown = shown.join(language.pick("、", ", "));
    let count = allowed.len();
    Some(if count > MAX_LISTED {
        language.pick(
            format!("可选值：{shown} 等 {count} 项"),
            format!("One of: {shown}, … ({count} in all)"),
        )
    } else {
        language.pick(format!("可选值：{shown}"), format!("One of: {shown}"))
    })
}
