//! What lies in memory of a part that streams.

use memchr::{memchr, memmem};

use super::Xml;
use crate::read::Refusal;

impl Xml {
    /// Where the first `needle` ends that begins at least so far behind the token's beginning.
    pub(super) fn find(&mut self, behind: usize, needle: &[u8]) -> Result<usize, Refusal> {
        let mut from = behind;
        loop {
            let rest = self.buffer.get(self.start + from..).unwrap_or_default();
            let found = match needle {
                [byte] => memchr(*byte, rest),
                _ => memmem::find(rest, needle),
            };
            if let Some(at) = found {
                return Ok(self.start + from + at + needle.len());
            }
            from += rest.len().saturating_sub(needle.len() - 1);
            self.must_refill()?;
        }
    }

    pub(super) fn must_refill(&mut self) -> Result<(), Refusal> {
        if self.refill()? {
            Ok(())
        } else {
            Err(Refusal::broken("a part ends before its XML does"))
        }
    }

    /// Moves the present token to the buffer's beginning and appends the next block.
    pub(super) fn refill(&mut self) -> Result<bool, Refusal> {
        let Some(source) = &mut self.source else {
            return Ok(false);
        };
        if self.buffer.len() - self.start > self.token_bytes {
            return Err(Refusal::beyond("a part holds a token that is too long"));
        }
        self.buffer.drain(..self.start);
        self.next -= self.start;
        self.start = 0;
        let more = source.more(&mut self.buffer, std::mem::take(&mut self.work))?;
        if !more {
            self.source = None;
        }
        Ok(more)
    }
}
