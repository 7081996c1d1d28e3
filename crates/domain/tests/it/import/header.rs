//! How headers become columns (cases.md A 17, 19).

use domain::{FailureCode, FailureKind, ImportOptions, Mapping, SheetCell};
use serde_json::{Value, json};

use super::workshop::{find, header, map, sheet, text_row};
use crate::dataset::shipped;

const NAMES: &str = r#"
  { name = "name", label = { zh-CN = "姓名", en = "Full name" }, type = "string", required = true },
  { name = "mobile", label = { zh-CN = "手机号", en = "Mobile" }, type = "string" },
  { name = "id", label = { zh-CN = "编号", en = "ID" }, type = "integer", importable = false },
"#;

fn mapped(options: Value, texts: &[&str]) -> Vec<(u16, String)> {
    let mapping = map(&super::workshop::thing(NAMES), &options, texts).unwrap();
    mapping.columns().to_vec()
}

fn refused(options: Value, texts: &[&str]) -> (FailureCode, String) {
    let failure = map(&super::workshop::thing(NAMES), &options, texts).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Rejected);
    (failure.code, failure.sentence.unwrap())
}

#[test]
fn a_header_is_a_label_in_any_language_or_the_columns_name() {
    let expected = header(&["code", "name", "mobile"]);
    for texts in [
        ["编码", "姓名", "手机号"],
        ["Code", "Full name", "Mobile"],
        ["code", "name", "mobile"],
        ["编码", "Full name", "mobile"],
    ] {
        assert_eq!(mapped(json!({}), &texts), expected, "{texts:?}");
    }
    let order = mapped(json!({}), &["手机号", "编码", "姓名"]);
    assert_eq!(order, header(&["mobile", "code", "name"]));
}

#[test]
fn padding_width_case_runs_of_spaces_line_ends_and_stars_do_not_matter() {
    let expected = header(&["code", "name", "mobile"]);
    for texts in [
        ["\u{a0}编码 ", "* 姓名", "手机号*"],
        ["ＣＯＤＥ", "FULL\nNAME", "\u{feff}mobile"],
        ["cOdE", "full \u{3000} name", "Ｍｏｂｉｌｅ"],
    ] {
        assert_eq!(mapped(json!({}), &texts), expected, "{texts:?}");
    }
}

#[test]
fn two_headers_of_one_column_are_refused_with_both_letters() {
    let (code, sentence) = refused(json!({}), &["编码", "姓名", "x", " Full Name"]);
    assert_eq!(code, FailureCode::DuplicateHeader);
    assert_eq!(sentence, "表头重复：B 列和 D 列都是“姓名”");
    let (code, sentence) = refused(json!({"locale": "en"}), &["编码", "姓名", "姓名"]);
    assert_eq!(code, FailureCode::DuplicateHeader);
    assert_eq!(sentence, "Columns B and C both mean “Full name”.");
    // headers that nobody knows may be equal
    assert_eq!(mapped(json!({}), &["编码", "姓名", "x", "x"]).len(), 2);
}

#[test]
fn what_is_missing_is_named_and_an_update_needs_its_key_only() {
    let (code, sentence) = refused(json!({}), &["手机号"]);
    assert_eq!(code, FailureCode::MissingColumns);
    assert_eq!(sentence, "缺少必需的列：编码、姓名");
    let (_, sentence) = refused(json!({"locale": "en-GB", "mode": "upsert"}), &["Code"]);
    assert_eq!(
        sentence,
        "Columns that are required are missing: Full name."
    );
    let update = json!({"mode": "update"});
    assert_eq!(
        mapped(update.clone(), &["Code", "Mobile"]),
        header(&["code", "mobile"])
    );
    assert_eq!(refused(update, &["Mobile"]).0, FailureCode::MissingColumns);
}

#[test]
fn what_is_not_imported_is_counted_and_our_own_extra_columns_are_not() {
    let texts = ["编号", "编码", "姓名", "随便", "错误信息"];
    let mapping = map(&super::workshop::thing(NAMES), &json!({}), &texts).unwrap();
    assert_eq!(mapping.ignored(), 2, "编号 and 随便");
    assert_eq!(
        mapping.columns(),
        [(1, "code".to_owned()), (2, "name".to_owned())]
    );
}

#[test]
fn the_options_may_map_headers_that_nobody_knows() {
    let options = json!({"mapping": {"会员 编号（必填）": "code", "备注": "name"}});
    let columns = mapped(options, &["会员\n编号(必填)", "备注"]);
    assert_eq!(columns, header(&["code", "name"]));
    // a mapping wins over a label
    let options = json!({"mapping": {"手机号": "name"}});
    assert_eq!(
        mapped(options, &["编码", "手机号"]),
        header(&["code", "name"])
    );
}

#[test]
fn a_mapping_of_a_header_that_the_file_lacks_is_refused_and_names_it() {
    let options = json!({"mapping": {"Nobody": "mobile", "名称": "name"}});
    let (code, sentence) = refused(options.clone(), &["编码", "名称"]);
    assert_eq!(code, FailureCode::MissingColumns);
    assert_eq!(sentence, "文件中没有列映射所指的表头：“Nobody”");
    let mut english = options;
    english["locale"] = json!("en");
    let (_, sentence) = refused(english, &["编码", "姓名"]);
    assert_eq!(
        sentence,
        "The file has no header “Nobody”, “名称”, which the mapping names."
    );
}

#[test]
fn a_header_has_at_most_512_characters_as_it_stands_and_as_it_is_compared() {
    let spaced = format!("{}编码", " ".repeat(5_000));
    let known = header(&["code", "name"]);
    assert_eq!(mapped(json!({}), &[&spaced, "姓名"]), known);
    // of which NFKC makes eighteen
    for (letter, most) in [("x", 512), ("问", 512), ("ﷺ", 28)] {
        let longest = letter.repeat(most);
        let options = json!({"mapping": {longest.as_str(): "code"}});
        assert_eq!(mapped(options, &[&longest, "姓名"]), known);
        let page = letter.repeat(most + 1);
        assert_eq!(
            refused(json!({}), &[&page, "姓名"]).0,
            FailureCode::MissingColumns
        );
    }
    // not even one whose first 512 are a name
    let starred = format!("编码{}", "*".repeat(511));
    let invisible = format!("编码{}编码", "\u{ad}".repeat(509));
    for page in [starred, invisible] {
        assert_eq!(
            refused(json!({}), &[&page, "姓名"]).0,
            FailureCode::MissingColumns
        );
    }
}

/// Each against each would be half an hour of a core.
#[test]
fn as_many_mapped_headers_as_there_may_be_cost_no_more_than_reading_the_file() {
    let options = ImportOptions {
        mapping: (0..16_384)
            .map(|n| (format!("absent {n}"), "mobile".to_owned()))
            .collect(),
        ..ImportOptions::default()
    };
    let catalog = super::workshop::thing(NAMES);
    let dataset = super::workshop::only(&catalog);
    // rows of eight mebibytes, and of as much as is compared
    for (letter, letters, count) in [("x", 4_000, 2_000), ("ﷺ", 28, 16_384)] {
        let text = letter.repeat(letters);
        let cells = vec![SheetCell::Text(&text); count];
        let rows = sheet(1, &[&cells[..]; 4]);
        let found = Mapping::find_header(dataset, &options, rows.rows()).unwrap();
        assert_eq!((found.row, found.cells.len()), (1, count));
        let refused = Mapping::of(dataset, &options, "en", &found.cells, &|_| false);
        let failure = refused.unwrap_err();
        assert_eq!(failure.code, FailureCode::MissingColumns);
        assert_eq!(failure.detail, "16384 mapped headers are not in the file");
    }
}

#[test]
fn the_shipped_datasets_take_their_own_exports_back() {
    let catalog = shipped();
    for dataset in catalog.iter() {
        for locale in ["zh-CN", "en"] {
            let labels = dataset
                .columns
                .iter()
                .map(|column| column.label.get(locale));
            let labels: Vec<&str> = labels.collect();
            let extra = |_: &str| false;
            let options = domain::ImportOptions::default();
            let mapping =
                domain::Mapping::of(dataset, &options, locale, &header(&labels), &extra).unwrap();
            let importable = dataset.columns.iter().filter(|column| column.importable);
            assert_eq!(mapping.columns().len(), importable.count());
            assert_eq!(mapping.columns().len() + mapping.ignored(), labels.len());
        }
    }
}

fn found(options: Value, rows: &[&[SheetCell<'_>]]) -> Option<(u32, Vec<(u16, String)>)> {
    let chunk = sheet(1, rows);
    let found = find(&super::workshop::thing(NAMES), &options, &chunk);
    found.map(|header| (header.row, header.cells))
}

#[test]
fn the_header_is_the_first_row_that_is_not_blank_or_the_one_below_a_title() {
    let names = text_row(&["编码", "姓名"]);
    let data = text_row(&["c1", "王"]);
    let blank = [SheetCell::Blank, SheetCell::Text("")];
    let title = [
        SheetCell::Text("六月会员表"),
        SheetCell::Merged { row: 1, column: 0 },
    ];
    let expected = header(&["编码", "姓名"]);
    assert_eq!(
        found(json!({}), &[&names, &data]),
        Some((1, expected.clone()))
    );
    assert_eq!(
        found(json!({}), &[&blank, &names, &data]),
        Some((2, expected.clone()))
    );
    assert_eq!(
        found(json!({}), &[&title, &names, &data]),
        Some((2, expected.clone()))
    );
    assert_eq!(
        found(json!({}), &[&title, &blank, &names]),
        Some((3, expected.clone()))
    );
    // where no row names a column, the first one is told of
    assert_eq!(
        found(json!({}), &[&data, &data]),
        Some((1, header(&["c1", "王"])))
    );
    assert_eq!(found(json!({}), &[&blank]), None);
    let named = json!({"header_row": 3});
    assert_eq!(
        found(named.clone(), &[&names, &data, &names]),
        Some((3, expected))
    );
    assert_eq!(found(named, &[&names, &data]), None);
}

#[test]
fn a_header_of_two_lines_is_read_as_one() {
    let covered = |row, column| SheetCell::Merged { row, column };
    let upper = [
        SheetCell::Text("编码"),
        SheetCell::Text("联系人"),
        covered(1, 1),
    ];
    let lower = [
        covered(1, 0),
        SheetCell::Text("姓名"),
        SheetCell::Text("手机号"),
    ];
    let expected = Some((2, header(&["编码", "姓名", "手机号"])));
    assert_eq!(found(json!({}), &[&upper, &lower]), expected);
    assert_eq!(found(json!({"header_row": 1}), &[&upper, &lower]), expected);
    // one that lacks nothing is still one where its cells say so
    let upper = [
        SheetCell::Text("编码"),
        SheetCell::Text("姓名"),
        SheetCell::Text("联系方式"),
    ];
    let lower = [covered(1, 0), covered(1, 1), SheetCell::Text("手机号")];
    assert_eq!(
        found(json!({}), &[&upper, &lower]),
        Some((2, header(&["编码", "姓名", "手机号"])))
    );
    // the line below a whole header is data, even if it looks like a header
    let whole = text_row(&["编码", "姓名"]);
    let like = text_row(&["Code", "手机号"]);
    assert_eq!(
        found(json!({}), &[&whole, &like]),
        Some((1, header(&["编码", "姓名"])))
    );
}
