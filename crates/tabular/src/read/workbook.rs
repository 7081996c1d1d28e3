//! The workbook's own part: its sheets and its calendar.

use std::collections::HashMap;

use domain::{Calendar, FailureCode};

use super::archive::{Archive, Entry};
use super::relations::{self, Relation};
use super::xml::Xml;
use super::{ReadLimits, Refusal, SheetInfo, Visibility};

/// Bytes of a sheet's name. Excel takes 31 characters; every fault of a row tells it.
const LONGEST_NAME: usize = 512;

/// What the workbook says of itself.
pub(super) struct Workbook {
    pub(super) sheets: Vec<SheetInfo>,
    /// Where each sheet lies; none for what is no worksheet.
    pub(super) parts: Vec<Option<Entry>>,
    pub(super) calendar: Calendar,
    /// Names of parts, by convention where no relation tells.
    pub(super) strings: String,
    pub(super) styles: String,
}

impl Workbook {
    pub(super) fn read(archive: &Archive, limits: &ReadLimits) -> Result<Self, Refusal> {
        let part = main_part(archive)?;
        known_kind(archive, &part)?;
        let Some(text) = archive.small(&part)? else {
            return Err(Refusal::broken("the archive holds no workbook"));
        };
        let relations = relations::of(archive, &part)?;
        let named = |kind: &str, otherwise: &str| {
            let mut all = relations.values();
            let found = all.find(|relation| relation.kind.eq_ignore_ascii_case(kind));
            found.map_or_else(|| otherwise.to_owned(), |relation| relation.part.clone())
        };
        let mut workbook = Self {
            sheets: Vec::new(),
            parts: Vec::new(),
            calendar: Calendar::From1900,
            strings: named("sharedStrings", "xl/sharedStrings.xml"),
            styles: named("styles", "xl/styles.xml"),
        };
        workbook.parse(Xml::whole(text), archive, &relations, limits)?;
        Ok(workbook)
    }

    fn parse(
        &mut self,
        mut xml: Xml,
        archive: &Archive,
        relations: &HashMap<String, Relation>,
        limits: &ReadLimits,
    ) -> Result<(), Refusal> {
        if !xml.child()? || xml.name() != b"workbook" || xml.is_empty() {
            return Err(Refusal::broken("the workbook's part is none"));
        }
        while xml.child()? {
            match xml.name() {
                b"workbookPr" => {
                    if matches!(xml.attribute(b"date1904"), Some(b"1" | b"true" | b"on")) {
                        self.calendar = Calendar::From1904;
                    }
                    xml.leave()?;
                }
                b"sheets" if !xml.is_empty() => {
                    while xml.child()? {
                        self.sheet(&xml, archive, relations, limits)?;
                        xml.leave()?;
                    }
                }
                _ => xml.leave()?,
            }
        }
        xml.finish()
    }

    fn sheet(
        &mut self,
        xml: &Xml,
        archive: &Archive,
        relations: &HashMap<String, Relation>,
        limits: &ReadLimits,
    ) -> Result<(), Refusal> {
        if xml.name() != b"sheet" {
            return Ok(());
        }
        if self.sheets.len() == limits.sheets {
            return Err(Refusal::beyond("the workbook has too many sheets"));
        }
        let relation = xml.text_attribute(b"id")?.and_then(|id| relations.get(&id));
        let part = relation
            .filter(|relation| relation.kind.eq_ignore_ascii_case("worksheet"))
            .and_then(|relation| archive.entry(&relation.part));
        let visible = match xml.attribute(b"state") {
            Some(b"hidden") => Visibility::Hidden,
            Some(b"veryHidden") => Visibility::VeryHidden,
            _ => Visibility::Visible,
        };
        let name = xml.text_attribute(b"name")?.unwrap_or_default();
        if name.len() > LONGEST_NAME {
            return Err(Refusal::beyond("a sheet's name is too long"));
        }
        self.sheets.push(SheetInfo {
            name,
            visible,
            worksheet: part.is_some(),
        });
        self.parts.push(part);
        Ok(())
    }
}

/// The part that the package's own relation calls the document.
fn main_part(archive: &Archive) -> Result<String, Refusal> {
    let relations = relations::of(archive, "")?;
    let mut all = relations.into_values();
    let found = all.find(|relation| relation.kind.eq_ignore_ascii_case("officeDocument"));
    Ok(found.map_or_else(|| "xl/workbook.xml".to_owned(), |relation| relation.part))
}

/// Refuses documents of other kinds: binary workbooks, texts, slides, OpenDocument.
fn known_kind(archive: &Archive, part: &str) -> Result<(), Refusal> {
    let unsupported = |what: &str| Err(Refusal::new(FailureCode::UnsupportedMedia, what));
    if let Some(content) = relations::content_type(archive, part)? {
        let excel = content.contains("spreadsheetml") || content.contains("ms-excel");
        let xml = matches!(content.as_str(), "application/xml" | "text/xml");
        if content.contains("binary") || !(excel || xml) {
            return unsupported("an office document that is no .xlsx");
        }
    }
    if let Some(kind) = archive.small("mimetype")?
        && kind.starts_with(b"application/vnd.oasis")
    {
        return unsupported("an OpenDocument file");
    }
    Ok(())
}
