//! Field types that text formats can carry: from cells, to cells, and borrowed.

use rkyv::option::ArchivedOption;
use rkyv::rancor::Fallible;
use rkyv::string::{ArchivedString, StringResolver};
use rkyv::{Archive, Place, Serialize, SerializeUnsized};

use crate::{Cell, CellError, CellFault, DataType, RowSerializer, Timestamp};

/// A type that a field of a record with a [`Schema`](crate::Schema) can have. `#[record]` implements it for records.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a type that text formats can carry",
    label = "no schema for a field of this type",
    note = "a struct needs `#[record]` above it; a record with any other type that rkyv can archive needs `#[record(opaque)]` above that field, and then has no schema"
)]
pub trait FieldType: Archive {
    /// The type, as formats see it.
    const DATA_TYPE: DataType;
    /// Null is a value of it.
    const NULLABLE: bool = false;

    /// The value with borrowed text.
    type Row<'a>: Archive<Archived = Self::Archived> + Serialize<RowSerializer>;

    /// The value that these cells make; there are as many as `DATA_TYPE` takes.
    ///
    /// # Errors
    /// If a cell does not fit.
    fn from_cells<'a>(cells: &[Cell<'a>]) -> Result<Self::Row<'a>, CellError>;

    /// Appends the cells of an archived value.
    fn to_cells<'a>(archived: &'a Self::Archived, out: &mut Vec<Cell<'a>>);

    /// The row that an archived value is.
    fn borrow(archived: &Self::Archived) -> Self::Row<'_>;
}

/// A fault of a single cell.
#[cold]
fn unfit<T>(expected: DataType, cell: &Cell<'_>) -> Result<T, CellError> {
    let fault = match cell {
        Cell::Null => CellFault::Null,
        Cell::I64(value) if is_number(expected) => CellFault::Range { value: value.to_string() },
        Cell::U64(value) if is_number(expected) => CellFault::Range { value: value.to_string() },
        cell => CellFault::Kind { found: cell.kind() },
    };
    Err(CellError::new(expected, fault))
}

const fn is_number(data_type: DataType) -> bool {
    !matches!(data_type, DataType::Bool | DataType::Utf8 | DataType::Record(_))
}

macro_rules! integers {
    ($($type:ident $data_type:ident $cell:ident;)*) => { $(
        impl FieldType for $type {
            const DATA_TYPE: DataType = DataType::$data_type;
            type Row<'a> = $type;

            #[inline]
            fn from_cells(cells: &[Cell<'_>]) -> Result<$type, CellError> {
                let value = match &cells[0] {
                    Cell::I64(value) => (*value).try_into().ok(),
                    Cell::U64(value) => (*value).try_into().ok(),
                    _ => None,
                };
                value.map_or_else(|| unfit(Self::DATA_TYPE, &cells[0]), Ok)
            }

            #[inline]
            fn to_cells<'a>(archived: &'a Self::Archived, out: &mut Vec<Cell<'a>>) {
                out.push(Cell::$cell($type::from(*archived).into()));
            }

            #[inline]
            fn borrow(archived: &Self::Archived) -> $type {
                $type::from(*archived)
            }
        }
    )* };
}
integers! { i8 I8 I64; i16 I16 I64; i32 I32 I64; i64 I64 I64; u8 U8 U64; u16 U16 U64; u32 U32 U64; u64 U64 U64; }

macro_rules! floats {
    ($($type:ident $data_type:ident;)*) => { $(
        impl FieldType for $type {
            const DATA_TYPE: DataType = DataType::$data_type;
            type Row<'a> = $type;

            /// Takes any number, rounded to the nearest that there is.
            #[inline]
            fn from_cells(cells: &[Cell<'_>]) -> Result<$type, CellError> {
                match &cells[0] {
                    Cell::F64(value) => Ok(*value as $type),
                    Cell::I64(value) => Ok(*value as $type),
                    Cell::U64(value) => Ok(*value as $type),
                    cell => unfit(Self::DATA_TYPE, cell),
                }
            }

            #[inline]
            fn to_cells<'a>(archived: &'a Self::Archived, out: &mut Vec<Cell<'a>>) {
                out.push(Cell::F64(archived.to_native().into()));
            }

            #[inline]
            fn borrow(archived: &Self::Archived) -> $type {
                archived.to_native()
            }
        }
    )* };
}
floats! { f32 F32; f64 F64; }

impl FieldType for bool {
    const DATA_TYPE: DataType = DataType::Bool;
    type Row<'a> = bool;

    #[inline]
    fn from_cells(cells: &[Cell<'_>]) -> Result<bool, CellError> {
        match &cells[0] {
            Cell::Bool(value) => Ok(*value),
            cell => unfit(Self::DATA_TYPE, cell),
        }
    }

    #[inline]
    fn to_cells<'a>(archived: &'a bool, out: &mut Vec<Cell<'a>>) {
        out.push(Cell::Bool(*archived));
    }

    #[inline]
    fn borrow(archived: &bool) -> bool {
        *archived
    }
}

impl FieldType for Timestamp {
    const DATA_TYPE: DataType = DataType::Timestamp;
    type Row<'a> = Timestamp;

    /// Takes a time, or a whole number of milliseconds.
    #[inline]
    fn from_cells(cells: &[Cell<'_>]) -> Result<Timestamp, CellError> {
        let millis = match &cells[0] {
            Cell::Timestamp(time) => Some(time.0),
            Cell::I64(millis) => Some(*millis),
            Cell::U64(millis) => i64::try_from(*millis).ok(),
            _ => None,
        };
        millis.map_or_else(|| unfit(Self::DATA_TYPE, &cells[0]), |millis| Ok(Timestamp(millis)))
    }

    #[inline]
    fn to_cells<'a>(archived: &'a Self::Archived, out: &mut Vec<Cell<'a>>) {
        out.push(Cell::Timestamp(archived.get()));
    }

    #[inline]
    fn borrow(archived: &Self::Archived) -> Timestamp {
        archived.get()
    }
}

impl FieldType for String {
    const DATA_TYPE: DataType = DataType::Utf8;
    type Row<'a> = Text<'a>;

    #[inline]
    fn from_cells<'a>(cells: &[Cell<'a>]) -> Result<Text<'a>, CellError> {
        match &cells[0] {
            Cell::Str(text) => Ok(Text(text)),
            cell => unfit(Self::DATA_TYPE, cell),
        }
    }

    #[inline]
    fn to_cells<'a>(archived: &'a ArchivedString, out: &mut Vec<Cell<'a>>) {
        out.push(Cell::Str(archived.as_str()));
    }

    #[inline]
    fn borrow(archived: &ArchivedString) -> Text<'_> {
        Text(archived.as_str())
    }
}

impl<T: FieldType> FieldType for Option<T> {
    const DATA_TYPE: DataType = {
        assert!(!T::NULLABLE, "a null within an Option cannot be told from a null Option: use one Option");
        T::DATA_TYPE
    };
    const NULLABLE: bool = true;
    type Row<'a> = Option<T::Row<'a>>;

    /// None exactly if every cell is null.
    #[inline]
    fn from_cells<'a>(cells: &[Cell<'a>]) -> Result<Option<T::Row<'a>>, CellError> {
        if cells.iter().all(Cell::is_null) { Ok(None) } else { T::from_cells(cells).map(Some) }
    }

    #[inline]
    fn to_cells<'a>(archived: &'a Self::Archived, out: &mut Vec<Cell<'a>>) {
        match archived {
            ArchivedOption::None => out.extend(std::iter::repeat_n(Cell::Null, const { T::DATA_TYPE.cells() })),
            ArchivedOption::Some(value) => T::to_cells(value, out),
        }
    }

    #[inline]
    fn borrow(archived: &Self::Archived) -> Option<T::Row<'_>> {
        match archived {
            ArchivedOption::None => None,
            ArchivedOption::Some(value) => Some(T::borrow(value)),
        }
    }
}

/// Borrowed text that is archived as a `String` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text<'a>(pub &'a str);

impl Archive for Text<'_> {
    type Archived = ArchivedString;
    type Resolver = StringResolver;

    #[inline]
    fn resolve(&self, resolver: StringResolver, out: Place<ArchivedString>) {
        ArchivedString::resolve_from_str(self.0, resolver, out);
    }
}

impl<S: Fallible<Error: rkyv::rancor::Source> + ?Sized> Serialize<S> for Text<'_>
where
    str: SerializeUnsized<S>,
{
    #[inline]
    fn serialize(&self, serializer: &mut S) -> Result<StringResolver, S::Error> {
        ArchivedString::serialize_from_str(self.0, serializer)
    }
}
