//! A pull reader of XML that trusts nothing: bounded tokens, bounded depth, no DTD, no entities
//! but the five, tags that must match. It does not resolve namespaces: who reads a part asks for
//! local names in their places.

mod buffer;
mod tag;
mod text;
mod walk;

use memchr::memchr;

use super::Refusal;
use super::ahead::Ahead;
use super::meter::{ATTRIBUTE, BYTE, SEARCH, TEXT, TOKEN};
pub(super) use tag::Attribute;
use tag::{FEW, Scanned, scan};
pub(super) use text::{push_text, utf8};

/// Bytes of an attribute that is used as text: a name, a path, a format.
const LONGEST_ATTRIBUTE: usize = 8 * 1024;
/// Elements within elements.
const DEPTH: usize = 256;

/// What was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// `<name …>`
    Start,
    /// `<name …/>`
    Empty,
    /// `</name>`
    End,
    /// Characters, of a CDATA section or not; a comment cuts them in two.
    Text,
    /// The end of a document that was well-formed.
    Eof,
}

/// A part on its way.
pub(super) struct Xml {
    buffer: Vec<u8>,
    /// Where the present token begins, and where the next one does.
    start: usize,
    next: usize,
    /// Of the present tag: where its name ends. Of text: where its inside lies.
    name_end: usize,
    inside: (usize, usize),
    cdata: bool,
    /// Places relative to the byte behind `<`.
    attributes: Vec<Attribute>,
    /// What stands for the names of the open elements.
    open: Vec<u64>,
    begun: bool,
    source: Option<Ahead>,
    token_bytes: usize,
    /// What was done since the last block.
    work: u64,
}

impl Xml {
    /// A small part that lies in memory.
    pub(super) fn whole(text: Vec<u8>) -> Self {
        let token_bytes = text.len();
        Self::new(text, None, token_bytes)
    }

    /// A large part; no token of it may be larger than `token_bytes`.
    pub(super) fn streaming(source: Ahead, token_bytes: usize) -> Self {
        Self::new(Vec::new(), Some(source), token_bytes)
    }

    fn new(buffer: Vec<u8>, source: Option<Ahead>, token_bytes: usize) -> Self {
        Self {
            buffer,
            start: 0,
            next: 0,
            name_end: 0,
            inside: (0, 0),
            cdata: false,
            attributes: Vec::new(),
            open: Vec::new(),
            begun: false,
            source,
            token_bytes,
            work: 0,
        }
    }

    /// Counts work that was done with what has been read.
    pub(super) fn charge(&mut self, work: u64) {
        self.work += work;
    }

    /// Goes on to the next token.
    pub(super) fn next(&mut self) -> Result<Event, Refusal> {
        loop {
            self.start = self.next;
            self.work += TOKEN;
            let event = match self.buffer.get(self.start).copied() {
                Some(b'<') => self.markup()?,
                Some(_) => self.text_run()?,
                None if self.refill()? => None,
                None => return self.end(),
            };
            if let Some(event) = event {
                return Ok(event);
            }
        }
    }

    /// The local name of the present tag.
    pub(super) fn name(&self) -> &[u8] {
        local(self.qualified_name())
    }

    /// The attribute of exactly this name, as it stands in the file.
    pub(super) fn attribute(&self, name: &[u8]) -> Option<&[u8]> {
        self.attributes()
            .find(|(own, _)| *own == name)
            .map(|(_, value)| value)
    }

    /// The attribute of this local name, as it stands in the file.
    pub(super) fn local_attribute(&self, name: &[u8]) -> Option<&[u8]> {
        let mut attributes = self.attributes();
        attributes
            .find(|(own, _)| local(own) == name)
            .map(|(_, value)| value)
    }

    /// The attribute of this local name, decoded.
    pub(super) fn text_attribute(&self, name: &[u8]) -> Result<Option<String>, Refusal> {
        let value = self.local_attribute(name);
        value
            .map(|raw| {
                if raw.len() > LONGEST_ATTRIBUTE {
                    return Err(Refusal::beyond("an attribute is too long"));
                }
                let mut text = String::new();
                push_text(raw, &mut text)?;
                Ok(text.replace(['\n', '\t'], " "))
            })
            .transpose()
    }

    /// All attributes of the present tag: name and value, as they stand in the file.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let tag = &self.buffer[self.start + 1..];
        let show = |one: &Attribute| (&tag[one.name.0..one.name.1], &tag[one.value.0..one.value.1]);
        self.attributes.iter().map(show)
    }

    /// Appends the present text, decoded.
    pub(super) fn push_text(&mut self, out: &mut String) -> Result<(), Refusal> {
        self.work += 2 * TEXT * (self.inside.1 - self.inside.0) as u64;
        let inside = &self.buffer[self.inside.0..self.inside.1];
        if self.cdata {
            text::push_cdata(inside, out)
        } else {
            push_text(inside, out)
        }
    }

    fn qualified_name(&self) -> &[u8] {
        &self.buffer[self.start + 1..self.name_end]
    }

    fn markup(&mut self) -> Result<Option<Event>, Refusal> {
        while self.buffer.len() < self.start + 2 {
            self.must_refill()?;
        }
        match self.buffer[self.start + 1] {
            b'/' => self.end_tag().map(Some),
            b'?' => {
                self.work += SEARCH;
                self.next = self.find(2, b"?>")?;
                Ok(None)
            }
            b'!' => self.declaration(),
            _ => self.start_tag().map(Some),
        }
    }

    fn start_tag(&mut self) -> Result<Event, Refusal> {
        loop {
            self.attributes.clear();
            match scan(&self.buffer[self.start + 1..], &mut self.attributes) {
                Scanned::Whole {
                    name_end,
                    end,
                    empty,
                } => {
                    self.name_end = self.start + 1 + name_end;
                    self.next = self.start + 1 + end;
                    self.work += ATTRIBUTE * price(self.attributes.len());
                    return self.started(empty);
                }
                Scanned::Cut => {
                    // what has been scanned is scanned once more
                    self.work += BYTE * (self.buffer.len() - self.start) as u64;
                    self.must_refill()?;
                }
                Scanned::Bad => return Err(malformed()),
            }
        }
    }

    fn started(&mut self, empty: bool) -> Result<Event, Refusal> {
        if self.open.is_empty() && std::mem::replace(&mut self.begun, true) {
            return Err(malformed());
        }
        if empty {
            return Ok(Event::Empty);
        }
        if self.open.len() >= DEPTH {
            return Err(Refusal::beyond("a part is nested too deep"));
        }
        self.open.push(key(self.qualified_name()));
        Ok(Event::Start)
    }

    fn end_tag(&mut self) -> Result<Event, Refusal> {
        self.next = self.find(2, b">")?;
        let name = self.buffer[self.start + 2..self.next - 1].trim_ascii_end();
        if self.open.pop() != Some(key(name)) {
            return Err(malformed());
        }
        Ok(Event::End)
    }

    /// `<!`: a comment, or the beginning of CDATA; a DOCTYPE is where attacks begin.
    fn declaration(&mut self) -> Result<Option<Event>, Refusal> {
        while self.buffer.len() < self.start + 9 {
            if !self.refill()? {
                break;
            }
        }
        self.work += SEARCH;
        let head = &self.buffer[self.start..];
        if head.starts_with(b"<!--") {
            self.next = self.find(4, b"-->")?;
            return Ok(None);
        }
        if head.starts_with(b"<![CDATA[") && !self.open.is_empty() {
            self.next = self.find(9, b"]]>")?;
            self.inside = (self.start + 9, self.next - 3);
            self.cdata = true;
            return Ok(Some(Event::Text));
        }
        Err(Refusal::broken("a part declares a document type"))
    }

    fn text_run(&mut self) -> Result<Option<Event>, Refusal> {
        let mut from = 0;
        let end = loop {
            let rest = &self.buffer[self.start + from..];
            if let Some(at) = memchr(b'<', rest) {
                break self.start + from + at;
            }
            from += rest.len();
            if !self.refill()? {
                break self.buffer.len();
            }
        };
        self.next = end;
        self.inside = (self.start, end);
        self.cdata = false;
        if self.open.is_empty() {
            return match self.buffer[self.start..end].trim_ascii() {
                [] => Ok(None),
                _ => Err(malformed()),
            };
        }
        Ok(Some(Event::Text))
    }

    fn end(&self) -> Result<Event, Refusal> {
        if self.open.is_empty() && self.begun {
            Ok(Event::Eof)
        } else {
            Err(Refusal::broken("a part ends before its XML does"))
        }
    }
}

/// Attributes that are few count once.
fn price(attributes: usize) -> u64 {
    let sorted = if attributes > FEW { 2 } else { 1 };
    sorted * attributes as u64
}

fn local(name: &[u8]) -> &[u8] {
    match name.iter().position(|byte| *byte == b':') {
        Some(colon) => &name[colon + 1..],
        None => name,
    }
}

/// Stands for a name: end tags are held against it, which need not withstand malice.
fn key(name: &[u8]) -> u64 {
    let fold = |key: u64, byte: &u8| key.rotate_left(9) ^ u64::from(*byte);
    name.iter().fold(name.len() as u64, fold)
}

fn malformed() -> Refusal {
    Refusal::broken("a part's XML is not well-formed")
}
