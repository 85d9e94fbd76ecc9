//! One value of a decoded or to be encoded row, outside its frame: what text formats speak.

use std::fmt;

use crate::{DataType, Timestamp};

/// A value between a text format and a record. Numbers come in three widths only; the record's field knows its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    I64(i64),
    /// A whole number, not negative.
    U64(u64),
    /// A number.
    F64(f64),
    /// Text.
    Str(&'a str),
    /// A time.
    Timestamp(Timestamp),
}

impl Cell<'_> {
    /// The kind of value, in a word or two for a message.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::I64(_) | Self::U64(_) => "a whole number",
            Self::F64(_) => "a number",
            Self::Str(_) => "text",
            Self::Timestamp(_) => "a timestamp",
        }
    }

    /// No value.
    #[must_use]
    #[inline]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// Why cells do not make a record: which field, what it wants, and what it was given.
#[derive(Debug, Clone, PartialEq)]
pub struct CellError(Box<Details>);

#[derive(Debug, Clone, PartialEq)]
struct Details {
    field: String,
    expected: DataType,
    fault: CellFault,
}

/// What is wrong with a cell.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum CellFault {
    /// There is no value, and the field must have one.
    Null,
    /// The value is of another kind.
    Kind {
        /// What it is.
        found: &'static str,
    },
    /// The number does not fit.
    Range {
        /// The number.
        value: String,
    },
    /// There are more or fewer cells than the record has fields.
    Count {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
}

impl CellError {
    /// A fault in a field that is not yet named; the record that holds it names it with [`within`](Self::within).
    #[must_use]
    #[cold]
    pub fn new(expected: DataType, fault: CellFault) -> Self {
        Self(Box::new(Details { field: String::new(), expected, fault }))
    }

    /// The same fault, seen from the record whose field `name` it is in.
    #[must_use]
    #[cold]
    pub fn within(mut self, name: &str) -> Self {
        if !self.0.field.is_empty() {
            self.0.field.insert(0, '.');
        }
        self.0.field.insert_str(0, name);
        self
    }

    /// The field, with the fields that it lies in: `bid.price`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.0.field
    }

    /// The type of the field.
    #[must_use]
    pub fn expected(&self) -> DataType {
        self.0.expected
    }

    /// What is wrong.
    #[must_use]
    pub fn fault(&self) -> &CellFault {
        &self.0.fault
    }
}

impl fmt::Display for CellError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { field, expected, fault } = &*self.0;
        if !field.is_empty() {
            write!(f, "field {field}: ")?;
        }
        match fault {
            CellFault::Null => {
                write!(f, "no value for a {expected} that must have one; make the field an Option to allow null")
            }
            CellFault::Kind { found } => write!(f, "{found} in place of a {expected}"),
            CellFault::Range { value } => write!(f, "{value} is out of range of a {expected}"),
            CellFault::Count { found, expected: cells } => write!(f, "{found} cells for a record of {cells}"),
        }
    }
}

impl std::error::Error for CellError {}
