//! The writer's thread: rows come in, the workbook's bytes go out.

use std::path::PathBuf;

use domain::{Failure, FailureCode, Progress, RowChunk};
use store::Rows;
use tabular::{Layout, SheetWriter, Summary};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::failure::{of_store, of_writer};
use crate::upload::PipeWriter;

/// Everything that the thread needs.
pub(crate) struct SheetTask {
    pub(crate) layout: Layout,
    pub(crate) rows: Rows,
    pub(crate) temp_dir: PathBuf,
    pub(crate) out: PipeWriter,
    /// Told after every chunk.
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) runtime: Handle,
    pub(crate) stop: CancellationToken,
}

impl SheetTask {
    /// Writes the whole workbook. Blocks; ends soon after `stop`.
    pub(crate) fn run(mut self) -> Result<Summary, Failure> {
        let mut writer = SheetWriter::create(self.layout.clone(), &self.temp_dir)
            .map_err(|error| of_writer(&error))?;
        while let Some(chunk) = self.next_chunk()? {
            for row in chunk.rows() {
                writer.write_row(row).map_err(|error| of_writer(&error))?;
            }
            if self.out.is_broken() {
                let detail = "the upload ended before the sheet";
                return Err(Failure::transient(FailureCode::StorageUnavailable, detail));
            }
            self.progress
                .send_modify(|progress| progress.done_rows += chunk.len() as u64);
        }
        self.progress
            .send_modify(|progress| progress.phase = Some("packing".to_owned()));
        // the stream has ended: its connection is not kept while the file is packed
        let Self {
            mut out,
            rows,
            stop,
            ..
        } = self;
        drop(rows);
        let summary = match writer.finish(&mut out) {
            Ok(summary) => summary,
            Err(_broken_pipe) if stop.is_cancelled() => return Err(Failure::stopped()),
            Err(error) => return Err(of_writer(&error)),
        };
        out.end()
            .map_err(|error| Failure::transient(FailureCode::StorageUnavailable, error))?;
        Ok(summary)
    }

    fn next_chunk(&mut self) -> Result<Option<RowChunk>, Failure> {
        let Self {
            rows,
            stop,
            runtime,
            ..
        } = self;
        let next = runtime.block_on(async {
            tokio::select! {
                biased;
                () = stop.cancelled() => Err(Failure::stopped()),
                chunk = rows.next() => Ok(chunk),
            }
        });
        next?.transpose().map_err(|error| of_store(&error))
    }
}
