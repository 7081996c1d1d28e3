//! Kill points (service/src/kill_points.rs): a file in the process's own directory has its next pass
//! of that point be its last. Which process dies where is drawn from the seed; whoever lags behind is
//! armed first, so that each point is hit as often as asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::fleet::{Member, Role};
use crate::journal::Journal;

/// The points, and who passes them.
const POINTS: [(&str, &[Role]); 6] = [
    ("after_claim", &[Role::Worker]),
    ("after_effect", &[Role::Worker]),
    (
        "before_commit",
        &[Role::Worker, Role::Gateway, Role::Sweeper],
    ),
    (
        "after_commit",
        &[Role::Worker, Role::Gateway, Role::Sweeper],
    ),
    (
        "after_produce",
        &[Role::Worker, Role::Gateway, Role::Sweeper],
    ),
    ("before_offset_store", &[Role::Worker]),
];

/// How long a point stays armed at a process that does not pass it.
const PATIENCE: Duration = Duration::from_secs(6);

/// What one process is armed with.
pub(crate) struct Armed {
    directory: PathBuf,
    with: Mutex<Option<&'static str>>,
}

impl Armed {
    pub(crate) fn new(directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory)?;
        for (point, _) in POINTS {
            std::fs::remove_file(directory.join(point)).ok();
        }
        Ok(Self {
            directory: directory.to_owned(),
            with: Mutex::default(),
        })
    }

    pub(crate) fn directory(&self) -> String {
        self.directory.display().to_string()
    }

    /// The point at which the process died just now.
    pub(crate) fn hit(&self) -> Option<&'static str> {
        let mut with = self.with.lock().unwrap_or_else(PoisonError::into_inner);
        let point = *with.as_ref()?;
        let gone = !self.directory.join(point).exists();
        gone.then(|| with.take()).flatten()
    }

    fn arm(&self, point: &'static str) -> Result<bool> {
        let mut with = self.with.lock().unwrap_or_else(PoisonError::into_inner);
        if with.is_some() {
            return Ok(false);
        }
        std::fs::write(self.directory.join(point), "")?;
        *with = Some(point);
        Ok(true)
    }

    /// Takes the file back; one that is gone is a hit that [`Armed::hit`] will tell of.
    fn disarm(&self, point: &'static str) {
        let mut with = self.with.lock().unwrap_or_else(PoisonError::into_inner);
        if *with == Some(point) && std::fs::remove_file(self.directory.join(point)).is_ok() {
            *with = None;
        }
    }
}

/// How often each point was hit, and in which program.
#[derive(Default)]
pub(crate) struct Hits(Mutex<BTreeMap<(&'static str, String), u32>>);

impl Hits {
    pub(crate) fn count(&self, point: &'static str, binary: &str) {
        let mut hits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *hits.entry((point, binary.to_owned())).or_default() += 1;
    }

    /// All of one program.
    pub(crate) fn of(&self, binary: &str) -> u32 {
        let hits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_it = hits.iter().filter(|((_, at), _)| at == binary);
        of_it.map(|(_, times)| times).sum::<u32>()
    }

    /// By point, those never hit included.
    pub(crate) fn all(&self) -> Vec<(&'static str, u32)> {
        let hits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |point: &str| {
            let at_it = hits.iter().filter(|((at, _), _)| *at == point);
            at_it.map(|(_, times)| times).sum::<u32>()
        };
        POINTS
            .iter()
            .map(|(point, _)| (*point, of(point)))
            .collect()
    }

    /// The point that was hit least, and less than so often, of those that may be armed.
    fn rarest(&self, least: f64, may: impl Fn(&str) -> bool) -> Option<&'static str> {
        let wanted = |(point, hits): &(&'static str, u32)| f64::from(*hits) < least && may(point);
        let wanted = self.all().into_iter().filter(wanted);
        wanted.min_by_key(|(_, hits)| *hits).map(|(point, _)| point)
    }
}

/// Arms one process after the other until each point was hit `each` times, evenly over `length`;
/// goes on, at the same pace, as long as it lasts.
pub(crate) async fn arm(
    members: Vec<Arc<Member>>,
    (hits, journal): (Arc<Hits>, Arc<Journal>),
    (seed, each, length): (u64, u32, Duration),
    stop: CancellationToken,
) -> Result<()> {
    let mut random = StdRng::seed_from_u64(seed ^ 0x6b69_6c6c);
    let points = u32::try_from(POINTS.len())?;
    let began = Instant::now();
    let mut armed: Vec<(Instant, Arc<Member>, &'static str)> = Vec::new();
    while !stop.is_cancelled() {
        armed.retain(|(since, member, point)| {
            let keep = since.elapsed() < PATIENCE;
            if !keep {
                member.armed.disarm(point);
            }
            keep
        });
        // a fifth ahead of the time, since some are taken back
        let due = 1.2 * began.elapsed().as_secs_f64() / length.as_secs_f64();
        let least = f64::from(each) * due.min(1.0);
        let may = |point: &str| armed.iter().filter(|(_, _, other)| *other == point).count() < 2;
        if let Some(point) = hits.rarest(least, may) {
            let passing = |member: &&Arc<Member>| passes(point, member.role);
            let candidates: Vec<_> = members.iter().filter(passing).collect();
            if let Some(member) = candidates.choose(&mut random)
                && member.pid().is_some()
                && member.armed.arm(point)?
            {
                journal.note("armed", json!({"point": point, "at": member.name}));
                armed.push((Instant::now(), Arc::clone(member), point));
            }
        }
        let pace = length / (each * points).max(1) / 2;
        let pause = pace.clamp(Duration::from_millis(200), Duration::from_secs(1));
        stop.run_until_cancelled(sleep(pause.mul_f64(random.random_range(0.7..1.3))))
            .await;
    }
    for (_, member, point) in armed {
        member.armed.disarm(point);
    }
    Ok(())
}

fn passes(point: &str, role: Role) -> bool {
    POINTS
        .iter()
        .any(|(name, roles)| *name == point && roles.contains(&role))
}
