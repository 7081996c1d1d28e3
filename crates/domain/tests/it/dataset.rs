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
    let long = "x".repeat(513);
    let long_label = format!(
        "import_modes = [\"insert\"]\ncolumns = [\n  {{ name = \"code\", label = {{ en = \"{long}\" }}"
    );
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
        (
            "stored_in = \"Asia/Tokyo\"",
            "scale = 7",
            "thing.toml:10: ",
            "`scale` is 7, it may be 0 to 6",
        ),
        (
            "stored_in = \"Asia/Tokyo\"",
            "scale = 1, min = \"2026-01-01 00:00:00.25\"",
            "thing.toml:10: ",
            "`min` is 2026-01-01 00:00:00.25, which is no datetime",
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
        (
            "type = \"string\"",
            "type = \"string\", pattern = \"^(1\"",
            "thing.toml:9: ",
            "no pattern",
        ),
        (
            "type = \"string\"",
            "type = \"string\", max = 5",
            "thing.toml:9: ",
            "`max` is not for",
        ),
        (
            "type = \"string\"",
            "type = \"integer\", min = 1.5",
            "thing.toml:9: ",
            "which is no integer",
        ),
        (
            "type = \"string\"",
            "type = \"date\", min = 2026-01-02, max = 2026-01-01",
            "thing.toml:9: ",
            "above `max`",
        ),
        (
            "type = \"string\"",
            "type = \"boolean\", allowed = [\"perhaps\"]",
            "thing.toml:9: ",
            "holds perhaps",
        ),
        (
            "type = \"string\"",
            "type = \"string\", allowed = []",
            "thing.toml:9: ",
            "is empty",
        ),
        (
            "type = \"string\"",
            "type = \"integer\", trim = true",
            "thing.toml:9: ",
            "`trim` is for",
        ),
        (
            "type = \"string\"",
            "type = \"string\", numbers = \"1,234.5\"",
            "thing.toml:9: ",
            "`numbers` is for",
        ),
        (
            "type = \"string\"",
            "type = \"integer\", numbers = \"1;234\"",
            "thing.toml:9: ",
            "1;234",
        ),
        (
            "key = [\"code\"]",
            "key = [\"code\"]\nversion_column = \"made_at\"",
            "thing.toml:8: ",
            "type integer",
        ),
        (
            "columns = [\n  { name = \"code\", label = { en = \"Code\" }",
            long_label.as_str(),
            "thing.toml:10: ",
            "at most 512 characters",
        ),
        (
            "filters = [",
            "rules = [{ name = \"r\", message = { en = \"R\" }, left = \"code\" }]\nfilters = [",
            "thing.toml:12: ",
            "`left`, `op` and `right`",
        ),
        (
            "filters = [",
            "rules = [{ name = \"r\", message = { en = \"R\" }, left = \"code\", op = \"eq\", right = \"made_at\" }]\nfilters = [",
            "thing.toml:12: ",
            "different types",
        ),
        (
            "filters = [",
            "rules = [{ name = \"r\", message = { en = \"R\" }, left = \"code\", op = \"lt\", right = \"code\" }]\nfilters = [",
            "thing.toml:12: ",
            "is not for columns of type string",
        ),
        (
            "filters = [",
            "rules = [{ name = \"r\", message = { en = \"R\" }, required = \"gone\" }]\nfilters = [",
            "thing.toml:12: ",
            "no importable column `gone`",
        ),
        (
            "filters = [",
            "rules = [{ name = \"r\", message = { en = \"R\" }, when = { column = \"made_at\", is = \"soon\" }, required = \"code\" }]\nfilters = [",
            "thing.toml:12: ",
            "no value of `made_at`",
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

#[test]
fn a_dataset_for_import_has_a_key_that_can_be_given_and_no_header_of_two_meanings() {
    let importable = WHOLE.replacen("version =", "import_modes = [\"insert\"]\nversion =", 1);
    assert!(Catalog::parse([("thing.toml", &importable)]).is_ok());
    let no_key = importable.replacen(
        "type = \"string\"",
        "type = \"string\", importable = false",
        1,
    );
    let told = refused(&no_key);
    assert!(
        told.starts_with("thing.toml:10: ") && told.contains("part of the key"),
        "{told}"
    );
    let twice = importable.replacen("{ en = \"Made\" }", "{ en = \" CODE*\" }", 1);
    let told = refused(&twice);
    assert!(
        told.starts_with("thing.toml:11: ") && told.contains("means `code`"),
        "{told}"
    );
    let versioned = importable.replacen("\nkey = ", "\nversion_column = \"edition\"\nkey = ", 1);
    let edition =
        "columns = [\n{ name = \"edition\", label = { en = \"Edition\" }, type = \"integer\" },";
    let catalog = Catalog::parse([("thing.toml", versioned.replacen("columns = [", edition, 1))]);
    let version_column = catalog
        .unwrap()
        .get("thing")
        .unwrap()
        .version_column
        .clone();
    assert_eq!(version_column.as_deref(), Some("edition"));
}

#[test]
fn the_fingerprint_follows_what_decides_over_rows_and_nothing_that_is_only_shown() {
    let whole = WHOLE.replace(
        "columns = [",
        r#"shared = true
import_modes = ["insert"]
rules = [{ name = "both", message = { en = "Both." }, when = { column = "code", is = "x" }, required = "made_at" }]
columns = [
  { name = "number", label = { en = "Number" }, type = "integer" },
  { name = "pay", label = { en = "Pay" }, type = "decimal", scale = 2, min = 0, max = 9 },
  { name = "seen", label = { en = "Seen" }, type = "string", importable = false },"#,
    );
    let of = |text: &str| {
        let catalog = Catalog::parse([("thing.toml", text)]).unwrap();
        catalog.get("thing").unwrap().fingerprint()
    };
    let own = of(&whole);
    assert_eq!(own, "f752a9ed52db9325", "the same in every release");
    for (old, new) in [
        (r#"en = "Pay""#, r#"en = "Wage""#),
        (r#"version = "1""#, r#"version = "2""#),
        (r#"en = "Both.""#, r#"en = "Both, please.""#),
        ("sortable = true", "sortable = false"),
        (r#"["eq"]"#, r#"["eq", "in"]"#),
        ("importable = false", "importable = false, max_length = 7"),
        ("scale = 2", "scale = 2, sensitive = true, width = 9.0"),
    ] {
        assert!(whole.contains(old), "{old}");
        assert_eq!(of(&whole.replace(old, new)), own, "{new}");
    }
    for (old, new) in [
        (r#"table = "thing""#, r#"table = "things""#),
        (r#"key = ["code"]"#, r#"key = ["code", "pay"]"#),
        (r#"primary_key = ["id"]"#, r#"primary_key = ["code"]"#),
        ("shared = true", ""),
        (r#"["insert"]"#, r#"["insert", "upsert"]"#),
        (r#"is = "x""#, r#"is = "y""#),
        (
            r#"required = "made_at""#,
            r#"left = "code", op = "eq", right = "code""#,
        ),
        ("scale = 2", "scale = 3"),
        ("min = 0", "min = 1"),
        ("max = 9", "max = 8"),
        ("min = 0", "min = 0, required = true"),
        ("min = 0", "min = 0, unique = true"),
        ("min = 0", r#"min = 0, allowed = ["1"]"#),
        ("min = 0", r#"min = 0, numbers = "1,234.5""#),
        ("sortable = true", "sortable = true, max_length = 9"),
        ("sortable = true", "sortable = true, trim = true"),
        ("sortable = true", r#"sortable = true, pattern = "^x""#),
        (r#"stored_in = "Asia/Tokyo""#, r#"stored_in = "UTC""#),
        ("importable = false", "importable = true"),
        (
            r#"table = "thing""#,
            "table = \"thing\"\nsoft_delete = { column = \"gone\", live = \"0\" }",
        ),
        (
            r#"table = "thing""#,
            "table = \"thing\"\nversion_column = \"number\"",
        ),
    ] {
        assert!(whole.contains(old), "{old}");
        let new = whole.replacen(old, new, 1);
        assert_ne!(of(&new), own, "{new}");
    }
}
