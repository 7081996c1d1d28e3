//! Random rows and filters, drawn so that they meet.

use chrono::{Days, NaiveDate, TimeDelta};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::model::{COLUMNS, DECIMAL_UNIT, Kind, Plain, Row, Test};

/// The smallest step that the decimal column holds.
const SMALLEST: i128 = 1_000_000;
/// No float tells the last two from their neighbours.
const WHOLES: [i128; 4] = [0, 1, 123_456_789_012_345_678, -999_999_999_999_999_998];
/// No float tells these from their neighbours.
const EDGES: [i64; 6] = [
    i64::MAX,
    i64::MAX - 1,
    i64::MIN,
    i64::MIN + 1,
    9_007_199_254_740_992,
    9_007_199_254_740_993,
];
/// Of these some text of [`NASTY`] begins with each.
const PREFIXES: [&str; 12] = [
    "", "a", "a ", "%", "a%", "_", "a_", "|", "a|", "\\", "'", "😀",
];
const NASTY: [&str; 26] = [
    "",
    " ",
    "a",
    "A",
    "a ",
    "a  ",
    "a\0",
    "a\t",
    "b",
    "%",
    "a%",
    "_",
    "a_b",
    "|",
    "||",
    "a|%",
    "\\",
    "a\\",
    "\\'",
    "'",
    "' OR 1=1 --",
    "\"",
    "`",
    "😀",
    "é",
    "ß",
];

fn text() -> BoxedStrategy<String> {
    let short = prop::collection::vec(
        select(vec!['a', 'b', ' ', '%', '_', '|', '\\', '\'', '\0', '😀']),
        0..4,
    );
    prop_oneof![
        5 => select(NASTY.to_vec()).prop_map(str::to_owned),
        3 => short.prop_map(String::from_iter),
        1 => any::<String>().prop_map(|text| text.chars().take(200).collect()),
        1 => (1_usize..200).prop_map(|length| "a😀%".chars().cycle().take(length).collect()),
    ]
    .boxed()
}

/// A value that a cell may hold and that a filter may name.
fn plain(kind: Kind) -> BoxedStrategy<Plain> {
    let day = |day: u64| NaiveDate::from_ymd_opt(2024, 2, 27).expect("a day") + Days::new(day);
    match kind {
        Kind::Exact | Kind::Padded => text().prop_map(Plain::Text).boxed(),
        Kind::Number => prop_oneof![3 => -3_i64..4, 2 => select(EDGES.to_vec()), 1 => any::<i64>()]
            .prop_map(|number| Plain::Number(number.into()))
            .boxed(),
        Kind::Unsigned => prop_oneof![3 => 0_u64..4, 2 => u64::MAX - 2..=u64::MAX, 1 => any::<u64>()]
            .prop_map(|number| Plain::Number(number.into()))
            .boxed(),
        Kind::Decimal => (select(WHOLES.to_vec()), -2_i128..3)
            .prop_map(|(whole, smallest)| Plain::Decimal(whole * DECIMAL_UNIT + smallest * SMALLEST))
            .boxed(),
        Kind::Truth => select(vec![0_i8, 0, 1, 1, 2, -1]).prop_map(Plain::Truth).boxed(),
        Kind::Day => prop_oneof![
            4 => (0_u64..5).prop_map(day),
            1 => select(vec![NaiveDate::from_ymd_opt(1000, 1, 1), NaiveDate::from_ymd_opt(9999, 12, 31)])
                .prop_map(|day| day.expect("a day")),
        ]
        .prop_map(Plain::Day)
        .boxed(),
        Kind::Moment => (0_u64..3, 0_i64..3, select(vec![0_i64, 1, 500_000, 999_999]))
            .prop_map(move |(days, seconds, micros)| {
                let start = day(days).and_hms_opt(15, 59, 59).expect("a time");
                Plain::Moment(start + TimeDelta::seconds(seconds) + TimeDelta::microseconds(micros))
            })
            .boxed(),
        Kind::Clock => (0_i64..3, select(vec![0_i64, 1, 43_200_000_000]))
            .prop_map(|(seconds, micros)| Plain::Clock(seconds * 1_000_000 + micros))
            .boxed(),
    }
}

/// A value that no cell holds but a filter may name all the same.
fn beyond(kind: Kind) -> BoxedStrategy<Plain> {
    match kind {
        Kind::Exact | Kind::Padded => (1_000_usize..=4_096)
            .prop_map(|length| Plain::Text("a😀".chars().cycle().take(length).collect()))
            .boxed(),
        Kind::Number => any::<u64>().prop_map(|it| Plain::Number(it.into())).boxed(),
        Kind::Unsigned => any::<i64>().prop_map(|it| Plain::Number(it.into())).boxed(),
        Kind::Decimal => (plain(kind), -2_i128..3)
            .prop_map(|(value, finer)| match value {
                Plain::Decimal(units) => Plain::Decimal(units + finer),
                other => other,
            })
            .boxed(),
        Kind::Truth | Kind::Day | Kind::Moment | Kind::Clock => plain(kind),
    }
}

fn operand(kind: Kind) -> BoxedStrategy<Plain> {
    prop_oneof![6 => plain(kind), 1 => beyond(kind)].boxed()
}

fn test(kind: Kind, operator: &'static str) -> BoxedStrategy<Test> {
    match operator {
        "in" => prop::collection::vec(operand(kind), 0..5)
            .prop_map(Test::In)
            .boxed(),
        "is_null" => any::<bool>().prop_map(Test::IsNull).boxed(),
        "like_prefix" => prop_oneof![
            2 => select(PREFIXES.to_vec()).prop_map(str::to_owned),
            1 => text(),
        ]
        .prop_map(Test::Prefix)
        .boxed(),
        compared => operand(kind)
            .prop_map(move |value| Test::One(compared, value))
            .boxed(),
    }
}

/// One to three different tests of one column.
pub(super) fn filter() -> impl Strategy<Value = (usize, Vec<Test>)> {
    (0..COLUMNS.len()).prop_flat_map(|column| {
        let kind = COLUMNS[column].1;
        // the last is the prefix of texts, of which there is the most to get wrong
        let last = kind.operators().split_off(kind.operators().len() - 1);
        let operators = prop_oneof![
            2 => subsequence(kind.operators(), 1),
            1 => subsequence(kind.operators(), 2..=3),
            1 => Just(last),
        ];
        let tests = operators.prop_flat_map(move |operators| {
            let tests: Vec<_> = operators
                .iter()
                .map(|operator| test(kind, operator))
                .collect();
            tests
        });
        (Just(column), tests)
    })
}

/// A row; each cell may be null, and a time of day may be any that MySQL knows.
pub(super) fn row() -> impl Strategy<Value = Row> {
    let cells: Vec<_> = COLUMNS
        .iter()
        .map(|(_, kind)| {
            let value = match kind {
                Kind::Clock => prop_oneof![
                    4 => plain(Kind::Clock),
                    1 => (-3_020_399_i64..=3_020_399).prop_map(|it| Plain::Clock(it * 1_000_000)),
                ]
                .boxed(),
                other => plain(*other),
            };
            prop::option::weighted(0.85, value)
        })
        .collect();
    cells.prop_map(|cells| cells.try_into().expect("a cell for each column"))
}
