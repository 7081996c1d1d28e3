//! Dates and times from cells.
//!
//! The declared type decides, not the cell's style (cases.md A 8). A number is a day number of the
//! workbook's calendar, rounded to milliseconds once. What of a second is finer than the column's
//! scale is cut and counted ([`Fields::cut`]): it is never carried into the next second, so that the
//! last moment of a day, month or year stays in it. A text is ISO 8601 or one of `2026/1/2`,
//! `2026.1.2` and `2026年1月2日`, the year first and with four digits: anything else could be read
//! in two ways. A sheet's dates have no zone: a datetime is wall clock of the task's zone unless the
//! text gives an offset. A clock time that the zone skips is no moment; of one that comes twice the
//! earlier is meant.

use chrono::{
    Datelike, NaiveDate, NaiveDateTime, NaiveTime, SubsecRound, TimeDelta, TimeZone, Timelike,
};
use chrono_tz::Tz;
use unicode_normalization::UnicodeNormalization;

use super::clock_text::{self, Written};
use super::fault::Fault;
use super::fields::Fields;
use super::padding::trimmed;
use crate::{Calendar, RowCode};

const MS_PER_DAY: i64 = 86_400_000;
/// The day number of 9999-12-31 in the calendar from 1900.
const LAST_DAY: i64 = 2_958_465;
/// Days between the two calendars.
const CALENDARS_APART: i64 = 1_462;
/// chrono's number of the day before 1899-12-31, which is day 0 when the false day is counted.
const DAY_ZERO: i64 = 693_594;

/// Longest text that is looked at, in bytes: `2026年01月02日 10:00:00.123456789+08:00` and room.
const MAX_MOMENT: usize = 64;

/// How a column's dates and times are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct MomentRule {
    pub(super) calendar: Calendar,
    /// The task's zone.
    pub(super) zone: Tz,
    /// The zone of what the table holds.
    pub(super) stored_in: Tz,
    /// Digits of a second after the point that are kept.
    pub(super) second_scale: u8,
}

impl MomentRule {
    pub(super) fn date(&self, number: &str, out: &mut Fields) -> Result<(), Fault> {
        let (day, ms) = self.day(number).ok_or(RowCode::DateInvalid)?;
        write_date(only_date(day, ms)?, out);
        Ok(())
    }

    pub(super) fn date_text(text: &str, out: &mut Fields) -> Result<(), Fault> {
        let written = read(text, clock_text::read).ok_or(RowCode::DateInvalid)?;
        let midnight = written.time.is_none_or(|time| time == NaiveTime::MIN);
        if !midnight || written.offset_minutes.is_some() {
            return Err(RowCode::DateInvalid.into());
        }
        write_date(written.date, out);
        Ok(())
    }

    pub(super) fn datetime(&self, number: &str, out: &mut Fields) -> Result<(), Fault> {
        let (day, ms) = self.day(number).ok_or(RowCode::DateInvalid)?;
        let time = time_of_ms(ms).ok_or(RowCode::DateInvalid)?;
        self.local(day.and_time(time), out)
    }

    pub(super) fn datetime_text(&self, text: &str, out: &mut Fields) -> Result<(), Fault> {
        let Written {
            date,
            time,
            offset_minutes,
        } = read(text, clock_text::read).ok_or(RowCode::DateInvalid)?;
        let wall = date.and_time(time.unwrap_or(NaiveTime::MIN));
        let Some(minutes) = offset_minutes else {
            return self.local(wall, out);
        };
        let utc = wall
            .checked_sub_signed(TimeDelta::minutes(i64::from(minutes)))
            .ok_or(RowCode::DateInvalid)?;
        let stored = self.stored_in.from_utc_datetime(&utc).naive_local();
        self.write_datetime(stored, out)
    }

    /// A part of a day.
    pub(super) fn time(&self, number: &str, out: &mut Fields) -> Result<(), Fault> {
        let (day, ms) = split(number).ok_or(RowCode::DateInvalid)?;
        let time = time_of_ms(ms).filter(|_| day == 0);
        let time = time.ok_or(RowCode::DateInvalid)?;
        write_time(self.kept(time, out), out);
        Ok(())
    }

    pub(super) fn time_text(&self, text: &str, out: &mut Fields) -> Result<(), Fault> {
        let time = read(text, clock_text::read_time).ok_or(RowCode::DateInvalid)?;
        write_time(self.kept(time, out), out);
        Ok(())
    }

    /// What a text column makes of a number that is shown as a date: the date as ISO text.
    pub(super) fn shown(calendar: Calendar, number: &str, out: &mut Fields) -> Option<()> {
        let (day, ms) = split(number)?;
        let time = time_of_ms(ms)?;
        if day == 0 && ms > 0 {
            write_time(time, out);
            return Some(());
        }
        write_date(date_of(calendar, day)?, out);
        if ms > 0 {
            out.write(" ");
            write_time(time, out);
        }
        Some(())
    }

    /// As [`MomentRule::shown`], for a date as ISO text.
    pub(super) fn shown_iso(text: &str, out: &mut Fields) {
        match read(text, clock_text::read) {
            None => out.write(text),
            Some(written) => {
                write_date(written.date, out);
                if let Some(time) = written.time.filter(|time| *time != NaiveTime::MIN) {
                    out.write(" ");
                    write_time(time, out);
                }
            }
        }
    }

    fn day(&self, number: &str) -> Option<(NaiveDate, i64)> {
        let (day, ms) = split(number)?;
        Some((date_of(self.calendar, day)?, ms))
    }

    /// Wall clock of the task's zone.
    fn local(&self, wall: NaiveDateTime, out: &mut Fields) -> Result<(), Fault> {
        if self.zone == self.stored_in {
            return self.write_datetime(wall, out);
        }
        let moment = self.zone.from_local_datetime(&wall).earliest();
        let moment = moment
            .ok_or_else(|| Fault::with(RowCode::DateInvalid, "skipped_in", self.zone.name()))?;
        self.write_datetime(moment.with_timezone(&self.stored_in).naive_local(), out)
    }

    fn write_datetime(&self, moment: NaiveDateTime, out: &mut Fields) -> Result<(), Fault> {
        if !(1..=9999).contains(&moment.year()) {
            return Err(RowCode::DateInvalid.into());
        }
        write_date(moment.date(), out);
        out.write(" ");
        write_time(self.kept(moment.time(), out), out);
        Ok(())
    }

    /// What the column keeps of a time of day.
    fn kept(&self, time: NaiveTime, out: &mut Fields) -> NaiveTime {
        let kept = time.trunc_subsecs(self.second_scale.into());
        if kept != time {
            out.was_cut();
        }
        kept
    }
}

/// Days and milliseconds of a day number, rounded once.
fn split(number: &str) -> Option<(i64, i64)> {
    if number.len() <= 7 && number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((number.parse().ok()?, 0));
    }
    let serial: f64 = number.parse().ok()?;
    let last = LAST_DAY as f64;
    if !(0.0..last + 1.0).contains(&serial) {
        return None;
    }
    let day = serial.floor();
    let ms = ((serial - day) * 86_400_000.0).round();
    #[expect(clippy::cast_possible_truncation, reason = "both were bounded above")]
    let (day, ms) = (day as i64, ms as i64);
    Some(if ms == MS_PER_DAY {
        (day + 1, 0)
    } else {
        (day, ms)
    })
}

fn date_of(calendar: Calendar, day: i64) -> Option<NaiveDate> {
    let from_1900 = match calendar {
        // 60 is a day that never was, and 0 none that a sheet can show as a date
        Calendar::From1900 if day == 60 || day == 0 => return None,
        Calendar::From1900 if day < 60 => day + 1,
        Calendar::From1900 => day,
        Calendar::From1904 => day + CALENDARS_APART,
    };
    if from_1900 > LAST_DAY {
        return None;
    }
    NaiveDate::from_num_days_from_ce_opt(i32::try_from(from_1900 + DAY_ZERO).ok()?)
}

fn time_of_ms(ms: i64) -> Option<NaiveTime> {
    let ms = u32::try_from(ms).ok()?;
    NaiveTime::from_num_seconds_from_midnight_opt(ms / 1_000, ms % 1_000 * 1_000_000)
}

fn only_date(day: NaiveDate, ms: i64) -> Result<NaiveDate, Fault> {
    if ms == 0 {
        Ok(day)
    } else {
        Err(RowCode::DateInvalid.into())
    }
}

/// Reads a text as it is, and else with its full-width digits made plain.
fn read<T>(text: &str, reader: fn(&str) -> Option<T>) -> Option<T> {
    let text = trimmed(text);
    if text.len() > MAX_MOMENT {
        return None;
    }
    if text.is_ascii() {
        return reader(text);
    }
    reader(text).or_else(|| reader(&text.nfkc().collect::<String>()))
}

fn write_date(date: NaiveDate, out: &mut Fields) {
    let mut text = *b"0000-00-00";
    let year = u32::try_from(date.year()).unwrap_or_default();
    put(&mut text[..4], year);
    put(&mut text[5..7], date.month());
    put(&mut text[8..], date.day());
    out.write(std::str::from_utf8(&text).unwrap_or_default());
}

/// Microseconds at most: MySQL keeps no more.
fn write_time(time: NaiveTime, out: &mut Fields) {
    let mut text = *b"00:00:00.000000";
    put(&mut text[..2], time.hour());
    put(&mut text[3..5], time.minute());
    put(&mut text[6..8], time.second());
    put(&mut text[9..], time.nanosecond() / 1_000);
    let text = std::str::from_utf8(&text).unwrap_or_default();
    out.write(
        text.strip_suffix(".000000")
            .unwrap_or(text.trim_end_matches('0')),
    );
}

/// Writes a number into its places, with leading zeros.
fn put(places: &mut [u8], mut number: u32) {
    for place in places.iter_mut().rev() {
        *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}
