//! Saves a task's file: streamed into a temporary file beside its place, checked by size and
//! SHA-256 against what the task says, then renamed. A download that breaks goes on where it broke,
//! a few times, and leaves nothing when that does not help.

mod place;
mod source;
mod target;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use reqwest::Response;
use reqwest::header::{CONTENT_DISPOSITION, HeaderMap};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::sync::mpsc;

use crate::client::Gateway;
use crate::exit::{Exit, Failure};
use crate::wire::Task;
use place::{place, place_named};
use source::Source;
use target::temporary;

pub(crate) use target::Target;

/// Pieces that wait between network and disk, at most.
const WAITING_PIECES: usize = 16;

/// A file that lies where it was asked for.
pub(crate) struct Saved {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
}

/// Saves the task's main file; in a directory it gets the server's name, or one like it that is
/// free. What is there is replaced only where the target says so.
pub(crate) async fn save(
    gateway: &Gateway,
    task: &Task,
    target: &Target,
) -> Result<Saved, Failure> {
    let hash = task.main_file().and_then(|file| file.sha256.as_deref());
    let mut source = Source::open(gateway, &task.id, hash).await?;
    let place = place(&target.output, file_name(source.headers()), task);
    let cannot = |error: &dyn std::fmt::Display| {
        let deed = format!("cannot save into {}", place.folder().display());
        Failure::local(deed, error)
    };
    let (pieces, received) = mpsc::channel::<Bytes>(WAITING_PIECES);
    let folder = place.folder().to_owned();
    let writer = tokio::task::spawn_blocking(move || write(&folder, received));
    let streamed = hand_on(&mut source, pieces).await;
    let written = writer.await.map_err(|error| cannot(&error))?;
    streamed?;
    let written = written.map_err(|error| {
        cannot(&error).advise("Choose another place with -o, or make room there.")
    })?;
    check(&written, task)?;
    let size = written.size;
    let path = place
        .keep(written.file, target.overwrite)
        .map_err(|error| cannot(&error))?;
    Ok(Saved { path, size })
}

/// Saves an answer that is a file of no task; in a directory it gets the server's name, else
/// `fallback`.
pub(crate) async fn keep(
    mut answer: Response,
    target: &Target,
    fallback: &str,
) -> Result<Saved, Failure> {
    let named = file_name(answer.headers()).unwrap_or_else(|| fallback.to_owned());
    let place = place_named(&target.output, named);
    let cannot = |error: &dyn std::fmt::Display| {
        let deed = format!("cannot save into {}", place.folder().display());
        Failure::local(deed, error)
    };
    let mut file = temporary(place.folder()).map_err(|error| cannot(&error))?;
    let mut size = 0;
    while let Some(piece) = answer.chunk().await.map_err(|error| cannot(&error))? {
        file.write_all(&piece).map_err(|error| cannot(&error))?;
        size += piece.len() as u64;
    }
    let path = place
        .keep(file, target.overwrite)
        .map_err(|error| cannot(&error))?;
    Ok(Saved { path, size })
}

/// Hands the bytes to the writer, until the end of either.
async fn hand_on(source: &mut Source<'_>, pieces: mpsc::Sender<Bytes>) -> Result<(), Failure> {
    while let Some(piece) = source.next().await? {
        // The writer is gone when it failed; it says why itself.
        if pieces.send(piece).await.is_err() {
            break;
        }
    }
    Ok(())
}

struct Written {
    file: NamedTempFile,
    size: u64,
    sha256: String,
}

fn write(folder: &Path, mut pieces: mpsc::Receiver<Bytes>) -> io::Result<Written> {
    let mut file = temporary(folder)?;
    let mut hash = Sha256::new();
    let mut size: u64 = 0;
    while let Some(piece) = pieces.blocking_recv() {
        file.write_all(&piece)?;
        hash.update(&piece);
        size += piece.len() as u64;
    }
    file.as_file().sync_all()?;
    Ok(Written {
        file,
        size,
        sha256: hex::encode(hash.finalize()),
    })
}

fn check(written: &Written, task: &Task) -> Result<(), Failure> {
    let Some(told) = task.main_file() else {
        return Ok(());
    };
    let hash_fits = told
        .sha256
        .as_ref()
        .is_none_or(|hash| hash.eq_ignore_ascii_case(&written.sha256));
    if told.size == written.size && hash_fits {
        return Ok(());
    }
    let what = format!(
        "the file arrived damaged: {} bytes with SHA-256 {}, where the task says {} bytes with {}",
        written.size,
        written.sha256,
        told.size,
        told.sha256.as_deref().unwrap_or("none")
    );
    Err(Failure::new(Exit::Failed, what).advise("Nothing was saved. Try again."))
}

/// The name in `Content-Disposition: …; filename*=UTF-8''…` (RFC 6266, RFC 8187).
fn file_name(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_DISPOSITION)?.to_str().ok()?;
    let extended = value
        .split(';')
        .find_map(|part| part.trim().strip_prefix("filename*="))?;
    let encoded = extended
        .trim()
        .strip_prefix("UTF-8''")
        .or_else(|| extended.trim().strip_prefix("utf-8''"))?;
    harmless(&percent_decode_str(encoded).decode_utf8().ok()?)
}

/// A name that stays in its directory, or nothing.
fn harmless(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let fits = !last.is_empty() && !last.starts_with('.') && !last.chars().any(char::is_control);
    fits.then(|| last.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(disposition: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_DISPOSITION, disposition.parse().ok()?);
        file_name(&headers)
    }

    #[test]
    fn the_chinese_name_of_the_server_is_read() {
        let name =
            named("attachment; filename=\"x.xlsx\"; filename*=UTF-8''%E5%91%98%E5%B7%A5.xlsx");
        assert_eq!(name.as_deref(), Some("员工.xlsx"));
    }

    #[test]
    fn a_name_never_leaves_its_directory() {
        for (name, kept) in [
            ("..%2F..%2Fetc%2Fpasswd", Some("passwd")),
            ("..%5Cx.xlsx", Some("x.xlsx")),
            ("..", None),
            (".bashrc", None),
            ("", None),
            ("a%00b", None),
            ("a%0Ab", None),
        ] {
            assert_eq!(
                named(&format!("attachment; filename*=UTF-8''{name}")).as_deref(),
                kept
            );
        }
    }
}
