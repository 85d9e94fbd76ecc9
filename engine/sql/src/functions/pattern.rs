//! Text read as times by Java's patterns.
//!
//! Two of Java's readers have a part: `DateTimeFormatter` wants the whole text, each number as wide as its letters; the
//! older `SimpleDateFormat`, by which UNIX_TIMESTAMP reads, takes numbers of any width, lets them run over (month 13 is
//! the next January), and leaves what follows unread.

use chrono::{Datelike, Days, Months, NaiveDate};

use super::calendar::{DAY, MONTHS, millis_of};
use super::zone::zone_or_short;
use crate::settings::{Zone, zone};

/// Letters of patterns that times are read by.
const LETTERS: &str = "yuMdHhkKmsSaXxZz";

/// Whether times can be read by one of Java's patterns.
pub(super) fn reads(pattern: &str) -> bool {
    let unquoted = pattern.split('\'').step_by(2);
    unquoted.flat_map(str::chars).all(|letter| !letter.is_ascii_alphabetic() || LETTERS.contains(letter))
}

/// Text in one of Java's patterns, as a time; nothing if it is none. A zone in it is read over: the time is the one that is written.
pub(super) fn read(pattern: &str, text: &str) -> Option<i64> {
    let (parts, rest) = parts(pattern, text, false)?;
    rest.is_empty().then(|| parts.exact())?
}

/// Text that begins as `SimpleDateFormat` reads it, as a time, with the zone that it names.
pub(super) fn read_on(pattern: &str, text: &str) -> Option<(i64, Option<Zone>)> {
    let (parts, _) = parts(pattern, text, true)?;
    Some((parts.rolled()?, parts.zone))
}

/// What a text says of a time.
struct Parts {
    year: i32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    millis: u32,
    afternoon: bool,
    zone: Option<Zone>,
}

impl Parts {
    fn hour(&self) -> u32 {
        if self.afternoon { self.hour % 12 + 12 } else { self.hour }
    }

    fn exact(&self) -> Option<i64> {
        let date = NaiveDate::from_ymd_opt(self.year, self.month, self.day)?;
        Some(millis_of(date.and_hms_milli_opt(self.hour(), self.minute, self.second, self.millis)?))
    }

    fn rolled(&self) -> Option<i64> {
        let year = NaiveDate::from_ymd_opt(self.year, 1, 1)?;
        // Month 0 and day 0 are those before the first.
        let month = (year - Months::new(1)).checked_add_months(Months::new(self.month))?;
        let date = (month - Days::new(1)).checked_add_days(Days::new(self.day.into()))?;
        let seconds = (i64::from(self.hour()) * 60 + i64::from(self.minute)) * 60 + i64::from(self.second);
        let start = millis_of(date.and_hms_opt(0, 0, 0)?).div_euclid(DAY) * DAY;
        start.checked_add(seconds * 1000 + i64::from(self.millis))
    }
}

/// What the text says by the pattern, and what is left of it.
fn parts<'t>(pattern: &str, text: &'t str, lenient: bool) -> Option<(Parts, &'t str)> {
    let mut parts =
        Parts { year: 1970, month: 1, day: 1, hour: 0, minute: 0, second: 0, millis: 0, afternoon: false, zone: None };
    let mut rest = text;
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\'' {
            if letters.next_if_eq(&'\'').is_some() {
                rest = rest.strip_prefix('\'')?;
                continue;
            }
            while let Some(quoted) = letters.next_if(|next| *next != '\'') {
                rest = rest.strip_prefix(quoted)?;
            }
            letters.next();
            continue;
        }
        if !letter.is_ascii_alphabetic() {
            rest = rest.strip_prefix(letter)?;
            continue;
        }
        let mut width = 1;
        while letters.next_if_eq(&letter).is_some() {
            width += 1;
        }
        match letter {
            'a' => {
                let half = rest.get(..2)?;
                parts.afternoon = half.eq_ignore_ascii_case("PM");
                if !parts.afternoon && !half.eq_ignore_ascii_case("AM") {
                    return None;
                }
                rest = &rest[2..];
                continue;
            }
            'X' | 'x' | 'Z' | 'z' => {
                (parts.zone, rest) = zone_at(rest, letter == 'z')?;
                continue;
            }
            'M' if width >= 3 => {
                let at = MONTHS.iter().position(|name| {
                    let name = if width == 3 { &name[..3] } else { name };
                    rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
                })?;
                rest = &rest[if width == 3 { 3 } else { MONTHS[at].len() }..];
                parts.month = at as u32 + 1;
                continue;
            }
            _ => {}
        }
        // A lone letter takes as many digits as there are; more letters take so many.
        let next_is_letter = letters.peek().is_some_and(char::is_ascii_alphabetic);
        let open = !next_is_letter && (lenient || width == 1);
        let most = if open { 9 } else { width.min(9) };
        let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if digits == 0 || (!lenient && digits < width && letter != 'S') {
            return None;
        }
        let number: u32 = rest[..digits].parse().ok()?;
        match letter {
            'y' if lenient && width <= 2 && digits == 2 => parts.year = near(number as i32, chrono::Utc::now().year()),
            'y' | 'u' if width == 2 && digits == 2 => parts.year = 2000 + number as i32,
            'y' | 'u' => parts.year = number as i32,
            'M' => parts.month = number,
            'd' => parts.day = number,
            'H' => parts.hour = number,
            'k' => parts.hour = number % 24,
            'h' | 'K' => parts.hour = number % 12,
            'm' => parts.minute = number,
            's' => parts.second = number,
            // The older reader has a number of milliseconds there, the newer one a fraction.
            'S' if lenient => parts.millis = number,
            'S' => parts.millis = format!("{:0<3}", &rest[..digits])[..3].parse().ok()?,
            _ => return None,
        }
        rest = &rest[digits..];
    }
    Some((parts, rest))
}

/// The year of these last two digits from eighty years before this one to nineteen after it, where the older reader looks.
fn near(digits: i32, now: i32) -> i32 {
    let first = now - 80;
    first + (digits - first).rem_euclid(100)
}

/// `Z`, `+08`, `+0800`, `+08:00`, or a name where one may stand; and what follows.
fn zone_at(text: &str, named: bool) -> Option<(Option<Zone>, &str)> {
    if named {
        let end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && !"/_+-:".contains(letter));
        let (name, rest) = text.split_at(end.unwrap_or(text.len()));
        return Some((Some(zone_or_short(name)?), rest));
    }
    if let Some(rest) = text.strip_prefix('Z') {
        return Some((Some(Zone::Fixed(0)), rest));
    }
    let digits = |from: usize| text.get(from..from + 2).filter(|two| two.bytes().all(|byte| byte.is_ascii_digit()));
    let sign = text.get(..1).filter(|sign| matches!(*sign, "+" | "-"))?;
    let hours = digits(1)?;
    let colon = usize::from(text[3..].starts_with(':'));
    let (minutes, end) = match digits(3 + colon) {
        Some(minutes) => (minutes, 5 + colon),
        None => ("00", 3),
    };
    Some((Some(zone(&format!("{sign}{hours}:{minutes}"))?), &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digits_are_the_nearest_such_year() {
        let found: Vec<i32> = [99, 45, 46, 26, 0].into_iter().map(|digits| near(digits, 2026)).collect();
        assert_eq!(found, [1999, 2045, 1946, 2026, 2000]);
    }

    #[test]
    fn halves_of_a_day_and_quotes_are_read() {
        let at = |text: &str| read("yyyy-MM-dd hh''mm a", text);
        assert_eq!(at("1970-01-01 01'30 AM"), Some(5_400_000));
        assert_eq!(at("1970-01-01 01'30 pm"), Some(48_600_000));
        assert_eq!(at("1970-01-01 01'30 XX"), None);
    }
}
