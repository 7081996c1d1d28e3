//! Rows become the bytes of a file, on as many cores as there are.
//!
//! [`Feed`] takes chunks of rows off the stream, cuts them and has each piece pressed (formatted and
//! compressed) on a blocking thread; [`Assembly`], on a blocking thread of its own, puts the blocks
//! in their order and writes them into the pipe to the upload. So reading, formatting, compressing
//! and uploading overlap. What lies between is bounded: [`STEPS_WAITING`] blocks, finished or not.

use std::sync::Arc;

use domain::{ExportSpec, Failure, FailureCode, Progress};
use service::PipeWriter;
use store::Rows;
use tabular::{Block, Cutter, Layout, Press, Summary, assemble};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::failure::{Broken, of_panic, of_store};

/// Blocks that may be under way or wait for their turn; each is some hundred KiB.
const STEPS_WAITING: usize = 4;

/// What comes next.
pub(crate) enum Step {
    /// A block, perhaps still in the press.
    Block(JoinHandle<Block>),
    /// Nothing: all rows have come.
    End,
}

type Steps = mpsc::Sender<Result<Step, Failure>>;

/// Between the feed and the assembly.
pub(crate) fn steps() -> (Steps, mpsc::Receiver<Result<Step, Failure>>) {
    mpsc::channel(STEPS_WAITING)
}

/// Takes rows off the stream.
pub(crate) struct Feed {
    pub(crate) rows: Rows,
    pub(crate) cutter: Cutter,
    pub(crate) press: Arc<Press>,
    pub(crate) steps: Steps,
    pub(crate) stop: CancellationToken,
}

impl Feed {
    /// Feeds until the rows end, `stop` falls or nobody takes the blocks.
    pub(crate) async fn run(self) {
        let Self {
            mut rows,
            mut cutter,
            press,
            steps,
            stop,
        } = self;
        let last = loop {
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => break Err(Failure::stopped()),
                () = steps.closed() => return,
                next = rows.next() => next,
            };
            let pieces = match next {
                Some(Ok(chunk)) => cutter.cut(chunk),
                Some(Err(error)) => break Err(of_store(&error)),
                None => break Ok(Step::End),
            };
            for piece in pieces {
                // room first: what is pressed waits in memory
                let Ok(room) = steps.reserve().await else {
                    return;
                };
                let press = press.clone();
                room.send(Ok(Step::Block(spawn_blocking(move || press.block(&piece)))));
            }
        };
        // the stream has ended: its connection is not kept while the file is finished
        drop(rows);
        if last.is_ok()
            && let Some(piece) = cutter.finish()
        {
            let block = spawn_blocking(move || press.block(&piece));
            // an assembly that has gone tells by itself why
            drop(steps.send(Ok(Step::Block(block))).await);
        }
        drop(steps.send(last).await);
    }
}

/// Puts the blocks into the file.
pub(crate) struct Assembly {
    pub(crate) layout: Layout,
    /// Names the parts, when the file is an archive of several.
    pub(crate) parts_of: Option<ExportSpec>,
    pub(crate) steps: mpsc::Receiver<Result<Step, Failure>>,
    pub(crate) out: PipeWriter,
    /// Told with every block.
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) runtime: Handle,
    pub(crate) stop: CancellationToken,
}

impl Assembly {
    /// Writes the whole file. Blocks; ends soon after `stop`.
    pub(crate) fn run(self) -> Result<Summary, Failure> {
        let stop = self.stop.clone();
        self.assemble().map_err(|Broken(failure)| {
            // a pipe that broke because of the stop is no fault of storage
            if stop.is_cancelled() {
                Failure::stopped()
            } else {
                failure
            }
        })
    }

    fn assemble(self) -> Result<Summary, Broken> {
        let Self {
            layout,
            parts_of,
            mut steps,
            mut out,
            progress,
            runtime,
            ..
        } = self;
        let blocks = std::iter::from_fn(|| {
            let block = next_block(&mut steps, &runtime)
                .map_err(Broken)
                .transpose()?;
            if let Ok(block) = &block {
                progress.send_modify(|progress| advance(progress, block.rows()));
            }
            Some(block)
        });
        let part_name = parts_of.map(|spec| move |number| spec.part_name(number));
        let part_name = part_name
            .as_ref()
            .map(|name| name as &dyn Fn(u64) -> String);
        let summary = assemble(&layout, part_name, blocks, &mut out)?;
        progress.send_modify(|progress| progress.phase = Some("storing".to_owned()));
        out.end()?;
        Ok(summary)
    }
}

/// The next block, pressed; none after the last.
fn next_block(
    steps: &mut mpsc::Receiver<Result<Step, Failure>>,
    runtime: &Handle,
) -> Result<Option<Block>, Failure> {
    match steps.blocking_recv() {
        Some(Ok(Step::Block(block))) => runtime.block_on(block).map(Some).map_err(of_panic),
        Some(Ok(Step::End)) => Ok(None),
        Some(Err(failure)) => Err(failure),
        // never mistaken for the end of the rows
        None => Err(Failure::transient(
            FailureCode::Internal,
            "the feed of rows broke off",
        )),
    }
}

/// A total that was too low an estimate grows with what is done.
fn advance(progress: &mut Progress, rows: u32) {
    progress.done_rows += u64::from(rows);
    if progress.total_is_estimate {
        progress.total_rows = progress.total_rows.max(Some(progress.done_rows));
    }
}
