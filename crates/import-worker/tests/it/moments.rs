//! Random moments of an import: drawn from a seed that is printed, told by how far the import has
//! come, so that no clock is needed and every run meets others.

use std::collections::BTreeMap;
use std::path::Path;

use domain::{Task, TaskId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use testkit::eventually_within;

use crate::house::{House, PATIENCE};

/// Put the seed of a run that failed here to have its moments again.
const SEED: Option<u64> = None;
/// Looks at the task between a moment that can be seen and the one that is taken.
const MOST_LOOKS: u64 = 10;

/// When something is done to an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// While its file is read: so many batch objects are written, by the present attempt.
    Split(usize),
    /// While its batches are applied: so many rows are done.
    Apply(u64),
}

/// How far a split has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    /// The attempt, by its epoch.
    pub(crate) epoch: u64,
    /// Its batch objects.
    pub(crate) objects: usize,
}

pub(crate) struct Moments(StdRng);

impl Moments {
    pub(crate) fn new() -> Self {
        let seed = SEED.unwrap_or_else(rand::random);
        eprintln!("the moments are drawn from the seed {seed}");
        Self(StdRng::seed_from_u64(seed))
    }

    /// Moments of reading, at which fewer than `objects` are written.
    pub(crate) fn of_split(&mut self, moments: usize, objects: usize) -> Vec<Moment> {
        let draw = |_| Moment::Split(self.0.random_range(0..objects));
        (0..moments).map(draw).collect()
    }

    /// Moments of applying, at which fewer than `rows` need be done, in their order.
    pub(crate) fn of_apply(&mut self, moments: usize, rows: u64) -> Vec<Moment> {
        let mut drawn: Vec<u64> = (0..moments).map(|_| self.0.random_range(0..rows)).collect();
        drawn.sort_unstable();
        drawn.into_iter().map(Moment::Apply).collect()
    }

    /// Lets a little of the import go by, however fast it is: what can be seen of it are the ends of
    /// transactions, and what is done at once would never meet their midst.
    pub(crate) async fn pass(&mut self, house: &House, task: TaskId) {
        for _ in 0..self.0.random_range(0..=MOST_LOOKS) {
            house.task(task).await;
        }
    }
}

impl House {
    /// Waits for a moment after `since`: of another attempt to read, or of more rows. Every look at
    /// the task must add up. One that has gone on to its batches is past every moment of reading.
    pub(crate) async fn until_moment(&self, id: TaskId, moment: Moment, since: &Since) {
        eventually_within(PATIENCE, &format!("{moment:?}"), async || {
            let task = self.task(id).await;
            let is_there = match moment {
                Moment::Split(objects) => {
                    let written = self.written(id);
                    has_been_read(&task)
                        || written.epoch > since.epoch && written.objects >= objects
                }
                Moment::Apply(rows) => {
                    let done = task.progress.done_rows;
                    done > since.rows && done >= rows
                }
            };
            (is_there || task.status.is_final()).then_some(())
        })
        .await;
    }

    /// How far the latest attempt to read a task's file has come.
    pub(crate) fn written(&self, task: TaskId) -> Written {
        let mut of_epoch: BTreeMap<u64, usize> = BTreeMap::new();
        for path in self.stored_for(task) {
            if let Some(epoch) = epoch_of(&path) {
                *of_epoch.entry(epoch).or_default() += 1;
            }
        }
        let (epoch, objects) = of_epoch.pop_last().unwrap_or_default();
        Written { epoch, objects }
    }

    /// How far an import has come up to now.
    pub(crate) async fn since(&self, task: TaskId) -> Since {
        Since {
            epoch: self.written(task).epoch,
            rows: self.task(task).await.progress.done_rows,
        }
    }
}

/// How far an import had come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Since {
    epoch: u64,
    rows: u64,
}

pub(crate) fn has_been_read(task: &Task) -> bool {
    task.progress.phase.as_deref() == Some("importing")
}

/// The epoch of the attempt that has written this batch object whole.
fn epoch_of(object: &Path) -> Option<u64> {
    let number = object.file_name()?.to_str()?.strip_prefix('b')?;
    number.parse::<u32>().ok()?;
    let directory = object.parent()?.file_name()?.to_str()?;
    directory.strip_prefix('e')?.parse().ok()
}
