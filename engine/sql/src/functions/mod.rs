//! Flink's functions: a table of names, types and evaluations.
//!
//! A function says which types it takes for the types that it is given, so that the planner puts casts there, and is then
//! evaluated over whole columns. NULL for any argument is NULL, unless a function says otherwise.

pub(crate) mod aggregate;
mod array;
pub(crate) mod calendar;
pub(crate) mod cast;
mod condition;
pub(crate) mod decimal;
mod dense;
mod digest;
mod encode;
mod interval;
mod json;
mod map;
mod marker;
mod number;
mod pattern;
mod printf;
mod random;
pub(crate) mod ranking;
mod regexp;
mod retyped;
pub(crate) mod row;
mod string;
mod time;
mod url;
mod zone;

pub(crate) use interval::TIMES;
pub(crate) use json::{IS_JSON, JSON_QUERY_ARRAY};
pub(crate) use map::MAP_OF;
pub(crate) use marker::{CLOCK, CURRENT_WATERMARK, PROCTIME, UNIX_NOW};
pub(crate) use retyped::RETYPED;
pub(crate) use row::within;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::{Array, ArrayRef, StringViewArray};
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::type_coercion::binary::comparison_coercion;
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::error::SqlError;
use crate::settings::{Zone, zone};
use crate::types::type_name;

/// The types that a function takes for given ones, and its result's; the form to write if there are none.
type Types = fn(&[DataType]) -> std::result::Result<(Vec<DataType>, DataType), &'static str>;
/// The values of a call.
type Evaluate = fn(&Call<'_>) -> Result<ArrayRef>;

/// A scalar function.
pub(crate) struct Definition {
    name: &'static str,
    types: Types,
    evaluate: Evaluate,
    volatility: Volatility,
    /// Whether the result can be null though no argument is; nearly always.
    nullable: bool,
}

const fn function(name: &'static str, types: Types, evaluate: Evaluate) -> Definition {
    Definition { name, types, evaluate, volatility: Volatility::Immutable, nullable: true }
}

/// A function whose result is not NULL for any argument.
const fn never_null(name: &'static str, types: Types, evaluate: Evaluate) -> Definition {
    Definition { name, types, evaluate, volatility: Volatility::Immutable, nullable: false }
}

const fn volatile(name: &'static str, types: Types, evaluate: Evaluate) -> Definition {
    Definition { name, types, evaluate, volatility: Volatility::Volatile, nullable: false }
}

fn definitions() -> impl Iterator<Item = &'static Definition> {
    [
        string::FUNCTIONS,
        regexp::FUNCTIONS,
        encode::FUNCTIONS,
        digest::FUNCTIONS,
        url::FUNCTIONS,
        time::FUNCTIONS,
        number::FUNCTIONS,
        random::FUNCTIONS,
        printf::FUNCTIONS,
        condition::FUNCTIONS,
        json::FUNCTIONS,
        row::FUNCTIONS,
        array::FUNCTIONS,
        map::FUNCTIONS,
        marker::FUNCTIONS,
        interval::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}

/// The function of this name.
pub(crate) fn scalar(name: &str) -> Option<Arc<ScalarUDF>> {
    if name == RETYPED {
        return Some(retyped::retyped());
    }
    let name = name.to_lowercase();
    let definition = definitions().find(|definition| definition.name == name)?;
    let signature = Signature::user_defined(definition.volatility);
    Some(Arc::new(ScalarUDF::new_from_impl(Function { definition, signature })))
}

/// Looks at constant patterns and paths of a call, so that a wrong one is said before the job starts. A regular expression
/// that is wrong makes `REGEXP_COUNT` and its like NULL, as in Flink; it is nevertheless a mistake where it is written out.
pub(crate) fn check_constants(name: &str, args: &[datafusion_expr::Expr]) -> std::result::Result<(), SqlError> {
    type Check = fn(&str) -> std::result::Result<(), SqlError>;
    let (places, check): (&[usize], Check) = match name {
        "date_format" | "from_unixtime" => (&[1], time::check),
        "convert_tz" => (&[1, 2], zone::check),
        "printf" => (&[0], printf::check),
        "to_date" | "to_timestamp" | "to_timestamp_ltz" | "unix_timestamp" => (&[1], time::check_read),
        "regexp" | "regexp_count" | "regexp_extract" | "regexp_extract_all" | "regexp_instr" | "regexp_replace"
        | "regexp_substr" => (&[1], regexp::check),
        "str_to_map" => (&[1, 2], regexp::check),
        "json_value" | "json_exists" | "json_query" | JSON_QUERY_ARRAY => (&[1], json::check),
        _ => return Ok(()),
    };
    for place in places {
        if let Some(datafusion_expr::Expr::Literal(value, _)) = args.get(*place)
            && let Some(text) = value.try_as_str().flatten()
        {
            check(text)?;
        }
    }
    Ok(())
}

/// Whether a call of this function has a value or is NULL for any arguments, and takes long enough to be computed once for all its uses.
pub(crate) fn never_fails(name: &str) -> bool {
    matches!(
        name,
        "lower"
            | "upper"
            | "reverse"
            | "initcap"
            | "char_length"
            | "character_length"
            | "substring"
            | "substr"
            | "btrim"
            | "ltrim"
            | "rtrim"
            | "startswith"
            | "endswith"
            | "replace"
            | "translate"
            | "concat"
            | "concat_ws"
            | "split_index"
            | "position"
            | "instr"
            | "locate"
            | "left"
            | "right"
            | "regexp"
            | "regexp_extract"
            | "regexp_replace"
            | "regexp_count"
            | "regexp_instr"
            | "regexp_substr"
            | "extract"
            | "floor_to"
            | "ceil_to"
            | "date_format"
            | "md5"
            | "sha1"
            | "sha256"
            | "parse_url"
    )
}

/// All names that a script may use, in capitals.
pub(crate) fn names() -> Vec<String> {
    const INTERNAL: &[&str] = &[
        row::GET_FIELD,
        "window_row",
        "as_of",
        "floor_to",
        "ceil_to",
        "array_of",
        "item_of",
        "not_distinct",
        TIMES,
        "similar_to",
        MAP_OF,
        IS_JSON,
        JSON_QUERY_ARRAY,
        UNIX_NOW,
    ];
    let mut names: Vec<String> = definitions()
        .map(|definition| definition.name)
        .filter(|name| !INTERNAL.contains(name))
        .chain(["if", "ifnull", "nullif", "timestampdiff", "year", "month", "hour", "minute", "second"])
        .map(str::to_uppercase)
        .chain(aggregate::names().iter().map(|name| name.to_uppercase()))
        .chain(ranking::names().iter().map(|name| name.to_uppercase()))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// A definition as DataFusion sees it.
struct Function {
    definition: &'static Definition,
    signature: Signature,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.definition.name)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.definition.name == other.definition.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.definition.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.definition.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        self.types(given).map(|(taken, _)| taken)
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        self.types(given).map(|(_, result)| result)
    }

    fn is_nullable(&self, _args: &[datafusion_expr::Expr], _schema: &dyn datafusion_common::ExprSchema) -> bool {
        self.definition.nullable
    }

    fn schema_name(&self, args: &[datafusion_expr::Expr]) -> Result<String> {
        if self.definition.name == row::GET_FIELD
            && let [_, datafusion_expr::Expr::Literal(name, _)] = args
        {
            return Ok(name.try_as_str().flatten().unwrap_or_default().to_owned());
        }
        let shown: Vec<String> = args.iter().map(|argument| argument.schema_name().to_string()).collect();
        Ok(format!("{}({})", self.definition.name.to_uppercase(), shown.join(", ")))
    }

    fn return_field_from_args(&self, args: datafusion_expr::ReturnFieldArgs<'_>) -> Result<arrow_schema::FieldRef> {
        let given: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let of = match type_by_values(self.definition.name, &given, args.scalar_arguments) {
            Some(found) => found?,
            None => self.return_type(&given)?,
        };
        Ok(Arc::new(arrow_schema::Field::new(self.definition.name, of, self.definition.nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let zone = args.config_options.execution.time_zone.as_deref().and_then(zone).unwrap_or(Zone::Fixed(0));
        // A call of constants has one value.
        let constant = !args.args.is_empty()
            && self.definition.volatility == Volatility::Immutable
            && args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let result =
            (self.definition.evaluate)(&Call { args: &args.args, rows, returns: args.return_field.data_type(), zone })?;
        if constant {
            return ScalarValue::try_from_array(&result, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(result))
    }
}

impl Function {
    fn types(&self, given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
        (self.definition.types)(given).map_err(|form| {
            let shown: Vec<String> = given.iter().map(type_name).collect();
            let error = SqlError::new(format!(
                "{}({}) is not a function",
                self.definition.name.to_uppercase(),
                shown.join(", ")
            ));
            refuse(error.hint(format!("write {form}")))
        })
    }
}

/// The type of a call whose type depends on the values of its constants: a field's name, a number of digits, a unit.
fn type_by_values(name: &str, given: &[DataType], values: &[Option<&ScalarValue>]) -> Option<Result<DataType>> {
    row::field_type(name, given, values)
        .or_else(|| number::cut_type(name, given, values).map(Ok))
        .or_else(|| time::type_of_unit(name, given, values))
}

/// The arguments of one call.
pub(crate) struct Call<'a> {
    args: &'a [ColumnarValue],
    rows: usize,
    returns: &'a DataType,
    zone: Zone,
}

impl Call<'_> {
    /// Argument `index` as an array of `rows` values.
    fn array(&self, index: usize) -> Result<ArrayRef> {
        self.args[index].to_array(self.rows)
    }

    /// Argument `index` as text; a value of another type as a CAST writes it.
    fn text(&self, index: usize) -> Result<Text> {
        match &self.args[index] {
            ColumnarValue::Scalar(value) => match value.try_as_str() {
                Some(text) => Ok(Text::One(text.map(str::to_owned))),
                None if value.is_null() => Ok(Text::One(None)),
                None => {
                    let written = cast::to_text(&value.to_array()?, self.zone)?;
                    Ok(Text::One(Some(written.value(0).to_owned())))
                }
            },
            ColumnarValue::Array(array) => match array.as_any().downcast_ref::<StringViewArray>() {
                Some(texts) => Ok(Text::Many(texts.clone())),
                None => cast::to_text(array, self.zone).map(Text::Many),
            },
        }
    }

    /// Argument `index` as whole numbers.
    fn int(&self, index: usize) -> Result<Ints> {
        match &self.args[index] {
            ColumnarValue::Scalar(value) => match value.cast_to(&DataType::Int64)? {
                ScalarValue::Int64(value) => Ok(Ints::One(value)),
                other => Err(DataFusionError::Internal(format!("{other} is no number"))),
            },
            ColumnarValue::Array(array) => {
                let array = arrow_cast::cast(array, &DataType::Int64)?;
                let array = array.as_any().downcast_ref::<arrow_array::Int64Array>().cloned();
                array.map(Ints::Many).ok_or_else(|| DataFusionError::Internal("a number is no BIGINT".into()))
            }
        }
    }

    /// One text a row.
    fn texts(&self, mut each: impl FnMut(usize, &mut String) -> bool) -> Result<ArrayRef> {
        self.texts_or_fail(|row, out| Ok(each(row, out)))
    }

    /// One text a row; the job fails with the first value for which there is none.
    fn texts_or_fail(
        &self,
        mut each: impl FnMut(usize, &mut String) -> std::result::Result<bool, SqlError>,
    ) -> Result<ArrayRef> {
        let mut built = StringViewBuilder::with_capacity(self.rows);
        let mut text = String::new();
        for row in 0..self.rows {
            text.clear();
            if each(row, &mut text).map_err(refuse)? {
                built.append_value(&text);
            } else {
                built.append_null();
            }
        }
        Ok(Arc::new(built.finish()))
    }

    /// One value a row.
    fn values<T, A: FromIterator<Option<T>> + Array + 'static>(
        &self,
        each: impl FnMut(usize) -> Option<T>,
    ) -> Result<ArrayRef> {
        Ok(Arc::new((0..self.rows).map(each).collect::<A>()))
    }

    /// One value a row; the job fails with the first for which there is none.
    fn values_or_fail<T, A: FromIterator<Option<T>> + Array + 'static>(
        &self,
        each: impl FnMut(usize) -> std::result::Result<Option<T>, SqlError>,
    ) -> Result<ArrayRef> {
        let values = (0..self.rows).map(each).collect::<std::result::Result<A, SqlError>>();
        Ok(Arc::new(values.map_err(refuse)?))
    }
}

/// Whether a row's value is NULL. An array of the type NULL says of none that it is.
fn is_null(array: &ArrayRef) -> impl Fn(usize) -> bool + use<> {
    let nulls = array.logical_nulls();
    move |row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
}

/// An error of ours as one of an evaluation.
fn refuse(error: SqlError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The one type of all of these, as a comparison finds it; nothing if there is none, or no type is given.
fn common_type<'a>(types: impl IntoIterator<Item = &'a DataType>) -> Option<DataType> {
    let types: Vec<&DataType> = types.into_iter().collect();
    if crate::types::makes_double(types.iter().copied()) {
        return Some(DataType::Float64);
    }
    let mut types = types.into_iter();
    let first = types.next()?.clone();
    types.try_fold(first, |found, next| match (&found, next) {
        (DataType::Null, next) => Some(next.clone()),
        (_, DataType::Null) => Some(found),
        (found, next) if found == next => Some(next.clone()),
        (found, next) => comparison_coercion(found, next),
    })
}

/// Text of every row, or one for all.
enum Text {
    One(Option<String>),
    Many(StringViewArray),
}

impl Text {
    fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::One(text) => text.as_deref(),
            Self::Many(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }

    /// The text, if it is one for all rows.
    fn one(&self) -> Option<&str> {
        match self {
            Self::One(text) => text.as_deref(),
            Self::Many(_) => None,
        }
    }
}

/// A whole number of every row, or one for all.
enum Ints {
    One(Option<i64>),
    Many(arrow_array::Int64Array),
}

impl Ints {
    fn get(&self, row: usize) -> Option<i64> {
        match self {
            Self::One(value) => *value,
            Self::Many(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}

fn is_text(of: &DataType) -> bool {
    matches!(of, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Null)
}

fn is_int(of: &DataType) -> bool {
    of.is_integer() || *of == DataType::Null
}

fn is_timestamp(of: &DataType) -> bool {
    matches!(of, DataType::Timestamp(..))
}

const TEXT: DataType = DataType::Utf8View;

/// An array of this.
fn list_of(of: DataType) -> DataType {
    DataType::List(Arc::new(arrow_schema::Field::new("item", of, true)))
}

/// The parts of `types` functions: this many texts, give that.
fn texts_to(
    given: &[DataType],
    count: std::ops::RangeInclusive<usize>,
    result: DataType,
    form: &'static str,
) -> std::result::Result<(Vec<DataType>, DataType), &'static str> {
    if count.contains(&given.len()) && given.iter().all(is_text) {
        return Ok((vec![TEXT; given.len()], result));
    }
    Err(form)
}

#[cfg(test)]
pub(crate) mod tests;
