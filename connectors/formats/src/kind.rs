//! How a leaf's text becomes its cell, whatever the format: the kinds of values, their names in errors, their ranges.

use crate::number::signed;
use yeoul_frame::{Cell, DataType, Timestamp};

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
            Self::Time => "a timestamp",
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
        }
    }

    /// The cell of an integer, if it fits.
    #[inline]
    pub(crate) fn integer<'a>(self, negative: bool, magnitude: u64) -> Option<Cell<'a>> {
        match self {
            Self::Signed(bits) => {
                let value = signed(negative, magnitude)?;
                let spare = 64 - u32::from(bits);
                (value << spare >> spare == value).then_some(Cell::I64(value))
            }
            Self::Unsigned(bits) => {
                let fits = (!negative || magnitude == 0) && magnitude <= u64::MAX >> (64 - u32::from(bits));
                fits.then_some(Cell::U64(magnitude))
            }
            Self::Time => signed(negative, magnitude).map(|millis| Cell::Timestamp(Timestamp(millis))),
            _ => None,
        }
    }

    /// The cell of a number's text, if it is finite in the type.
    pub(crate) fn float<'a>(self, text: &[u8]) -> Option<Cell<'a>> {
        if self == Self::Float(32) {
            // Parsed as f32: rounding by way of f64 would round twice.
            let value: f32 = fast_float2::parse(text).ok()?;
            return value.is_finite().then_some(Cell::F64(f64::from(value)));
        }
        let value: f64 = fast_float2::parse(text).ok()?;
        value.is_finite().then_some(Cell::F64(value))
    }
}
