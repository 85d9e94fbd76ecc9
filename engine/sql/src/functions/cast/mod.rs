//! CAST and TRY_CAST with Flink's results: whole numbers wrap as Java's do, a DECIMAL that has no room is NULL, text is as Flink prints it.
//!
//! Invariants:
//! 1. A cast that can change no value stays DataFusion's own, so that its rules see through it.
//! 2. TRY_CAST is NULL just where CAST fails, of what has parts as a whole; what only wraps or is cut is the same in both.
//! 3. Only values of rows that are there are cast: no part of a row that was filtered out, or is NULL, fails.

mod number;
mod parse;
mod text;
mod time;

pub(super) use text::{Written, listed, written};

use std::hash::Hash;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, ListArray, MapArray, StringViewArray, StructArray, cast::AsArray};
use arrow_schema::{DataType, Field, FieldRef, TimeUnit};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{
    Cast, ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::dense::Dense;
use super::{refuse, row};
use crate::error::SqlError;
use crate::parse::types::type_of_text;
use crate::settings::{Zone, zone};
use crate::types::{Kind, SqlType};

/// The field of a CAST's target: its name is the type in Flink's words, since Arrow has no place for lengths and precisions.
pub(crate) fn target(of: &SqlType) -> Field {
    Field::new(of.to_string(), of.arrow(), true)
}

/// What a CAST to such a field becomes; nothing if the field is none of [`target`]'s.
pub(crate) fn planned(expr: &Expr, from: &SqlType, field: &FieldRef, fails: Fails) -> Result<Option<Expr>> {
    if field.name().is_empty() {
        return Ok(None);
    }
    let to = type_of_text(field.name()).map_err(|error| DataFusionError::Plan(error.to_string()))?.with_nulls();
    // Of what Arrow has no word for, the cast knows the type: TYPEOF asks it.
    let told = match &from.kind {
        Kind::Null => SqlType::from_arrow(&to.arrow(), true).to_string() == to.to_string(),
        _ => !matches!(to.kind, Kind::Time(3..) | Kind::IntervalYearMonth),
    };
    if told && (from.kind == Kind::Null || lossless(&from.arrow(), &to.kind)) {
        return Ok(Some(Expr::Cast(Cast::new(Box::new(expr.clone()), to.arrow()))));
    }
    if let Some(hint) = refusal(&from.kind, &to.kind) {
        let error =
            SqlError::new(format!("a CAST of {from} to {to} is not possible")).maybe_hint(hint.map(str::to_owned));
        return Err(refuse(error));
    }
    // What is known of a time's precision beside its unit is known of a CAST only.
    let digits = match cast_type(expr).map(|of| &of.kind) {
        Some(Kind::Timestamp(digits) | Kind::TimestampLtz(digits)) if family(&to.kind) == Family::Text => Some(*digits),
        _ => None,
    };
    let word = if fails == Fails::Null { "TRY_CAST" } else { "CAST" };
    let name = match digits {
        Some(digits) => format!("{word} TIMESTAMP({digits}) AS {to}"),
        None => format!("{word} AS {to}"),
    };
    if let (Expr::Literal(value, _), Kind::Decimal { .. }) = (expr, &to.kind) {
        // Most often a literal with a point, which comes as text.
        let job = Job { zone: Zone::Fixed(0), digits, fails };
        let value = ScalarValue::try_from_array(&job.cast(&value.to_array()?, &to)?, 0)?;
        return Ok(Some(Expr::Literal(value, None)));
    }
    let signature = Signature::user_defined(Volatility::Immutable);
    let function = ScalarUDF::new_from_impl(CastTo { to, digits, fails, name, signature });
    Ok(Some(Arc::new(function).call(vec![expr.clone()])))
}

/// The type that a CAST gives, if this is one of ours.
pub(crate) fn cast_type(expr: &Expr) -> Option<&SqlType> {
    match expr {
        Expr::ScalarFunction(function) => function.func.inner().downcast_ref::<CastTo>().map(|cast| &cast.to),
        _ => None,
    }
}

/// Values as text, as a CAST to STRING writes them.
pub(super) fn to_text(array: &ArrayRef, zone: Zone) -> Result<StringViewArray> {
    let job = Job { zone, digits: None, fails: Fails::Job };
    job.cast(array, &SqlType::of(Kind::String)).map(|text| text.as_string_view().clone())
}

/// A value as text, if it is none yet.
pub(crate) fn planned_text(expr: Expr, from: &SqlType) -> Result<Expr> {
    if matches!(family(&from.kind), Family::Text | Family::Null) {
        return Ok(expr);
    }
    let string = Arc::new(target(&SqlType::of(Kind::String)));
    Ok(planned(&expr, from, &string, Fails::Job)?.unwrap_or(expr))
}

/// What becomes of a value that has no counterpart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fails {
    /// The job.
    Job,
    /// It is NULL.
    Null,
}

/// Whether every value stays what it is, so that Arrow's cast is as good as ours.
fn lossless(from: &DataType, to: &Kind) -> bool {
    let to = SqlType::of(to.clone());
    if to.is_narrower_than_arrow() {
        return false;
    }
    let to = to.arrow();
    let rank = |of: &DataType| match of {
        DataType::Int8 => Some(0),
        DataType::Int16 => Some(1),
        DataType::Int32 => Some(2),
        DataType::Int64 => Some(3),
        DataType::Float32 => Some(4),
        DataType::Float64 => Some(5),
        _ => None,
    };
    if *from == to {
        return true;
    }
    match (from, &to) {
        (DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2)) => {
            s1 <= s2 && i16::from(*p1) - i16::from(*s1) <= i16::from(*p2) - i16::from(*s2)
        }
        (DataType::Date32, DataType::Timestamp(TimeUnit::Millisecond, None)) => true,
        _ => matches!((rank(from), rank(&to)), (Some(from), Some(to)) if from <= to),
    }
}

/// The greatest length to which values are filled.
const PADDED: u32 = 1 << 20;

/// A hint if there is no such cast.
fn refusal(from: &Kind, to: &Kind) -> Option<Option<&'static str>> {
    use Family as F;
    if let Kind::Char(length) | Kind::Binary(length) = to
        && *length > PADDED
    {
        return Some(Some(
            "write VARCHAR or VARBINARY for what is so long: values are filled to the length of CHAR and BINARY",
        ));
    }
    let possible = match (family(from), family(to)) {
        (F::Null, _) | (_, F::Text) => true,
        (F::Text, F::Nested | F::Interval) => false,
        (F::Text, _) => true,
        (F::Boolean | F::Number, F::Boolean | F::Number) => true,
        (F::Bytes, F::Bytes) | (F::Interval, F::Interval) => true,
        (F::Date, F::Date | F::Timestamp) | (F::Time, F::Time | F::Timestamp) => true,
        (F::Timestamp, F::Date | F::Time | F::Timestamp) => true,
        (F::Number, F::Timestamp) => return Some(Some("write TO_TIMESTAMP_LTZ(number, 0 or 3)")),
        (F::Timestamp, F::Number) => return Some(Some("write UNIX_TIMESTAMP(CAST(time AS STRING)), or EXTRACT")),
        (F::Nested, F::Nested) => return nested_refusal(from, to),
        _ => false,
    };
    if possible { None } else { Some(None) }
}

fn nested_refusal(from: &Kind, to: &Kind) -> Option<Option<&'static str>> {
    let part =
        |from: &SqlType, to: &SqlType| if from.kind == Kind::Null { None } else { refusal(&from.kind, &to.kind) };
    match (from, to) {
        (Kind::Array(from), Kind::Array(to)) => part(from, to),
        (Kind::Map(k1, v1), Kind::Map(k2, v2)) => part(k1, k2).or_else(|| part(v1, v2)),
        (Kind::Multiset(from), Kind::Multiset(to)) => part(from, to),
        (Kind::Row(from), Kind::Row(to)) if from.len() == to.len() => {
            from.iter().zip(to).find_map(|((_, from), (_, to))| part(from, to))
        }
        (Kind::Row(_), Kind::Row(_)) => Some(Some("a ROW is cast to one of as many fields, by their order")),
        _ => Some(None),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Boolean,
    Number,
    Text,
    Bytes,
    Date,
    Time,
    Timestamp,
    Interval,
    Nested,
    Null,
}

fn family(of: &Kind) -> Family {
    match of {
        Kind::Boolean => Family::Boolean,
        Kind::TinyInt
        | Kind::SmallInt
        | Kind::Int
        | Kind::BigInt
        | Kind::Float
        | Kind::Double
        | Kind::Decimal { .. } => Family::Number,
        Kind::Char(_) | Kind::Varchar(_) | Kind::String => Family::Text,
        Kind::Binary(_) | Kind::Varbinary(_) | Kind::Bytes => Family::Bytes,
        Kind::Date => Family::Date,
        Kind::Time(_) => Family::Time,
        Kind::Timestamp(_) | Kind::TimestampLtz(_) => Family::Timestamp,
        Kind::IntervalYearMonth | Kind::IntervalDaySecond => Family::Interval,
        Kind::Array(_) | Kind::Map(..) | Kind::Multiset(_) | Kind::Row(_) => Family::Nested,
        Kind::Null => Family::Null,
    }
}

/// A cast as DataFusion sees it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CastTo {
    to: SqlType,
    /// Of a time that is written as text: how many digits of a second it has at least, if that is known beside its unit.
    digits: Option<u8>,
    fails: Fails,
    name: String,
    signature: Signature,
}

impl ScalarUDFImpl for CastTo {
    fn name(&self) -> &str {
        &self.name
    }

    /// A column keeps its name through a cast, as it does through DataFusion's.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.first().map(|of| of.schema_name().to_string()).unwrap_or_default())
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(given.to_vec())
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(self.to.arrow())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable())
            || self.fails == Fails::Null
            || matches!(self.to.kind, Kind::Decimal { .. });
        Ok(Arc::new(Field::new(&self.name, self.to.arrow(), nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let zone = args.config_options.execution.time_zone.as_deref().and_then(zone).unwrap_or(Zone::Fixed(0));
        let job = Job { zone, digits: self.digits, fails: self.fails };
        let cast = |array: &ArrayRef| match (self.fails, family(&self.to.kind)) {
            (Fails::Null, Family::Nested) => job.or_null(array, &self.to),
            _ => job.cast(array, &self.to),
        };
        match &args.args[0] {
            ColumnarValue::Scalar(value) => {
                ScalarValue::try_from_array(&cast(&value.to_array()?)?, 0).map(ColumnarValue::Scalar)
            }
            ColumnarValue::Array(array) => cast(array).map(ColumnarValue::Array),
        }
    }
}

/// What a cast needs to know beside the values.
struct Job {
    zone: Zone,
    digits: Option<u8>,
    fails: Fails,
}

impl Job {
    fn cast(&self, array: &ArrayRef, to: &SqlType) -> Result<ArrayRef> {
        let from = array.data_type();
        if *from == DataType::Null {
            return Ok(arrow_array::new_null_array(&to.arrow(), array.len()));
        }
        if matches!(from, DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_)) {
            return self.cast(&arrow_cast::cast(array, &DataType::BinaryView)?, to);
        }
        if lossless(from, &to.kind) {
            return Ok(arrow_cast::cast(array, &to.arrow())?);
        }
        match (&to.kind, from) {
            (Kind::Char(_) | Kind::Varchar(_) | Kind::String, _) => self.to_text(array, &to.kind),
            (Kind::Array(item), DataType::List(_)) => self.list(array, item),
            (Kind::Map(key, value), DataType::Map(..)) => self.map(array, to, [key, value]),
            (Kind::Multiset(key), DataType::Map(..)) => self.map(array, to, [key, &SqlType::of(Kind::Int)]),
            (Kind::Row(fields), DataType::Struct(_)) => self.row(array, fields),
            (_, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8) => self.parse(array, to),
            (Kind::Binary(_) | Kind::Varbinary(_) | Kind::Bytes, _) => self.bytes(array, &to.kind),
            (Kind::Date | Kind::Time(_) | Kind::Timestamp(_) | Kind::TimestampLtz(_), _) => self.time(array, to),
            (Kind::IntervalDaySecond | Kind::IntervalYearMonth, _) => Ok(Arc::clone(array)),
            _ => self.number(array, to),
        }
    }

    /// NULL for each row of which a part cannot be cast. Those are found by halves, so that one costs few casts.
    fn or_null(&self, array: &ArrayRef, to: &SqlType) -> Result<ArrayRef> {
        let strict = Self { zone: self.zone, digits: self.digits, fails: Fails::Job };
        match strict.cast(array, to) {
            Err(DataFusionError::External(error)) if error.is::<SqlError>() => {}
            done => return done,
        }
        if array.len() == 1 {
            return Ok(arrow_array::new_null_array(&to.arrow(), 1));
        }
        let half = array.len() / 2;
        let (first, second) = (array.slice(0, half), array.slice(half, array.len() - half));
        let (first, second) = (self.or_null(&first, to)?, self.or_null(&second, to)?);
        Ok(arrow_select::concat::concat(&[&first, &second])?)
    }

    /// Every value, or an error that names the first that has none, if the job fails for it.
    fn judged<T>(&self, value: Option<T>, to: &SqlType, shown: impl FnOnce() -> String) -> Result<Option<T>> {
        self.judged_with(value, || {
            SqlError::new(format!("'{}' is no {to}", shown())).hint("TRY_CAST gives NULL where CAST fails")
        })
    }

    fn judged_with<T>(&self, value: Option<T>, error: impl FnOnce() -> SqlError) -> Result<Option<T>> {
        match (value, self.fails) {
            (None, Fails::Job) => Err(refuse(error())),
            (value, _) => Ok(value),
        }
    }

    fn list(&self, array: &ArrayRef, item: &SqlType) -> Result<ArrayRef> {
        let list = Dense::of(array)?;
        let values = self.cast(&list.parts[0], item)?;
        let field = Arc::new(item.field("item"));
        Ok(Arc::new(ListArray::try_new(field, list.offsets, values, list.nulls)?))
    }

    fn map(&self, array: &ArrayRef, to: &SqlType, parts: [&SqlType; 2]) -> Result<ArrayRef> {
        let map = Dense::of(array)?;
        let DataType::Map(entries, sorted) = to.arrow() else {
            return Err(DataFusionError::Internal(format!("{to} is no map")));
        };
        let DataType::Struct(fields) = entries.data_type().clone() else {
            return Err(DataFusionError::Internal(format!("{to} has no entries")));
        };
        let columns = vec![self.cast(&map.parts[0], parts[0])?, self.cast(&map.parts[1], parts[1])?];
        if let Some(key) = (0..columns[0].len()).find(|key| columns[0].is_null(*key)) {
            let key = to_text(&map.parts[0].slice(key, 1), self.zone)?;
            let error = SqlError::new(format!("'{}' is a key and would be NULL in a {to}", key.value(0)));
            return Err(refuse(error.hint("TRY_CAST gives NULL where CAST fails")));
        }
        let inner = StructArray::try_new(fields, columns, None)?;
        Ok(Arc::new(MapArray::try_new(entries, map.offsets, inner, map.nulls, sorted)?))
    }

    fn row(&self, array: &ArrayRef, fields: &[(String, SqlType)]) -> Result<ArrayRef> {
        let rows = array.as_struct();
        let columns = rows
            .columns()
            .iter()
            .zip(fields)
            .map(|(column, (_, of))| self.cast(&row::within(Arc::clone(column), rows.nulls())?, of));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let fields = fields.iter().map(|(name, of)| of.field(name)).collect();
        Ok(Arc::new(StructArray::try_new_with_length(fields, columns, rows.nulls().cloned(), rows.len())?))
    }
}
