//! Batches as they are cut, read back from their objects.

use domain::{FailureCode, RowCode, RowError};
use proptest::prelude::*;

use super::{Cutter, EARLY_ENDS, FULL_BYTES, MOST_AT_ONCE, Terms};
use crate::checking::{Checked, Mark, Verdict};
use crate::object::{BadRow, Batch, Shape, read_batch};
use crate::sizes::BatchSizes;
use store::bulk_lines;

fn shape() -> Shape {
    Shape {
        fields: vec!["code".to_owned()],
        columns: vec![(0, "code".to_owned())],
        sheet: Some("表".to_owned()),
    }
}

fn cutter(asked: Option<u32>, at_once: bool) -> Cutter {
    Cutter::new(Terms {
        shape: shape(),
        sizes: BatchSizes {
            asked,
            most: 5_000,
            max_rows: 1_000_000,
        },
        at_once,
        locale: "en".to_owned(),
    })
}

fn fault(row: u32) -> RowError {
    RowError {
        row,
        sheet: None,
        column: None,
        field: None,
        code: RowCode::Required,
        value: Some(format!("\n{row}\t")),
        message: "x".to_owned(),
        params: serde_json::Map::new(),
        related_rows: Vec::new(),
    }
}

fn bad_row(number: u32) -> BadRow {
    BadRow {
        number,
        errors: vec![fault(number)],
        keys: vec![None, Some(vec![format!("{number}")])],
    }
}

fn line(number: u32) -> String {
    format!("row \\t {number}")
}

/// Rows as the judge gives them.
fn checked(rows: &[(u32, Verdict)]) -> Checked {
    let mut checked = Checked::default();
    for (number, verdict) in rows {
        let end = match verdict {
            Verdict::Good => {
                checked.text.extend_from_slice(line(*number).as_bytes());
                checked.text.push(b'\n');
                checked.text.len()
            }
            Verdict::Bad => {
                serde_json::to_writer(&mut checked.bad, &bad_row(*number)).expect("JSON");
                checked.bad.push(b'\n');
                checked.bad.len()
            }
            Verdict::Skipped => 0,
        };
        checked.marks.push(Mark {
            number: *number,
            verdict: *verdict,
            end,
        });
    }
    checked
}

/// All batches of a file that comes in chunks.
fn cut(mut cutter: Cutter, chunks: &[Vec<(u32, Verdict)>]) -> (Vec<Batch>, Cutter) {
    let mut all = Vec::new();
    for chunk in chunks {
        all.extend(cutter.add(&checked(chunk)).expect("within the limits"));
    }
    all.extend(cutter.finish());
    let read = all.iter().map(|batch| {
        let object = batch.object().expect("an object");
        read_batch(&object).expect("whole")
    });
    (read.collect(), cutter)
}

#[test]
fn the_last_batches_of_a_file_cut_into_single_rows_are_bounded_by_their_bytes() {
    let mut cutter = cutter(Some(1), false);
    // all the batches that may end early
    let mut row = 1;
    while cutter.cuts().len() < EARLY_ENDS as usize {
        row += 1;
        cutter
            .add(&checked(&[(row, Verdict::Good)]))
            .expect("small");
    }
    let mut page = checked(&[(row + 1, Verdict::Good)]);
    page.text = vec![b'x'; 9 << 20];
    page.marks[0].end = page.text.len();
    let refused = (0..8).find_map(|_| {
        page.marks[0].number += 1;
        cutter.add(&page).err()
    });
    let refused = refused.expect("past 64 MiB");
    assert_eq!(refused.code, FailureCode::FileTooLarge);
}

/// Chunks of rows whose numbers rise with gaps.
fn files() -> impl Strategy<Value = Vec<Vec<(u32, Verdict)>>> {
    let verdict = prop_oneof![
        4 => Just(Verdict::Good),
        1 => Just(Verdict::Bad),
        1 => Just(Verdict::Skipped),
    ];
    let chunk = prop::collection::vec((1_u32..4, verdict), 0..60);
    prop::collection::vec(chunk, 0..12).prop_map(|chunks| {
        let mut number = 1;
        let numbered = chunks.into_iter().map(|chunk| {
            let rows = chunk.into_iter().map(|(gap, verdict)| {
                number += gap;
                (number, verdict)
            });
            rows.collect()
        });
        numbered.collect()
    })
}

proptest! {
    #[test]
    fn every_row_is_in_exactly_one_batch_as_it_was_judged(
        chunks in files(),
        asked in prop::option::of(1_u32..40),
        at_once in any::<bool>(),
    ) {
        let rows: Vec<(u32, Verdict)> = chunks.concat();
        let (batches, cutter) = cut(cutter(asked, at_once), &chunks);
        prop_assert_eq!(cutter.rows(), rows.len() as u64);
        prop_assert_eq!(cutter.cuts().len(), batches.len());

        let mut rest = rows.as_slice();
        for (number, (batch, known)) in (1..).zip(batches.iter().zip(cutter.cuts())) {
            prop_assert_eq!(&batch.head.shape, &shape());
            let taken = batch.numbers.len() + batch.bad.len() + batch.head.skipped as usize;
            let (own, left) = rest.split_at(taken);
            rest = left;
            let (first, last) = (own[0].0, own[taken - 1].0);
            prop_assert_eq!((batch.head.first_row, batch.head.last_row), (first, last));
            prop_assert_eq!((known.number, known.first_row, known.last_row), (number, first, last));

            let of = |wanted| {
                let rows = own.iter().filter(move |(_, verdict)| *verdict == wanted);
                rows.map(|(number, _)| *number)
            };
            let good: Vec<u32> = of(Verdict::Good).collect();
            prop_assert_eq!(&batch.numbers, &good);
            let text: Vec<&[u8]> = bulk_lines(&batch.text).collect();
            let expected: Vec<String> = good.iter().map(|number| line(*number)).collect();
            prop_assert_eq!(text, expected.iter().map(String::as_bytes).collect::<Vec<_>>());
            let bad: Vec<BadRow> = of(Verdict::Bad).map(bad_row).collect();
            prop_assert_eq!(&batch.bad, &bad);
            if at_once {
                prop_assert_eq!(taken, rows.len());
            } else if !rest.is_empty() {
                prop_assert_eq!(taken, asked.unwrap_or(500) as usize);
            }
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn an_object_with_any_byte_changed_or_lost_is_not_read(
        chunks in files(),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let mut cutter = cutter(None, true);
        for chunk in &chunks {
            cutter.add(&checked(chunk)).expect("within the limits");
        }
        let Some(batch) = cutter.finish() else {
            return Ok(());
        };
        let whole = batch.object().expect("an object");
        let at = at.index(whole.len());
        let mut changed = whole.to_vec();
        changed[at] ^= flip;
        prop_assert!(read_batch(&changed.into()).is_err());
        prop_assert!(read_batch(&whole.slice(..at)).is_err());
    }
}

#[test]
fn a_batch_ends_early_when_its_rows_are_long() {
    let mut chunk = Checked::default();
    for number in 2..12 {
        chunk.text.extend(std::iter::repeat_n(b'x', FULL_BYTES / 4));
        chunk.text.push(b'\n');
        chunk.marks.push(Mark {
            number,
            verdict: Verdict::Good,
            end: chunk.text.len(),
        });
    }
    let full = cutter(None, false).add(&chunk).expect("within the limits");
    let ends: Vec<u32> = full.iter().map(|batch| batch.head.last_row).collect();
    assert_eq!(ends, [5, 9]);
}

#[test]
fn what_must_go_in_at_once_is_bounded_in_rows_and_bytes() {
    let most = u32::try_from(MOST_AT_ONCE).expect("not so many");
    let rows: Vec<(u32, Verdict)> = (2..=most + 2).map(|row| (row, Verdict::Skipped)).collect();
    let mut at_once = cutter(None, true);
    let failure = at_once.add(&checked(&rows)).err().expect("refused");
    assert_eq!(failure.code.as_str(), "too_many_rows");
    assert!(failure.sentence.expect("a sentence").contains("100000"));

    let mut chunk = Checked::default();
    for number in 2..4 {
        chunk.text.extend(std::iter::repeat_n(b'x', 33 << 20));
        chunk.text.push(b'\n');
        chunk.marks.push(Mark {
            number,
            verdict: Verdict::Good,
            end: chunk.text.len(),
        });
    }
    let failure = cutter(None, true).add(&chunk).err().expect("refused");
    assert_eq!(failure.code.as_str(), "file_too_large");
}
