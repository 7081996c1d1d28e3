//! Effects at most once: exactly once for rows that were told to be stored, never for those that were
//! refused, and nobody's never.

use std::collections::HashMap;

use anyhow::Result;

use super::{AllTold, Checker, Tally, Told};
use crate::book::Accepted;
use crate::wish::{Rows, Wish};

impl Checker {
    /// Every effect, and how often it was written.
    pub(super) async fn written(&self, tally: &mut Tally) -> Result<HashMap<String, u64>> {
        let mut written: HashMap<String, u64> = HashMap::new();
        for ledger in ["chaos_append", "chaos_ledger"] {
            let query = format!(
                "SELECT SUBSTRING_INDEX(effect, '#', 1) AS name, COUNT(*) FROM {ledger} GROUP BY name"
            );
            for (effect, times) in self.database.query::<(String, u64)>(&query).await? {
                tally.effects += times;
                *written.entry(effect).or_default() += times;
            }
        }
        // What a user was told once is counted up when it is told again.
        let told = "SELECT SUBSTRING_INDEX(notification_key, '/', 1) AS name,
                           CAST(SUM(count) AS UNSIGNED)
                    FROM notification WHERE recipient_kind = 'USER' GROUP BY name";
        for (effect, times) in self.database.query::<(String, u64)>(told).await? {
            tally.effects += times;
            *written.entry(effect).or_default() += times;
        }
        Ok(written)
    }

    /// Takes out what tasks and direct rows explain.
    pub(super) fn effects(
        &self,
        accepted: &[Accepted],
        told: &AllTold,
        written: &mut HashMap<String, u64>,
        tally: &mut Tally,
    ) {
        for one in accepted {
            match &one.wish {
                Wish::Import {
                    rows,
                    validate_only,
                    ..
                } => {
                    let found = self.of(&one.key, rows, written, tally);
                    if let Some(told) = one.task.and_then(|id| told.get(&id)) {
                        self.import(one, rows, *validate_only, found, told);
                    }
                }
                Wish::Direct(rows) => {
                    let found = self.of(&one.key, rows, written, tally);
                    if found != rows.good() || one.stored != found {
                        self.journal.violation(format!(
                            "{}: {} rows were good, {} told as stored, {found} are",
                            one.key,
                            rows.good(),
                            one.stored
                        ));
                    }
                }
                Wish::Export { .. } | Wish::Broken => {}
            }
        }
    }

    /// How many rows of the key are written; each at most once, and none that is bad.
    fn of(
        &self,
        key: &str,
        rows: &Rows,
        written: &mut HashMap<String, u64>,
        tally: &mut Tally,
    ) -> u64 {
        let mut found = 0;
        for number in 0..rows.count {
            let effect = Rows::effect(key, number);
            let times = written.remove(&effect).unwrap_or_default();
            found += u64::from(times > 0);
            if times > 1 {
                tally.doubled += 1;
                self.journal
                    .violation(format!("doubled: {effect} was written {times} times"));
            }
            if times > 0 && !rows.is_good(number) {
                self.journal
                    .violation(format!("{effect} is a bad row and was written"));
            }
        }
        found
    }

    fn import(&self, one: &Accepted, rows: &Rows, validate_only: bool, found: u64, told: &Told) {
        let bad = u64::from(rows.count) - rows.good();
        let ended = ["SUCCESS", "PARTIAL_SUCCESS"].contains(&told.status.as_str());
        let whole = ended && told.unprocessed == 0;
        let wrong = if validate_only {
            found != 0
        } else {
            found != told.done
                || whole && (told.done != rows.good() || told.failed != bad)
                || told.status == "SUCCESS" && found != rows.good()
                || told.error == "all_rows_failed" && rows.good() > 0
                || told.error == "aborted" && bad == 0
        };
        if wrong {
            self.journal.violation(format!(
                "{} (task {:?}): {found} rows are written, {} of {} were good; told {told:?}",
                one.key,
                one.task,
                rows.good(),
                rows.count
            ));
        }
    }
}
