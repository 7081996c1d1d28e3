//! Random lives of groups against a plain reading of the rule: exactly one end for each generation
//! in which all rows came to stand at theirs, none before, none twice.

use domain::{BizStatus, GroupState};
use proptest::prelude::*;

const STANDING: [BizStatus; 5] = [
    BizStatus::WaitHandle,
    BizStatus::Processing,
    BizStatus::Success,
    BizStatus::Failed,
    BizStatus::Cancelled,
];

fn a_group(total: u32, sealed: bool) -> GroupState {
    GroupState {
        total,
        succeeded: 0,
        dead: 0,
        cancelled: 0,
        sealed,
        generation: 1,
        ended_generation: 0,
    }
}

/// What happens next: a row goes somewhere, some ended rows are put back, or it is sealed.
#[derive(Debug, Clone)]
enum Happens {
    Move { row: usize, to: BizStatus },
    Redrive { rows: Vec<usize> },
    Seal,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        6 => (0..5_usize, prop::sample::select(STANDING.to_vec()))
            .prop_map(|(row, to)| Happens::Move { row, to }),
        2 => prop::collection::vec(0..5_usize, 1..4).prop_map(|rows| Happens::Redrive { rows }),
        1 => Just(Happens::Seal),
    ]
}

proptest! {
    #[test]
    fn a_group_ends_exactly_once_for_each_generation_that_comes_to_its_end(
        total in 0..5_usize,
        sealed in any::<bool>(),
        life in prop::collection::vec(happens(), 0..60),
    ) {
        let mut rows = vec![BizStatus::WaitHandle; total];
        let mut group = a_group(u32::try_from(total).expect("few"), sealed);
        let mut ends: Vec<u32> = Vec::new();
        for event in life {
            match event {
                Happens::Move { row, to } if row < total && !rows[row].is_final() => {
                    group = group.moved(rows[row], to, 1).expect("it stood there");
                    rows[row] = to;
                }
                Happens::Redrive { rows: mut back } => {
                    back.sort_unstable();
                    back.dedup();
                    back.retain(|row| {
                        *row < total && matches!(rows[*row], BizStatus::Failed | BizStatus::Cancelled)
                    });
                    if back.is_empty() {
                        continue;
                    }
                    for row in back {
                        group = group.moved(rows[row], BizStatus::WaitHandle, 1).expect("it stood there");
                        rows[row] = BizStatus::WaitHandle;
                    }
                    group = group.redriven();
                }
                Happens::Seal => group = group.sealed(),
                Happens::Move { .. } => continue,
            }
            let all_ended = rows.iter().all(|row| row.is_final());
            let is_first = !ends.contains(&group.generation);
            prop_assert_eq!(group.ends(), group.sealed && all_ended && is_first);
            if group.ends() {
                ends.push(group.generation);
                group = group.ended();
            }
            prop_assert!(!group.ends());
            let count = |status| rows.iter().filter(|row| **row == status).count();
            prop_assert_eq!(group.succeeded as usize, count(BizStatus::Success));
            prop_assert_eq!(group.dead as usize, count(BizStatus::Failed));
            prop_assert_eq!(group.cancelled as usize, count(BizStatus::Cancelled));
        }
    }
}

#[test]
fn rows_that_the_group_does_not_know_cannot_leave_it() {
    let group = a_group(2, true);
    let left = group.moved(BizStatus::Failed, BizStatus::WaitHandle, 1);
    let error = left.expect_err("none is dead").to_string();
    assert_eq!(error, "the group knows no 1 rows that are FAILED");
}
