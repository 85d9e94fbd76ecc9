//! Parquet files as others write them: texts that say that they are none, columns without a value, parts that came later, large values.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, Decimal128Array, Int32Array, Int64Array, ListArray, MapArray, NullArray, RecordBatch,
    StringViewArray, StructArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use yeoul_operator::Subtask;

use super::parquet::{events, file, reads, refuses, source};
use crate::FileSource;
use crate::source::harness::{Input, Instance, Saved};

fn table(fields: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}

fn row(fields: &[(&str, DataType, bool)]) -> DataType {
    DataType::Struct(fields.iter().map(|(name, of, nullable)| Field::new(*name, of.clone(), *nullable)).collect())
}

fn list(of: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", of, true)))
}

fn map(of: DataType) -> DataType {
    let parts = vec![Field::new("key", DataType::Utf8View, false), Field::new("value", of, true)];
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(parts.into()), false)), false)
}

/// A file of these columns.
fn of_columns(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)));
    let batch = batch.unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// A file of a schema whose leaves are bytes, each with these values and their levels.
fn of_bytes(schema: &str, dictionary: bool, values: &[&[u8]], definition: i16, repetition: &[i16]) -> Vec<u8> {
    let properties = WriterProperties::builder().set_dictionary_enabled(dictionary).build();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let values: Vec<ByteArray> = values.iter().map(|value| value.to_vec().into()).collect();
    while let Some(mut column) = group.next_column().unwrap() {
        let levels = vec![definition; values.len()];
        column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), Some(repetition)).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn bytes_that_are_no_text_are_no_string() {
    let input = Input::new(&[]);
    let path = input.path("a.parquet");
    let good: [&[u8]; 2] = [b"short", "a text of more than twelve bytes: 서울".as_bytes()];
    for said in ["", "(ENUM)", "(JSON)"] {
        let plain = format!("message m {{ optional binary c {said}; }}");
        let lists = format!(
            "message m {{ optional group c (LIST) {{ repeated group list {{ optional binary element {said}; }} }} }}"
        );
        let rows = format!("message m {{ optional group c {{ optional binary x {said}; }} }}");
        let maps = format!(
            "message m {{ optional group c (MAP) {{ repeated group key_value {{ required binary key {said}; optional binary value {said}; }} }} }}"
        );
        for dictionary in [false, true] {
            for (schema, of, definition) in [
                (&plain, DataType::Utf8View, 1),
                (&rows, row(&[("x", DataType::Utf8View, true)]), 2),
                (&lists, list(DataType::Utf8View), 3),
                (&maps, map(DataType::Utf8View), 3),
            ] {
                // Of a map, the key: the file gives both the same levels.
                let definition = if schema == &maps { 2 } else { definition };
                let put = |values: &[&[u8]]| {
                    let repetition = vec![0; values.len()];
                    input.put("a.parquet", &of_bytes(schema, dictionary, values, definition, &repetition));
                };
                let table = table(vec![Field::new("c", of, true)]);
                put(&good);
                let found = reads(path.clone(), &table, None).unwrap();
                let shown = format!("{:?}", found[0]);
                assert!(shown.contains("short") && shown.contains("서울"), "{said} {shown}");
                for bad in [b"\xff".as_slice(), b"more than twelve bytes, and then \xff\xfe"] {
                    put(&[b"good", bad]);
                    refuses(&path, &table, &["rows 0 to 2", "column `c`", "UTF-8"]);
                }
            }
        }
    }
}

#[test]
fn a_column_that_holds_nothing_is_null_whatever_the_table_says() {
    let nothing = || -> ArrayRef { Arc::new(NullArray::new(2)) };
    let within = StructArray::new(vec![Field::new("tags", DataType::Null, true)].into(), vec![nothing()], None);
    let bytes = of_columns(vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2]))),
        ("tags", nothing()),
        ("within", Arc::new(within)),
    ]);
    let input = Input::new(&[("a.parquet", &bytes)]);
    let path = input.path("a.parquet");
    let number = row(&[("x", DataType::Int64, true)]);
    for of in [list(DataType::Utf8View), map(DataType::Int64), number, list(map(DataType::Int64)), DataType::Int64] {
        let found = reads(path.clone(), &table(vec![Field::new("tags", of.clone(), true)]), None).unwrap();
        assert_eq!((found[0].null_count(), found[0].data_type()), (2, &of));
        let inner = Field::new("within", row(&[("tags", of.clone(), true)]), true);
        let found = reads(path.clone(), &table(vec![inner]), None).unwrap();
        let found = found[0].as_struct();
        assert_eq!((found.null_count(), found.column(0).null_count()), (0, 2), "{of}");
        refuses(&path, &table(vec![Field::new("tags", of.clone(), false)]), &["`tags` is null", "NOT NULL"]);
        let inner = Field::new("within", row(&[("tags", of, false)]), true);
        refuses(&path, &table(vec![inner]), &["column `within`", "tags"]);
    }
}

/// A ROW of `a`, a list of such, and a map to such, two rows each.
fn nested() -> Vec<u8> {
    let fields: Fields = vec![Field::new("a", DataType::Int32, true)].into();
    let places =
        |from: i32| StructArray::new(fields.clone(), vec![Arc::new(Int32Array::from(vec![from, from + 1]))], None);
    let lengths = || OffsetBuffer::from_lengths([2, 0]);
    let item = Arc::new(Field::new("item", DataType::Struct(fields.clone()), true));
    let of_map =
        vec![Field::new("key", DataType::Utf8View, false), Field::new("value", DataType::Struct(fields.clone()), true)];
    let keys: ArrayRef = Arc::new(StringViewArray::from(vec!["k", "l"]));
    let entries = StructArray::new(of_map.clone().into(), vec![keys, Arc::new(places(5))], None);
    let entry = Arc::new(Field::new("entries", DataType::Struct(of_map.into()), false));
    of_columns(vec![
        ("place", Arc::new(places(1))),
        ("places", Arc::new(ListArray::new(item, lengths(), Arc::new(places(3)), None))),
        ("named", Arc::new(MapArray::new(entry, lengths(), entries, None, false))),
    ])
}

#[test]
fn a_part_that_is_needed_is_not_made_up() {
    let input = Input::new(&[("a.parquet", &nested())]);
    let path = input.path("a.parquet");
    let both = row(&[("a", DataType::Int32, true), ("qty", DataType::Int32, false)]);
    for (name, of) in [("place", both.clone()), ("places", list(both.clone())), ("named", map(both))] {
        let field = Field::new(name, of, true);
        refuses(&path, &table(vec![field]), &[&format!("no column `{name}.qty`"), "NOT NULL"]);
    }
}

#[test]
fn a_row_none_of_whose_fields_the_table_has_is_there() {
    let input = Input::new(&[("a.parquet", &nested())]);
    let new = || row(&[("new", DataType::Utf8View, true)]);
    let columns = vec![
        Field::new("place", new(), true),
        Field::new("places", list(new()), true),
        Field::new("named", map(new()), true),
    ];
    let found = reads(input.path("a.parquet"), &table(columns), None).unwrap();
    let place = found[0].as_struct();
    assert_eq!((place.null_count(), place.column(0).null_count()), (0, 2));
    let places = found[1].as_list::<i32>();
    assert_eq!((places.null_count(), places.value_length(0), places.value_length(1)), (0, 2, 0));
    assert_eq!((places.values().null_count(), places.values().as_struct().column(0).null_count()), (0, 2));
    assert_eq!((found[2].null_count(), found[2].as_map().value_length(0)), (0, 2));
}

#[test]
fn large_values_come_in_small_frames() {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..300));
    // No two alike, and nothing that a dictionary could share.
    let long = |id: u64| format!("{id} {}", yeoul_frame::hash_bytes(&id.to_le_bytes()).0.to_string().repeat(5_000));
    let texts: ArrayRef = Arc::new((0..300u64).map(|id| Some(long(id))).collect::<StringViewArray>());
    let mut writer = ArrowWriter::try_new(Vec::new(), events(), None).unwrap();
    writer.write(&RecordBatch::try_new(events(), vec![ids, texts]).unwrap()).unwrap();
    let input = Input::new(&[("a.parquet", &writer.into_inner().unwrap())]);
    let mut instance = Instance::open(
        &source(input.path("a.parquet"), 1 << 30, 1024),
        Subtask { index: 0, parallelism: 1 },
        &Saved::new(),
    )
    .unwrap();
    let mut largest = 0;
    loop {
        let before = instance.records.len();
        let polled = instance.poll().unwrap();
        largest = largest.max(instance.records.len() - before);
        if polled == yeoul_operator::SourcePoll::End {
            break;
        }
    }
    assert_eq!(instance.records.len(), 300);
    assert!((2..=12).contains(&largest), "{largest} rows of 100 KB in a frame");
}

#[test]
fn row_groups_of_one_size_spread_over_all_instances_and_keep_their_order() {
    let (bytes, expected) = file(80, 10);
    let input = Input::new(&[("a.parquet", &bytes)]);
    // Each begins near a multiple of four splits.
    let make = source(input.path("a.parquet"), bytes.len() as u64 / 32, 1024);
    let mut all = Instance::all(&make, 4, &Saved::new()).unwrap();
    all.iter_mut().for_each(|instance| instance.run().unwrap());
    let counts: Vec<usize> = all.iter().map(|instance| instance.records.len()).collect();
    assert_eq!(counts, [20; 4]);
    // More row groups than splits, too: one instance reads a file in its order, another number of them each a stretch at a time.
    for splits in [1, 3, 5, 8, 20] {
        let make = source(input.path("a.parquet"), (bytes.len() as u64).div_ceil(splits), 1024);
        let mut alone = Instance::all(&make, 1, &Saved::new()).unwrap();
        alone[0].run().unwrap();
        assert_eq!(alone[0].texts(), expected, "{splits} splits");
    }
}

#[test]
fn a_decimal_has_no_more_digits_than_its_type() {
    let input = Input::new(&[]);
    let path = input.path("a.parquet");
    let check = |value: i128, stored: (u8, i8), wanted: (u8, i8), expected: Option<i128>| {
        let values = Decimal128Array::from(vec![value]).with_data_type(DataType::Decimal128(stored.0, stored.1));
        input.put("a.parquet", &of_columns(vec![("d", Arc::new(values))]));
        let table = table(vec![Field::new("d", DataType::Decimal128(wanted.0, wanted.1), true)]);
        match expected {
            Some(expected) => {
                let found = reads(path.clone(), &table, None).unwrap();
                assert_eq!(found[0].as_primitive::<Decimal128Type>().value(0), expected, "{stored:?} {wanted:?}");
            }
            None => refuses(&path, &table, &["column `d`", &value.to_string()]),
        }
    };
    check(-12_345, (9, 2), (11, 4), Some(-1_234_500));
    check(2_000_000_000, (9, 2), (9, 2), None);
    check(2_000_000_000, (9, 2), (10, 2), Some(2_000_000_000));
    check(i128::MIN, (38, 0), (37, 0), None);
    check(i128::MIN, (38, 0), (38, 0), None);
}

/// The file with another footer.
fn with_footer(bytes: &[u8], change: impl Fn(ParquetMetaData) -> ParquetMetaData) -> Vec<u8> {
    let whole = bytes::Bytes::from(bytes.to_vec());
    let metadata = change(ParquetMetaDataReader::new().parse_and_finish(&whole).unwrap());
    let footer = u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap()) as usize;
    let mut out = bytes[..bytes.len() - 8 - footer].to_vec();
    ParquetMetaDataWriter::new(&mut out, &metadata).finish().unwrap();
    out
}

#[test]
fn a_codec_that_is_not_there_is_called_by_its_name() {
    let (bytes, _) = file(5, 5);
    let packed = |which: usize, codec: Compression| {
        with_footer(&bytes, |metadata| {
            let mut builder = metadata.into_builder();
            let groups = builder.take_row_groups().into_iter().map(|group| {
                let mut columns = group.columns().to_vec();
                columns[which] = columns[which].clone().into_builder().set_compression(codec).build().unwrap();
                group.into_builder().set_column_metadata(columns).build().unwrap()
            });
            let groups = groups.collect();
            builder.set_row_groups(groups).build()
        })
    };
    let input = Input::new(&[]);
    let path = input.path("a.parquet");
    for (codec, name) in [(Compression::BROTLI(Default::default()), "BROTLI"), (Compression::LZO, "LZO")] {
        input.put("a.parquet", &packed(1, codec));
        refuses(&path, &events(), &["column `text`", name]);
        let error = reads(path.clone(), &events(), None).unwrap_err();
        assert!(error.is_permanent() && !error.to_string().contains("damaged"), "{error}");
        // Who does not read it does not mind.
        let ids = reads(path.clone(), &events(), Some(&[vec!["id".to_owned()]])).unwrap();
        assert_eq!(ids[0].as_primitive::<Int64Type>().values().as_ref(), [0, 1, 2, 3, 4]);
    }
    let ids = FileSource::parquet(path, &events(), Some(&[0]), None).unwrap().make();
    assert_eq!(crate::parquet::sample::read(&ids).unwrap()[0].len(), 5);
    assert_eq!(
        reads(input.path("a.parquet"), &table(vec![Field::new("id", DataType::Int32, true)]), None).unwrap()[0]
            .as_primitive::<Int32Type>()
            .len(),
        5
    );
}
