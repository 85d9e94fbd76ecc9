//! How the columns of a table are to be made, and whether their types have room for that.
//!
//! What fits is decided here, once: making values checks nothing.

use arrow_schema::{DataType, Fields, TimeUnit};

/// Milliseconds of a day.
pub(crate) const DAY: i64 = 86_400_000;
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

/// How many rows the shortest sequence has.
pub(crate) fn shortest(columns: &[FieldSpec]) -> Option<u64> {
    let length = |column: &FieldSpec| match &column.values {
        Values::Sequence { start, end } => Some(end.abs_diff(*start).saturating_add(1)),
        Values::Row(inner) => shortest(inner),
        _ => None,
    };
    columns.iter().filter_map(length).min()
}

/// About how many bytes a row takes, at most.
pub(crate) fn row_bytes(columns: &[FieldSpec]) -> u64 {
    let bytes = |column: &FieldSpec| match &column.values {
        Values::Text { length, .. } => size_of::<u128>() as u64 + length,
        Values::Row(inner) => row_bytes(inner),
        _ => size_of::<u128>() as u64,
    };
    columns.iter().map(bytes).fold(1, u64::saturating_add)
}

pub(crate) fn check(fields: &Fields, columns: &[FieldSpec], prefix: &str) -> Result<(), String> {
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
        DataType::Timestamp(TimeUnit::Millisecond | TimeUnit::Nanosecond, _) => matches!(values, Values::Past(_)),
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
pub(crate) fn digits(value: i64, scale: i8) -> Option<i128> {
    10i128.checked_pow(u32::from(scale.unsigned_abs()))?.checked_mul(value.into())
}

fn has_room(digits: i128, precision: u8) -> bool {
    10u128.checked_pow(precision.into()).is_none_or(|limit| digits.unsigned_abs() < limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbered::NumberedRows;
    use crate::random::RandomRows;
    use arrow_schema::{Field, Schema};
    use std::sync::Arc;

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
        check(100, 4096);
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
