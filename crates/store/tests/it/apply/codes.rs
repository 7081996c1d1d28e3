//! Each way in which the table can refuse a row, with its code and its column.

use domain::{ImportMode, RowCode};

use super::thing::{NULL, a_table, apply, dataset, read, refusals, rows, target_of};

/// Field, value, code, and the column that is told.
type Case = (&'static str, &'static str, RowCode, Option<&'static str>);

const CASES: &[Case] = &[
    ("name", "eleven char", RowCode::TooLong, Some("name")),
    ("level", "500", RowCode::OutOfRange, Some("level")),
    ("price", "12345678.00", RowCode::OutOfRange, Some("price")),
    ("level", "many", RowCode::TypeMismatch, Some("level")),
    ("level", "12x", RowCode::TypeMismatch, Some("level")),
    ("price", "free", RowCode::TypeMismatch, Some("price")),
    // words of the server within a value do not mislead
    (
        "level",
        "for column 'name' at row 1",
        RowCode::TypeMismatch,
        Some("level"),
    ),
    (
        "level",
        "try restarting transaction",
        RowCode::TypeMismatch,
        Some("level"),
    ),
    ("born", "2023-02-29", RowCode::DateInvalid, Some("born")),
    (
        "seen",
        "2023-02-29 10:00:00",
        RowCode::DateInvalid,
        Some("seen"),
    ),
    ("clock", "24:61:00", RowCode::DateInvalid, Some("clock")),
    ("kind", "medium", RowCode::NotInList, Some("kind")),
    ("name", NULL, RowCode::Required, Some("name")),
    ("place", "9", RowCode::IntegrityViolation, Some("place")),
    ("price", "-0.01", RowCode::IntegrityViolation, None),
    ("serial", "taken", RowCode::DuplicateInDb, Some("serial")),
    ("level", "66", RowCode::BusinessRule, None),
];

/// A row beside the bad one is good with any value of that field.
fn good(field: &str, n: usize) -> String {
    match field {
        "name" => "good".to_owned(),
        "born" => "2024-02-29".to_owned(),
        "seen" => "2024-02-29 10:00:00".to_owned(),
        "clock" => "10:00:00".to_owned(),
        "kind" => "big".to_owned(),
        "serial" => format!("S{n}"),
        _ => "1".to_owned(),
    }
}

/// `size` rows, the middle one bad.
fn batch(case: &Case, size: usize) -> Vec<[String; 2]> {
    let row = |n| {
        let value = if n == size / 2 {
            case.1.to_owned()
        } else {
            good(case.0, n)
        };
        [format!("C{n:03}"), value]
    };
    (0..size).map(row).collect()
}

async fn check(mode: ImportMode, size: usize) {
    let database = a_table().await;
    let store = database.store();
    for case in CASES {
        let label = format!("{case:?} among {size}, {mode}");
        database.execute("DELETE FROM thing").await;
        database
            .execute("INSERT INTO thing (tenant, code, serial) VALUES ('acme', 'other', 'taken')")
            .await;
        if mode != ImportMode::Insert {
            let there: Vec<[String; 1]> = (0..size).map(|n| [format!("C{n:03}")]).collect();
            let applied = apply(&store, ImportMode::Insert, &["code"], &there).await;
            assert_eq!(applied.refused, [], "{label}");
        }
        let applied = apply(&store, mode, &["code", case.0], &batch(case, size)).await;
        let bad = u32::try_from(2 + size / 2).expect("small");
        assert_eq!(refusals(&applied), [(bad, case.2, case.3)], "{label}");
        let said = (case.2 == RowCode::BusinessRule).then_some("等级不可为 66");
        assert_eq!(applied.refused[0].said.as_deref(), said, "{label}");
        let taken = applied.inserted + applied.updated;
        assert_eq!(taken, size as u64 - 1, "{label}");
        let select = format!(
            "CAST({} AS CHAR), code IN ('C{:03}', 'other')",
            case.0,
            size / 2
        );
        let stored: Vec<(Option<String>, bool)> = read(&database, &select).await;
        let is_good = |value: &Option<String>| {
            let value = value.as_deref().unwrap_or_default();
            value.starts_with(good(case.0, 0).get(..1).expect("a letter"))
        };
        let others = stored
            .iter()
            .filter(|(value, is_other)| !is_other && is_good(value));
        assert_eq!(others.count(), size - 1, "{label}: {stored:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_row_is_refused_with_its_code_among_few_and_the_others_are_in() {
    check(ImportMode::Insert, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_row_is_refused_with_its_code_among_many_and_the_others_are_in() {
    check(ImportMode::Insert, 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_refused_with_its_code_and_the_others_are_made() {
    check(ImportMode::Update, 5).await;
    check(ImportMode::Upsert, 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_meets_another_unique_index_never_changes_the_row_it_meets() {
    let database = a_table().await;
    let store = database.store();
    let fields = ["code", "serial", "name"];
    let there = [["A1", "S1", "one"], ["A2", "S2", "two"]];
    apply(&store, ImportMode::Insert, &fields, &there).await;
    // a new key with the serial of A1; the key of A2 with the serial of A1; and a good one
    let given = [
        ["B1", "S1", "bad"],
        ["A2", "S1", "bad"],
        ["A1", "S9", "good"],
    ];
    let applied = apply(&store, ImportMode::Upsert, &fields, &given[..2]).await;
    let wanted = [
        (2, RowCode::DuplicateInDb, Some("serial")),
        (3, RowCode::DuplicateInDb, Some("serial")),
    ];
    assert_eq!(refusals(&applied), wanted);
    let applied = apply(&store, ImportMode::Upsert, &fields, &given[2..]).await;
    assert_eq!((applied.updated, applied.refused.len()), (1, 0));
    let stored: Vec<(String, String, String)> = read(&database, "code, serial, name").await;
    let wanted = [("A1", "S9", "good"), ("A2", "S2", "two")];
    let wanted = wanted.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(stored, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_must_be_given_and_is_not_is_required() {
    let database = a_table().await;
    database
        .execute("ALTER TABLE thing MODIFY name VARCHAR(10) NOT NULL")
        .await;
    let store = database.store();
    let many: Vec<[String; 1]> = (0..60).map(|n| [format!("C{n}")]).collect();
    for given in [&many[..], &many[..3]] {
        let applied = apply(&store, ImportMode::Insert, &["code"], given).await;
        assert_eq!(applied.inserted, 0);
        assert_eq!(applied.refused.len(), given.len());
        let told = refusals(&applied);
        let code = RowCode::Required;
        assert!(
            told.iter()
                .all(|row| (row.1, row.2) == (code, Some("name"))),
            "{told:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_has_lost_a_column_is_a_fault_of_the_house_and_not_of_rows() {
    let database = a_table().await;
    let store = database.store();
    database.execute("ALTER TABLE thing DROP COLUMN note").await;
    let fields = ["code", "note"];
    for size in [1, 60] {
        let given: Vec<[String; 2]> = (0..size)
            .map(|n| [format!("C{n}"), String::new()])
            .collect();
        let target = target_of(&dataset(""), ImportMode::Insert, &fields);
        let outcome = store.apply_rows(target, rows(&given)).await;
        assert!(outcome.is_err_and(|error| !error.is_transient()));
    }
    let left: u64 = database.one("SELECT COUNT(*) FROM thing").await;
    assert_eq!(left, 0);
}
