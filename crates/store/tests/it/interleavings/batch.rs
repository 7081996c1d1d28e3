//! Rows run in batches, beside those who lease them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domain::{BizStatus, Catalog, CompensateBizId, Dataset, FailureKind, ImportMode};
use proptest::prelude::*;
use store::{
    ApplyRows, ApplyTarget, BatchRow, BatchTx, BatchWrites, BulkRows, RefusedItem, Store,
    StoreError, Wanted,
};

use super::act::Held;
use super::call::{claim_terms, failure};
use super::club::Club;

/// How the first row of a batch fails, and when it is tried again; the others are done.
pub(super) type Refuses = Option<(FailureKind, Held)>;

/// What became of a batch.
#[derive(Debug)]
pub(super) struct Ran {
    /// What its effects are marked with.
    pub(super) mark: String,
    /// The rows whose effects were written or refused, in their order.
    pub(super) rows: Vec<CompensateBizId>,
    pub(super) done: usize,
    pub(super) failed: Vec<(CompensateBizId, BizStatus)>,
    pub(super) duplicates: usize,
}

impl Ran {
    /// The rows that are done, and the effect of each.
    pub(super) fn effects(&self) -> impl Iterator<Item = (CompensateBizId, String)> {
        let failed = |id: &&CompensateBizId| self.failed.iter().any(|(it, _)| it == *id);
        let done = self.rows.iter().filter(move |id| !failed(id));
        done.map(|id| (*id, format!("{id}/{}", self.mark)))
    }
}

pub(super) fn refuses() -> impl Strategy<Value = Refuses> {
    use FailureKind::{Permanent, Rejected, Transient};
    let held = || prop_oneof![Just(Held::Long), Just(Held::NoTime)];
    prop_oneof![
        4 => Just(None),
        2 => held().prop_map(|delay| Some((Transient, delay))),
        1 => Just(Some((Permanent, Held::Long))),
        1 => Just(Some((Rejected, Held::Long))),
    ]
}

pub(super) async fn run(
    club: &Club,
    store: &Store,
    name: &str,
    (wanted, refuses): (Wanted, Refuses),
) -> Ran {
    static MARK: AtomicU64 = AtomicU64::new(0);
    let mark = format!("b{}", MARK.fetch_add(1, Ordering::Relaxed));
    let seen = Arc::<Mutex<Vec<CompensateBizId>>>::default();
    let writes = writes(mark.clone(), seen.clone(), refuses);
    let terms = claim_terms(name, Held::Long);
    let ran = store.run_batch(&club.lane, wanted, &terms, writes).await;
    let ran = ran.expect("answered");
    assert_eq!(ran.orphans, []);
    let mut rows = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if ran.done + ran.failed.len() == 0 {
        // those of a try that a deadlock took back; the next one found them gone
        rows.clear();
    }
    Ran {
        mark,
        rows,
        done: ran.done,
        failed: ran.failed.iter().map(|row| (row.id, row.status)).collect(),
        duplicates: ran.duplicates,
    }
}

fn writes(
    mark: String,
    seen: Arc<Mutex<Vec<CompensateBizId>>>,
    refuses: Refuses,
) -> Arc<BatchWrites> {
    Arc::new(move |tx, rows| {
        let (mark, seen) = (mark.clone(), seen.clone());
        Box::pin(async move {
            *seen.lock().unwrap_or_else(PoisonError::into_inner) =
                rows.iter().map(|row| row.id).collect();
            let refused = refuses.map(|(kind, delay)| RefusedItem {
                place: 0,
                failure: failure(kind),
                delay: delay.lasts(),
            });
            write(tx, &rows[usize::from(refused.is_some())..], &mark).await?;
            Ok(refused.into_iter().collect())
        })
    })
}

/// A coupon that names row and batch: of another batch it is another one, so a second one is seen.
async fn write(tx: &mut BatchTx<'_>, rows: &[BatchRow], mark: &str) -> Result<(), StoreError> {
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let dataset = coupons();
    let fields = ["batch", "member_no", "coupon"].map(str::to_owned);
    let target = ApplyTarget::new(&dataset, &fields, &first.tenant, ImportMode::Insert);
    let mut text = BulkRows::default();
    for row in rows {
        text.text("club");
        text.text(&row.id.to_string());
        text.text(&format!("{}/{mark}", row.id));
        text.end_row();
    }
    let numbers = (0..).take(rows.len()).collect();
    let rows = ApplyRows::of_chunk(numbers, text.take())?;
    let applied = tx.apply(&target.expect("a target"), &rows).await?;
    assert!(applied.refused.is_empty(), "{:?}", applied.refused);
    Ok(())
}

fn coupons() -> Dataset {
    let definition = include_str!("../../../../../deploy/datasets/coupon_grant.toml");
    let catalog = Catalog::parse([("coupon_grant.toml", definition)]).expect("a definition");
    catalog.get("coupon_grant").expect("the dataset").clone()
}
