//! The words and rules of Quayside, pure: no I/O, no async, no clock, no randomness.
//!
//! What a row may become is [`transition`]; what may be asked for is checked by the dataset's
//! definition. Everything else in the house applies what is written here.

mod biz;
mod breaker;
mod budget;
mod cell;
mod clock;
mod closed_set;
mod dataset;
mod dead_letter;
mod export;
mod failure;
mod group;
mod handler;
mod id;
mod import;
mod name;
mod notice;
mod object_key;
mod operation;
mod retry;
mod sheet;
mod task;

use thiserror::Error;

pub use biz::{AttemptOutcome, BizStatus, Change, Event, IllegalTransition, RowState, transition};
pub use breaker::{BreakerTerms, BreakerWindow, LaneFault, LaneState, Trip, Verdict};
pub use budget::{BudgetTerms, RetryBudget};
pub use cell::{Cell, RowChunk};
pub use clock::Clock;
pub use dataset::{
    Catalog, Column, ColumnType, CrossRule, Dataset, DefinitionError, Demand, Filter, ImportMode,
    Labels, Limits, LiveValue, MAX_SECOND_SCALE, NumberForm, Operator, Place, SoftDelete, SortKey,
    Source, Tenancy,
};
pub use dead_letter::{DEAD_LETTER, DeadLetterAct, DeadLetterSource, DeadLetterStatus};
pub use export::{
    Access, Condition, ExportDefaults, ExportFormat, ExportOptions, ExportRequest, ExportSpec,
    FaultCode, FieldFault, Operand, Predicate, ResolvedExport, safe_stem,
};
pub use failure::{Failure, FailureCode, FailureKind, sentence_of_lost_attempt};
pub use group::{GROUP_FIELD, GroupState, Miscounted};
pub use handler::{
    EmailSpec, HandlerCatalog, HandlerDef, HandlerKind, HttpSpec, HttpTarget, IpRange, Levels,
    NoRange, NotifySpec, RowsSpec, URGENT_FROM, is_public,
};
pub use id::{CompensateBizId, DeadLetterId, LeaseEpoch, Rung, TaskFileId, TaskId};
pub use import::{
    BatchSpec, Empty, Field, Fields, FinishSpec, Formulas, Header, HiddenRows, ImportOptions,
    ImportRequest, ImportSpec, JsonRow, JsonRows, JsonTerms, KeySet, Mapping, Merged, OnError,
    RowCheck, RowCode, RowError, RowMessages, SheetChoice, TextEncoding, Upload, UploadFormat,
    fold_key,
};
pub use name::{BizId, BizType, InvalidName, Lane, Tenant, UserId};
pub use notice::{About, NOTIFY, Notice, TaskEnd, WebhookEvent, is_email_address};
pub use object_key::{task_prefix, upload_key};
pub use operation::{
    NotificationKind, ObjectKind, OperationAction, OperationNote, OperationOutcome, Recipient,
    is_operation_word,
};
pub use retry::{NoBackoff, RetryPolicies, RetryPolicy};
pub use sheet::{
    Calendar, NumberStyle, PlacedCell, SheetCell, SheetChunk, SheetRow, column_letters,
};
pub use task::{
    Action, FileRole, FileState, Progress, Task, TaskError, TaskFile, TaskKind, TaskStatus, Warning,
};

/// A word that its closed set does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{word:?} is no {set}")]
pub struct UnknownWord {
    set: &'static str,
    word: String,
}
