//! Random bad rows in random batches: exactly the bad ones fail.

use std::collections::BTreeMap;

use domain::{ImportMode, RowCode};
use mysql_async::prelude::Queryable;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::thing::{FIRST, KEEP, NULL, a_table, apply};

const CASES: u32 = 64;
const FIELDS: [&str; 6] = ["code", "name", "level", "price", "born", "serial"];

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    None,
    Keeps,
    KeyTaken,
    SerialTaken,
    TooLong,
    NoNumber,
    TooLarge,
    BelowZero,
    NoDate,
    Nameless,
    Ruled,
    Unknown,
}

impl Flaw {
    fn code(self, mode: ImportMode) -> Option<RowCode> {
        match self {
            Self::None | Self::Keeps => None,
            // there, and so to be changed
            Self::KeyTaken if mode != ImportMode::Insert => None,
            Self::Unknown if mode == ImportMode::Update => Some(RowCode::NotFound),
            Self::Unknown => None,
            Self::KeyTaken | Self::SerialTaken => Some(RowCode::DuplicateInDb),
            Self::TooLong => Some(RowCode::TooLong),
            Self::NoNumber => Some(RowCode::TypeMismatch),
            Self::TooLarge => Some(RowCode::OutOfRange),
            Self::BelowZero => Some(RowCode::IntegrityViolation),
            Self::NoDate => Some(RowCode::DateInvalid),
            Self::Nameless => Some(RowCode::Required),
            Self::Ruled => Some(RowCode::BusinessRule),
        }
    }

    fn row(self, n: usize) -> [String; 6] {
        let mut row = [
            format!("C{n}"),
            "good".to_owned(),
            "1".to_owned(),
            "1.00".to_owned(),
            "2024-02-29".to_owned(),
            format!("S{n}"),
        ];
        let (at, value) = match self {
            Self::None => (1, "good".to_owned()),
            Self::Keeps => (2, KEEP.to_owned()),
            Self::KeyTaken => (0, format!("old{n}")),
            Self::SerialTaken => (5, format!("old{n}")),
            Self::TooLong => (1, "x".repeat(11)),
            Self::NoNumber => (2, "many".to_owned()),
            Self::TooLarge => (2, "128".to_owned()),
            Self::BelowZero => (3, "-1".to_owned()),
            Self::NoDate => (4, "2024-02-30".to_owned()),
            Self::Nameless => (1, NULL.to_owned()),
            Self::Ruled => (2, "66".to_owned()),
            Self::Unknown => (0, format!("new{n}")),
        };
        row[at] = value;
        row
    }
}

/// What the table holds before, by code and serial: what is taken, and of the rows themselves all where
/// they are to be changed, and every other where they may be there or not.
fn before(flaws: &[Flaw], mode: ImportMode) -> Vec<(String, String)> {
    let every = match mode {
        ImportMode::Insert => None,
        ImportMode::Upsert => Some(2),
        ImportMode::Update => Some(1),
    };
    let mut rows = Vec::new();
    for (n, flaw) in flaws.iter().enumerate() {
        if matches!(flaw, Flaw::KeyTaken | Flaw::SerialTaken) {
            rows.push((format!("old{n}"), format!("old{n}")));
        }
        if every.is_some_and(|every| n % every == 0) {
            rows.push((format!("C{n}"), format!("T{n}")));
        }
    }
    rows
}

fn flaw() -> impl Strategy<Value = Flaw> {
    let bad = prop::sample::select(vec![
        Flaw::Keeps,
        Flaw::KeyTaken,
        Flaw::SerialTaken,
        Flaw::TooLong,
        Flaw::NoNumber,
        Flaw::TooLarge,
        Flaw::BelowZero,
        Flaw::NoDate,
        Flaw::Nameless,
        Flaw::Ruled,
        Flaw::Unknown,
    ]);
    prop_oneof![6 => Just(Flaw::None), 1 => bad]
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_bad_rows_of_a_batch_fail_and_all_others_are_in() {
    let database = a_table().await;
    let store = database.store();
    let connection = Mutex::new(database.plain_connection().await);
    let few = prop::collection::vec(flaw(), 0..12);
    let many = prop::collection::vec(flaw(), 50..150);
    let modes = prop::sample::select(ImportMode::ALL);
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let handle = Handle::current();
    let one = async |flaws: &[Flaw], mode: ImportMode| {
        let mut connection = connection.lock().await;
        let fill = "INSERT INTO thing (tenant, code, serial) VALUES ('acme', ?, ?)";
        let old = before(flaws, mode);
        connection
            .query_drop("DELETE FROM thing")
            .await
            .expect("emptied");
        let filled = connection.exec_batch(fill, &old).await;
        filled.expect("filled");

        let given: Vec<[String; 6]> = flaws.iter().enumerate().map(|(n, it)| it.row(n)).collect();
        let applied = apply(&store, mode, &FIELDS, &given).await;
        let wanted = (FIRST..).zip(flaws);
        let wanted: BTreeMap<u32, RowCode> = wanted
            .filter_map(|(number, flaw)| Some((number, flaw.code(mode)?)))
            .collect();
        let told = applied.refused.iter().map(|row| (row.number, row.code));
        prop_assert_eq!(told.collect::<BTreeMap<_, _>>(), wanted.clone());
        prop_assert_eq!(applied.refused.len(), wanted.len());

        let stored: Vec<String> = connection
            .query("SELECT code FROM thing WHERE name = 'good' ORDER BY code")
            .await
            .expect("read");
        let mut good: Vec<String> = (FIRST..)
            .zip(&given)
            .filter(|(number, _)| !wanted.contains_key(number))
            .map(|(_, row)| row[0].clone())
            .collect();
        good.sort_unstable();
        let mut stored_sorted = stored;
        stored_sorted.sort_unstable();
        prop_assert_eq!(stored_sorted, good);
        prop_assert_eq!(
            applied.inserted + applied.updated,
            (flaws.len() - wanted.len()) as u64
        );
        let as_it_was: Option<usize> = connection
            .query_first("SELECT COUNT(*) FROM thing WHERE name = 'unnamed'")
            .await
            .expect("read");
        let changed = usize::try_from(applied.updated).expect("few");
        prop_assert_eq!(as_it_was, Some(old.len() - changed));
        Ok::<(), TestCaseError>(())
    };
    let outcome = tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&(prop_oneof![few, many], modes), |(flaws, mode)| {
            handle.block_on(one(&flaws, mode))
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_nothing_but_bad_rows_is_refused_whole() {
    let database = a_table().await;
    let store = database.store();
    let rows: Vec<[String; 6]> = (0..1_200).map(|n| Flaw::TooLarge.row(n)).collect();
    let applied = apply(&store, ImportMode::Insert, &FIELDS, &rows).await;
    assert_eq!((applied.inserted, applied.refused.len()), (0, 1_200));
    let left: u64 = database.one("SELECT COUNT(*) FROM thing").await;
    assert_eq!(left, 0);
}
