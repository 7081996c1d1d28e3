//! After an unknown COMMIT: what has it done? Asked behind the locks of the transaction that may
//! still be at it, for as long as the answer is worth something. Shown by `tests/it/commit.rs`.

use std::time::{Duration, Instant};

use diesel::sql_query;
use diesel::sql_types::{BigInt, Unsigned};
use diesel_async::RunQueryDsl;

use crate::Store;
use crate::door::Op;
use crate::error::{Cause, StoreError};
use crate::pool::Connection;
use crate::row::Id;

/// How long a caller without a bound of its own asks.
const PATIENCE: Duration = Duration::from_secs(15);

/// Pause between two questions.
const PAUSE: Duration = Duration::from_millis(200);

/// Asks until the database answers, or patience ends.
///
/// # Errors
/// The last [`StoreError`].
pub(crate) async fn insist<T, F, Asked>(patience: Duration, mut ask: F) -> Result<T, StoreError>
where
    F: FnMut() -> Asked,
    Asked: Future<Output = Result<T, StoreError>>,
{
    let began = Instant::now();
    loop {
        match ask().await {
            Err(error) if error.is_transient() && began.elapsed() < patience => {
                tokio::time::sleep(PAUSE).await;
            }
            answer => return answer,
        }
    }
}

/// A row by which a transaction is known: numbers are given once, whatever becomes of it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Witness {
    /// A row of `compensate_biz_attempt`.
    Attempt(u64),
    /// A row of `dead_letter`.
    Letter(u64),
}

impl Store {
    /// Whether the transaction that inserted the row was committed after all.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] for the given cause when it was not;
    /// [`StoreError::UnknownCommit`] when nobody can say.
    pub(crate) async fn committed(
        &self,
        op: Op,
        witness: Witness,
        cause: Cause,
    ) -> Result<(), StoreError> {
        let (sql, id) = match witness {
            Witness::Attempt(id) => (
                "SELECT id FROM compensate_biz_attempt FORCE INDEX (PRIMARY) \
                 WHERE id = ? FOR UPDATE",
                id,
            ),
            Witness::Letter(id) => (
                "SELECT id FROM dead_letter FORCE INDEX (PRIMARY) WHERE id = ? FOR UPDATE",
                id,
            ),
        };
        let asked = insist(PATIENCE, || {
            self.transact(op, async move |connection: &mut Connection| {
                let found: Vec<Id> = sql_query(sql)
                    .bind::<Unsigned<BigInt>, _>(id)
                    .load(connection)
                    .await?;
                Ok(!found.is_empty())
            })
        });
        match asked.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(StoreError::Unavailable(cause)),
            Err(_silence) => Err(StoreError::UnknownCommit(cause)),
        }
    }
}
