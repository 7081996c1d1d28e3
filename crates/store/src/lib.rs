//! MySQL, which holds the truth: queries named for their intent, behind one transaction door.
//!
//! A row of `compensate_biz` changes its state only in [`Store::claim_rung`],
//! [`Store::claim_due`] and `settle`, each by a statement that names id, status and lease epoch and
//! whose row count is checked (design.md §5, §6; shown by `tests/it/`).

mod announce;
mod apply;
mod attempts;
mod backlog;
mod batch_run;
mod born;
mod bulk;
mod cancel;
mod changes;
mod claim;
mod collation;
mod compensation;
mod dead_letter;
mod delete;
mod door;
mod effects;
mod error;
mod fragment;
mod group;
mod heartbeat;
mod import;
mod lane;
mod ledger;
mod measures;
mod migrate;
mod new_task;
mod notice;
mod notification;
mod notification_setting;
mod once;
mod operation_log;
mod pool;
mod quota;
mod read_back;
mod reopen;
mod retention;
mod retry;
mod row;
mod row_errors;
mod rows;
mod settle;
mod stray;
mod submit;
mod sweep;
mod take;
mod task;
mod task_row;
mod upload;
mod webhook;
mod zlib;

pub use announce::{Announced, Walk};
pub use apply::{
    Applied, ApplyRows, ApplyTarget, KeyedRows, RefusedRow, RowsOnce, RowsReply, TargetError,
};
pub use attempts::AttemptRecord;
pub use backlog::Backlog;
pub use batch_run::{
    BatchFault, BatchRan, BatchRow, BatchTx, BatchWrites, FailedItem, RefusedItem, Wanted,
};
pub use bulk::{
    BulkChunk, BulkLoad, BulkLoaded, BulkRows, BulkTable, BulkWay, Refill, bulk_field, bulk_lines,
};
pub use cancel::Cancelled;
pub use changes::{COMMIT_SLACK, REACH, Standing, Standings, WatchedUser};
pub use claim::{ClaimTerms, Claimed, Lease, RungClaim};
pub use collation::KeyComparison;
pub use compensation::{
    CallKey, Compensation, CompensationActed, CompensationContent, CompensationFilter,
    CompensationReach, CompensationsOnce, CompensationsReply, Due, Group, GroupRefusal,
    NewCompensation, NewCompensations, NewGroup, SubmittedCompensations, SubmittedItem,
};
pub use dead_letter::{
    BulkRedrive, BulkRedriven, DeadLetter, DeadLetterActed, DeadLetterContent, DeadLetterFilter,
    DeadLetterGroup, DeadLetterSpec, HOUSE_TENANT, MAX_BULK_REDRIVE, OpenDeadLetters, Poisoned,
    Refusal,
};
pub use delete::{Deleted, Leftover};
pub use effects::{Effects, NewArtifact, Tx};
pub use error::{Cause, StoreError};
pub use group::FollowUp;
pub use heartbeat::Beat;
pub use import::{ImportEnd, ImportFinished, NewBatch, SplitDone};
pub use lane::{LaneAct, LaneProbe, LaneStanding};
pub use ledger::{Ledger, LedgerEntry, LedgerPart};
pub use migrate::{Migrated, migrate, run_script};
pub use new_task::{NewExport, NewImport};
pub use notification::{Inbox, NewNotification, Notification};
pub use notification_setting::NotificationSettings;
pub use once::{Once, Submission};
pub use operation_log::{Actor, LogDesk, LoggedAct, OperationFilter, OperationRecord};
pub use pool::{Store, StoreSettings};
pub use quota::{OpenTaskLimits, OpenTasks, Quota};
pub use reopen::Announce;
pub use retention::{AttemptsEnd, EndedTask, FileToRemove, Goes, Purged, RetentionTerms, Walked};
pub use retry::{Retried, Retry};
pub use row_errors::{ErrorPlace, RowErrorPage};
pub use rows::{RowQuery, Rows};
pub use settle::{Ending, Settled, Story};
pub use submit::{Accepted, EXPORT, IMPORT, IMPORT_BATCH, IMPORT_FINISH, Submitted};
pub use sweep::{Rescued, SweepPlace, Swept};
pub use task::{Page, TaskFilter, Visibility};
pub use upload::{ABANDONED_SECONDS, NewUpload, UploadOpened};
pub use webhook::{
    DeliveryStatus, DeliveryTry, MAX_WEBHOOKS, NewWebhook, Webhook, WebhookCall, WebhookDelivery,
    WebhookKey, WebhookMade, WebhookReply,
};
