//! Dates and times of day as text: `yyyy-MM-dd`, and `HH:mm[:ss[.fraction]]`.
//!
//! A fraction has one to nine digits; what is finer than a millisecond is cut off.

use crate::time_text::{Rest, days_of, two};
use yeoul_frame::time::civil_from_days;

/// Days since 1970-01-01 of the date that this text, all of it, is.
pub(crate) fn parse_date(text: &[u8]) -> Option<i32> {
    let mut rest = Rest(text);
    let year = rest.number(4)?;
    rest.exactly(b'-')?;
    let month = rest.number(2)?;
    rest.exactly(b'-')?;
    let day = rest.number(2)?;
    if !rest.0.is_empty() {
        return None;
    }
    days_of(year, month as u32, day as u32).map(|days| days as i32)
}

/// Milliseconds since midnight of the time that this text, all of it, is.
pub(crate) fn parse_clock(text: &[u8]) -> Option<i32> {
    let mut rest = Rest(text);
    let hour = rest.number(2)?;
    rest.exactly(b':')?;
    let minute = rest.number(2)?;
    let (mut second, mut millis) = (0, 0);
    if rest.any_of(b":").is_some() {
        second = rest.number(2)?;
        if rest.any_of(b".").is_some() {
            millis = rest.fraction()?;
        }
    }
    // The time of another zone is none here, but `Z` stands after times in ISO-8601.
    if !rest.0.is_empty() && rest.0 != b"Z" || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some((((hour * 60 + minute) * 60 + second) * 1000 + millis) as i32)
}

/// Writes `yyyy-MM-dd`. A year has at least four digits, and a sign only if it is before the year 0.
pub(crate) fn write_date(out: &mut Vec<u8>, days: i64) {
    let (year, month, day) = civil_from_days(days);
    let sign = if year < 0 { "-" } else { "" };
    // Writing to a Vec cannot fail.
    let _ = std::io::Write::write_fmt(out, format_args!("{sign}{:04}", year.unsigned_abs()));
    let ([m0, m1], [d0, d1]) = (two(month), two(day));
    out.extend_from_slice(&[b'-', m0, m1, b'-', d0, d1]);
}

/// Writes `HH:mm:ss`, and a fraction without zeros at its end if there is any.
pub(crate) fn write_clock(out: &mut Vec<u8>, millis: i32) {
    let millis = millis.rem_euclid(86_400_000) as u32;
    let ([h0, h1], [m0, m1], [s0, s1]) = (two(millis / 3_600_000), two(millis / 60_000 % 60), two(millis / 1000 % 60));
    out.extend_from_slice(&[h0, h1, b':', m0, m1, b':', s0, s1]);
    write_fraction(out, millis % 1000);
}

/// Writes a date, `between`, and a time of day as [`write_clock`] does.
pub(crate) fn write_time(out: &mut Vec<u8>, millis: i64, between: u8) {
    let (days, rest) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    write_date(out, days);
    out.push(between);
    write_clock(out, rest as i32);
}

/// As [`write_time`], with so many nanoseconds after the last millisecond.
pub(crate) fn write_fine_time(out: &mut Vec<u8>, millis: i64, nanos: u32, between: u8) {
    write_time(out, millis - millis.rem_euclid(1000), between);
    let fraction = format!("{:03}{nanos:06}", millis.rem_euclid(1000));
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
}

/// Writes `.5` for 500 milliseconds, and nothing for none.
fn write_fraction(out: &mut Vec<u8>, millis: u32) {
    if millis == 0 {
        return;
    }
    let digits = [b'0' + (millis / 100) as u8, two(millis % 100)[0], two(millis % 100)[1]];
    let end = digits.iter().rposition(|digit| *digit != b'0').map_or(1, |last| last + 1);
    out.push(b'.');
    out.extend_from_slice(&digits[..end]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read_and_written() {
        for (text, days) in [("1970-01-01", 0), ("2024-02-29", 19_782), ("1969-12-31", -1), ("0001-01-01", -719_162)] {
            assert_eq!(parse_date(text.as_bytes()), Some(days), "{text}");
            let mut out = Vec::new();
            write_date(&mut out, days.into());
            assert_eq!(out, text.as_bytes());
        }
        for (text, millis) in
            [("00:00:00", 0), ("23:59:59.999", 86_399_999), ("01:02:03.5", 3_723_500), ("12:00:00.05", 43_200_050)]
        {
            assert_eq!(parse_clock(text.as_bytes()), Some(millis), "{text}");
            let mut out = Vec::new();
            write_clock(&mut out, millis);
            assert_eq!(out, text.as_bytes());
        }
        for (millis, text) in [
            (i64::MAX, "292278994-08-17 07:12:55.807"),
            (i64::MIN, "-292275055-05-16 16:47:04.192"),
            (-62_198_755_200_000, "-0001-01-01 00:00:00"),
            (253_402_300_800_000, "10000-01-01 00:00:00"),
        ] {
            let mut out = Vec::new();
            write_time(&mut out, millis, b' ');
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
        assert_eq!(parse_clock(b"07:30"), Some(27_000_000));
        for text in ["", "2023-02-29", "2023-1-1", "2023-01-01 ", "2023/01/01"] {
            assert_eq!(parse_date(text.as_bytes()), None, "{text}");
        }
        for text in ["", "24:00:00", "1:00:00", "01:00:00.", "01:00:60", "01:00:00+01"] {
            assert_eq!(parse_clock(text.as_bytes()), None, "{text}");
        }
    }
}
