//! Timestamps as text: `yyyy-MM-dd HH:mm:ss[.fraction]`, and ISO-8601 with `T`, `Z` or an offset.
//!
//! Times without a zone are UTC. A fraction may have one to nine digits; what is finer than a millisecond is cut off
//! (towards the past). Years have four digits. A leap second (`:60`) is refused, as [`Timestamp`] has no name for it.
//! The forms of 19 and 23 bytes take a fast path that checks and converts eight bytes at a time.

use crate::number::{digits_value, leading_digits};
use crate::window::word;
use yeoul_frame::{
    Timestamp,
    time::{civil_from_days, days_from_civil},
};

const DAY: i64 = 86_400_000;
/// The years 0 to 9999.
const YEARS: std::ops::Range<i64> = -62_167_219_200_000..253_402_300_800_000;

/// Length of `yyyy-MM-dd HH:mm:ss`.
pub(crate) const SECONDS_FORM: usize = 19;
/// Length of `yyyy-MM-dd HH:mm:ss.SSS`.
pub(crate) const MILLIS_FORM: usize = 23;

/// Parses timestamps, remembering the last date, since neighbours in a stream mostly share it.
///
/// ```
/// use yeoul_formats::time_text::TimeParser;
/// use yeoul_frame::Timestamp;
/// let mut parser = TimeParser::default();
/// assert_eq!(parser.parse(b"1970-01-01 00:00:01.500"), Some(Timestamp(1500)));
/// assert_eq!(parser.parse(b"1970-01-01T01:00:00+01:00"), Some(Timestamp(0)));
/// assert_eq!(parser.parse(b"1970-02-30 00:00:00"), None);
/// ```
#[derive(Debug, Clone, Default)]
pub struct TimeParser {
    /// The last date's ten bytes, as a word and a half word; zero before the first.
    date: (u64, u64),
    /// Its midnight.
    midnight: i64,
}

impl TimeParser {
    /// The time that this text, all of it, names.
    #[must_use]
    pub fn parse(&mut self, text: &[u8]) -> Option<Timestamp> {
        match text.len() {
            SECONDS_FORM | MILLIS_FORM => {
                let mut padded = [0; 24];
                padded[..text.len()].copy_from_slice(text);
                self.fixed(&padded, 0, text.len()).or_else(|| self.general(text))
            }
            _ => self.general(text),
        }
    }

    /// The time in the 19 or 23 bytes at `at`, with a blank or `T` between date and time and no zone. The bytes must go
    /// on to the 24th.
    #[inline]
    pub(crate) fn fixed(&mut self, bytes: &[u8], at: usize, len: usize) -> Option<Timestamp> {
        let bytes = bytes.get(at..at + 24)?;
        let (w0, mut w1, mut w2) = (word(bytes, 0), word(bytes, 8), word(bytes, 16));
        if len == SECONDS_FORM {
            // The form without milliseconds becomes the one with.
            w2 = (w2 & 0xff_ffff) | (u64::from_le_bytes(*b"\0\0\0.000\0") & !0xff_ffff);
        }
        if bytes[10] == b'T' {
            w1 ^= u64::from(b'T' ^ b' ') << 16;
        }
        let time = lanes(w1, *b"00 00:00")?;
        let rest = lanes(w2 & 0x00ff_ffff_ffff_ffff, *b":00.000\0")?;
        let date = (w0, w1 & 0xffff);
        if date != self.date {
            let day_pair = pairs(time) & 0xff;
            let midnight = midnight(pairs(lanes(w0, *b"0000-00-")?), day_pair as u32)?;
            (self.date, self.midnight) = (date, midnight);
        }
        let (time, second) = (pairs(time), pairs(rest));
        let (hour, minute) = ((time >> 24) & 0xff, (time >> 48) & 0xff);
        let seconds = (second >> 8) & 0xff;
        let millis = ((second >> 32) & 0xff) * 10 + ((rest >> 48) & 0xff);
        if hour > 23 || minute > 59 || seconds > 59 {
            return None;
        }
        Some(Timestamp(self.midnight + (((hour * 60 + minute) * 60 + seconds) * 1000 + millis) as i64))
    }

    #[cold]
    fn general(&mut self, text: &[u8]) -> Option<Timestamp> {
        let mut rest = Rest(text);
        let year = rest.number(4)?;
        rest.exactly(b'-')?;
        let month = rest.number(2)?;
        rest.exactly(b'-')?;
        let day = rest.number(2)?;
        rest.any_of(b" Tt")?;
        let hour = rest.number(2)?;
        rest.exactly(b':')?;
        let minute = rest.number(2)?;
        let mut seconds = 0;
        let mut millis = 0;
        if rest.any_of(b":").is_some() {
            seconds = rest.number(2)?;
            if rest.any_of(b".,").is_some() {
                millis = rest.fraction()?;
            }
        }
        let offset = rest.offset()?;
        if !rest.0.is_empty() || hour > 23 || minute > 59 || seconds > 59 {
            return None;
        }
        let days = days_of(year, month as u32, day as u32)?;
        let time = days * DAY + ((hour * 60 + minute - offset) * 60 + seconds) * 1000 + millis;
        // An offset can lead out of the years that have four digits, and so out of what can be written.
        YEARS.contains(&time).then_some(Timestamp(time))
    }
}

/// The word with each digit lane as its value and each other lane, which must be as in `form`, as zero.
#[inline]
fn lanes(word: u64, form: [u8; 8]) -> Option<u64> {
    let x = word ^ u64::from_le_bytes(form);
    // Digit lanes may hold 0 to 9, the others only 0.
    let mut slack = [0x7f; 8];
    let mut i = 0;
    while i < 8 {
        if form[i] == b'0' {
            slack[i] = 0x76;
        }
        i += 1;
    }
    let bad = ((x & 0x7f7f_7f7f_7f7f_7f7f) + u64::from_le_bytes(slack)) | x;
    (bad & 0x8080_8080_8080_8080 == 0).then_some(x)
}

/// Lane `i` becomes ten times itself plus lane `i + 1`.
#[inline]
fn pairs(lanes: u64) -> u64 {
    lanes.wrapping_mul(10).wrapping_add(lanes >> 8)
}

#[cold]
fn midnight(year_month: u64, day: u32) -> Option<i64> {
    let year = (year_month & 0xff) * 100 + ((year_month >> 16) & 0xff);
    let month = (year_month >> 40) & 0xff;
    Some(days_of(year as i64, month as u32, day)? * DAY)
}

/// Days since 1970, if the calendar has such a day.
pub(crate) fn days_of(year: i64, month: u32, day: u32) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    (day <= 28 || civil_from_days(days) == (year, month, day)).then_some(days)
}

/// The text that is left.
pub(crate) struct Rest<'a>(pub(crate) &'a [u8]);

impl Rest<'_> {
    pub(crate) fn number(&mut self, count: usize) -> Option<i64> {
        let (head, tail) = self.0.split_at_checked(count)?;
        let mut padded = [0; 8];
        padded[..count].copy_from_slice(head);
        let word = u64::from_le_bytes(padded);
        self.0 = tail;
        (leading_digits(word) == count).then(|| digits_value(word, count) as i64)
    }

    pub(crate) fn any_of(&mut self, set: &[u8]) -> Option<u8> {
        let (&first, tail) = self.0.split_first().filter(|(first, _)| set.contains(first))?;
        self.0 = tail;
        Some(first)
    }

    pub(crate) fn exactly(&mut self, byte: u8) -> Option<u8> {
        self.any_of(&[byte])
    }

    /// One to nine digits as milliseconds.
    pub(crate) fn fraction(&mut self) -> Option<i64> {
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, tail) = self.0.split_at(count);
        self.0 = tail;
        (1..=9)
            .contains(&count)
            .then(|| (0..3).fold(0, |value, i| value * 10 + digits.get(i).map_or(0, |digit| i64::from(digit - b'0'))))
    }

    /// Minutes east of Greenwich: nothing, `Z`, `+09:00`, `+0900` or `+09`.
    fn offset(&mut self) -> Option<i64> {
        let Some(sign) = self.any_of(b"Zz+-") else { return Some(0) };
        if matches!(sign, b'Z' | b'z') {
            return Some(0);
        }
        let hours = self.number(2)?;
        let minutes = if self.any_of(b":").is_some() || !self.0.is_empty() { self.number(2)? } else { 0 };
        let offset = hours * 60 + minutes;
        (hours <= 23 && minutes <= 59).then_some(if sign == b'-' { -offset } else { offset })
    }
}

/// Writes `yyyy-MM-dd HH:mm:ss.SSS`, as `TIMESTAMP(3)` prints. Years before 0 or past 9999 print with their sign or all
/// their digits, which the parser does not read back.
pub fn write_timestamp(out: &mut Vec<u8>, time: Timestamp) {
    let (days, millis) = (time.0.div_euclid(DAY), time.0.rem_euclid(DAY) as u32);
    let (year, month, day) = civil_from_days(days);
    if !(0..=9999).contains(&year) {
        // Writing to a Vec cannot fail.
        let _ = std::io::Write::write_fmt(out, format_args!("{year}"));
    } else {
        let (century, rest) = (year as u32 / 100, year as u32 % 100);
        out.extend_from_slice(&two(century));
        out.extend_from_slice(&two(rest));
    }
    let [m, d] = [two(month), two(day)];
    let [h, min, s] = [two(millis / 3_600_000), two(millis / 60_000 % 60), two(millis / 1000 % 60)];
    let ms = millis % 1000;
    let [tens, hundreds] = [two(ms % 100), two(ms / 100)];
    out.extend_from_slice(&[
        b'-',
        m[0],
        m[1],
        b'-',
        d[0],
        d[1],
        b' ',
        h[0],
        h[1],
        b':',
        min[0],
        min[1],
        b':',
        s[0],
        s[1],
        b'.',
        hundreds[1],
        tens[0],
        tens[1],
    ]);
}

/// The two digits of a number below 100.
pub(crate) fn two(number: u32) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<i64> {
        TimeParser::default().parse(text.as_bytes()).map(|time| time.0)
    }

    #[test]
    fn forms() {
        let noon = Some(1_767_268_800_000);
        for text in [
            "2026-01-01 12:00:00",
            "2026-01-01T12:00:00",
            "2026-01-01 12:00:00.000",
            "2026-01-01T12:00:00.000Z",
            "2026-01-01T12:00Z",
            "2026-01-01T21:00:00+09:00",
            "2026-01-01T21:00:00+0900",
            "2026-01-01T21:00:00+09",
            "2026-01-01 02:30:00.0-09:30",
            "2026-01-01t12:00:00z",
            "2026-01-01 12:00:00.000999999",
        ] {
            assert_eq!(parse(text), noon, "{text}");
        }
        assert_eq!(parse("2026-01-01 12:00:00.5"), noon.map(|t| t + 500));
        assert_eq!(parse("2026-01-01 12:00:00.123"), noon.map(|t| t + 123));
        assert_eq!(parse("1969-12-31 23:59:59.999"), Some(-1));
        assert_eq!(parse("2024-02-29 00:00:00"), Some(1_709_164_800_000));
    }

    #[test]
    fn refusals() {
        for text in [
            "",
            "2026-01-01",
            "2026-02-29 00:00:00",
            "2026-13-01 00:00:00",
            "2026-00-01 00:00:00",
            "2026-01-00 00:00:00",
            "2026-01-32 00:00:00.000",
            "2026-01-01 24:00:00",
            "2026-01-01 00:60:00",
            "2026-01-01 00:00:60",
            "2026-01-01 00:00:00.",
            "2026-01-01 00:00:00.0000000001",
            "2026-01-01_00:00:00",
            "2026-01-01 00:00:00x",
            "2026-01-01 00:00:00.00x",
            "2026/01/01 00:00:00",
            "2026-01-01 00:00:00+24:00",
            "2026-01-01 00:00:0a",
            "a026-01-01 00:00:00.000",
            "2026-01-01 00:00:00+1",
            "9999-12-31 23:59:59-00:01",
            "0000-01-01 00:00:00+00:01",
            "2026-01-01 0\u{a0}:00:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    /// Every byte of the fixed form replaced by every other: accepted only where the general parser accepts.
    #[test]
    fn the_fast_path_accepts_what_the_general_one_does() {
        for form in ["2026-01-28 12:34:56.789", "2026-01-28 12:34:56"] {
            for at in 0..form.len() {
                for byte in 0..=255u8 {
                    let mut text = form.as_bytes().to_vec();
                    text[at] = byte;
                    let mut parser = TimeParser::default();
                    assert_eq!(parser.parse(&text), parser.general(&text), "{}", text.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut parser = TimeParser::default();
        let mut out = Vec::new();
        for millis in YEARS.step_by(86_399_997_123) {
            out.clear();
            write_timestamp(&mut out, Timestamp(millis));
            assert_eq!(out, Timestamp(millis).to_string().as_bytes());
            assert_eq!(parser.parse(&out), Some(Timestamp(millis)));
        }
    }
}
