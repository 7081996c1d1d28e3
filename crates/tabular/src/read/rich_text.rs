//! The text of a shared or inline string.

use super::xml::{self, Xml};
use super::{ReadLimits, Refusal, escape};

/// Appends the text of the `si` that has just started.
pub(super) fn read_item(
    xml: &mut Xml,
    out: &mut String,
    limits: &ReadLimits,
) -> Result<(), Refusal> {
    match xml.plain_text(b"si", b"<t>", b"</t></si>") {
        Some(raw) => plain(raw, out, limits),
        None => read(xml, out, limits),
    }
}

/// Appends text that needs no decoding but that of its escapes.
pub(super) fn plain(raw: &[u8], out: &mut String, limits: &ReadLimits) -> Result<(), Refusal> {
    let from = out.len();
    out.push_str(xml::utf8(raw)?);
    escape::decode(out, from);
    bounded(out, limits)
}

/// Appends the text of the `si` or `is` that has just started: its own, or that of its runs put
/// together; how it is pronounced (`rPh`) is no part of it.
pub(super) fn read(xml: &mut Xml, out: &mut String, limits: &ReadLimits) -> Result<(), Refusal> {
    while xml.child()? {
        match xml.name() {
            _ if xml.is_empty() => {}
            b"t" => run(xml, out, limits)?,
            b"r" => {
                while xml.child()? {
                    match xml.name() {
                        b"t" if !xml.is_empty() => run(xml, out, limits)?,
                        _ => xml.leave()?,
                    }
                }
            }
            _ => xml.skip()?,
        }
    }
    bounded(out, limits)
}

/// Appends the text of the element that has just started, its escapes decoded.
pub(super) fn text(xml: &mut Xml, out: &mut String, limits: &ReadLimits) -> Result<(), Refusal> {
    run(xml, out, limits)?;
    bounded(out, limits)
}

fn run(xml: &mut Xml, out: &mut String, limits: &ReadLimits) -> Result<(), Refusal> {
    let from = out.len();
    // an escape takes seven bytes for one unit, a character at most three
    xml.text_of_element(out, limits.cell_text.saturating_mul(10))?;
    escape::decode(out, from);
    Ok(())
}

/// Refuses a text that no cell can hold.
pub(super) fn bounded(text: &str, limits: &ReadLimits) -> Result<(), Refusal> {
    if text.len() > limits.cell_text && text.encode_utf16().count() > limits.cell_text {
        return Err(Refusal::beyond("a cell's text is too long"));
    }
    Ok(())
}
