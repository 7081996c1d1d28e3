//! Business work, asked for until it is accepted.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Answer, Client, PAUSE, count};
use crate::book::AcceptedBusiness;
use crate::business::{Business, Way};
use crate::database::Database;

impl Client {
    /// Has the work accepted, and writes it down. None when it was refused, which is a violation.
    pub(crate) async fn submit_business(
        &self,
        key: &str,
        wish: &Business,
    ) -> Result<Option<AcceptedBusiness>> {
        let mut rows = BTreeMap::new();
        for call in wish.calls() {
            let answer = self.call(key, wish, &call).await?;
            let Some(ids) = ids(&answer, &call) else {
                let (status, body) = (answer.status, answer.body);
                self.journal
                    .violation(format!("{key}, items {call:?}: {status} {body}"));
                return Ok(None);
            };
            rows.extend(call.zip(ids));
        }
        Ok(Some(self.accepted(key, wish, rows)))
    }

    /// The same by plain SQL, in a transaction of the client's own.
    pub(crate) async fn insert_business(
        &self,
        key: &str,
        wish: &Business,
        database: &Database,
    ) -> Result<AcceptedBusiness> {
        while !self.end.is_cancelled() {
            match database.commit(&wish.statements(key)).await {
                // told so, or found to have been committed without a word
                Ok(_) => return Ok(self.accepted(key, wish, BTreeMap::new())),
                Err(_away) => sleep(PAUSE).await,
            }
        }
        bail!("the chaos is over and {key} was never inserted")
    }

    /// Sends all calls once more: the same rows must be answered, and none that is new.
    pub(crate) async fn submit_business_again(&self, before: &AcceptedBusiness) -> Result<()> {
        let AcceptedBusiness { key, wish, rows } = before;
        for call in wish.calls() {
            let answer = self.call(key, wish, &call).await?;
            let same = ids(&answer, &call).is_some_and(|ids| {
                let before = call.clone().map(|number| rows.get(&number).copied());
                before.eq(ids.into_iter().map(Some))
            });
            let as_known = if wish.way == Way::Plain {
                count(&answer.body, "duplicates") == call.len() as u64
            } else {
                answer.replayed
            };
            if !same || !as_known {
                self.journal.violation(format!(
                    "{key}, items {call:?}, was accepted as {rows:?} and, sent again, answered {} \
                     (replayed: {}) {}",
                    answer.status, answer.replayed, answer.body
                ));
            }
        }
        Ok(())
    }

    fn accepted(&self, key: &str, wish: &Business, rows: BTreeMap<u32, u64>) -> AcceptedBusiness {
        let what = json!({"key": key, "wish": format!("{wish:?}"), "rows": rows.len()});
        self.journal.note("business accepted", what);
        let accepted = AcceptedBusiness {
            key: key.to_owned(),
            wish: wish.clone(),
            rows,
        };
        self.book.accept_business(accepted.clone());
        accepted
    }

    async fn call(&self, key: &str, wish: &Business, call: &Range<u32>) -> Result<Answer> {
        let body = wish.body(key, call);
        self.ask_until(|| {
            let request = self.http.post(self.url("compensations")).json(&body);
            Ok(match wish.way {
                Way::Plain => request,
                _ => request.header("Idempotency-Key", format!("{key}/{}", call.start)),
            })
        })
        .await
    }
}

/// The rows of a call, in the order of its items; none when it was not accepted as a whole.
fn ids(answer: &Answer, call: &Range<u32>) -> Option<Vec<u64>> {
    let body = &answer.body;
    let items = body["items"].as_array()?.iter();
    let id = |item: &Value| item["id"].as_str()?.parse().ok();
    let ids: Vec<u64> = items.map(id).collect::<Option<_>>()?;
    let told = count(body, "accepted") + count(body, "duplicates");
    let whole = ids.len() == call.len() && told == call.len() as u64;
    (answer.status.as_u16() == 202 && whole).then_some(ids)
}
