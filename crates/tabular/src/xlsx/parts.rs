//! The small parts around the sheets.

use super::style::put;
use super::xml::push_name;

const DECLARATION: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
    "\n"
);
const RELATION: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const CONTENT: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";

/// `_rels/.rels`
pub(crate) fn relations() -> String {
    format!(
        concat!(
            "{}",
            r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">"#,
            r#"<Relationship Id="rId1" Type="{}/officeDocument" Target="xl/workbook.xml"/>"#,
            r#"</Relationships>"#,
        ),
        DECLARATION, RELATION
    )
}

/// `[Content_Types].xml`
pub(crate) fn content_types(sheets: usize) -> String {
    let mut part = String::from(DECLARATION);
    part.push_str(concat!(
        r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">"#,
        r#"<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>"#,
        r#"<Default Extension="xml" ContentType="application/xml"/>"#,
    ));
    let mut add = |name: &str, kind: &str| {
        put(
            &mut part,
            format_args!(
                r#"<Override PartName="/xl/{name}.xml" ContentType="{CONTENT}.{kind}+xml"/>"#
            ),
        );
    };
    add("workbook", "sheet.main");
    add("styles", "styles");
    for number in 1..=sheets {
        add(&format!("worksheets/sheet{number}"), "worksheet");
    }
    part.push_str("</Types>");
    part
}

/// `xl/_rels/workbook.xml.rels`
pub(crate) fn workbook_relations(sheets: usize) -> String {
    let mut part = String::from(DECLARATION);
    part.push_str(
        r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">"#,
    );
    let mut add = |id: usize, kind: &str, target: &str| {
        put(
            &mut part,
            format_args!(
                r#"<Relationship Id="rId{id}" Type="{RELATION}/{kind}" Target="{target}.xml"/>"#
            ),
        );
    };
    for number in 1..=sheets {
        add(number, "worksheet", &format!("worksheets/sheet{number}"));
    }
    add(sheets + 1, "styles", "styles");
    part.push_str("</Relationships>");
    part
}

/// `xl/workbook.xml`, of sheets with their names and the range of their filter, as `$A$1:$K$9`.
pub(crate) fn workbook(sheets: &[(String, Option<String>)]) -> String {
    let mut part = String::from(DECLARATION);
    put(
        &mut part,
        format_args!(
            concat!(
                r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="{}">"#,
                r#"<workbookPr defaultThemeVersion="124226"/><bookViews><workbookView activeTab="0"/></bookViews><sheets>"#,
            ),
            RELATION
        ),
    );
    for (number, (name, _)) in (1..).zip(sheets) {
        part.push_str(r#"<sheet name=""#);
        push_name(&mut part, name);
        put(
            &mut part,
            format_args!(r#"" sheetId="{number}" r:id="rId{number}"/>"#),
        );
    }
    part.push_str("</sheets>");
    push_filters(&mut part, sheets);
    part.push_str("</workbook>");
    part
}

/// A filter has a hidden name of its own; without it Excel shows the buttons and LibreOffice none.
fn push_filters(part: &mut String, sheets: &[(String, Option<String>)]) {
    let filtered = || {
        (0..)
            .zip(sheets)
            .filter_map(|(index, (name, range))| Some((index, name, range.as_ref()?)))
    };
    if filtered().next().is_none() {
        return;
    }
    part.push_str("<definedNames>");
    for (index, name, range) in filtered() {
        put(
            part,
            format_args!(
                r#"<definedName name="_xlnm._FilterDatabase" localSheetId="{index}" hidden="1">'"#
            ),
        );
        push_name(part, &name.replace('\'', "''"));
        put(part, format_args!("'!{range}</definedName>"));
    }
    part.push_str("</definedNames>");
}
