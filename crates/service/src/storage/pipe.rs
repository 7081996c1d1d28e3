//! The pipe between the thread that writes a file and its upload: bounded, and never mistaken for
//! whole when it was cut. Shown by the workers' own tests.

use std::io::{self, Write};

use bytes::Bytes;
use futures::Stream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Bytes of one piece.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that may wait for the upload.
const PIECES_WAITING: usize = 4;

enum Piece {
    Bytes(Bytes),
    /// Nothing is missing.
    End,
}

/// The writer's end; for a thread outside the runtime. What is written waits for the upload: at most
/// 1 MiB is in between.
pub struct PipeWriter {
    pieces: mpsc::Sender<Piece>,
    buffer: Vec<u8>,
    runtime: Handle,
    stop: CancellationToken,
}

/// A pipe that breaks when `stop` falls; what comes out of it is the content of
/// [`Storage::put`](crate::Storage::put).
pub fn pipe(
    runtime: Handle,
    stop: CancellationToken,
) -> (PipeWriter, impl Stream<Item = io::Result<Bytes>> + Send) {
    let (pieces, receiver) = mpsc::channel(PIECES_WAITING);
    let buffer = Vec::with_capacity(PIECE_BYTES);
    let read = futures::stream::try_unfold(Some(receiver), |receiver| async move {
        let Some(mut receiver) = receiver else {
            return Ok(None);
        };
        match receiver.recv().await {
            Some(Piece::Bytes(bytes)) => Ok(Some((bytes, Some(receiver)))),
            Some(Piece::End) => Ok(None),
            None => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the writer broke off",
            )),
        }
    });
    (
        PipeWriter {
            pieces,
            buffer,
            runtime,
            stop,
        },
        read,
    )
}

impl PipeWriter {
    /// Says that all has been written. A pipe dropped without it ends in an error at the reader.
    ///
    /// # Errors
    /// When the upload has ended, or the pipe was stopped.
    pub fn end(mut self) -> io::Result<()> {
        self.flush()?;
        self.send(Piece::End)
    }

    fn send(&self, piece: Piece) -> io::Result<()> {
        let sent = self.runtime.block_on(async {
            tokio::select! {
                () = self.stop.cancelled() => false,
                sent = self.pieces.send(piece) => sent.is_ok(),
            }
        });
        if sent {
            Ok(())
        } else {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
}

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE_BYTES - self.buffer.len();
        let taken = &bytes[..bytes.len().min(room)];
        self.buffer.extend_from_slice(taken);
        if self.buffer.len() == PIECE_BYTES {
            self.flush()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE_BYTES));
        self.send(Piece::Bytes(full.into()))
    }
}
