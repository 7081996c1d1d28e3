//! Accepting a call: its rows, its group and its answer, in one transaction.

use std::sync::Arc;

use domain::{ObjectKind, OperationAction};
use serde_json::json;

use super::place::{Placed, Placing};
use super::row::database_time;
use super::{
    CallKey, CompensationsOnce, Due, GroupRefusal, NewCompensations, SubmittedCompensations,
};
use crate::Store;
use crate::born::Births;
use crate::door::Op;
use crate::error::{Cause, StoreError};
use crate::group::keyed;
use crate::once::{FIND_TRIES, Key};
use crate::operation_log::{self, Operation};
use crate::pool::Connection;
use crate::zlib::{deflate, inflate, off_thread};

/// What a client's key of this call is remembered under.
const ROUTE: &str = "POST /compensations";

/// Kinds of work that the operation log names of one call.
const KINDS_LOGGED: usize = 10;

impl Store {
    /// Accepts business work: durable when this returns, all of the call or nothing. Whether a row is
    /// this call's is known by a token, so an unknown COMMIT is made good by asking again; with a key
    /// the first answer is remembered for a day.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was accepted, unless the database stays away during the look, too:
    /// then [`StoreError::UnknownCommit`].
    pub async fn submit_compensations(
        &self,
        call: NewCompensations,
    ) -> Result<CompensationsOnce, StoreError> {
        let (call, token) = (Arc::new(call), rand::random::<u64>());
        for _ in 0..FIND_TRIES {
            let unknown = match self.submit_call(call.clone(), token).await {
                Ok(done) => return Ok(done),
                Err(StoreError::Duplicate(_)) if call.key.is_some() => None,
                Err(StoreError::UnknownCommit(cause)) if call.key.is_some() => Some(cause),
                Err(StoreError::UnknownCommit(cause)) => {
                    let again = self.submit_call(call, token).await;
                    return again.map_err(|_still| StoreError::UnknownCommit(cause));
                }
                Err(error) => {
                    return GroupRefusal::of(&error).map_or(Err(error), |refusal| {
                        Ok(CompensationsOnce::Refused(refusal))
                    });
                }
            };
            if let Some(found) = self.find_call(call.clone(), unknown).await? {
                return Ok(found);
            }
        }
        Err(StoreError::Contended(
            "the earlier request comes and goes".into(),
        ))
    }

    /// Accepts calls of several callers in one transaction: what each costs falls with their number.
    /// Keys and groups of the calls are not looked at. An unknown COMMIT is made good by asking again;
    /// where a lock is met it is not tried again: one locked key must not hold up all callers.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was accepted, unless the database stays away during the look, too:
    /// then [`StoreError::UnknownCommit`].
    pub async fn submit_gathered(
        &self,
        calls: Arc<[NewCompensations]>,
    ) -> Result<Vec<SubmittedCompensations>, StoreError> {
        let token = rand::random::<u64>();
        let submit = || {
            let calls = calls.clone();
            self.transact(
                Op::SubmitGathered,
                async move |connection: &mut Connection| insert(connection, &calls, token).await,
            )
        };
        match submit().await {
            Err(StoreError::UnknownCommit(cause)) => {
                let again = submit().await;
                again.map_err(|_still| StoreError::UnknownCommit(cause))
            }
            done => done,
        }
    }

    async fn submit_call(
        &self,
        call: Arc<NewCompensations>,
        token: u64,
    ) -> Result<CompensationsOnce, StoreError> {
        self.transact(
            Op::SubmitCompensations,
            async move |connection: &mut Connection| {
                // First of all: who repeats a request waits here.
                if let Some(key) = &call.key {
                    let taken = call.key(key).take(connection, &key.request_hash);
                    taken.await?;
                }
                let calls = std::slice::from_ref(&*call);
                let submitted = insert(connection, calls, token).await?.pop();
                let submitted = submitted.ok_or(StoreError::Fenced)?;
                let Some(key) = &call.key else {
                    return Ok(CompensationsOnce::Now(submitted, None));
                };
                let reply = key.reply.clone();
                let (submitted, answer, packed) = off_thread(move || {
                    let answer = reply(&submitted).map_err(crate::ledger::corrupt)?;
                    let packed = deflate(&answer)?;
                    Ok((submitted, answer, packed))
                })
                .await?;
                call.key(key).note_answer(connection, &packed).await?;
                Ok(CompensationsOnce::Now(submitted, Some(answer)))
            },
        )
        .await
    }

    /// What the key stands for; none when it stands for nothing any more. After an unknown COMMIT
    /// nothing means that nothing was accepted.
    async fn find_call(
        &self,
        call: Arc<NewCompensations>,
        unknown: Option<Cause>,
    ) -> Result<Option<CompensationsOnce>, StoreError> {
        let Some(key) = call.key.clone() else {
            return Ok(None);
        };
        let (asked, own) = (call.clone(), key.clone());
        let found = self
            .transact(
                Op::ReadCompensations,
                async move |connection: &mut Connection| {
                    asked.key(&own).first_request(connection).await
                },
            )
            .await;
        let is_own = unknown.is_some();
        let first = match (found, unknown) {
            (Ok(Some(first)), _) => first,
            (Ok(None), None) => return Ok(None),
            (Ok(None), Some(cause)) => return Err(StoreError::Unavailable(cause)),
            (Err(_), Some(cause)) => return Err(StoreError::UnknownCommit(cause)),
            (Err(error), None) => return Err(error),
        };
        if first.request_hash != key.request_hash {
            return Ok(Some(CompensationsOnce::KeyReused));
        }
        let answer = first.answer.ok_or_else(|| {
            StoreError::Corrupt("a key of this call stands without its answer".to_owned())
        })?;
        let answer = off_thread(move || inflate(&answer)).await?;
        Ok(Some(if is_own {
            CompensationsOnce::Remembered(answer)
        } else {
            CompensationsOnce::Replayed(answer)
        }))
    }
}

/// What each of the calls came to. Only a call that comes alone may have a group. Lock order: the rows,
/// their group.
async fn insert(
    connection: &mut Connection,
    calls: &[NewCompensations],
    token: u64,
) -> Result<Vec<SubmittedCompensations>, StoreError> {
    let mut items = calls.iter().flat_map(|call| &call.items);
    let now = if items.any(|item| matches!(item.due, Due::At(_))) {
        Some(database_time(connection).await?)
    } else {
        None
    };
    let grouped = match calls {
        [call] => call.group.as_ref().map(|group| (call, group)),
        _ => None,
    };
    let group_id = match grouped {
        Some((call, group)) => Some(keyed::open(connection, &call.actor, group).await?),
        None => None,
    };
    let placing = Placing::new(calls, group_id, token, now);
    let mut done = Vec::with_capacity(calls.len());
    let mut entries = Vec::with_capacity(calls.len());
    for (call, placed) in calls.iter().zip(placing.place(connection).await?) {
        let Placed {
            items,
            inserted,
            mut rung,
        } = placed;
        if let (Some(group), Some((_, wanted))) = (group_id, grouped) {
            let mut births = Births::rung();
            keyed::add(connection, call, group, wanted.seal, inserted, &mut births).await?;
            rung.append(&mut births.born);
        }
        let submitted = SubmittedCompensations {
            group_id,
            items,
            rung,
        };
        let repeats_own = inserted == 0 && submitted.duplicates() < submitted.items.len();
        if !repeats_own {
            entries.push(entry(call, &submitted));
        }
        done.push(submitted);
    }
    operation_log::write_all(connection, &entries).await?;
    Ok(done)
}

/// What the operation log says of a call: of its items only how many, of which kinds, from where on.
fn entry(call: &NewCompensations, submitted: &SubmittedCompensations) -> Operation {
    let mut kinds: Vec<&str> = call
        .items
        .iter()
        .map(|item| item.biz_type.as_str())
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.truncate(KINDS_LOGGED);
    let duplicates = submitted.duplicates();
    let detail = json!({
        "accepted": submitted.items.len() - duplicates,
        "duplicates": duplicates,
        "biz_types": kinds,
        "group_id": submitted.group_id.map(|id| id.to_string()),
    });
    let first = submitted.items.first();
    let first = first.map_or(String::new(), |item| item.id.to_string());
    Operation::done(
        &call.actor,
        OperationAction::CompensationSubmit,
        ObjectKind::Compensation,
        first,
    )
    .with_detail(detail)
}

impl NewCompensations {
    fn key<'c>(&'c self, key: &'c CallKey) -> Key<'c> {
        Key {
            tenant: &self.actor.tenant,
            user: &self.actor.user,
            route: ROUTE,
            key: &key.key,
        }
    }
}
