//! The rows that windows give.

use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;
use yeoul_frame::Timestamp;
use yeoul_operator::{Context, OperatorError};

use super::{WindowAggregate, WindowProperty};
use crate::aggregate::{Accumulators, Finished, Plan, ROWS};
use crate::key::{ColumnKey, KeyReader};
use crate::output::{OUTPUT_ROWS, emit};
use crate::word::words_to_array;

/// The windows of one output, `windows[i]` being that of `keys[i]`, or one for all.
pub(super) fn give<K: ColumnKey, A: Accumulators>(
    spec: &WindowAggregate,
    plan: &Plan,
    reader: &KeyReader<K>,
    keys: &[K],
    held: &[A],
    windows: &[(i64, i64)],
    cx: &mut Context<'_>,
) -> Result<(), OperatorError> {
    // A window from which all was taken back gives nothing.
    let rows: Vec<u32> = (0..keys.len()).filter(|&row| held[row].words()[ROWS] != 0).map(|row| row as u32).collect();
    let schema: &SchemaRef = &spec.schema;
    for rows in rows.chunks(OUTPUT_ROWS) {
        let window = |row: u32| if windows.len() == 1 { windows[0] } else { windows[row as usize] };
        let mut arrays: Vec<ArrayRef> = reader.columns_of(rows.iter().map(|&row| &keys[row as usize]))?;
        arrays.truncate(spec.keys.len());
        let held = |row: usize| &held[rows[row] as usize];
        let picks: Vec<(u32, bool)> = (0..rows.len()).map(|row| (row as u32, true)).collect();
        for (call, result) in plan.results.iter().enumerate() {
            let finished = plan.finish(
                call,
                rows.len(),
                |row, word| held(row).words()[word],
                |row, text| &held(row).texts()[text],
            );
            arrays.push(Finished::pick(&finished, &finished, &picks, result)?);
        }
        for property in &spec.properties {
            let of = |row: &u32| {
                let (start, end) = window(*row);
                match property {
                    WindowProperty::Start => start as u64,
                    WindowProperty::End => end as u64,
                    WindowProperty::Time => end.saturating_sub(1) as u64,
                }
            };
            arrays.push(words_to_array(schema.field(arrays.len()).data_type(), rows.iter().map(of).collect(), None));
        }
        let times = rows.iter().map(|&row| Timestamp(window(row).1.saturating_sub(1))).collect();
        emit(cx, schema, arrays, times, Vec::new())?;
    }
    Ok(())
}
