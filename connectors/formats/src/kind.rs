//! How a leaf's text becomes its value, whatever the format: the kinds of values, their names in errors, their ranges.

use crate::calendar_text::{parse_clock, parse_date};
use crate::decimal::{NoDecimal, parse_decimal};
use crate::leaves::Leaves;
use crate::malformed::Reason;
use crate::number::{Digits, digits, signed};
use crate::time_text::TimeParser;
use yeoul_frame::{DataType, Timestamp};

const NANOS_OF_MILLI: i64 = 1_000_000;

/// How a leaf is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    /// A signed integer of so many bits.
    Signed(u8),
    /// An unsigned integer of so many bits.
    Unsigned(u8),
    Float(u8),
    Text,
    Time,
    /// A time in nanoseconds since 1970.
    Nanos,
    /// Days since 1970.
    Date,
    /// Milliseconds of a day.
    Clock,
    Decimal {
        precision: u8,
        scale: i8,
    },
    /// A list, whose elements are given to this leaf.
    List(u16),
}

impl Kind {
    pub(crate) fn of(data_type: DataType) -> Self {
        match data_type {
            DataType::Bool => Self::Bool,
            DataType::I8 => Self::Signed(8),
            DataType::I16 => Self::Signed(16),
            DataType::I32 => Self::Signed(32),
            DataType::I64 => Self::Signed(64),
            DataType::U8 => Self::Unsigned(8),
            DataType::U16 => Self::Unsigned(16),
            DataType::U32 => Self::Unsigned(32),
            DataType::U64 => Self::Unsigned(64),
            DataType::F32 => Self::Float(32),
            DataType::F64 => Self::Float(64),
            DataType::Utf8 => Self::Text,
            DataType::Timestamp => Self::Time,
            DataType::Record(_) => unreachable!("a record is an object of the tree, not a leaf"),
        }
    }

    /// What an error says was wanted.
    pub(crate) fn wanted(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Signed(_) | Self::Unsigned(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Text => "a string",
            Self::Time | Self::Nanos => "a timestamp",
            Self::Date => "a date such as `2026-01-01`",
            Self::Clock => "a time of day such as `10:15:00`",
            Self::Decimal { .. } => "a number",
            Self::List(_) => "an array",
        }
    }

    /// The type's name, in an error about a number that does not fit.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Signed(8) => "i8",
            Self::Signed(16) => "i16",
            Self::Signed(32) => "i32",
            Self::Signed(_) => "i64",
            Self::Unsigned(8) => "u8",
            Self::Unsigned(16) => "u16",
            Self::Unsigned(32) => "u32",
            Self::Unsigned(_) => "u64",
            Self::Float(32) => "f32",
            Self::Float(_) => "f64",
            Self::Bool => "bool",
            Self::Text => "text",
            Self::Time => "a timestamp",
            Self::Nanos => "a timestamp in nanoseconds, from 1677 to 2262",
            Self::Date => "a date",
            Self::Clock => "a time of day",
            Self::Decimal { .. } => "the decimal's digits",
            Self::List(_) => "an array",
        }
    }

    /// The value of an integer, if it fits.
    #[inline]
    pub(crate) fn integer(self, negative: bool, magnitude: u64) -> Option<Scalar> {
        match self {
            Self::Signed(bits) => {
                let value = signed(negative, magnitude)?;
                let spare = 64 - u32::from(bits);
                (value << spare >> spare == value).then_some(Scalar::Integer(value))
            }
            Self::Unsigned(bits) => {
                let fits = (!negative || magnitude == 0) && magnitude <= u64::MAX >> (64 - u32::from(bits));
                fits.then_some(Scalar::Unsigned(magnitude))
            }
            Self::Time => signed(negative, magnitude).map(|millis| Scalar::Time(Timestamp(millis))),
            Self::Nanos => signed(negative, magnitude)?.checked_mul(NANOS_OF_MILLI).map(Scalar::Integer),
            _ => None,
        }
    }

    /// The value of a number's text, if it is finite in the type.
    pub(crate) fn number(self, text: &[u8]) -> Option<Scalar> {
        if let Self::Decimal { precision, scale } = self {
            return parse_decimal(text, precision, scale).ok().map(Scalar::Decimal);
        }
        if self == Self::Float(32) {
            // Parsed as f32: rounding by way of f64 would round twice.
            let value: f32 = fast_float2::parse(text).ok()?;
            return value.is_finite().then_some(Scalar::Float(f64::from(value)));
        }
        let value: f64 = fast_float2::parse(text).ok()?;
        value.is_finite().then_some(Scalar::Float(value))
    }

    /// The text of a number or flag without blanks around it and without a plus, where text is converted to those.
    pub(crate) fn lenient(self, text: &[u8]) -> &[u8] {
        if !matches!(self, Self::Bool | Self::Signed(_) | Self::Unsigned(_) | Self::Float(_) | Self::Decimal { .. }) {
            return text;
        }
        match text.trim_ascii() {
            [b'+', rest @ ..] if rest.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.') => rest,
            text => text,
        }
    }

    /// The value of a text, all of it, that stands by itself: a field of CSV, or a JSON string in place of a value.
    pub(crate) fn text(self, text: &[u8], times: &mut TimeParser) -> Result<Scalar, Reason> {
        let wanted = || Reason::Expected(self.wanted());
        match self {
            Self::Signed(_) | Self::Unsigned(_) => {
                let negative = text.first() == Some(&b'-');
                let start = usize::from(negative);
                match digits(text, start) {
                    Digits::Value(magnitude, end) if end == text.len() => {
                        self.integer(negative, magnitude).ok_or(Reason::OutOfRange(self.name()))
                    }
                    Digits::TooLarge => Err(Reason::OutOfRange(self.name())),
                    _ => Err(wanted()),
                }
            }
            Self::Time => times.parse(text).map(Scalar::Time).ok_or(Reason::NotATimestamp),
            Self::Nanos => {
                let millis = times.parse(text).ok_or(Reason::NotATimestamp)?.0;
                let nanos = millis.checked_mul(NANOS_OF_MILLI).and_then(|nanos| nanos.checked_add(below_millis(text)));
                nanos.map(Scalar::Integer).ok_or(Reason::OutOfRange(self.name()))
            }
            Self::Date => parse_date(text).map(|days| Scalar::Integer(days.into())).ok_or_else(wanted),
            Self::Clock => parse_clock(text).map(|millis| Scalar::Integer(millis.into())).ok_or_else(wanted),
            Self::Float(_) => match self.number(text) {
                Some(value) => Ok(value),
                None => not_finite(text).map(Scalar::Float).ok_or_else(|| float_fault(self, text)),
            },
            Self::Decimal { precision, scale } => match parse_decimal(text, precision, scale) {
                Ok(value) => Ok(Scalar::Decimal(value)),
                Err(NoDecimal::TooLarge) => Err(Reason::OutOfRange(self.name())),
                Err(NoDecimal::NoNumber) => Err(wanted()),
            },
            Self::Bool if text.eq_ignore_ascii_case(b"true") => Ok(Scalar::Bool(true)),
            Self::Bool if text.eq_ignore_ascii_case(b"false") => Ok(Scalar::Bool(false)),
            Self::Bool | Self::Text | Self::List(_) => Err(wanted()),
        }
    }
}

/// A value that is no text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scalar {
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Bool(bool),
    Time(Timestamp),
    Decimal(i128),
}

impl Scalar {
    /// Gives it to a leaf.
    #[inline]
    pub(crate) fn give<'a, L: Leaves<'a>>(self, leaves: &mut L, leaf: u16) {
        match self {
            Self::Integer(value) => leaves.integer(leaf, value),
            Self::Unsigned(value) => leaves.unsigned(leaf, value),
            Self::Float(value) => leaves.float(leaf, value),
            Self::Bool(value) => leaves.bool(leaf, value),
            Self::Time(value) => leaves.time(leaf, value),
            Self::Decimal(value) => leaves.decimal(leaf, value),
        }
    }
}

/// The nanoseconds that stand in a timestamp's text after its milliseconds.
fn below_millis(text: &[u8]) -> i64 {
    let point = memchr::memchr(b'.', text).map_or(text.len(), |point| point + 1);
    let digits = text[point..].iter().take_while(|byte| byte.is_ascii_digit()).map(|byte| i64::from(byte - b'0'));
    digits.chain(std::iter::repeat(0)).skip(3).take(6).fold(0, |nanos, digit| nanos * 10 + digit)
}

/// The values that have no digits.
#[cold]
fn not_finite(text: &[u8]) -> Option<f64> {
    match text {
        b"NaN" => Some(f64::NAN),
        b"Infinity" => Some(f64::INFINITY),
        b"-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

#[cold]
fn float_fault(kind: Kind, text: &[u8]) -> Reason {
    let number = text.iter().any(u8::is_ascii_digit) && fast_float2::parse::<f64, _>(text).is_ok();
    if number { Reason::OutOfRange(kind.name()) } else { Reason::Expected(kind.wanted()) }
}
