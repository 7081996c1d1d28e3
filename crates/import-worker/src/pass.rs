//! One pass over the file: read, judged and cut at the same time, batch objects written meanwhile.
//!
//! Reading, judging (on as many threads as there are cores), cutting and writing overlap; between any
//! two stages lies a bounded channel.

use std::sync::Arc;

use domain::{Failure, OnError, Progress};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::batches::Writes;
use crate::checking::{Checked, Judge};
use crate::cutter::{CutBatch, Cutter, Terms};
use crate::failure::{internal, of_panic};
use crate::keys::KeyList;
use crate::object::Shape;
use crate::reading::{Heard, Opened, Reading};
use crate::sizes::BatchSizes;
use crate::split::Split;

/// What has been made of a file.
pub(crate) struct Pass {
    pub(crate) opened: Opened,
    pub(crate) cutter: Cutter,
    pub(crate) keys: Vec<KeyList>,
    /// Values that were rounded at their column's scale.
    pub(crate) rounded: u64,
    /// Values whose fractions of a second their column does not keep.
    pub(crate) cut: u64,
    /// Columns that the widest row reaches across.
    pub(crate) width: u32,
    /// Rows behind the end of the data.
    pub(crate) beyond: u64,
}

enum Step {
    Begin(Box<Opened>),
    /// A chunk, perhaps still being judged.
    Chunk(JoinHandle<Result<Checked, Failure>>),
    /// With the number of rows behind the end of the data.
    End(u64),
}

/// Reads the whole file and writes its batch objects. To be followed by [`Writes::finish`].
pub(crate) async fn read_all(
    split: &Split<'_>,
    reading: Reading,
    writes: &mut Writes,
) -> Result<Pass, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (sender, steps) = mpsc::channel(cores);
    let feeding = feed(split, reading, sender);
    let collecting = collect(split, steps, writes);
    let ((), pass) = tokio::try_join!(feeding, collecting)?;
    Ok(pass)
}

async fn feed(
    split: &Split<'_>,
    mut reading: Reading,
    steps: mpsc::Sender<Step>,
) -> Result<(), Failure> {
    let gone = |_closed| nobody_collects();
    let mut judge: Option<Judge> = None;
    loop {
        match reading.hear().await? {
            Heard::Opened(opened) => {
                judge = Some(Judge {
                    check: opened.check.clone(),
                    header_row: opened.header.row,
                    hidden_rows: split.spec.options.hidden_rows,
                });
                steps.send(Step::Begin(opened)).await.map_err(gone)?;
            }
            Heard::Chunk(chunk, last) => {
                // room first: what has been judged waits in memory
                let room = steps.reserve().await.map_err(|_closed| nobody_collects())?;
                let judge = judge.clone();
                let judge = judge.ok_or_else(|| internal("rows before their header"))?;
                room.send(Step::Chunk(spawn_blocking(move || {
                    judge.judge(&chunk, last)
                })));
            }
            Heard::End(beyond) => return steps.send(Step::End(beyond)).await.map_err(gone),
        }
    }
}

fn nobody_collects() -> Failure {
    internal("nobody collects the rows")
}

async fn collect(
    split: &Split<'_>,
    mut steps: mpsc::Receiver<Step>,
    writes: &mut Writes,
) -> Result<Pass, Failure> {
    let mut pass: Option<Pass> = None;
    while let Some(step) = steps.recv().await {
        match (step, pass.as_mut()) {
            (Step::Begin(opened), _) => {
                writes.all_ended().await?;
                pass = Some(Pass::begin(split, *opened));
            }
            (Step::Chunk(judged), Some(pass)) => {
                let checked = judged.await.map_err(of_panic)??;
                pass.take(split, checked, writes).await?;
            }
            (Step::End(beyond), Some(pass)) => {
                pass.beyond = beyond;
                break;
            }
            (Step::Chunk(_) | Step::End(_), None) => {
                return Err(internal("rows before their header"));
            }
        }
    }
    let mut pass = pass.ok_or_else(|| internal("the reading broke off"))?;
    if let Some(last) = pass.cutter.finish() {
        write(split, last, writes).await?;
    }
    Ok(pass)
}

impl Pass {
    fn begin(split: &Split<'_>, opened: Opened) -> Self {
        let (spec, limits) = (split.spec, &split.dataset.limits);
        let shape = Shape {
            fields: opened.check.fields().to_vec(),
            columns: opened.mapping.columns().to_vec(),
            sheet: opened.sheet.clone(),
        };
        let sizes = BatchSizes {
            asked: spec.options.batch_size,
            most: limits.max_batch_size,
            max_rows: limits.max_rows,
        };
        let keys = opened.check.key_sets().iter().map(|_| KeyList::default());
        Self {
            keys: keys.collect(),
            cutter: Cutter::new(Terms {
                shape,
                sizes,
                at_once: spec.options.on_error == OnError::Abort,
                locale: spec.locale.clone(),
            }),
            opened,
            rounded: 0,
            cut: 0,
            width: 0,
            beyond: 0,
        }
    }

    async fn take(
        &mut self,
        split: &Split<'_>,
        checked: Checked,
        writes: &mut Writes,
    ) -> Result<(), Failure> {
        for (list, keys) in self.keys.iter_mut().zip(&checked.keys) {
            keys.iter().for_each(|key| list.push(*key));
        }
        self.rounded += checked.rounded;
        self.cut += checked.cut;
        self.width = self.width.max(checked.width);
        for full in self.cutter.add(&checked)? {
            write(split, full, writes).await?;
        }
        split.attempt.report(Progress {
            phase: Some("reading".to_owned()),
            total_rows: Some(self.cutter.rows()),
            total_is_estimate: true,
            ..Progress::default()
        });
        Ok(())
    }
}

async fn write(split: &Split<'_>, batch: CutBatch, writes: &mut Writes) -> Result<(), Failure> {
    let key = split.rows_key(batch.number);
    let batch = Arc::new(batch);
    let object = spawn_blocking(move || batch.object());
    let object = object.await.map_err(of_panic)??;
    writes.write(key, object).await
}
