//! The hand of an import worker, as far as the database sees it: no worker runs in these tests.

use std::sync::Arc;
use std::time::Duration;

use domain::{CompensateBizId, FileRole, Lane, LeaseEpoch, OnError, RowCode, RowError, Rung};
use serde_json::Map;
use service::Label;
use store::{
    Claimed, Effects, Ending, ImportEnd, LedgerEntry, NewArtifact, NewBatch, Settled, SplitDone,
    Story,
};

use crate::house::{DAY, House};

/// Rows of each batch that `House::split` cuts.
pub(crate) const BATCH_ROWS: u32 = 100;

pub(crate) fn fault(row: u32, code: RowCode, value: &str) -> RowError {
    RowError {
        row,
        sheet: Some("Sheet1".to_owned()),
        column: Some("D".to_owned()),
        field: Some("mobile".to_owned()),
        code,
        value: Some(value.to_owned()),
        message: "不对".to_owned(),
        params: Map::new(),
        related_rows: Vec::new(),
    }
}

impl House {
    /// Claims the waiting row of that kind with the least id.
    pub(crate) async fn claim_of(&self, task: &str, biz_type: &str) -> Claimed {
        let sql = format!(
            "SELECT id, lease_epoch, lane FROM compensate_biz WHERE task_id = {task} \
             AND biz_type = '{biz_type}' AND status = 'WAIT_HANDLE' ORDER BY id LIMIT 1"
        );
        let (id, epoch, lane): (u64, u64, String) = self.database.one(&sql).await;
        let rung = Rung {
            id: CompensateBizId(id),
            epoch: LeaseEpoch(epoch),
        };
        let lane = Lane::parse(lane).unwrap();
        let terms = testkit::terms("test");
        let claim = self
            .store
            .claim_rung(&lane, std::slice::from_ref(&rung), &terms);
        let claimed = claim.await.unwrap().claimed.into_iter().next();
        claimed.expect("the row was free")
    }

    pub(crate) async fn end(&self, claimed: &Claimed, ending: Ending) {
        let settled = self
            .store
            .settle_held(&claimed.lease, ending, Story::default())
            .await;
        assert!(matches!(settled.unwrap(), Settled::Now(..)));
    }

    /// Reads the file of an import as a worker does: so many batches of [`BATCH_ROWS`].
    pub(crate) async fn split(&self, task: &str, batches: u32) {
        let claimed = self.claim_of(task, "IMPORT").await;
        let batch = |_| NewBatch {
            context: "{}".to_owned(),
            delay: Duration::ZERO,
        };
        let split = Arc::new(SplitDone {
            total_rows: u64::from(batches * BATCH_ROWS),
            warnings: Vec::new(),
            batches: (0..batches).map(batch).collect(),
            batch_lane: Lane::import_batch("default").unwrap(),
            finish_lane: Lane::import("default").unwrap(),
            finish_context: "{}".to_owned(),
            mends: None,
            max_cnt: 3,
            finish_max_cnt: 3,
        });
        let effects = Effects::new(move |tx| {
            let split = split.clone();
            Box::pin(async move { tx.seal_split(&split).await })
        });
        self.end(&claimed, Ending::Finished(effects)).await;
    }

    /// Applies the next batch, the `number`th: rows with an error have failed.
    pub(crate) async fn apply(&self, task: &str, number: u32, errors: Vec<RowError>) {
        let claimed = self.claim_of(task, "IMPORT_BATCH").await;
        let errors = Arc::new(errors);
        let effects = Effects::new(move |tx| {
            let errors = errors.clone();
            Box::pin(async move {
                let mut rows: Vec<u32> = errors.iter().map(|error| error.row).collect();
                rows.dedup();
                let failed = u32::try_from(rows.len()).unwrap();
                tx.record_batch(&LedgerEntry {
                    number,
                    first_row: (number - 1) * BATCH_ROWS + 2,
                    last_row: number * BATCH_ROWS + 1,
                    done: BATCH_ROWS - failed,
                    inserted: BATCH_ROWS - failed,
                    updated: 0,
                    failed,
                    skipped: 0,
                    errors: &errors,
                })
                .await
            })
        });
        self.end(&claimed, Ending::Finished(effects)).await;
    }

    /// Applies the only batch of an import, of which every row has failed.
    pub(crate) async fn apply_whole(&self, task: &str, errors: Vec<RowError>) {
        let claimed = self.claim_of(task, "IMPORT_BATCH").await;
        let errors = Arc::new(errors);
        let effects = Effects::new(move |tx| {
            let errors = errors.clone();
            Box::pin(async move {
                tx.record_batch(&LedgerEntry {
                    number: 1,
                    first_row: errors[0].row,
                    last_row: errors[errors.len() - 1].row,
                    done: 0,
                    inserted: 0,
                    updated: 0,
                    failed: u32::try_from(errors.len()).unwrap(),
                    skipped: 0,
                    errors: &errors,
                })
                .await
            })
        });
        self.end(&claimed, Ending::Finished(effects)).await;
    }

    /// Ends the import, with a failure workbook of that content.
    pub(crate) async fn finish(&self, task: &str, failures: Option<&'static [u8]>) {
        let claimed = self.claim_of(task, "IMPORT_FINISH").await;
        let mut file = None;
        if let Some(content) = failures {
            let name = "成员_failed.xlsx";
            let key = format!("test/{task}/e{}/failed.xlsx", claimed.lease.epoch.0);
            let stream = futures::stream::iter([Ok(content.into())]);
            let stored = self
                .storage
                .put(&key, &Label::new(name), stream)
                .await
                .unwrap();
            file = Some(NewArtifact {
                role: FileRole::Failures,
                object_key: key,
                name: name.to_owned(),
                size: stored.size,
                sha256: stored.sha256,
                rows: 3,
                keep: DAY,
            });
        }
        let end = Arc::new(ImportEnd {
            file,
            validate_only: false,
            on_error: OnError::Continue,
        });
        let effects = Effects::new(move |tx| {
            let end = end.clone();
            Box::pin(async move { tx.finish_import(&end).await.map(drop) })
        });
        self.end(&claimed, Ending::Finished(effects)).await;
    }
}
