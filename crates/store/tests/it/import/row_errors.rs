//! What is wrong with the rows, page by page.

use domain::{RowCode, RowError, TaskId, Tenant, UserId};
use store::{ErrorPlace, Store, Visibility};
use testkit::TestDatabase;

use super::{Lanes, Outcome, a_fault, a_split_import, recording, settle};
use crate::settle::owner;

const BATCHES: u32 = 9;

/// The errors of a batch of ten rows: none in every third.
fn errors_of(number: u32) -> Vec<RowError> {
    let first_row = 2 + (number - 1) * 10;
    let rows = first_row..first_row + number % 3 * 2;
    rows.flat_map(|row| {
        let also = row % 4 == 0;
        [RowCode::Required, RowCode::DuplicateInFile]
            .into_iter()
            .take(1 + usize::from(also))
            .map(move |code| a_fault(row, code))
    })
    .collect()
}

fn a_batch(number: u32) -> Outcome {
    Outcome {
        number,
        first_row: 2 + (number - 1) * 10,
        inserted: 10 - number % 3 * 2,
        failed: number % 3 * 2,
        errors: errors_of(number),
        ..Outcome::default()
    }
}

async fn all_pages(
    store: &Store,
    task: TaskId,
    code: Option<RowCode>,
    limit: usize,
) -> Vec<RowError> {
    let (mut from, mut all) = (None, Vec::new());
    loop {
        let page = store.row_errors(&owner(), task, code, from, limit).await;
        let page = page.expect("read").expect("the owner's");
        assert!(
            page.next.is_none() || page.items.len() == limit,
            "full, but for the last"
        );
        all.extend(page.items);
        from = page.next;
        if from.is_none() {
            return all;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_any_size_hold_every_error_once_in_sheet_order_of_all_codes_or_of_one() {
    let store = TestDatabase::create().await.store();
    let rows = u64::from(BATCHES * 10);
    let (task, batches) = a_split_import(&store, &Lanes::new(), rows, BATCHES as usize).await;
    for number in (1..=BATCHES).rev() {
        let batch = &batches[number as usize - 1];
        settle(&store, batch, recording(a_batch(number))).await;
    }
    let all: Vec<RowError> = (1..=BATCHES).flat_map(errors_of).collect();
    assert!(all.is_sorted_by_key(|error| error.row));
    for limit in [1, 2, 3, 7, all.len() - 1, all.len(), all.len() + 1] {
        assert_eq!(
            all_pages(&store, task, None, limit).await,
            all,
            "{limit} a page"
        );
        for code in [
            RowCode::Required,
            RowCode::DuplicateInFile,
            RowCode::TooLong,
        ] {
            let own = all.iter().filter(|error| error.code == code);
            let own: Vec<RowError> = own.cloned().collect();
            assert_eq!(
                all_pages(&store, task, Some(code), limit).await,
                own,
                "{code}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_from_part_to_part_of_a_batch_that_has_more_errors_than_one_holds() {
    let store = TestDatabase::create().await.store();
    let (task, batches) = a_split_import(&store, &Lanes::new(), 5_000, 1).await;
    // One code in the midst of a part, at its end, and at the beginning of the next.
    let rare = [700, 2_001, 2_002, 4_500];
    let code = |row: u32| {
        if rare.contains(&row) {
            RowCode::NotInList
        } else {
            RowCode::Required
        }
    };
    let all: Vec<RowError> = (2..5_002).map(|row| a_fault(row, code(row))).collect();
    let outcome = Outcome {
        number: 1,
        first_row: 2,
        failed: 5_000,
        errors: all.clone(),
        ..Outcome::default()
    };
    settle(&store, &batches[0], recording(outcome)).await;
    for limit in [999, 1_000, 2_000, 2_001, 5_000, 6_000] {
        let pages = all_pages(&store, task, None, limit).await;
        assert!(pages == all, "{limit} a page");
    }
    for limit in [1, 2, 3, 4, 5] {
        let pages = all_pages(&store, task, Some(RowCode::NotInList), limit).await;
        let rows: Vec<u32> = pages.iter().map(|error| error.row).collect();
        assert_eq!(rows, rare, "{limit} a page");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_stays_while_other_batches_are_recorded() {
    let store = TestDatabase::create().await.store();
    let rows = u64::from(BATCHES * 10);
    let (task, batches) = a_split_import(&store, &Lanes::new(), rows, BATCHES as usize).await;
    let record = async |number: u32| {
        let batch = &batches[number as usize - 1];
        settle(&store, batch, recording(a_batch(number))).await;
    };
    let page = async |from: Option<ErrorPlace>, limit: usize| {
        let page = store.row_errors(&owner(), task, None, from, limit).await;
        page.expect("read").expect("the owner's")
    };
    record(4).await;
    let first = page(None, 1).await;
    assert_eq!(first.items, errors_of(4)[..1]);
    record(1).await;
    record(8).await;
    let rest = page(first.next, 100).await;
    let expected: Vec<RowError> = errors_of(4)
        .into_iter()
        .skip(1)
        .chain(errors_of(8))
        .collect();
    assert_eq!(rest.items, expected);
    assert_eq!(rest.next, None);
    let anew = page(None, 1).await;
    assert_eq!(anew.items, errors_of(1)[..1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_see_the_task_does_not_see_its_errors() {
    let store = TestDatabase::create().await.store();
    let (task, batches) = a_split_import(&store, &Lanes::new(), 10, 1).await;
    settle(&store, &batches[0], recording(a_batch(1))).await;
    for (tenant, user) in [("acme", Some("8")), ("globex", Some("7")), ("globex", None)] {
        let stranger = Visibility {
            tenant: Tenant::parse(tenant).expect("a name"),
            user: user.map(|user| UserId::parse(user).expect("a name")),
        };
        let page = store.row_errors(&stranger, task, None, None, 10).await;
        assert_eq!(page.expect("read"), None);
    }
    let mut admin = owner();
    admin.user = None;
    let page = store.row_errors(&admin, task, None, None, 10).await;
    assert_eq!(
        page.expect("read").expect("of its tenant").items,
        errors_of(1)
    );
}
