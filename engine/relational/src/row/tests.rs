//! Rows of every type come back as they were, what a null hides does not show, and a type without encoding is refused by name.

#![cfg(test)]

use std::sync::Arc;

use arrow_array::*;
use arrow_schema::{DataType, Field, Fields};

use super::*;

fn check(columns: &[ArrayRef]) {
    let rows = columns[0].len();
    let codec = RowCodec::new(columns.iter().map(|column| column.data_type().clone())).unwrap();
    let mut encoded = EncodedRows::default();
    codec.encode(columns, rows, &mut encoded).unwrap();
    let slices: Vec<&[u8]> = encoded.iter().collect();
    assert_eq!(slices.len(), rows);
    let decoded = codec.decode(&slices).unwrap();
    for (column, back) in columns.iter().zip(&decoded) {
        assert_eq!(back, column);
    }
    // The same row, alone and from a slice of the arrays, has the same bytes.
    for row in 0..rows {
        let one: Vec<ArrayRef> = columns.iter().map(|column| column.slice(row, 1)).collect();
        let mut alone = EncodedRows::default();
        codec.encode(&one, 1, &mut alone).unwrap();
        assert_eq!(alone.row(0), encoded.row(row));
    }
    // An empty row is all null.
    let nulls = codec.decode(&[&[]]).unwrap();
    assert!(nulls.iter().all(|column| column.logical_null_count() == 1));
}

#[test]
fn rows_of_every_type_come_back() {
    let long = "a text of more than twelve bytes";
    check(&[
        Arc::new(Int64Array::from(vec![Some(1), None, Some(-3)])),
        Arc::new(Int8Array::from(vec![Some(-1), None, Some(3)])),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(StringArray::from(vec![Some("a"), None, Some("")])),
        Arc::new(Float32Array::from(vec![Some(0.5), None, Some(-0.0)])),
        Arc::new(StringViewArray::from(vec![Some(long), None, Some("short")])),
        Arc::new(Decimal128Array::from(vec![Some(-7), None, Some(1 << 100)]).with_precision_and_scale(38, 3).unwrap()),
        Arc::new(TimestampMillisecondArray::from(vec![Some(7), None, Some(-7)])),
        Arc::new(BinaryArray::from(vec![Some(&b"x"[..]), None, Some(b"")])),
    ]);
    check(&[Arc::new(StringViewArray::from(vec!["one", "", long]))]);
    check(&[Arc::new(Int64Array::from(vec![1, 2, 2]))]);
}

#[test]
fn nested_rows_come_back() {
    let fields: Fields = vec![Field::new("a", DataType::Int32, true), Field::new("b", DataType::Utf8, true)].into();
    let children: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![Some(1), None, Some(3)])),
        Arc::new(StringArray::from(vec![Some("x"), None, Some("z")])),
    ];
    let record = StructArray::new(fields, children, Some(vec![true, false, true].into()));
    let list =
        ListArray::from_iter_primitive::<types::Int32Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])]);
    check(&[Arc::new(record), Arc::new(list), Arc::new(Int32Array::from(vec![None, None, Some(1)]))]);
}

#[test]
fn what_a_null_hides_does_not_show() {
    let hidden = |value| -> ArrayRef { Arc::new(Int32Array::new(vec![value].into(), Some(vec![false].into()))) };
    let codec = RowCodec::new([DataType::Int32]).unwrap();
    let (mut a, mut b) = (EncodedRows::default(), EncodedRows::default());
    codec.encode(&[hidden(1)], 1, &mut a).unwrap();
    codec.encode(&[hidden(2)], 1, &mut b).unwrap();
    assert_eq!(a.row(0), b.row(0));
}

#[test]
fn a_type_without_encoding_is_refused_by_name() {
    let error = RowCodec::new([DataType::Decimal256(50, 2)]).unwrap_err().to_string();
    assert!(error.contains("Decimal256"), "{error}");
}

#[test]
fn a_row_has_the_bytes_that_the_format_page_prints() {
    let decimal = Decimal128Array::from(vec![5]).with_precision_and_scale(10, 2).unwrap();
    let columns: [ArrayRef; 4] = [
        Arc::new(Int32Array::from(vec![-2])),
        Arc::new(StringViewArray::from(vec!["ab"])),
        Arc::new(StringViewArray::from(vec![None::<&str>])),
        Arc::new(decimal),
    ];
    let codec = RowCodec::new(columns.iter().map(|column| column.data_type().clone())).unwrap();
    let mut encoded = EncodedRows::default();
    codec.encode(&columns, 1, &mut encoded).unwrap();
    assert_eq!(encoded.row(0), crate::testing::printed("row"));
}
