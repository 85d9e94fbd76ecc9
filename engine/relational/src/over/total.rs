//! What is kept of a partition whose frames begin with its first row: accumulators, and how many rows and times there were.

use yeoul_state::Stored;
use yeoul_state::log::Corrupt;

use crate::aggregate::{Accumulators, Mixed, Plan};

/// The running totals of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Total {
    /// When it was last written, in processing time.
    pub(super) since: i64,
    pub(super) rows: u64,
    /// Different times.
    pub(super) times: u64,
    pub(super) held: Mixed,
}

impl Total {
    pub(super) fn fresh(plan: &Plan) -> Self {
        Self { since: i64::MIN, rows: 0, times: 0, held: Mixed::fresh(plan) }
    }
}

impl Stored for Total {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self { since: 0, rows: 0, times: 0, held: Mixed::vacant() }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.since.encode(out);
        self.rows.encode(out);
        self.times.encode(out);
        self.held.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        Ok(Self {
            since: i64::decode(bytes)?,
            rows: u64::decode(bytes)?,
            times: u64::decode(bytes)?,
            held: Mixed::decode(bytes)?,
        })
    }

    fn heap_bytes(&self) -> usize {
        self.held.heap_bytes()
    }
}
