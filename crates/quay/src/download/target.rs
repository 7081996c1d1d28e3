//! The place that a person names for a file.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::exit::{Exit, Failure, root};

/// Where a person wants the file.
pub(crate) struct Target {
    pub(super) output: PathBuf,
    pub(super) overwrite: bool,
}

impl Target {
    /// Makes sure, before any work is asked for, that a file can be put at `output`: a directory,
    /// made when its name ends in a slash, or a file, which may be there only with `overwrite`.
    pub(crate) fn prepare(output: &Path, overwrite: bool) -> Result<Self, Failure> {
        let cannot = |error: io::Error| {
            let deed = format!("cannot save to {}", output.display());
            Failure::local(deed, root(&error)).advise("Choose another place with -o.")
        };
        let is_folder = output.is_dir() || ends_in_slash(output);
        let there = output.symlink_metadata().ok().filter(|_| !is_folder);
        if let Some(found) = there
            && !(overwrite && found.is_file())
        {
            let (what, advice) = if found.is_file() {
                (
                    "exists",
                    "Replace it with --overwrite, or choose another place with -o.",
                )
            } else {
                (
                    "exists and is no plain file",
                    "Choose another place with -o.",
                )
            };
            let what = format!("{} {what}", output.display());
            return Err(Failure::new(Exit::Failed, what).advise(advice));
        }
        if ends_in_slash(output) {
            std::fs::create_dir_all(output).map_err(cannot)?;
        }
        let folder = if is_folder { output } else { parent(output) };
        temporary(folder).map(drop).map_err(cannot)?;
        Ok(Self {
            output: output.to_owned(),
            overwrite,
        })
    }
}

/// The file that is written until its name is due; gone when dropped.
pub(super) fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".quay-")
        .suffix(".part")
        .tempfile_in(folder)
}

pub(super) fn ends_in_slash(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// The directory of a file.
pub(super) fn parent(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}
