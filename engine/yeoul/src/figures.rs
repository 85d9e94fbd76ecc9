//! The figures of a running job at one moment, as a line for people or as JSON for programs.

use std::fmt;

use yeoul_frame::Timestamp;

/// What a job has done so far.
///
/// ```
/// use std::sync::Arc;
/// use yeoul::{JobWatch, Progress, sys::SystemClock};
///
/// let nothing_yet = Progress::new(Arc::new(JobWatch::default()), Arc::new(SystemClock)).figures(false);
/// assert_eq!((nothing_yet.records, nothing_yet.checkpoints), (0, 0));
/// assert!(nothing_yet.to_string().contains("0 records  0/s  watermark none yet  late 0"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Seconds since it was begun.
    pub elapsed: f64,
    /// Records that sources have brought in.
    pub records: u64,
    /// Records a second since the figures before, or of the whole run if these are its last.
    pub rate: f64,
    /// The least watermark of all sources.
    pub watermark: Timestamp,
    /// How far it is behind the clock, in milliseconds, where that says anything.
    pub lag: Option<i64>,
    /// Late records, of all operators.
    pub late: u64,
    /// Malformed records.
    pub errors: u64,
    /// Bytes of state in memory.
    pub state_bytes: u64,
    /// Keys, entries and timers in state.
    pub state_entries: u64,
    /// Checkpoints that were completed.
    pub checkpoints: u64,
    /// How long the last one took, in milliseconds.
    pub checkpoint_millis: f64,
    /// What it wrote.
    pub checkpoint_bytes: u64,
    /// How often the job was started again.
    pub restarts: u32,
    /// Why the last time: the failure's first line.
    pub failure: Option<String>,
}

impl Figures {
    /// One JSON object.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use yeoul::{JobWatch, Progress, sys::SystemClock};
    /// # let figures = Progress::new(Arc::new(JobWatch::default()), Arc::new(SystemClock)).figures(false);
    /// assert!(figures.json().contains(r#""records":0,"records_per_s":0,"watermark":null"#));
    /// ```
    #[must_use]
    pub fn json(&self) -> String {
        let watermark = match self.watermark {
            Timestamp::MIN | Timestamp::MAX => "null".to_owned(),
            at => format!("\"{at}\""),
        };
        let failure = self.failure.as_ref().map_or_else(|| "null".to_owned(), |failure| json_text(failure));
        let lag = self.lag.map_or_else(|| "null".to_owned(), |lag| lag.to_string());
        format!(
            "{{\"elapsed_s\":{:.3},\"records\":{},\"records_per_s\":{:.0},\"watermark\":{watermark},\"lag_ms\":{lag},\"late\":{},\"errors\":{},\"state_bytes\":{},\
             \"state_entries\":{},\"checkpoints\":{},\"checkpoint_ms\":{:.3},\"checkpoint_bytes\":{},\"restarts\":{},\"failure\":{failure}}}",
            self.elapsed,
            self.records,
            self.rate,
            self.late,
            self.errors,
            self.state_bytes,
            self.state_entries,
            self.checkpoints,
            self.checkpoint_millis,
            self.checkpoint_bytes,
            self.restarts,
        )
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:6.1} s  {} records  {}  watermark {}{}  late {}  errors {}  state {}  checkpoints {} (last {:.1} ms, {})",
            self.elapsed,
            grouped(self.records),
            per_second(self.rate),
            Shown(self.watermark),
            self.lag.map_or_else(String::new, lag),
            self.late,
            self.errors,
            bytes(self.state_bytes),
            self.checkpoints,
            self.checkpoint_millis,
            bytes(self.checkpoint_bytes),
        )?;
        // A job that restarts again and again must not look like one that has little to do.
        self.failure.as_ref().map_or(Ok(()), |failure| write!(f, "  restarts {} ({failure})", self.restarts))
    }
}

struct Shown(Timestamp);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Timestamp::MIN => f.write_str("none yet"),
            Timestamp::MAX => f.write_str("at the end"),
            at => at.fmt(f),
        }
    }
}

/// How far event time is behind the clock.
fn lag(millis: i64) -> String {
    match millis as f64 / 1000.0 {
        s if s < 120.0 => format!(" (lag {s:.1} s)"),
        s if s < 172_800.0 => format!(" (lag {:.1} h)", s / 3600.0),
        s => format!(" (lag {:.0} days)", s / 86_400.0),
    }
}

/// 1234567 as `1,234,567`.
///
/// ```
/// assert_eq!(yeoul::figures::grouped(1_234_567), "1,234,567");
/// ```
#[must_use]
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// 1234567 as `1.23 M/s`.
///
/// ```
/// assert_eq!(yeoul::figures::per_second(1_234_567.0), "1.23 M/s");
/// ```
#[must_use]
pub fn per_second(rate: f64) -> String {
    format!("{}/s", short(rate).trim_end())
}

/// 1234567 as `1.23 MB`.
///
/// ```
/// assert_eq!(yeoul::figures::bytes(1_234_567), "1.23 MB");
/// ```
#[must_use]
pub fn bytes(count: u64) -> String {
    format!("{}B", short(count as f64))
}

/// A figure to which a unit's name is put.
fn short(figure: f64) -> String {
    match figure {
        f if f >= 1e9 => format!("{:.2} G", f / 1e9),
        f if f >= 1e6 => format!("{:.2} M", f / 1e6),
        f if f >= 1e3 => format!("{:.1} k", f / 1e3),
        f => format!("{f:.0} "),
    }
}

/// A text as JSON, in quotes.
///
/// ```
/// assert_eq!(yeoul::figures::json_text("a \"word\"\n"), r#""a \"word\"\n""#);
/// ```
#[must_use]
pub fn json_text(text: &str) -> String {
    let mut json = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            c if c.is_control() => json.push_str(&format!("\\u{:04x}", c as u32)),
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!([grouped(0), grouped(999), grouped(1_234_567)], ["0", "999", "1,234,567"]);
        assert_eq!([bytes(12), bytes(1234), bytes(5_600_000)], ["12 B", "1.2 kB", "5.60 MB"]);
        assert_eq!([per_second(12.0), per_second(7e9)], ["12/s", "7.00 G/s"]);
        assert_eq!([lag(90_000), lag(7_200_000)], [" (lag 90.0 s)", " (lag 2.0 h)"]);
    }

    #[test]
    fn failures_are_shown_to_people_and_programs() {
        let mut figures = Figures {
            elapsed: 1.5,
            records: 1000,
            rate: 666.0,
            watermark: Timestamp::MAX,
            lag: None,
            late: 2,
            errors: 0,
            state_bytes: 2048,
            state_entries: 3,
            checkpoints: 1,
            checkpoint_millis: 0.5,
            checkpoint_bytes: 10,
            restarts: 3,
            failure: None,
        };
        assert_eq!(
            figures.to_string(),
            "   1.5 s  1,000 records  666/s  watermark at the end  late 2  errors 0  state 2.0 kB  checkpoints 1 (last 0.5 ms, 10 B)"
        );
        figures.failure = Some("no such \"plane\"".to_owned());
        assert!(figures.to_string().ends_with("  restarts 3 (no such \"plane\")"));
        assert!(figures.json().ends_with(r#""restarts":3,"failure":"no such \"plane\""}"#), "{}", figures.json());
    }
}
