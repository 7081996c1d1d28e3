//! The sentences of row faults, in Chinese and in English.

use serde_json::{Map, Value};

use crate::RowCode;

/// The sentence of a fault, in Chinese for locales that begin with `zh`, else in English. `label` is
/// the column's, if the fault is a column's.
pub(super) fn sentence(
    locale: &str,
    code: RowCode,
    label: Option<&str>,
    params: &Map<String, Value>,
) -> String {
    let says = Says(params);
    if locale.starts_with("zh") {
        let rest = chinese(code, &says);
        label.map_or(rest.clone(), |label| format!("“{label}”{rest}"))
    } else {
        let rest = english(code, &says);
        match label {
            Some(label) => format!("“{label}” {rest}."),
            None => format!("The row {rest}."),
        }
    }
}

/// What follows the last fault of a row that is told, if there are `more`.
pub(super) fn and_more(locale: &str, more: usize) -> String {
    if locale.starts_with("zh") {
        format!("（此行另有 {more} 处错误未列出）")
    } else {
        format!(" (Not listed: {more} more of this row.)")
    }
}

/// The params of a fault, as texts.
struct Says<'a>(&'a Map<String, Value>);

impl Says<'_> {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).map(shown)
    }

    fn or_empty(&self, name: &str) -> String {
        self.get(name).unwrap_or_default()
    }

    fn list(&self, name: &str, between: &str) -> String {
        let all = self.0.get(name).and_then(Value::as_array);
        let texts: Vec<String> = all.into_iter().flatten().map(shown).collect();
        texts.join(between)
    }
}

fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn chinese(code: RowCode, says: &Says<'_>) -> String {
    let fixed = match code {
        RowCode::Required => "不能为空",
        RowCode::TypeMismatch => {
            return format!("应为{}", chinese_kind(&says.or_empty("expected")));
        }
        RowCode::OutOfRange => return chinese_range(says),
        RowCode::PatternMismatch => "格式不正确",
        RowCode::NotInList => return format!("应为下列之一：{}", says.list("allowed", "、")),
        RowCode::TooLong => match says.get("max") {
            Some(max) => return format!("超过 {max} 个字符"),
            None => "过长",
        },
        RowCode::DateInvalid => match says.get("skipped_in") {
            Some(zone) => return format!("在时区 {zone} 中不存在（夏令时切换）"),
            None => return chinese_moment(&says.or_empty("expected")),
        },
        RowCode::NumberAmbiguous => "的数字写法有歧义，请只用数字和小数点，例如 1355.90",
        RowCode::PrecisionLost => {
            "的数字超过 15 位，文件中已丢失精度，请将单元格设为文本格式后重新填写"
        }
        RowCode::FormulaWithoutValue => "的公式没有计算结果，请在 Excel 中打开并保存后重新上传",
        RowCode::FormulaNotAllowed => "不允许使用公式，请改为填写值",
        RowCode::ErrorCell => return format!("的单元格是错误值 {}", says.or_empty("error")),
        RowCode::MergedCell => {
            return format!(
                "被合并单元格覆盖（起始于 {}），请取消合并",
                says.or_empty("first_cell")
            );
        }
        RowCode::DuplicateInFile => match says.list("rows", "、") {
            none if none.is_empty() => "与另一行重复",
            rows => return format!("与第 {rows} 行重复"),
        },
        RowCode::DuplicateInDb => "已存在相同的数据",
        RowCode::NotFound => "没有找到要更新的数据",
        RowCode::IntegrityViolation => "不符合数据库的约束",
        RowCode::ConflictChanged => "已被他人修改，请重新导出后再改",
        RowCode::BusinessRule => match says.get("reason") {
            Some(reason) => return format!("不符合业务规则：{reason}"),
            None => "不符合业务规则",
        },
    };
    fixed.to_owned()
}

fn chinese_kind(kind: &str) -> &'static str {
    match kind {
        "integer" => "整数",
        "decimal" => "数字",
        "boolean" => "“是”或“否”",
        "date" => "日期",
        "datetime" => "日期时间",
        "time" => "时间",
        "string" => "文本",
        _ => "其他类型的值",
    }
}

fn chinese_moment(kind: &str) -> String {
    let (what, example) = match kind {
        "datetime" => ("日期时间", "2026-01-31 08:00:00"),
        "time" => ("时间", "08:00:00"),
        _ => ("日期", "2026-01-31"),
    };
    format!("不是有效的{what}，请按 {example} 的格式填写")
}

fn chinese_range(says: &Says<'_>) -> String {
    if let Some(scale) = says.get("scale") {
        return format!("最多 {scale} 位小数");
    }
    match (says.get("min"), says.get("max")) {
        (Some(min), Some(max)) => format!("应在 {min} 到 {max} 之间"),
        (Some(min), None) => format!("不能小于 {min}"),
        (None, Some(max)) => format!("不能大于 {max}"),
        (None, None) => "超出允许的范围".to_owned(),
    }
}

fn english(code: RowCode, says: &Says<'_>) -> String {
    let fixed = match code {
        RowCode::Required => "must not be empty",
        RowCode::TypeMismatch => {
            return format!("must be {}", english_kind(&says.or_empty("expected")));
        }
        RowCode::OutOfRange => return english_range(says),
        RowCode::PatternMismatch => "does not have the right form",
        RowCode::NotInList => return format!("must be one of: {}", says.list("allowed", ", ")),
        RowCode::TooLong => match says.get("max") {
            Some(max) => return format!("is longer than {max} characters"),
            None => "is too long",
        },
        RowCode::DateInvalid => match says.get("skipped_in") {
            Some(zone) => return format!("does not exist in {zone}: clocks went forward"),
            None => return english_moment(&says.or_empty("expected")),
        },
        RowCode::NumberAmbiguous => {
            "can be read in more than one way: use digits and a point only, as 1355.90"
        }
        RowCode::PrecisionLost => {
            "has more than 15 digits, and the file has lost some: format the cell as text and enter it again"
        }
        RowCode::FormulaWithoutValue => {
            "is a formula without a result: open the file in Excel, save it and upload it again"
        }
        RowCode::FormulaNotAllowed => "must be a value, not a formula",
        RowCode::ErrorCell => return format!("shows the error {}", says.or_empty("error")),
        RowCode::MergedCell => {
            return format!(
                "is covered by the merged cell {}: unmerge it",
                says.or_empty("first_cell")
            );
        }
        RowCode::DuplicateInFile => match says.list("rows", ", ") {
            none if none.is_empty() => "is the same as in another row",
            rows => return format!("is the same as in row {rows}"),
        },
        RowCode::DuplicateInDb => "exists already",
        RowCode::NotFound => "was not found, so it cannot be updated",
        RowCode::IntegrityViolation => "breaks a constraint of the database",
        RowCode::ConflictChanged => "was changed by somebody else: export it again before editing",
        RowCode::BusinessRule => match says.get("reason") {
            Some(reason) => return format!("breaks a rule: {reason}"),
            None => "breaks a rule",
        },
    };
    fixed.to_owned()
}

fn english_kind(kind: &str) -> &'static str {
    match kind {
        "integer" => "a whole number",
        "decimal" => "a number",
        "boolean" => "yes or no",
        "date" => "a date",
        "datetime" => "a date and time",
        "time" => "a time",
        "string" => "a text",
        _ => "of another type",
    }
}

fn english_moment(kind: &str) -> String {
    let (what, example) = match kind {
        "datetime" => ("date and time", "2026-01-31 08:00:00"),
        "time" => ("time", "08:00:00"),
        _ => ("date", "2026-01-31"),
    };
    format!("is not a valid {what}: write it as {example}")
}

fn english_range(says: &Says<'_>) -> String {
    if let Some(scale) = says.get("scale") {
        return format!("has more than {scale} decimal places");
    }
    match (says.get("min"), says.get("max")) {
        (Some(min), Some(max)) => format!("must be between {min} and {max}"),
        (Some(min), None) => format!("must be at least {min}"),
        (None, Some(max)) => format!("must be at most {max}"),
        (None, None) => "is out of range".to_owned(),
    }
}
