//! Going from element to element.

use super::{Event, Xml};
use crate::read::Refusal;
use crate::read::meter::{TEXT, TOKEN};

impl Xml {
    /// Goes past the end of the element that has just started.
    pub(crate) fn skip(&mut self) -> Result<(), Refusal> {
        let depth = self.open.len();
        while self.next()? != Event::End || self.open.len() >= depth {}
        Ok(())
    }

    /// Goes on to the next child of the present element: true with its Start or Empty as the
    /// present token, false at the element's end. Each Start must be read to its end or skipped.
    pub(crate) fn child(&mut self) -> Result<bool, Refusal> {
        loop {
            match self.next()? {
                Event::Start | Event::Empty => return Ok(true),
                Event::End | Event::Eof => return Ok(false),
                Event::Text => {}
            }
        }
    }

    /// Goes past the end of the element whose Start or Empty is the present token.
    pub(crate) fn leave(&mut self) -> Result<(), Refusal> {
        if self.is_empty() { Ok(()) } else { self.skip() }
    }

    /// Reads what is left of the document behind its root's end.
    pub(crate) fn finish(&mut self) -> Result<(), Refusal> {
        while self.next()? != Event::Eof {}
        Ok(())
    }

    /// Whether the present tag is an empty element.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer[self.next - 2] == b'/'
    }

    /// Appends all text of the element that has just started, and goes past its end.
    pub(crate) fn text_of_element(&mut self, out: &mut String, most: usize) -> Result<(), Refusal> {
        loop {
            match self.next()? {
                Event::Text => self.push_text(out)?,
                Event::Start => self.skip()?,
                Event::Empty => {}
                Event::End | Event::Eof => return Ok(()),
            }
            if out.len() > most {
                return Err(Refusal::beyond("a text is too long"));
            }
        }
    }

    /// The text of the element that has just started, when it stands in one child alone and wholly
    /// in the buffer, as `open` and `close` write it, and needs no decoding; goes past the
    /// element's end. Else nothing has been read. Most cells and strings are so plain, and this is
    /// several times as fast as going from tag to tag.
    pub(crate) fn plain_text(
        &mut self,
        element: &[u8],
        open: &[u8],
        close: &[u8],
    ) -> Option<&[u8]> {
        if self.qualified_name() != element {
            return None;
        }
        let rest = self.buffer[self.next..].strip_prefix(open)?;
        let special = |byte: &u8| matches!(byte, b'<' | b'&' | b'\r');
        let length = rest.iter().position(special)?;
        if !rest[length..].starts_with(close) {
            return None;
        }
        let start = self.next + open.len();
        self.next = start + length + close.len();
        self.work += TOKEN + TEXT * length as u64;
        self.open.pop();
        Some(&self.buffer[start..start + length])
    }
}
