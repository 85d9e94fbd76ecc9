//! In which time rows are ordered, and lengths of time in words.

use std::fmt;

/// Which time orders rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeOrder {
    /// The rows' event times.
    RowTime,
    /// The order in which they come.
    ProcTime,
}

/// A time that orders rows, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderTime {
    /// A column of event times.
    RowTime(usize),
    /// Their arrival.
    ProcTime,
}

impl TimeOrder {
    /// This time, standing in a column.
    #[must_use]
    pub fn at(self, column: usize) -> OrderTime {
        match self {
            Self::RowTime => OrderTime::RowTime(column),
            Self::ProcTime => OrderTime::ProcTime,
        }
    }
}

impl OrderTime {
    /// Which time it is.
    #[must_use]
    pub fn order(self) -> TimeOrder {
        match self {
            Self::RowTime(_) => TimeOrder::RowTime,
            Self::ProcTime => TimeOrder::ProcTime,
        }
    }
}

impl fmt::Display for OrderTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RowTime(column) => write!(f, "ROWTIME ${column}"),
            Self::ProcTime => f.write_str("PROCTIME"),
        }
    }
}

/// A length of time in its greatest whole unit.
#[must_use]
pub fn millis(length: i64) -> String {
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000)] {
        if length != 0 && length % size == 0 {
            return format!("{} {unit}", length / size);
        }
    }
    format!("{length} ms")
}
