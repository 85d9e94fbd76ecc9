//! The session's settings, under Flink's keys.
//!
//! A key that Yeoul reads has a type and a default. A key of Flink's that has no meaning here is refused by its name, with
//! the reason, so that no script believes that it set something.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{Result, SqlError, did_you_mean};
use crate::interval::duration_millis;

/// What a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Duration,
    Boolean,
    Number,
    Zone,
    Word(&'static [&'static str]),
    Text,
}

/// Key, type, default.
const KEYS: &[(&str, Of, &str)] = &[
    ("execution.checkpointing.interval", Of::Duration, "1 s"),
    ("execution.runtime-mode", Of::Word(&["streaming"]), "streaming"),
    ("parallelism.default", Of::Number, ""),
    ("pipeline.name", Of::Text, ""),
    ("table.exec.source.idle-timeout", Of::Duration, "0 ms"),
    ("table.exec.state.ttl", Of::Duration, "0 ms"),
    ("table.exec.mini-batch.enabled", Of::Boolean, "true"),
    ("table.exec.mini-batch.allow-latency", Of::Duration, "0 ms"),
    ("table.exec.mini-batch.size", Of::Number, "-1"),
    ("table.optimizer.agg-phase-strategy", Of::Word(&["auto", "two_phase", "one_phase"]), "auto"),
    ("table.exec.sink.not-null-enforcer", Of::Word(&["error", "drop"]), "error"),
    ("table.local-time-zone", Of::Zone, "UTC"),
    ("table.sql-dialect", Of::Word(&["default"]), "default"),
    ("table.dml-sync", Of::Boolean, "false"),
    ("sql-client.execution.result-mode", Of::Word(&["changelog", "tableau"]), "changelog"),
];

/// The settings of one session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    set: BTreeMap<String, String>,
}

impl Settings {
    /// Sets a key.
    ///
    /// # Errors
    /// If the key is not known, or the value is not of its type.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let Some((_, of, _)) = KEYS.iter().find(|(known, ..)| *known == key) else {
            return Err(unknown(key));
        };
        let wrong = |wanted: &str| SqlError::new(format!("'{key}' is set to '{value}', which is not {wanted}"));
        match of {
            Of::Duration if duration_millis(value).is_none() => {
                return Err(wrong("a duration").hint("write a number and a unit, such as '1 h', '10 min', '500 ms'"));
            }
            Of::Boolean if !matches!(value.to_lowercase().as_str(), "true" | "false") => {
                return Err(wrong("true or false"));
            }
            Of::Number if value.parse::<i64>().is_err() => return Err(wrong("a whole number")),
            Of::Zone if zone(value).is_none() => {
                return Err(wrong("a time zone")
                    .hint("write a name such as 'Europe/Berlin', 'UTC', or an offset such as 'GMT+02:00'"));
            }
            Of::Word(words) if !words.contains(&value.to_lowercase().as_str()) => {
                let error = wrong(&format!("one of {}", words.join(", ")));
                return Err(error.maybe_hint(instead(key).map(str::to_owned)));
            }
            _ => {}
        }
        self.set.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    /// Puts a key, or all keys, back to the default.
    ///
    /// # Errors
    /// If the key is not known.
    pub fn reset(&mut self, key: Option<&str>) -> Result<()> {
        match key {
            None => self.set.clear(),
            Some(key) if KEYS.iter().any(|(known, ..)| *known == key) => {
                self.set.remove(key);
            }
            Some(key) => return Err(unknown(key)),
        }
        Ok(())
    }

    /// What a key is set to, else its default; nothing if the key is not known or has no default.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let set = self.set.get(key).map(String::as_str);
        set.or_else(|| KEYS.iter().find(|(known, ..)| *known == key).map(|(.., default)| *default))
            .filter(|value| !value.is_empty())
    }

    /// Keys that were set, with their values.
    pub fn listed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// What a key of a duration is set to, else its default.
    #[must_use]
    pub fn duration(&self, key: &str) -> Option<Duration> {
        self.get(key).and_then(duration_millis).map(|millis| Duration::from_millis(millis.unsigned_abs()))
    }

    /// `table.exec.state.ttl`; nothing if state is kept for good.
    #[must_use]
    pub fn state_ttl(&self) -> Option<Duration> {
        let millis = self.get("table.exec.state.ttl").and_then(duration_millis)?;
        (millis > 0).then(|| Duration::from_millis(millis.unsigned_abs()))
    }

    /// `table.local-time-zone`.
    #[must_use]
    pub fn zone(&self) -> Zone {
        self.get("table.local-time-zone").and_then(zone).unwrap_or(Zone::Fixed(0))
    }
}

/// A time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// By its name.
    Named(chrono_tz::Tz),
    /// Seconds east of UTC.
    Fixed(i32),
}

impl Zone {
    /// Whether local time is UTC.
    #[must_use]
    pub fn is_utc(self) -> bool {
        match self {
            Self::Named(zone) => matches!(zone.name(), "UTC" | "Etc/UTC"),
            Self::Fixed(seconds) => seconds == 0,
        }
    }
}

/// `UTC`, `Europe/Berlin`, `GMT+02:00`, `+02:00`.
#[must_use]
pub fn zone(text: &str) -> Option<Zone> {
    if matches!(text, "UTC" | "Z" | "GMT") {
        return Some(Zone::Fixed(0));
    }
    let offset = text.strip_prefix("GMT").or_else(|| text.strip_prefix("UTC")).unwrap_or(text);
    if let Some(sign @ ('+' | '-')) = offset.chars().next() {
        let (hours, minutes) = offset[1..].split_once(':').unwrap_or((&offset[1..], "0"));
        let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
        let seconds = hours * 3600 + minutes * 60;
        return (hours <= 18 && minutes < 60 && hours >= 0 && minutes >= 0).then_some(Zone::Fixed(if sign == '-' {
            -seconds
        } else {
            seconds
        }));
    }
    text.parse().ok().map(Zone::Named)
}

/// What does what Flink's other values of a setting do.
fn instead(key: &str) -> Option<&'static str> {
    match key {
        "execution.runtime-mode" => {
            Some("a job over input that ends runs to its end as it is; --final FILE writes a SELECT's last rows alone")
        }
        "sql-client.execution.result-mode" => {
            Some("a SELECT prints its changes; --final FILE writes the table that they make")
        }
        _ => None,
    }
}

fn unknown(key: &str) -> SqlError {
    let error = SqlError::new(format!("the setting '{key}' is not known"));
    match did_you_mean(key, KEYS.iter().map(|(known, ..)| *known)) {
        Some(hint) if hint.starts_with("did you mean") => error.hint(hint),
        _ => {
            error.hint("docs/sql.md lists the settings; a setting of Flink's that is not read is refused, not ignored")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked() {
        let mut settings = Settings::default();
        assert_eq!(settings.state_ttl(), None);
        settings.set("table.exec.state.ttl", "1 h").unwrap();
        assert_eq!(settings.state_ttl(), Some(Duration::from_secs(3600)));
        settings.set("table.local-time-zone", "Europe/Berlin").unwrap();
        assert_eq!(settings.zone(), Zone::Named(chrono_tz::Europe::Berlin));
        assert_eq!(
            settings.set("table.exec.state.tll", "1 h").unwrap_err().to_string(),
            "the setting 'table.exec.state.tll' is not known\n  hint: did you mean 'table.exec.state.ttl'?"
        );
        assert!(settings.set("table.exec.state.ttl", "soon").unwrap_err().message().contains("not a duration"));
        assert!(settings.set("table.local-time-zone", "Mars/Base").is_err());
        // What would change results is not taken without a word.
        assert_eq!(
            settings.set("execution.runtime-mode", "BATCH").unwrap_err().to_string(),
            "'execution.runtime-mode' is set to 'BATCH', which is not one of streaming\n  hint: \
             a job over input that ends runs to its end as it is; --final FILE writes a SELECT's last rows alone"
        );
        settings.set("execution.runtime-mode", "STREAMING").unwrap();
        settings.set("sql-client.execution.result-mode", "tableau").unwrap();
        assert!(settings.set("sql-client.execution.result-mode", "table").is_err());
        settings.reset(None).unwrap();
        assert_eq!(settings.state_ttl(), None);
        assert_eq!(zone("GMT-03:30"), Some(Zone::Fixed(-12_600)));
    }
}
