//! What is wrong with the rows of an import, page by page in sheet order. Batches come one after
//! the other in the sheet and never change once they are in the ledger; so a place is a part of a
//! batch and a number in it, and stays. While the import is open, errors of a batch may yet come before a place
//! that was read already. Shown by `tests/it/import/row_errors.rs`.

use domain::{RowCode, RowError, TaskId};

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::ledger::{LedgerPart, packed_errors, unpack};
use crate::pool::Connection;
use crate::task::{Visibility, status_of};

/// Where a page of row errors ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ErrorPlace {
    /// Where in the ledger.
    pub part: LedgerPart,
    /// How many of the part's errors lie before, whatever their code.
    pub passed: u32,
}

/// One page of row errors.
#[derive(Debug, Clone, PartialEq)]
pub struct RowErrorPage {
    /// In sheet order.
    pub items: Vec<RowError>,
    /// Where the next page begins; none after the last.
    pub next: Option<ErrorPlace>,
}

impl Store {
    /// Row errors of a task that the caller may see, from `from` on, at most `limit` of them; none
    /// when it sees no such task. Holds a page and one part of the ledger, a few thousand errors, at a
    /// time: who wants all of them reads [`Store::batch_errors`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn row_errors(
        &self,
        who: &Visibility,
        task: TaskId,
        code: Option<RowCode>,
        from: Option<ErrorPlace>,
        limit: usize,
    ) -> Result<Option<RowErrorPage>, StoreError> {
        let mut from = from.unwrap_or(ErrorPlace {
            part: LedgerPart::FIRST,
            passed: 0,
        });
        let mut items = Vec::new();
        loop {
            let Some(found) = self.errors_from(who, task, from.part, code).await? else {
                return Ok(None);
            };
            let Some((part, packed)) = found else {
                return Ok(Some(RowErrorPage { items, next: None }));
            };
            let passed = if part == from.part { from.passed } else { 0 };
            for (passed, error) in (0..).zip(unpack(packed).await?).skip(passed as usize) {
                if code.is_some_and(|code| error.code != code) {
                    continue;
                }
                if items.len() == limit {
                    let next = Some(ErrorPlace { part, passed });
                    return Ok(Some(RowErrorPage { items, next }));
                }
                items.push(error);
            }
            from = ErrorPlace {
                part: part.next(),
                passed: 0,
            };
        }
    }

    /// The next part's errors, if any; none when the caller sees no such task.
    async fn errors_from(
        &self,
        who: &Visibility,
        task: TaskId,
        from: LedgerPart,
        code: Option<RowCode>,
    ) -> Result<Option<Option<(LedgerPart, Vec<u8>)>>, StoreError> {
        let who = who.clone();
        self.transact(Op::ReadLedger, async move |connection: &mut Connection| {
            if status_of(connection, &who, task).await?.is_none() {
                return Ok(None);
            }
            packed_errors(connection, &who.tenant, task, from, code)
                .await
                .map(Some)
        })
        .await
    }
}
