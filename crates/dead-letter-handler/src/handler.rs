//! The handler of DEAD_LETTER rows: record, group, notify.

use async_trait::async_trait;
use domain::{DeadLetterId, Failure, FailureCode, NotificationKind, Recipient};
use engine::{Attempt, BizHandler};
use serde_json::json;
use store::{DeadLetter, DeadLetterSpec, Effects, NewNotification, Store, StoreError};

use crate::kind::Known;

/// Whose inbox it comes to.
const OPERATOR: &str = "OPERATOR";

/// Tells people of dead letters.
pub struct DeadLetterHandler {
    store: Store,
    known: Known,
}

impl DeadLetterHandler {
    /// A handler of letters that are expected from these lanes.
    #[must_use]
    pub fn new(store: Store, known: Known) -> Self {
        Self { store, known }
    }

    /// The letter that the row is about: it must be of the row's own tenant.
    async fn letter(&self, attempt: &Attempt) -> Result<DeadLetter, Failure> {
        let spec: DeadLetterSpec = serde_json::from_str(attempt.context())
            .map_err(|error| Failure::permanent(FailureCode::InvalidRequest, error))?;
        let id = DeadLetterId(spec.dead_letter);
        let tenants = [attempt.tenant().clone()];
        let found = self.store.dead_letter(&tenants, id).await;
        let found = found.map_err(|error| of_store(&error))?;
        found.map(|(letter, _)| letter).ok_or_else(|| {
            let detail = format!("the tenant has no dead letter {id}");
            Failure::permanent(FailureCode::InvalidRequest, detail)
        })
    }
}

#[async_trait]
impl BizHandler for DeadLetterHandler {
    async fn run(&self, attempt: &Attempt) -> Result<Effects, Failure> {
        let letter = self.letter(attempt).await?;
        if !letter.status.waits() {
            tracing::info!(dead_letter.id = %letter.id, status = %letter.status,
                "somebody has acted on the dead letter before anybody was told of it");
            return Ok(Effects::none());
        }
        let kind = (self.known).kind(&letter.lane, letter.biz_type.as_deref(), &letter.reason);
        tracing::warn!(
            dead_letter.id = %letter.id,
            compensate_biz.id = letter.compensate_biz_id.map(|row| row.0),
            task.id = letter.task_id.map(|task| task.0),
            tenant = %letter.tenant,
            source = %letter.source,
            lane = kind.lane,
            biz_type = kind.biz_type,
            reason = kind.reason,
            "work was set aside for a person"
        );
        // An attempt that is repeated counts again; the notification does not.
        metrics::counter!("quayside_dead_letters_total", &kind.labels()).increment(1);
        let news = news(&letter);
        Ok(Effects::new(move |tx| {
            let news = news.clone();
            Box::pin(async move { tx.notify(&news).await })
        }))
    }

    /// Nothing: all of it is in the transaction of the finish.
    async fn clean_up(&self, _: &Attempt) {}
}

/// One notification for each kind of letter and day.
fn news(letter: &DeadLetter) -> NewNotification {
    let biz_type = letter.biz_type.as_deref();
    NewNotification {
        recipient: Recipient::Role(OPERATOR.to_owned()),
        kind: NotificationKind::DeadLetters,
        key: format!(
            "{}/{}/{}",
            letter.reason,
            biz_type.unwrap_or_default(),
            letter.lane
        ),
        params: json!({
            "lane": letter.lane,
            "biz_type": biz_type,
            "reason": letter.reason,
            "last_dead_letter": letter.id,
        }),
    }
}

fn of_store(error: &StoreError) -> Failure {
    let told = std::iter::successors(Some(error as &dyn std::error::Error), |error| {
        error.source()
    });
    let chain: Vec<String> = told.map(ToString::to_string).collect();
    let chain = chain.join(": ");
    if error.is_transient() {
        Failure::transient(FailureCode::DatabaseUnavailable, chain)
    } else {
        Failure::permanent(FailureCode::Internal, chain)
    }
}
