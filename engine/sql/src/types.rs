//! Flink's types, and the Arrow types that hold them.
//!
//! A length of CHAR and VARCHAR, and a precision of TIMESTAMP beside its unit, are known of declared columns and of a CAST
//! only: Arrow has no place for them, so values are cut by the CAST, and at sinks.

use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, IntervalUnit, TimeUnit};

/// A type of Flink's, with whether it takes NULL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SqlType {
    /// Which type.
    pub kind: Kind,
    /// Whether NULL is a value of it.
    pub nullable: bool,
}

/// Which type, by Flink's names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Kind {
    /// BOOLEAN.
    Boolean,
    /// TINYINT: 8 bits.
    TinyInt,
    /// SMALLINT: 16 bits.
    SmallInt,
    /// INT: 32 bits.
    Int,
    /// BIGINT: 64 bits.
    BigInt,
    /// FLOAT: 32 bits.
    Float,
    /// DOUBLE: 64 bits.
    Double,
    /// DECIMAL(precision, scale).
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits behind the point.
        scale: i8,
    },
    /// CHAR(n): characters.
    Char(u32),
    /// VARCHAR(n): characters at most.
    Varchar(u32),
    /// STRING: VARCHAR without a bound.
    String,
    /// BINARY(n): bytes.
    Binary(u32),
    /// VARBINARY(n): bytes at most.
    Varbinary(u32),
    /// BYTES: VARBINARY without a bound.
    Bytes,
    /// DATE.
    Date,
    /// TIME(p), of p digits behind the second.
    Time(u8),
    /// TIMESTAMP(p), of p digits behind the second.
    Timestamp(u8),
    /// TIMESTAMP_LTZ(p): a moment, of p digits behind the second.
    TimestampLtz(u8),
    /// INTERVAL YEAR TO MONTH.
    IntervalYearMonth,
    /// INTERVAL DAY TO SECOND.
    IntervalDaySecond,
    /// ARRAY of elements of a type.
    Array(Box<SqlType>),
    /// MAP from a type to another.
    Map(Box<SqlType>, Box<SqlType>),
    /// MULTISET of elements of a type.
    Multiset(Box<SqlType>),
    /// ROW of named fields.
    Row(Vec<(String, SqlType)>),
    /// The type of NULL by itself.
    Null,
}

/// The most digits that a DECIMAL has.
pub const DECIMAL_DIGITS: u8 = 38;
/// The time zone that marks a TIMESTAMP_LTZ in Arrow; the session's zone is applied where it is read as text.
pub const LTZ: &str = "UTC";

impl SqlType {
    /// A nullable type.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        Self { kind, nullable: true }
    }

    /// The Arrow type that holds it.
    #[must_use]
    pub fn arrow(&self) -> DataType {
        match &self.kind {
            Kind::Boolean => DataType::Boolean,
            Kind::TinyInt => DataType::Int8,
            Kind::SmallInt => DataType::Int16,
            Kind::Int => DataType::Int32,
            Kind::BigInt => DataType::Int64,
            Kind::Float => DataType::Float32,
            Kind::Double => DataType::Float64,
            Kind::Decimal { precision, scale } => DataType::Decimal128(*precision, *scale),
            Kind::Char(_) | Kind::Varchar(_) | Kind::String => DataType::Utf8View,
            Kind::Binary(_) | Kind::Varbinary(_) | Kind::Bytes => DataType::BinaryView,
            Kind::Date => DataType::Date32,
            Kind::Time(_) => DataType::Time32(TimeUnit::Millisecond),
            Kind::Timestamp(precision) => DataType::Timestamp(unit(*precision), None),
            Kind::TimestampLtz(precision) => DataType::Timestamp(unit(*precision), Some(LTZ.into())),
            Kind::IntervalYearMonth | Kind::IntervalDaySecond => DataType::Interval(IntervalUnit::MonthDayNano),
            Kind::Array(element) => DataType::List(Arc::new(element.field("item"))),
            Kind::Map(key, value) => map(key.field("key"), value.field("value")),
            Kind::Multiset(element) => multiset(element.field("key")),
            Kind::Row(fields) => DataType::Struct(fields.iter().map(|(name, of)| of.field(name)).collect::<Fields>()),
            Kind::Null => DataType::Null,
        }
    }

    /// The Arrow field of this name and type.
    #[must_use]
    pub fn field(&self, name: &str) -> Field {
        Field::new(name, self.arrow(), self.nullable)
    }

    /// The type that an Arrow type holds.
    #[must_use]
    pub fn from_arrow(of: &DataType, nullable: bool) -> Self {
        let child = |field: &Field| Box::new(Self::from_arrow(field.data_type(), field.is_nullable()));
        let kind = match of {
            DataType::Boolean => Kind::Boolean,
            DataType::Int8 => Kind::TinyInt,
            DataType::Int16 | DataType::UInt8 => Kind::SmallInt,
            DataType::Int32 | DataType::UInt16 => Kind::Int,
            DataType::Int64 | DataType::UInt32 => Kind::BigInt,
            DataType::UInt64 => Kind::Decimal { precision: 20, scale: 0 },
            DataType::Float16 | DataType::Float32 => Kind::Float,
            DataType::Float64 => Kind::Double,
            DataType::Decimal128(precision, scale) => Kind::Decimal { precision: *precision, scale: *scale },
            DataType::Date32 => Kind::Date,
            DataType::Time32(_) | DataType::Time64(_) => Kind::Time(0),
            DataType::Timestamp(unit, zone) => {
                let precision = match unit {
                    TimeUnit::Second => 0,
                    TimeUnit::Millisecond => 3,
                    TimeUnit::Microsecond => 6,
                    TimeUnit::Nanosecond => 9,
                };
                if zone.is_some() { Kind::TimestampLtz(precision) } else { Kind::Timestamp(precision) }
            }
            DataType::Interval(IntervalUnit::YearMonth) => Kind::IntervalYearMonth,
            DataType::Interval(_) | DataType::Duration(_) => Kind::IntervalDaySecond,
            DataType::Binary | DataType::BinaryView | DataType::LargeBinary => Kind::Bytes,
            DataType::FixedSizeBinary(length) => Kind::Binary(length.unsigned_abs()),
            DataType::List(element) | DataType::LargeList(element) | DataType::ListView(element) => {
                Kind::Array(child(element))
            }
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(fields) if fields.len() == 2 => Kind::Map(child(&fields[0]), child(&fields[1])),
                _ => Kind::String,
            },
            DataType::Struct(fields) => {
                Kind::Row(fields.iter().map(|field| (field.name().clone(), *child(field))).collect())
            }
            DataType::Dictionary(_, value) => return Self::from_arrow(value, nullable),
            DataType::Null => Kind::Null,
            _ => Kind::String,
        };
        Self { kind, nullable }
    }

    /// The same type with NULL as a value of it and of its parts.
    #[must_use]
    pub fn with_nulls(self) -> Self {
        let boxed = |of: Box<Self>| Box::new(of.with_nulls());
        Self::of(match self.kind {
            Kind::Array(element) => Kind::Array(boxed(element)),
            Kind::Map(key, value) => Kind::Map(boxed(key), boxed(value)),
            Kind::Multiset(element) => Kind::Multiset(boxed(element)),
            Kind::Row(fields) => Kind::Row(fields.into_iter().map(|(name, of)| (name, of.with_nulls())).collect()),
            other => other,
        })
    }

    /// Whether the Arrow type that holds it has values that are none of it: longer ones, or of more digits.
    #[must_use]
    pub fn is_narrower_than_arrow(&self) -> bool {
        match &self.kind {
            Kind::Char(_) | Kind::Varchar(_) | Kind::Binary(_) | Kind::Varbinary(_) => true,
            Kind::Time(digits) => *digits < 3,
            Kind::Timestamp(digits) | Kind::TimestampLtz(digits) => !matches!(digits, 3 | 9),
            Kind::Array(element) | Kind::Multiset(element) => element.is_narrower_than_arrow(),
            Kind::Map(key, value) => key.is_narrower_than_arrow() || value.is_narrower_than_arrow(),
            Kind::Row(fields) => fields.iter().any(|(_, of)| of.is_narrower_than_arrow()),
            _ => false,
        }
    }

    /// Whether a value of this type is a time that can be an event time.
    #[must_use]
    pub fn is_timestamp(&self) -> bool {
        matches!(self.kind, Kind::Timestamp(_) | Kind::TimestampLtz(_))
    }
}

fn unit(precision: u8) -> TimeUnit {
    if precision <= 3 { TimeUnit::Millisecond } else { TimeUnit::Nanosecond }
}

/// The name of a multiset's counts, by which it is told from a map.
const COUNT: &str = "count";

/// The Arrow type of a multiset of such values: with each of them how often it is in it.
pub(crate) fn multiset(of: Field) -> DataType {
    map(of, Field::new(COUNT, DataType::Int32, false))
}

/// Whether the entries of a map are those of a multiset.
pub(crate) fn is_counted(entry: &Fields) -> bool {
    entry.last().is_some_and(|count| count.name() == COUNT)
}

fn map(key: Field, value: Field) -> DataType {
    let entries = DataType::Struct(vec![key.with_nullable(false), value].into());
    DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
}

/// Whether the common type of these is DOUBLE because a DECIMAL stands beside a FLOAT or a DOUBLE.
pub(crate) fn makes_double<'a>(types: impl IntoIterator<Item = &'a DataType>) -> bool {
    let (mut exact, mut approximate) = (false, false);
    for of in types {
        match of {
            DataType::Decimal128(..) => exact = true,
            DataType::Float32 | DataType::Float64 => approximate = true,
            of if of.is_integer() || *of == DataType::Null => {}
            _ => return false,
        }
    }
    exact && approximate
}

/// The type of an Arrow type in Flink's words, without NOT NULL.
#[must_use]
pub fn type_name(of: &DataType) -> String {
    SqlType::from_arrow(of, true).to_string()
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Boolean => f.write_str("BOOLEAN"),
            Kind::TinyInt => f.write_str("TINYINT"),
            Kind::SmallInt => f.write_str("SMALLINT"),
            Kind::Int => f.write_str("INT"),
            Kind::BigInt => f.write_str("BIGINT"),
            Kind::Float => f.write_str("FLOAT"),
            Kind::Double => f.write_str("DOUBLE"),
            Kind::Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
            Kind::Char(length) => write!(f, "CHAR({length})"),
            Kind::Varchar(length) => write!(f, "VARCHAR({length})"),
            Kind::String => f.write_str("STRING"),
            Kind::Binary(length) => write!(f, "BINARY({length})"),
            Kind::Varbinary(length) => write!(f, "VARBINARY({length})"),
            Kind::Bytes => f.write_str("BYTES"),
            Kind::Date => f.write_str("DATE"),
            Kind::Time(precision) => write!(f, "TIME({precision})"),
            Kind::Timestamp(precision) => write!(f, "TIMESTAMP({precision})"),
            Kind::TimestampLtz(precision) => write!(f, "TIMESTAMP_LTZ({precision})"),
            Kind::IntervalYearMonth => f.write_str("INTERVAL YEAR TO MONTH"),
            Kind::IntervalDaySecond => f.write_str("INTERVAL DAY TO SECOND"),
            Kind::Array(element) => write!(f, "ARRAY<{element}>"),
            Kind::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            Kind::Multiset(element) => write!(f, "MULTISET<{element}>"),
            Kind::Row(fields) => {
                f.write_str("ROW<")?;
                for (index, (name, of)) in fields.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "`{name}` {of}")?;
                }
                f.write_str(">")
            }
            Kind::Null => f.write_str("NULL"),
        }?;
        if self.nullable { Ok(()) } else { f.write_str(" NOT NULL") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_survive_arrow() {
        let row = Kind::Row(vec![
            ("a".into(), SqlType { kind: Kind::Int, nullable: false }),
            ("b".into(), SqlType::of(Kind::Array(Box::new(SqlType::of(Kind::String))))),
        ]);
        for kind in [
            Kind::Boolean,
            Kind::TinyInt,
            Kind::BigInt,
            Kind::Decimal { precision: 23, scale: 3 },
            Kind::Timestamp(3),
            Kind::TimestampLtz(3),
            Kind::Timestamp(9),
            Kind::Date,
            Kind::Bytes,
            row,
        ] {
            let of = SqlType::of(kind);
            assert_eq!(SqlType::from_arrow(&of.arrow(), true), of);
        }
        assert_eq!(SqlType::of(Kind::Row(vec![("a".into(), SqlType::of(Kind::Int))])).to_string(), "ROW<`a` INT>");
    }
}
