//! What a person finds in an import template.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::{ColumnType, FailureCode, SheetCell, UploadFormat};
use tabular::{
    Book, Merges, ReadTerms, Said, Stamp, StopSign, Visibility, write_csv_template, write_template,
};

use crate::openpyxl::python;
use crate::people::{cities, codes, dataset, open};

/// Prints the sheets, then of the first one its header cells, columns and rules.
const LOOK: &str = r#"
import sys, io, re, zipfile, openpyxl
content = sys.stdin.buffer.read()
book = openpyxl.load_workbook(io.BytesIO(content))
for sheet in book.worksheets:
    print("sheet", sheet.title, sheet.sheet_state, sheet.freeze_panes, sheet.max_row)
first = book.worksheets[0]
for cell in first[1]:
    # one definition stands for neighbours that are alike
    dim = next(it for it in first.column_dimensions.values() if it.min <= cell.column <= it.max)
    print("|".join(str(it) for it in [cell.coordinate, cell.value, cell.font.b, cell.fill.fgColor.rgb,
        dim.width, dim.number_format, repr(cell.comment.text) if cell.comment else None]))
xml = zipfile.ZipFile(io.BytesIO(content)).read("xl/worksheets/sheet1.xml").decode()
tags = re.findall("<dataValidation [^>]*>", xml)
for tag, rule in zip(tags, first.data_validations.dataValidation, strict=True):
    print(rule.sqref, rule.type, rule.formula1, 'showErrorMessage="1"' in tag, sep="|")
"#;

fn workbook(locale: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_template(&dataset(), locale, &mut bytes).unwrap();
    bytes
}

fn looked_at(locale: &str) -> Vec<String> {
    let seen = python(LOOK, &workbook(locale));
    seen.lines().map(str::to_owned).collect()
}

#[test]
fn a_template_has_the_importable_columns_with_their_rules_in_chinese() {
    let seen = looked_at("zh-CN");
    let expected = [
        "sheet 会员 visible A2 1",
        "sheet _quayside veryHidden None 201",
        r"A1|会员号|True|FFFCE4D6|16.7109375|@|'必填\n类型：文本\n最多 20 个字符\n须符合格式：^M\\d+$\n不可重复'",
        r"B1|姓名|True|FFFCE4D6|16.7109375|@|'必填\n类型：文本\n最多 64 个字符'",
        r"C1|等级|True|FFDDEBF7|10.7109375|General|'选填\n类型：整数\n范围：1 至 5'",
        r"D1|余额|True|FFDDEBF7|12.7109375|General|'选填\n类型：小数\n小数最多 2 位\n不小于 0'",
        r"E1|生日|True|FFFCE4D6|12.7109375|yyyy-mm-dd|'必填\n类型：日期，如 2026-01-31'",
        r"F1|加入时间|True|FFDDEBF7|20.7109375|yyyy-mm-dd hh:mm:ss|'选填\n类型：日期时间，如 2026-01-31 08:30:00'",
        r"G1|起床时间|True|FFDDEBF7|12.7109375|hh:mm:ss|'选填\n类型：时间，如 08:30:00'",
        r"H1|启用|True|FFDDEBF7|10.7109375|General|'选填\n类型：是/否'",
        r"I1|级别|True|FFDDEBF7|16.7109375|@|'选填\n类型：文本\n可选值：金卡、银卡、A&B'",
    ];
    assert_eq!(seen[..expected.len()], expected);
    assert!(
        seen[11].contains("城市018、城市019 等 201 项'"),
        "{}",
        seen[11]
    );
    let rules = [
        "H2:H1048576|list|\"是,否\"|False",
        "I2:I1048576|list|\"金卡,银卡,A&B\"|True",
        "J2:J1048576|list|'_quayside'!$B$1:$B$201|True",
        "K2:K1048576|list|'_quayside'!$C$1:$C$100|True",
    ];
    assert_eq!(seen[13..], rules);
}

#[test]
fn a_template_speaks_the_language_of_its_locale() {
    let seen = looked_at("en-GB");
    assert_eq!(seen[0], "sheet Member visible A2 1");
    let note =
        r"'Required\nType: text\nAt most 20 characters\nMust match: ^M\\d+$\nMust be unique'";
    assert!(
        seen[2].starts_with("A1|Member no.|") && seen[2].ends_with(note),
        "{}",
        seen[2]
    );
    assert!(seen[5].ends_with(
        r"'Optional\nType: decimal number\nAt most 2 digits after the point\nNot below 0'"
    ));
    assert_eq!(seen[13], "H2:H1048576|list|\"TRUE,FALSE\"|False");
}

#[test]
fn lists_that_no_rule_can_hold_stand_in_the_hidden_sheet_as_what_they_are() {
    let book = open(&workbook("zh-CN"), UploadFormat::Xlsx);
    let mut rows = book.rows(1, &Merges::default()).unwrap();
    let (mut texts, mut numbers) = (Vec::new(), Vec::new());
    while let Some(chunk) = rows.next().unwrap() {
        for row in chunk.rows() {
            match row.cell(1).cell {
                SheetCell::Text(text) => texts.push(text.to_owned()),
                other => panic!("{other:?}"),
            }
            match row.cell(2).cell {
                SheetCell::Number(text, _) => numbers.push(text.to_owned()),
                SheetCell::Blank => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(texts, cities());
    assert_eq!(numbers, codes());
}

#[test]
fn a_template_says_what_it_was_made_of_where_nobody_looks() {
    let book = open(&workbook("zh-CN"), UploadFormat::Xlsx);
    let stamp = Stamp {
        dataset: "member".into(),
        version: "3".into(),
        task: None,
        said: Said::default(),
    };
    assert_eq!(Stamp::read(&book), Ok(Some(stamp)));
    assert_eq!(book.sheets()[0].visible, Visibility::Visible);
    assert_eq!(book.sheets()[1].visible, Visibility::VeryHidden);
}

#[test]
fn a_file_without_a_stamp_has_none() {
    let csv = open("a,b\n_quayside,1\n".as_bytes(), UploadFormat::Csv);
    assert_eq!(Stamp::read(&csv), Ok(None));
    let mut workbook = xlsxwriter::Workbook::new();
    workbook.add_worksheet().write_string(0, 0, "{}").unwrap();
    let hidden = workbook.add_worksheet().set_name("_quayside").unwrap();
    hidden
        .set_very_hidden(true)
        .write_string(0, 0, "no stamp")
        .unwrap();
    let bytes = workbook.save_to_buffer().unwrap();
    assert_eq!(Stamp::read(&open(&bytes, UploadFormat::Xlsx)), Ok(None));
}

#[test]
fn a_stamp_that_a_fault_of_ours_keeps_from_being_read_is_not_taken_for_none() {
    let fails = Arc::new(AtomicBool::new(false));
    let asked = fails.clone();
    let terms = ReadTerms {
        stop: StopSign::when(move || asked.load(Ordering::Relaxed)),
        ..ReadTerms::default()
    };
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&workbook("zh-CN")).unwrap();
    let book = Book::open(file, UploadFormat::Xlsx, &terms).unwrap();
    assert!(matches!(Stamp::read(&book), Ok(Some(_))));
    fails.store(true, Ordering::Relaxed);
    let refusal = Stamp::read(&book).unwrap_err();
    assert_eq!(refusal.code, FailureCode::Internal);
}

#[test]
fn the_same_definition_gives_the_same_bytes() {
    assert!(workbook("zh-CN") == workbook("zh-CN"));
}

#[test]
fn a_csv_template_is_the_line_of_labels() {
    let mut bytes = Vec::new();
    write_csv_template(&dataset(), "zh-CN", &mut bytes).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.starts_with("\u{feff}会员号,姓名,等级,余额,"));
    assert!(text.ends_with(",代码\r\n") && text.lines().count() == 1);
    let book = open(&bytes, UploadFormat::Csv);
    let chunk = book
        .rows(0, &Merges::default())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let importable = dataset().columns.iter().filter(|it| it.importable).count();
    assert_eq!(chunk.rows().next().unwrap().cells().len(), importable);
}

#[test]
fn text_columns_and_no_others_are_formatted_as_text() {
    let seen = looked_at("zh-CN");
    let columns = dataset().columns.into_iter().filter(|it| it.importable);
    for (line, column) in seen[2..].iter().zip(columns) {
        let is_text = line.split('|').nth(5) == Some("@");
        assert_eq!(is_text, column.kind == ColumnType::String, "{line}");
    }
}
