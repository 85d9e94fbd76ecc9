//! Scalar expressions of a plan: DataFusion's physical expressions behind the engine's trait.
//!
//! An expression reads only the columns that it names; the clock and the watermark are further columns, made when asked.

use std::fmt;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Date32Array, Int64Array, RecordBatch, RecordBatchOptions, Time32MillisecondArray,
    TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion_common::config::ConfigOptions;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{Column, DFSchema, DataFusionError};
use datafusion_expr::execution_props::ExecutionProps;
use datafusion_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion_expr::{Expr, ExprSchemable};
use datafusion_physical_expr::{PhysicalExpr, create_physical_expr};
use yeoul_frame::{Columns, Timestamp};
use yeoul_operator::OperatorError;
use yeoul_relational::{EvaluationTime, Expression};

use crate::functions::calendar::{DAY, to_wall};
use crate::functions::{CLOCK, CURRENT_WATERMARK, UNIX_NOW, check_constants};
use crate::settings::{Settings, Zone};

/// What a hidden column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hidden {
    Now,
    LocalNow,
    Today,
    TimeOfDay,
    Seconds,
    Watermark,
}

/// A compiled expression.
pub(crate) struct Compiled {
    physical: Arc<dyn PhysicalExpr>,
    /// The input columns that it reads, then hidden ones.
    schema: SchemaRef,
    columns: Vec<usize>,
    hidden: Vec<Hidden>,
    data_type: DataType,
    nullable: bool,
    zone: Zone,
    text: String,
    form: String,
}

/// Tells expressions apart: two columns may have one name.
impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} over {:?}", self.form, self.columns)
    }
}

/// With the columns' names, for people; in the other form (`{:#}`) with a column's place among those that are read, and with all types.
impl fmt::Display for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if f.alternate() { &self.form } else { &self.text })
    }
}

/// The name of column `index` in expressions that are compiled.
pub(crate) fn slot(index: usize) -> Expr {
    Expr::Column(Column::new_unqualified(format!("${index}")))
}

/// The index of a column that [`slot`] made.
pub(crate) fn slot_of(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Column(column) if column.relation.is_none() => slot_number(&column.name),
        _ => None,
    }
}

fn slot_number(name: &str) -> Option<usize> {
    name.strip_prefix('$')?.parse().ok()
}

/// Columns `$0`, `$1`, … of these types.
pub(crate) fn slots(schema: &Schema) -> Result<DFSchema, DataFusionError> {
    let field = |(index, field): (usize, &Arc<Field>)| {
        (None, Arc::new(Field::new(format!("${index}"), field.data_type().clone(), field.is_nullable())))
    };
    DFSchema::new_with_metadata(schema.fields().iter().enumerate().map(field).collect(), Default::default())
}

/// Compiles an expression over slots of `schema`.
pub(crate) fn compile(expr: &Expr, schema: &Schema, settings: &Settings) -> Result<Compiled, DataFusionError> {
    let text = shown(expr, schema);
    let form = form(expr, settings.zone())?;
    let mut hidden = Vec::new();
    let expr = expr.clone().transform_up(|expr| {
        let Expr::ScalarFunction(function) = &expr else { return Ok(Transformed::no(expr)) };
        check_constants(function.func.name(), &function.args)
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        let kind = match function.func.name() {
            "localtimestamp" => Hidden::LocalNow,
            "current_date" => Hidden::Today,
            "current_time" | "localtime" => Hidden::TimeOfDay,
            UNIX_NOW => Hidden::Seconds,
            CURRENT_WATERMARK => Hidden::Watermark,
            name if CLOCK.contains(&name) => Hidden::Now,
            _ => return Ok(Transformed::no(expr)),
        };
        let of = expr.get_type(&slots(schema)?)?;
        let at =
            hidden.iter().position(|known: &(Hidden, DataType)| *known == (kind, of.clone())).unwrap_or_else(|| {
                hidden.push((kind, of.clone()));
                hidden.len() - 1
            });
        Ok(Transformed::yes(Expr::Column(Column::new_unqualified(format!("#{at}")))))
    })?;
    let expr = expr.data;
    let mut columns: Vec<usize> = expr.column_refs().iter().filter_map(|column| slot_number(&column.name)).collect();
    columns.sort_unstable();
    columns.dedup();
    let mut fields: Vec<Field> = Vec::new();
    for column in &columns {
        let field =
            schema.fields().get(*column).ok_or_else(|| DataFusionError::Internal(format!("no column ${column}")))?;
        fields.push(Field::new(format!("${column}"), field.data_type().clone(), field.is_nullable()));
    }
    for (index, (kind, of)) in hidden.iter().enumerate() {
        fields.push(Field::new(format!("#{index}"), of.clone(), *kind == Hidden::Watermark));
    }
    let compact = Arc::new(Schema::new(fields));
    let named = DFSchema::new_with_metadata(
        compact.fields().iter().map(|field| (None, Arc::clone(field))).collect(),
        Default::default(),
    )?;
    let mut props = ExecutionProps::new();
    let mut config = ConfigOptions::default();
    config.execution.time_zone = settings.get("table.local-time-zone").map(str::to_owned);
    props.config_options = Some(Arc::new(config));
    let physical = create_physical_expr(&expr, &named, &props, &PhysicalPlanningContext::default())?;
    Ok(Compiled {
        data_type: physical.data_type(&compact)?,
        nullable: physical.nullable(&compact)?,
        physical,
        schema: compact,
        columns,
        hidden: hidden.into_iter().map(|(kind, _)| kind).collect(),
        zone: settings.zone(),
        text,
        form,
    })
}

/// An expression with the places of its columns among those that it reads: it stays the same wherever they stand. The zone is part of
/// what is computed.
fn form(expr: &Expr, zone: Zone) -> Result<String, DataFusionError> {
    let mut read: Vec<usize> = expr.column_refs().iter().filter_map(|column| slot_number(&column.name)).collect();
    read.sort_unstable();
    read.dedup();
    let placed = expr.clone().transform_up(|expr| {
        let place = slot_of(&expr).and_then(|index| read.binary_search(&index).ok());
        Ok(place.map_or_else(|| Transformed::no(expr), |place| Transformed::yes(slot(place))))
    })?;
    let zone = if zone.is_utc() { String::new() } else { format!(" in {zone:?}") };
    Ok(format!("{}{zone}", placed.data))
}

impl Expression for Compiled {
    fn data_type(&self) -> &DataType {
        &self.data_type
    }

    fn nullable(&self) -> bool {
        self.nullable
    }

    fn columns(&self) -> &[usize] {
        &self.columns
    }

    fn evaluate(&self, input: &Columns, rows: usize, time: &EvaluationTime<'_>) -> Result<ArrayRef, OperatorError> {
        let failed = |error: DataFusionError| {
            OperatorError::new(format!("{} has no value: {}", self.text, crate::plan::explained(&error)))
        };
        let arrays = input.arrays();
        // The caller may have gathered just the columns that are read.
        let compact = arrays.len() == self.columns.len();
        let mut read: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for (place, column) in self.columns.iter().enumerate() {
            read.push(Arc::clone(&arrays[if compact { place } else { *column }]));
        }
        for (place, kind) in self.hidden.iter().enumerate() {
            let of = self.schema.field(self.columns.len() + place).data_type();
            read.push(self.hidden(*kind, of, rows, time).map_err(|error| failed(error.into()))?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        // Arrays say for themselves whether they hold NULL; the schema's word would be checked again for each frame.
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), read, &options)
            .map_err(|error| failed(error.into()))?;
        self.physical.evaluate(&batch).and_then(|value| value.into_array(rows)).map_err(failed)
    }
}

impl Compiled {
    fn hidden(
        &self,
        kind: Hidden,
        of: &DataType,
        rows: usize,
        time: &EvaluationTime<'_>,
    ) -> Result<ArrayRef, arrow_schema::ArrowError> {
        let Timestamp(now) = time.now;
        let local = || to_wall(now, self.zone);
        match kind {
            Hidden::Today => Ok(Arc::new(Date32Array::from_value(local().div_euclid(DAY) as i32, rows))),
            // Of whole seconds, as TIME(0) has them.
            Hidden::TimeOfDay => {
                let millis = local().rem_euclid(DAY) / 1000 * 1000;
                Ok(Arc::new(Time32MillisecondArray::from_value(millis as i32, rows)))
            }
            Hidden::Seconds => Ok(Arc::new(Int64Array::from_value(now.div_euclid(1000), rows))),
            Hidden::Watermark if time.watermark == Timestamp::MIN => Ok(arrow_array::new_null_array(of, rows)),
            _ => {
                let millis = match kind {
                    Hidden::LocalNow => local(),
                    Hidden::Watermark => time.watermark.0,
                    _ => now,
                };
                let array = TimestampMillisecondArray::from_value(millis, rows);
                let zone = match of {
                    DataType::Timestamp(_, zone) => zone.clone(),
                    _ => None,
                };
                let array: ArrayRef = Arc::new(array.with_timezone_opt(zone));
                if matches!(of, DataType::Timestamp(TimeUnit::Millisecond, _)) {
                    return Ok(array);
                }
                arrow_cast::cast(&array, of)
            }
        }
    }
}

/// An expression with the columns' own names.
pub(crate) fn shown(expr: &Expr, schema: &Schema) -> String {
    let named = expr.clone().transform_up(|expr| {
        Ok(match slot_of(&expr).and_then(|index| schema.fields().get(index)) {
            Some(field) => Transformed::yes(Expr::Column(Column::new_unqualified(field.name()))),
            None => Transformed::no(expr),
        })
    });
    named.map_or_else(|error| error.to_string(), |named| named.data.human_display().to_string())
}
