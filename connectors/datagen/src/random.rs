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
    ArrayRef, ArrowPrimitiveType, BooleanArray, Decimal128Array, PrimitiveArray, StructArray, TimestampMillisecondArray,
};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::{DataType, Fields, SchemaRef, TimeUnit};
use yeoul_frame::{ColumnBatch, FRAME_ROWS, Frame, TextBuilder, Timestamp};

use crate::numbered::NumberedRows;

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;
/// About how many bytes a frame has at most, if more than one row is in it.
const FRAME_BYTES: u64 = 4 << 20;
/// The longest text that is made.
pub const MOST_TEXT: u64 = 1 << 20;

/// Where a column's values come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// From `start` to `end`, both included, one a row; the rows end with it.
    Sequence {
        /// The first.
        start: i64,
        /// The last.
        end: i64,
    },
    /// Whole numbers or days, from `min` to `max`, both included.
    Whole {
        /// The least.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// Decimals from `min` to `max`, both included and given by their digits: 150 is 1.50 in a DECIMAL(9, 2).
    Digits {
        /// The least.
        min: i128,
        /// The largest.
        max: i128,
    },
    /// Numbers from `min` to `max`.
    Real {
        /// The least.
        min: f64,
        /// None is as large.
        max: f64,
    },
    /// Text of hexadecimal digits.
    Text {
        /// How many, at most [`MOST_TEXT`].
        length: u64,
        /// From one to as many.
        varies: bool,
    },
    /// True or false.
    Flag,
    /// The present time, less up to so many milliseconds.
    Past(u64),
    /// The fields of a row.
    Row(Vec<FieldSpec>),
    /// Nothing is made.
    Unused,
}

/// How one column is made.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldSpec {
    /// Its values.
    pub values: Values,
    /// Which share of them is null.
    pub null_rate: f64,
}

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
        let block = (FRAME_BYTES / row_bytes(&columns)).clamp(1, FRAME_ROWS as u64);
        Ok(Self { schema, columns, seed, rows, rate: rate.max(1), block })
    }

    /// The columns of the frames.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

/// How many rows the shortest sequence has.
fn shortest(columns: &[FieldSpec]) -> Option<u64> {
    let length = |column: &FieldSpec| match &column.values {
        Values::Sequence { start, end } => Some(end.abs_diff(*start).saturating_add(1)),
        Values::Row(inner) => shortest(inner),
        _ => None,
    };
    columns.iter().filter_map(length).min()
}

/// About how many bytes a row takes, at most.
fn row_bytes(columns: &[FieldSpec]) -> u64 {
    let bytes = |column: &FieldSpec| match &column.values {
        Values::Text { length, .. } => size_of::<u128>() as u64 + length,
        Values::Row(inner) => row_bytes(inner),
        _ => size_of::<u128>() as u64,
    };
    columns.iter().map(bytes).fold(1, u64::saturating_add)
}

fn check(fields: &Fields, columns: &[FieldSpec], prefix: &str) -> Result<(), String> {
    for (field, column) in fields.iter().zip(columns) {
        let name = format!("{prefix}{}", field.name());
        match (&column.values, field.data_type()) {
            (Values::Row(inner), DataType::Struct(fields)) => check(fields, inner, &format!("{name}."))?,
            (values, data_type) => {
                if !suits(values, data_type) {
                    return Err(format!("column `{name}` is of type {data_type}, which cannot be made of {values:?}"));
                }
                bounds(values, data_type).map_err(|what| format!("column `{name}` {what}"))?;
            }
        }
        if column.null_rate > 0.0 && !field.is_nullable() {
            return Err(format!("column `{name}` is NOT NULL and is to be null at a rate of {}", column.null_rate));
        }
    }
    Ok(())
}

/// Whether such values are of the type, if they fit.
fn suits(values: &Values, data_type: &DataType) -> bool {
    match data_type {
        _ if *values == Values::Unused => true,
        DataType::Boolean => *values == Values::Flag,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            matches!(values, Values::Sequence { .. } | Values::Whole { .. })
        }
        DataType::Float32 | DataType::Float64 => matches!(values, Values::Sequence { .. } | Values::Real { .. }),
        DataType::Utf8View => matches!(values, Values::Sequence { .. } | Values::Text { .. }),
        DataType::Decimal128(_, scale) => {
            *scale >= 0 && matches!(values, Values::Sequence { .. } | Values::Digits { .. })
        }
        DataType::Date32 | DataType::Time32(TimeUnit::Millisecond) => {
            matches!(values, Values::Sequence { .. } | Values::Whole { .. } | Values::Past(_))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => matches!(values, Values::Past(_)),
        _ => false,
    }
}

/// Whether the values fit the type, or what is wrong with them.
fn bounds(values: &Values, data_type: &DataType) -> Result<(), String> {
    let least_and_most = match data_type {
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 | DataType::Date32 => (i32::MIN.into(), i32::MAX.into()),
        DataType::Time32(_) => (0, DAY - 1),
        _ => (i64::MIN, i64::MAX),
    };
    let within = |from: i64, to: i64| match least_and_most {
        _ if from > to => Err(format!("goes from {from} to {to}, which is less")),
        (least, most) if from < least || to > most => {
            Err(format!("goes from {from} to {to}, and its type {data_type} from {least} to {most}"))
        }
        _ => Ok(()),
    };
    match (values, data_type) {
        (&Values::Sequence { start, end }, DataType::Decimal128(precision, scale)) => {
            within(start, end)?;
            let fits = |value| digits(value, *scale).is_some_and(|digits| has_room(digits, *precision));
            let error = || format!("goes from {start} to {end}, which does not fit DECIMAL({precision}, {scale})");
            if fits(start) && fits(end) { Ok(()) } else { Err(error()) }
        }
        (&(Values::Sequence { start: from, end: to } | Values::Whole { min: from, max: to }), _) => within(from, to),
        (&Values::Digits { min, max }, _) if min > max => Err(format!("goes from {min} to {max}, which is less")),
        (&Values::Digits { min, max }, DataType::Decimal128(precision, _))
            if !has_room(min, *precision) || !has_room(max, *precision) =>
        {
            Err(format!("goes from {min} to {max}, which is more than {precision} digits"))
        }
        (&Values::Real { min, max }, _) if !min.is_finite() || !max.is_finite() || min > max => {
            Err(format!("goes from {min} to {max}, which is not more"))
        }
        (&Values::Real { min, max }, DataType::Float32) if min.abs().max(max.abs()) > f32::MAX.into() => {
            Err(format!("goes from {min} to {max}, and its type {data_type} to {:e}", f32::MAX))
        }
        (&Values::Text { length, .. }, _) if length > MOST_TEXT => {
            Err(format!("is to have texts of {length} letters, and at most {MOST_TEXT} are made"))
        }
        _ => Ok(()),
    }
}

/// The digits of a whole number with so many zeros after the point.
fn digits(value: i64, scale: i8) -> Option<i128> {
    10i128.checked_pow(u32::from(scale.unsigned_abs()))?.checked_mul(value.into())
}

fn has_room(digits: i128, precision: u8) -> bool {
    10u128.checked_pow(precision.into()).is_none_or(|limit| digits.unsigned_abs() < limit)
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
        assert_eq!(columns.arrays()[8].null_count(), 0);
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

    #[test]
    fn a_sequence_ends_the_rows_wherever_it_is() {
        let check = |fields: Vec<(Field, FieldSpec)>, end: u64| assert_eq!(rows(fields).unwrap().end(), Some(end));
        let inner = Fields::from(vec![field("x", DataType::Int32)]);
        let row = Values::Row(vec![spec(Values::Sequence { start: 1, end: 10 })]);
        check(vec![(field("r", DataType::Struct(inner)), spec(row))], 10);
        check(vec![(field("n", DataType::Int64), spec(Values::Sequence { start: i64::MIN, end: i64::MAX }))], 5000);
    }

    #[test]
    fn frames_of_long_texts_have_few_rows() {
        let check = |length, block| {
            let text = Values::Text { length, varies: false };
            assert_eq!(rows(vec![(field("s", DataType::Utf8View), spec(text))]).unwrap().block(), block);
        };
        check(100, 1024);
        check(10_000, 418);
        check(MOST_TEXT, 3);
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        let error = rows(vec![(field("t", DataType::Boolean), spec(Values::Whole { min: 0, max: 1 }))]).unwrap_err();
        assert!(error.contains("`t`"), "{error}");
        let error = rows(vec![(field("n", DataType::Int32), spec(Values::Whole { min: 2, max: 1 }))]).unwrap_err();
        assert!(error.contains("from 2 to 1"), "{error}");
        let check = |data_type: DataType, values: Values, what: &str| {
            let error = rows(vec![(field("c", data_type.clone()), spec(values.clone()))]).unwrap_err();
            assert!(error.contains("`c`") && error.contains(what), "{data_type}, {values:?}: {error}");
        };
        let sequence = |start, end| Values::Sequence { start, end };
        check(DataType::Int8, sequence(1, 1000), "from -128 to 127");
        check(DataType::Int16, Values::Whole { min: -40_000, max: 0 }, "-32768");
        check(DataType::Date32, sequence(0, 1 << 40), "from 0 to 1099511627776");
        check(DataType::Time32(TimeUnit::Millisecond), sequence(0, DAY), "86399999");
        check(DataType::Decimal128(3, 2), sequence(0, 10), "DECIMAL(3, 2)");
        check(DataType::Decimal128(38, 38), sequence(0, i64::MAX), "DECIMAL(38, 38)");
        check(DataType::Decimal128(3, 2), Values::Digits { min: 0, max: 1000 }, "3 digits");
        check(DataType::Decimal128(3, 2), Values::Digits { min: 1, max: 0 }, "less");
        check(DataType::Decimal128(3, 2), Values::Whole { min: 0, max: 1 }, "cannot be made");
        check(DataType::Decimal128(3, -2), sequence(0, 1), "cannot be made");
        check(DataType::Float32, Values::Real { min: 0.0, max: 1e39 }, "e38");
        check(DataType::Float64, Values::Real { min: 0.0, max: f64::INFINITY }, "not more");
        check(DataType::Utf8View, Values::Text { length: MOST_TEXT + 1, varies: true }, "1048577 letters");
        let strict = Field::new("n", DataType::Boolean, false);
        assert!(
            rows(vec![(strict, FieldSpec { values: Values::Flag, null_rate: 0.5 })]).unwrap_err().contains("NOT NULL")
        );
    }
}
