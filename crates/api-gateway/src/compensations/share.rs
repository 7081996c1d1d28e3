//! Fair shares of a lane: of one tenant, so many rows are on it at once. What goes beyond its share of
//! the urgent lane is as usual work, and what goes beyond that waits on the rest, which is served when
//! there is nothing better to do and a little meanwhile. So a tenant with a million rows, urgent ones or
//! not, delays another's ten by its shares and not by the million.
//!
//! What this gateway places is counted here, and what turns out to be there already is counted back;
//! when a tenant seems to have had its share, the database is asked what is still open, as often as
//! that costs it next to nothing. Several gateways therefore allow a tenant somewhat more. Shown by
//! `tests/it/compensations/shares.rs`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::{HandlerCatalog, HandlerDef, Lane, Tenant};
use store::{NewCompensation, Store, SubmittedCompensations};

/// Between two looks at a lane so many times as long passes as the last one took,
const LOOK_RESTS: u32 = 50;

/// and so long at most.
const LOOK_PAUSE_MOST: Duration = Duration::from_secs(2);

/// Shares that one look may find: more tenants than that are not told apart well.
const SHARES_SEEN: usize = 2;

/// Tenants of a lane that are remembered between two looks.
const TENANTS_KNOWN: usize = 10_000;

/// The lanes that are shared.
pub(super) struct Shares {
    store: Store,
    /// What is beyond a share of these is on the usual ones,
    urgent: HashMap<Lane, SharedLane>,
    /// and beyond a share of those on the rests.
    usual: HashMap<Lane, SharedLane>,
}

struct SharedLane {
    beyond: Lane,
    share: usize,
    /// How far ahead a row may be looked at next that was rung.
    scan_interval: Duration,
    desk: Mutex<Desk>,
}

#[derive(Default)]
struct Desk {
    /// Rows of each tenant: what the last look found, and what was placed since.
    open: BTreeMap<Tenant, usize>,
    /// No look before.
    next_look: Option<Instant>,
}

/// What a call was given of the shares of its tenant: to be counted back as far as no row came of it.
#[derive(Debug, Default)]
pub(super) struct Placed {
    /// Of each shared lane, how many of the call's items.
    of_lane: BTreeMap<Lane, usize>,
}

impl Shares {
    pub(super) fn new(store: Store, handlers: &HandlerCatalog) -> Self {
        let (mut urgent, mut usual) = (HashMap::new(), HashMap::new());
        for handler in handlers.iter() {
            for levels in &handler.levels {
                let beyond = |lane: &Lane| SharedLane::of(handler, lane.clone());
                urgent.insert(levels.urgent.clone(), beyond(&levels.usual));
                usual.insert(levels.usual.clone(), beyond(&levels.rest));
            }
        }
        Self {
            urgent,
            usual,
            store,
        }
    }

    /// Moves further down what goes beyond the tenant's share of a lane; the most urgent has it first.
    pub(super) async fn keep(&self, tenant: &Tenant, items: &mut [NewCompensation]) -> Placed {
        let mut items: Vec<&mut NewCompensation> = items.iter_mut().collect();
        items.sort_by_key(|item| Reverse(item.priority));
        let mut placed = Placed::default();
        for lanes in [&self.urgent, &self.usual] {
            let mut wanted: BTreeMap<Lane, usize> = BTreeMap::new();
            for item in items.iter() {
                if lanes.contains_key(&item.lane) {
                    *wanted.entry(item.lane.clone()).or_default() += 1;
                }
            }
            for (lane, rows) in wanted {
                let Some(shared) = lanes.get(&lane) else {
                    continue;
                };
                let fit = shared.place(&self.store, &lane, tenant, rows).await;
                let beyond = items.iter_mut().filter(|item| item.lane == lane).skip(fit);
                for item in beyond {
                    item.lane = shared.beyond.clone();
                }
                placed.of_lane.insert(lane, fit);
            }
        }
        placed
    }

    /// What was placed and is no new row, because it was there already or the call was refused, takes
    /// no share. Of a call with duplicates among rows of several lanes it is not known which they are
    /// on: the most it can be is counted back, and the next look sets it right.
    pub(super) fn count_back(
        &self,
        tenant: &Tenant,
        placed: Placed,
        done: Option<&SubmittedCompensations>,
    ) {
        let in_vain = done.map_or(usize::MAX, SubmittedCompensations::duplicates);
        if in_vain == 0 {
            return;
        }
        for (lane, rows) in placed.of_lane {
            if let Some(shared) = self.urgent.get(&lane).or_else(|| self.usual.get(&lane)) {
                shared.desk().take_back(tenant, rows.min(in_vain));
            }
        }
    }
}

impl SharedLane {
    fn of(handler: &HandlerDef, beyond: Lane) -> Self {
        Self {
            beyond,
            share: usize::try_from(handler.share).unwrap_or(usize::MAX),
            scan_interval: handler.scan_interval,
            desk: Mutex::default(),
        }
    }

    /// How many of the rows the lane takes.
    async fn place(&self, store: &Store, lane: &Lane, tenant: &Tenant, rows: usize) -> usize {
        let is_to_look = {
            let mut desk = self.desk();
            let open = desk.open.get(tenant).copied().unwrap_or(0);
            if open + rows <= self.share {
                desk.add(tenant, rows);
                return rows;
            }
            desk.is_to_look()
        };
        if is_to_look {
            self.look(store, lane).await;
        }
        let mut desk = self.desk();
        let open = desk.open.get(tenant).copied().unwrap_or(0);
        let fit = rows.min(self.share.saturating_sub(open));
        desk.add(tenant, fit);
        metrics::counter!("quayside_rows_beyond_share_total", "lane" => lane.to_string())
            .increment((rows - fit) as u64);
        fit
    }

    /// What is open, as the database has it. When it cannot be asked, what is known stands.
    async fn look(&self, store: &Store, lane: &Lane) {
        let (most, began) = (self.share.saturating_mul(SHARES_SEEN), Instant::now());
        let looked = store.open_by_tenant(lane, self.scan_interval, most).await;
        let pause = (began.elapsed() * LOOK_RESTS).min(LOOK_PAUSE_MOST);
        let mut desk = self.desk();
        desk.next_look = Some(Instant::now() + pause);
        match looked {
            Ok(open) => desk.open = open,
            Err(error) => tracing::debug!(%lane, %error, "it is not known whose rows are open"),
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// Whether it is time to look, and whoever asks does so.
    fn is_to_look(&mut self) -> bool {
        let now = Instant::now();
        let is_time = self.next_look.is_none_or(|at| at <= now);
        if is_time {
            self.next_look = Some(now + LOOK_PAUSE_MOST);
        }
        is_time
    }

    fn take_back(&mut self, tenant: &Tenant, rows: usize) {
        if let Some(open) = self.open.get_mut(tenant) {
            *open = open.saturating_sub(rows);
        }
    }

    fn add(&mut self, tenant: &Tenant, rows: usize) {
        if self.open.len() >= TENANTS_KNOWN {
            self.open.clear();
        }
        *self.open.entry(tenant.clone()).or_default() += rows;
    }
}
