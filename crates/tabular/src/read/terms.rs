//! How a file is to be read.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use domain::TextEncoding;

use super::{Pulse, ReadLimits, StopSign};

/// What whoever opens a [`Book`](super::Book) decides.
#[derive(Debug, Clone, Default)]
pub struct ReadTerms {
    /// In which encoding a csv is said to be written; without it, that is found out.
    pub encoding: Option<TextEncoding>,
    /// What the file may hold and cost.
    pub limits: ReadLimits,
    /// Where shared strings spill to, into a file without a name; none for the system's own
    /// directory.
    pub temp_dir: Option<PathBuf>,
    /// Ends the reading from outside, with `internal`.
    pub stop: StopSign,
    /// Shows whether the reading gets on.
    pub pulse: Pulse,
}

impl ReadTerms {
    /// These limits, and nothing else decided.
    #[must_use]
    pub fn within(limits: ReadLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// A file that no directory names.
    pub(super) fn temp_file(&self) -> io::Result<File> {
        match &self.temp_dir {
            Some(directory) => tempfile::tempfile_in(directory),
            None => tempfile::tempfile(),
        }
    }
}
