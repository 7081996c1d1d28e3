//! Dates and times as people and programs write them.

use chrono::{Datelike, NaiveDate, NaiveTime};

/// What a text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) date: NaiveDate,
    pub(super) time: Option<NaiveTime>,
    /// East of UTC.
    pub(super) offset_minutes: Option<i16>,
}

/// Reads a date, and a time if one follows after spaces or `T`, and an offset if that follows.
pub(super) fn read(text: &str) -> Option<Written> {
    let mut rest = Rest(text);
    let date = rest.date()?;
    if rest.0.is_empty() {
        return Some(Written {
            date,
            time: None,
            offset_minutes: None,
        });
    }
    if !rest.takes("T") && !rest.takes("t") && !rest.spaces() {
        return None;
    }
    let time = rest.time()?;
    let offset_minutes = rest.offset()?;
    rest.0.is_empty().then_some(Written {
        date,
        time: Some(time),
        offset_minutes,
    })
}

/// Reads a time of day: `8:05`, `08:05:09`, `08:05:09.123`.
pub(super) fn read_time(text: &str) -> Option<NaiveTime> {
    let mut rest = Rest(text);
    rest.takes("T");
    let time = rest.time()?;
    rest.0.is_empty().then_some(time)
}

/// What is left to read.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn date(&mut self) -> Option<NaiveDate> {
        let year = self.number(4, 4)?;
        let chinese = self.takes("年");
        let mark = ["-", "/", "."]
            .into_iter()
            .find(|mark| !chinese && self.takes(mark));
        let month = self.number(1, 2)?;
        let next = if chinese { "月" } else { mark? };
        if !self.takes(next) {
            return None;
        }
        let day = self.number(1, 2)?;
        if chinese && !self.takes("日") && !self.takes("号") {
            return None;
        }
        let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
        (date.year() >= 1).then_some(date)
    }

    fn time(&mut self) -> Option<NaiveTime> {
        let hour = self.number(1, 2)?;
        if !self.takes(":") {
            return None;
        }
        let minute = self.number(2, 2)?;
        let (mut second, mut micros) = (0, 0);
        if self.takes(":") {
            second = self.number(2, 2)?;
            if self.takes(".") || self.takes(",") {
                micros = self.micros()?;
            }
        }
        NaiveTime::from_hms_micro_opt(hour, minute, second, micros)
    }

    /// Digits after the second's point; past the sixth there may be zeros only.
    fn micros(&mut self) -> Option<u32> {
        let end = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at(end);
        let (kept, cut) = digits.split_at(digits.len().min(6));
        if kept.is_empty() || cut.bytes().any(|byte| byte != b'0') {
            return None;
        }
        self.0 = rest;
        let scale = 10_u32.pow(u32::try_from(6 - kept.len()).ok()?);
        Some(kept.parse::<u32>().ok()? * scale)
    }

    /// `Z`, `+08:00`, `-0330`, or nothing.
    fn offset(&mut self) -> Option<Option<i16>> {
        if self.0.is_empty() {
            return Some(None);
        }
        if self.takes("Z") || self.takes("z") {
            return Some(Some(0));
        }
        let east = self.takes("+");
        if !east && !self.takes("-") {
            return None;
        }
        let hours = self.number(2, 2)?;
        self.takes(":");
        let minutes = self.number(2, 2)?;
        if hours > 14 || minutes > 59 {
            return None;
        }
        let size = i16::try_from(hours * 60 + minutes).ok()?;
        Some(Some(if east { size } else { -size }))
    }

    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let digits = self.0.bytes().take(most).take_while(u8::is_ascii_digit);
        let end = digits.count();
        if end < least {
            return None;
        }
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        digits.parse().ok()
    }

    fn takes(&mut self, mark: &str) -> bool {
        match self.0.strip_prefix(mark) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn spaces(&mut self) -> bool {
        let rest = self.0.trim_start();
        let some = rest.len() < self.0.len();
        self.0 = rest;
        some
    }
}
