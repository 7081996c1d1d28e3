//! Business work and its groups as JSON, asked for and told.

use chrono::{DateTime, Utc};
use domain::{BizId, BizStatus};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use store::{Compensation, CompensationContent, Group, SubmittedCompensations};
use utoipa::ToSchema;

use crate::attempts::AttemptView;

/// Business work. Unknown fields are refused; null counts as left out.
#[derive(Serialize, ToSchema)]
#[schema(as = CompensationsRequest)]
pub(crate) struct CompensationsBody {
    /// At most 10,000; none only with a group.
    items: Vec<ItemBody>,
    group: Option<GroupBody>,
}

/// One piece of work.
#[derive(Serialize, ToSchema)]
#[schema(as = CompensationItem)]
pub(crate) struct ItemBody {
    /// The kind of work: one that is defined.
    biz_type: String,
    /// What it is about, 1 to 128 characters: unique with the kind in the tenant. Two numbers with a
    /// slash between them are reserved for what follows groups.
    biz_id: String,
    /// Any JSON value of at most 1 MiB (or what the gateway is set to), kept as it is sent.
    context: Value,
    /// 0 to 9; 0 when left out.
    priority: Option<u8>,
    /// One that the definition offers; `default` when left out. Of `notify` the channel says it.
    queue: Option<String>,
    /// 1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h.
    delay_level: Option<String>,
    /// RFC 3339, at most 365 days ahead; not with `delay_level`.
    run_at: Option<DateTime<Utc>>,
}

/// What is to happen when all items of several calls are done, dead or cancelled.
#[derive(Serialize, ToSchema)]
#[schema(as = CompensationGroupRequest)]
pub(crate) struct GroupBody {
    /// 1 to 128 characters: the same key is the same group of the tenant.
    key: String,
    /// Whether this is the last call that adds to it; false when left out.
    seal: Option<bool>,
    /// At most 10 items, each of another kind; given with the first call. Their `biz_id` is
    /// `<group>/<generation>`, whatever is given; a context that is an object is given the field
    /// `group`, unless it has one: what the group came to, as `id`, `key`, `generation`, `total`,
    /// `succeeded`, `dead`, `cancelled`.
    on_finished: Option<Vec<FollowUpBody>>,
}

/// Work that follows the end of a group.
#[derive(Serialize, ToSchema)]
#[schema(as = CompensationFollowUp)]
pub(crate) struct FollowUpBody {
    biz_type: String,
    /// Taken, and without effect.
    biz_id: Option<String>,
    context: Value,
    /// 0 to 9; 0 when left out.
    priority: Option<u8>,
    queue: Option<String>,
    /// As of an item, from the end of the group on.
    delay_level: Option<String>,
    /// As of an item; at once, if the group ends later.
    run_at: Option<DateTime<Utc>>,
}

/// What a call came to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CompensationsSubmitted)]
pub(crate) struct SubmittedView {
    /// accepted + duplicates = items.
    accepted: usize,
    duplicates: usize,
    #[schema(required)]
    group_id: Option<String>,
    /// One for each item, in their order.
    items: Vec<SubmittedItemView>,
}

/// What stands for one item.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SubmittedCompensation)]
pub(crate) struct SubmittedItemView {
    id: String,
    biz_id: String,
    /// WAIT_HANDLE; of a duplicate, where it stands by now.
    status: &'static str,
    /// Whether it was there before, or stands in the call twice.
    duplicate: bool,
}

impl SubmittedView {
    pub(super) fn of(done: &SubmittedCompensations, biz_ids: &[BizId]) -> Self {
        let items = done.items.iter().zip(biz_ids);
        let items = items.map(|(item, biz_id)| SubmittedItemView {
            id: item.id.to_string(),
            biz_id: biz_id.to_string(),
            status: item.status.as_str(),
            duplicate: item.duplicate,
        });
        let duplicates = done.duplicates();
        Self {
            accepted: done.items.len() - duplicates,
            duplicates,
            group_id: done.group_id.map(|id| id.to_string()),
            items: items.collect(),
        }
    }
}

/// A piece of business work.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Compensation)]
pub(crate) struct CompensationView {
    id: String,
    tenant: String,
    biz_type: String,
    biz_id: String,
    /// The topic.
    lane: String,
    /// WAIT_HANDLE, PROCESSING, SUCCESS, FAILED or CANCELLED.
    status: &'static str,
    /// Whether nothing more happens by itself.
    finished: bool,
    priority: u8,
    /// Failures so far.
    failures: u32,
    /// Failures that may be followed by another try; null before the first one.
    #[schema(required)]
    max_failures: Option<u32>,
    /// When it is due, while it waits for that.
    #[schema(required)]
    due_at: Option<DateTime<Utc>>,
    #[schema(required)]
    group_id: Option<String>,
    /// What went wrong last; for operators alone.
    #[schema(required)]
    last_failure: Option<String>,
    /// Null when it came by SQL, or follows a group.
    #[schema(required)]
    created_by: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    /// `retry`, `cancel`; for operators.
    allowed_actions: Vec<&'static str>,
    /// As it was submitted, or as text where that is no JSON; of one piece of work, not in lists, and
    /// not when it has more than may be submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    context: Option<Box<RawValue>>,
    /// All bytes of the context; of one piece of work, not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    context_bytes: Option<u64>,
    /// What has been tried, newest first, at most 50; of one piece of work, not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<Vec<AttemptView>>,
}

impl CompensationView {
    pub(super) fn new(found: Compensation, is_operator: bool) -> Self {
        let actions: &[&str] = if is_operator {
            allowed_actions(found.status)
        } else {
            &[]
        };
        Self {
            id: found.id.to_string(),
            tenant: found.tenant.to_string(),
            biz_type: found.biz_type,
            biz_id: found.biz_id,
            lane: found.lane,
            status: found.status.as_str(),
            finished: found.status.is_final(),
            priority: found.priority,
            failures: found.failures,
            max_failures: found.max_failures,
            due_at: found.due_at,
            group_id: found.group_id.map(|id| id.to_string()),
            last_failure: found.last_failure.filter(|_| is_operator),
            created_by: found.created_by,
            created_at: found.created_at,
            updated_at: found.updated_at,
            finished_at: found.finished_at,
            allowed_actions: actions.to_vec(),
            context: None,
            context_bytes: None,
            attempts: None,
        }
    }

    pub(super) fn with_content(self, content: CompensationContent, is_operator: bool) -> Self {
        let attempts = content.attempts.into_iter();
        Self {
            context: content.context.and_then(raw),
            context_bytes: Some(content.context_bytes),
            attempts: Some(
                attempts
                    .map(|attempt| AttemptView::new(attempt, is_operator))
                    .collect(),
            ),
            ..self
        }
    }
}

/// What an operator may do with a row that stands there.
pub(super) fn allowed_actions(status: BizStatus) -> &'static [&'static str] {
    match status {
        BizStatus::WaitHandle | BizStatus::Processing => &["cancel"],
        BizStatus::Failed | BizStatus::Cancelled => &["retry"],
        BizStatus::Success => &[],
    }
}

/// The context as it is; a plain SQL client may have inserted what is no JSON.
fn raw(context: String) -> Option<Box<RawValue>> {
    RawValue::from_string(context.clone())
        .or_else(|_no_json| serde_json::value::to_raw_value(&context))
        .ok()
}

/// A group of business work.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CompensationGroup)]
pub(crate) struct GroupView {
    id: String,
    #[schema(required)]
    key: Option<String>,
    /// succeeded + dead + cancelled, and those that are still open.
    total: u32,
    succeeded: u32,
    dead: u32,
    cancelled: u32,
    /// Whether no more will be added.
    sealed: bool,
    /// Rises when members are tried again after the end.
    generation: u32,
    /// Whether it has ended, and what follows was born, for its generation.
    finished: bool,
}

impl From<Group> for GroupView {
    fn from(group: Group) -> Self {
        Self {
            id: group.id.to_string(),
            key: group.key,
            total: group.total,
            succeeded: group.succeeded,
            dead: group.dead,
            cancelled: group.cancelled,
            sealed: group.sealed,
            generation: group.generation,
            finished: group.finished,
        }
    }
}
