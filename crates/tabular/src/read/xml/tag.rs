//! One start tag.

/// Where an attribute's name and value lie; values without their quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attribute {
    pub(super) name: (usize, usize),
    pub(super) value: (usize, usize),
}

/// Attributes of one tag.
const MOST: usize = 512;
/// So few are compared each with each.
pub(super) const FEW: usize = 8;

pub(super) enum Scanned {
    /// The whole tag is there; `end` is behind its `>`.
    Whole {
        name_end: usize,
        end: usize,
        empty: bool,
    },
    /// The tag goes on behind these bytes.
    Cut,
    Bad,
}

/// Scans a tag from the byte behind its `<`.
pub(super) fn scan(bytes: &[u8], attributes: &mut Vec<Attribute>) -> Scanned {
    let name_end = name_end(bytes, 0);
    if name_end == 0 && !bytes.is_empty() {
        return Scanned::Bad;
    }
    let mut at = name_end;
    loop {
        let gap = at;
        at = behind_space(bytes, at);
        let (end, empty) = match bytes.get(at) {
            None => return Scanned::Cut,
            Some(b'>') => (at + 1, false),
            Some(b'/') => match bytes.get(at + 1) {
                None => return Scanned::Cut,
                Some(b'>') => (at + 2, true),
                Some(_) => return Scanned::Bad,
            },
            Some(_) if gap == at => return Scanned::Bad,
            Some(_) => match attribute(bytes, at) {
                Ok(one) => {
                    at = one.value.1 + 1;
                    if attributes.len() == MOST {
                        return Scanned::Bad;
                    }
                    attributes.push(one);
                    continue;
                }
                Err(other) => return other,
            },
        };
        if repeat(bytes, attributes) {
            return Scanned::Bad;
        }
        return Scanned::Whole {
            name_end,
            end,
            empty,
        };
    }
}

fn attribute(bytes: &[u8], start: usize) -> Result<Attribute, Scanned> {
    let name = (start, name_end(bytes, start));
    let equals = behind_space(bytes, name.1);
    let quote_at = behind_space(bytes, equals + 1);
    match bytes.get(equals) {
        None => return Err(Scanned::Cut),
        Some(b'=') if name.0 < name.1 => {}
        Some(_) => return Err(Scanned::Bad),
    }
    let quote = match bytes.get(quote_at) {
        None => return Err(Scanned::Cut),
        Some(quote @ (b'"' | b'\'')) => *quote,
        Some(_) => return Err(Scanned::Bad),
    };
    let value = &bytes[quote_at + 1..];
    match value
        .iter()
        .position(|byte| *byte == quote || *byte == b'<')
    {
        None => Err(Scanned::Cut),
        Some(length) if value[length] == quote => Ok(Attribute {
            name,
            value: (quote_at + 1, quote_at + 1 + length),
        }),
        Some(_) => Err(Scanned::Bad),
    }
}

/// Whether two attributes have one name. Each is held against each while they are few, as in every
/// cell; many are sorted, or a file of such tags would cost minutes.
fn repeat(bytes: &[u8], attributes: &[Attribute]) -> bool {
    let name = |one: &Attribute| &bytes[one.name.0..one.name.1];
    if attributes.len() <= FEW {
        let mut all = attributes.iter().enumerate();
        return all.any(|(at, one)| attributes[..at].iter().any(|it| name(it) == name(one)));
    }
    let mut names: Vec<&[u8]> = attributes.iter().map(name).collect();
    names.sort_unstable();
    names.windows(2).any(|two| two[0] == two[1])
}

fn name_end(bytes: &[u8], from: usize) -> usize {
    let ends = |byte: &u8| {
        byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/' | b'=' | b'<' | b'"' | b'\'')
    };
    let rest = &bytes[from.min(bytes.len())..];
    from + rest.iter().position(ends).unwrap_or(rest.len())
}

fn behind_space(bytes: &[u8], from: usize) -> usize {
    let rest = &bytes[from.min(bytes.len())..];
    let own = rest.iter().position(|byte| !byte.is_ascii_whitespace());
    from + own.unwrap_or(rest.len())
}
