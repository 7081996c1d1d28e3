//! Duplicates within a file: which rows are suspected, asked about and told.

use std::collections::{BTreeMap, BTreeSet};

use import_worker::{Key, KeyList, Question, text_hash};
use proptest::prelude::*;

/// The promise of design.md §10, in bytes.
const MOST_BYTES: usize = 96 << 20;

/// A fold coarser than the collation below: letters without their case, nothing else.
fn fold(text: &str) -> u128 {
    let letters = text.bytes().filter(u8::is_ascii_alphabetic);
    letters.fold(0, |sum, letter| {
        sum << 8 | u128::from(letter.to_ascii_lowercase())
    })
}

/// What the stand-in for a collation compares.
fn collated(text: &str) -> String {
    text.trim_end().to_lowercase()
}

fn listed(texts: &[String]) -> KeyList {
    let mut list = KeyList::default();
    for (row, text) in (2..).zip(texts) {
        list.push(Key {
            fold: fold(text),
            text: text_hash([text.as_str()].into_iter()),
            row,
        });
    }
    list
}

proptest! {
    #[test]
    fn exactly_the_rows_with_equal_keys_are_told_each_with_the_others(
        texts in prop::collection::vec("[abAB ']{0,4}", 0..80),
        most in 1_usize..20,
    ) {
        let mut suspects = listed(&texts).suspects();
        let questions = suspects.questions();
        prop_assert!(questions.is_sorted_by_key(|question| question.row));
        let asked: BTreeSet<&String> =
            questions.iter().map(|question| &texts[question.row as usize - 2]).collect();
        prop_assert_eq!(asked.len(), questions.len(), "each text once");
        for some in questions.chunks(most) {
            let mark = |question: &Question| {
                text_hash(std::iter::once(&*collated(&texts[question.row as usize - 2])))
            };
            let marks: Vec<u64> = some.iter().map(mark).collect();
            suspects.answer(some, &marks);
        }
        let told: Vec<(u32, Vec<u32>)> = suspects.settle().rows().collect();

        let mut by_key: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for (row, text) in (2..).zip(&texts) {
            by_key.entry(collated(text)).or_default().push(row);
        }
        let mut expected: Vec<(u32, Vec<u32>)> = Vec::new();
        for rows in by_key.values().filter(|rows| rows.len() > 1) {
            for row in rows {
                let others = rows.iter().copied().filter(|other| other != row);
                expected.push((*row, others.take(10).collect()));
            }
        }
        expected.sort();
        prop_assert_eq!(told, expected);
    }
}

#[test]
fn equal_texts_are_told_without_asking() {
    let texts = ["a", "b", "a", "c"].map(str::to_owned);
    let suspects = listed(&texts).suspects();
    assert!(suspects.questions().is_empty());
    let told: Vec<_> = suspects.settle().rows().collect();
    assert_eq!(told, [(2, vec![4]), (4, vec![2])]);
}

/// The lists of so many unique columns of a file of two million rows, each key twice: the worst case,
/// for all of them are kept to the end. The lists, and the most bytes that they ever took.
fn two_million_rows(columns: usize) -> (Vec<KeyList>, usize) {
    let mut lists: Vec<KeyList> = (0..columns).map(|_| KeyList::default()).collect();
    let (mut taken, mut most) = (0, 0);
    for row in 0..2_000_000_u32 {
        for list in &mut lists {
            let before = list.size_bytes();
            list.push(Key {
                fold: u128::from(row / 2),
                text: u64::from(row / 2),
                row,
            });
            let now = list.size_bytes();
            if now > before {
                // what grows may be copied, and is there twice for a moment
                most = most.max(taken + now);
                taken += now - before;
            }
        }
    }
    (lists, most)
}

#[test]
fn two_million_keys_take_no_more_than_96_mib_at_any_moment() {
    let (mut lists, most) = two_million_rows(1);
    assert!(most <= MOST_BYTES, "{most} bytes while collecting");
    let suspects = lists.remove(0).suspects();
    assert!(suspects.questions().is_empty());
    let duplicates = suspects.settle();
    assert_eq!(duplicates.len(), 2_000_000);
    let kept = duplicates.size_bytes();
    assert!(kept <= MOST_BYTES, "{kept} bytes at the end");
    let first: Vec<_> = duplicates.rows().take(2).collect();
    assert_eq!(first, [(0, vec![1]), (1, vec![0])]);
}

#[test]
fn two_unique_columns_of_two_million_rows_are_kept_within_96_mib() {
    let (lists, most) = two_million_rows(2);
    let collected: usize = lists.iter().map(KeyList::size_bytes).sum();
    assert!(collected <= MOST_BYTES, "{collected} bytes once collected");
    assert_eq!(most, 100 << 20, "while the last list grows");
    let mut kept = 0;
    for list in lists {
        let duplicates = list.suspects().settle();
        assert_eq!(duplicates.len(), 2_000_000);
        kept += duplicates.size_bytes();
    }
    assert!(kept <= MOST_BYTES, "{kept} bytes at the end");
}

#[test]
fn two_million_keys_of_one_fold_and_different_texts_are_as_many_questions_within_96_mib() {
    let mut list = KeyList::default();
    for row in 0..2_000_000_u32 {
        list.push(Key {
            fold: 1,
            text: u64::from(row).wrapping_mul(0x9E37_79B9_7F4A_7C15),
            row,
        });
    }
    let suspects = list.suspects();
    let questions = suspects.questions();
    assert_eq!(questions.len(), 2_000_000);
    let taken = suspects.size_bytes() + questions.len() * size_of::<Question>();
    assert!(taken <= MOST_BYTES, "{taken} bytes while asking");
    let mut suspects = suspects;
    // every thousandth is like the one before
    let marks: Vec<u64> = (0..2_000_000_u64)
        .map(|row| row - u64::from(row % 1_000 == 1))
        .collect();
    suspects.answer(&questions, &marks);
    assert_eq!(suspects.settle().len(), 4_000);
}
