//! The two places where files can lie, each on an empty directory, and what tests put there.

use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use service::{Label, Storage, StorageError, StorageSettings};
use tempfile::TempDir;

use super::server::{BUCKET, S3Server};

pub(crate) const MIB: usize = 1024 * 1024;

/// An empty place.
pub(crate) struct Place {
    pub(crate) settings: StorageSettings,
    pub(crate) server: Option<S3Server>,
    pub(crate) directory: TempDir,
}

impl Place {
    pub(crate) fn local() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = StorageSettings {
            root: directory.path().join("root"),
            ..StorageSettings::default()
        };
        Self {
            settings,
            server: None,
            directory,
        }
    }

    pub(crate) async fn s3() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = S3Server::start(directory.path()).await;
        Self {
            settings: server.settings(),
            server: Some(server),
            directory,
        }
    }

    pub(crate) fn storage(&self) -> Storage {
        Storage::open(&self.settings).unwrap()
    }

    pub(crate) fn server(&self) -> &S3Server {
        self.server.as_ref().unwrap()
    }

    /// Where the files of objects lie.
    pub(crate) fn root(&self) -> PathBuf {
        match &self.server {
            Some(_) => self.directory.path().join(BUCKET),
            None => self.settings.root.clone(),
        }
    }

    /// Every file that lies anywhere: objects, and what uploads left, parts on the server included.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        gather(self.directory.path(), &mut files);
        files
    }
}

fn gather(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// Bytes that differ from place to place.
pub(crate) fn noise(length: usize) -> Bytes {
    (0_u32..)
        .take(length)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

/// The content in pieces of no round size.
pub(crate) fn in_pieces(
    content: &Bytes,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + use<> {
    let pieces: Vec<_> = content
        .chunks(1_000_003)
        .map(|piece| Ok(content.slice_ref(piece)))
        .collect();
    stream::iter(pieces)
}

/// The content, and then the pipe breaks.
pub(crate) fn broken_after(
    content: &Bytes,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + use<> {
    in_pieces(content).chain(stream::once(async {
        Err(std::io::Error::other("the pipe broke"))
    }))
}

pub(crate) async fn put(storage: &Storage, key: &str, content: &Bytes) -> service::Stored {
    let label = Label::new("成员.xlsx");
    let stored = storage.put(key, &label, in_pieces(content)).await;
    stored.unwrap()
}

pub(crate) async fn put_error(storage: &Storage, key: &str, content: &Bytes) -> StorageError {
    let label = Label::new("成员.xlsx");
    let stored = storage.put(key, &label, in_pieces(content)).await;
    stored.unwrap_err()
}

pub(crate) async fn read(storage: &Storage, key: &str, range: Option<Range<u64>>) -> Bytes {
    let object = storage.get(key, range).await.unwrap();
    let pieces: Vec<_> = object.stream.try_collect().await.unwrap();
    pieces.concat().into()
}
