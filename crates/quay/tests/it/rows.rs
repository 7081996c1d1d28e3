//! The generated rows are the same in every process, and `member` is the peers' own.
//!
//! The hashes are those of `python3 ../shared/peers/gen.py FILE N` (CPython 3.11).

use quay::{Sample, SampleRows};
use sha2::{Digest, Sha256};
use store::BulkRows;

fn text(sample: Sample, rows: u64, deleted_percent: u8) -> Vec<u8> {
    let mut sequence = SampleRows::new(sample, deleted_percent, true);
    let mut written = BulkRows::default();
    for _ in 0..rows {
        sequence.write_next(&mut written);
    }
    let chunk = written.take();
    assert_eq!(chunk.rows(), rows);
    chunk.text().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[test]
fn members_are_byte_for_byte_those_of_the_peers() {
    for (rows, hash) in [
        (
            1_000,
            "b56e85fa3a250d4ffbecda56f5fe49ca2e9ea2fcf30e9efdd2c8a324977b3e9c",
        ),
        (
            10_000,
            "55450e515a7dead40ff0fcd8b7bf0f267cb1ebde06b2e5bb528817b6bec09634",
        ),
    ] {
        assert_eq!(sha256(&text(Sample::Member, rows, 0)), hash, "{rows} rows");
    }
}

#[test]
fn a_table_is_the_same_every_time_and_a_longer_one_begins_like_a_shorter() {
    for sample in [Sample::Employee, Sample::User, Sample::Member] {
        let long = text(sample, 3_000, 0);
        let short = text(sample, 1_000, 0);
        assert_eq!(
            long.get(..short.len()),
            Some(short.as_slice()),
            "{sample:?}"
        );
    }
}

#[test]
fn marking_rows_as_deleted_changes_nothing_else() {
    for (sample, marks) in [(Sample::Employee, 1), (Sample::User, 1)] {
        let without = String::from_utf8(text(sample, 2_000, 0)).expect("text");
        let with = String::from_utf8(text(sample, 2_000, 10)).expect("text");
        let rest = |line: &str| line.rsplitn(marks + 1, '\t').nth(marks).map(str::to_owned);
        let mut changed = 0;
        for (before, after) in without.lines().zip(with.lines()) {
            assert_eq!(rest(before), rest(after));
            changed += i32::from(before != after);
        }
        assert!(
            (100..300).contains(&changed),
            "{changed} of 2000 rows are marked"
        );
    }
}
