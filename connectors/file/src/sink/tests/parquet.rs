//! Parquet files as a sink writes them: whole ones, an epoch each, that say what went in.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    Array, ArrayRef, Int32Array, ListArray, MapArray, StringViewArray, StructArray, TimestampMillisecondArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use yeoul_formats::columns::FrameEncoder;
use yeoul_frame::{ColumnBatch, Epoch, Frame, KeyGroups, OperatorId, Pool, RowKind, Selection, Timestamp};
use yeoul_operator::{
    Context, Counters, InputId, OpenContext, OperatorError, SealedOutput, Services, Snapshot, Subtask,
};

use crate::parquet::sample::{read, sample};
use crate::{FileSink, FileSource, ParquetCompression, ParquetOptions};

/// Writes frames, one an epoch, into `folder`, and returns the names of its files.
fn write(
    folder: &Path,
    table: &SchemaRef,
    options: ParquetOptions,
    limit: u64,
    frames: &[Frame],
) -> Result<Vec<String>, OperatorError> {
    let sink = FileSink::parquet(folder.display().to_string(), table, options).unwrap().epoch_limit(limit);
    let services = Services::default();
    let (mut writer, mut committer) = (sink.make()(), sink.committer()());
    committer.recover(&services, Epoch(0))?;
    let (pool, subtask) = (Pool::new(), Subtask { index: 0, parallelism: 1 });
    writer.open(&mut OpenContext {
        operator: OperatorId::of("sink"),
        name: "sink",
        subtask,
        key_groups: KeyGroups::DEFAULT,
        services: &services,
        pool: &pool,
        counters: Arc::new(Counters::default()),
        waker: yeoul_operator::Waker::default(),
    })?;
    for (number, frame) in (1..).zip(frames) {
        let epoch = Epoch(number);
        let (mut emitted, counters) = (Vec::new(), Counters::default());
        let mut cx = Context::new(&mut emitted, Timestamp::MIN, Timestamp(0), &pool, &counters);
        writer.process(InputId(0), frame, &mut cx)?;
        let (mut states, mut sealed) = (Vec::new(), Vec::new());
        writer.snapshot(&mut Snapshot::new(epoch, OperatorId::of("sink"), &mut states, &mut sealed))?;
        let pieces = sealed.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0);
        assert!(pieces <= 256 << 10, "a piece of {pieces} bytes");
        let outputs: Vec<_> = sealed.into_iter().map(|(_, bytes)| SealedOutput { epoch, subtask, bytes }).collect();
        committer.deliver(epoch, &outputs)?;
    }
    committer.finish()?;
    let names = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    Ok(names)
}

fn frame(table: &SchemaRef, arrays: &[ArrayRef], kinds: Vec<RowKind>) -> Frame {
    let times = vec![Timestamp(0); arrays[0].len()];
    ColumnBatch::of(Arc::clone(table), arrays.to_vec(), times, kinds).unwrap()
}

fn read_back(folder: &Path, table: &SchemaRef) -> Vec<ArrayRef> {
    read(&FileSource::parquet(folder.display().to_string(), table, None, None).unwrap().make()).unwrap()
}

fn footer(path: &Path) -> ParquetMetaData {
    ParquetMetaDataReader::new().parse_and_finish(&std::fs::File::open(path).unwrap()).unwrap()
}

#[test]
fn all_types_come_back_in_every_compression() {
    let (table, arrays) = sample();
    let compressions = [
        ParquetCompression::Uncompressed,
        ParquetCompression::Snappy,
        ParquetCompression::Gzip,
        ParquetCompression::Zstd,
        ParquetCompression::Lz4Raw,
    ];
    for compression in compressions {
        let folder = tempfile::tempdir().unwrap();
        let options = ParquetOptions { compression, dictionary: false, ..ParquetOptions::default() };
        let frames = [frame(&table, &arrays, vec![])];
        write(folder.path(), &table, options, 1 << 30, &frames).unwrap();
        for ((field, found), expected) in table.fields().iter().zip(read_back(folder.path(), &table)).zip(&arrays) {
            assert_eq!(&found, expected, "{} in {compression:?}", field.name());
        }
    }
}

#[test]
fn each_epoch_with_rows_is_a_file() {
    let (table, arrays) = sample();
    let (folder, all) = (tempfile::tempdir().unwrap(), frame(&table, &arrays, vec![]));
    let frames =
        [all.clone(), all.select(Selection::rows(&[])), all.select(Selection::rows(&[1, 4, 9])), all.slice(0..2)];
    let names = write(folder.path(), &table, ParquetOptions::default(), 1 << 30, &frames).unwrap();
    let part = |epoch: u32| format!("part-00000-e{epoch:010}-{epoch:010}.parquet");
    assert_eq!(names, [part(1), part(3), part(4)]);
    let found = read_back(folder.path(), &table);
    let ids = found[table.index_of("id").unwrap()].as_primitive::<Int64Type>();
    assert_eq!(ids.values().as_ref(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 4, 9, 0, 1]);
    let written = footer(&folder.path().join(part(3)));
    assert!(written.file_metadata().created_by().unwrap().starts_with("yeoul version "));
    assert!(written.file_metadata().key_value_metadata().is_none(), "no more than Parquet itself says");
}

#[test]
fn row_groups_and_pieces_have_their_sizes() {
    let table: SchemaRef = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
    let numbers = |n: i64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed());
    let array: ArrayRef = Arc::new((0..100_000).map(|n| Some(numbers(n))).collect::<arrow_array::Int64Array>());
    let parts: Vec<Frame> = [frame(&table, &[Arc::clone(&array)], vec![])].to_vec();
    let folder = tempfile::tempdir().unwrap();
    let options = ParquetOptions {
        row_group_bytes: 300 << 10,
        page_bytes: 20 << 10,
        dictionary: false,
        ..ParquetOptions::default()
    };
    let names = write(folder.path(), &table, options.clone(), 1 << 30, &parts).unwrap();
    let footer = footer(&folder.path().join(&names[0]));
    assert!((2..=4).contains(&footer.num_row_groups()), "{} row groups of 800 KB", footer.num_row_groups());
    assert_eq!(read_back(folder.path(), &table), [array]);
    let error = write(tempfile::tempdir().unwrap().path(), &table, options, 500_000, &parts).unwrap_err().to_string();
    assert!(error.contains("more than its limit of 500000"), "{error}");
}

#[test]
fn times_are_written_in_the_unit_that_is_asked_for() {
    let (millis, zone) = (TimeUnit::Millisecond, Some(Arc::from("UTC")));
    let table = |unit| {
        let field = Field::new("t", DataType::Timestamp(unit, zone.clone()), true);
        SchemaRef::new(Schema::new(vec![field]))
    };
    let times = |values: Vec<i64>| [Arc::new(TimestampMillisecondArray::from(values).with_timezone("UTC")) as ArrayRef];
    let frames = [frame(&table(millis), &times(vec![-1, 1_700_000_000_123]), vec![])];
    for (unit, name) in
        [(None, "MILLIS"), (Some(TimeUnit::Microsecond), "MICROS"), (Some(TimeUnit::Nanosecond), "NANOS")]
    {
        let folder = tempfile::tempdir().unwrap();
        let options = ParquetOptions { unit, ..ParquetOptions::default() };
        let names = write(folder.path(), &table(millis), options, 1 << 30, &frames).unwrap();
        let footer = footer(&folder.path().join(&names[0]));
        let written = format!("{:?}", footer.file_metadata().schema_descr().column(0).logical_type_ref());
        assert!(written.contains(name) && written.contains("is_adjusted_to_u_t_c: true"), "{written}");
        assert_eq!(read_back(folder.path(), &table(millis)), times(vec![-1, 1_700_000_000_123]), "{unit:?}");
    }
    // Far from now there are no nanoseconds of 64 bits.
    let frames = [frame(&table(millis), &times(vec![253_402_300_799_000]), vec![])];
    let options = ParquetOptions { unit: Some(TimeUnit::Nanosecond), ..ParquetOptions::default() };
    let error = write(tempfile::tempdir().unwrap().path(), &table(millis), options, 1 << 30, &frames).unwrap_err();
    assert!(error.to_string().contains("column `t`") && error.to_string().contains("does not fit"), "{error}");
}

/// Two rows of parts of these names, by themselves, in a list and in a map.
fn rows_of(names: &[&str], nullable: bool) -> (SchemaRef, Vec<ArrayRef>) {
    let fields: Fields = names.iter().map(|name| Field::new(*name, DataType::Int32, nullable)).collect();
    let part = |at: usize| -> ArrayRef { Arc::new(Int32Array::from(vec![10 + at as i32, 20 + at as i32])) };
    let row = |nulls: Option<NullBuffer>| StructArray::new(fields.clone(), (0..names.len()).map(part).collect(), nulls);
    let of_row = DataType::Struct(fields.clone());
    let item = Arc::new(Field::new("item", of_row.clone(), true));
    let entry: Fields = vec![Field::new("key", DataType::Utf8View, false), Field::new("value", of_row, true)].into();
    let keys: ArrayRef = Arc::new(StringViewArray::from(vec!["k", "l"]));
    let entries = StructArray::new(entry.clone(), vec![keys, Arc::new(row(None))], None);
    let lengths = || OffsetBuffer::from_lengths([2, 0]);
    let entry = Arc::new(Field::new("entries", DataType::Struct(entry), false));
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(row(Some(vec![true, false].into()))),
        Arc::new(ListArray::new(item, lengths(), Arc::new(row(None)), None)),
        Arc::new(MapArray::new(entry, lengths(), entries, None, false)),
    ];
    let columns = ["row", "list", "map"].into_iter().zip(&arrays);
    let columns = columns.map(|(name, array)| Field::new(name, array.data_type().clone(), true));
    (Arc::new(Schema::new(columns.collect::<Vec<_>>())), arrays)
}

#[test]
fn parts_go_by_their_place_whatever_they_are_called() {
    let (given, arrays) = rows_of(&["EXPR$0", "x"], true);
    // A name of the one stands at another place of the other; what may not be null is not.
    for nullable in [true, false] {
        let (table, expected) = rows_of(&["x", "y"], nullable);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &table, ParquetOptions::default(), 1 << 30, &[frame(&given, &arrays, vec![])]).unwrap();
        assert_eq!(read_back(folder.path(), &table), expected);
    }
    let (fewer, _) = rows_of(&["x"], true);
    let folder = tempfile::tempdir().unwrap();
    let written = write(folder.path(), &fewer, ParquetOptions::default(), 1 << 30, &[frame(&given, &arrays, vec![])]);
    let error = written.unwrap_err().to_string();
    assert!(error.contains("column `row`") && error.contains("2 fields"), "{error}");
}

/// Writes 26 MB: the most that was held of them, and what was left for the barrier.
fn left_for_the_barrier(options: ParquetOptions) -> (usize, usize) {
    let fields = ["a", "b", "c", "d"].map(|name| Field::new(name, DataType::Int64, true));
    let table: SchemaRef = Arc::new(Schema::new(fields.to_vec()));
    let mut encoder = crate::ParquetParts::new(&table, options).unwrap().encoder();
    let (mut given, mut most) = (0, 0);
    for part in 0..50i64 {
        let random = |n: i64| (part << 14 | n).wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed());
        let array: ArrayRef = Arc::new(arrow_array::Int64Array::from_iter_values((0..1 << 14).map(random)));
        let frame = frame(&table, &[&array; 4].map(Arc::clone), vec![]);
        let mut next = 0;
        while next < frame.len() {
            let mut out = Vec::new();
            next = encoder.encode(&frame, next, &mut out, usize::MAX).unwrap();
            given += out.len();
            most = most.max(encoder.held());
        }
    }
    let mut out = Vec::new();
    assert!(encoder.end_file(&mut out, usize::MAX).unwrap());
    assert!(given + out.len() > 26_000_000, "{} bytes", given + out.len());
    (most, out.len())
}

/// A barrier closes the row group that is open: that must not be all that came since the last one.
#[test]
fn little_is_left_for_the_barrier() {
    let uncompressed = ParquetOptions {
        compression: ParquetCompression::Uncompressed,
        dictionary: false,
        ..ParquetOptions::default()
    };
    let (most, left) = left_for_the_barrier(uncompressed.clone());
    // A row group, and of each column a page that is not full.
    assert!(most.max(left) < 21 << 20, "{most} bytes held, {left} at the barrier");
    // Who asks for more waits for more.
    let (_, left) = left_for_the_barrier(ParquetOptions { row_group_bytes: 128 << 20, ..uncompressed });
    assert!(left > 26_000_000, "{left} at the barrier");
}

#[test]
fn a_row_group_is_as_large_as_is_asked_for_however_narrow() {
    let table: SchemaRef = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
    let array: ArrayRef = Arc::new(arrow_array::Int64Array::from(vec![7; 1_100_000]));
    let folder = tempfile::tempdir().unwrap();
    let names =
        write(folder.path(), &table, ParquetOptions::default(), 1 << 30, &[frame(&table, &[array], vec![])]).unwrap();
    assert_eq!(footer(&folder.path().join(&names[0])).num_row_groups(), 1);
}

#[test]
fn what_cannot_be_written_is_refused_by_name() {
    let table = |data_type| Schema::new(vec![Field::new("c", data_type, true)]);
    let refuses = |table: &Schema, text: &str| {
        let error = FileSink::parquet("out", table, ParquetOptions::default()).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    refuses(&table(DataType::Duration(TimeUnit::Second)), "`c` is of type Duration");
    refuses(&table(DataType::Struct(vec![Field::new("x", DataType::Null, true)].into())), "`c.x` is of type Null");
    refuses(&table(DataType::Struct(Vec::<Field>::new().into())), "ROW without fields");
    refuses(&Schema::empty(), "without columns");
    let (table, arrays) = sample();
    let changes = frame(&table, &arrays, vec![RowKind::Delete; 10]);
    let folder = tempfile::tempdir().unwrap();
    let error = write(folder.path(), &table, ParquetOptions::default(), 1 << 30, &[changes]).unwrap_err().to_string();
    assert!(error.contains("can only add records"), "{error}");
}

/// Another implementation reads what is written: `python3` with pyarrow, if there is one.
#[test]
fn pyarrow_reads_the_same() {
    let run = |script: &str, arguments: &[&str]| {
        std::process::Command::new("python3").arg("-c").arg(script).args(arguments).output()
    };
    if !run("import pyarrow.parquet", &[]).is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: there is no python3 with pyarrow here; put one in the PATH");
        return;
    }
    let (table, arrays) = sample();
    let folder = tempfile::tempdir().unwrap();
    let names = write(folder.path(), &table, ParquetOptions::default(), 1 << 30, &[frame(&table, &arrays, vec![])]);
    let ours = folder.path().join(&names.unwrap()[0]);
    let script = "
import sys, pyarrow.parquet as pq
ours, theirs = (pq.read_table(path) for path in sys.argv[1:])
assert ours.column_names == theirs.column_names, ours.column_names
for name in ours.column_names:
    a, b = ours[name].combine_chunks(), theirs[name].combine_chunks()
    assert a.equals(b.cast(a.type, safe=False)), (name, a, b)
print(ours.num_rows, 'rows,', ours.num_columns, 'columns')
";
    let theirs = crate::parquet::sample::shipped("pyarrow.parquet");
    let output = run(script, &[&ours.display().to_string(), &theirs]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "10 rows, 25 columns");
}
