//! A dead letter as JSON.

use chrono::{DateTime, Utc};
use serde::Serialize;
use store::{DeadLetter, DeadLetterContent, DeadLetterGroup};
use utoipa::ToSchema;

/// Bytes of the payload that are shown.
const SHOWN_BYTES: usize = 16 << 10;

/// Work, or a message, that was set aside.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub(crate) struct DeadLetterView {
    id: String,
    tenant: String,
    /// ROW or MESSAGE.
    source: &'static str,
    /// OPEN, REDRIVEN, DISCARDED, or PARKED when nobody could be told of it.
    status: &'static str,
    /// The topic.
    lane: String,
    #[schema(required)]
    biz_type: Option<String>,
    #[schema(required)]
    biz_id: Option<String>,
    #[schema(required)]
    compensate_biz_id: Option<String>,
    #[schema(required)]
    task_id: Option<String>,
    /// A code, as of a failed task, or of a message.
    reason: String,
    /// For operators; in lists its beginning.
    detail: String,
    #[schema(required)]
    acted_by: Option<String>,
    #[schema(required)]
    acted_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    /// `redrive`, `discard`.
    allowed_actions: Vec<&'static str>,
    /// What it holds; of one letter, not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<PayloadView>,
    /// The message's headers, a line each; of one message, not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<String>,
}

/// The row's context, or the message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterPayload)]
pub(crate) struct PayloadView {
    /// All of its bytes.
    bytes: u64,
    /// Whether only its beginning is shown.
    truncated: bool,
    /// When it is text.
    #[schema(required)]
    text: Option<String>,
    /// When it is not: its bytes in hexadecimal digits.
    #[schema(required)]
    hex: Option<String>,
}

impl DeadLetterView {
    pub(crate) fn with_content(self, content: DeadLetterContent) -> Self {
        let all = content.payload;
        let bytes = content.payload_bytes.max(all.len() as u64);
        let shown = &all[..all.len().min(SHOWN_BYTES)];
        let text = text_of(shown);
        let payload = PayloadView {
            bytes,
            truncated: bytes > shown.len() as u64,
            hex: text.is_none().then(|| hex::encode(shown)),
            text,
        };
        Self {
            payload: Some(payload),
            headers: content.headers,
            ..self
        }
    }
}

/// The bytes as text; a character that the end cuts in two is left out.
fn text_of(bytes: &[u8]) -> Option<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.to_owned()),
        Err(cut) if cut.error_len().is_none() => {
            let whole = &bytes[..cut.valid_up_to()];
            Some(String::from_utf8_lossy(whole).into_owned())
        }
        Err(_binary) => None,
    }
}

impl From<DeadLetter> for DeadLetterView {
    fn from(letter: DeadLetter) -> Self {
        let acts = letter.allowed_acts().iter().map(|act| act.as_str());
        Self {
            allowed_actions: acts.collect(),
            id: letter.id.to_string(),
            tenant: letter.tenant.to_string(),
            source: letter.source.as_str(),
            status: letter.status.as_str(),
            lane: letter.lane,
            biz_type: letter.biz_type,
            biz_id: letter.biz_id,
            compensate_biz_id: letter.compensate_biz_id.map(|id| id.to_string()),
            task_id: letter.task_id.map(|id| id.to_string()),
            reason: letter.reason,
            detail: letter.detail,
            acted_by: letter.acted_by,
            acted_at: letter.acted_at,
            created_at: letter.created_at,
            payload: None,
            headers: None,
        }
    }
}

/// Dead letters of one kind.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterGroup)]
pub(crate) struct DeadLetterGroupView {
    /// OPEN, REDRIVEN, DISCARDED or PARKED.
    status: &'static str,
    lane: String,
    #[schema(required)]
    biz_type: Option<String>,
    reason: String,
    count: u64,
    /// When the first was set aside.
    first_at: DateTime<Utc>,
    /// When the last was.
    last_at: DateTime<Utc>,
}

impl From<DeadLetterGroup> for DeadLetterGroupView {
    fn from(group: DeadLetterGroup) -> Self {
        Self {
            status: group.status.as_str(),
            lane: group.lane,
            biz_type: group.biz_type,
            reason: group.reason,
            count: group.count,
            first_at: group.first_at,
            last_at: group.last_at,
        }
    }
}
