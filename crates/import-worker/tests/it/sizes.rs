//! How many rows batches take.

use import_worker::{BatchSizes, MAX_BATCHES};
use proptest::prelude::*;

fn sizes(asked: Option<u32>, max_rows: u64) -> BatchSizes {
    BatchSizes {
        asked,
        most: 5_000,
        max_rows,
    }
}

/// The batches of a file with so many rows.
fn cut(sizes: BatchSizes, rows: u64) -> Vec<u64> {
    let (mut batches, mut done) = (Vec::new(), 0);
    while done < rows {
        let number = u32::try_from(batches.len()).expect("not so many");
        let size = u64::from(sizes.next(number, done)).min(rows - done);
        batches.push(size);
        done += size;
    }
    batches
}

#[test]
fn batches_take_500_rows_up_to_10_000_and_grow_to_5_000_from_there() {
    let batches = cut(sizes(None, 1_048_575), 1_000_000);
    assert!(batches[..20].iter().all(|size| *size == 500), "{batches:?}");
    assert!(batches[20] >= 500);
    let last = batches.len() - 1;
    assert!(batches[..last].is_sorted(), "{batches:?}");
    assert_eq!(batches[..last].iter().max(), Some(&5_000));
    assert!(batches.len() < 300, "{}", batches.len());
}

#[test]
fn what_was_asked_for_is_given() {
    assert_eq!(
        cut(sizes(Some(300), 1_048_575), 1_000),
        [300, 300, 300, 100]
    );
    assert_eq!(cut(sizes(Some(1), 1_048_575), 3), [1, 1, 1]);
}

proptest! {
    #[test]
    fn a_file_that_may_be_so_large_never_takes_more_than_10_000_batches(
        asked in prop::option::of(1_u32..=5_000),
        max_rows in 1_u64..3_000_000,
        share in 0.0_f64..=1.0,
    ) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
            reason = "a part of a number of rows")]
        let rows = (max_rows as f64 * share) as u64;
        let batches = cut(sizes(asked, max_rows), rows);
        prop_assert!(batches.len() <= MAX_BATCHES as usize, "{}", batches.len());
        prop_assert_eq!(batches.iter().sum::<u64>(), rows);
    }
}
