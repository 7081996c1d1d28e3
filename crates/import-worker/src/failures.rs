//! The failure workbook: the upload is read once more and joined by row number with what the ledger
//! says is wrong; both rise. Reading, writing and uploading overlap; memory does not grow with rows.

use std::fs::File;
use std::io;

use domain::{
    Dataset, Failure, FinishSpec, Merged, RowCode, RowError, SheetChunk, SheetRow, TaskId,
    UploadFormat, safe_stem,
};
use engine::Attempt;
use service::{Label, PipeWriter, Storage, StorageError, Stored, pipe};
use store::{Ledger, Store};
use tabular::{Book, FailureColumn, FailureTerms, FailureWriter, Pulse, Stamp};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::failure::{internal, of_disk, of_panic, of_refusal, of_storage, of_store};
use crate::forebears::Headers;
use crate::refusals;
use crate::sheet::{Begun, as_told, begin, choose, open};
use crate::spool::Spool;

/// Batches whose errors may wait to be written.
const BATCHES_WAITING: usize = 2;

type Told = Result<Vec<RowError>, Failure>;

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
}

impl FailureFile<'_> {
    /// Makes the file from the upload and stores it under `key`.
    pub(crate) async fn make(&self, upload: File, key: &str) -> Result<Made, Failure> {
        let stop = self.attempt.stopped();
        let (out, content) = pipe(Handle::current(), stop.clone());
        let (sender, errors) = mpsc::channel(BATCHES_WAITING);
        let writer = Writer {
            dataset: self.dataset.clone(),
            spec: self.spec.clone(),
            task: self.task,
            merges: self.merges_matter(),
            spool: self.spool.clone(),
            errors,
            stop: stop.clone(),
        };
        let writing = tokio::task::spawn_blocking(move || writer.write(upload, out));
        let name = self.name();
        let label = Label::new(&name);
        // always to its end: see `Storage::put`
        let uploading = self.storage.put(key, &label, content);
        let (written, stored, ()) = tokio::join!(writing, uploading, self.tell(sender));
        let written = written.unwrap_or_else(|panicked| Err(of_panic(panicked)));
        if stop.is_cancelled() {
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
}

impl Writer {
    fn write(mut self, upload: File, mut out: PipeWriter) -> Result<u64, Failure> {
        let stop = self.stop.clone();
        let book = open(
            upload,
            &self.spec.import,
            &self.spool,
            stop,
            Pulse::default(),
        )?;
        let stamp = Stamp::read(&book).map_err(|refusal| of_refusal(&refusal))?;
        // what a csv's forebears said the split has found out
        let known = |_| Ok(Headers::new());
        let import = as_told(&book, &self.spec.import, stamp.as_ref(), &known)?;
        self.spec.import = import.clone();
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
            mapping: import.options.mapping.clone(),
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
        for chunk in &chunks {
            joined.chunk(chunk, &mut self.errors, &mut file)?;
        }
        while let Some(chunk) = rows.next().map_err(|refusal| of_refusal(&refusal))? {
            self.go_on()?;
            joined.chunk(&chunk, &mut self.errors, &mut file)?;
        }
        joined.end(&mut self.errors)?;
        let written = file.finish().map_err(broken)?;
        out.end().map_err(broken)?;
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

    /// The user's columns: all that have a header.
    fn columns(&self, header: Vec<(u16, String)>) -> Vec<FailureColumn> {
        let taken = |column: u16| {
            let known = self.spec.columns.iter().find(|(at, _)| *at == column);
            known.map(|(_, field)| field.clone())
        };
        header
            .into_iter()
            .map(|(column, header)| FailureColumn {
                field: taken(column),
                header,
                column,
            })
            .collect()
    }
}

/// Errors that wait for their rows.
#[derive(Default)]
struct Join {
    waiting: std::vec::IntoIter<RowError>,
    ended: bool,
}

impl Join {
    fn chunk<W: io::Write>(
        &mut self,
        chunk: &SheetChunk,
        errors: &mut mpsc::Receiver<Told>,
        file: &mut FailureWriter<W>,
    ) -> Result<(), Failure> {
        for row in chunk.rows() {
            let own = self.errors_of(&row, errors)?;
            if !own.is_empty() {
                file.row(&row, &own).map_err(broken)?;
            }
        }
        Ok(())
    }

    fn errors_of(
        &mut self,
        row: &SheetRow<'_>,
        errors: &mut mpsc::Receiver<Told>,
    ) -> Result<Vec<RowError>, Failure> {
        let mut own = Vec::new();
        while let Some(next) = self.peek(errors)? {
            if next > row.number {
                break;
            }
            if next < row.number {
                return Err(internal(
                    "an error is about a row that the file does not have",
                ));
            }
            own.extend(self.waiting.next());
        }
        Ok(own)
    }

    /// All rows have passed: no error may be left.
    fn end(&mut self, errors: &mut mpsc::Receiver<Told>) -> Result<(), Failure> {
        match self.peek(errors)? {
            None => Ok(()),
            Some(_) => Err(internal("errors are about rows behind the file's end")),
        }
    }

    /// The row of the next error.
    fn peek(&mut self, errors: &mut mpsc::Receiver<Told>) -> Result<Option<u32>, Failure> {
        while self.waiting.as_slice().is_empty() && !self.ended {
            match errors.blocking_recv() {
                Some(told) => self.waiting = told?.into_iter(),
                None => self.ended = true,
            }
        }
        Ok(self.waiting.as_slice().first().map(|error| error.row))
    }
}

/// The pipe to the upload broke, or our own disk.
fn broken(error: io::Error) -> Failure {
    of_disk(&error)
}
