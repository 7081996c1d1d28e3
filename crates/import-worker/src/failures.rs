//! The failure workbook: the upload is read once more and joined by row number with what the ledger
//! says is wrong; both rise. Reading, writing and uploading overlap; memory does not grow with rows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use domain::{
    Dataset, Failure, FailureCode, FailureKind, FinishSpec, Merged, RowCode, TaskId, UploadFormat,
    safe_stem,
};
use engine::Attempt;
use futures::{Stream, StreamExt, stream};
use service::{Label, PipeWriter, Storage, StorageError, Stored, pipe};
use store::{Ledger, Store};
use tabular::{Book, FailureColumn, FailureTerms, FailureWriter, Pulse, Said, Stamp};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::failure::{of_disk, of_panic, of_refusal, of_storage, of_store};
use crate::join::{Join, Told};
use crate::refusals;
use crate::sheet::{Begun, begin, choose, open};
use crate::spool::Spool;
use crate::watch::{Watch, watched};

/// Batches whose errors may wait to be written.
const BATCHES_WAITING: usize = 2;

/// A file that lies in storage, unseen.
pub(crate) struct Made {
    pub(crate) name: String,
    pub(crate) rows: u64,
    pub(crate) stored: Stored,
}

/// Where the parts come from.
pub(crate) struct FailureFile<'a> {
    pub(crate) store: &'a Store,
    pub(crate) storage: &'a Storage,
    pub(crate) dataset: &'a Dataset,
    pub(crate) spec: &'a FinishSpec,
    pub(crate) attempt: &'a Attempt,
    pub(crate) ledger: &'a Ledger,
    pub(crate) task: TaskId,
    pub(crate) spool: &'a Spool,
    /// How long reading may go without any sign of getting on.
    pub(crate) stall: Duration,
}

impl FailureFile<'_> {
    /// Makes the file from the upload and stores it under `key`.
    pub(crate) async fn make(&self, upload: File, key: &str) -> Result<Made, Failure> {
        // falls with the attempt, and when the reading is given up
        let stop = self.attempt.stopped().child_token();
        let (out, content) = pipe(Handle::current(), stop.clone());
        let content = content.take_until(stop.clone().cancelled_owned());
        let content = content.chain(broken_off(stop.clone()));
        let (pulse, elsewhere) = (Pulse::default(), Pulse::default());
        let watch = Watch::besides(&pulse, &elsewhere);
        let (sender, errors) = mpsc::channel(BATCHES_WAITING);
        let writer = Writer {
            dataset: self.dataset.clone(),
            spec: self.spec.clone(),
            task: self.task,
            merges: self.merges_matter(),
            spool: self.spool.clone(),
            errors,
            stop: stop.clone(),
            pulse,
            elsewhere,
        };
        let writing = tokio::task::spawn_blocking(move || writer.write(upload, out));
        let name = self.name();
        let label = Label::new(&name);
        // always to its end: see `Storage::put`
        let uploading = self.storage.put(key, &label, content);
        let written = async {
            let written = watched(writing, watch, self.stall).await;
            if written.is_err() {
                // nobody waits for the thread any more
                stop.cancel();
            }
            written.map_err(once_more)?.map_err(of_panic)?
        };
        let telling = stop.run_until_cancelled(self.tell(sender));
        let (written, stored, _) = tokio::join!(written, uploading, telling);
        if self.attempt.stopped().is_cancelled() {
            return Err(Failure::stopped());
        }
        // the failure that came first: a broken upload breaks the writer, and the other way round
        let (rows, stored) = match (written, stored) {
            (Ok(rows), Ok(stored)) => (rows, stored),
            (Err(failure), Ok(_) | Err(StorageError::Content(_))) => return Err(failure),
            (_, Err(error)) => return Err(of_storage(&error)),
        };
        Ok(Made { name, rows, stored })
    }

    /// Hands on the errors, batch by batch.
    async fn tell(&self, out: mpsc::Sender<Told>) {
        let mut after = None;
        loop {
            let tenant = self.attempt.tenant();
            let told = match self.store.batch_errors(tenant, self.task, after).await {
                Ok(Some((part, errors))) => {
                    after = Some(part);
                    Ok(errors)
                }
                Ok(None) => return,
                Err(error) => Err(of_store(&error)),
            };
            let is_last = told.is_err();
            if out.send(told).await.is_err() || is_last {
                return;
            }
        }
    }

    /// Whether merged ranges can bear upon what is to be written. To know them costs a pass.
    fn merges_matter(&self) -> bool {
        let import = &self.spec.import;
        if self.spec.merged == Some(false) {
            return false;
        }
        // where they are errors, each that matters has been told
        let met = import.options.merged != Merged::Error
            || self.ledger.by_code.contains_key(&RowCode::MergedCell);
        met && import.upload.format == UploadFormat::Xlsx
    }

    fn name(&self) -> String {
        let upload = &self.spec.import.upload;
        let stem = upload
            .name
            .rsplit_once('.')
            .map_or(&*upload.name, |it| it.0);
        let stem = safe_stem(stem).unwrap_or_else(|| self.dataset.name.clone());
        let extension = match upload.format {
            UploadFormat::Xlsx => "xlsx",
            UploadFormat::Csv => "csv",
        };
        format!("{stem}_failed.{extension}")
    }
}

/// The writing thread's own.
struct Writer {
    dataset: Dataset,
    spec: FinishSpec,
    task: TaskId,
    merges: bool,
    spool: Spool,
    errors: mpsc::Receiver<Told>,
    stop: CancellationToken,
    pulse: Pulse,
    /// Beats while it waits for errors and for the upload.
    elsewhere: Pulse,
}

impl Writer {
    fn write(mut self, upload: File, mut out: PipeWriter) -> Result<u64, Failure> {
        let (stop, pulse) = (self.stop.clone(), self.pulse.clone());
        let book = open(upload, &self.spec.import, &self.spool, stop, pulse)?;
        // as the split was told to read it
        let import = self.spec.import.clone();
        let begun = self.begin(&book)?;
        let Begun {
            mut rows,
            chunks,
            header,
        } = begun;
        let stamp = Stamp {
            dataset: self.dataset.name.clone(),
            version: self.dataset.version.clone(),
            task: Some(self.task),
            said: Said {
                mapping: import.options.mapping.clone(),
                numbers: import.options.numbers,
                timezone: Some(import.timezone),
                mode: Some(import.options.mode),
                empty_means: Some(import.options.empty_means),
                formulas: Some(import.options.formulas),
            },
        };
        let columns = self.columns(header.cells);
        let (locale, format) = (&import.locale, import.upload.format);
        let terms = FailureTerms {
            dataset: &self.dataset,
            locale,
            stamp,
            columns: &columns,
            format,
            temp_dir: Some(self.spool.directory()),
        };
        let file = FailureWriter::new(&terms, &mut out);
        let mut file = file.map_err(broken)?.with_calendar(book.calendar());
        let mut joined = Join::default();
        let elsewhere = self.elsewhere.clone();
        for chunk in &chunks {
            elsewhere.fetch(|| joined.chunk(chunk, &mut self.errors, &mut file))?;
        }
        while let Some(chunk) = rows.next().map_err(|refusal| of_refusal(&refusal))? {
            self.go_on()?;
            elsewhere.fetch(|| joined.chunk(&chunk, &mut self.errors, &mut file))?;
        }
        let written = elsewhere.fetch(|| {
            joined.end(&mut self.errors)?;
            file.finish().map_err(broken)
        })?;
        elsewhere.fetch(|| out.end()).map_err(broken)?;
        Ok(written)
    }

    /// Begins the pass that is written from: the one that the split judged.
    fn begin(&self, book: &Book) -> Result<Begun, Failure> {
        let import = &self.spec.import;
        let (sheet, begun) = choose(book, &self.dataset, import)?;
        if !self.merges {
            return Ok(begun);
        }
        // merged ranges stand behind the rows
        let mut rows = begun.rows;
        while let Some(_passed) = rows.next().map_err(|refusal| of_refusal(&refusal))? {
            self.go_on()?;
        }
        let merges = rows.merges().clone();
        let merges = merges.filling(import.options.merged == Merged::Fill);
        let again = begin(book, sheet, &merges, &self.dataset, import)?;
        again.ok_or_else(|| refusals::empty_file("its rows are covered"))
    }

    fn go_on(&self) -> Result<(), Failure> {
        if self.stop.is_cancelled() {
            return Err(Failure::stopped());
        }
        Ok(())
    }

    /// The user's columns: all that have a header, and all others as far as a row reaches.
    fn columns(&self, header: Vec<(u16, String)>) -> Vec<FailureColumn> {
        let mut headers: BTreeMap<u16, String> = header.into_iter().collect();
        for column in (0..=u16::MAX).take_while(|column| u32::from(*column) < self.spec.width) {
            headers.entry(column).or_default();
        }
        let taken = |column: u16| {
            let known = self.spec.columns.iter().find(|(at, _)| *at == column);
            known.map(|(_, field)| field.clone())
        };
        headers
            .into_iter()
            .map(|(column, header)| FailureColumn {
                field: taken(column),
                header,
                column,
            })
            .collect()
    }
}

/// The file was read before: it is not to blame, and another try may get on.
fn once_more(standstill: Failure) -> Failure {
    if standstill.kind == FailureKind::Rejected {
        return Failure::transient(FailureCode::Internal, standstill.detail);
    }
    standstill
}

/// An error if `stop` has fallen, and nothing else.
fn broken_off(stop: CancellationToken) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let fallen = stream::once(async move { stop.is_cancelled() });
    fallen.filter_map(|fallen| {
        let error = fallen.then(|| Err(io::ErrorKind::BrokenPipe.into()));
        std::future::ready(error)
    })
}

/// The pipe to the upload broke, or our own disk.
fn broken(error: io::Error) -> Failure {
    of_disk(&error)
}
