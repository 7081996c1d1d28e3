//! What will be broken, when and for how long: drawn from the seed before anything starts, so that
//! one seed is one plan. Shown by `tests/it/plan.rs`.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};

/// A way to break something. `u32` draws the victim among those there are; times are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL of a process.
    Kill(u32),
    /// SIGSTOP of a process for longer than the lease, then SIGCONT.
    Freeze(u32, u64),
    /// SIGTERM of a process, and its successor.
    Roll(u32),
    /// The next so many COMMITs reach MySQL, and their answers nobody.
    CutAtCommit(u32),
    /// One connection to MySQL in so many is cut.
    CutSome(u32),
    /// No byte passes between the house and MySQL.
    Silence(u64),
    /// SIGKILL of mysqld.
    KillMysql,
    /// SIGKILL of the broker.
    KillBroker,
    /// SIGTERM of the broker.
    StopBroker,
    /// A topic is deleted, and made anew after a while.
    DeleteTopic(u32, u64),
    /// A message that is no ring, or rings for what does not exist.
    Poison(u32),
}

impl Fault {
    /// The word of the report.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kill(_) => "kill",
            Self::Freeze(..) => "freeze",
            Self::Roll(_) => "roll",
            Self::CutAtCommit(_) => "cut_at_commit",
            Self::CutSome(_) => "cut_some",
            Self::Silence(_) => "silence",
            Self::KillMysql => "kill_mysql",
            Self::KillBroker => "kill_broker",
            Self::StopBroker => "stop_broker",
            Self::DeleteTopic(..) => "delete_topic",
            Self::Poison(_) => "poison",
        }
    }
}

/// How often each kind comes, beside the others.
const WEIGHTS: [(u32, Kind); 11] = [
    (26, Kind::Kill),
    (11, Kind::Freeze),
    (11, Kind::Roll),
    (12, Kind::CutAtCommit),
    (9, Kind::CutSome),
    (6, Kind::Silence),
    (6, Kind::KillMysql),
    (4, Kind::KillBroker),
    (3, Kind::StopBroker),
    (4, Kind::DeleteTopic),
    (8, Kind::Poison),
];

#[derive(Clone, Copy)]
enum Kind {
    Kill,
    Freeze,
    Roll,
    CutAtCommit,
    CutSome,
    Silence,
    KillMysql,
    KillBroker,
    StopBroker,
    DeleteTopic,
    Poison,
}

impl Kind {
    fn draw(self, random: &mut StdRng, lease: Duration) -> Fault {
        let lease = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        match self {
            Self::Kill => Fault::Kill(random.random()),
            Self::Freeze => {
                Fault::Freeze(random.random(), random.random_range(lease..2 * lease) + 500)
            }
            Self::Roll => Fault::Roll(random.random()),
            Self::CutAtCommit => Fault::CutAtCommit(random.random_range(1..=6)),
            Self::CutSome => Fault::CutSome(random.random_range(1..=4)),
            Self::Silence => Fault::Silence(random.random_range(500..=lease + 2_000)),
            Self::KillMysql => Fault::KillMysql,
            Self::KillBroker => Fault::KillBroker,
            Self::StopBroker => Fault::StopBroker,
            Self::DeleteTopic => {
                Fault::DeleteTopic(random.random(), random.random_range(500..=4_000))
            }
            Self::Poison => Fault::Poison(random.random()),
        }
    }
}

/// The faults of `length`, each with its moment, one every `every` on average. Every kind comes once
/// before any comes again by chance.
#[must_use]
pub fn plan(
    seed: u64,
    length: Duration,
    every: Duration,
    lease: Duration,
) -> Vec<(Duration, Fault)> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut first: Vec<Kind> = WEIGHTS.iter().map(|(_, kind)| *kind).collect();
    first.shuffle(&mut random);
    let mut faults = Vec::new();
    let mut at = every;
    while at < length {
        let kind = first.pop().unwrap_or_else(|| weighted(&mut random));
        faults.push((at, kind.draw(&mut random, lease)));
        at += every.mul_f64(random.random_range(0.6..1.4));
    }
    faults
}

fn weighted(random: &mut StdRng) -> Kind {
    WEIGHTS
        .choose_weighted(random, |(weight, _)| *weight)
        .map_or(Kind::Kill, |(_, kind)| *kind)
}
