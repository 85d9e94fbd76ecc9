//! What a record's fields are called and hold, so that formats can read and write it without knowing its type.

use std::fmt;

use rkyv::{Archive, Serialize};

use crate::{Cell, CellError, Record, RowSerializer};

/// The type of a field, as formats see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// True or false.
    Bool,
    /// A signed number of 8 bits.
    I8,
    /// A signed number of 16 bits.
    I16,
    /// A signed number of 32 bits.
    I32,
    /// A signed number of 64 bits.
    I64,
    /// An unsigned number of 8 bits.
    U8,
    /// An unsigned number of 16 bits.
    U16,
    /// An unsigned number of 32 bits.
    U32,
    /// An unsigned number of 64 bits.
    U64,
    /// A floating point number of 32 bits.
    F32,
    /// A floating point number of 64 bits.
    F64,
    /// Text.
    Utf8,
    /// Milliseconds since 1970-01-01 00:00:00 UTC.
    Timestamp,
    /// A record within the record.
    Record(&'static [Field]),
}

impl DataType {
    /// How many cells a value of this type takes: the fields of nested records count, depth first.
    #[must_use]
    pub const fn cells(self) -> usize {
        match self {
            Self::Record(fields) => cells(fields),
            _ => 1,
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Utf8 => "string",
            Self::Timestamp => "timestamp",
            Self::Record(_) => "record",
        })
    }
}

/// A field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name in text formats.
    pub name: &'static str,
    /// Its type.
    pub data_type: DataType,
    /// It may have no value.
    pub nullable: bool,
}

/// How many cells a row of these fields has: nested records are flattened, depth first.
#[must_use]
pub const fn cells(fields: &[Field]) -> usize {
    let (mut sum, mut at) = (0, 0);
    while at < fields.len() {
        sum += fields[at].data_type.cells();
        at += 1;
    }
    sum
}

/// A record whose fields are known by name. `#[record]` implements it, if every field is of a type that text formats
/// can carry: a number up to 64 bits, `bool`, `String`, [`Timestamp`](crate::Timestamp), another record, or an
/// `Option` of those.
///
/// Cells stand in the order of the fields; those of a nested record stand in its place, depth first. A nullable
/// nested record is null exactly if all of its cells are.
///
/// ```
/// use yeoul_frame::{Cell, Schema, record};
///
/// #[record]
/// struct Bid {
///     auction: u64,
///     channel: Option<String>,
/// }
///
/// let row = Bid::row(&[Cell::U64(7), Cell::Str("web")]).unwrap();
/// assert_eq!((row.auction, row.channel), (7, Some("web")));
/// assert!(Bid::row(&[Cell::Null, Cell::Null]).is_err());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no schema, so no text format can read or write it",
    note = "`#[record]` gives a schema to structs whose fields are numbers up to 64 bits, `bool`, `String`, `Timestamp`, other such records, or `Option`s of those"
)]
pub trait Schema: Record {
    /// The fields, in order.
    const FIELDS: &'static [Field];

    /// The record with borrowed text, or the record itself if it owns none.
    type Row<'a>: Archive<Archived = Self::Archived> + Serialize<RowSerializer>;

    /// The row that these cells make: [`cells`] of [`FIELDS`](Self::FIELDS) of them.
    ///
    /// # Errors
    /// If a cell does not fit its field, which the error names.
    fn row<'a>(cells: &[Cell<'a>]) -> Result<Self::Row<'a>, CellError>;

    /// The row that an archived record is: to push it into another frame without owning its text in between.
    fn borrow(archived: &Self::Archived) -> Self::Row<'_>;

    /// Appends the cells of an archived record.
    fn cells<'a>(archived: &'a Self::Archived, out: &mut Vec<Cell<'a>>);
}
