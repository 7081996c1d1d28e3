//! What must be unique, and what may be equal (cases.md A 24).

use domain::{RowCode, fold_key};
use serde_json::json;

use super::workshop::{check, thing, thing_with};
use crate::dataset::shipped;

fn fold(text: &str) -> u128 {
    fold_key(std::iter::once(text))
}

#[test]
fn keys_that_a_collation_takes_for_equal_have_equal_hashes() {
    let equal: [&[&str]; 14] = [
        &[
            "abc",
            "ABC",
            "aBc",
            "abc ",
            "abc   ",
            " abc",
            "ａｂｃ",
            "ａＢＣ\u{3000}",
        ],
        &["café", "CAFE", "cafe\u{301}", "café\u{200b}", "ca\u{ad}fe"],
        &["straße", "STRASSE", "strase", "STRASE"],
        &["Ærø", "aero", "ÆRØ"],
        &["Müller", "Mueller", "MULLER"],
        &["ガギグ", "がぎぐ", "ｶﾞｷﾞｸﾞ", "カキク"],
        &["ぁい", "アイ", "ｱｲ"],
        &["１２３", "123", "①②③", "١٢٣", "१२३"],
        &["ΣΑΣ", "σας", "σασ"],
        &["ﬁn", "FIN"],
        &["Đặng", "dang", "DANG"],
        &["ёлка", "ЕЛКА"],
        &["𠮷", "😀"],
        &["Çağrı", "cagri", "ÇAĞRI"],
    ];
    for group in equal {
        for text in group {
            assert_eq!(fold(text), fold(group[0]), "{text} {}", group[0]);
        }
    }
}

#[test]
fn unlike_keys_have_unlike_hashes() {
    let unlike = [
        "",
        "M0001",
        "M0010",
        "M0002",
        "M00010",
        "a b",
        "ab",
        "a  b",
        "王伟",
        "王玮",
        "李",
        "abc-1",
        "abc_1",
        "abc1",
        "пётр",
        "павел",
        "かき",
        "さし",
        "김",
        "김수",
        "1.0",
        "1",
        "10",
    ];
    let hashes: std::collections::HashSet<u128> = unlike.iter().map(|text| fold(text)).collect();
    assert_eq!(hashes.len(), unlike.len());
    let pair = |left, right| fold_key([left, right].into_iter());
    assert_ne!(pair("a", "b"), pair("ab", ""), "parts do not run together");
    assert_ne!(pair("a", "b"), pair("", "ab"));
    assert_eq!(pair("A ", "b"), pair("a", "Ｂ"));
    let long = "x1".repeat(500);
    assert_eq!(fold(&long), fold(&long.to_uppercase()));
    assert_ne!(fold(&long), fold(&long[1..]));
}

#[test]
fn the_datasets_key_comes_first_and_then_every_unique_column_of_the_sheet() {
    let catalog = thing(
        r#"{ name = "card", label = { en = "Card" }, type = "string", unique = true },
           { name = "note", label = { en = "Note" }, type = "string" },
           { name = "shop", label = { en = "Shop" }, type = "string", unique = true, importable = false },"#,
    );
    let check = check(&catalog, &json!({}));
    assert_eq!(check.fields(), ["code", "card", "note"]);
    let sets: Vec<_> = check
        .key_sets()
        .iter()
        .map(|set| (&set.columns[..], &set.names[..]))
        .collect();
    let names = |name: &str| vec![name.to_owned()];
    assert_eq!(
        sets,
        [
            (&[0][..], &names("code")[..]),
            (&[1][..], &names("card")[..])
        ]
    );
    // a unique column that is the key is no second set
    let shipped = shipped();
    let member = shipped.get("member").unwrap();
    assert!(member.column("member_no").unwrap().unique && member.key == ["member_no"]);
}

#[test]
fn a_duplicate_names_the_other_rows() {
    let catalog = thing_with(
        "",
        r#"{ name = "card", label = { zh-CN = "卡号" }, type = "string", unique = true },"#,
    );
    let check = check(&catalog, &json!({}));
    let related: Vec<u32> = (3..20).collect();
    let error = check.duplicate(2, 1, &related);
    assert_eq!(error.code, RowCode::DuplicateInFile);
    assert_eq!(
        (error.row, error.column.as_deref(), error.field.as_deref()),
        (2, Some("B"), Some("card"))
    );
    assert_eq!(error.related_rows, (3..13).collect::<Vec<u32>>());
    assert_eq!(check.duplicate(9, 0, &[4]).message, "“编码”与第 4 行重复");
}
