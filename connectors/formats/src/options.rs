//! Options as text, as a table's `WITH` clause has them, read once into typed values.
//!
//! Each option is taken by its name; at the end, one that no one took is refused, with the nearest of the names that were
//! asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::decimal::parse_decimal;

/// The options of one table, while they are read.
///
/// ```
/// use std::collections::BTreeMap;
/// use yeoul_formats::options::Options;
/// let given = BTreeMap::from([("rows-per-secnd".to_owned(), "5".to_owned())]);
/// let mut options = Options::new(&given);
/// assert_eq!(options.number("rows-per-second", 10_000u64)?, 10_000);
/// let error = options.finish("connector 'datagen'").unwrap_err().to_string();
/// assert!(error.contains("did you mean 'rows-per-second'?"), "{error}");
/// # Ok::<_, yeoul_formats::options::OptionError>(())
/// ```
#[derive(Debug)]
pub struct Options<'a> {
    given: &'a BTreeMap<String, String>,
    asked: BTreeSet<String>,
}

/// An option that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionError {
    /// Its name.
    pub key: String,
    /// What is wrong, with the value.
    pub what: String,
    /// What to write instead.
    pub hint: String,
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "; {}", self.hint) }
    }
}

impl std::error::Error for OptionError {}

impl OptionError {
    /// An option whose value is not `wanted`.
    #[must_use]
    pub fn value(key: &str, value: &str, wanted: &str) -> Self {
        Self { key: key.to_owned(), what: format!("option '{key}' is '{value}'"), hint: format!("it takes {wanted}") }
    }

    /// An option that must be there and is not.
    #[must_use]
    pub fn missing(key: &str, example: &str) -> Self {
        let (what, hint) = (format!("option '{key}' is missing"), format!("add '{key}' = '{example}'"));
        Self { key: key.to_owned(), what, hint }
    }
}

impl<'a> Options<'a> {
    /// Reads these.
    #[must_use]
    pub fn new(given: &'a BTreeMap<String, String>) -> Self {
        Self { given, asked: BTreeSet::new() }
    }

    /// The value of an option.
    pub fn text(&mut self, key: &str) -> Option<&'a str> {
        self.asked.insert(key.to_owned());
        self.given.get(key).map(String::as_str)
    }

    /// The value of an option that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn required(&mut self, key: &str, example: &str) -> Result<&'a str, OptionError> {
        self.text(key).ok_or_else(|| OptionError::missing(key, example))
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// Another value.
    pub fn flag(&mut self, key: &str, default: bool) -> Result<bool, OptionError> {
        self.choice(key, &[("true", true), ("false", false)], default)
    }

    /// One of these, whatever its case.
    ///
    /// # Errors
    /// Another value.
    pub fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)], default: T) -> Result<T, OptionError> {
        let Some(text) = self.text(key) else { return Ok(default) };
        let found = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let near = nearest(text, &names).map_or(String::new(), |near| format!(" (did you mean '{near}'?)"));
            OptionError::value(key, text, &format!("{}{near}", names.join(", ")))
        })
    }

    /// An option of Flink's that would change nothing here with one of these values; with none, whatever its value. `why` says
    /// what there is in place of the others.
    ///
    /// # Errors
    /// Another value.
    pub fn without_effect(&mut self, key: &str, values: &[&str], why: &str) -> Result<(), OptionError> {
        match self.text(key) {
            Some(text) if !values.is_empty() && !values.iter().any(|value| value.eq_ignore_ascii_case(text)) => {
                let what = format!("option '{key}' is '{text}', which is not there yet");
                let hint = format!("{why}; it takes {}", values.join(", "));
                Err(OptionError { key: key.to_owned(), what, hint })
            }
            _ => Ok(()),
        }
    }

    /// A number.
    ///
    /// # Errors
    /// What is no number, or does not fit.
    pub fn number<T: std::str::FromStr>(&mut self, key: &str, default: T) -> Result<T, OptionError> {
        Ok(self.number_if_any(key)?.unwrap_or(default))
    }

    /// A number, if it is given.
    ///
    /// # Errors
    /// What is no number, or does not fit.
    pub fn number_if_any<T: std::str::FromStr>(&mut self, key: &str) -> Result<Option<T>, OptionError> {
        let parse =
            |text: &str| text.trim().parse().map_err(|_| OptionError::value(key, text, "a number that fits it"));
        self.text(key).map(parse).transpose()
    }

    /// A decimal number, if it is given: its digits, `scale` of them after the point.
    ///
    /// # Errors
    /// What is no number, or has more digits than `precision` and `scale` leave room for.
    pub fn decimal(&mut self, key: &str, precision: u8, scale: i8) -> Result<Option<i128>, OptionError> {
        let wanted = format!("a number that fits DECIMAL({precision}, {scale})");
        let parse = |text: &str| {
            let digits = parse_decimal(text.trim().as_bytes(), precision, scale);
            digits.map_err(|_| OptionError::value(key, text, &wanted))
        };
        self.text(key).map(parse).transpose()
    }

    /// A duration such as `10 s` or `500ms`, if it is given.
    ///
    /// # Errors
    /// What is no duration.
    pub fn duration(&mut self, key: &str) -> Result<Option<Duration>, OptionError> {
        let wanted = "a number and a unit: ms, s, min, h or d";
        self.text(key).map(|text| duration(text).ok_or_else(|| OptionError::value(key, text, wanted))).transpose()
    }

    /// A number of bytes such as `128MB` or `64 kb`, if it is given.
    ///
    /// # Errors
    /// What is no number of bytes.
    pub fn bytes(&mut self, key: &str) -> Result<Option<u64>, OptionError> {
        let wanted = "a number and a unit: b, kb, mb, gb or tb";
        self.text(key).map(|text| bytes(text).ok_or_else(|| OptionError::value(key, text, wanted))).transpose()
    }

    /// All names that are given and begin so.
    pub fn names_below(&self, prefix: &'static str) -> impl Iterator<Item = &'a str> {
        self.given.keys().map(String::as_str).filter(move |key| key.starts_with(prefix))
    }

    /// Nothing else is read: refuses what no one asked for. `whose` says whose options these are.
    ///
    /// # Errors
    /// The first option that no one asked for.
    pub fn finish(self, whose: &str) -> Result<(), OptionError> {
        let Some(key) = self.given.keys().find(|key| !self.asked.contains(*key)) else { return Ok(()) };
        let names: Vec<&str> = self.asked.iter().map(String::as_str).collect();
        let hint = match nearest(key, &names) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("its options are {}", names.join(", ")),
        };
        Err(OptionError { key: key.clone(), what: format!("{whose} has no option '{key}'"), hint })
    }
}

fn split_unit(text: &str) -> Option<(u64, String)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, text[digits..].trim().to_ascii_lowercase()))
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let nanos = match unit.as_str() {
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => 1,
        "us" | "µs" | "micro" | "micros" | "microsecond" | "microseconds" => 1000,
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1_000_000,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000_000_000,
        "m" | "min" | "minute" | "minutes" => 60_000_000_000,
        "h" | "hour" | "hours" => 3_600_000_000_000,
        "d" | "day" | "days" => 86_400_000_000_000u64,
        _ => return None,
    };
    number.checked_mul(nanos).map(Duration::from_nanos)
}

fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let shift = match unit.as_str() {
        "" | "b" | "bytes" => 0,
        "k" | "kb" | "kibibytes" => 10,
        "m" | "mb" | "mebibytes" => 20,
        "g" | "gb" | "gibibytes" => 30,
        "t" | "tb" | "tebibytes" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// The name that is nearest to `word`, if one is near: at most a third of its letters differ.
#[must_use]
pub fn nearest<'n>(word: &str, names: &[&'n str]) -> Option<&'n str> {
    let word = word.to_ascii_lowercase();
    let far = |name: &&&str| distance(&word, &name.to_ascii_lowercase());
    names.iter().min_by_key(far).copied().filter(|name| far(&name) <= word.len().max(name.len()).div_ceil(3))
}

/// How many letters have to be put in, taken out or replaced to make one of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (text, millis) in [("10 s", 10_000), ("500ms", 500), ("1 min", 60_000), ("2H", 7_200_000), ("7", 7)] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "1 year", "-1 s", "99999999999999999999 s", "99999999999 d"] {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!((bytes("128MB"), bytes("64 kb"), bytes("1x")), (Some(128 << 20), Some(64 << 10), None));
    }

    #[test]
    fn the_nearest_name() {
        let names = ["json.ignore-parse-errors", "json.fail-on-missing-field", "path"];
        assert_eq!(nearest("json.ignore-parse-error", &names), Some(names[0]));
        assert_eq!(nearest("Path", &names), Some("path"));
        assert_eq!(nearest("scan.startup.mode", &names), None);
    }

    #[test]
    fn what_cannot_be_used_says_what_can() {
        let given = BTreeMap::from([("a", "flase"), ("b", "x"), ("c", "5 parsecs"), ("d", " 999.99"), ("e", "1000")]);
        let given = given.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let mut options = Options::new(&given);
        let error = options.flag("a", true).unwrap_err().to_string();
        assert_eq!(error, "option 'a' is 'flase'; it takes true, false (did you mean 'false'?)");
        assert!(options.number("b", 1u8).is_err() && options.duration("c").is_err());
        assert_eq!(options.decimal("d", 5, 2), Ok(Some(99_999)));
        let error = options.decimal("e", 5, 2).unwrap_err().to_string();
        assert_eq!(error, "option 'e' is '1000'; it takes a number that fits DECIMAL(5, 2)");
        assert_eq!(
            options.required("path", "data").unwrap_err().to_string(),
            "option 'path' is missing; add 'path' = 'data'"
        );
        assert!(options.finish("it").is_ok());
    }
}
