//! The records of the simulated jobs.

use yeoul_frame::record;

/// A record of the input, and of the late output.
#[record]
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) id: u64,
    pub(super) key: u64,
    pub(super) time: i64,
    pub(super) value: i64,
}

/// Count and sum of a key and window.
#[record]
#[derive(Debug, Clone)]
pub(super) struct Windowed {
    pub(super) key: u64,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) count: i64,
    pub(super) sum: i64,
}

/// A key's total at the end of a period.
#[record]
#[derive(Debug, Clone)]
pub(super) struct Total {
    pub(super) key: u64,
    pub(super) end: i64,
    pub(super) total: i64,
}

/// A pair of a left and a right record.
#[record]
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) key: u64,
    pub(super) left: u64,
    pub(super) right: u64,
    pub(super) product: i64,
}

/// How often a key was seen without a long break, when this record was.
#[record]
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) key: u64,
    pub(super) id: u64,
    pub(super) now: i64,
    pub(super) count: i64,
}

/// What was counted of a key since the last time.
#[record]
#[derive(Debug, Clone)]
pub(super) struct Counted {
    pub(super) key: u64,
    pub(super) count: i64,
    pub(super) sum: i64,
}
