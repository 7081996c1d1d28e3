//! Business work: every item done, dead or cancelled; its effect there exactly when it is done; every
//! call made at least once; every group ended once for its generation.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;

use super::rows::DIED_OF_FAULTS;
use super::{Checker, Tally};
use crate::book::AcceptedBusiness;
use crate::business::{Business, END, Way};
use crate::service::Heard;
use crate::wish::Rows;

/// Where a row stands.
#[derive(Default)]
struct Stand {
    status: String,
    /// What its last try met.
    why: String,
    /// That is what the faults of a run may come to.
    died_of_faults: bool,
}

/// By kind and name.
type Standing = HashMap<(String, String), Stand>;

/// What there is; what is explained is taken out.
struct Found<'f> {
    standing: Standing,
    written: &'f mut HashMap<String, u64>,
    heard: BTreeMap<String, Heard>,
}

impl Checker {
    pub(super) async fn business(
        &self,
        accepted: &[AcceptedBusiness],
        written: &mut HashMap<String, u64>,
        tally: &mut Tally,
    ) -> Result<()> {
        let rows = format!(
            "SELECT biz_type, biz_id, status, COALESCE(last_failed_reason, ''),
                    COALESCE({DIED_OF_FAULTS}, FALSE) FROM compensate_biz b
             WHERE biz_type LIKE 'chaos\\_%' OR biz_type = 'notify'"
        );
        let rows: Vec<(String, String, String, String, bool)> = self.database.query(&rows).await?;
        let stands = |(kind, name, status, why, died_of_faults)| {
            let stand = Stand {
                status,
                why,
                died_of_faults,
            };
            ((kind, name), stand)
        };
        let mut found = Found {
            standing: rows.into_iter().map(stands).collect(),
            written,
            heard: self.service.heard(),
        };
        for one in accepted {
            for number in 0..one.wish.rows.count {
                self.item(one, number, &mut found, tally);
            }
            if one.wish.way == Way::Grouped {
                self.group(one, &mut found).await?;
            }
        }
        for ((kind, name), Stand { status, .. }) in found.standing {
            tally.doubled += 1;
            self.journal
                .violation(format!("nobody asked for {kind} {name}, which is {status}"));
        }
        for key in found.heard.keys() {
            self.journal.violation(format!(
                "the service was called for {key}, which nobody asked for"
            ));
        }
        self.orders(accepted).await
    }

    fn item(&self, one: &AcceptedBusiness, number: u32, found: &mut Found<'_>, tally: &mut Tally) {
        let Business { kind, rows, .. } = &one.wish;
        let name = Rows::effect(&one.key, number);
        let stand = found
            .standing
            .remove(&(kind.biz_type().to_owned(), name.clone()));
        let Stand {
            status,
            why,
            died_of_faults,
        } = stand.unwrap_or_default();
        tally.accepted += 1;
        tally.business += 1;
        match status.as_str() {
            "SUCCESS" => tally.done += 1,
            "FAILED" => tally.dead += 1,
            "CANCELLED" => tally.cancelled += 1,
            _ => {
                tally.lost += 1;
                self.journal
                    .violation(format!("lost: {name} of {kind:?} is {status:?}"));
            }
        }
        let done = status == "SUCCESS";
        if done && !rows.is_good(number) {
            self.journal
                .violation(format!("{name} of {kind:?} is a bad one and is done"));
        }
        // nobody holds a row of the bulk lane, so nothing but its own fault ends it
        let may_die = died_of_faults && !kind.is_bulk();
        if status == "FAILED" && rows.is_good(number) && !may_die {
            self.journal.violation(format!(
                "{name} of {kind:?} is a good one and was given up: {why}"
            ));
        }
        if kind.calls() {
            let key = format!("{}/{name}", kind.biz_type());
            return self.call(&key, done, found, tally);
        }
        let times = found.written.remove(&name).unwrap_or_default();
        if times > 1 {
            tally.doubled += 1;
        }
        if times != u64::from(done) {
            self.journal.violation(format!(
                "{name} of {kind:?} is {status}, written {times} times"
            ));
        }
    }

    /// It has ended for its generation, and what follows has been done for that one.
    async fn group(&self, one: &AcceptedBusiness, found: &mut Found<'_>) -> Result<()> {
        let key = &one.key;
        let group = format!(
            "SELECT id, total, sealed, generation, ended_generation, \
             (SELECT COUNT(*) FROM compensate_biz b WHERE b.group_id = g.id) \
             FROM compensate_group g WHERE tenant = 'acme' AND group_key = '{key}'"
        );
        let groups: Vec<(u64, u32, bool, u64, u64, u32)> = self.database.query(&group).await?;
        let [(id, total, true, generation, ended, rows)] = groups[..] else {
            self.journal
                .violation(format!("the group {key} stands so: {groups:?}"));
            return Ok(());
        };
        let mut follow_ups = 0;
        for number in 1..=generation {
            let name = (END.to_owned(), format!("{id}/{number}"));
            let status = found.standing.remove(&name).map(|stand| stand.status);
            follow_ups += u64::from(status.is_some());
            let is_last = number == generation;
            if status.as_deref() != Some("SUCCESS") && (is_last || status.is_some()) {
                self.journal
                    .violation(format!("what follows {key} for {number}: {status:?}"));
            }
        }
        let times = found
            .written
            .remove(&Business::end(key))
            .unwrap_or_default();
        let whole = (total, rows) == (one.wish.rows.count, one.wish.rows.count);
        if !whole || ended != generation || !(1..=follow_ups).contains(&times) {
            self.journal.violation(format!(
                "the group {key} has {total} and {rows} of {} rows, ended for {ended} of \
                 {generation}, and its end was told {times} times by {follow_ups}",
                one.wish.rows.count
            ));
        }
        Ok(())
    }

    /// Whoever inserts by SQL has written down what it stands beside.
    async fn orders(&self, accepted: &[AcceptedBusiness]) -> Result<()> {
        let mut orders: Vec<String> = self
            .database
            .query("SELECT name FROM chaos_order ORDER BY name")
            .await?;
        let by_sql = accepted.iter().filter(|one| one.wish.way == Way::Sql);
        let mut expected: Vec<String> = by_sql.map(|one| one.key.clone()).collect();
        orders.sort();
        expected.sort();
        if orders != expected {
            self.journal.violation(format!(
                "orders by SQL: {} were committed, {} are known",
                orders.len(),
                expected.len()
            ));
        }
        Ok(())
    }

    /// At least once, if it is done, and always with the same tenant and body.
    fn call(&self, key: &str, done: bool, found: &mut Found<'_>, tally: &mut Tally) {
        let heard = found.heard.remove(key).unwrap_or_default();
        tally.calls += heard.times;
        tally.calls_repeated += heard.times.saturating_sub(1);
        if heard.differs {
            self.journal
                .violation(format!("the calls for {key} were not all alike"));
        }
        if done && heard.yes == 0 {
            self.journal
                .violation(format!("{key} is done, and the service never said yes"));
        }
    }
}
