//! Rows that come in a request and are answered at once: written in a transaction of their own, and,
//! where the client gave a key, once however often the request comes. The answer is remembered in that
//! very transaction. Shown by `tests/it/apply/request.rs`.

use std::sync::Arc;

use domain::{Tenant, UserId};

use super::{Applied, ApplyRows, ApplyTarget, apply};
use crate::Store;
use crate::door::Op;
use crate::error::{Cause, StoreError};
use crate::once::{FIND_TRIES, Key};
use crate::operation_log::{self, Actor};
use crate::pool::Connection;
use crate::zlib::{deflate, inflate, off_thread};

/// What a client's key of this call is remembered under.
const ROUTE: &str = "POST /datasets/{name}/rows";

/// Makes the answer of what became of the rows: JSON, or any other text.
pub type RowsReply = Arc<dyn Fn(&Applied) -> Result<Vec<u8>, serde_json::Error> + Send + Sync>;

/// Checked rows of a request that has a key.
#[derive(Clone)]
pub struct KeyedRows {
    /// Whose.
    pub tenant: Tenant,
    /// Who asks.
    pub user: UserId,
    /// The request that asks: stands in the operation log.
    pub request_id: Option<String>,
    /// The dataset's name, for the operation log.
    pub dataset: String,
    /// The client's key, at most 128 characters.
    pub key: String,
    /// Hash of the request's fields, 64 characters: another request may not use the key again.
    pub request_hash: String,
    /// Where the good rows go; none when there is none.
    pub work: Option<(ApplyTarget, ApplyRows)>,
    /// What the client is answered; at most 16 MiB when compressed. May be asked more than once.
    pub reply: RowsReply,
}

/// What became of a request that has a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowsOnce {
    /// The rows were written now. What became of them is not known where the outcome of the COMMIT was
    /// read back; the answer is.
    Now(Option<Applied>, Vec<u8>),
    /// The key was used for the same request before: what it was answered.
    Replayed(Vec<u8>),
    /// The key was used for another request.
    KeyReused,
}

impl Store {
    /// Writes the rows to the table in a transaction of their own.
    ///
    /// # Errors
    /// As [`Tx::apply`](crate::Tx::apply), after the whole was repeated a few times;
    /// [`StoreError::UnknownCommit`] when the connection was lost with the COMMIT.
    pub async fn apply_rows(
        &self,
        target: ApplyTarget,
        rows: ApplyRows,
    ) -> Result<Applied, StoreError> {
        let target = Arc::new(target);
        self.transact(Op::Apply, async move |connection: &mut Connection| {
            apply(connection, &target, &rows, false).await
        })
        .await
    }

    /// The same, with an entry of who did it in the operation log.
    ///
    /// # Errors
    /// As [`Store::apply_rows`].
    pub async fn apply_rows_by(
        &self,
        actor: &Actor,
        dataset: &str,
        (target, rows): (ApplyTarget, ApplyRows),
    ) -> Result<Applied, StoreError> {
        let (actor, dataset, target) = (actor.clone(), dataset.to_owned(), Arc::new(target));
        self.transact(Op::Apply, async move |connection: &mut Connection| {
            let applied = apply(connection, &target, &rows, false).await?;
            let entry = operation_log::of_rows(&actor, &dataset, &applied);
            operation_log::write(connection, &entry).await?;
            Ok(applied)
        })
        .await
    }

    /// Writes the rows to the table and remembers the answer under the client's key for a day, unless
    /// it was used before. Of requests with one key that come at once one is written; the others wait
    /// for it, 3 s at most.
    ///
    /// # Errors
    /// [`StoreError::InProgress`] after that wait. As [`Store::apply_rows`], but that an unknown COMMIT is read back by the key: an error means
    /// that nothing was written, unless the database stays away during the look, too.
    pub async fn apply_rows_once(&self, request: KeyedRows) -> Result<RowsOnce, StoreError> {
        let request = Arc::new(request);
        for _ in 0..FIND_TRIES {
            let unknown = match self.write_once(request.clone()).await {
                Ok((applied, answer)) => return Ok(RowsOnce::Now(Some(applied), answer)),
                Err(StoreError::Duplicate(_)) => None,
                Err(StoreError::UnknownCommit(cause)) => Some(cause),
                Err(error) => return Err(error),
            };
            if let Some(found) = self.find_answer(request.clone(), unknown).await? {
                return Ok(found);
            }
        }
        Err(StoreError::Contended(
            "the earlier request comes and goes".into(),
        ))
    }

    async fn write_once(&self, request: Arc<KeyedRows>) -> Result<(Applied, Vec<u8>), StoreError> {
        self.transact(Op::Apply, async move |connection: &mut Connection| {
            // First of all: who repeats a request waits here.
            let key = request.key();
            key.take(connection, &request.request_hash).await?;
            let applied = match &request.work {
                Some((target, rows)) => apply(connection, target, rows, false).await?,
                None => Applied::default(),
            };
            let entry = operation_log::of_rows(&request.actor(), &request.dataset, &applied);
            operation_log::write(connection, &entry).await?;
            let reply = request.reply.clone();
            let (applied, answer, packed) = off_thread(move || {
                let answer = reply(&applied).map_err(crate::ledger::corrupt)?;
                let packed = deflate(&answer)?;
                Ok((applied, answer, packed))
            })
            .await?;
            key.note_answer(connection, &packed).await?;
            Ok((applied, answer))
        })
        .await
    }

    /// What the key stands for; none when it stands for nothing any more. After an unknown COMMIT, it
    /// is this request's own, and nothing means that nothing was written.
    async fn find_answer(
        &self,
        request: Arc<KeyedRows>,
        unknown: Option<Cause>,
    ) -> Result<Option<RowsOnce>, StoreError> {
        let asked = request.clone();
        let found = self
            .transact(Op::ReadTask, async move |connection: &mut Connection| {
                asked.key().first_request(connection).await
            })
            .await;
        let (first, is_own) = match (found, unknown) {
            (Ok(None), None) => return Ok(None),
            (Ok(None), Some(cause)) => return Err(StoreError::Unavailable(cause)),
            (Err(_), Some(cause)) => return Err(StoreError::UnknownCommit(cause)),
            (Err(error), None) => return Err(error),
            (Ok(Some(first)), unknown) => (first, unknown.is_some()),
        };
        if first.request_hash != request.request_hash {
            return Ok(Some(RowsOnce::KeyReused));
        }
        let answer = first.answer.ok_or_else(|| {
            StoreError::Corrupt("a key of this call stands without its answer".to_owned())
        })?;
        let answer = off_thread(move || inflate(&answer)).await?;
        Ok(Some(if is_own {
            RowsOnce::Now(None, answer)
        } else {
            RowsOnce::Replayed(answer)
        }))
    }
}

impl KeyedRows {
    fn actor(&self) -> Actor {
        Actor {
            tenant: self.tenant.clone(),
            user: self.user.clone(),
            request_id: self.request_id.clone(),
        }
    }

    fn key(&self) -> Key<'_> {
        Key {
            tenant: &self.tenant,
            user: &self.user,
            route: ROUTE,
            key: &self.key,
        }
    }
}
