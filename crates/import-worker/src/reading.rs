//! The reading thread: opens the upload, finds sheet and header, and gives its rows in chunks.
//!
//! Everything that trusts the user's file runs here, on one blocking thread. What it panics with or
//! never comes back from costs the import, not the worker ([`Reading::hear`]); whoever stops
//! listening ends the thread.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use domain::{Dataset, Failure, Header, ImportSpec, Mapping, Merged, RowCheck, SheetChunk};
use tabular::{Book, Merges, Pulse, Stamp, is_failure_header};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::extent::Extent;
use crate::failure::{of_reader, of_refusal};
use crate::forebears::Forebears;
use crate::import::ReadingTerms;
use crate::refusals;
use crate::sheet::{Begun, as_told, begin, choose, ignored_sheets, open};
use crate::spool::Spool;
use crate::watch::Watch;

/// Chunks that may wait to be checked; each is about 256 KiB.
const CHUNKS_WAITING: usize = 2;

/// What the reading thread tells.
pub(crate) enum Heard {
    /// Sheet and header are found; rows follow. A second one means that the sheet is read again from
    /// its start, because of merged cells that were known only at its end: what came before is void.
    Opened(Box<Opened>),
    /// Rows, and the number of the last that may be one of the data: those behind it and those up to
    /// the header's are not.
    Chunk(SheetChunk, u32),
    /// All of the file has been read, and is whole; so many rows were behind the end of the data.
    End(u64),
}

/// What is known before the first data row.
pub(crate) struct Opened {
    /// The import as the file is read: see `as_told`.
    pub(crate) spec: ImportSpec,
    pub(crate) check: Arc<RowCheck>,
    pub(crate) mapping: Mapping,
    pub(crate) header: Header,
    pub(crate) sheet: Option<String>,
    pub(crate) stamp: Option<Stamp>,
    /// Sheets that somebody might miss.
    pub(crate) ignored_sheets: Vec<String>,
    /// Whether the sheet has merged ranges: known when it is read a second time because of them.
    pub(crate) merged: bool,
}

/// What is to become of a file.
pub(crate) struct Asked {
    pub(crate) dataset: Dataset,
    pub(crate) spec: ImportSpec,
    pub(crate) forebears: Forebears,
}

type Said = Result<Heard, Failure>;

/// A file that is being read.
pub(crate) struct Reading {
    said: mpsc::Receiver<Said>,
    thread: Option<JoinHandle<()>>,
    stall: Duration,
    pulse: Pulse,
    stop: CancellationToken,
    /// Stops the thread when nobody listens any more.
    _listening: DropGuard,
}

impl Reading {
    /// Begins to read `file`.
    pub(crate) fn begin(
        file: File,
        asked: Asked,
        terms: &ReadingTerms,
        stop: &CancellationToken,
    ) -> Self {
        let spool = terms.spool.clone();
        Self::of(terms.stall, stop, move |said, stop, pulse| {
            let mut reader = Reader {
                asked,
                spool,
                stop,
                pulse,
                said,
                ignored_sheets: Vec::new(),
            };
            if let Err(Quiet::Failed(failure)) = reader.read(file) {
                // whoever does not listen any more has a failure already
                drop(reader.say(Err(failure)));
            }
        })
    }

    fn of<F>(stall: Duration, stop: &CancellationToken, read: F) -> Self
    where
        F: FnOnce(mpsc::Sender<Said>, CancellationToken, Pulse) + Send + 'static,
    {
        let (said, heard) = mpsc::channel(CHUNKS_WAITING);
        let stop = stop.child_token();
        let (told, pulse) = (stop.clone(), Pulse::default());
        let own = pulse.clone();
        Self {
            said: heard,
            thread: Some(spawn_blocking(move || read(said, told, own))),
            stall,
            pulse,
            _listening: stop.clone().drop_guard(),
            stop,
        }
    }

    /// What the thread says next.
    ///
    /// # Errors
    /// The file's refusal; `not_a_workbook` also when reading it panicked, or gave no sign for all of
    /// a stall. That is `storage_unavailable`, to be tried again, if it waits for our own disk.
    pub(crate) async fn hear(&mut self) -> Said {
        let mut watch = Watch::of(&self.pulse);
        loop {
            let heard = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(Failure::stopped()),
                heard = tokio::time::timeout(self.stall, self.said.recv()) => heard,
            };
            match heard {
                Ok(Some(said)) => return said,
                Ok(None) => return Err(of_reader(self.ended().await)),
                Err(_elapsed) => watch.silence()?,
            }
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
    asked: Asked,
    spool: Spool,
    stop: CancellationToken,
    pulse: Pulse,
    said: mpsc::Sender<Said>,
    ignored_sheets: Vec<String>,
}

impl Reader {
    fn say(&self, said: Said) -> Result<(), Quiet> {
        self.said
            .blocking_send(said)
            .map_err(|_unheard| Quiet::Unheard)
    }

    fn read(&mut self, file: File) -> Result<(), Quiet> {
        let (stop, pulse) = (self.stop.clone(), self.pulse.clone());
        let book = open(file, &self.asked.spec, &self.spool, stop, pulse)?;
        let stamp = Stamp::read(&book)?;
        if let Some(stamp) = &stamp
            && stamp.dataset != self.asked.dataset.name
        {
            return Err(
                refusals::of_another_dataset(&self.asked.spec.locale, &stamp.dataset).into(),
            );
        }
        let (forebears, pulse) = (&self.asked.forebears, &self.pulse);
        // a database that is away is no fault of the file either
        let said = |first, stamped| pulse.fetch(|| forebears.said(first, stamped));
        let Asked { dataset, spec, .. } = &self.asked;
        self.asked.spec = as_told(&book, dataset, spec, stamp.as_ref(), &said)?;
        let Asked { dataset, spec, .. } = &self.asked;
        let (sheet, begun) = choose(&book, dataset, spec)?;
        self.ignored_sheets = ignored_sheets(&book, sheet, spec);
        let (merges, mut beyond) = self.pass(&book, sheet, begun, stamp.as_ref())?;
        if !merges.is_empty() {
            let merges = merges.filling(self.asked.spec.options.merged == Merged::Fill);
            let begun = begin(&book, sheet, &merges, &self.asked.dataset, &self.asked.spec)?;
            let begun = begun.ok_or_else(|| refusals::empty_file("its rows are covered"))?;
            (_, beyond) = self.pass(&book, sheet, begun, stamp.as_ref())?;
        }
        self.say(Ok(Heard::End(beyond)))
    }

    /// One pass over the sheet, from header to end. The merged ranges that turned up in it, if they
    /// were not known when it began, and how many rows stood behind the end of the data.
    fn pass(
        &self,
        book: &Book,
        sheet: usize,
        begun: Begun,
        stamp: Option<&Stamp>,
    ) -> Result<(Merges, u64), Quiet> {
        let Begun {
            mut rows,
            chunks,
            header,
        } = begun;
        let merged = !rows.merges().is_empty();
        let Asked { dataset, spec, .. } = &self.asked;
        let mapping = Mapping::of(
            dataset,
            &spec.options,
            &spec.locale,
            &header.cells,
            &is_failure_header,
        )?;
        let name = &book.sheets()[sheet].name;
        let name = (!name.is_empty()).then_some(name.as_str());
        let check = RowCheck::new(dataset, &mapping, spec, name, book.calendar())?;
        let mut extent = Extent::from(header.row, spec.options.stop_after_blank_rows);
        self.say(Ok(Heard::Opened(Box::new(Opened {
            spec: spec.clone(),
            check: Arc::new(check),
            mapping,
            header,
            sheet: name.map(str::to_owned),
            stamp: stamp.cloned(),
            ignored_sheets: self.ignored_sheets.clone(),
            merged,
        }))))?;
        for chunk in chunks {
            let last = extent.last_of(&chunk);
            self.say(Ok(Heard::Chunk(chunk, last)))?;
        }
        // to its end in any case: a fault there is one of the file
        while let Some(chunk) = rows.next()? {
            let last = extent.last_of(&chunk);
            self.say(Ok(Heard::Chunk(chunk, last)))?;
        }
        Ok((rows.merges().clone(), extent.beyond()))
    }
}

#[cfg(test)]
mod tests;
