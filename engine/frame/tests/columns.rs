//! Column frames: what they refuse, and that they share what they are made of.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use yeoul_frame::columns::region_buffer;
use yeoul_frame::{ColumnBatch, ColumnError, Columns, RowKind, Selection, Timestamp, hash_u64};
use yeoul_sys::Region;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false), Field::new("word", DataType::Utf8, true)]))
}

fn arrays() -> Vec<ArrayRef> {
    vec![Arc::new(Int64Array::from(vec![1, 2, 3])), Arc::new(StringArray::from(vec![Some("a"), None, Some("c")]))]
}

#[test]
fn columns_that_do_not_agree_are_refused() {
    let check = |arrays: Vec<ArrayRef>, times: usize, kinds: usize, message: &str| {
        let error: ColumnError =
            ColumnBatch::of(schema(), arrays, vec![Timestamp(0); times], vec![RowKind::Insert; kinds]).unwrap_err();
        assert_eq!(error.to_string(), message);
    };
    check(arrays()[..1].to_vec(), 3, 0, "1 arrays for a schema of 2 columns");
    check(arrays(), 2, 0, "column times has 2 elements in a frame of 3 rows");
    check(arrays(), 3, 1, "column kinds has 1 elements in a frame of 3 rows");
    let short = vec![arrays()[0].clone(), arrays()[1].slice(0, 2)];
    check(short, 3, 0, "column word has 2 elements in a frame of 3 rows");
    let other = vec![arrays()[0].clone(), arrays()[0].clone()];
    check(other, 3, 0, "column word is of type Int64, its schema says Utf8");
}

#[test]
fn frames_with_other_columns_share_times_kinds_and_rows() {
    let times = vec![Timestamp(1), Timestamp(2), Timestamp(3)];
    let kinds = vec![RowKind::Insert, RowKind::Delete, RowKind::Insert];
    let frame = ColumnBatch::of(schema(), arrays(), times, kinds).unwrap();
    let kept = frame.select(Selection::rows(&[0, 2])).with_hashes([1, 3].map(hash_u64));
    let columns = Columns::new(schema(), arrays()).unwrap();
    let mapped = kept.with_columns(columns);
    assert_eq!(mapped.times().as_ptr(), frame.times().as_ptr());
    assert_eq!(mapped.kinds().unwrap().as_ptr(), frame.kinds().unwrap().as_ptr());
    assert_eq!((mapped.selection(), mapped.hashes()), (kept.selection(), kept.hashes()));
    assert_eq!(mapped.columns().unwrap().array::<Int64Array>(0).unwrap().values(), &[1, 2, 3]);
    assert!(mapped.columns().unwrap().array::<Int32Array>(0).is_none());
}

#[test]
#[should_panic(expected = "columns of Some(2) rows for a batch of 3 rows")]
fn a_map_keeps_the_number_of_rows() {
    let frame = ColumnBatch::of(schema(), arrays(), vec![Timestamp(0); 3], vec![]).unwrap();
    let short = arrays().iter().map(|array| array.slice(0, 2)).collect();
    let _ = frame.with_columns(Columns::new(schema(), short).unwrap());
}

#[test]
fn arrays_lie_over_regions() {
    let bytes: Vec<u8> = (0..100i64).flat_map(i64::to_le_bytes).collect();
    let region = Region::from_vec(bytes);
    let start = region.as_ptr();
    let array = Int64Array::new(region_buffer(&region, 80..160).into(), None);
    drop(region);
    assert_eq!(array.values().as_ptr().cast::<u8>(), start.wrapping_add(80));
    let sum = std::thread::spawn(move || array.values().iter().sum::<i64>()).join().unwrap();
    assert_eq!(sum, (10..20).sum::<i64>());
}
