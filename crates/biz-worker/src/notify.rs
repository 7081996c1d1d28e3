//! Handler kind `notify`: somebody is told something, by the inbox, by mail or by a webhook.
//!
//! What is told stands in the row, as it was when the row was born (`domain::Notice`): a task's end with
//! its owner's choice of ways, or an operator's own words. The inbox is written with the row's finish, so
//! once. A mail goes out before it (mail.rs), and may go twice, under one Message-ID; a webhook is called
//! at least once, under one Idempotency-Key (webhook.rs), and each try is noted for its owner.
//!
//! A mail server that is away or wrong is the house's trouble: tried again, then a dead letter. A webhook
//! that is away or says no, and an address that no mail server takes, are their owner's: the row is
//! given up without a letter, and nothing speaks against the lane that others share. Shown by
//! `tests/it/notify/`.

mod mail;
mod webhook;

use std::sync::Arc;

use async_trait::async_trait;
use domain::{
    About, Clock, Failure, FailureCode, FailureKind, HandlerDef, Notice, NotificationKind,
    NotifySpec, Recipient, UserId,
};
use engine::{Attempt, BizHandler};
use metrics::Unit;
use serde_json::{Value, json};
use service::SmtpSettings;
use store::{DeliveryTry, Effects, NewNotification, Store, StoreError};

use mail::Mailer;
use webhook::{Caller, Made};

const TOLD: &str = "quayside_notifications_total";

/// Tells people.
pub struct NotifyHandler {
    spec: NotifySpec,
    /// Failures of a row that are followed by another try.
    max_cnt: u32,
    store: Store,
    mailer: Option<Mailer>,
    caller: Caller,
}

impl NotifyHandler {
    /// A handler as the definition says.
    ///
    /// # Errors
    /// When the definition wants mail to be sent and the settings name no server, or cannot be used.
    pub fn new(
        handler: &HandlerDef,
        spec: &NotifySpec,
        store: Store,
        smtp: &SmtpSettings,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        metrics::describe_counter!(
            TOLD,
            Unit::Count,
            "Tries to tell somebody something, by channel (inbox, email, webhook) and outcome: told, \
             failed."
        );
        let mailer = match &spec.email {
            None => None,
            Some(email) => Some(Mailer::new(smtp, email, handler.timeout, clock.clone())?),
        };
        Ok(Self {
            caller: Caller::new(handler, spec, clock)?,
            spec: spec.clone(),
            max_cnt: handler.retry.max_cnt(),
            store,
            mailer,
        })
    }

    /// Into the inbox, with the finish and not without it.
    fn to_inbox(&self, attempt: &Attempt, user: UserId, about: &About) -> Effects {
        let new = NewNotification {
            recipient: Recipient::User(user),
            kind: match about {
                About::Task(_) => NotificationKind::TaskEnd,
                About::Text { .. } => NotificationKind::Message,
            },
            key: attempt.claimed().biz_id.as_str().to_owned(),
            params: self.params(about),
        };
        Effects::new(move |tx| {
            let new = new.clone();
            Box::pin(async move { tx.notify(&new).await })
        })
    }

    /// What the entry of the inbox is made of.
    fn params(&self, about: &About) -> Value {
        let title = about.subject();
        let text = about.text(|task| self.spec.link_to(task));
        match about {
            About::Text { .. } => json!({"title": title, "text": text}),
            About::Task(end) => json!({
                "title": title,
                "text": text,
                "task": end.task.to_string(),
                "task_kind": end.kind,
                "status": end.status,
                "dataset": end.dataset,
                "name": end.name,
                "link": self.spec.link_to(domain::TaskId(end.task)),
            }),
        }
    }

    async fn by_mail(&self, attempt: &Attempt, to: &str, about: &About) -> Result<(), Failure> {
        let refused = |reason| Failure::rejected(FailureCode::InvalidRequest, reason);
        self.spec.check_email(to).map_err(refused)?;
        let Some(mailer) = &self.mailer else {
            return Err(refused("this deployment sends no mail"));
        };
        let text = about.text(|task| self.spec.link_to(task));
        let row = (attempt.tenant(), &attempt.claimed().biz_id);
        mailer.send(row, to, &about.subject(), &text).await
    }

    /// Calls the webhook, and notes what came of it.
    async fn by_webhook(
        &self,
        attempt: &Attempt,
        delivery: u64,
        about: &About,
    ) -> Result<Effects, Failure> {
        let tenant = attempt.tenant();
        let found = self.store.webhook_call(tenant, delivery).await;
        let Some(whom) = found.map_err(unanswered)? else {
            tracing::info!(delivery, "the webhook was taken away: nobody is called");
            return Ok(Effects::none());
        };
        let body = webhook::body(delivery, &whom.event, about, tenant, &self.spec);
        let made = self.caller.call(attempt, &whom, body).await;
        let noted = |code, error| DeliveryTry {
            delivery,
            epoch: attempt.epoch(),
            code,
            error,
        };
        match made {
            Made::Told(code) => {
                let noted = noted(Some(code), None);
                Ok(Effects::new(move |tx| {
                    let noted = noted.clone();
                    Box::pin(async move { tx.delivered(&noted).await })
                }))
            }
            Made::PutOff(put_off) => Err(put_off),
            Made::Failed(code, told, failure) => {
                let noted = noted(code, Some(told.to_owned()));
                let noted = self.store.note_delivery_try(tenant, noted).await;
                if let Err(error) = noted {
                    tracing::warn!(error = %error, "a try of a delivery was not noted");
                }
                Err(self.owners(attempt, failure))
            }
        }
    }

    /// A webhook is its owner's: when its tries are spent it is given up like any other mistake.
    fn owners(&self, attempt: &Attempt, failure: Failure) -> Failure {
        let is_tried_again =
            failure.kind == FailureKind::Transient && attempt.claimed().cnt < self.max_cnt;
        if is_tried_again {
            failure
        } else {
            Failure::rejected(FailureCode::InvalidRequest, failure.detail)
        }
    }

    async fn tell(&self, attempt: &Attempt, notice: &Notice) -> Result<Effects, Failure> {
        match notice {
            Notice::Inbox { user, about } => Ok(self.to_inbox(attempt, user.clone(), about)),
            Notice::Email { to, about } => {
                self.by_mail(attempt, to, about).await?;
                Ok(Effects::none())
            }
            Notice::Webhook { delivery, about } => self.by_webhook(attempt, *delivery, about).await,
        }
    }
}

#[async_trait]
impl BizHandler for NotifyHandler {
    async fn run(&self, attempt: &Attempt) -> Result<Effects, Failure> {
        let notice = Notice::read(attempt.context()).map_err(|error| {
            let detail = format!("the context is no notice: {error}");
            Failure::permanent(FailureCode::InvalidRequest, detail)
        })?;
        let told = tokio::select! {
            () = attempt.stopped().cancelled() => return Err(Failure::stopped()),
            told = self.tell(attempt, &notice) => told,
        };
        let channel = match &notice {
            Notice::Inbox { .. } => "inbox",
            Notice::Email { .. } => "email",
            Notice::Webhook { .. } => "webhook",
        };
        let outcome = match &told {
            Ok(_) => "told",
            // put off
            Err(failure) if failure.kind == FailureKind::Cancelled => return told,
            Err(_) => "failed",
        };
        metrics::counter!(TOLD, "channel" => channel, "outcome" => outcome).increment(1);
        told
    }

    async fn clean_up(&self, _: &Attempt) {}
}

fn unanswered(error: StoreError) -> Failure {
    if error.is_transient() {
        Failure::transient(FailureCode::DatabaseUnavailable, error)
    } else {
        Failure::permanent(FailureCode::Internal, error)
    }
}
