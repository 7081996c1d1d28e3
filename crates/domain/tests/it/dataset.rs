//! A definition in hand is whole; a wrong one is refused with file, line and reason.

use chrono_tz::Tz;
use domain::{Catalog, ColumnType, LiveValue, Operator, Tenancy};

/// The definitions that the house ships.
pub(crate) fn shipped() -> Catalog {
    let files = [
        (
            "employee.toml",
            include_str!("../../../../deploy/datasets/employee.toml"),
        ),
        (
            "user.toml",
            include_str!("../../../../deploy/datasets/user.toml"),
        ),
        (
            "member.toml",
            include_str!("../../../../deploy/datasets/member.toml"),
        ),
    ];
    Catalog::parse(files).unwrap()
}

const WHOLE: &str = r#"
name = "thing"
label = { zh-CN = "东西", en = "Thing" }
version = "1"
table = "thing"
primary_key = ["id"]
key = ["code"]
columns = [
  { name = "code", label = { en = "Code" }, type = "string", sortable = true },
  { name = "made_at", label = { en = "Made" }, type = "datetime", stored_in = "Asia/Tokyo" },
]
filters = [
  { column = "code", operators = ["eq"] },
]
"#;

fn refused(text: &str) -> String {
    let errors = Catalog::parse([("thing.toml", text)]).unwrap_err();
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn what_a_file_leaves_out_has_its_default() {
    let catalog = Catalog::parse([("thing.toml", WHOLE)]).unwrap();
    let thing = catalog.get("thing").unwrap();
    assert_eq!(thing.tenancy, Tenancy::Column("tenant".into()));
    assert_eq!(thing.queues, ["default"]);
    assert_eq!(thing.soft_delete, None);
    assert_eq!(thing.column("code").unwrap().stored_in, Tz::UTC);
    assert_eq!(thing.column("made_at").unwrap().stored_in, Tz::Asia__Tokyo);
    assert!(thing.column("code").unwrap().exportable);
    assert_eq!(thing.source, None);
    assert!(!thing.may_see_sensitive(&["MANAGER".into()]));
    assert_eq!(thing.place.line, 2);
    assert_eq!(thing.column("made_at").unwrap().place.line, 10);
}

#[test]
fn the_shipped_definitions_are_whole() {
    let catalog = shipped();
    let employee = catalog.get("employee").unwrap();
    assert_eq!(employee.label.get("zh-CN"), "员工信息");
    assert_eq!(employee.soft_delete.as_ref().unwrap().live, LiveValue::Null);
    assert!(employee.may_export(&["MANAGER".into()]));
    assert!(!employee.may_export(&["CLERK".into()]));
    let user = catalog.get("user").unwrap();
    assert_eq!(
        user.soft_delete.as_ref().unwrap().live,
        LiveValue::Value("0".into())
    );
    let member = catalog.get("member").unwrap();
    assert_eq!(member.column("balance").unwrap().kind, ColumnType::Decimal);
    assert!(
        member
            .filter("level")
            .unwrap()
            .operators
            .contains(&Operator::In)
    );
    assert_eq!(catalog.queues(), ["default"]);
}

#[test]
fn a_wrong_definition_is_refused_with_file_line_and_reason() {
    let cases = [
        (
            "version = \"1\"",
            "version = \"1\"\ncolour = 1",
            "thing.toml:5: ",
            "colour",
        ),
        ("version = \"1\"", "", "thing.toml:", "version"),
        ("\"id\"", "\"id`; --\"", "thing.toml:6: ", "no identifier"),
        (
            "name = \"code\"",
            "name = \"Code\"",
            "thing.toml:9: ",
            "no identifier",
        ),
        (
            "key = [\"code\"]",
            "key = [\"nope\"]",
            "thing.toml:7: ",
            "no column `nope`",
        ),
        (
            "key = [\"code\"]",
            "key = []",
            "thing.toml:2: ",
            "`key` names no column",
        ),
        (
            "key = [\"code\"]",
            "key = [\"code\"]\nsort = [\"made_at\"]",
            "thing.toml:8: ",
            "not sortable",
        ),
        (
            "key = [\"code\"]",
            "key = [\"code\"]\nsort = [\"-gone\"]",
            "thing.toml:8: ",
            "no column `gone`",
        ),
        (
            "name = \"made_at\"",
            "name = \"code\"",
            "thing.toml:10: ",
            "defined twice",
        ),
        (
            "Asia/Tokyo",
            "Asia/Tokio",
            "thing.toml:10: ",
            "no time zone",
        ),
        ("\"datetime\"", "\"moment\"", "thing.toml:10: ", "moment"),
        ("[\"eq\"]", "[\"gt\", \"near\"]", "thing.toml:13: ", "near"),
        ("[\"eq\"]", "[]", "thing.toml:13: ", "at least one operator"),
        (
            "column = \"code\", operators = [\"eq\"]",
            "column = \"made_at\", operators = [\"like_prefix\"]",
            "thing.toml:13: ",
            "does not fit",
        ),
        (
            "column = \"code\"",
            "column = \"id\"",
            "thing.toml:13: ",
            "no column `id`",
        ),
        (
            "type = \"string\"",
            "type = \"string\", scale = 2",
            "thing.toml:9: ",
            "`scale` is for",
        ),
        ("{ en = \"Code\" }", "{}", "thing.toml:9: ", "label"),
        (
            "table = \"thing\"",
            "table = \"thing\"\nsource = \"Replica\"",
            "thing.toml:6: ",
            "no identifier",
        ),
        (
            "table = \"thing\"",
            "table = \"thing\"\ntenant = \"code\"",
            "thing.toml:6: ",
            "importable",
        ),
        (
            "table = \"thing\"",
            "table = \"thing\"\ntenant = \"t\"\nshared = true",
            "thing.toml:6: ",
            "exclude",
        ),
    ];
    for (from, to, place, reason) in cases {
        assert!(WHOLE.contains(from), "{from}");
        let told = refused(&WHOLE.replacen(from, to, 1));
        assert!(
            told.starts_with(place) && told.contains(reason),
            "{to:?} told: {told}"
        );
    }
}

#[test]
fn a_name_belongs_to_one_file_and_every_bad_file_is_told() {
    let errors =
        Catalog::parse([("a.toml", WHOLE), ("b.toml", WHOLE), ("c.toml", "name = 1")]).unwrap_err();
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2);
    assert!(
        told[0].starts_with("b.toml:2: ") && told[0].contains("a.toml"),
        "{told:?}"
    );
    assert!(told[1].starts_with("c.toml:1: "), "{told:?}");
}

#[test]
fn a_label_falls_back_to_the_language_then_to_zh_cn_then_to_the_first() {
    let catalog = shipped();
    let label = &catalog.get("employee").unwrap().label;
    for (locale, expected) in [
        ("en", "Employees"),
        ("en-GB", "Employees"),
        ("EN", "Employees"),
        ("zh-TW", "员工信息"),
        ("fr", "员工信息"),
    ] {
        assert_eq!(label.get(locale), expected, "{locale}");
    }
    assert!(label.speaks("en-GB") && !label.speaks("fr"));
    let thing = Catalog::parse([("thing.toml", WHOLE)]).unwrap();
    assert_eq!(
        thing
            .get("thing")
            .unwrap()
            .column("code")
            .unwrap()
            .label
            .get("fr"),
        "Code"
    );
}
