//! Rows into frames and out of them, for checks.

use yeoul_frame::{Frame, OwnedRecord, Pool, RowBuilder, RowKind, Timestamp};

use super::{Rule, Violation};

/// The selected rows of a frame, as owned records.
pub(super) fn records<T: OwnedRecord>(frame: &Frame) -> Result<Vec<T>, Violation> {
    if !frame.holds::<T>() {
        let what = format!("it emitted a frame that holds no rows of {}", std::any::type_name::<T>());
        return Err(Violation::new(Rule::Works, what));
    }
    Ok(frame.rows::<T>().iter().map(|(_, row)| T::from_archived(row)).collect())
}

/// Frames of a few rows each.
pub(super) fn frames<T: OwnedRecord>(rows: &[&(RowKind, T)], pool: &Pool) -> Result<Vec<Frame>, Violation> {
    let mut builder = RowBuilder::new(pool, ROWS);
    let mut frames = Vec::new();
    for (kind, row) in rows {
        if builder.is_full() {
            frames.push(builder.finish());
        }
        builder.push(row, Timestamp(0), *kind).map_err(|error| {
            Violation::new(Rule::Works, format!("a record of the test cannot be archived: {error}"))
        })?;
    }
    if !builder.is_empty() {
        frames.push(builder.finish());
    }
    Ok(frames)
}

/// Rows in a frame at most: few, so that a few records are many frames.
pub(super) const ROWS: usize = 5;
