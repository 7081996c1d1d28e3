//! Server-sent events, read as they come.
//!
//! Source: WHATWG HTML, 9.2.6 "Interpreting an event stream". However the bytes are cut into
//! pieces, the same events come out.

/// Most bytes of one event; what is longer is no stream of ours.
const MAX_EVENT_BYTES: usize = 16 << 20;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// `message` when the server named none.
    pub(crate) name: String,
    pub(crate) data: String,
}

/// An event that never ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Reads a stream; kept across connections, since the last id is.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    line: Vec<u8>,
    name: String,
    data: Option<String>,
    /// Given by the event under way; counts once that event is whole.
    next_id: Option<String>,
    last_id: Option<String>,
    retry_millis: Option<u64>,
    after_return: bool,
    begun: bool,
}

impl Reader {
    /// What to send as `Last-Event-ID`.
    pub(crate) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// After how many milliseconds the server wants to be asked again.
    pub(crate) fn retry_millis(&self) -> Option<u64> {
        self.retry_millis
    }

    /// Forgets the half of an event that a broken connection left.
    pub(crate) fn begin(&mut self) {
        *self = Self {
            last_id: self.last_id.take(),
            retry_millis: self.retry_millis,
            ..Self::default()
        };
    }

    /// Takes the next bytes and gives the events that they complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            let second_half = std::mem::take(&mut self.after_return) && byte == b'\n';
            match byte {
                b'\n' if second_half => {}
                b'\n' | b'\r' => {
                    self.after_return = byte == b'\r';
                    events.extend(self.end_line());
                }
                _ => self.line.push(byte),
            }
            let held = self.line.len() + self.data.as_ref().map_or(0, String::len);
            if held > MAX_EVENT_BYTES {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<Event> {
        let bytes = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes);
        let first = !std::mem::replace(&mut self.begun, true);
        let text = text
            .strip_prefix('\u{feff}')
            .filter(|_| first)
            .unwrap_or(&text);
        if text.is_empty() {
            return self.end_event();
        }
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.name = value.to_owned(),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => self.next_id = Some(value.to_owned()),
            "retry" => self.retry_millis = value.parse().ok().or(self.retry_millis),
            _ => {} // a comment, or a field of a later day
        }
        None
    }

    fn end_event(&mut self) -> Option<Event> {
        if let Some(id) = self.next_id.take() {
            self.last_id = Some(id).filter(|id| !id.is_empty());
        }
        let name = std::mem::take(&mut self.name);
        let data = self.data.take()?;
        let name = if name.is_empty() {
            "message".to_owned()
        } else {
            name
        };
        Some(Event { name, data })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str = "\u{feff}: hello\nretry: 2000\n\nevent: task\nid: 17\ndata: {\"a\":\ndata:1}\n\n\
        data\r\n\r\n: 还在\r\rid: 18\rdata:  张\r\r\nid\ndata: x\nevent: half";

    fn read(pieces: &[&[u8]]) -> (Vec<Event>, Option<String>, Option<u64>) {
        let mut reader = Reader::default();
        let mut events = Vec::new();
        for piece in pieces {
            events.extend(reader.feed(piece).expect("short enough"));
        }
        (events, reader.last_id.clone(), reader.retry_millis)
    }

    fn event(name: &str, data: &str) -> Event {
        Event {
            name: name.to_owned(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn each_rule_of_the_format_holds_and_half_an_event_is_none() {
        let (events, last_id, retry) = read(&[STREAM.as_bytes()]);
        let all = [
            event("task", "{\"a\":\n1}"),
            event("message", ""),
            event("message", " 张"),
        ];
        assert_eq!(events, all);
        assert_eq!((last_id.as_deref(), retry), (Some("18"), Some(2000)));
    }

    #[test]
    fn a_new_connection_keeps_the_id_and_drops_the_half() {
        let mut reader = Reader::default();
        let first = reader.feed(b"id: 1\ndata: a\n\nid: 2\ndata: b");
        assert_eq!(first, Ok(vec![event("message", "a")]));
        reader.begin();
        assert_eq!(reader.last_id(), Some("1"));
        assert_eq!(reader.feed(b"data: c\n\n"), Ok(vec![event("message", "c")]));
    }

    #[test]
    fn an_event_without_end_is_not_kept() {
        let mut reader = Reader::default();
        let piece = vec![b'x'; MAX_EVENT_BYTES];
        assert_eq!(reader.feed(b"data: "), Ok(Vec::new()));
        assert_eq!(reader.feed(&piece), Err(TooLong));
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_events(cuts in prop::collection::vec(0..STREAM.len(), 0..8)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let bytes = STREAM.as_bytes();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&pieces), read(&[bytes]));
        }
    }
}
