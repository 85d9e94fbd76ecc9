//! `datagen`: random values and sequences, by Flink's options. Yeoul's own: `seed`.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use yeoul_datagen::{FieldSpec, NumberedRows, NumberedSource, RandomRows, Values};
use yeoul_formats::options::{OptionError, Options};
use yeoul_formats::type_name;
use yeoul_operator::{TableDefinition, TableError, TableScan, TableSource};

use crate::{is_used, refused};

pub(crate) fn source(
    table: &TableDefinition,
    scan: &TableScan,
    options: &mut Options<'_>,
) -> Result<TableSource, TableError> {
    let rate = options.number("rows-per-second", 10_000u64).map_err(refused)?;
    if rate == 0 {
        return Err(refused(OptionError::value("rows-per-second", "0", "at least one row a second")));
    }
    let rows = options.number_if_any("number-of-rows").map_err(refused)?;
    let seed = options.number("seed", 1u64).map_err(refused)?;
    options.number_if_any::<u16>("scan.parallelism").map_err(refused)?;
    let all: Vec<usize> = (0..table.columns.fields().len()).collect();
    let projection = scan.projection.as_ref().unwrap_or(&all);
    let mut columns = Vec::new();
    for field in table.columns.fields() {
        let column = column(&[field.name().clone()], field, options).map_err(|error| match error {
            Wrong::Option(error) => refused(error),
            Wrong::Column(what) => TableError::new(format!("table '{}': {what}", table.name)).column(field.name()),
        })?;
        columns.push(column);
    }
    let fields: Vec<Field> = projection.iter().map(|&column| table.columns.field(column).clone()).collect();
    let used =
        |&at: &usize| used(&[table.columns.field(at).name().clone()], table.columns.field(at), &columns[at], scan);
    let specs: Vec<FieldSpec> = projection.iter().map(used).collect();
    let wrong = |what| TableError::new(format!("table '{}': {what}", table.name));
    // Checked as the table has it, also where no one reads it; and a sequence ends the rows whether or not anyone does.
    let rows = RandomRows::new(table.columns.clone(), columns, seed, rows, rate).map_err(wrong)?.end();
    let source = RandomRows::new(Arc::new(Schema::new(fields)), specs, seed, rows, rate).map_err(wrong)?;
    let (schema, bounded) = (source.schema().clone(), source.end().is_some());
    Ok(TableSource { make: NumberedSource::new(source).make(), schema, errors: None, bounded, parallelism: None })
}

/// What of a column is made: what is used of it.
fn used(path: &[String], field: &Field, spec: &FieldSpec, scan: &TableScan) -> FieldSpec {
    if !is_used(scan, path) {
        return FieldSpec { values: Values::Unused, null_rate: 0.0 };
    }
    let (Values::Row(inner), DataType::Struct(fields)) = (&spec.values, field.data_type()) else { return spec.clone() };
    let inner = fields.iter().zip(inner).map(|(field, spec)| {
        let path = [path, &[field.name().clone()]].concat();
        used(&path, field, spec, scan)
    });
    FieldSpec { values: Values::Row(inner.collect()), null_rate: spec.null_rate }
}

enum Wrong {
    Option(OptionError),
    Column(String),
}

impl From<OptionError> for Wrong {
    fn from(error: OptionError) -> Self {
        Self::Option(error)
    }
}

/// How a column is made.
fn column(path: &[String], field: &Field, options: &mut Options<'_>) -> Result<FieldSpec, Wrong> {
    let key = |what: &str| format!("fields.{}.{what}", path.join("."));
    let sequence = options.choice(&key("kind"), &[("random", false), ("sequence", true)], false)?;
    let null_rate = options.number(&key("null-rate"), 0f64)?;
    if !(0.0..=1.0).contains(&null_rate) {
        return Err(OptionError::value(&key("null-rate"), &null_rate.to_string(), "a share from 0 to 1").into());
    }
    let values = if sequence {
        let bound = |options: &mut Options<'_>, what: &str| {
            let found = options.number_if_any(&key(what))?;
            found.ok_or_else(|| OptionError::missing(&key(what), "1"))
        };
        Values::Sequence { start: bound(options, "start")?, end: bound(options, "end")? }
    } else {
        let mut whole = |least: i64, most: i64| -> Result<Values, OptionError> {
            Ok(Values::Whole { min: options.number(&key("min"), least)?, max: options.number(&key("max"), most)? })
        };
        match field.data_type() {
            DataType::Boolean => Values::Flag,
            DataType::Int8 => whole(i8::MIN.into(), i8::MAX.into())?,
            DataType::Int16 => whole(i16::MIN.into(), i16::MAX.into())?,
            DataType::Int32 => whole(i32::MIN.into(), i32::MAX.into())?,
            DataType::Int64 => whole(i64::MIN, i64::MAX)?,
            DataType::Float32 | DataType::Float64 => {
                let most = if *field.data_type() == DataType::Float32 { f64::from(f32::MAX) } else { f64::MAX / 2.0 };
                Values::Real { min: options.number(&key("min"), -most)?, max: options.number(&key("max"), most)? }
            }
            DataType::Decimal128(precision, scale) => {
                let most = 10i128.pow(u32::from(*precision).min(38)) - 1;
                let mut bound = |what: &str| options.decimal(&key(what), *precision, *scale);
                Values::Digits { min: bound("min")?.unwrap_or(-most), max: bound("max")?.unwrap_or(most) }
            }
            DataType::Utf8View => Values::Text {
                length: options.number(&key("length"), 100u64)?,
                varies: options.flag(&key("var-len"), false)?,
            },
            DataType::Timestamp(..) => {
                let past = options.duration(&key("max-past"))?.unwrap_or_default();
                Values::Past(u64::try_from(past.as_millis()).unwrap_or(u64::MAX).min(i64::MAX.cast_unsigned()))
            }
            DataType::Date32 | DataType::Time32(_) => Values::Past(0),
            DataType::Struct(fields) => {
                let mut inner = Vec::new();
                for field in fields {
                    let path = [path, &[field.name().clone()]].concat();
                    inner.push(column(&path, field, options)?);
                }
                Values::Row(inner)
            }
            other => {
                let name = path.join(".");
                return Err(Wrong::Column(format!(
                    "column `{name}` is of type {}, which datagen does not make yet",
                    type_name(other)
                )));
            }
        }
    };
    Ok(FieldSpec { values, null_rate })
}
