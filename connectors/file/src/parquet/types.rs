//! Which types Parquet carries, and how a file's schema and a table's meet: columns and fields by their names, elements of lists
//! and entries of maps by their place.
//!
//! A column that a file lacks is null, as in Flink. A type that the table does not give is taken if all its values are values of
//! the table's: integers of any width, FLOAT as DOUBLE, a DECIMAL with other digits, times in any unit. The rest is refused.
//!
//! Invariants:
//! 1. A leaf is read if and only if the table has it and the job uses it; or to know where a ROW is that has no such leaf.
//! 2. What the table must have and the job uses is in the file, at whatever depth.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};
use parquet::basic::{ConvertedType, Type as Physical};
use parquet::schema::types::SchemaDescriptor;
use yeoul_formats::columns::UnfitColumns;
use yeoul_formats::type_name;

/// What is to be read of a file.
pub(super) struct Meeting {
    /// The file's own schema, with the types in which leaves are to be read.
    pub(super) schema: Schema,
    /// By leaf: whether it is read.
    pub(super) read: Vec<bool>,
    /// By column of the table: whether there is text in it of which the crate does not see to it that it is any.
    pub(super) unchecked: Vec<bool>,
}

/// Whether Parquet carries a column of this type.
pub(super) fn carries(data_type: &DataType, name: &str) -> Result<(), UnfitColumns> {
    match data_type {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Utf8View
        | DataType::BinaryView
        | DataType::Date32
        | DataType::Time32(TimeUnit::Millisecond)
        | DataType::Timestamp(TimeUnit::Millisecond | TimeUnit::Nanosecond, _)
        | DataType::Decimal128(..) => Ok(()),
        DataType::Struct(fields) if fields.is_empty() => {
            Err(UnfitColumns(format!("column `{name}` is a ROW without fields, which parquet does not carry")))
        }
        DataType::Struct(fields) => {
            fields.iter().try_for_each(|field| carries(field.data_type(), &format!("{name}.{}", field.name())))
        }
        DataType::List(element) => carries(element.data_type(), &format!("{name}[]")),
        DataType::Map(entries, _) => {
            let (key, value) = entry(entries);
            carries(key.data_type(), &format!("{name}.key"))?;
            carries(value.data_type(), &format!("{name}.value"))
        }
        other => {
            let of = type_name(other);
            Err(UnfitColumns(format!("column `{name}` is of type {of}, which parquet does not carry")))
        }
    }
}

/// The key and the value of a map's entries.
pub(super) fn entry(entries: &Field) -> (&FieldRef, &FieldRef) {
    match entries.data_type() {
        DataType::Struct(fields) if fields.len() == 2 => (&fields[0], &fields[1]),
        other => unreachable!("a map's entries are a key and a value, and these are {other}"),
    }
}

/// Finds the columns of a table, or those fields of them that are used, in a file.
///
/// # Errors
/// What the file holds cannot be the table's; with the column's name.
pub(super) fn meet(
    table: &[FieldRef],
    used: Option<&[Vec<String>]>,
    file: &Schema,
    leaves: &SchemaDescriptor,
) -> Result<Meeting, String> {
    let mut walk = Walk { used, leaves, read: Vec::with_capacity(leaves.num_columns()), unchecked: false };
    let mut unchecked = vec![false; table.len()];
    let mut fields = Vec::with_capacity(file.fields().len());
    for (place, field) in file.fields().iter().enumerate() {
        // A second column of a name is no one's.
        let first = file.fields().iter().position(|other| other.name() == field.name()) == Some(place);
        let wanted = table.iter().position(|wanted| first && wanted.name() == field.name());
        fields.push(walk.field(field, wanted.map(|wanted| &*table[wanted]), &[field.name().clone()])?);
        if let Some(wanted) = wanted {
            unchecked[wanted] = std::mem::take(&mut walk.unchecked);
        }
    }
    if walk.read.len() != leaves.num_columns() {
        return Err("its schema has a form that is not known".to_owned());
    }
    for wanted in table {
        let found = file.fields().iter().find(|field| field.name() == wanted.name());
        walk.lacks(wanted, found.map(|found| &**found), &[wanted.name().clone()])?;
    }
    let schema = Schema::new_with_metadata(fields, file.metadata().clone());
    Ok(Meeting { schema, read: walk.read, unchecked })
}

struct Walk<'a> {
    used: Option<&'a [Vec<String>]>,
    leaves: &'a SchemaDescriptor,
    read: Vec<bool>,
    /// Text has been met that the file does not call text.
    unchecked: bool,
}

impl Walk<'_> {
    fn is_used(&self, path: &[String]) -> bool {
        self.used.is_none_or(|used| used.iter().any(|used| path.starts_with(used) || used.starts_with(path)))
    }

    /// A field of the file, as it is to be read. Counts its leaves.
    fn field(&mut self, file: &FieldRef, table: Option<&Field>, path: &[String]) -> Result<FieldRef, String> {
        let table = table.filter(|_| self.is_used(path));
        let name = || path.join(".");
        let wrong = |table: &Field| {
            Err(format!(
                "column `{}` is of type {} there, and {} in the table",
                name(),
                type_name(file.data_type()),
                type_name(table.data_type())
            ))
        };
        let data_type = match (file.data_type(), table.map(Field::data_type)) {
            (DataType::Struct(inner), Some(DataType::Struct(wanted))) => self.fields(inner, Some(wanted), path)?,
            (DataType::Struct(inner), None) => self.fields(inner, None, path)?,
            (DataType::List(element), Some(DataType::List(wanted))) => {
                DataType::List(self.field(element, Some(wanted), path)?)
            }
            (DataType::List(element), None) => DataType::List(self.field(element, None, path)?),
            (DataType::Map(entries, sorted), None) => self.entries(entries, *sorted, None, path)?,
            (DataType::Map(entries, sorted), Some(DataType::Map(wanted, _))) => {
                self.entries(entries, *sorted, Some(entry(wanted)), path)?
            }
            (DataType::Struct(_) | DataType::List(_) | DataType::Map(..), Some(_)) => {
                return wrong(table.expect("some"));
            }
            (leaf, None) => {
                self.read.push(false);
                leaf.clone()
            }
            (leaf, Some(wanted)) => {
                let own = self.leaves.columns().get(self.read.len());
                let is_int96 = own.is_some_and(|own| own.physical_type() == Physical::INT96);
                self.read.push(true);
                // Bytes, enumerations and JSON are taken for text as they are.
                self.unchecked |=
                    *wanted == DataType::Utf8View && own.is_none_or(|own| own.converted_type() != ConvertedType::UTF8);
                match read_as(leaf, is_int96, wanted) {
                    Some(read_as) => read_as,
                    None => return wrong(table.expect("some")),
                }
            }
        };
        Ok(Arc::new(file.as_ref().clone().with_data_type(data_type)))
    }

    fn fields(&mut self, file: &Fields, table: Option<&Fields>, path: &[String]) -> Result<DataType, String> {
        let mut fields = Vec::with_capacity(file.len());
        let start = self.read.len();
        // The first leaf of what the table does not have.
        let mut other = None;
        for (place, field) in file.iter().enumerate() {
            let first = file.iter().position(|other| other.name() == field.name()) == Some(place);
            let wanted = table.filter(|_| first).and_then(|table| table.find(field.name()));
            if other.is_none() && table.is_some_and(|table| table.find(field.name()).is_none()) {
                other = Some((place, self.read.len()));
            }
            fields.push(self.field(field, wanted.map(|(_, wanted)| &**wanted), &below(path, field.name()))?);
        }
        // One leaf tells where a ROW is, though none of its values is looked at.
        if let (Some((place, leaf)), false) = (other, self.read[start..].contains(&true)) {
            self.read[leaf] = true;
            fields[place] = unread(&fields[place]);
        }
        Ok(DataType::Struct(fields.into()))
    }

    fn entries(
        &mut self,
        file: &FieldRef,
        sorted: bool,
        table: Option<(&FieldRef, &FieldRef)>,
        path: &[String],
    ) -> Result<DataType, String> {
        let (key, value) = entry(file);
        let key = self.field(key, table.map(|(key, _)| &**key), path)?;
        let value = self.field(value, table.map(|(_, value)| &**value), path)?;
        let entries = DataType::Struct(vec![key, value].into());
        Ok(DataType::Map(Arc::new(file.as_ref().clone().with_data_type(entries)), sorted))
    }

    /// What the table must have, and uses, is there.
    fn lacks(&self, table: &Field, file: Option<&Field>, path: &[String]) -> Result<(), String> {
        if !self.is_used(path) {
            return Ok(());
        }
        let Some(file) = file else {
            return match table.is_nullable() {
                true => Ok(()),
                false => Err(format!("it has no column `{}`, which is NOT NULL", path.join("."))),
            };
        };
        match (table.data_type(), file.data_type()) {
            (DataType::Struct(wanted), DataType::Struct(inner)) => wanted.iter().try_for_each(|wanted| {
                let found = inner.find(wanted.name()).map(|(_, found)| &**found);
                self.lacks(wanted, found, &below(path, wanted.name()))
            }),
            (DataType::List(wanted), DataType::List(found)) => self.lacks(wanted, Some(found), path),
            (DataType::Map(wanted, _), DataType::Map(found, _)) => {
                let ((key, value), (found_key, found_value)) = (entry(wanted), entry(found));
                self.lacks(key, Some(found_key), path)?;
                self.lacks(value, Some(found_value), path)
            }
            _ => Ok(()),
        }
    }
}

/// A field whose values are passed over, its first leaf in a type in which the crate does not go through text.
fn unread(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Struct(fields) => {
            let mut fields = fields.to_vec();
            if let Some(first) = fields.first_mut() {
                *first = unread(first);
            }
            DataType::Struct(fields.into())
        }
        DataType::List(element) => DataType::List(unread(element)),
        DataType::Map(entries, sorted) => DataType::Map(unread(entries), *sorted),
        DataType::Utf8 | DataType::Binary => DataType::Utf8View,
        other => other.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

fn below(path: &[String], name: &str) -> Vec<String> {
    [path, &[name.to_owned()]].concat()
}

/// The type in which a leaf is read, if its values can be made the table's.
fn read_as(leaf: &DataType, is_int96: bool, table: &DataType) -> Option<DataType> {
    use DataType::{
        Binary, BinaryView, Date32, Decimal128, FixedSizeBinary, Float32, Float64, Int8, Int16, Int32, Int64, Null,
        Time32, Time64, Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8, Utf8View,
    };
    match (leaf, table) {
        (Timestamp(..), Timestamp(TimeUnit::Millisecond, _)) if is_int96 => {
            Some(Timestamp(TimeUnit::Millisecond, None))
        }
        // Of what is finer it cannot be told whether it was in range: the reader wraps round.
        (Timestamp(..), Timestamp(..)) if is_int96 => Some(Timestamp(TimeUnit::Microsecond, None)),
        // Hive and Impala have written text without saying so.
        (Utf8 | Binary, Utf8View) | (Utf8, BinaryView) => Some(Utf8View),
        (Binary, BinaryView) => Some(BinaryView),
        (Decimal128(_, from), Decimal128(_, to)) => (from <= to).then(|| leaf.clone()),
        (Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64, Int8 | Int16 | Int32 | Int64)
        | (Float32, Float32 | Float64)
        | (Float64, Float64)
        | (Timestamp(..), Timestamp(..))
        | (Time32(_) | Time64(_), Time32(_))
        | (FixedSizeBinary(_), BinaryView)
        | (Date32, Date32)
        | (DataType::Boolean, DataType::Boolean)
        | (Null, _) => Some(leaf.clone()),
        _ => None,
    }
}
