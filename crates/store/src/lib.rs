//! MySQL, which holds the truth: queries named for their intent, behind one transaction door.
//!
//! A row of `compensate_biz` changes its state only in [`Store::claim_rung`],
//! [`Store::claim_due`] and `settle`, each by a statement that names id, status and lease epoch and
//! whose row count is checked (design.md §5, §6; shown by `tests/it/`).

mod announce;
mod attempts;
mod bulk;
mod cancel;
mod changes;
mod claim;
mod dead_letter;
mod delete;
mod door;
mod effects;
mod error;
mod fragment;
mod heartbeat;
mod migrate;
mod once;
mod pool;
mod quota;
mod retry;
mod row;
mod rows;
mod settle;
mod submit;
mod sweep;
mod take;
mod task;
mod task_row;

pub use announce::Announced;
pub use attempts::AttemptRecord;
pub use bulk::{BulkChunk, BulkLoad, BulkLoaded, BulkRows, BulkTable, BulkWay, Refill};
pub use cancel::Cancelled;
pub use changes::{COMMIT_SLACK, REACH, Standing, Standings, WatchedUser};
pub use claim::{ClaimTerms, Claimed, Lease, RungClaim};
pub use dead_letter::Poisoned;
pub use delete::{Deleted, Leftover};
pub use effects::{Effects, NewArtifact, Tx};
pub use error::{Cause, StoreError};
pub use heartbeat::Beat;
pub use migrate::{Migrated, migrate, run_script};
pub use once::{Once, Submission};
pub use pool::{Store, StoreSettings};
pub use quota::{OpenTaskLimits, OpenTasks, Quota};
pub use retry::{Retried, Retry};
pub use rows::{RowQuery, Rows};
pub use settle::{Ending, Settled, Story};
pub use submit::{Accepted, EXPORT, NewExport, Submitted};
pub use sweep::Rescued;
pub use task::{Page, TaskFilter, Visibility};
