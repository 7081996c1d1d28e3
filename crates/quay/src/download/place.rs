//! Where a downloaded file comes to lie, and under which name.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::harmless;
use super::target::{ends_in_slash, parent};
use crate::print::say;
use crate::text::plain;
use crate::wire::Task;

/// Names tried beside one that is taken: `a.xlsx`, `a (1).xlsx`, …
const MAX_NAMES: u32 = 1000;

/// Where the file is to lie.
pub(super) enum Place {
    /// Exactly there.
    File(PathBuf),
    /// There under this name, or one like it that is free.
    Folder(PathBuf, String),
}

pub(super) fn place(output: &Path, named: Option<String>, task: &Task) -> Place {
    let listed = task.main_file().and_then(|file| harmless(&file.name));
    if !output.is_dir() && !ends_in_slash(output) {
        warn_of_other_kind(output, named.or(listed).as_deref());
        return Place::File(output.to_owned());
    }
    let name = named
        .or(listed)
        .unwrap_or_else(|| format!("task-{}.xlsx", task.id));
    Place::Folder(output.to_owned(), name)
}

/// As [`place`], for a file that belongs to no task.
pub(super) fn place_named(output: &Path, name: String) -> Place {
    if !output.is_dir() && !ends_in_slash(output) {
        return Place::File(output.to_owned());
    }
    Place::Folder(output.to_owned(), name)
}

/// A zip of parts that is called .xlsx would be taken for a damaged workbook.
fn warn_of_other_kind(output: &Path, named: Option<&str>) {
    let kind = |path: &Path| path.extension().map(|ending| ending.to_ascii_lowercase());
    let (Some(name), Some(wanted)) = (named, kind(output)) else {
        return;
    };
    if kind(Path::new(name)).is_some_and(|is| is != wanted) {
        let output = output.display();
        say(format_args!(
            "Note: what is saved as {output} is really a file like {}.",
            plain(name)
        ));
    }
}

impl Place {
    pub(super) fn folder(&self) -> &Path {
        match self {
            Self::Folder(folder, _) => folder,
            Self::File(path) => parent(path),
        }
    }

    pub(super) fn keep(&self, file: NamedTempFile, overwrite: bool) -> io::Result<PathBuf> {
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(readable)?;
        let (folder, name) = match self {
            Self::File(path) => return put(file, path, overwrite),
            Self::Folder(folder, name) if overwrite => return put(file, &folder.join(name), true),
            Self::Folder(folder, name) => (folder, name),
        };
        let mut file = file;
        for attempt in 0..MAX_NAMES {
            let path = folder.join(numbered(name, attempt));
            match file.persist_noclobber(&path) {
                Ok(_) => return path.canonicalize(),
                Err(taken) if taken.error.kind() == io::ErrorKind::AlreadyExists => {
                    file = taken.file;
                }
                Err(other) => return Err(other.error),
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "too many files of that name",
        ))
    }
}

fn put(file: NamedTempFile, path: &Path, overwrite: bool) -> io::Result<PathBuf> {
    let put = if overwrite {
        file.persist(path)
    } else {
        file.persist_noclobber(path)
    };
    put.map_err(|error| error.error)?;
    path.canonicalize()
}

fn numbered(name: &str, attempt: u32) -> String {
    match (attempt, name.rsplit_once('.')) {
        (0, _) => name.to_owned(),
        (_, Some((stem, extension))) => format!("{stem} ({attempt}).{extension}"),
        (_, None) => format!("{name} ({attempt})"),
    }
}
