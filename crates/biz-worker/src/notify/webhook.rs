//! The call to a webhook: a POST, signed as calls of kind `http` are, to an address that is public or
//! lies in the definition's ranges; redirects are not followed. Of one host no more calls at once than
//! a quarter of all, and none for a while after many that failed (`http/hosts.rs`): webhooks are called
//! for many users, and one's that is slow delays no other's.
//!
//! What its owner is told of a call that failed is of a closed set, and says nothing of what a name led
//! to: a name that leads into a private network is to them one that leads nowhere.

use std::sync::Arc;
use std::time::Duration;

use domain::{
    About, Clock, Failure, FailureCode, FailureKind, HandlerDef, NotifySpec, TaskId, Tenant,
};
use engine::Attempt;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response};
use secrecy::SecretString;
use serde_json::json;
use store::WebhookCall;
use url::Url;

use crate::http::guard::Guard;
use crate::http::hosts::{Hosts, PutOff};
use crate::http::{Call, body as read, broken, no};

/// Longest answer that is waited for, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Calls of one host at once are one of so many of all that there may be.
const HOST_SHARE: u32 = 4;

/// How long deliveries wait for a host that is away without spending a try.
const HOST_PATIENCE: Duration = Duration::from_secs(120);

/// What the owner is told of an address that is not called, whatever the reason.
const NOT_CALLED: &str = "the address cannot be called";

/// Makes the calls.
pub(super) struct Caller {
    spec: NotifySpec,
    client: Client,
    clock: Arc<dyn Clock>,
    hosts: Arc<Hosts>,
}

/// What came of a call.
pub(super) enum Made {
    /// The HTTP status of a yes.
    Told(u16),
    /// The HTTP status, if there was one, what the owner is told, and why it failed.
    Failed(Option<u16>, &'static str, Failure),
    /// It was not made: its host is busy.
    PutOff(Failure),
}

impl Caller {
    /// Calls as the definition says.
    pub(super) fn new(
        handler: &HandlerDef,
        spec: &NotifySpec,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let guard = Guard::new(spec.private_ranges.clone());
        let of_a_host = usize::try_from(handler.concurrency / HOST_SHARE)?;
        Ok(Self {
            spec: spec.clone(),
            client: guard.client(handler.timeout)?,
            clock,
            hosts: Hosts::new(&handler.biz_type, of_a_host, HOST_PATIENCE),
        })
    }

    /// Calls the webhook with the body. What was allowed when the webhook was made need not be so now:
    /// its address is looked at anew.
    pub(super) async fn call(&self, attempt: &Attempt, whom: &WebhookCall, body: String) -> Made {
        let checked = Url::parse(&whom.url).map_err(|error| error.to_string());
        let checked = checked.and_then(|url| match self.spec.check_url(&url) {
            Ok(()) => Ok(url),
            Err(reason) => Err(reason.to_owned()),
        });
        let url = match checked {
            Ok(url) => url,
            Err(reason) => {
                let refused = Failure::rejected(FailureCode::InvalidRequest, reason);
                return Made::Failed(None, NOT_CALLED, refused);
            }
        };
        let _visit = match self.hosts.visit(&url) {
            Ok(visit) => visit,
            Err(why @ PutOff::For(_)) => return Made::PutOff(self.hosts.put_off(attempt, why)),
            Err(why @ PutOff::Away) => {
                let away = self.hosts.put_off(attempt, why);
                return Made::Failed(None, NOT_CALLED, away);
            }
        };
        let made = self.call_there(attempt, whom, url.clone(), body).await;
        let is_trouble = |failure: &Failure| failure.kind == FailureKind::Transient;
        let is_well = !matches!(&made, Made::Failed(.., failure) if is_trouble(failure));
        self.hosts.tell(&url, is_well);
        made
    }

    async fn call_there(
        &self,
        attempt: &Attempt,
        whom: &WebhookCall,
        url: Url,
        body: String,
    ) -> Made {
        let answer = match self.send(attempt, whom, url, body).await {
            Ok(answer) => answer,
            Err(error) => return not_answered(&error),
        };
        let status = answer.status();
        let code = Some(status.as_u16());
        if status.is_redirection() {
            return Made::Failed(code, "redirects are not followed", no(status));
        }
        if !status.is_success() {
            return Made::Failed(code, "the answer was no", no(status));
        }
        // A yes counts once all of it came in time.
        match read(answer, MAX_ANSWER_BYTES).await {
            Ok(_) => Made::Told(status.as_u16()),
            Err(failure) => Made::Failed(code, "no whole answer", failure),
        }
    }

    async fn send(
        &self,
        attempt: &Attempt,
        whom: &WebhookCall,
        url: Url,
        body: String,
    ) -> Result<Response, reqwest::Error> {
        let call = Call::of_row(attempt, body);
        let timestamp = self.clock.now().timestamp();
        let secret = SecretString::from(whom.secret.clone());
        let sent = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", &call.key)
            .header("X-Quayside-Tenant", &call.tenant)
            .header("X-Quayside-Event", &whom.event)
            .header("X-Quayside-Timestamp", timestamp)
            .header("X-Quayside-Signature", call.signature(&secret, timestamp))
            .body(call.body)
            .send();
        sent.await
    }
}

/// A call without an answer. A name that may not be called is tried as often as one that nobody knows:
/// neither words nor tries tell them apart.
fn not_answered(error: &reqwest::Error) -> Made {
    let told = if error.is_timeout() {
        "no whole answer in time"
    } else if error.is_connect() || error.is_builder() {
        NOT_CALLED
    } else {
        "the connection broke"
    };
    let failure = broken(error);
    let failure = Failure::transient(failure.code, failure.detail);
    Made::Failed(None, told, failure)
}

/// What a webhook is told: the task as it stood, the words for it, and where to look; nothing that would
/// open a file.
pub(super) fn body(
    delivery: u64,
    event: &str,
    about: &About,
    tenant: &Tenant,
    spec: &NotifySpec,
) -> String {
    let (subject, text) = (about.subject(), about.text(|task| spec.link_to(task)));
    let mut body = json!({
        "delivery": delivery.to_string(),
        "event": event,
        "subject": subject,
        "text": text,
    });
    if let About::Task(end) = about {
        let error = end.error_code.as_ref();
        body["link"] = json!(spec.link_to(TaskId(end.task)));
        body["task"] = json!({
            "id": end.task.to_string(),
            "kind": end.kind,
            "dataset": end.dataset,
            "name": end.name,
            "status": end.status,
            "total_rows": end.total_rows,
            "done_rows": end.done_rows,
            "failed_rows": end.failed_rows,
            "skipped_rows": end.skipped_rows,
            "error": error.map(|code| json!({"code": code, "message": end.error_message})),
            "created_by": end.created_by,
            "tenant": tenant,
            "finished_at": end.finished_at,
        });
    }
    body.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_into_a_private_network_is_told_and_tried_as_one_that_leads_nowhere()
    {
        let client = Guard::new(Vec::new())
            .client(Duration::from_secs(10))
            .unwrap();
        let mut told = Vec::new();
        for url in ["http://localhost:1/", "http://nobody.invalid/"] {
            let error = client.get(url).send().await.unwrap_err();
            let Made::Failed(code, told_of, failure) = not_answered(&error) else {
                panic!("{url} was called");
            };
            told.push((code, told_of, failure.kind));
        }
        assert_eq!(told, [(None, NOT_CALLED, FailureKind::Transient); 2]);
    }
}
