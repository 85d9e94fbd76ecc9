//! Random values and sequences for the columns of a table, as Flink's `datagen` has them.
//!
//! A value follows from the seed, its row and its column; but times of day, dates and timestamps are the clock's, as Flink's
//! are. Columns that no one uses are null, or zero.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType,
};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BooleanArray, Decimal128Array, PrimitiveArray, StructArray,
    TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::{DataType, Fields, SchemaRef, TimeUnit};
use yeoul_frame::{COLUMN_ROWS, ColumnBatch, Frame, TextBuilder, Timestamp};

use crate::numbered::NumberedRows;
use crate::spec::{DAY, FieldSpec, Values, check, digits, row_bytes, shortest};

const NANOS_OF_MILLI: i64 = 1_000_000;
/// About how many bytes a frame has at most, if more than one row is in it.
const FRAME_BYTES: u64 = 4 << 20;

/// Makes the rows of a table.
#[derive(Debug)]
pub struct RandomRows {
    schema: SchemaRef,
    columns: Vec<FieldSpec>,
    seed: u64,
    rows: Option<u64>,
    rate: u64,
    block: u64,
}

impl RandomRows {
    /// Rows of these columns, `rate` of them a second, as many as `rows` says, if it does, and as sequences have.
    ///
    /// # Errors
    /// What a column of its type cannot be made of.
    pub fn new(
        schema: SchemaRef,
        columns: Vec<FieldSpec>,
        seed: u64,
        rows: Option<u64>,
        rate: u64,
    ) -> Result<Self, String> {
        assert_eq!(schema.fields().len(), columns.len(), "one recipe a column");
        check(schema.fields(), &columns, "")?;
        let rows = rows.into_iter().chain(shortest(&columns)).min();
        let block = (FRAME_BYTES / row_bytes(&columns)).clamp(1, COLUMN_ROWS as u64);
        Ok(Self { schema, columns, seed, rows, rate: rate.max(1), block })
    }

    /// The columns of the frames.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

impl NumberedRows for RandomRows {
    fn frame(&self, from: u64, to: u64, now: Timestamp) -> Frame {
        let rows = Rows { from, to, now: now.0 };
        let arrays = rows.arrays(self.schema.fields(), &self.columns, self.seed);
        let times = vec![now; (to - from) as usize];
        let frame = ColumnBatch::of(Arc::clone(&self.schema), arrays, times, Vec::new());
        frame.expect("arrays are made after the schema, each of all rows")
    }

    fn block(&self) -> u64 {
        self.block
    }

    fn end(&self) -> Option<u64> {
        self.rows
    }

    fn rate(&self) -> Option<u64> {
        Some(self.rate)
    }
}

/// The random number of a row in the stream of a column: the finalizer of `SplitMix64`.
fn draw(stream: u64, row: u64) -> u64 {
    let mut z = stream.wrapping_add(row.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn unit(random: u64) -> f64 {
    (random >> 11) as f64 / (1u64 << 53) as f64
}

/// A number from `min` to `max`, both included.
fn within(random: u64, min: i64, max: i64) -> i64 {
    let span = u128::from(max.abs_diff(min)) + 1;
    min.wrapping_add(((u128::from(random) * span) >> 64) as i64)
}

/// The same of all 128 bits.
fn within_digits(random: u128, min: i128, max: i128) -> i128 {
    // The upper half of the product of 256 bits, of random number and span. No span is above twice 10^38, so none wraps.
    let span = max.abs_diff(min) + 1;
    let ([low, high], [span_low, span_high]) = (halves(random), halves(span));
    let [_, carry] = halves(low * span_low);
    let [middle, first] = halves(high * span_low + carry);
    let [_, second] = halves(low * span_high + middle);
    min.wrapping_add((high * span_high + first + second).cast_signed())
}

fn halves(number: u128) -> [u128; 2] {
    [number & u128::from(u64::MAX), number >> 64]
}

/// The rows of one frame.
struct Rows {
    from: u64,
    to: u64,
    now: i64,
}

impl Rows {
    fn arrays(&self, fields: &Fields, columns: &[FieldSpec], seed: u64) -> Vec<ArrayRef> {
        // By name, so that a column has the same values whichever others are asked for.
        let stream = |name: &str| name.bytes().fold(seed, |stream, byte| draw(stream, u64::from(byte) + 1));
        let columns = fields.iter().zip(columns);
        columns
            .map(|(field, column)| self.array(field.data_type(), field.is_nullable(), column, stream(field.name())))
            .collect()
    }

    fn len(&self) -> usize {
        (self.to - self.from) as usize
    }

    fn array(&self, data_type: &DataType, nullable: bool, column: &FieldSpec, stream: u64) -> ArrayRef {
        let nulls = (column.null_rate > 0.0).then(|| {
            let is_there = |at| unit(draw(!stream, self.from + at as u64)) >= column.null_rate;
            NullBuffer::new(BooleanBuffer::collect_bool(self.len(), is_there))
        });
        let numbers = || self.from..self.to;
        let whole = |row: u64| match column.values {
            Values::Sequence { start, .. } => start.wrapping_add(row as i64),
            Values::Whole { min, max } => within(draw(stream, row), min, max),
            Values::Past(most) => {
                let most = i64::try_from(most).unwrap_or(i64::MAX);
                self.now.saturating_sub(within(draw(stream, row), 0, most))
            }
            _ => 0,
        };
        let real = |row: u64| match column.values {
            Values::Real { min, max } => {
                let share = unit(draw(stream, row));
                // The span of both halves of all numbers is none.
                if (max - min).is_finite() { min + share * (max - min) } else { min * (1.0 - share) + max * share }
            }
            _ => whole(row) as f64,
        };
        let past = matches!(column.values, Values::Past(_));
        match data_type {
            _ if column.values == Values::Unused => unused(data_type, nullable, self.len()),
            DataType::Boolean => {
                let bits = BooleanBuffer::collect_bool(self.len(), |at| draw(stream, self.from + at as u64) >> 63 == 1);
                Arc::new(BooleanArray::new(bits, nulls))
            }
            DataType::Int8 => primitive::<Int8Type>(numbers().map(|row| whole(row) as i8), nulls),
            DataType::Int16 => primitive::<Int16Type>(numbers().map(|row| whole(row) as i16), nulls),
            DataType::Int32 => primitive::<Int32Type>(numbers().map(|row| whole(row) as i32), nulls),
            DataType::Int64 => primitive::<Int64Type>(numbers().map(whole), nulls),
            DataType::Float32 => primitive::<Float32Type>(numbers().map(|row| real(row) as f32), nulls),
            DataType::Float64 => primitive::<Float64Type>(numbers().map(real), nulls),
            DataType::Date32 => {
                let day = |row| if past { whole(row).div_euclid(DAY) } else { whole(row) };
                primitive::<Date32Type>(numbers().map(|row| day(row) as i32), nulls)
            }
            DataType::Time32(_) => {
                let time = |row| whole(row).rem_euclid(DAY) as i32;
                primitive::<Time32MillisecondType>(numbers().map(time), nulls)
            }
            DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
                let values: Vec<i64> = numbers().map(|row| whole(row).saturating_mul(NANOS_OF_MILLI)).collect();
                Arc::new(TimestampNanosecondArray::new(values.into(), nulls).with_timezone_opt(zone.clone()))
            }
            DataType::Timestamp(_, zone) => {
                let values: Vec<i64> = numbers().map(whole).collect();
                Arc::new(TimestampMillisecondArray::new(values.into(), nulls).with_timezone_opt(zone.clone()))
            }
            DataType::Decimal128(_, scale) => {
                let digits = |row: u64| match column.values {
                    Values::Digits { min, max } => {
                        let random = u128::from(draw(stream, row)) << 64 | u128::from(draw(stream ^ 1, row));
                        within_digits(random, min, max)
                    }
                    // Its ends fit, and so does what is between them.
                    _ => digits(whole(row), *scale).unwrap_or_default(),
                };
                let values: Vec<i128> = numbers().map(digits).collect();
                Arc::new(Decimal128Array::new(values.into(), nulls).with_data_type(data_type.clone()))
            }
            DataType::Struct(fields) => {
                let Values::Row(columns) = &column.values else { return unused(data_type, nullable, self.len()) };
                let arrays = self.arrays(fields, columns, stream);
                let array = StructArray::try_new_with_length(fields.clone(), arrays, nulls, self.len());
                Arc::new(array.expect("fields that may not be null are not"))
            }
            _ => {
                let (mut out, mut text) = (TextBuilder::default(), String::new());
                for row in numbers() {
                    text.clear();
                    match column.values {
                        Values::Text { length, varies } => hexadecimal(&mut text, draw(stream, row), length, varies),
                        _ => write!(text, "{}", whole(row)).expect("writing to a String cannot fail"),
                    }
                    out.push(&text);
                }
                Arc::new(out.finish(nulls))
            }
        }
    }
}

fn hexadecimal(text: &mut String, random: u64, length: u64, varies: bool) {
    let length = if varies { within(random, 1, length.max(1) as i64) as u64 } else { length };
    for place in 0..length.div_ceil(16) {
        write!(text, "{:016x}", draw(random, place + 1)).expect("writing to a String cannot fail");
    }
    text.truncate(length as usize);
}

fn primitive<T: ArrowPrimitiveType>(values: impl Iterator<Item = T::Native>, nulls: Option<NullBuffer>) -> ArrayRef {
    let values: Vec<T::Native> = values.collect();
    Arc::new(PrimitiveArray::<T>::new(values.into(), nulls))
}

fn unused(data_type: &DataType, nullable: bool, rows: usize) -> ArrayRef {
    let nulls = arrow_array::new_null_array(data_type, rows);
    match data_type {
        _ if nullable => nulls,
        DataType::Struct(fields) => {
            let arrays = fields.iter().map(|field| unused(field.data_type(), field.is_nullable(), rows)).collect();
            let array = StructArray::try_new_with_length(fields.clone(), arrays, None, rows);
            Arc::new(array.expect("fields that may not be null are not"))
        }
        // The values under nulls are zeros: without the nulls they count.
        _ => {
            let data = arrow_array::Array::to_data(&nulls).into_builder().nulls(None).build();
            arrow_array::make_array(data.expect("zeros are values of every type that has no parts"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Decimal128Type, DecimalType};
    use arrow_array::{Array, StringViewArray};
    use arrow_schema::{Field, Schema};

    fn field(name: &str, data_type: DataType) -> Field {
        Field::new(name, data_type, true)
    }

    fn spec(values: Values) -> FieldSpec {
        FieldSpec { values, null_rate: 0.0 }
    }

    fn rows(fields: Vec<(Field, FieldSpec)>) -> Result<RandomRows, String> {
        let (fields, columns): (Vec<Field>, Vec<FieldSpec>) = fields.into_iter().unzip();
        RandomRows::new(Arc::new(Schema::new(fields)), columns, 1, Some(5000), 100)
    }

    #[test]
    fn values_are_within_their_bounds_and_the_same_whatever_the_frames() {
        let inner = Fields::from(vec![field("x", DataType::Int8)]);
        let rows = rows(vec![
            (field("n", DataType::Int32), spec(Values::Whole { min: -3, max: 3 })),
            (field("all", DataType::Int64), spec(Values::Whole { min: i64::MIN, max: i64::MAX })),
            (field("x", DataType::Float64), FieldSpec { values: Values::Real { min: 1.0, max: 2.0 }, null_rate: 0.25 }),
            (field("id", DataType::Int64), spec(Values::Sequence { start: 10, end: 3009 })),
            (field("name", DataType::Utf8View), spec(Values::Text { length: 20, varies: false })),
            (field("short", DataType::Utf8View), spec(Values::Text { length: 5, varies: true })),
            (field("at", DataType::Timestamp(TimeUnit::Millisecond, None)), spec(Values::Past(1000))),
            (field("fine", DataType::Timestamp(TimeUnit::Nanosecond, None)), spec(Values::Past(1000))),
            (field("row", DataType::Struct(inner)), spec(Values::Row(vec![spec(Values::Whole { min: 1, max: 2 })]))),
            (Field::new("unused", DataType::Utf8View, false), spec(Values::Unused)),
        ])
        .unwrap();
        assert_eq!(rows.end(), Some(3000), "the sequence is shorter");
        let whole = rows.frame(0, 1000, Timestamp(5000));
        let columns = whole.columns().unwrap();
        columns.arrays().iter().for_each(|array| array.to_data().validate_full().unwrap());
        let numbers = columns.arrays()[0].as_primitive::<Int32Type>();
        (-3..=3).for_each(|n| assert!(numbers.values().iter().filter(|value| **value == n).count() > 80, "{n}"));
        assert!(numbers.values().iter().all(|value| (-3..=3).contains(value)));
        let all = columns.arrays()[1].as_primitive::<Int64Type>();
        assert!((400..600).contains(&all.values().iter().filter(|value| **value < 0).count()));
        let reals = columns.arrays()[2].as_primitive::<Float64Type>();
        assert!((200..300).contains(&reals.null_count()));
        assert!(reals.values().iter().all(|value| (1.0..2.0).contains(value)));
        assert_eq!(columns.arrays()[3].as_primitive::<Int64Type>().value(999), 1009);
        let names: &StringViewArray = columns.array(4).unwrap();
        assert!(
            names.iter().flatten().all(|name| name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
        );
        let short: &StringViewArray = columns.array(5).unwrap();
        (1..=5).for_each(|n| assert!(short.iter().flatten().any(|text| text.len() == n), "{n}"));
        let times: &TimestampMillisecondArray = columns.array(6).unwrap();
        assert!(times.values().iter().all(|time| (4000..=5000).contains(time)));
        let times: &TimestampNanosecondArray = columns.array(7).unwrap();
        assert!(times.values().iter().all(|time| (4_000_000_000..=5_000_000_000).contains(time)));
        assert_eq!(columns.arrays()[9].null_count(), 0);
        let part = rows.frame(100, 200, Timestamp(5000));
        for (part, whole) in part.columns().unwrap().arrays().iter().zip(columns.arrays()) {
            assert_eq!(part, &whole.slice(100, 100));
        }
    }

    #[test]
    fn decimals_have_their_scale_and_all_their_digits() {
        let check = |(precision, scale): (u8, i8), values: Values, row: u64, least: &str, most: &str| {
            let spec = spec(values);
            let rows = rows(vec![(field("d", DataType::Decimal128(precision, scale)), spec)]).unwrap();
            let frame = rows.frame(row, row + 1000.min(rows.end().unwrap() - row), Timestamp(0));
            let values = frame.columns().unwrap().arrays()[0].as_primitive::<Decimal128Type>().clone();
            values.validate_decimal_precision(precision).unwrap();
            let mut sorted = values.values().to_vec();
            sorted.sort_unstable();
            let shown = |value: i128| Decimal128Type::format_decimal(value, precision, scale);
            let (first, last) = (shown(sorted[0]), shown(sorted[sorted.len() - 1]));
            assert_eq!((first.as_str(), last.as_str()), (least, most), "DECIMAL({precision}, {scale})");
        };
        check((10, 2), Values::Sequence { start: 1, end: 100 }, 0, "1.00", "100.00");
        check((38, 18), Values::Sequence { start: -3, end: 5 }, 4, "1.000000000000000000", "5.000000000000000000");
        check((5, 0), Values::Digits { min: -2, max: 2 }, 0, "-2", "2");
        check((3, 1), Values::Digits { min: 7, max: 7 }, 9, "0.7", "0.7");
        let most = 10i128.pow(38) - 1;
        for (min, max) in [(0, 1000 * 10i128.pow(18)), (-most, most), (most - 1, most), (-most, 1 - most)] {
            let rows = vec![(field("d", DataType::Decimal128(38, 18)), spec(Values::Digits { min, max }))];
            let frame = self::rows(rows).unwrap().frame(0, 1000, Timestamp(0));
            let values = frame.columns().unwrap().arrays()[0].as_primitive::<Decimal128Type>().clone();
            assert!(values.values().iter().all(|value| (min..=max).contains(value)), "{min}, {max}");
            let middle = min + (max.abs_diff(min) / 2).cast_signed();
            let below = values.values().iter().filter(|value| **value <= middle).count();
            assert!((400..600).contains(&below), "{below} of 1000 in the lower half of {min}, {max}");
        }
    }
}
