//! Imports as the database sees them: upload, submit, split, ledger, finish, and what is read of it.

mod collation;
mod finish;
mod ledger;
pub(crate) mod plan;
mod reads;
mod row_errors;
mod split;
mod submit;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use domain::{
    BizStatus, Failure, FailureCode, FileRole, Lane, OnError, RowCode, RowError, Task, TaskId,
    Tenant, Upload, UploadFormat, UserId,
};
use serde_json::Map;
use store::{
    Announced, Claimed, Effects, Ending, ImportEnd, LedgerEntry, NewArtifact, NewBatch, NewImport,
    NewUpload, Once, Settled, SplitDone, Store, Story, Submission, UploadOpened,
};
use testkit::terms;
use uuid::Uuid;

use crate::settle::owner;
use crate::submit::NO_LIMITS;

pub(crate) fn acme() -> Tenant {
    Tenant::parse("acme").expect("a name")
}

/// Lanes of one test alone: of the imports, and of their batches.
#[derive(Clone)]
pub(crate) struct Lanes {
    pub(crate) imports: Lane,
    pub(crate) batches: Lane,
}

impl Lanes {
    pub(crate) fn new() -> Self {
        let queue = Uuid::new_v4().simple().to_string();
        Self {
            imports: Lane::import(&queue).expect("hex digits fit a topic"),
            batches: Lane::import_batch(&queue).expect("hex digits fit a topic"),
        }
    }
}

pub(crate) fn a_new_upload(user: &str) -> NewUpload {
    NewUpload {
        tenant: acme(),
        user: UserId::parse(user).expect("a name"),
        object_key: format!("acme/uploads/{}.xlsx", Uuid::new_v4()),
        name: "members.xlsx".to_owned(),
        keep: Duration::from_secs(3_600),
    }
}

/// An upload of which every byte is stored.
pub(crate) async fn uploaded(store: &Store, upload: NewUpload) -> Upload {
    let (object_key, name) = (upload.object_key.clone(), upload.name.clone());
    match store.open_upload(upload, 10_000).await.expect("answered") {
        UploadOpened::Opened(file) => Upload {
            file,
            object_key,
            name,
            size: 10,
            sha256: "0".repeat(64),
            format: UploadFormat::Xlsx,
        },
        UploadOpened::TooMany(_) => panic!("there is room"),
    }
}

/// An import by user 7 of tenant acme.
pub(crate) fn an_import(lanes: &Lanes, upload: Upload) -> NewImport {
    NewImport {
        tenant: acme(),
        user: UserId::parse("7").expect("a name"),
        request_id: Some("r-6".to_owned()),
        dataset: "member".to_owned(),
        name: upload.name.clone(),
        queue: "default".to_owned(),
        lane: lanes.imports.clone(),
        locale: "zh-CN".to_owned(),
        options: "{}".to_owned(),
        context: "{}".to_owned(),
        max_retries: 3,
        trace_context: None,
        scan_interval: Duration::from_secs(5),
        upload,
    }
}

/// An import whose file is being read.
pub(crate) async fn a_claimed_import(store: &Store, lanes: &Lanes) -> Claimed {
    let upload = uploaded(store, a_new_upload("7")).await;
    let submitted = store
        .submit_import_once(an_import(lanes, upload), Once::Always, NO_LIMITS)
        .await
        .expect("answered");
    let Submission::New(accepted) = submitted else {
        panic!("a new task: {submitted:?}");
    };
    let rung = accepted.rung;
    let claim = store
        .claim_rung(&lanes.imports, &[rung], &terms("one"))
        .await;
    let claimed = claim.expect("claimed").claimed.into_iter().next();
    claimed.expect("the row was free")
}

pub(crate) fn cut(lanes: &Lanes, total_rows: u64, batches: usize) -> SplitDone {
    let batch = |number: usize| NewBatch {
        context: format!("{{\"number\":{}}}", number + 1),
        delay: Duration::ZERO,
    };
    SplitDone {
        total_rows,
        warnings: Vec::new(),
        batches: (0..batches).map(batch).collect(),
        batch_lane: lanes.batches.clone(),
        finish_lane: lanes.imports.clone(),
        finish_context: "{\"finish\":true}".to_owned(),
        mends: None,
        max_cnt: 3,
        finish_max_cnt: 5,
    }
}

pub(crate) fn sealing(split: SplitDone) -> Ending {
    let split = Arc::new(split);
    Ending::Finished(Effects::new(move |tx| {
        let split = split.clone();
        Box::pin(async move { tx.seal_split(&split).await })
    }))
}

pub(crate) async fn settle(store: &Store, row: &Claimed, ending: Ending) -> Settled {
    store
        .settle_held(&row.lease, ending, Story::default())
        .await
        .expect("settled")
}

/// What was born with an ending that was this holder's.
pub(crate) fn born(settled: Settled) -> Vec<(Lane, Announced)> {
    match settled {
        Settled::Now(BizStatus::Success | BizStatus::Failed, mut born) => {
            // not the rows that tell of dead letters
            born.retain(|(lane, _)| !lane.is_dead_letters());
            born
        }
        other => panic!("expected the end of the row: {other:?}"),
    }
}

pub(crate) async fn claim(store: &Store, born: &[(Lane, Announced)]) -> Vec<Claimed> {
    let mut claimed = Vec::new();
    for (lane, announced) in born {
        let claim = store
            .claim_rung(lane, &[announced.rung], &terms("one"))
            .await;
        claimed.extend(claim.expect("claimed").claimed);
    }
    assert_eq!(claimed.len(), born.len(), "what is born can be claimed");
    claimed
}

/// An import that was read: its task, and its batches, claimed, in their order.
pub(crate) async fn a_split_import(
    store: &Store,
    lanes: &Lanes,
    total_rows: u64,
    batches: usize,
) -> (TaskId, Vec<Claimed>) {
    let row = a_claimed_import(store, lanes).await;
    let born = born(settle(store, &row, sealing(cut(lanes, total_rows, batches))).await);
    assert_eq!(born.len(), batches);
    (row.task_id.expect("a task"), claim(store, &born).await)
}

/// What became of one batch; its rows follow those of the batch before.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    pub(crate) number: u32,
    pub(crate) first_row: u32,
    pub(crate) inserted: u32,
    pub(crate) updated: u32,
    pub(crate) failed: u32,
    pub(crate) skipped: u32,
    pub(crate) errors: Vec<RowError>,
}

pub(crate) fn recording(outcome: Outcome) -> Ending {
    let outcome = Arc::new(outcome);
    Ending::Finished(Effects::new(move |tx| {
        let outcome = outcome.clone();
        Box::pin(async move {
            let done = outcome.inserted + outcome.updated;
            tx.record_batch(&LedgerEntry {
                number: outcome.number,
                first_row: outcome.first_row,
                last_row: outcome.first_row + done + outcome.failed + outcome.skipped,
                done,
                inserted: outcome.inserted,
                updated: outcome.updated,
                failed: outcome.failed,
                skipped: outcome.skipped,
                errors: &outcome.errors,
            })
            .await
        })
    }))
}

pub(crate) fn dying() -> Ending {
    let failure = Failure::permanent(FailureCode::Internal, "its object is gone");
    Ending::Failed(failure, Duration::ZERO)
}

pub(crate) fn a_fault(row: u32, code: RowCode) -> RowError {
    RowError {
        row,
        sheet: Some("Sheet1".to_owned()),
        column: Some("D".to_owned()),
        field: Some("mobile".to_owned()),
        code,
        value: Some("13800x".to_owned()),
        message: format!("第{row}行有误"),
        params: Map::new(),
        related_rows: Vec::new(),
    }
}

pub(crate) fn an_end() -> ImportEnd {
    ImportEnd {
        file: None,
        validate_only: false,
        on_error: OnError::Continue,
    }
}

pub(crate) fn the_failures(key: &str) -> NewArtifact {
    NewArtifact {
        role: FileRole::Failures,
        object_key: key.to_owned(),
        name: "members_failed.xlsx".to_owned(),
        size: 10,
        sha256: "0".repeat(64),
        rows: 1,
        keep: Duration::from_secs(3_600),
    }
}

pub(crate) fn finishing(end: ImportEnd) -> Ending {
    let end = Arc::new(end);
    Ending::Finished(Effects::new(move |tx| {
        let end = end.clone();
        Box::pin(async move { tx.finish_import(&end).await.map(drop) })
    }))
}

pub(crate) async fn seen(store: &Store, task: TaskId) -> Task {
    let task = store.task(&owner(), task).await.expect("read");
    task.expect("the owner's")
}
