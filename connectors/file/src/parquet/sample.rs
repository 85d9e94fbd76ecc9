//! Rows of every type that Parquet carries: those of `tests/data/pyarrow.parquet`, as pyarrow 26 wrote them.

use std::path::Path;
use std::sync::Arc;

use arrow_array::types::{Decimal128Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryViewArray, BooleanArray, Date32Array, Float32Array, Float64Array,
    Int8Array, Int16Array, Int32Array, Int64Array, ListArray, MapArray, PrimitiveArray, StringViewArray, StructArray,
    Time32MillisecondArray, TimestampMillisecondArray, TimestampNanosecondArray, new_null_array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use arrow_select::concat::concat;
use yeoul_frame::{KeyGroups, OperatorId, Pool, Timestamp};
use yeoul_operator::source::SourceItem;
use yeoul_operator::{
    Counters, MakeSource, OpenContext, OperatorError, Services, SourceContext, SourcePoll, Subtask, Waker,
};

const ROWS: i64 = 10;
const DAY: i64 = 86_400_000;
/// 2026-01-01 10:15:00.
const MORNING: i64 = 20_454 * DAY + 36_900_000;

/// The path of a file of `tests/data`.
pub(crate) fn shipped(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name).display().to_string()
}

/// Each fourth value is null.
fn some<T>(value: impl Fn(i64) -> T) -> impl Iterator<Item = Option<T>> {
    (0..ROWS).map(move |row| (row % 4 != 3).then(|| value(row)))
}

fn numbers<T: ArrowPrimitiveType>(value: impl Fn(i64) -> T::Native) -> ArrayRef {
    Arc::new(some(value).collect::<PrimitiveArray<T>>())
}

fn nulls() -> Option<NullBuffer> {
    Some((0..ROWS).map(|row| row % 4 != 3).collect::<Vec<bool>>().into())
}

/// Lists of `len(row)` of these values, one after another; null as the rest.
fn lists(element: Field, len: impl Fn(i64) -> usize, values: ArrayRef) -> ArrayRef {
    let lengths = (0..ROWS).map(|row| if row % 4 == 3 { 0 } else { len(row) });
    Arc::new(ListArray::new(Arc::new(element), OffsetBuffer::from_lengths(lengths), values, nulls()))
}

/// The numbers from 0 below each row's length, each fourth of them null if so wished.
fn below(len: impl Fn(i64) -> i64, with_nulls: bool) -> Vec<Option<i64>> {
    let rows = (0..ROWS).filter(|row| row % 4 != 3);
    rows.flat_map(|row| 0..len(row)).map(|n| (!with_nulls || n % 4 != 3).then_some(n)).collect()
}

/// The columns of the sample, as a table declares them.
pub(crate) fn sample() -> (SchemaRef, Vec<ArrayRef>) {
    let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
    let x = Fields::from(vec![Field::new("x", DataType::Int64, true)]);
    let place = Fields::from(vec![Field::new("x", DataType::Int64, true), Field::new("y", DataType::Utf8View, true)]);
    let xs = (0..ROWS).map(|row| ((row + 1) % 4 != 3).then_some(row)).collect::<Int64Array>();
    let ys = (0..ROWS).map(|row| Some(format!("y{row}"))).collect::<StringViewArray>();
    let whole_list = below(|row| row, true).into_iter().map(|n| n.map(|n| n as i32)).collect::<Int32Array>();
    let xs_of_lists: ArrayRef = Arc::new(below(|row| row % 3, false).into_iter().collect::<Int64Array>());
    let row_list = StructArray::new(x.clone(), vec![xs_of_lists], None);
    let entry =
        Fields::from(vec![Field::new("key", DataType::Utf8View, false), Field::new("value", DataType::Int64, true)]);
    let keys = below(|row| row % 3, false).into_iter().map(|n| n.map(|n| format!("k{n}"))).collect::<StringViewArray>();
    let values = below(|row| row % 3, true).into_iter().collect::<Int64Array>();
    let entries = StructArray::new(entry.clone(), vec![Arc::new(keys), Arc::new(values)], None);
    let lengths = (0..ROWS).map(|row| if row % 4 == 3 { 0 } else { row as usize % 3 });
    let map_field = Arc::new(Field::new("entries", DataType::Struct(entry), false));
    let map = MapArray::new(Arc::clone(&map_field), OffsetBuffer::from_lengths(lengths), entries, nulls(), false);
    let decimal = |precision, scale, value: fn(i64) -> i128| -> ArrayRef {
        let values: PrimitiveArray<Decimal128Type> = some(value).collect();
        Arc::new(values.with_data_type(DataType::Decimal128(precision, scale)))
    };
    let text = |row: i64| if row % 2 == 1 { format!("a name that is not short, {row}") } else { format!("n{row}") };
    let bytes = |last: &'static [u8]| some(move |row| [&[row as u8][..], last].concat()).collect::<BinaryViewArray>();
    let clock: Time32MillisecondArray = some(|row| 36_900_007 + row as i32 * 1000).collect();
    let mornings: TimestampMillisecondArray = some(|row| MORNING + row).collect();
    let early = -3_653 * DAY * 1_000_000;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("flag", Arc::new(some(|row| row % 2 == 0).collect::<BooleanArray>())),
        ("tiny", Arc::new(some(|row| row as i8 - 5).collect::<Int8Array>())),
        ("small", Arc::new(some(|row| row as i16 * 300 - 1000).collect::<Int16Array>())),
        ("whole", numbers::<Int32Type>(|row| row as i32 * 100_000)),
        ("id", Arc::new((0..ROWS).collect::<Vec<i64>>().into_iter().map(Some).collect::<Int64Array>())),
        ("unsigned", Arc::new(some(|row| (1i64 << 31) + row).collect::<Int64Array>())),
        ("ratio", Arc::new(some(|row| row as f32 / 4.0).collect::<Float32Array>())),
        ("exact", Arc::new(some(|row| row as f64 / 8.0).collect::<Float64Array>())),
        ("name", Arc::new(some(text).collect::<StringViewArray>())),
        ("bytes", Arc::new(bytes(&[255]))),
        ("fixed", Arc::new(bytes(&[0, 7]))),
        ("price", decimal(9, 2, |row| i128::from(row * 125))),
        ("long_price", decimal(30, 4, |row| (10i128.pow(20) + i128::from(row)) * 10_000)),
        ("day", Arc::new(some(|row| row as i32 - 4).collect::<Date32Array>())),
        ("clock", Arc::new(clock.clone())),
        ("fine_clock", Arc::new(clock)),
        ("millis", Arc::new(mornings.clone())),
        ("micros", Arc::new(some(|row| early + (1234 + row) * 1000).collect::<TimestampNanosecondArray>())),
        ("nanos", Arc::new(some(|row| 1_000_000_000_123_456_700 + row).collect::<TimestampNanosecondArray>())),
        ("instant", Arc::new(mornings.with_timezone("UTC"))),
        ("place", Arc::new(StructArray::new(place, vec![Arc::new(xs), Arc::new(ys)], nulls()))),
        ("list", lists(Field::new("item", DataType::Int32, true), |row| row as usize, Arc::new(whole_list))),
        ("places", lists(Field::new("item", DataType::Struct(x), true), |row| row as usize % 3, Arc::new(row_list))),
        ("map", Arc::new(map)),
        ("nothing", new_null_array(&DataType::Utf8View, ROWS as usize)),
    ];
    debug_assert!(columns.iter().any(|(_, array)| *array.data_type() == millis));
    let field = |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), *name != "id");
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    (Arc::new(schema), columns.into_iter().map(|(_, array)| array).collect())
}

/// The columns of all rows that one instance reads.
pub(crate) fn read(make: &MakeSource) -> Result<Vec<ArrayRef>, OperatorError> {
    let (mut source, pool, counters) = (make(), Pool::new(), Arc::new(Counters::default()));
    let services = Services::default();
    source.open(&mut OpenContext {
        operator: OperatorId::of("source"),
        name: "source",
        subtask: Subtask { index: 0, parallelism: 1 },
        key_groups: KeyGroups::DEFAULT,
        services: &services,
        pool: &pool,
        counters: Arc::clone(&counters),
        waker: Waker::default(),
    })?;
    let mut parts: Vec<Vec<ArrayRef>> = Vec::new();
    loop {
        let mut items = Vec::new();
        let polled = source.poll(&mut SourceContext::new(&mut items, Timestamp(0), &pool, &counters))?;
        for item in items {
            if let SourceItem::Records(_, frame) = item {
                parts.push(frame.columns().expect("columns").arrays().to_vec());
            }
        }
        if polled == SourcePoll::End {
            break;
        }
    }
    let column = |column: usize| {
        let parts: Vec<&dyn Array> = parts.iter().map(|part| part[column].as_ref()).collect();
        concat(&parts).expect("parts of one type")
    };
    Ok((0..parts.first().map_or(0, Vec::len)).map(column).collect())
}
