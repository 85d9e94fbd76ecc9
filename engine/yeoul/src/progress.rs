//! Progress of a job on the terminal while it runs: a line in place, or lines of JSON.

use std::io::{IsTerminal, Write, stderr};
use std::sync::Arc;
use std::time::Duration;

use yeoul_frame::Timestamp;
use yeoul_runtime::JobWatch;
use yeoul_sys::Clock;

use crate::figures::Figures;

/// Between two lines on a terminal.
const EVERY: Duration = Duration::from_millis(200);
/// Between two lines of JSON.
const EVERY_JSON: Duration = Duration::from_secs(1);
/// Between two looks at whether the job has ended. The first are closer: a short job is over by then.
const LOOK: Duration = Duration::from_millis(10);
const FIRST_LOOK: Duration = Duration::from_millis(1);

/// In what form progress is shown.
///
/// ```
/// use yeoul::progress::Shown;
///
/// assert_eq!(Shown::default(), Shown::Line);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shown {
    /// A line, in place if it is a terminal; else only the last one.
    #[default]
    Line,
    /// A line in place if it is a terminal, and taken away at the end: a summary follows.
    Live,
    /// A JSON object a second.
    Json,
    /// Not at all.
    Nothing,
}

/// Follows a job.
///
/// ```
/// use std::sync::Arc;
/// use yeoul::prelude::*;
/// use yeoul::progress::{Progress, Shown};
/// use yeoul::sys::SystemClock;
///
/// let env = Environment::new("numbers");
/// env.from_collection(0..1_000u64, WatermarkStrategy::no_watermarks()).sink_to(yeoul::stream::collect().0);
/// let job = env.execute_async()?;
/// let progress = Progress::new(job.watch().clone(), Arc::new(SystemClock)).shown(Shown::Nothing);
/// let last = progress.follow(|| job.has_ended());
/// job.wait()?;
/// assert_eq!(last.records, 1_000);
/// # Ok::<_, yeoul::Error>(())
/// ```
#[derive(Clone)]
pub struct Progress {
    watch: Arc<JobWatch>,
    clock: Arc<dyn Clock>,
    begun: u64,
    last: (u64, u64),
    shown: Shown,
}

impl Progress {
    /// For this job, from now on.
    #[must_use]
    pub fn new(watch: Arc<JobWatch>, clock: Arc<dyn Clock>) -> Self {
        let begun = clock.monotonic_nanos();
        Self { watch, clock, begun, last: (begun, 0), shown: Shown::Line }
    }

    /// Shows it in this form.
    #[must_use]
    pub fn shown(mut self, shown: Shown) -> Self {
        self.shown = shown;
        self
    }

    /// Writes to stderr now and then until `ended` says so, and once more then. Returns the last figures.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use yeoul::progress::Shown;
    /// use yeoul::{JobWatch, Progress, sys::SystemClock};
    ///
    /// let progress = Progress::new(Arc::new(JobWatch::default()), Arc::new(SystemClock)).shown(Shown::Nothing);
    /// let mut looks = 0;
    /// let figures = progress.follow(|| {
    ///     looks += 1;
    ///     looks == 3
    /// });
    /// assert_eq!((looks, figures.records), (3, 0));
    /// ```
    pub fn follow(mut self, mut ended: impl FnMut() -> bool) -> Figures {
        let in_place = stderr().is_terminal();
        let every = match self.shown {
            Shown::Line | Shown::Live if in_place => Some(EVERY),
            Shown::Json => Some(EVERY_JSON),
            _ => None,
        };
        let mut written = self.clock.monotonic_nanos();
        let mut look = FIRST_LOOK;
        loop {
            let over = ended();
            let now = self.clock.monotonic_nanos();
            if over {
                let figures = self.figures(true);
                match self.shown {
                    Shown::Line => {
                        self.write(&figures, in_place);
                        let _ = if in_place { writeln!(stderr()) } else { Ok(()) };
                    }
                    Shown::Live if in_place => drop(write!(stderr(), "\r\x1b[K")),
                    Shown::Live | Shown::Json | Shown::Nothing => {}
                }
                return figures;
            }
            if every.is_some_and(|every| now - written >= every.as_nanos() as u64) {
                written = now;
                let figures = self.figures(false);
                self.write(&figures, in_place);
            }
            std::thread::sleep(look);
            look = (look * 2).min(LOOK);
        }
    }

    fn write(&self, figures: &Figures, in_place: bool) {
        // Progress is a courtesy: if nobody can read it, the job goes on.
        let _ = match self.shown {
            Shown::Line | Shown::Live if in_place => write!(stderr(), "\r\x1b[K{figures}"),
            Shown::Line => writeln!(stderr(), "{figures}"),
            Shown::Json => writeln!(stderr(), "{}", figures.json()),
            Shown::Live | Shown::Nothing => Ok(()),
        };
    }

    /// The present figures. The rate is that since the last time; of the whole run if `last`.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use yeoul::{JobWatch, Progress, sys::SystemClock};
    /// let mut progress = Progress::new(Arc::new(JobWatch::default()), Arc::new(SystemClock));
    /// let (first, second) = (progress.figures(false), progress.figures(true));
    /// assert!(first.elapsed <= second.elapsed && second.rate == 0.0);
    /// ```
    pub fn figures(&mut self, last: bool) -> Figures {
        let now = self.clock.monotonic_nanos();
        let records = self.watch.source_records();
        let (since, before) = if last { (self.begun, 0) } else { self.last };
        let seconds = (now - since) as f64 / 1e9;
        let rate = if seconds > 0.0 { records.saturating_sub(before) as f64 / seconds } else { 0.0 };
        self.last = (now, records);
        let watermark = self.watch.source_watermark();
        let says = watermark != Timestamp::MIN && watermark != Timestamp::MAX;
        let checkpoints = self.watch.checkpoints();
        let [mut late, mut errors, mut state_bytes, mut state_entries] = [0; 4];
        for operator in self.watch.operators() {
            late += operator.counters.late.get();
            errors += operator.counters.errors.get();
            state_bytes += operator.counters.state_bytes.get();
            state_entries += operator.counters.state_entries.get();
        }
        let failure = self.watch.last_failure();
        Figures {
            elapsed: (now - self.begun) as f64 / 1e9,
            records,
            rate,
            watermark,
            lag: says.then(|| self.clock.wall_millis().saturating_sub(watermark.0)),
            late,
            errors,
            state_bytes,
            state_entries,
            checkpoints: checkpoints.completed,
            checkpoint_millis: checkpoints.duration_nanos as f64 / 1e6,
            checkpoint_bytes: checkpoints.bytes,
            restarts: self.watch.attempts().saturating_sub(1),
            failure: failure.and_then(|failure| failure.lines().next().map(str::to_owned)),
        }
    }
}
