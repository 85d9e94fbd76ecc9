//! Parquet files: rows once whatever the splits and restarts, types, and files that are not what they should be.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringViewArray, StructArray};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use yeoul_operator::{MakeSource, OperatorError};

use super::exact::{check_restarts, run_all};
use crate::FileSource;
use crate::parquet::sample::{read, sample, shipped};
use crate::source::harness::Input;

pub(super) fn events() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("text", DataType::Utf8View, true)]))
}

fn text(id: i64) -> Option<String> {
    (id % 5 != 2).then(|| "x".repeat((id * 7 % 23) as usize))
}

/// A file of this many events, so many in a row group, and what they look like.
pub(super) fn file(rows: i64, group: usize) -> (Vec<u8>, Vec<String>) {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    let texts: ArrayRef = Arc::new((0..rows).map(text).collect::<StringViewArray>());
    let batch = RecordBatch::try_new(events(), vec![ids, texts]).unwrap();
    // Pages of two rows, so that a restart has pages to skip.
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group))
        .set_data_page_row_count_limit(2)
        .set_write_batch_size(2)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), events(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    let expected = (0..rows).map(|id| format!("{id}:{}", text(id).as_deref().unwrap_or("-")));
    (writer.into_inner().unwrap(), expected.collect())
}

pub(super) fn source(path: String, split: u64, rows: usize) -> MakeSource {
    let mut source = FileSource::parquet(path, &events(), None, None).unwrap().split_size(split);
    source.settings.frame_rows = rows;
    source.make()
}

pub(super) fn reads(
    path: String,
    table: &SchemaRef,
    used: Option<&[Vec<String>]>,
) -> Result<Vec<ArrayRef>, OperatorError> {
    read(&FileSource::parquet(path, table, None, used).unwrap().make())
}

pub(super) fn refuses(path: &str, table: &SchemaRef, texts: &[&str]) {
    let error = reads(path.to_owned(), table, None).expect_err("refused").to_string();
    texts.iter().chain([&path]).for_each(|text| assert!(error.contains(text), "{text}: {error}"));
}

#[test]
fn restarts_at_every_row_give_exactly_the_rest() {
    let (bytes, expected) = file(40, 7);
    let input = Input::new(&[("events.parquet", &bytes)]);
    let path = || input.path("events.parquet");
    for split in [40, 150, 1 << 20] {
        let make = source(path(), split, 1);
        assert_eq!(run_all(&make, 1), expected, "splits of {split}");
        check_restarts(&make, 1, &[1, 2, 5], &expected);
        check_restarts(&make, 3, &[1, 2, 4], &expected);
    }
    // Frames that do not end where row groups do.
    check_restarts(&source(path(), 150, 3), 2, &[1, 3], &expected);
}

#[test]
fn several_files_and_none() {
    let (bytes, expected) = file(9, 4);
    let (empty, _) = file(0, 4);
    let input = Input::new(&[("a.parquet", &bytes), ("b.parquet", &empty), ("c.parquet", &bytes)]);
    let mut both = run_all(&source(input.path("*.parquet"), 64, 1024), 3);
    both.sort();
    let mut twice = [&expected[..], &expected[..]].concat();
    twice.sort();
    assert_eq!(both, twice);
}

#[test]
fn what_another_implementation_wrote_is_read() {
    let (table, expected) = sample();
    let found = reads(shipped("pyarrow.parquet"), &table, None).unwrap();
    for ((field, found), expected) in table.fields().iter().zip(&found).zip(&expected) {
        assert_eq!(found, expected, "{}", field.name());
    }
}

#[test]
fn old_times_of_96_bits_are_read_as_far_as_the_type_reaches() {
    let of = |unit| {
        let fields = vec![Field::new("t", DataType::Timestamp(unit, None), true)];
        reads(shipped("pyarrow-int96.parquet"), &Arc::new(Schema::new(fields)), None)
    };
    let millis = of(TimeUnit::Millisecond).unwrap();
    let millis = millis[0].as_primitive::<TimestampMillisecondType>();
    let ends = [-62_104_060_800_877, 253_402_300_799_123, 1_798_761_599_123];
    assert_eq!((0..3).map(|row| millis.value(row)).collect::<Vec<_>>(), ends);
    assert!(millis.is_null(3));
    let error = of(TimeUnit::Nanosecond).unwrap_err().to_string();
    assert!(error.contains("column `t`") && error.contains("does not fit into Timestamp(ns)"), "{error}");
}

#[test]
fn only_what_is_used_is_read_and_the_rest_is_null() {
    let (bytes, expected) = file(20, 7);
    let metadata = parquet::file::metadata::ParquetMetaDataReader::new()
        .parse_and_finish(&bytes::Bytes::from(bytes.clone()))
        .unwrap();
    // The texts are gone: who does not read them does not see it.
    let mut without = bytes;
    for group in metadata.row_groups() {
        let (start, len) = group.column(1).byte_range();
        without[start as usize..(start + len) as usize].fill(0xff);
    }
    let input = Input::new(&[("a.parquet", &without)]);
    let path = || input.path("a.parquet");
    let used = [vec!["id".to_owned()]];
    let found = reads(path(), &events(), Some(&used)).unwrap();
    assert_eq!(found[0].as_primitive::<Int64Type>().values().len(), expected.len());
    assert_eq!(found[1].null_count(), expected.len());
    refuses(&path(), &events(), &["is damaged"]);

    let (table, columns) = sample();
    let at = table.index_of("place").unwrap();
    let place = Arc::new(table.project(&[at]).unwrap());
    let used = [vec!["place".to_owned(), "y".to_owned()]];
    let found = reads(shipped("pyarrow.parquet"), &place, Some(&used)).unwrap();
    let (found, whole) = (found[0].as_struct(), columns[at].as_struct());
    let nothing = arrow_array::new_null_array(&DataType::Int64, whole.len());
    let parts = vec![nothing, Arc::clone(whole.column(1))];
    assert_eq!(*found, StructArray::new(whole.fields().clone(), parts, whole.nulls().cloned()));

    // Nothing at all: rows are counted.
    let none = FileSource::parquet(path(), &events(), Some(&[]), None).unwrap().make();
    assert_eq!(read(&none).unwrap().len(), 0);
}

#[test]
fn a_table_and_a_file_meet_by_names() {
    let (bytes, _) = file(5, 5);
    let input = Input::new(&[("a.parquet", &bytes)]);
    let table = |fields: Vec<Field>| Arc::new(Schema::new(fields));
    let id = |data_type| Field::new("id", data_type, true);
    let found = reads(
        input.path("a.parquet"),
        &table(vec![
            Field::new("other", DataType::Utf8View, true),
            id(DataType::Int8),
            Field::new("row", DataType::Struct(Fields::from(vec![id(DataType::Int64)])), true),
        ]),
        None,
    );
    let found = found.unwrap();
    assert_eq!((found[0].null_count(), found[1].null_count(), found[2].null_count()), (5, 0, 5));
    let path = input.path("a.parquet");
    refuses(&path, &table(vec![id(DataType::Utf8View)]), &["`id` is of type BIGINT there, and STRING"]);
    refuses(&path, &table(vec![Field::new("text", DataType::Utf8View, false)]), &["`text` is null", "NOT NULL"]);
    refuses(&path, &table(vec![Field::new("more", DataType::Int64, false)]), &["no column `more`", "NOT NULL"]);
    let (bytes, _) = file(200, 200);
    let input = Input::new(&[("a.parquet", &bytes)]);
    refuses(
        &input.path("a.parquet"),
        &table(vec![id(DataType::Int8)]),
        &["rows 0 to 200", "128 does not fit into Int8"],
    );
}

#[test]
fn a_file_that_is_cut_anywhere_says_so() {
    let (bytes, _) = file(20, 7);
    let input = Input::new(&[]);
    for len in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
        input.put("cut.parquet", &bytes[..len]);
        refuses(&input.path("cut.parquet"), &events(), &["is no whole Parquet file", &format!("{len} bytes")]);
    }
    input.put("cut.parquet", b"{\"id\": 1}\n{\"id\": 2}\n");
    refuses(&input.path("cut.parquet"), &events(), &["is no whole Parquet file"]);
}

/// What is flipped may be a value, which no one can tell; what cannot be read says where it is.
#[test]
fn a_flipped_byte_anywhere_is_no_panic() {
    let (bytes, expected) = file(20, 7);
    let input = Input::new(&[]);
    let path = input.path("flipped.parquet");
    let mut refused = 0;
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= [0x01, 0x80, 0xff][at % 3];
        input.put("flipped.parquet", &flipped);
        match reads(path.clone(), &events(), None) {
            Ok(columns) => assert!(columns.is_empty() || columns[0].len() == expected.len(), "byte {at}"),
            Err(error) => {
                assert!(error.to_string().contains("flipped.parquet"), "byte {at}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > bytes.len() / 4, "{refused} of {} flips were seen", bytes.len());
}
