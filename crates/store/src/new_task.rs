//! Work that somebody asked for, checked: what a task and its first row are made of.

use std::time::Duration;

use domain::{Lane, TaskKind, Tenant, Upload, UserId};

use crate::door::Op;
use crate::once::Key;
use crate::operation_log::Actor;
use crate::submit::{EXPORT, IMPORT};

/// An export that somebody asked for, checked.
#[derive(Debug, Clone)]
pub struct NewExport {
    /// Whose.
    pub tenant: Tenant,
    /// Who asks.
    pub user: UserId,
    /// The request that asks: stands in the operation log.
    pub request_id: Option<String>,
    /// The dataset's name.
    pub dataset: String,
    /// The file's name.
    pub name: String,
    /// The queue, and the lane that it means.
    pub queue: String,
    /// Where it rings.
    pub lane: Lane,
    /// The user's language.
    pub locale: String,
    /// The request's options, as JSON, for the user to read back.
    pub options: String,
    /// The work itself, as JSON, for the handler.
    pub context: String,
    /// Failures that may be followed by another try.
    pub max_retries: u32,
    /// The span that asks, as W3C `traceparent`.
    pub trace_context: Option<String>,
    /// When the scan looks at the row if no ring brings it.
    pub scan_interval: Duration,
}

/// An import that somebody asked for, checked; its file lies in storage.
#[derive(Debug, Clone)]
pub struct NewImport {
    /// Whose.
    pub tenant: Tenant,
    /// Who asks.
    pub user: UserId,
    /// The request that asks: stands in the operation log.
    pub request_id: Option<String>,
    /// The dataset's name.
    pub dataset: String,
    /// The file's name, as the user calls it.
    pub name: String,
    /// The queue, and the lane that it means.
    pub queue: String,
    /// Where it rings: [`Lane::import`].
    pub lane: Lane,
    /// The user's language.
    pub locale: String,
    /// The request's options, as JSON, for the user to read back.
    pub options: String,
    /// The work itself, a `domain::ImportSpec` as JSON, for the handler.
    pub context: String,
    /// Failures that may be followed by another try, of the row and of those that it bears.
    pub max_retries: u32,
    /// The span that asks, as W3C `traceparent`.
    pub trace_context: Option<String>,
    /// When the scan looks at the row if no ring brings it.
    pub scan_interval: Duration,
    /// The file, as [`crate::Store::open_upload`] opened it, whole by now.
    pub upload: Upload,
}

/// What both are to the submit.
#[derive(Debug, Clone)]
pub(crate) struct NewTask {
    pub(crate) kind: TaskKind,
    pub(crate) tenant: Tenant,
    pub(crate) user: UserId,
    pub(crate) request_id: Option<String>,
    pub(crate) dataset: String,
    pub(crate) name: String,
    pub(crate) queue: String,
    pub(crate) lane: Lane,
    pub(crate) locale: String,
    pub(crate) options: String,
    pub(crate) context: String,
    pub(crate) max_retries: u32,
    pub(crate) trace_context: Option<String>,
    pub(crate) scan_interval: Duration,
    pub(crate) upload: Option<Upload>,
}

impl NewTask {
    /// A client's key of this call.
    pub(crate) fn key<'a>(&'a self, key: &'a str) -> Key<'a> {
        Key {
            tenant: &self.tenant,
            user: &self.user,
            route: match self.kind {
                TaskKind::Export => "POST /exports",
                TaskKind::Import => "POST /imports",
            },
            key,
        }
    }

    /// The biz type of its first row.
    pub(crate) const fn biz_type(&self) -> &'static str {
        match self.kind {
            TaskKind::Export => EXPORT,
            TaskKind::Import => IMPORT,
        }
    }

    /// Who asks for it.
    pub(crate) fn by(&self) -> Actor {
        Actor {
            tenant: self.tenant.clone(),
            user: self.user.clone(),
            request_id: self.request_id.clone(),
        }
    }

    pub(crate) const fn op(&self) -> Op {
        match self.kind {
            TaskKind::Export => Op::SubmitExport,
            TaskKind::Import => Op::SubmitImport,
        }
    }
}

impl From<NewExport> for NewTask {
    fn from(export: NewExport) -> Self {
        Self {
            kind: TaskKind::Export,
            tenant: export.tenant,
            user: export.user,
            request_id: export.request_id,
            dataset: export.dataset,
            name: export.name,
            queue: export.queue,
            lane: export.lane,
            locale: export.locale,
            options: export.options,
            context: export.context,
            max_retries: export.max_retries,
            trace_context: export.trace_context,
            scan_interval: export.scan_interval,
            upload: None,
        }
    }
}

impl From<NewImport> for NewTask {
    fn from(import: NewImport) -> Self {
        Self {
            kind: TaskKind::Import,
            tenant: import.tenant,
            user: import.user,
            request_id: import.request_id,
            dataset: import.dataset,
            name: import.name,
            queue: import.queue,
            lane: import.lane,
            locale: import.locale,
            options: import.options,
            context: import.context,
            max_retries: import.max_retries,
            trace_context: import.trace_context,
            scan_interval: import.scan_interval,
            upload: Some(import.upload),
        }
    }
}
