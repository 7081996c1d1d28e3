//! The worker that turns uploads into rows: everything but `main`.
//!
//! Owns the handlers of an import's three kinds of rows ([`ImportHandler`] reads an upload and cuts
//! it into batches, [`BatchHandler`] applies one, [`FinishHandler`] says what became of it all and
//! writes the file of what failed) and [`start`], the process around them. Promises that nothing is
//! in the table before the whole file has been read; that every sheet row is in exactly one batch
//! and every batch in the ledger exactly once; that reading, judging, cutting and storing overlap
//! and memory does not grow with rows but for 20 bytes of each key; that a file which makes its
//! reader panic or stand still costs its import and not the worker. Proven by `tests/it/`.

mod batch;
mod batches;
mod checking;
mod context;
mod cutter;
mod duplicates;
mod extent;
mod failure;
mod failures;
mod finish;
mod forebears;
mod import;
mod join;
mod keys;
mod object;
mod pass;
mod reading;
mod refusals;
mod sealed;
mod sheet;
mod sizes;
mod sorted;
mod split;
mod spool;
mod tally;
mod watch;
mod wiring;

pub use batch::BatchHandler;
pub use finish::FinishHandler;
pub use import::{ImportHandler, ReadingTerms};
pub use keys::{Duplicates, Key, KeyList, Question, Suspects, text_hash};
pub use sizes::{BatchSizes, MAX_BATCHES};
pub use wiring::start;
