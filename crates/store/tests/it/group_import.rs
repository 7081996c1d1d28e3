//! An import whose file has been read: its batches are a group.

use std::time::Duration;

use domain::{
    FileRole, Lane, OnError, Rung, TaskId, TaskStatus, Tenant, Upload, UploadFormat, UserId,
};
use store::{
    Announced, Cancelled, Claimed, Effects, Ending, ImportEnd, LedgerEntry, NewArtifact, NewBatch,
    NewImport, NewUpload, Once, Retried, Settled, SplitDone, Store, Story, Submission,
    UploadOpened,
};
use testkit::{TestDatabase, a_lane, terms};

use crate::retry::{broken, by_the_owner};
use crate::settle::owner;
use crate::submit::NO_LIMITS;

/// Sheet rows of each batch.
pub(crate) const ROWS: u32 = 10;

/// An import of tenant acme, read and cut.
pub(crate) struct Split {
    pub(crate) database: TestDatabase,
    pub(crate) store: Store,
    pub(crate) lane: Lane,
    pub(crate) batch_lane: Lane,
    pub(crate) task: TaskId,
    /// The rings of its batches, in their order.
    pub(crate) batches: Vec<Rung>,
}

impl Split {
    /// So many batches of [`ROWS`] rows.
    pub(crate) async fn into(batches: u32) -> Self {
        let database = TestDatabase::create().await;
        let store = database.store_with_pool(8);
        let (lane, batch_lane) = (a_lane(), a_lane());
        let (task, split) = a_claimed_import(&store, &lane).await;
        let effects = sealed(&lane, &batch_lane, batches);
        let born = settled(&store, &split, Ending::Finished(effects)).await;
        assert!(born.iter().all(|(lane, _)| *lane == batch_lane));
        let batches = born.into_iter().map(|(_, row)| row.rung).collect();
        Self {
            database,
            store,
            lane,
            batch_lane,
            task,
            batches,
        }
    }

    pub(crate) async fn claim(&self, batch: usize) -> Claimed {
        claim(&self.store, &self.batch_lane, self.batches[batch]).await
    }

    /// Applies the batch; what its end bore.
    pub(crate) async fn done(&self, batch: usize) -> Vec<(Lane, Announced)> {
        let row = self.claim(batch).await;
        settled(&self.store, &row, applied(batch)).await
    }

    pub(crate) async fn dead(&self, batch: usize) -> Vec<(Lane, Announced)> {
        let row = self.claim(batch).await;
        given_up(&self.store, &row).await
    }

    /// Runs the finish that was born; with a failure workbook.
    pub(crate) async fn finish(&self, born: &[(Lane, Announced)]) {
        let row = self.claim_finish(born).await;
        settled(&self.store, &row, finished()).await;
    }

    pub(crate) async fn claim_finish(&self, born: &[(Lane, Announced)]) -> Claimed {
        let [(lane, row)] = born else {
            panic!("one finish was born: {born:?}");
        };
        assert_eq!(*lane, self.lane);
        claim(&self.store, lane, row.rung).await
    }

    pub(crate) async fn seen(&self) -> domain::Task {
        let task = self.store.task(&owner(), self.task).await.expect("read");
        task.expect("it is the owner's")
    }

    pub(crate) async fn stands_at(&self, status: TaskStatus) {
        assert_eq!(self.seen().await.status, status);
    }
}

/// The effects of a batch that took all its rows.
pub(crate) fn applied(batch: usize) -> Ending {
    let number = u32::try_from(batch).expect("few") + 1;
    Ending::Finished(Effects::new(move |tx| {
        Box::pin(async move {
            let entry = LedgerEntry {
                number,
                first_row: number * ROWS + 2,
                last_row: number * ROWS + 1 + ROWS,
                done: ROWS,
                inserted: ROWS,
                updated: 0,
                failed: 0,
                skipped: 0,
                errors: &[],
            };
            tx.record_batch(&entry).await
        })
    }))
}

/// The effects of a finish, with a failure workbook.
pub(crate) fn finished() -> Ending {
    Ending::Finished(Effects::new(|tx| {
        Box::pin(async move {
            let file = NewArtifact {
                role: FileRole::Failures,
                object_key: "acme/failures".to_owned(),
                name: "failures.xlsx".to_owned(),
                size: 1,
                sha256: "0".repeat(64),
                rows: 1,
                keep: Duration::from_secs(60),
            };
            let end = ImportEnd {
                file: Some(file),
                validate_only: false,
                on_error: OnError::Continue,
            };
            tx.finish_import(&end).await.map(drop)
        })
    }))
}

/// Calls what cancel and retry do to imports alone, once, for `plans`.
pub(crate) async fn exercise(store: &Store) {
    let (lane, batch_lane) = (a_lane(), a_lane());
    let (task, split) = a_claimed_import(store, &lane).await;
    let effects = sealed(&lane, &batch_lane, 2);
    let born = settled(store, &split, Ending::Finished(effects)).await;
    let row = claim(store, &batch_lane, born[0].1.rung).await;
    settled(store, &row, applied(0)).await;
    let row = claim(store, &batch_lane, born[1].1.rung).await;
    let born = given_up(store, &row).await;
    let row = claim(store, &lane, born[0].1.rung).await;
    settled(store, &row, finished()).await;
    let retried = store.retry_task(&owner(), task, &by_the_owner()).await;
    assert!(matches!(retried, Ok(Retried::Now(..))));
    let cancelled = store.cancel_task(&owner(), task).await;
    assert!(matches!(cancelled, Ok(Cancelled::Now)));
}

/// Gives the row up; what was born with it besides the row that tells of its dead letter.
pub(crate) async fn given_up(store: &Store, row: &Claimed) -> Vec<(Lane, Announced)> {
    let mut born = settled(store, row, Ending::Failed(broken(), Duration::ZERO)).await;
    born.retain(|(lane, _)| !lane.is_dead_letters());
    born
}

/// Ends the attempt; what was born with it.
pub(crate) async fn settled(
    store: &Store,
    row: &Claimed,
    ending: Ending,
) -> Vec<(Lane, Announced)> {
    let settled = store
        .settle_held(&row.lease, ending, Story::default())
        .await
        .expect("answered");
    match settled {
        Settled::Now(_, born) => born,
        Settled::Lost => panic!("the row was held"),
    }
}

pub(crate) async fn claim(store: &Store, lane: &Lane, rung: Rung) -> Claimed {
    let claim = store
        .claim_rung(lane, &[rung], &terms("one"))
        .await
        .expect("claimed");
    claim.claimed.into_iter().next().expect("the row was free")
}

/// An import whose file is being read.
pub(crate) async fn a_claimed_import(store: &Store, lane: &Lane) -> (TaskId, Claimed) {
    let (tenant, user) = (
        Tenant::parse("acme").expect("a name"),
        UserId::parse("7").expect("a name"),
    );
    let upload = NewUpload {
        tenant: tenant.clone(),
        user: user.clone(),
        object_key: "acme/uploads/x.xlsx".to_owned(),
        name: "members.xlsx".to_owned(),
        keep: Duration::from_secs(3600),
    };
    let opened = store.open_upload(upload, 9).await.expect("answered");
    let UploadOpened::Opened(file) = opened else {
        panic!("there is room: {opened:?}");
    };
    let import = NewImport {
        tenant,
        user,
        request_id: None,
        dataset: "member".to_owned(),
        name: "members.xlsx".to_owned(),
        queue: "default".to_owned(),
        lane: lane.clone(),
        locale: "en".to_owned(),
        options: "{}".to_owned(),
        context: "{}".to_owned(),
        max_retries: 3,
        trace_context: None,
        scan_interval: Duration::from_secs(5),
        upload: Upload {
            file,
            object_key: "acme/uploads/x.xlsx".to_owned(),
            name: "members.xlsx".to_owned(),
            size: 1,
            sha256: "0".repeat(64),
            format: UploadFormat::Xlsx,
        },
    };
    let submitted = store
        .submit_import_once(import, Once::Always, NO_LIMITS)
        .await
        .expect("answered");
    let Submission::New(accepted) = submitted else {
        panic!("it is new: {submitted:?}");
    };
    let row = claim(store, lane, accepted.rung).await;
    (accepted.task.id, row)
}

/// The effects of a file that was read: so many batches, all due now.
pub(crate) fn sealed(lane: &Lane, batch_lane: &Lane, batches: u32) -> Effects {
    let batch = NewBatch {
        context: r#"{"a batch of": "about the usual size"}"#.repeat(10),
        delay: Duration::ZERO,
    };
    sealed_with(lane, batch_lane, vec![batch; batches as usize])
}

/// The effects of a file that was cut into these batches.
pub(crate) fn sealed_with(lane: &Lane, batch_lane: &Lane, batches: Vec<NewBatch>) -> Effects {
    let split = SplitDone {
        total_rows: batches.len() as u64 * u64::from(ROWS),
        warnings: Vec::new(),
        batches,
        batch_lane: batch_lane.clone(),
        finish_lane: lane.clone(),
        finish_context: "{}".to_owned(),
        mends: None,
        max_cnt: 3,
        finish_max_cnt: 3,
    };
    Effects::new(move |tx| {
        let split = split.clone();
        Box::pin(async move { tx.seal_split(&split).await })
    })
}
