//! The reading thread: opens the upload, finds sheet and header, and gives its rows in chunks.
//!
//! Everything that trusts the user's file runs here, on one blocking thread. What it panics with or
//! never comes back from costs the import, not the worker ([`Reading::hear`]); whoever stops
//! listening ends the thread.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use domain::{Dataset, Failure, Header, ImportSpec, Mapping, Merged, RowCheck, SheetChunk};
use tabular::{Book, Merges, Stamp, is_failure_header};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::failure::{of_reader, of_refusal, of_standstill};
use crate::import::ReadingTerms;
use crate::refusals;
use crate::sheet::{Begun, as_stamped, begin, choose, open};
use crate::spool::Spool;

/// Chunks that may wait to be checked; each is about 256 KiB.
const CHUNKS_WAITING: usize = 2;

/// What the reading thread tells.
pub(crate) enum Heard {
    /// Sheet and header are found; rows follow. A second one means that the sheet is read again from
    /// its start, because of merged cells that were known only at its end: what came before is void.
    Opened(Box<Opened>),
    /// Rows; those up to the header's are none of the data.
    Chunk(SheetChunk),
    /// All of the file has been read, and is whole.
    End,
}

/// What is known before the first data row.
pub(crate) struct Opened {
    pub(crate) check: Arc<RowCheck>,
    pub(crate) mapping: Mapping,
    pub(crate) header: Header,
    pub(crate) sheet: Option<String>,
    pub(crate) stamp: Option<Stamp>,
}

type Said = Result<Heard, Failure>;

/// A file that is being read.
pub(crate) struct Reading {
    said: mpsc::Receiver<Said>,
    thread: Option<JoinHandle<()>>,
    stall: Duration,
    stop: CancellationToken,
    /// Stops the thread when nobody listens any more.
    _listening: DropGuard,
}

impl Reading {
    /// Begins to read `file`.
    pub(crate) fn begin(
        file: File,
        dataset: Dataset,
        spec: ImportSpec,
        terms: &ReadingTerms,
        stop: &CancellationToken,
    ) -> Self {
        let spool = terms.spool.clone();
        Self::of(terms.stall, stop, move |said, stop| {
            let mut reader = Reader {
                dataset,
                spec,
                spool,
                stop,
                said,
            };
            if let Err(Quiet::Failed(failure)) = reader.read(file) {
                // whoever does not listen any more has a failure already
                drop(reader.say(Err(failure)));
            }
        })
    }

    fn of<F>(stall: Duration, stop: &CancellationToken, read: F) -> Self
    where
        F: FnOnce(mpsc::Sender<Said>, CancellationToken) + Send + 'static,
    {
        let (said, heard) = mpsc::channel(CHUNKS_WAITING);
        let stop = stop.child_token();
        let told = stop.clone();
        Self {
            said: heard,
            thread: Some(spawn_blocking(move || read(said, told))),
            stall,
            _listening: stop.clone().drop_guard(),
            stop,
        }
    }

    /// What the thread says next.
    ///
    /// # Errors
    /// The file's refusal; `not_a_workbook` also when reading it panicked, `archive_limits` when it
    /// came to a standstill: the last resort, as the work that a file may ask for is counted.
    pub(crate) async fn hear(&mut self) -> Said {
        let heard = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Err(Failure::stopped()),
            heard = tokio::time::timeout(self.stall, self.said.recv()) => heard,
        };
        match heard {
            Ok(Some(said)) => said,
            Err(_elapsed) => Err(of_standstill()),
            Ok(None) => Err(of_reader(self.ended().await)),
        }
    }

    /// Why nothing more comes.
    async fn ended(&mut self) -> String {
        match self.thread.take() {
            Some(thread) => match thread.await {
                Ok(()) => "reading the file ended early".to_owned(),
                // what it said may quote the file
                Err(error) if error.is_panic() => "reading the file panicked".to_owned(),
                Err(error) => error.to_string(),
            },
            None => "reading the file has ended".to_owned(),
        }
    }
}

/// Why the thread ends early.
enum Quiet {
    /// Nobody listens any more.
    Unheard,
    Failed(Failure),
}

impl From<Failure> for Quiet {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<tabular::Refusal> for Quiet {
    fn from(refusal: tabular::Refusal) -> Self {
        Self::Failed(of_refusal(&refusal))
    }
}

struct Reader {
    dataset: Dataset,
    spec: ImportSpec,
    spool: Spool,
    stop: CancellationToken,
    said: mpsc::Sender<Said>,
}

impl Reader {
    fn say(&self, said: Said) -> Result<(), Quiet> {
        self.said
            .blocking_send(said)
            .map_err(|_unheard| Quiet::Unheard)
    }

    fn read(&mut self, file: File) -> Result<(), Quiet> {
        let book = open(file, &self.spec, &self.spool, self.stop.clone())?;
        let stamp = Stamp::read(&book);
        if let Some(stamp) = &stamp
            && stamp.dataset != self.dataset.name
        {
            return Err(refusals::of_another_dataset(&self.spec.locale, &stamp.dataset).into());
        }
        self.spec = as_stamped(&self.spec, stamp.as_ref());
        let (sheet, begun) = choose(&book, &self.dataset, &self.spec)?;
        let merges = self.pass(&book, sheet, begun, stamp.as_ref())?;
        if !merges.is_empty() {
            let merges = merges.filling(self.spec.options.merged == Merged::Fill);
            let begun = begin(&book, sheet, &merges, &self.dataset, &self.spec)?;
            let begun = begun.ok_or_else(|| refusals::empty_file("its rows are covered"))?;
            self.pass(&book, sheet, begun, stamp.as_ref())?;
        }
        self.say(Ok(Heard::End))
    }

    /// One pass over the sheet, from header to end. The merged ranges that turned up in it, if they
    /// were not known when it began.
    fn pass(
        &self,
        book: &Book,
        sheet: usize,
        begun: Begun,
        stamp: Option<&Stamp>,
    ) -> Result<Merges, Quiet> {
        let Begun {
            mut rows,
            chunks,
            header,
        } = begun;
        let (options, spec) = (&self.spec.options, &self.spec);
        let mapping = Mapping::of(
            &self.dataset,
            options,
            &spec.locale,
            &header.cells,
            &is_failure_header,
        )?;
        let name = &book.sheets()[sheet].name;
        let name = (!name.is_empty()).then_some(name.as_str());
        let check = RowCheck::new(&self.dataset, &mapping, spec, name, book.calendar())?;
        self.say(Ok(Heard::Opened(Box::new(Opened {
            check: Arc::new(check),
            mapping,
            header,
            sheet: name.map(str::to_owned),
            stamp: stamp.cloned(),
        }))))?;
        for chunk in chunks {
            self.say(Ok(Heard::Chunk(chunk)))?;
        }
        while let Some(chunk) = rows.next()? {
            self.say(Ok(Heard::Chunk(chunk)))?;
        }
        Ok(rows.merges().clone())
    }
}

#[cfg(test)]
mod tests;
