//! Inflating ahead, on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::Refusal;
use super::decode::Utf8;
use super::meter::Meter;

/// Blocks that wait, each of some 128 KiB (three times that where the part is in UTF-16).
const BLOCKS: usize = 4;

/// The text of a part, block by block. The thread ends when the part does or this is dropped.
pub(super) struct Ahead {
    blocks: Option<Receiver<Result<Vec<u8>, Refusal>>>,
    spent: Sender<Vec<u8>>,
    thread: Option<JoinHandle<()>>,
    meter: Arc<Meter>,
}

impl Ahead {
    pub(super) fn start(text: Utf8, meter: Arc<Meter>) -> Result<Self, Refusal> {
        let (send, blocks) = sync_channel(BLOCKS);
        let (spent, again) = channel();
        let thread = Builder::new()
            .name("inflate".into())
            .spawn(move || run(text, &send, &again))?;
        Ok(Self {
            blocks: Some(blocks),
            spent,
            thread: Some(thread),
            meter,
        })
    }

    /// Appends the next block; false at the end, when size and CRC were right. `work` is what was
    /// done with the blocks before.
    pub(super) fn more(&mut self, out: &mut Vec<u8>, work: u64) -> Result<bool, Refusal> {
        self.meter.spend(work)?;
        let block = self.blocks.as_ref().and_then(|blocks| blocks.recv().ok());
        // the sender tells the end before it goes
        let block = block.ok_or_else(|| Refusal::broken("inflating ended before the part"))??;
        if block.is_empty() {
            return Ok(false);
        }
        out.extend_from_slice(&block);
        drop(self.spent.send(block));
        Ok(true)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.blocks = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// An empty block tells the end.
fn run(mut text: Utf8, send: &SyncSender<Result<Vec<u8>, Refusal>>, again: &Receiver<Vec<u8>>) {
    loop {
        let mut block = again.try_recv().unwrap_or_default();
        block.clear();
        let more = match text.block(&mut block) {
            // a part in UTF-16 may give no text for a few bytes
            Ok(true) if block.is_empty() => continue,
            Ok(more) => more,
            Err(refusal) => {
                drop(send.send(Err(refusal)));
                return;
            }
        };
        let ends = !more && !block.is_empty();
        if send.send(Ok(block)).is_err() || (ends && send.send(Ok(Vec::new())).is_err()) || !more {
            return;
        }
    }
}
