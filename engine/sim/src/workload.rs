//! What the simulated jobs do: their input, drawn from a seed, and the judgement of their output.
//!
//! A workload names a job; the runtime's side of the job is built elsewhere (it needs the engine). Here is what the answer must be,
//! worked out by the plain sequential programs of [`oracle`](crate::oracle).
//!
//! Invariants:
//! 1. The same job and seed give the same input and parameters.
//! 2. A correct engine passes the judgement under every schedule, every crash and any number of shards: whatever depends on those
//!    (which of the records beyond the watermark's bound are late) is taken from the output itself and checked for being allowed.

pub mod event;
pub mod generate;
mod judge;

use std::fmt;
use std::str::FromStr;

pub use event::Event;
pub use generate::Shape;
pub use judge::Output;

use crate::rng::{Chance, Rng};

/// A kind of job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JobKind {
    /// Count and sum per key and tumbling window; late records to a side output. Input has records beyond the watermark's bound.
    WindowCount,
    /// Count and sum per key and sliding window.
    Sliding,
    /// Count and sum per key and session.
    Sessions,
    /// Per key: sums by period in map state, and a running total emitted by an event-time timer at each period's end.
    Timers,
    /// Sources of different speed and time, united, then as `WindowCount` but with nothing late.
    Union,
    /// Two inputs: each pair of a left and a right record with the same key in the same bucket of time, kept in map state.
    Join,
    /// As `WindowCount`, of folders that fall silent between their files: a source that is idle does not hold the others back, and what
    /// it says later may be late.
    Idle,
    /// Per key: count and sum, emitted by a timer of the clock some time after the first record of each batch.
    Clock,
    /// Count and sum per key and sliding window in processing time.
    ClockWindows,
    /// Per key: a count that starts anew when the key was not seen for a while of processing time.
    Ttl,
}

/// A job with its parameters and its input.
#[derive(Debug, Clone)]
pub struct Workload {
    /// What is done.
    pub kind: JobKind,
    /// One list a source (a file, a split), each in the order in which it is read. For `Join`, the first half of the sources is the
    /// left input.
    pub sources: Vec<Vec<Event>>,
    /// The watermark of a source is its greatest time so far minus this, minus 1, in milliseconds.
    pub bound: i64,
    /// Window size, bucket, period, session gap or time to live, in milliseconds.
    pub size: i64,
    /// How far sliding windows are apart; else equal to `size`.
    pub slide: i64,
}

impl Workload {
    /// The workload of this kind and seed, of about `records` records.
    #[must_use]
    pub fn draw(kind: JobKind, seed: u64, records: usize) -> Self {
        let mut rng = Rng::new(seed).branch(kind.name());
        let disorder = rng.between(0, 40) * 25;
        let step = rng.between(1, 60);
        let size = rng.between(2, 40) * 50;
        let slide = match kind {
            JobKind::Sliding => size / rng.between(1, 5),
            // Each record is then in as many windows, whenever it comes.
            JobKind::ClockWindows => size / [1, 2, 5][rng.below(3) as usize],
            _ => size,
        };
        let sources = match kind {
            JobKind::Union | JobKind::Idle => 2 + rng.below(3),
            JobKind::Join => 2 * (1 + rng.below(2)),
            _ => 1 + rng.below(4),
        };
        let shape = Shape {
            sources: sources as usize,
            records,
            keys: 1 + rng.below(60),
            key_skew: rng.below(4) as u32,
            step,
            bound: disorder,
            late_per_mille: if matches!(kind, JobKind::WindowCount | JobKind::Idle) { rng.below(80) } else { 0 },
            late_by: 4 * size,
            source_skew: if matches!(kind, JobKind::Union | JobKind::Idle) { 8 } else { 1 + rng.below(3) },
        };
        // A slide that divides nothing would be legal, but Flink's windows and ours start at multiples of it either way.
        //
        // The watermark lags one more than the records do: two records whose distance is a session's gap exactly are then in one
        // session under every schedule.
        let bound = disorder + 1;
        Self { kind, sources: shape.generate(&mut rng), bound, size, slide: slide.max(1) }
    }

    /// All records of all sources.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.sources.iter().flatten()
    }

    /// The left input of a join; for other jobs, half of the sources.
    pub fn left(&self) -> impl Iterator<Item = &Event> {
        self.sources[..self.sources.len() / 2].iter().flatten()
    }

    /// The right input of a join.
    pub fn right(&self) -> impl Iterator<Item = &Event> {
        self.sources[self.sources.len() / 2..].iter().flatten()
    }
}

impl JobKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::WindowCount,
        Self::Sliding,
        Self::Sessions,
        Self::Timers,
        Self::Union,
        Self::Join,
        Self::Ttl,
        Self::Idle,
        Self::Clock,
        Self::ClockWindows,
    ];

    /// Its name on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WindowCount => "window-count",
            Self::Sliding => "sliding",
            Self::Sessions => "sessions",
            Self::Timers => "timers",
            Self::Union => "union",
            Self::Join => "join",
            Self::Ttl => "ttl",
            Self::Idle => "idle",
            Self::Clock => "clock",
            Self::ClockWindows => "clock-windows",
        }
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for JobKind {
    type Err = UnknownJob;

    fn from_str(name: &str) -> Result<Self, UnknownJob> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| UnknownJob { name: name.to_owned() })
    }
}

/// A name that no job has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownJob {
    name: String,
}

impl fmt::Display for UnknownJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<&str> = JobKind::ALL.iter().map(|kind| kind.name()).collect();
        write!(f, "there is no job {:?}; the known ones are {}", self.name, known.join(", "))
    }
}

impl std::error::Error for UnknownJob {}
