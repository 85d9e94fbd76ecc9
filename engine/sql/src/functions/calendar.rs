//! Dates and times as numbers: parts, rounding, differences, and their text by Java's patterns; `pattern` reads those.
//!
//! Pure: a time is milliseconds since 1970 on a wall clock; time zones are put to it outside.

use chrono::{Datelike, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike};

use crate::settings::Zone;

/// One day.
pub(crate) const DAY: i64 = 86_400_000;

/// The times of the years 0 to 9999, which are all that Flink's have.
pub(crate) const YEARS: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;
/// A pattern has at most so many equal letters in a row.
const WIDEST: usize = 19;

/// A point on the wall clock; nothing if it is out of the calendar's range.
pub(crate) fn wall(millis: i64) -> Option<NaiveDateTime> {
    chrono::DateTime::from_timestamp_millis(millis).map(|time| time.naive_utc())
}

pub(super) fn millis_of(time: NaiveDateTime) -> i64 {
    time.and_utc().timestamp_millis()
}

/// The wall clock in a zone at a point in time.
pub(crate) fn to_wall(utc: i64, zone: Zone) -> i64 {
    match zone {
        Zone::Fixed(seconds) => utc.saturating_add(i64::from(seconds) * 1000),
        Zone::Named(named) => wall(utc)
            .map_or(utc, |time| utc + i64::from(named.offset_from_utc_datetime(&time).fix().local_minus_utc()) * 1000),
    }
}

/// The point in time at which a zone's wall clock shows this; the earlier one of two, and past a gap as Java does.
pub(crate) fn from_wall(local: i64, zone: Zone) -> i64 {
    match zone {
        Zone::Fixed(seconds) => local.saturating_sub(i64::from(seconds) * 1000),
        Zone::Named(named) => wall(local).map_or(local, |time| {
            let offset = match named.offset_from_local_datetime(&time) {
                chrono::LocalResult::Single(offset) | chrono::LocalResult::Ambiguous(offset, _) => offset.fix(),
                chrono::LocalResult::None => {
                    named.offset_from_utc_datetime(&(time - chrono::TimeDelta::hours(3))).fix()
                }
            };
            local - i64::from(offset.local_minus_utc()) * 1000
        }),
    }
}

/// `EXTRACT(field FROM time)`, of a time with so many nanoseconds more. Parts of a second are those since it began.
pub(crate) fn part(field: &str, millis: i64, nanos: i64) -> Option<i64> {
    // Parts of a day need no calendar.
    let of_day = millis.rem_euclid(DAY);
    match field {
        "HOUR" => return Some(of_day / 3_600_000),
        "MINUTE" => return Some(of_day / 60_000 % 60),
        "SECOND" => return Some(of_day / 1000 % 60),
        "MILLISECOND" => return Some(of_day % 1000),
        "MICROSECOND" => return Some(of_day % 1000 * 1000 + nanos / 1000),
        "NANOSECOND" => return Some(of_day % 1000 * 1_000_000 + nanos),
        _ => {}
    }
    let time = wall(millis)?;
    Some(match field {
        "MILLENNIUM" => i64::from((time.year() + 999) / 1000),
        "CENTURY" => i64::from((time.year() + 99) / 100),
        "DECADE" => i64::from(time.year().div_euclid(10)),
        "YEAR" => i64::from(time.year()),
        "ISOYEAR" => i64::from(time.iso_week().year()),
        "QUARTER" => i64::from((time.month() - 1) / 3 + 1),
        "MONTH" => i64::from(time.month()),
        "WEEK" => i64::from(time.iso_week().week()),
        "DOY" => i64::from(time.ordinal()),
        "DAY" => i64::from(time.day()),
        "DOW" => i64::from(time.weekday().num_days_from_sunday() + 1),
        "ISODOW" => i64::from(time.weekday().number_from_monday()),
        "EPOCH" => millis.div_euclid(1000),
        _ => return None,
    })
}

/// The start of the unit that a time lies in.
pub(crate) fn floor(unit: &str, millis: i64) -> Option<i64> {
    let size = match unit {
        "MILLISECOND" => 1,
        "SECOND" => 1000,
        "MINUTE" => 60_000,
        "HOUR" => 3_600_000,
        "DAY" => DAY,
        "WEEK" => {
            let day = millis.div_euclid(DAY);
            // 1970-01-01 was a Thursday; Flink's weeks begin on Sunday.
            return Some((day - (day + 4).rem_euclid(7)) * DAY);
        }
        _ => {
            let date = wall(millis)?.date();
            let (year, month) = match unit {
                // The first millennium and the first century began with the year 1.
                "MILLENNIUM" => ((date.year() - 1).div_euclid(1000) * 1000 + 1, 1),
                "CENTURY" => ((date.year() - 1).div_euclid(100) * 100 + 1, 1),
                "DECADE" => (date.year().div_euclid(10) * 10, 1),
                "YEAR" => (date.year(), 1),
                "QUARTER" => (date.year(), (date.month() - 1) / 3 * 3 + 1),
                "MONTH" => (date.year(), date.month()),
                _ => return None,
            };
            return Some(millis_of(NaiveDate::from_ymd_opt(year, month, 1)?.and_hms_opt(0, 0, 0)?));
        }
    };
    Some(millis.div_euclid(size) * size)
}

/// The start of the next unit, or the time itself if it is one.
pub(crate) fn ceil(unit: &str, millis: i64) -> Option<i64> {
    let start = floor(unit, millis)?;
    if start == millis {
        return Some(millis);
    }
    add(unit, 1, start)
}

/// A time plus so many units.
pub(crate) fn add(unit: &str, count: i64, millis: i64) -> Option<i64> {
    let months = match unit {
        "MILLENNIUM" => 12_000,
        "CENTURY" => 1200,
        "DECADE" => 120,
        "YEAR" => 12,
        "QUARTER" => 3,
        "MONTH" => 1,
        _ => return millis.checked_add(count.checked_mul(length(unit)?)?),
    };
    add_months(millis, count.checked_mul(months)?)
}

fn add_months(millis: i64, months: i64) -> Option<i64> {
    let time = wall(millis)?;
    let amount = chrono::Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    let moved = if months < 0 { time.checked_sub_months(amount)? } else { time.checked_add_months(amount)? };
    Some(millis_of(moved))
}

fn length(unit: &str) -> Option<i64> {
    Some(match unit {
        "MILLISECOND" => 1,
        "SECOND" => 1000,
        "MINUTE" => 60_000,
        "HOUR" => 3_600_000,
        "DAY" => DAY,
        "WEEK" => 7 * DAY,
        _ => return None,
    })
}

/// `TIMESTAMPDIFF(unit, from, to)`: whole units, towards zero.
pub(crate) fn difference(unit: &str, from: i64, to: i64) -> Option<i64> {
    let months = match unit {
        "YEAR" => 12,
        "QUARTER" => 3,
        "MONTH" => 1,
        _ => return Some(to.checked_sub(from)? / length(unit)?),
    };
    let (a, b) = (wall(from)?, wall(to)?);
    let mut count = i64::from(b.year() - a.year()) * 12 + i64::from(b.month()) - i64::from(a.month());
    let moved = add_months(from, count)?;
    if count > 0 && moved > to {
        count -= 1;
    } else if count < 0 && moved < to {
        count += 1;
    }
    Some(count / months)
}

/// Formats one time after another by a pattern. Times of one day are the same text if the pattern shows no more than the day, and so on:
/// the text of the time before is kept.
pub(crate) struct Formatter<'p> {
    pattern: &'p str,
    /// Times that differ by less, from a multiple of it on, have the same text.
    unit: i64,
    last: Option<i64>,
    text: String,
    known: bool,
}

impl<'p> Formatter<'p> {
    pub(crate) fn new(pattern: &'p str) -> Self {
        let unit = |letter| match letter {
            'y' | 'u' | 'M' | 'L' | 'd' | 'D' | 'E' => DAY,
            'a' | 'H' | 'k' | 'K' | 'h' => 3_600_000,
            'm' => 60_000,
            's' => 1000,
            letter if letter.is_ascii_alphabetic() => 1,
            _ => DAY,
        };
        let unit = pattern.chars().map(unit).min().unwrap_or(DAY);
        Self { pattern, unit, last: None, text: String::new(), known: false }
    }

    /// The text of a time; nothing if the pattern has a letter that is not known.
    pub(crate) fn text(&mut self, millis: i64) -> Option<&str> {
        let unit = millis.div_euclid(self.unit);
        if self.last != Some(unit) {
            self.last = Some(unit);
            self.text.clear();
            self.known = format(self.pattern, millis, &mut self.text).is_some();
        }
        self.known.then_some(&self.text)
    }
}

/// A time in one of Java's patterns; nothing if the pattern has a letter that is not known.
pub(crate) fn format(pattern: &str, millis: i64, out: &mut String) -> Option<()> {
    use std::fmt::Write;
    let time = wall(millis)?;
    let mut letters = pattern.char_indices().peekable();
    while let Some((start, letter)) = letters.next() {
        if letter == '\'' {
            let mut any = false;
            for (_, quoted) in letters.by_ref() {
                if quoted == '\'' {
                    break;
                }
                any = true;
                out.push(quoted);
            }
            if !any {
                out.push('\'');
            }
            continue;
        }
        if !letter.is_ascii_alphabetic() {
            out.push(letter);
            continue;
        }
        let mut width = 1;
        while letters.peek().is_some_and(|(_, next)| *next == letter) {
            letters.next();
            width += 1;
        }
        debug_assert!(pattern.is_char_boundary(start), "letters are ASCII");
        if width > WIDEST {
            return None;
        }
        let hour = time.hour();
        match letter {
            'y' | 'u' if width == 2 => write!(out, "{:02}", time.year().rem_euclid(100)),
            'y' | 'u' => write!(out, "{:0width$}", time.year()),
            'M' | 'L' if width >= 4 => write!(out, "{}", MONTHS[time.month0() as usize]),
            'M' | 'L' if width == 3 => write!(out, "{}", &MONTHS[time.month0() as usize][..3]),
            'M' | 'L' => write!(out, "{:0width$}", time.month()),
            'd' => write!(out, "{:0width$}", time.day()),
            'D' => write!(out, "{:0width$}", time.ordinal()),
            'E' if width >= 4 => write!(out, "{}", DAYS[time.weekday().num_days_from_monday() as usize]),
            'E' => write!(out, "{}", &DAYS[time.weekday().num_days_from_monday() as usize][..3]),
            'a' => write!(out, "{}", if hour < 12 { "AM" } else { "PM" }),
            'H' => write!(out, "{hour:0width$}"),
            'k' => write!(out, "{:0width$}", if hour == 0 { 24 } else { hour }),
            'K' => write!(out, "{:0width$}", hour % 12),
            'h' => write!(out, "{:0width$}", if hour % 12 == 0 { 12 } else { hour % 12 }),
            'm' => write!(out, "{:0width$}", time.minute()),
            's' => write!(out, "{:0width$}", time.second()),
            'S' => {
                let fraction = format!("{:03}000000", millis.rem_euclid(1000));
                write!(out, "{}", &fraction[..width.min(9)])
            }
            _ => return None,
        }
        .ok()?;
    }
    Some(())
}

/// Text as SQL writes times: a date, then perhaps a time with up to nine decimals, with a blank or a T between.
pub(crate) fn parse_sql(text: &str) -> Option<i64> {
    parse_nanos(text).map(|(millis, _)| millis)
}

/// As [`parse_sql`], with the nanoseconds of the last millisecond.
pub(crate) fn parse_nanos(text: &str) -> Option<(i64, i64)> {
    let text = text.trim();
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (date, Some(time.trim_start())),
        None => (text, None),
    };
    let start = midnight(date, 3)?;
    let Some(time) = time else { return Some((start, 0)) };
    let (millis, nanos) = clock(time)?;
    Some((start + millis, nanos))
}

/// The start of a day that a CAST reads: a year, perhaps a month, perhaps a day; what follows after a blank or a T counts not.
pub(crate) fn parse_day(text: &str) -> Option<i64> {
    midnight(text.split([' ', 'T']).next()?, 1)
}

/// The start of `year[-month[-day]]`, of which so many parts must be there.
fn midnight(date: &str, least: usize) -> Option<i64> {
    let parts: Vec<&str> = date.split('-').collect();
    if !(least..=3).contains(&parts.len()) || parts[0].len() > 4 {
        return None;
    }
    let part = |at: usize| parts.get(at).map_or(Some(1), |part| part.parse::<u32>().ok());
    let date = NaiveDate::from_ymd_opt(parts[0].parse().ok()?, part(1)?, part(2)?)?;
    Some(millis_of(date.and_hms_opt(0, 0, 0)?))
}

/// The milliseconds of a time of day; an hour alone is one too.
pub(crate) fn parse_clock(text: &str) -> Option<i64> {
    match text.parse::<u8>() {
        Ok(hour) if hour < 24 => Some(i64::from(hour) * 3_600_000),
        _ => clock(text).map(|(millis, _)| millis),
    }
}

/// `hour:minute[:second[.fraction]]` in milliseconds, and the nanoseconds of the last one.
fn clock(text: &str) -> Option<(i64, i64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut parts = whole.split(':').map(|part| part.parse::<u32>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    let seconds = i64::from((hour * 60 + minute) * 60 + second);
    Some((seconds * 1000 + nanos / 1_000_000, nanos % 1_000_000))
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
