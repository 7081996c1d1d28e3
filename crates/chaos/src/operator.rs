//! The people at the counter: users who have their tasks tried again, and an operator who looks after
//! dead letters, all while things break.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::business::Kind;
use crate::workload::Work;

/// Has some of what failed, or was cancelled, tried again, until told to stop.
pub(crate) async fn try_again(work: Arc<Work>, stop: CancellationToken) -> Result<()> {
    let mut random = StdRng::seed_from_u64(work.seed ^ 0x7265_7472);
    while !stop.is_cancelled() {
        for (what, of) in [
            (
                "tasks",
                "task WHERE status IN ('FAILED', 'CANCELLED', 'PARTIAL_SUCCESS')",
            ),
            (
                "compensations",
                "compensate_biz WHERE status IN ('FAILED', 'CANCELLED') AND biz_type LIKE 'chaos%'",
            ),
        ] {
            let found = format!("SELECT id FROM {of} ORDER BY RAND() LIMIT 1");
            if let Ok(ids) = work.database.query::<u64>(&found).await
                && let Some(id) = ids.first()
            {
                let path = format!("{what}/{id}/retry");
                act(&work, &path, &json!({}), &[202, 409]).await?;
            }
        }
        let pause = Duration::from_millis(random.random_range(1_000..3_000));
        stop.run_until_cancelled(sleep(pause)).await;
    }
    Ok(())
}

/// Redrives some dead letters, one by one or by a filter, and discards others, until told to stop.
pub(crate) async fn dead_letters(work: Arc<Work>, stop: CancellationToken) -> Result<()> {
    let mut random = StdRng::seed_from_u64(work.seed ^ 0x6f70_6572);
    while !stop.is_cancelled() {
        match random.random_range(0..9) {
            0 => {
                act(
                    &work,
                    "dead-letters/redrive",
                    &json!({"filter": {}}),
                    &[422],
                )
                .await?
            }
            1 => redrive(&work, "IMPORT_BATCH", 5, &[200]).await?,
            2 => redrive(&work, "EXPORT", 2, &[200]).await?,
            3 => one(&work, "'ROW'", "redrive").await?,
            4 => one(&work, "'ROW', 'MESSAGE'", "discard").await?,
            5 => redrive(&work, Kind::Grant.biz_type(), 20, &[200]).await?,
            6 => redrive(&work, Kind::Call.biz_type(), 5, &[200]).await?,
            7 => redrive(&work, Kind::Batch.biz_type(), 5, &[200]).await?,
            _ => one(&work, "'MESSAGE'", "redrive").await?, // never possible: a conflict
        }
        let pause = Duration::from_millis(random.random_range(1_500..4_500));
        stop.run_until_cancelled(sleep(pause)).await;
    }
    Ok(())
}

/// Redrives at most so many of one kind.
pub(crate) async fn redrive(work: &Work, kind: &str, max: u64, may: &[u16]) -> Result<()> {
    let body = json!({"filter": {"biz_type": kind}, "max": max});
    act(work, "dead-letters/redrive", &body, may).await
}

async fn one(work: &Work, source: &str, deed: &str) -> Result<()> {
    let found =
        format!("SELECT id FROM dead_letter WHERE source IN ({source}) ORDER BY RAND() LIMIT 1");
    let Ok(ids) = work.database.query::<u64>(&found).await else {
        return Ok(());
    };
    match ids.first() {
        Some(id) => {
            act(
                work,
                &format!("dead-letters/{id}/{deed}"),
                &json!({}),
                &[200, 409],
            )
            .await
        }
        None => Ok(()),
    }
}

/// Does it; an answer that may not be is a violation.
async fn act(work: &Work, path: &str, body: &Value, may: &[u16]) -> Result<()> {
    let answer = work.client.act(path, body).await?;
    let status = answer.status.as_u16();
    work.journal
        .note("act", json!({"path": path, "answer": status}));
    if !may.contains(&status) {
        work.journal
            .violation(format!("{path} was answered {status}: {}", answer.body));
    }
    Ok(())
}
