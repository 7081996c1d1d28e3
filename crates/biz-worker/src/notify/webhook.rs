//! The call to a webhook: a POST, signed as calls of kind `http` are, to an address that is public or
//! lies in the definition's ranges; redirects are not followed.

use std::sync::Arc;
use std::time::Duration;

use domain::{About, Clock, Failure, FailureCode, IpRange, NotifySpec, TaskId, Tenant};
use engine::Attempt;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response};
use secrecy::SecretString;
use serde_json::json;
use store::WebhookCall;
use url::Url;

use crate::http::guard::Guard;
use crate::http::{Call, body as read, broken, no};

/// Longest answer that is waited for, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Makes the calls.
pub(super) struct Caller {
    client: Client,
    guard: Guard,
    clock: Arc<dyn Clock>,
}

/// What came of a call: the HTTP status, if there was one, and why it failed.
pub(super) enum Made {
    Told(u16),
    Failed(Option<u16>, Failure),
}

impl Caller {
    /// Each call may take `timeout`.
    pub(super) fn new(
        ranges: Vec<IpRange>,
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let guard = Guard::new(ranges);
        let client = guard.client(timeout)?;
        Ok(Self {
            client,
            guard,
            clock,
        })
    }

    /// Calls the webhook with the body.
    pub(super) async fn call(&self, attempt: &Attempt, whom: &WebhookCall, body: String) -> Made {
        let answer = match self.send(attempt, whom, body).await {
            Ok(answer) => answer,
            Err(failure) => return Made::Failed(None, failure),
        };
        let status = answer.status();
        let code = Some(status.as_u16());
        if !status.is_success() {
            return Made::Failed(code, no(status));
        }
        // A yes counts once all of it came in time.
        match read(answer, MAX_ANSWER_BYTES).await {
            Ok(_) => Made::Told(status.as_u16()),
            Err(failure) => Made::Failed(code, failure),
        }
    }

    async fn send(
        &self,
        attempt: &Attempt,
        whom: &WebhookCall,
        body: String,
    ) -> Result<Response, Failure> {
        let refused =
            |detail: &dyn std::fmt::Display| Failure::rejected(FailureCode::InvalidRequest, detail);
        let url = Url::parse(&whom.url).map_err(|error| refused(&error))?;
        self.guard.check_literal(&url).map_err(|it| refused(&it))?;
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
        sent.await.map_err(|error| broken(&error))
    }
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
