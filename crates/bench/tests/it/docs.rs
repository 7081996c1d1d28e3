//! The documents name only what is there: every test that they cite, every metric that an alert
//! reads, and a runbook for every alert.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Words from which on the last part of `module::name` is taken for a test's name, which is a
/// sentence; other code has shorter names.
const SENTENCE_WORDS: usize = 4;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files below `directory` that end so, in a settled order.
fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// `crate: module::name` of every test of the workspace.
fn tests() -> BTreeSet<String> {
    let crates = root().join("crates");
    let mut tests = BTreeSet::new();
    for file in files(&crates, ".rs") {
        let place = file.strip_prefix(&crates).unwrap().with_extension("");
        let place: Vec<&str> = place.iter().map(|part| part.to_str().unwrap()).collect();
        let (package, path) = match place.as_slice() {
            [package, "tests", "it", path @ ..] | [package, "src", path @ ..] => (package, path),
            _ => continue,
        };
        let path: Vec<&str> = path
            .iter()
            .filter(|part| !["main", "lib"].contains(part))
            .copied()
            .collect();
        for name in test_names(&read(&file)) {
            let module = [path.clone(), vec![name.as_str()]].concat().join("::");
            tests.insert(format!("{package}: {module}"));
        }
    }
    tests
}

/// Names of the functions that stand below a `#[test]` of any kind.
fn test_names(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut marked = false;
    for line in source.lines().map(str::trim) {
        marked |= line == "#[test]" || line.starts_with("#[tokio::test");
        let function = line.strip_prefix("async ").unwrap_or(line);
        if let Some(name) = function.strip_prefix("fn ")
            && std::mem::take(&mut marked)
        {
            let end = name.find(|c: char| !is_of_name(c)).unwrap_or(name.len());
            names.push(name[..end].to_owned());
        }
    }
    names
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Whether it is `crate: module::name`, or `module::name` with a sentence for a name, which may end
/// in `…`.
fn cites_a_test(quoted: &str) -> bool {
    let (package, path) = quoted.split_once(": ").unwrap_or(("", quoted));
    let Some((_, name)) = path.rsplit_once("::") else {
        return false;
    };
    let of_a_path = |c: char| is_of_name(c) || c == ':' || c == '…';
    let is_a_path = path.chars().all(of_a_path);
    let is_a_sentence = name.ends_with('…') || name.split('_').count() >= SENTENCE_WORDS;
    is_a_path && (!package.is_empty() || is_a_sentence)
}

fn is_there(cited: &str, tests: &BTreeSet<String>) -> bool {
    if cited.contains(": ") && !cited.ends_with('…') {
        return tests.contains(cited);
    }
    let start = cited.trim_end_matches('…');
    let whole = start == cited;
    tests.iter().any(|test| {
        let path = test.split_once(": ").map_or("", |(_, path)| path);
        let ends = path.match_indices(start).any(|(at, _)| {
            let begins_a_part = at == 0 || path[..at].ends_with("::");
            begins_a_part && (!whole || at + start.len() == path.len())
        });
        ends || (!whole && test.starts_with(start))
    })
}

#[test]
fn every_test_that_a_document_cites_exists() {
    let tests = tests();
    let mut cited = 0;
    let mut missing = Vec::new();
    for document in files(&root().join("docs"), ".md") {
        let text = read(&document);
        for citation in quoted(&text).filter(|quoted| cites_a_test(quoted)) {
            cited += 1;
            if !is_there(citation, &tests) {
                missing.push(format!("{}: {citation}", document.display()));
            }
        }
    }
    assert!(cited > 100, "only {cited} citations are recognised");
    assert!(missing.is_empty(), "no such tests:\n{}", missing.join("\n"));
}

#[test]
fn every_promise_of_the_document_of_reliability_cites_a_test() {
    let text = read(&root().join("docs/RELIABILITY.md"));
    let promised = text.split("## What is promised").nth(1).unwrap();
    let promised = promised.split("\n## ").next().unwrap();
    let rows: Vec<&str> = promised
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| promise"))
        .collect();
    assert!(rows.len() > 10, "{rows:?}");
    for row in rows {
        assert!(quoted(row).any(cites_a_test), "no test: {row}");
    }
}

fn alerts() -> String {
    read(&root().join("deploy/observability/alerts.yaml"))
}

fn names_after<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    let lines = text.lines().map(str::trim);
    lines.filter_map(|line| line.strip_prefix(before)).collect()
}

#[test]
fn every_metric_that_an_alert_reads_is_one_that_we_measure() {
    let sources: String = files(&root().join("crates"), ".rs")
        .iter()
        .filter(|file| file.components().any(|part| part.as_os_str() == "src"))
        .map(|file| read(file))
        .collect();
    let alerts = alerts();
    let read: BTreeSet<&str> = alerts
        .split(|c: char| !is_of_name(c))
        .filter(|word| word.starts_with("quayside_"))
        .collect();
    assert!(read.len() > 10, "{read:?}");
    for metric in read {
        let measured = ["", "_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|suffix| metric.strip_suffix(suffix))
            .any(|name| sources.contains(&format!("\"{name}\"")));
        assert!(measured, "nothing measures {metric}");
    }
}

#[test]
fn every_alert_has_its_runbook_and_every_runbook_its_alert() {
    let alerts = alerts();
    let operations = read(&root().join("docs/OPERATIONS.md"));
    let runbooks = operations.split("\n## Alerts").nth(1).unwrap();
    let runbooks = runbooks.split("\n## ").next().unwrap();
    let names = names_after(&alerts, "- alert: ");
    assert!(names.len() > 10, "{names:?}");
    let told: BTreeSet<&str> = names_after(runbooks, "### ").into_iter().collect();
    assert_eq!(BTreeSet::from_iter(names.iter().copied()), told);
    let links: Vec<String> = names
        .iter()
        .map(|name| format!("docs/OPERATIONS.md#{}", name.to_lowercase()))
        .collect();
    assert_eq!(names_after(&alerts, "runbook: "), links);
}
