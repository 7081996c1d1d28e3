//! Submitting business work from another program.
//!
//! A call is accepted as a whole or not at all, and to send one again is safe: what is there is told
//! as a duplicate. So a program that does not know what became of a call sends it again.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::GatewayArgs;
use crate::client::{Gateway, not_ours};
use crate::exit::{Exit, Failure};

/// A gateway and the right to submit work to it. Shown by `tests/it/compensations.rs`.
pub struct CompensationClient(Gateway);

/// One call: at most 10,000 items.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CompensationCall {
    /// None only with a group.
    pub items: Vec<CompensationItem>,
    /// The group that counts what is new of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<CompensationGroup>,
}

/// One piece of business work.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CompensationItem {
    /// The kind of work: one that the house defines.
    pub biz_type: String,
    /// What it is about, 1 to 128 characters; unique with the kind in the tenant.
    pub biz_id: String,
    /// Any JSON value of at most as much as the gateway takes (1 MiB by default).
    pub context: Value,
    /// 0 to 9; 0 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// One that the definition offers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// `1s` to `2h`, as the API lists them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_level: Option<String>,
    /// RFC 3339, at most 365 days ahead; not with `delay_level`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_at: Option<String>,
}

/// The group that a call adds to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CompensationGroup {
    /// 1 to 128 characters: the same key is the same group of the tenant.
    pub key: String,
    /// Whether this is the last call that adds to it.
    pub seal: bool,
    /// What follows its end, given with the first call. A context that is an object is told what the
    /// group came to, in its field `group`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_finished: Option<Vec<CompensationFollowUp>>,
}

/// Work that follows the end of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompensationFollowUp {
    /// The kind of work.
    pub biz_type: String,
    /// Any JSON value of at most as much as the gateway takes (1 MiB by default).
    pub context: Value,
    /// 0 to 9; 0 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// One that the definition offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// `1s` to `2h`, from the end of the group on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_level: Option<String>,
    /// RFC 3339, at most 365 days ahead; not with `delay_level`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_at: Option<String>,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SubmittedCall {
    /// How many items are new.
    pub accepted: u64,
    /// How many were there before, or stood in the call twice.
    pub duplicates: u64,
    /// The group, if the call named one.
    pub group_id: Option<String>,
    /// One for each item, in their order.
    pub items: Vec<SubmittedItem>,
}

/// What stands for one item.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SubmittedItem {
    /// The row's id.
    pub id: String,
    /// As it was submitted.
    pub biz_id: String,
    /// `WAIT_HANDLE`; of a duplicate, where it stands by now.
    pub status: String,
    /// Whether it was there before, or stands in the call twice.
    pub duplicate: bool,
}

/// Why a call was not accepted, or why nobody knows.
#[derive(Debug)]
pub struct ClientError(Failure);

impl ClientError {
    /// The code that the gateway gave (api.md), empty where it gave none.
    #[must_use]
    pub fn code(&self) -> &str {
        self.0.code()
    }

    /// How the command line ends with it.
    pub(crate) fn into_failure(self) -> Failure {
        self.0
    }

    /// When the gateway wants to be asked again.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after()
    }

    /// Whether the same call may be accepted later: gateway or database are away or busy. What the
    /// first call did is told as duplicates then.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.exit() == Exit::Unavailable
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.what())
    }
}

impl std::error::Error for ClientError {}

impl From<Failure> for ClientError {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl CompensationClient {
    /// A client of the gateway at that address, such as `http://127.0.0.1:8080`, for whoever the
    /// token (a JWT) speaks of. Reaches for nothing yet.
    ///
    /// # Errors
    /// [`ClientError`] when the address is none or the token is empty.
    pub fn new(url: &str, token: &str) -> Result<Self, ClientError> {
        let args = GatewayArgs {
            url: url.to_owned(),
            token: Some(token.to_owned()),
        };
        Ok(Self(Gateway::new(&args)?))
    }

    /// Submits a call. With a key, 1 to 128 visible ASCII characters, the same call within 24 hours
    /// is answered as the first time.
    ///
    /// # Errors
    /// [`ClientError`]; nothing was accepted, or where it [is transient](ClientError::is_transient)
    /// perhaps all of it.
    pub async fn submit(
        &self,
        call: &CompensationCall,
        idempotency_key: Option<&str>,
    ) -> Result<SubmittedCall, ClientError> {
        let json = self.0.submit_compensations(call, idempotency_key).await?;
        let call = SubmittedCall::deserialize(json);
        call.map_err(|error| ClientError(not_ours(error)))
    }
}
