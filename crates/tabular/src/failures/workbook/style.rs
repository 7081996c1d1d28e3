//! The styles of a failure workbook, each made when it is first used.

use std::fmt::Write;

use domain::{ColumnType, NumberStyle};

use crate::failures::seen::DateLook;
use crate::look::entry_format;
use crate::xlsx::push_name;

/// The style of a header.
pub(super) const HEADER: usize = 1;
/// Styles that are there before any other: plain and header.
const FIXED: usize = 2;
/// The first number of a format that is not built in (ECMA-376 part 1, 18.8.30).
const FIRST_FORMAT: usize = 164;

/// How a cell's number is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberFormat {
    General,
    Text,
    Date,
    Moment,
    Time,
    Percent,
    Zeros(u8),
}

impl NumberFormat {
    /// Of a cell that is filled in.
    pub(super) fn of_entry(kind: Option<ColumnType>) -> Self {
        match kind {
            Some(ColumnType::String) => Self::Text,
            Some(ColumnType::Date) => Self::Date,
            Some(ColumnType::Datetime) => Self::Moment,
            Some(ColumnType::Time) => Self::Time,
            Some(ColumnType::Integer | ColumnType::Decimal | ColumnType::Boolean) | None => {
                Self::General
            }
        }
    }

    /// Of a number with the look that it had.
    pub(super) fn of_number(kind: Option<ColumnType>, number: &str, style: NumberStyle) -> Self {
        match style {
            NumberStyle::Plain => Self::General,
            NumberStyle::Percent => Self::Percent,
            NumberStyle::Zeros(digits) => Self::Zeros(digits),
            NumberStyle::Date => {
                let serial = number.parse().unwrap_or_default();
                Self::of_date(DateLook::of(kind, serial))
            }
        }
    }

    fn of_date(look: DateLook) -> Self {
        match look {
            DateLook::Date => Self::Date,
            DateLook::Moment => Self::Moment,
            DateLook::Time => Self::Time,
        }
    }

    /// Of an ISO date; none for text that can be none.
    pub(super) fn of_iso(text: &str) -> Option<Self> {
        let is_iso = !text.is_empty() && text.bytes().all(|it| b"0123456789-:.TZ+".contains(&it));
        is_iso.then(|| match (text.contains('T'), text.contains(':')) {
            (true, _) => Self::Moment,
            (false, true) => Self::Time,
            (false, false) => Self::Date,
        })
    }

    fn code(self) -> String {
        let of = |kind| entry_format(kind).unwrap_or("General").to_owned();
        match self {
            Self::General => "General".to_owned(),
            Self::Text => of(ColumnType::String),
            Self::Date => of(ColumnType::Date),
            Self::Moment => of(ColumnType::Datetime),
            Self::Time => of(ColumnType::Time),
            Self::Percent => "0.00%".to_owned(),
            Self::Zeros(digits) => "0".repeat(digits.into()),
        }
    }

    /// The number of a format that every program knows (ECMA-376 part 1, 18.8.30).
    fn built_in(self) -> Option<usize> {
        match self {
            Self::General => Some(0),
            Self::Percent => Some(10),
            Self::Text => Some(49),
            Self::Date | Self::Moment | Self::Time | Self::Zeros(_) => None,
        }
    }
}

/// How a cell looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) format: NumberFormat,
    /// Filled with the colour of a fault.
    pub(super) faulty: bool,
}

impl Style {
    pub(super) const PLAIN: Self = Self {
        format: NumberFormat::General,
        faulty: false,
    };
}

/// Styles in use: a handful, so they are looked up by walking.
#[derive(Debug, Default)]
pub(super) struct Styles {
    used: Vec<Style>,
}

impl Styles {
    pub(super) fn index(&mut self, style: Style) -> usize {
        if style == Style::PLAIN {
            return 0;
        }
        let known = self.used.iter().position(|it| *it == style);
        FIXED
            + known.unwrap_or_else(|| {
                self.used.push(style);
                self.used.len() - 1
            })
    }

    /// `xl/styles.xml`
    pub(super) fn part(&self) -> String {
        let mut part = String::from(concat!(
            r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
            "\n",
            r#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">"#,
        ));
        self.push_formats(&mut part);
        part.push_str(concat!(
            r#"<fonts count="2"><font><sz val="11"/><name val="Calibri"/><family val="2"/></font>"#,
            r#"<font><b/><sz val="11"/><name val="Calibri"/><family val="2"/></font></fonts>"#,
            r#"<fills count="4"><fill><patternFill patternType="none"/></fill>"#,
            r#"<fill><patternFill patternType="gray125"/></fill>"#,
            r#"<fill><patternFill patternType="solid"><fgColor rgb="FFDDEBF7"/><bgColor indexed="64"/></patternFill></fill>"#,
            r#"<fill><patternFill patternType="solid"><fgColor rgb="FFFFC7CE"/><bgColor indexed="64"/></patternFill></fill></fills>"#,
            r#"<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>"#,
            r#"<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>"#,
        ));
        let count = FIXED + self.used.len();
        put(&mut part, format_args!(r#"<cellXfs count="{count}">"#));
        part.push_str(concat!(
            r#"<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>"#,
            r#"<xf numFmtId="49" fontId="1" fillId="2" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1" applyFill="1"/>"#,
        ));
        for (at, style) in self.used.iter().enumerate() {
            let format = style.format.built_in().unwrap_or(FIRST_FORMAT + at);
            let fill = if style.faulty { 3 } else { 0 };
            put(
                &mut part,
                format_args!(
                    r#"<xf numFmtId="{format}" fontId="0" fillId="{fill}" borderId="0" xfId="0" applyNumberFormat="1" applyFill="1"/>"#
                ),
            );
        }
        part.push_str(concat!(
            r#"</cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>"#,
            r#"<dxfs count="0"/></styleSheet>"#,
        ));
        part
    }

    /// One format for each style that needs one of its own.
    fn push_formats(&self, part: &mut String) {
        let own = || {
            let used = self.used.iter().enumerate();
            used.filter(|(_, style)| style.format.built_in().is_none())
        };
        if own().next().is_none() {
            return;
        }
        put(part, format_args!(r#"<numFmts count="{}">"#, own().count()));
        for (at, style) in own() {
            let id = FIRST_FORMAT + at;
            put(
                part,
                format_args!(r#"<numFmt numFmtId="{id}" formatCode=""#),
            );
            push_name(part, &style.format.code());
            part.push_str(r#""/>"#);
        }
        part.push_str("</numFmts>");
    }
}

/// Adds formatted text.
pub(super) fn put(part: &mut String, text: std::fmt::Arguments<'_>) {
    part.write_fmt(text).expect("a String takes every text");
}
