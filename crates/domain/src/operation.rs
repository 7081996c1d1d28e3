//! What people do, as the operation log tells it, and what they are told.

mod note;

use crate::UserId;
use crate::closed_set::closed_set;

pub use note::{OperationNote, is_operation_word};

closed_set! {
    /// What somebody did.
    OperationAction {
        /// Asked for an export or import.
        TaskSubmit = "TASK_SUBMIT",
        /// Ended a task.
        TaskCancel = "TASK_CANCEL",
        /// Had a task tried again.
        TaskRetry = "TASK_RETRY",
        /// Took a task and its files away.
        TaskDelete = "TASK_DELETE",
        /// Put the work of a dead letter back.
        DeadLetterRedrive = "DEAD_LETTER_REDRIVE",
        /// Decided that nothing is to be done about a dead letter.
        DeadLetterDiscard = "DEAD_LETTER_DISCARD",
        /// Stopped a lane.
        LanePause = "LANE_PAUSE",
        /// Let a lane go on.
        LaneResume = "LANE_RESUME",
        /// Asked for business work, one entry a call.
        CompensationSubmit = "COMPENSATION_SUBMIT",
        /// Ended one piece of business work.
        CompensationCancel = "COMPENSATION_CANCEL",
        /// Had one piece of business work tried again.
        CompensationRetry = "COMPENSATION_RETRY",
        /// Wrote a few rows that came in a request.
        RowsSubmit = "ROWS_SUBMIT",
        /// Fetched a file.
        FileDownload = "FILE_DOWNLOAD",
        /// Asked the workers of a lane to look for due rows at once.
        LaneScan = "LANE_SCAN",
        /// Asked to be called on the end of tasks.
        WebhookCreate = "WEBHOOK_CREATE",
        /// Asked for no more such calls.
        WebhookDelete = "WEBHOOK_DELETE",
        /// Said how to be told of things.
        SettingsChange = "SETTINGS_CHANGE",
    }
}

closed_set! {
    /// What it was done to.
    ObjectKind {
        /// A row of `task`, by its id.
        Task = "TASK",
        /// A row of `dead_letter`, by its id.
        DeadLetter = "DEAD_LETTER",
        /// A lane, by its name.
        Lane = "LANE",
        /// A row of `compensate_biz` that belongs to no task, by its id; of a call, its first one.
        Compensation = "COMPENSATION",
        /// A file of a task, by its id.
        File = "FILE",
        /// A dataset, by its name.
        Dataset = "DATASET",
        /// A webhook, by its id.
        Webhook = "WEBHOOK",
        /// What a user has set, by the user.
        Settings = "SETTINGS",
    }
}

closed_set! {
    /// What came of it.
    OperationOutcome {
        /// It was done.
        Done = "DONE",
        /// It could not be done: a state or a missing right did not allow it.
        Refused = "REFUSED",
    }
}

closed_set! {
    /// What somebody is told of.
    NotificationKind {
        /// Work of one kind was set aside for one reason, so many times on one day.
        DeadLetters = "DEAD_LETTERS",
        /// A task of theirs ended.
        TaskEnd = "TASK_END",
        /// Somebody wrote to them.
        Message = "MESSAGE",
    }
}

/// Whose inbox it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recipient {
    /// One user's.
    User(UserId),
    /// Everybody's who has the role: read by one is read by all.
    Role(String),
}

impl Recipient {
    /// What it is, in one word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "USER",
            Self::Role(_) => "ROLE",
        }
    }

    /// The user, or the role.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::User(user) => user.as_str(),
            Self::Role(role) => role,
        }
    }
}
