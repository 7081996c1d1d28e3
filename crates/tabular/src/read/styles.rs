//! The cell formats of a workbook, as far as they say what a number is.

use std::collections::HashMap;

use domain::NumberStyle;

use super::xml::Xml;
use super::{ReadLimits, Refusal, number_format};

/// What the cells' `s` points at.
#[derive(Default)]
pub(super) struct Styles(Vec<NumberStyle>);

impl Styles {
    pub(super) fn read(text: Vec<u8>, limits: &ReadLimits) -> Result<Self, Refusal> {
        let mut xml = Xml::whole(text);
        let mut codes = HashMap::new();
        let mut formats = Vec::new();
        if !xml.child()? || xml.name() != b"styleSheet" {
            return Err(Refusal::broken("the styles' part is none"));
        }
        if xml.is_empty() {
            return Ok(Self::default());
        }
        while xml.child()? {
            match xml.name() {
                b"numFmts" if !xml.is_empty() => {
                    while xml.child()? {
                        if let Some(id) = number(xml.attribute(b"numFmtId"))
                            && let Some(code) = xml.text_attribute(b"formatCode")?
                        {
                            codes.insert(id, number_format::of_code(&code));
                        }
                        xml.leave()?;
                        bounded(codes.len(), limits)?;
                    }
                }
                b"cellXfs" if !xml.is_empty() => {
                    while xml.child()? {
                        formats.push(number(xml.attribute(b"numFmtId")).unwrap_or(0));
                        xml.leave()?;
                        bounded(formats.len(), limits)?;
                    }
                }
                _ => xml.leave()?,
            }
        }
        xml.finish()?;
        let style = |id: &u32| {
            codes
                .get(id)
                .copied()
                .unwrap_or_else(|| number_format::built_in(*id))
        };
        Ok(Self(formats.iter().map(style).collect()))
    }

    /// The style of cells whose `s` is `index`; one that the file lacks is plain.
    pub(super) fn get(&self, index: usize) -> NumberStyle {
        self.0.get(index).copied().unwrap_or_default()
    }
}

fn number(raw: Option<&[u8]>) -> Option<u32> {
    std::str::from_utf8(raw?).ok()?.parse().ok()
}

fn bounded(count: usize, limits: &ReadLimits) -> Result<(), Refusal> {
    if count > limits.styles {
        return Err(Refusal::beyond("the workbook has too many styles"));
    }
    Ok(())
}
