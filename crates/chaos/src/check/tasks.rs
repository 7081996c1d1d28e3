//! Accepted is done, dead or cancelled; one key is one task; the counts add up.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};

use super::{AT_ONCE, AllTold, Checker, Tally, Told};
use crate::book::Accepted;
use crate::client;

impl Checker {
    /// What the gateway tells of every accepted task; those that it does not know are left out.
    pub(super) async fn told(&self, accepted: &[Accepted]) -> Result<AllTold> {
        let ids: BTreeSet<u64> = accepted.iter().filter_map(|one| one.task).collect();
        let asked = stream::iter(ids).map(|id| async move {
            let Ok(task) = client::task(&self.client, id).await else {
                return anyhow::Ok(None);
            };
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let count = |name| task["progress"][name].as_u64().unwrap_or_default();
            let told = Told {
                status: text(&task["status"]),
                total: count("total_rows"),
                done: count("done_rows"),
                failed: count("failed_rows"),
                skipped: count("skipped_rows"),
                unprocessed: count("unprocessed_rows"),
                error: text(&task["error"]["code"]),
            };
            Ok(Some((id, told)))
        });
        let told: Vec<_> = asked.buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(told.into_iter().flatten().collect())
    }

    pub(super) async fn tasks(
        &self,
        accepted: &[Accepted],
        told: &AllTold,
        tally: &mut Tally,
    ) -> Result<()> {
        let mut of_key: BTreeMap<u64, &str> = BTreeMap::new();
        for one in accepted {
            let Some(id) = one.task else {
                tally.done += 1;
                continue;
            };
            if let Some(other) = of_key.insert(id, &one.key) {
                self.journal
                    .violation(format!("{other} and {} are both task {id}", one.key));
            }
            match told.get(&id).map(|told| told.status.as_str()) {
                Some("SUCCESS" | "PARTIAL_SUCCESS") => tally.done += 1,
                Some("FAILED") => tally.dead += 1,
                Some("CANCELLED") => tally.cancelled += 1,
                other => {
                    tally.lost += 1;
                    self.journal
                        .violation(format!("lost: {} was task {id}, now {other:?}", one.key));
                }
            }
        }
        for (id, told) in told {
            if told.total != told.done + told.failed + told.skipped + told.unprocessed {
                self.journal
                    .violation(format!("the counts of task {id} do not add up: {told:?}"));
            }
        }
        for id in self.database.query::<u64>("SELECT id FROM task").await? {
            if !of_key.contains_key(&id) {
                tally.doubled += 1;
                self.journal.violation(format!(
                    "doubled: task {id} was accepted under no key of its own"
                ));
            }
        }
        Ok(())
    }
}
