//! The records of the simulated jobs.

use yeoul_frame::record;

/// A record of the input, and of the late output.
#[record]
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub(crate) id: u64,
    pub(crate) key: u64,
    pub(crate) time: i64,
    pub(crate) value: i64,
}

/// Count and sum of a key and window.
#[record]
#[derive(Debug, Clone)]
pub(crate) struct Windowed {
    pub(crate) key: u64,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) count: i64,
    pub(crate) sum: i64,
}
