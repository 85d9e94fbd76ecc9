//! A line of progress on the terminal while a job runs: records, rate, watermark, lag, checkpoints.

use std::io::{IsTerminal, Write, stderr};
use std::sync::Arc;
use std::time::Duration;

use yeoul_frame::Timestamp;
use yeoul_runtime::JobWatch;
use yeoul_sys::Clock;

/// Between two lines.
const EVERY: Duration = Duration::from_millis(200);
/// Between two looks at whether the job has ended.
const LOOK: Duration = Duration::from_millis(10);

/// Follows a job with a line of progress.
pub struct Progress {
    watch: Arc<JobWatch>,
    clock: Arc<dyn Clock>,
    begun: u64,
    last: (u64, u64),
}

impl Progress {
    /// For this job, from now on.
    #[must_use]
    pub fn new(watch: Arc<JobWatch>, clock: Arc<dyn Clock>) -> Self {
        let begun = clock.monotonic_nanos();
        Self { watch, clock, begun, last: (begun, 0) }
    }

    /// Writes a line to stderr now and then until `ended` says so; in place if it is a terminal.
    pub fn follow(mut self, ended: impl Fn() -> bool) {
        let in_place = stderr().is_terminal();
        let mut shown = self.clock.monotonic_nanos();
        loop {
            let over = ended();
            let now = self.clock.monotonic_nanos();
            if over || (in_place && now - shown >= EVERY.as_nanos() as u64) {
                shown = now;
                let line = self.line(over);
                // Progress is a courtesy: if nobody can read it, the job goes on.
                let _ = if in_place { write!(stderr(), "\r\x1b[K{line}") } else { writeln!(stderr(), "{line}") };
            }
            if over {
                if in_place {
                    let _ = writeln!(stderr());
                }
                return;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The present line. The rate is that since the last line; of the whole run if it is the last.
    pub fn line(&mut self, last: bool) -> String {
        let now = self.clock.monotonic_nanos();
        let records = self.watch.source_records();
        let (since, before) = if last { (self.begun, 0) } else { self.last };
        let seconds = (now - since) as f64 / 1e9;
        let rate = if seconds > 0.0 { records.saturating_sub(before) as f64 / seconds } else { 0.0 };
        self.last = (now, records);
        let watermark = self.watch.source_watermark();
        let checkpoints = self.watch.checkpoints();
        let (mut late, mut errors) = (0, 0);
        for operator in self.watch.operators() {
            late += operator.counters.late.get();
            errors += operator.counters.errors.get();
        }
        let elapsed = (now - self.begun) as f64 / 1e9;
        // A job that restarts again and again must not look like one that has little to do.
        let failures = restarts(self.watch.attempts(), self.watch.last_failure().as_deref());
        format!(
            "{elapsed:6.1} s  {} records  {}/s  watermark {}{}  late {late}  errors {errors}  checkpoints {} (last {:.1} ms, {} B){failures}",
            grouped(records),
            short(rate),
            Shown(watermark),
            lag(watermark, self.clock.wall_millis()),
            checkpoints.completed,
            checkpoints.duration_nanos as f64 / 1e6,
            short(checkpoints.bytes as f64),
        )
    }
}

/// How often the job was started again, and why the last time: the failure's first line.
fn restarts(attempts: u32, last: Option<&str>) -> String {
    let first_line = last.and_then(|failure| failure.lines().next());
    first_line
        .map_or_else(String::new, |failure| format!("  restarts {} ({failure})", attempts.saturating_sub(1).max(1)))
}

struct Shown(Timestamp);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Timestamp::MIN => f.write_str("none yet"),
            Timestamp::MAX => f.write_str("at the end"),
            at => at.fmt(f),
        }
    }
}

/// How far event time is behind the clock, where that says anything.
fn lag(watermark: Timestamp, now: i64) -> String {
    if watermark == Timestamp::MIN || watermark == Timestamp::MAX {
        return String::new();
    }
    let seconds = (now.saturating_sub(watermark.0)) as f64 / 1000.0;
    match seconds {
        s if s < 120.0 => format!(" (lag {s:.1} s)"),
        s if s < 172_800.0 => format!(" (lag {:.1} h)", s / 3600.0),
        s => format!(" (lag {:.0} days)", s / 86_400.0),
    }
}

/// 1234567 as `1,234,567`.
fn grouped(count: u64) -> String {
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

/// 1234567 as `1.23 M`.
fn short(figure: f64) -> String {
    match figure {
        f if f >= 1e9 => format!("{:.2} G", f / 1e9),
        f if f >= 1e6 => format!("{:.2} M", f / 1e6),
        f if f >= 1e3 => format!("{:.1} k", f / 1e3),
        f => format!("{f:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!([grouped(0), grouped(999), grouped(1_234_567)], ["0", "999", "1,234,567"]);
        assert_eq!([short(12.0), short(1234.0), short(5.6e6), short(7e9)], ["12", "1.2 k", "5.60 M", "7.00 G"]);
        assert_eq!(lag(Timestamp(0), 90_000), " (lag 90.0 s)");
        assert_eq!(restarts(1, None), "");
        assert_eq!(restarts(1, Some("no such plane\n  hint: look")), "  restarts 1 (no such plane)");
        assert_eq!(restarts(4, Some("no such plane")), "  restarts 3 (no such plane)");
    }
}
