//! One row of a job's output: integers, compared and printed alike by the job and by the oracle.

use std::fmt;

/// A row. Rows order by their cells, first cell first.
///
/// ```
/// use yeoul_sim::row::Row;
/// let row = Row::of([7, -1]);
/// assert_eq!(row.to_string(), "7,-1");
/// assert_eq!(Row::parse("7,-1"), Some(row));
/// assert_eq!(Row::parse("7,x"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row(Box<[i64]>);

impl Row {
    /// The row of these cells.
    #[must_use]
    pub fn of<const N: usize>(cells: [i64; N]) -> Self {
        Self(Box::new(cells))
    }

    /// Reads a line of comma-separated integers; anything else is `None`.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        line.split(',').map(|cell| cell.parse().ok()).collect::<Option<_>>().map(Self)
    }

    /// Reads the integers of an NDJSON line in order, whatever their names; anything but a flat object of integers is `None`.
    #[must_use]
    pub fn parse_json(line: &str) -> Option<Self> {
        let inside = line.trim().strip_prefix('{')?.strip_suffix('}')?;
        let cell = |pair: &str| pair.split_once(':')?.1.trim().parse().ok();
        inside.split(',').map(cell).collect::<Option<_>>().map(Self)
    }

    /// Its cells.
    #[must_use]
    pub fn cells(&self) -> &[i64] {
        &self.0
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, cell) in self.0.iter().enumerate() {
            write!(f, "{}{cell}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}
