//! Why an import is refused whose file can be read: with a sentence where the code's own says too
//! little.

use domain::{Failure, FailureCode, SheetChoice};

/// Most characters of a name in a file that a sentence quotes.
const MOST_NAME: usize = 64;
/// Most sheets that a sentence offers.
const MOST_SHEETS: usize = 20;

/// No row at all, or none below the header.
pub(crate) fn empty_file(detail: &str) -> Failure {
    Failure::rejected(FailureCode::EmptyFile, detail)
}

/// The workbook lacks the sheet that was asked for, or it holds no cells.
pub(crate) fn no_such_sheet(locale: &str, choice: &SheetChoice) -> Failure {
    let shown = match choice {
        SheetChoice::Number(number) => number.to_string(),
        SheetChoice::Name(name) => name.clone(),
    };
    told(
        locale,
        Failure::rejected(FailureCode::InvalidRequest, "there is no such sheet"),
        &format!("工作簿中没有工作表“{shown}”"),
        &format!("The workbook has no sheet “{shown}”."),
    )
}

/// More than one sheet may be meant; `found` are their places.
pub(crate) fn sheets_of_one_name(locale: &str, name: &str, found: &[usize]) -> Failure {
    let name: String = name.chars().take(MOST_NAME).collect();
    let numbers = found
        .iter()
        .take(MOST_SHEETS)
        .map(|at| (at + 1).to_string());
    let numbers = numbers.collect::<Vec<_>>().join(", ");
    told(
        locale,
        Failure::rejected(FailureCode::InvalidRequest, "several sheets have that name"),
        &format!("工作簿中有多个名为“{name}”的工作表，请用序号指定其中一个：{numbers}"),
        &format!("Several sheets are called “{name}”: please choose one by its number: {numbers}."),
    )
}

/// A template or failure workbook of another dataset, however its headers are called.
pub(crate) fn of_another_dataset(locale: &str, found: &str) -> Failure {
    let name: String = found.chars().take(MOST_NAME).collect();
    told(
        locale,
        Failure::rejected(
            FailureCode::MissingColumns,
            "the workbook's stamp names another dataset",
        ),
        &format!("此文件是数据集“{name}”的模板或失败文件，不能导入到这里"),
        &format!("This workbook was made for “{name}”, another dataset than this one."),
    )
}

/// More rows than the dataset takes, or than can go in all at once.
pub(crate) fn too_many_rows(locale: &str, most: u64) -> Failure {
    told(
        locale,
        Failure::rejected(FailureCode::TooManyRows, format!("more than {most} rows")),
        &format!("数据行过多，最多允许 {most} 行，请拆分文件后重新上传"),
        &format!("There are too many rows: at most {most} are taken. Please split the file."),
    )
}

/// More text than can go in all at once.
pub(crate) fn too_large_at_once(locale: &str, most_bytes: usize) -> Failure {
    let mib = most_bytes >> 20;
    told(
        locale,
        Failure::rejected(FailureCode::FileTooLarge, format!("more than {mib} MiB")),
        "文件内容过多，无法一次性导入，请拆分文件或改为逐批导入",
        "The file holds too much to go in all at once. Please split it, or let good rows go in.",
    )
}

/// One batch, late in a file of which each row asks for its own, holds more than a worker may.
pub(crate) fn batch_too_large(most_bytes: usize) -> Failure {
    let detail = format!("a batch of more than {} MiB", most_bytes >> 20);
    Failure::rejected(FailureCode::FileTooLarge, detail)
}

fn told(locale: &str, failure: Failure, chinese: &str, english: &str) -> Failure {
    let sentence = if locale.starts_with("zh") {
        chinese
    } else {
        english
    };
    Failure {
        sentence: Some(sentence.to_owned()),
        ..failure
    }
}
