//! Tables as sources: which columns and fields are read, and how each path of the plan is found in what the connector gives.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Array, ArrayRef, cast::AsArray};
use arrow_schema::{DataType, Schema, SchemaRef};
use yeoul_frame::Columns;
use yeoul_operator::{
    Alignment, OperatorError, OutputId, Partitioning, Strategy, TableDefinition, TableScan, WatermarkSpec,
};
use yeoul_relational::{Calc, EvaluationTime, Expression, Projected};

use super::{Builder, Place, checked, identity, lengths, refused, times};
use crate::catalog::{ColumnSource, Table};
use crate::error::{Result, SqlError};
use crate::functions::within;
use crate::interval::duration_millis;
use crate::lower::{Node, NodeId, Operator, Scan};

/// How a table is read.
pub(super) struct Scanned {
    /// The source's node.
    pub(super) source: yeoul_operator::NodeId,
    /// The columns of its error output, if it has one.
    pub(super) errors: Option<SchemaRef>,
}

/// A table's columns as its connector knows them, and its options without those that are the engine's.
pub(super) fn definition(table: &Table, written: &[usize]) -> Result<(TableDefinition, EngineOptions)> {
    let metadata = written.iter().enumerate().filter_map(|(place, column)| match &table.columns[*column].source {
        ColumnSource::Metadata { key, .. } => Some((place, key.clone())),
        _ => None,
    });
    let metadata = metadata.collect();
    let fields: Vec<_> = written.iter().map(|column| table.schema.fields()[*column].clone()).collect();
    let (mine, options): (BTreeMap<_, _>, BTreeMap<_, _>) =
        table.options.clone().into_iter().partition(|(key, _)| key.starts_with("scan.watermark."));
    let options = lengths::told(table, written, options)?;
    let columns = Arc::new(Schema::new(fields));
    let definition = TableDefinition { name: table.name.clone(), columns, metadata, options };
    Ok((definition, EngineOptions::read(&mine)?))
}

/// What options say of a table's watermarks.
#[derive(Debug, Clone, Default)]
pub(super) struct EngineOptions {
    /// Some zero turns the setting for all tables off.
    idleness: Option<Duration>,
    every_record: bool,
    alignment: Option<Alignment>,
}

impl EngineOptions {
    fn read(options: &BTreeMap<String, String>) -> Result<Self> {
        let mut read = Self::default();
        let (mut group, mut drift) = (None, None);
        for (key, value) in options {
            let wrong = |wanted: &str| SqlError::new(format!("the option '{key}' is '{value}', which is not {wanted}"));
            let duration = || duration_millis(value).ok_or_else(|| wrong("a duration").hint("write '10 s'"));
            match key.as_str() {
                "scan.watermark.idle-timeout" => {
                    let idle = u64::try_from(duration()?).map_err(|_| wrong("a duration from 0 on"))?;
                    read.idleness = Some(Duration::from_millis(idle));
                }
                "scan.watermark.emit.strategy" => {
                    read.every_record = match value.as_str() {
                        "on-event" => true,
                        "on-periodic" => false,
                        _ => return Err(wrong("'on-event' or 'on-periodic'")),
                    };
                }
                "scan.watermark.alignment.group" => group = Some(value.clone()),
                "scan.watermark.alignment.max-drift" => drift = Some(duration()?),
                // Sources look at each other's watermarks as they rise, not once an interval.
                "scan.watermark.alignment.update-interval" => drop(duration()?),
                _ => return Err(SqlError::new(format!("there is no option '{key}'"))),
            }
        }
        read.alignment = match (group, drift) {
            (Some(group), Some(max_drift)) => Some(Alignment { group, max_drift }),
            (None, None) => None,
            _ => {
                return Err(SqlError::new("watermark alignment wants a group and a drift")
                    .hint("give both 'scan.watermark.alignment.group' and 'scan.watermark.alignment.max-drift'"));
            }
        };
        Ok(read)
    }
}

impl Builder<'_> {
    pub(super) fn scan(&mut self, id: NodeId, node: &Node, scan: &Scan) -> Result<Option<Place>> {
        let table = &scan.table;
        let stored: Vec<usize> = (0..table.columns.len())
            .filter(|column| !matches!(table.columns[*column].source, ColumnSource::Computed { .. }))
            .collect();
        let read_column = |path: &Vec<String>| table.columns.iter().position(|column| column.name == path[0]);
        let read: Vec<usize> = {
            let mut read: Vec<usize> = scan.paths.iter().filter_map(read_column).collect();
            read.dedup();
            read
        };
        // Of metadata, what is asked for: a sink may have no more than a name for the rest.
        let known: Vec<usize> = stored
            .iter()
            .copied()
            .filter(|column| read.contains(column) || matches!(table.columns[*column].source, ColumnSource::Physical))
            .collect();
        let (definition, engine) = definition(table, &known)?;
        let place = |column: &usize| known.iter().position(|known| known == column).unwrap_or(0);
        let wanted = TableScan {
            projection: Some(read.iter().map(place).collect()),
            used: Some(scan.paths.clone()),
            errors: self.wants_errors(table),
        };
        let source = self.doors.connectors.source(&definition, &wanted).map_err(|error| refused(&error))?;
        self.bounded &= source.bounded;
        let paths = scan
            .paths
            .iter()
            .map(|path| {
                Path::of(path, &source.schema)
                    .ok_or_else(|| SqlError::new(format!("'{}' is not given", path.join("."))))
            })
            .collect::<Result<Vec<_>>>()?;
        let watermarks = self.watermarks(id, &engine, &paths, &node.schema)?;
        let (parallelism, errors) = (source.parallelism, source.errors.clone());
        let what = identity::scanned(self.plan, table);
        let given = Arc::clone(&source.schema);
        let name = format!("Source({})", table.name);
        let added = self.add(&name, &what, parallelism, source.node(watermarks));
        self.scans.insert(super::key(table), Scanned { source: added, errors });
        let as_is = paths.iter().enumerate().all(|(index, path)| path.column == index && path.fields.is_empty())
            && paths.len() == given.fields().len();
        if as_is {
            return Ok(Some(Place { node: added, output: OutputId::MAIN }));
        }
        let projection = paths.into_iter().map(Path::projected).collect();
        let calc = Arc::new(Calc { filter: None, projection: Some(projection), schema: Arc::clone(&node.schema) });
        let kind = checked(move || Arc::clone(&calc).operator())?;
        let fields = self.add("Fields", &name, parallelism, kind);
        self.graph.connect(added, OutputId::MAIN, fields, yeoul_operator::InputId(0), Partitioning::Forward);
        Ok(Some(Place { node: fields, output: OutputId::MAIN }))
    }

    /// How the rows that a scan gives get their event times, if anything asks for them.
    fn watermarks(
        &self,
        scan: NodeId,
        engine: &EngineOptions,
        paths: &[Path],
        schema: &SchemaRef,
    ) -> Result<WatermarkSpec> {
        let idle = self.job.settings.get("table.exec.source.idle-timeout").and_then(duration_millis);
        let idle = idle.filter(|idle| *idle > 0).map(|idle| Duration::from_millis(idle.unsigned_abs()));
        let mut spec = WatermarkSpec {
            idleness: engine.idleness.or(idle).filter(|idle| !idle.is_zero()),
            alignment: engine.alignment.clone(),
            ..WatermarkSpec::default()
        };
        let Some((assign, calc)) = self.assigned(scan) else { return Ok(spec) };
        spec.assigner = Some(times::assigner(assign.column, calc, paths, schema)?);
        // In SQL the watermark is the greatest time less the delay; the strategy's is one more behind.
        spec.strategy = Strategy::BoundedOutOfOrderness(assign.delay - 1);
        if engine.every_record {
            spec.granularity = 0;
        }
        Ok(spec)
    }

    /// The node that gives a scan's rows their times, and the one that computes columns between them.
    fn assigned(&self, scan: NodeId) -> Option<(&yeoul_relational::AssignTimes, Option<&Calc>)> {
        self.plan.nodes.iter().find_map(|node| {
            let Operator::AssignTimes(assign) = &node.operator else { return None };
            let input = node.inputs[0].node;
            match &self.plan.nodes[input].operator {
                Operator::Scan(_) if input == scan => Some((assign, None)),
                Operator::Calc(calc) if self.plan.nodes[input].inputs[0].node == scan => Some((assign, Some(calc))),
                _ => None,
            }
        })
    }
}

/// Where a value stands in what a connector gives: a column, then fields within it.
#[derive(Debug, Clone)]
pub(super) struct Path {
    pub(super) column: usize,
    fields: Vec<usize>,
    name: String,
    data_type: DataType,
    nullable: bool,
}

impl Path {
    fn of(path: &[String], schema: &SchemaRef) -> Option<Self> {
        let (column, field) = schema.column_with_name(&path[0])?;
        let (mut data_type, mut nullable, mut fields) = (field.data_type(), field.is_nullable(), Vec::new());
        for name in &path[1..] {
            let DataType::Struct(inner) = data_type else { return None };
            let (index, field) = inner.find(name)?;
            fields.push(index);
            data_type = field.data_type();
            nullable |= field.is_nullable();
        }
        Some(Self { column, fields, name: path.join("."), data_type: data_type.clone(), nullable })
    }

    /// The values: NULL where a row on the way is.
    pub(super) fn values(&self, columns: &Columns) -> std::result::Result<ArrayRef, OperatorError> {
        let wrong = || OperatorError::new(format!("a frame has no '{}'", self.name));
        let mut found = Arc::clone(columns.arrays().get(self.column).ok_or_else(wrong)?);
        for field in &self.fields {
            let row = found.as_struct_opt().ok_or_else(wrong)?;
            let inner = Arc::clone(row.columns().get(*field).ok_or_else(wrong)?);
            found = within(inner, row.nulls()).map_err(|error| wrong().caused_by(error))?;
        }
        Ok(found)
    }

    fn projected(self) -> Projected {
        if self.fields.is_empty() {
            return Projected::Column(self.column);
        }
        let columns = [self.column];
        Projected::Computed(Arc::new(FieldOf { path: self, columns }))
    }
}

/// A field of a row as an expression.
#[derive(Debug)]
struct FieldOf {
    path: Path,
    columns: [usize; 1],
}

impl fmt::Display for FieldOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path.name)
    }
}

impl Expression for FieldOf {
    fn data_type(&self) -> &DataType {
        &self.path.data_type
    }

    fn nullable(&self) -> bool {
        self.path.nullable
    }

    fn columns(&self) -> &[usize] {
        &self.columns
    }

    fn evaluate(
        &self,
        input: &Columns,
        _: usize,
        _: &EvaluationTime<'_>,
    ) -> std::result::Result<ArrayRef, OperatorError> {
        self.path.values(input)
    }
}
