//! Zips that are no .xlsx, as far as their first entries tell.

/// What the archive is, if its first entries say that it is no workbook in XML. They are walked as
/// far as they tell their sizes; who reads the file looks at its directory and its content types.
pub(super) fn other_kind(head: &[u8]) -> Option<&'static str> {
    let mut rest = head;
    while let Some(entry) = Entry::first(rest) {
        match entry.name {
            b"mimetype" if entry.content.starts_with(b"application/vnd.oasis") => {
                return Some("an OpenDocument file");
            }
            b"xl/workbook.bin" => return Some("a binary workbook (.xlsb)"),
            b"word/document.xml" | b"ppt/presentation.xml" => return Some("an office document"),
            b"xl/workbook.xml" => return None,
            _ => {}
        }
        rest = entry.content.get(entry.size?..)?;
    }
    None
}

struct Entry<'a> {
    name: &'a [u8],
    /// From its first byte to the head's end.
    content: &'a [u8],
    /// None when it stands behind the content.
    size: Option<usize>,
}

impl<'a> Entry<'a> {
    fn first(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.get(..30)?;
        if !header.starts_with(b"PK\x03\x04") {
            return None;
        }
        let short = |at: usize| usize::from(u16::from_le_bytes([header[at], header[at + 1]]));
        let size = u32::from_le_bytes(header[18..22].try_into().ok()?);
        let name_end = 30 + short(26);
        Some(Self {
            name: bytes.get(30..name_end)?,
            content: bytes.get(name_end + short(28)..)?,
            size: usize::try_from(size).ok().filter(|_| short(6) & 8 == 0),
        })
    }
}
