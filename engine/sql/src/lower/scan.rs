//! Tables: which columns and fields are read, computed columns, event times.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_expr::{Expr, TableScan};
use yeoul_relational::{AssignTimes, TimeOrder};

use super::Lowering;
use super::graph::{ColumnTrait, Exchange, Input, Node, NodeId, Operator, Scan};
use super::stream::{Base, Stream, is_proctime};
use crate::catalog::{ColumnSource, Table};
use crate::error::{Result, SqlError};
use crate::expression::{slot, slot_of};
use crate::functions::row;
use crate::plan::{Source, explained};

/// What is known of a table's column.
pub(super) fn time_of(table: &Table, column: usize) -> ColumnTrait {
    let rowtime = table.watermark.as_ref().is_some_and(|watermark| watermark.column == column);
    let proctime =
        matches!(&table.columns[column].source, ColumnSource::Computed { expression, .. } if is_proctime(expression));
    let time = if rowtime { Some(TimeOrder::RowTime) } else { proctime.then_some(TimeOrder::ProcTime) };
    ColumnTrait { time, window: None }
}

/// What tells one table with its options from another.
pub(super) fn key_of(table: &Table) -> String {
    format!("{} {:?}", table.name, table.options)
}

impl Lowering<'_> {
    pub(super) fn scan(&mut self, scan: &TableScan) -> Result<Stream> {
        let source = scan.source.downcast_ref::<Source>();
        let table =
            source.map(|source| Arc::clone(&source.table)).ok_or_else(|| SqlError::unsupported("this table"))?;
        if let Some((aside, base)) = &table.aside {
            return self.aside(scan, &table, *aside, base);
        }
        let (node, layout) = self.table(&table)?;
        let columns: Vec<usize> = scan.projection.clone().unwrap_or_else(|| (0..table.columns.len()).collect());
        Ok(Stream {
            projection: columns.iter().map(|column| slot(*column)).collect(),
            names: columns.iter().map(|column| table.columns[*column].name.clone()).collect(),
            base: Base::Table { table: Arc::clone(&table), node, layout },
            filters: Vec::new(),
            aliases: vec![table.name.clone()],
        })
    }

    /// The node that sends what the job reads of a table, and where each path stands in it.
    pub(super) fn table(&mut self, table: &Arc<Table>) -> Result<(NodeId, BTreeMap<Vec<String>, usize>)> {
        let all = || table.columns.iter().map(|column| vec![column.name.clone()]).collect::<BTreeSet<_>>();
        let mut wanted = match &self.read {
            Some(read) => read.get(&key_of(table)).cloned().unwrap_or_default(),
            None => all(),
        };
        let watermark = table.watermark.as_ref().filter(|_| self.read.is_none() || self.timed.contains(&key_of(table)));
        if let Some(watermark) = watermark {
            wanted.insert(vec![table.columns[watermark.column].name.clone()]);
        }
        let wanted = without_parts(&wanted);
        // What computed columns read, beside what is read as it is.
        let mut stored = BTreeSet::new();
        for path in &wanted {
            match computed(table, path) {
                Some(expression) => stored.extend(paths_of(expression, table)?),
                None => {
                    stored.insert(path.clone());
                }
            }
        }
        if stored.is_empty() {
            // Rows are still counted: the first column that is no row is the cheapest to read.
            let first = table.columns.iter().find(|column| !matches!(column.source, ColumnSource::Computed { .. }));
            stored.extend(first.map(|column| vec![column.name.clone()]));
        }
        let stored: Vec<Vec<String>> = without_parts(&stored).into_iter().collect();
        let fields = stored.iter().map(|path| field_at(table, path)).collect::<Result<Vec<_>>>()?;
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let scan = Scan { table: Arc::clone(table), paths: stored.clone() };
        let mut node = Node::source(Operator::Scan(scan), schema);
        node.traits = stored.iter().map(|path| trait_at(table, path)).collect();
        let mut layout: BTreeMap<Vec<String>, usize> =
            stored.into_iter().enumerate().map(|(index, path)| (path, index)).collect();
        node.upsert_keys.extend(key(table, &layout));
        let mut id = self.add(node);
        if wanted.iter().any(|path| computed(table, path).is_some()) {
            let mut stream = self.read(id);
            let kept: Vec<&Vec<String>> = wanted.iter().collect();
            stream.projection.clear();
            stream.names = kept.iter().map(|path| path.join(".")).collect();
            for path in &kept {
                stream.projection.push(match computed(table, path) {
                    Some(expression) => by_path(expression, table, &layout)?,
                    None => at(path, table, &layout)?,
                });
            }
            layout = wanted.iter().cloned().enumerate().map(|(index, path)| (path, index)).collect();
            id = self.materialise(stream)?;
        }
        if let Some(watermark) = watermark {
            let path = vec![table.columns[watermark.column].name.clone()];
            let column = *layout.get(&path).ok_or_else(|| SqlError::new("the event time is not read"))?;
            let times = Operator::AssignTimes(AssignTimes { column, delay: watermark.delay });
            let mut node =
                Node::over(times, vec![Input { node: id, exchange: Exchange::Forward }], &self.plan.nodes[id]);
            node.traits[column].time = Some(TimeOrder::RowTime);
            id = self.add(node);
        }
        Ok((id, layout))
    }
}

/// A table's stream with paths in place of columns. Notes what is read.
pub(super) fn translated(
    lowering: &mut Lowering<'_>,
    table: &Arc<Table>,
    node: NodeId,
    layout: &BTreeMap<Vec<String>, usize>,
    stream: &Stream,
) -> Result<(NodeId, Stream)> {
    let noted = lowering.needs.entry(key_of(table)).or_default();
    for expr in stream.filters.iter().chain(&stream.projection) {
        let _ = expr.apply(|part| {
            if let Some(mut path) = path_of(part, table) {
                // A computed row is computed whole.
                if computed(table, &path).is_some() {
                    path.truncate(1);
                }
                noted.insert(path);
                return Ok(TreeNodeRecursion::Jump);
            }
            Ok(TreeNodeRecursion::Continue)
        });
    }
    let replaced = |exprs: &[Expr]| {
        exprs
            .iter()
            .map(|expr| {
                let replaced = expr.clone().transform_down(|part| match path_of(&part, table) {
                    Some(path) => match at(&path, table, layout) {
                        Ok(found) => Ok(Transformed::new(found, true, TreeNodeRecursion::Jump)),
                        Err(error) => Err(datafusion_common::DataFusionError::External(Box::new(error))),
                    },
                    None => Ok(Transformed::no(part)),
                });
                replaced.map(|replaced| replaced.data).map_err(|error| explained(&error))
            })
            .collect::<Result<Vec<Expr>>>()
    };
    let stream = Stream {
        base: Base::Node(node),
        filters: replaced(&stream.filters)?,
        projection: replaced(&stream.projection)?,
        names: stream.names.clone(),
        aliases: stream.aliases.clone(),
    };
    Ok((node, stream))
}

/// `column.field.field` over slots that are a table's columns.
fn path_of(expr: &Expr, table: &Table) -> Option<Vec<String>> {
    if let Some(index) = slot_of(expr) {
        return table.columns.get(index).map(|column| vec![column.name.clone()]);
    }
    let (of, name) = row::field_of(expr)?;
    let mut path = path_of(of, table)?;
    path.push(name.to_owned());
    Some(path)
}

/// The expression of a path where the longest part of it that is read stands.
fn at(path: &[String], _table: &Table, layout: &BTreeMap<Vec<String>, usize>) -> Result<Expr> {
    for length in (1..=path.len()).rev() {
        if let Some(index) = layout.get(&path[..length]) {
            let whole = slot(*index);
            return Ok(path[length..].iter().fold(whole, |of, name| row::get_field(of, name)));
        }
    }
    Err(SqlError::new(format!("'{}' is not read", path.join("."))))
}

fn without_parts(paths: &BTreeSet<Vec<String>>) -> BTreeSet<Vec<String>> {
    let whole = |path: &Vec<String>| (1..path.len()).any(|length| paths.contains(&path[..length]));
    paths.iter().filter(|path| !whole(path)).cloned().collect()
}

fn computed<'t>(table: &'t Table, path: &[String]) -> Option<&'t Expr> {
    table.columns.iter().find(|column| column.name == path[0]).and_then(|column| match &column.source {
        ColumnSource::Computed { expression, .. } => Some(expression.as_ref()),
        _ => None,
    })
}

/// The paths that a computed column reads; its expression is over columns by name.
fn paths_of(expression: &Expr, table: &Table) -> Result<BTreeSet<Vec<String>>> {
    let mut paths = BTreeSet::new();
    let walked = expression.apply(|part| {
        if let Some(path) = named_path(part) {
            paths.insert(path);
            return Ok(TreeNodeRecursion::Jump);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    walked.map_err(|error| explained(&error))?;
    debug_assert!(paths.iter().all(|path| table.columns.iter().any(|column| column.name == path[0])), "columns exist");
    Ok(paths)
}

fn named_path(expr: &Expr) -> Option<Vec<String>> {
    if let Expr::Column(column) = expr {
        return Some(vec![column.name.clone()]);
    }
    let (of, name) = row::field_of(expr)?;
    let mut path = named_path(of)?;
    path.push(name.to_owned());
    Some(path)
}

fn by_path(expression: &Expr, table: &Table, layout: &BTreeMap<Vec<String>, usize>) -> Result<Expr> {
    let replaced = expression.clone().transform_down(|part| match named_path(&part) {
        Some(path) => match at(&path, table, layout) {
            Ok(found) => Ok(Transformed::new(found, true, TreeNodeRecursion::Jump)),
            Err(error) => Err(datafusion_common::DataFusionError::External(Box::new(error))),
        },
        None => Ok(Transformed::no(part)),
    });
    replaced.map(|replaced| replaced.data).map_err(|error| explained(&error))
}

/// The field of a path, named by all of it; NULL where any row on the way is.
fn field_at(table: &Table, path: &[String]) -> Result<Field> {
    let missing = || SqlError::new(format!("the table '{}' has no '{}'", table.name, path.join(".")));
    let field = table.schema.field_with_name(&path[0]).map_err(|_| missing())?;
    let (mut of, mut nullable) = (field.data_type(), field.is_nullable());
    for name in &path[1..] {
        let DataType::Struct(fields) = of else { return Err(missing()) };
        let inner = fields.iter().find(|inner| inner.name() == name).ok_or_else(missing)?;
        of = inner.data_type();
        nullable |= inner.is_nullable();
    }
    Ok(Field::new(path.join("."), of.clone(), nullable))
}

fn trait_at(table: &Table, path: &[String]) -> ColumnTrait {
    let column = table.columns.iter().position(|column| column.name == path[0]);
    // The event time is one once times are assigned; processing time is always one.
    match column.filter(|_| path.len() == 1).map(|column| time_of(table, column)) {
        Some(found) if found.time == Some(TimeOrder::ProcTime) => found,
        _ => ColumnTrait::default(),
    }
}

/// The table's key, if all of it is read.
fn key(table: &Table, layout: &BTreeMap<Vec<String>, usize>) -> Option<Vec<usize>> {
    let key: Option<Vec<usize>> = table
        .primary_key
        .iter()
        .map(|column| layout.get([table.columns[*column].name.clone()].as_slice()).copied())
        .collect();
    key.filter(|key| !key.is_empty())
}
