//! What people are told, and how: the context of a row of biz type `notify`, and the words for the
//! end of a task in the task's own language.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::closed_set::closed_set;
use crate::group::GROUP_FIELD;
use crate::{TaskId, TaskKind, TaskStatus, UserId};

/// The biz type of rows that tell somebody something.
pub const NOTIFY: &str = "notify";

/// Characters of a subject that are kept.
const SUBJECT_CHARS: usize = 200;

closed_set! {
    /// What a webhook may be told of.
    WebhookEvent {
        /// A task ended well.
        TaskSuccess = "TASK_SUCCESS",
        /// A task ended, and some of its rows failed.
        TaskPartialSuccess = "TASK_PARTIAL_SUCCESS",
        /// A task failed.
        TaskFailed = "TASK_FAILED",
        /// A task was cancelled.
        TaskCancelled = "TASK_CANCELLED",
    }
}

impl WebhookEvent {
    /// What a task's status is to webhooks; none while the task is open.
    #[must_use]
    pub const fn of(status: TaskStatus) -> Option<Self> {
        match status {
            TaskStatus::Pending | TaskStatus::Processing => None,
            TaskStatus::Success => Some(Self::TaskSuccess),
            TaskStatus::PartialSuccess => Some(Self::TaskPartialSuccess),
            TaskStatus::Failed => Some(Self::TaskFailed),
            TaskStatus::Cancelled => Some(Self::TaskCancelled),
        }
    }
}

/// One thing to tell, one way: the context of a row of biz type [`NOTIFY`]. An operator may submit
/// what goes by inbox or mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "channel", rename_all = "lowercase", deny_unknown_fields)]
pub enum Notice {
    /// Into a user's inbox.
    Inbox {
        /// Whose.
        user: UserId,
        /// What.
        about: About,
    },
    /// By mail.
    Email {
        /// The address.
        to: String,
        /// What.
        about: About,
    },
    /// To a webhook of a user: a row of `webhook_delivery` says which.
    Webhook {
        /// Its number.
        delivery: u64,
        /// What.
        about: About,
    },
}

impl Notice {
    /// Reads the context of a row. What a group came to is passed over: it stands in the context of
    /// whatever follows the end of one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(context: &str) -> serde_json::Result<Self> {
        let mut fields: Map<String, Value> = serde_json::from_str(context)?;
        fields.remove(GROUP_FIELD);
        serde_json::from_value(Value::Object(fields))
    }

    /// The queue of rows that bear this, so that each way of telling has a lane of its own; none for
    /// the inbox, whose rows are on the usual one.
    #[must_use]
    pub const fn queue(&self) -> Option<&'static str> {
        match self {
            Self::Inbox { .. } => None,
            Self::Email { .. } => Some("email"),
            Self::Webhook { .. } => Some("webhook"),
        }
    }

    /// Whether nobody but the house may tell this: of the end of a task, or to a webhook.
    #[must_use]
    pub const fn is_of_the_house(&self) -> bool {
        match self {
            Self::Inbox { about, .. } | Self::Email { about, .. } => {
                matches!(about, About::Task(_))
            }
            Self::Webhook { .. } => true,
        }
    }

    /// Whether a row of biz type [`NOTIFY`] may bear this name only if the house made it.
    #[must_use]
    pub fn is_name_of_the_house(biz_id: &str) -> bool {
        biz_id.starts_with("task/") || biz_id.starts_with("delivery/")
    }
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum About {
    /// The end of a task.
    Task(TaskEnd),
    /// Words of the submitter's own.
    Text {
        /// One line.
        subject: String,
        /// As many as it takes.
        text: String,
    },
}

/// A task as it stood when it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskEnd {
    /// The number of the task.
    pub task: u64,
    /// Export or import.
    pub kind: TaskKind,
    /// Of which dataset.
    pub dataset: String,
    /// The name of its file.
    pub name: String,
    /// How it ended.
    pub status: TaskStatus,
    /// The language that the request asked for.
    pub locale: String,
    /// Whose it is.
    pub created_by: UserId,
    /// Rows in all; none where that is not known.
    pub total_rows: Option<u64>,
    /// Rows that were written.
    pub done_rows: u64,
    /// Rows that were refused.
    pub failed_rows: u64,
    /// Rows that were left out on purpose.
    pub skipped_rows: u64,
    /// Why it failed, in a word.
    pub error_code: Option<String>,
    /// Why it failed, in a sentence in the task's language.
    pub error_message: Option<String>,
    /// When, by the database's clock.
    pub finished_at: DateTime<Utc>,
}

impl About {
    /// One line, without control characters.
    #[must_use]
    pub fn subject(&self) -> String {
        let subject = match self {
            Self::Task(end) => end.subject(),
            Self::Text { subject, .. } => subject.clone(),
        };
        one_line(&subject)
    }

    /// All of it; a task's with `link`, where a person finds it.
    pub fn text(&self, link: impl FnOnce(TaskId) -> String) -> String {
        match self {
            Self::Task(end) => end.text(&link(TaskId(end.task))),
            Self::Text { text, .. } => text.clone(),
        }
    }
}

impl TaskEnd {
    fn is_chinese(&self) -> bool {
        self.locale.starts_with("zh")
    }

    /// `导出完成：员工信息_20260102.xlsx`, `Export finished: employees_20260102.xlsx`
    fn subject(&self) -> String {
        let kind = match (self.kind, self.is_chinese()) {
            (TaskKind::Export, true) => "导出",
            (TaskKind::Import, true) => "导入",
            (TaskKind::Export, false) => "Export",
            (TaskKind::Import, false) => "Import",
        };
        let (chinese, english) = match self.status {
            TaskStatus::Success => ("完成", "finished"),
            TaskStatus::PartialSuccess => ("部分完成", "finished in part"),
            TaskStatus::Failed => ("失败", "failed"),
            TaskStatus::Cancelled => ("已取消", "cancelled"),
            TaskStatus::Pending | TaskStatus::Processing => ("进行中", "under way"),
        };
        if self.is_chinese() {
            format!("{kind}{chinese}：{}", self.name)
        } else {
            format!("{kind} {english}: {}", self.name)
        }
    }

    /// The subject, what was counted, why it failed, where to look.
    fn text(&self, link: &str) -> String {
        let mut lines = vec![one_line(&self.subject())];
        let (done, failed, skipped) = (self.done_rows, self.failed_rows, self.skipped_rows);
        lines.push(if self.is_chinese() {
            format!("成功 {done} 行，失败 {failed} 行，跳过 {skipped} 行")
        } else {
            format!("Rows done: {done}, failed: {failed}, skipped: {skipped}")
        });
        lines.extend(self.error_message.clone());
        lines.push(if self.is_chinese() {
            format!("查看任务：{link}")
        } else {
            format!("The task: {link}")
        });
        lines.join("\n")
    }
}

/// A file's name is the user's: it must not begin a line of its own in a mail's head.
fn one_line(text: &str) -> String {
    let kept = text.chars().take(SUBJECT_CHARS);
    kept.map(|it| if it.is_control() { ' ' } else { it })
        .collect()
}

/// Whether the text is an e-mail address of the usual kind: `local@domain`, of ASCII, at most 254
/// characters, without quoting or comments (RFC 5321, 4.5.3.1 and the dot-atom of RFC 5322).
#[must_use]
pub fn is_email_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let of_atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let is_local = local.len() <= 64
        && local
            .split('.')
            .all(|atom| !atom.is_empty() && atom.chars().all(of_atom));
    is_local && text.len() <= 254 && is_email_domain(domain)
}

/// Whether the text is a name of a domain: labels of ASCII letters, digits and hyphens.
pub(crate) fn is_email_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}
