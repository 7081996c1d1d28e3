//! The document tells of every field that a definition may have, and of no other.

use std::collections::BTreeSet;

const PARSED: &str = include_str!("../../src/handler/raw.rs");
const TOLD: &str = include_str!("../../../../docs/OPERATIONS.md");

/// The table of the file that a struct stands for.
fn table(name: &str) -> &'static str {
    match name {
        "RawHandler" => "",
        "RawRows" => "rows.",
        "RawHttp" => "http.",
        "RawCode" => "code.",
        "RawNotify" => "notify.",
        "RawEmail" => "notify.email.",
        other => panic!("which table is {other}?"),
    }
}

fn parsed() -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    let mut within = "";
    for line in PARSED.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("pub(super) struct ") {
            within = table(name.trim_end_matches(" {"));
        } else if let Some((name, of)) = line
            .strip_prefix("pub(super) ")
            .and_then(|field| field.split_once(": "))
        {
            let is_table = of.contains("Raw") && !of.contains("RawKind");
            if !is_table {
                fields.insert(format!("{within}{name}"));
            }
        }
    }
    fields
}

fn told() -> BTreeSet<String> {
    let section = TOLD.split("\n## Handler definitions\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.map(|row| row.split('`').next().unwrap().to_owned());
    names.collect()
}

#[test]
fn the_table_of_fields_has_all_that_a_definition_may_say_and_nothing_else() {
    let parsed = parsed();
    assert!(parsed.len() > 20, "{parsed:?}");
    assert_eq!(told(), parsed);
}
