//! From text to records (RFC 4180, as spreadsheet programs read it).
//!
//! A quote opens a field only at its beginning; elsewhere it is a sign as any other. A record ends
//! at CR LF, LF or CR. What follows a closing quote belongs to the field, as a spreadsheet shows it;
//! but when the quoted part runs over a line end and more than blanks follows, a quote is missing
//! somewhere before, and rows would be swallowed: that is refused, and so is a quote that nothing
//! closes.

use crate::read::{ReadLimits, Refusal};

/// Bytes of a field beside its text, as [`ReadLimits::row_bytes`] counts them.
const FIELD_BYTES: usize = 16;

/// One record: one row of the sheet, however many lines it has.
#[derive(Debug, Default)]
pub(super) struct Record {
    text: String,
    fields: Vec<Field>,
    /// Fields, the empty ones too.
    pub(super) width: usize,
}

#[derive(Debug, Clone, Copy)]
struct Field {
    column: usize,
    start: usize,
    end: usize,
}

impl Record {
    /// The fields that hold something, with their columns; an empty one in quotes is an empty text.
    pub(super) fn fields(&self) -> impl ExactSizeIterator<Item = (usize, &str)> {
        let text = &self.text;
        self.fields
            .iter()
            .map(|field| (field.column, &text[field.start..field.end]))
    }

    fn clear(&mut self) {
        self.text.clear();
        self.fields.clear();
        self.width = 0;
    }

    fn size_bytes(&self) -> usize {
        self.text.len() + self.fields.len() * FIELD_BYTES
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a field.
    Before,
    /// In a field, outside quotes.
    Plain,
    /// Inside quotes.
    Quoted,
    /// After a quote inside quotes: it closes the field or is one of two.
    Quote,
    /// After the closing quote of several lines: only blanks may follow.
    Closed,
}

/// Cuts text into records.
#[derive(Debug)]
pub(super) struct Parser {
    separator: u8,
    /// Bytes of a record at most.
    most_bytes: usize,
    state: State,
    /// Where the present field begins in the record's text.
    start: usize,
    /// The present field is or was in quotes.
    quoted: bool,
    /// The record before ended with CR: an LF now belongs to it.
    after_cr: bool,
    record: Record,
    /// Records that have ended.
    count: u64,
}

impl Parser {
    pub(super) fn new(separator: u8, limits: &ReadLimits) -> Self {
        Self {
            separator,
            most_bytes: limits.row_bytes,
            state: State::Before,
            start: 0,
            quoted: false,
            after_cr: false,
            record: Record::default(),
            count: 0,
        }
    }

    /// Takes the next text, which may end anywhere between two characters, and hands on every record
    /// that ends in it.
    pub(super) fn feed(
        &mut self,
        text: &str,
        on_record: &mut impl FnMut(&Record) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            at = match self.state {
                State::Before => self.before(bytes, at),
                State::Plain => self.plain(text, at, on_record)?,
                State::Quoted => self.inside_quotes(text, at),
                State::Quote => self.after_quote(bytes, at),
                State::Closed => self.closed(text, at)?,
            };
        }
        self.check_size()
    }

    fn before(&mut self, bytes: &[u8], at: usize) -> usize {
        let is_rest_of_line_end = self.after_cr && bytes[at] == b'\n';
        self.after_cr = false;
        if is_rest_of_line_end {
            return at + 1;
        }
        if bytes[at] == b'"' {
            self.quoted = true;
            self.state = State::Quoted;
            return at + 1;
        }
        self.state = State::Plain;
        at
    }

    fn plain(
        &mut self,
        text: &str,
        at: usize,
        on_record: &mut impl FnMut(&Record) -> Result<(), Refusal>,
    ) -> Result<usize, Refusal> {
        let bytes = text.as_bytes();
        let Some(length) = memchr::memchr3(self.separator, b'\n', b'\r', &bytes[at..]) else {
            self.record.text.push_str(&text[at..]);
            return Ok(bytes.len());
        };
        let end = at + length;
        self.record.text.push_str(&text[at..end]);
        self.end_field();
        if bytes[end] != self.separator {
            self.after_cr = bytes[end] == b'\r';
            self.end_record(on_record)?;
        }
        Ok(end + 1)
    }

    fn inside_quotes(&mut self, text: &str, at: usize) -> usize {
        let rest = &text[at..];
        match memchr::memchr(b'"', rest.as_bytes()) {
            Some(length) => {
                self.record.text.push_str(&rest[..length]);
                self.state = State::Quote;
                at + length + 1
            }
            None => {
                self.record.text.push_str(rest);
                text.len()
            }
        }
    }

    fn after_quote(&mut self, bytes: &[u8], at: usize) -> usize {
        if bytes[at] == b'"' {
            self.record.text.push('"');
            self.state = State::Quoted;
            return at + 1;
        }
        let own = &self.record.text[self.start..];
        self.state = if !self.is_end(bytes[at]) && own.contains(['\n', '\r']) {
            State::Closed
        } else {
            State::Plain
        };
        at
    }

    fn closed(&mut self, text: &str, at: usize) -> Result<usize, Refusal> {
        let rest = &text.as_bytes()[at..];
        let is_blank = |byte: &&u8| **byte == b' ' && **byte != self.separator;
        let blanks = rest.iter().take_while(is_blank).count();
        let end = at + blanks;
        self.record.text.push_str(&text[at..end]);
        match rest.get(blanks) {
            Some(byte) if !self.is_end(*byte) => return Err(self.unbalanced()),
            Some(_) => self.state = State::Plain,
            None => {}
        }
        Ok(end)
    }

    /// Whether a field ends before this.
    fn is_end(&self, byte: u8) -> bool {
        byte == self.separator || matches!(byte, b'\r' | b'\n')
    }

    fn end_field(&mut self) {
        let end = self.record.text.len();
        if end > self.start || self.quoted {
            self.record.fields.push(Field {
                column: self.record.width,
                start: self.start,
                end,
            });
        }
        self.record.width += 1;
        self.start = end;
        self.quoted = false;
        self.state = State::Before;
    }

    fn end_record(
        &mut self,
        on_record: &mut impl FnMut(&Record) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.check_size()?;
        on_record(&self.record)?;
        self.record.clear();
        self.start = 0;
        self.count += 1;
        Ok(())
    }

    /// Ends the last record, if the file does not end with a line end.
    pub(super) fn finish(
        &mut self,
        on_record: &mut impl FnMut(&Record) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        match self.state {
            State::Quoted => return Err(self.unbalanced()),
            State::Before if self.record.width == 0 => return Ok(()),
            State::Before | State::Plain | State::Quote | State::Closed => {}
        }
        self.end_field();
        self.end_record(on_record)
    }

    /// Called at the end of each block and record, so a record outgrows its bound by a block at most.
    fn check_size(&self) -> Result<(), Refusal> {
        if self.record.size_bytes() <= self.most_bytes {
            return Ok(());
        }
        let number = self.count + 1;
        let most = self.most_bytes;
        Err(Refusal::beyond(format!(
            "record {number} holds more than {most} bytes"
        )))
    }

    fn unbalanced(&self) -> Refusal {
        let number = self.count + 1;
        Refusal::broken(format!("record {number}: a quote is missing"))
    }
}
