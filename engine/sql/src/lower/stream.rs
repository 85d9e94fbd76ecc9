//! Rows on their way to an operator: projections and filters that are gathered before they become a `Calc`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchema, internal_err};
use datafusion_expr::Expr;
use yeoul_relational::Expression;
use yeoul_relational::{
    Calc, OverCall, Projected, SortKey, TimeOrder, Window, WindowAssign, WindowProperty, WindowTime,
};

use super::graph::{Bound, ColumnTrait, Exchange, Input, Node, NodeId, Operator, State, WindowColumn};
use super::unnest::Unnested;
use super::{Lowering, shared};
use crate::catalog::Table;
use crate::error::{Result, SqlError};
use crate::expression::{slot, slot_of};
use crate::functions::{PROCTIME, row};
use crate::plan::{WINDOW_COLUMNS, explained};

/// Rows of a base, filtered and projected. Expressions are over the base's slots.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    pub(super) base: Base,
    pub(super) filters: Vec<Expr>,
    pub(super) projection: Vec<Expr>,
    pub(super) names: Vec<String>,
    /// The names under which the query knows these rows.
    pub(super) aliases: Vec<String>,
}

/// Where rows come from.
#[derive(Debug, Clone)]
pub(super) enum Base {
    /// An operator: slots are its columns.
    Node(NodeId),
    /// A table: slots are its columns, of which paths are read.
    Table {
        table: Arc<Table>,
        node: NodeId,
        /// Where each path stands in the node's output.
        layout: BTreeMap<Vec<String>, usize>,
    },
    /// Rows in windows: their columns, then start, end and time.
    Windowed { input: Box<Stream>, window: Window, order: TimeOrder, time: usize, keys: Vec<usize> },
    /// An operator's rows with their number: its columns, then the number.
    Ranked { input: NodeId, partition: Vec<usize>, order: Vec<SortKey>, call: OverCall },
    /// Rows with the elements of an array: the input's columns, then the elements, then their number.
    Unnested(Box<Unnested>),
}

impl Stream {
    /// Whether this is all of a base as it is.
    pub(super) fn is_plain(&self, width: usize) -> bool {
        self.filters.is_empty()
            && self.projection.len() == width
            && self.projection.iter().enumerate().all(|(index, expr)| slot_of(expr) == Some(index))
    }
}

/// Columns of `schema` become slots.
pub(super) fn bind(expr: &Expr, schema: &DFSchema) -> Result<Expr> {
    let bound = expr.clone().transform_up(|expr| match &expr {
        Expr::Column(column) => Ok(Transformed::yes(slot(schema.index_of_column(column)?))),
        Expr::Alias(alias) => Ok(Transformed::yes(alias.expr.as_ref().clone())),
        _ => Ok(Transformed::no(expr)),
    });
    bound.map(|bound| bound.data).map_err(|error| explained(&error))
}

/// Slots become the expressions that stand at them.
pub(super) fn substitute(expr: &Expr, by: &[Expr]) -> Result<Expr> {
    let replaced = expr.clone().transform_down(|expr| match slot_of(&expr) {
        Some(index) => match by.get(index) {
            Some(found) => Ok(Transformed::new(found.clone(), true, TreeNodeRecursion::Jump)),
            None => internal_err!("column {index} of {} is read", by.len()),
        },
        None => Ok(Transformed::no(expr)),
    });
    let simplified = replaced.and_then(|replaced| {
        replaced.data.transform_up(|expr| {
            let bound = match row::field_of(&expr) {
                Some((Expr::ScalarFunction(of), name)) if of.func.name() == "window_row" => match name {
                    "window_proctime" => crate::functions::scalar(PROCTIME).map(|now| now.call(Vec::new())),
                    name => WINDOW_COLUMNS.iter().position(|known| *known == name).map(|index| of.args[index].clone()),
                },
                _ => None,
            };
            Ok(bound.map_or_else(|| Transformed::no(expr), Transformed::yes))
        })
    });
    simplified.map(|simplified| simplified.data).map_err(|error| explained(&error))
}

/// Slots are counted from another start.
pub(super) fn shifted(expr: &Expr, map: &dyn Fn(usize) -> usize) -> Result<Expr> {
    let replaced = expr.clone().transform_down(|expr| match slot_of(&expr) {
        Some(index) => Ok(Transformed::new(slot(map(index)), true, TreeNodeRecursion::Jump)),
        None => Ok(Transformed::no(expr)),
    });
    replaced.map(|replaced| replaced.data).map_err(|error| explained(&error))
}

/// The slots that an expression reads.
pub(super) fn slots_of(expr: &Expr) -> Vec<usize> {
    let mut found: Vec<usize> =
        expr.column_refs().iter().filter_map(|column| column.name.strip_prefix('$')?.parse().ok()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Nothing is gained by computing these once.
fn is_cheap(expr: &Expr) -> bool {
    slot_of(expr).is_some()
        || matches!(expr, Expr::Literal(..))
        || row::field_of(expr).is_some_and(|(of, _)| is_cheap(of))
        || is_proctime(expr)
        || is_window_row(expr)
}

/// A group window of the old form: only its bounds are ever read.
fn is_window_row(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(function) if function.func.name() == "window_row")
}

pub(super) fn is_proctime(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(function) if function.func.name() == PROCTIME)
}

impl Lowering<'_> {
    /// Puts a projection over a stream.
    pub(super) fn project(&mut self, mut stream: Stream, exprs: &[Expr], names: Vec<String>) -> Result<Stream> {
        if self.worth_a_calc(&stream, exprs) {
            stream = self.settled(stream)?;
        }
        let projection = exprs.iter().map(|expr| substitute(expr, &stream.projection)).collect::<Result<_>>()?;
        Ok(Stream { projection, names, ..stream })
    }

    /// Puts filters over a stream.
    pub(super) fn filter(&mut self, mut stream: Stream, predicates: &[Expr]) -> Result<Stream> {
        if self.worth_a_calc(&stream, predicates) {
            stream = self.settled(stream)?;
        }
        for predicate in predicates {
            for part in datafusion_expr::utils::split_conjunction(predicate) {
                stream.filters.push(substitute(part, &stream.projection)?);
            }
        }
        Ok(stream)
    }

    /// The same rows over a node of their own.
    pub(super) fn settled(&mut self, stream: Stream) -> Result<Stream> {
        let aliases = stream.aliases.clone();
        let node = self.materialise(stream)?;
        Ok(Stream { aliases, ..self.read(node) })
    }

    /// Whether something that is not cheap would be computed twice.
    fn worth_a_calc(&self, stream: &Stream, exprs: &[Expr]) -> bool {
        let mut uses = vec![0usize; stream.projection.len()];
        for expr in exprs {
            let _ = expr.apply(|part| {
                if let Some(index) = slot_of(part)
                    && let Some(count) = uses.get_mut(index)
                {
                    *count += 1;
                }
                Ok(TreeNodeRecursion::Continue)
            });
        }
        stream.projection.iter().zip(uses).any(|(expr, uses)| uses > 1 && !is_cheap(expr))
    }

    /// The columns of a base, in order.
    pub(super) fn base_schema(&self, base: &Base) -> Result<SchemaRef> {
        Ok(match base {
            Base::Node(node) => Arc::clone(&self.plan.nodes[*node].schema),
            Base::Table { table, .. } => Arc::clone(&table.schema),
            Base::Windowed { input, time, .. } => {
                let schema = self.output_schema(input)?;
                let timestamp = DataType::Timestamp(TimeUnit::Millisecond, None);
                let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
                for name in &WINDOW_COLUMNS[..2] {
                    fields.push(Arc::new(Field::new(*name, timestamp.clone(), false)));
                }
                fields.push(Arc::new(Field::new(WINDOW_COLUMNS[2], schema.field(*time).data_type().clone(), false)));
                Arc::new(Schema::new(fields))
            }
            Base::Ranked { input, .. } => {
                let mut fields: Vec<Arc<Field>> = self.plan.nodes[*input].schema.fields().iter().cloned().collect();
                fields.push(Arc::new(Field::new("rownum", DataType::Int64, false)));
                Arc::new(Schema::new(fields))
            }
            Base::Unnested(of) => {
                let mut fields: Vec<Arc<Field>> = self.output_schema(&of.input)?.fields().iter().cloned().collect();
                fields.extend(of.added().into_iter().map(Arc::new));
                Arc::new(Schema::new(fields))
            }
        })
    }

    /// What is known of a base's columns.
    pub(super) fn base_traits(&self, base: &Base) -> Vec<ColumnTrait> {
        match base {
            Base::Node(node) => self.plan.nodes[*node].traits.clone(),
            Base::Table { table, .. } => {
                (0..table.columns.len()).map(|column| super::scan::time_of(table, column)).collect()
            }
            Base::Windowed { input, window, order, .. } => {
                // The rows' own times are behind the window's now, and bounds of windows before say nothing of this one: what is known
                // is known of the last three.
                let mut traits = vec![ColumnTrait::default(); input.projection.len()];
                traits.extend(window_traits(
                    *window,
                    *order,
                    &[WindowProperty::Start, WindowProperty::End, WindowProperty::Time],
                ));
                traits
            }
            Base::Ranked { input, .. } => {
                let mut traits = self.plan.nodes[*input].traits.clone();
                traits.push(ColumnTrait::default());
                traits
            }
            Base::Unnested(of) => {
                let mut traits = self.traits(&of.input);
                traits.resize(traits.len() + of.added().len(), ColumnTrait::default());
                traits
            }
        }
    }

    /// What is known of a stream's columns.
    pub(super) fn traits(&self, stream: &Stream) -> Vec<ColumnTrait> {
        let base = self.base_traits(&stream.base);
        stream.projection.iter().map(|expr| trait_of(expr, &base)).collect()
    }

    /// The node whose rows are the stream's.
    pub(super) fn materialise(&mut self, stream: Stream) -> Result<NodeId> {
        match &stream.base {
            Base::Node(node) => {
                let node = *node;
                let schema = Arc::clone(&self.plan.nodes[node].schema);
                let named = schema.fields().iter().map(|field| field.name()).eq(stream.names.iter());
                if named && stream.is_plain(schema.fields().len()) {
                    return Ok(node);
                }
                self.calc(node, &stream)
            }
            Base::Table { table, node, layout } => {
                let (node, stream) = super::scan::translated(self, table, *node, layout, &stream)?;
                self.calc(node, &stream)
            }
            Base::Windowed { .. } => {
                let node = self.windows(&stream.base, false)?;
                self.materialise(Stream { base: Base::Node(node), ..stream })
            }
            Base::Ranked { .. } => {
                let stream = self.ranked(stream)?;
                self.materialise(stream)
            }
            Base::Unnested(of) => {
                let stream = self.unnested(of, &stream)?;
                self.materialise(stream)
            }
        }
    }

    /// The node of rows in windows. Windows of a zone end by its clock, and their bounds are known as such, where `by_wall` says so; by
    /// instants otherwise.
    pub(super) fn windows(&mut self, base: &Base, by_wall: bool) -> Result<NodeId> {
        let Base::Windowed { input, window, order, time: column, keys } = base else {
            return Err(SqlError::new("rows are in no windows"));
        };
        let schema = self.base_schema(base)?;
        let local = self.is_local(*order, schema.field(*column).data_type());
        let of_time = schema.fields().len() - 1;
        let time = match order {
            TimeOrder::RowTime if local => WindowTime::RowTime,
            TimeOrder::RowTime => WindowTime::Column(*column),
            TimeOrder::ProcTime => WindowTime::ProcTime,
        };
        let session = matches!(window, Window::Session { .. });
        let exchange = match session {
            false => Exchange::Forward,
            true if keys.is_empty() => Exchange::Single,
            true => Exchange::Hash(keys.clone()),
        };
        let mut input = self.materialise(input.as_ref().clone())?;
        if local {
            input = self.by_wall(input, Some(*column));
        }
        let spec = WindowAssign {
            window: *window,
            time,
            keys: keys.clone(),
            input_schema: Arc::clone(&self.plan.nodes[input].schema),
            schema: Arc::clone(&schema),
        };
        let mut node =
            Node::over(Operator::WindowAssign(spec), vec![Input { node: input, exchange }], &self.plan.nodes[input]);
        node.traits = self.base_traits(base);
        node.schema = schema;
        node.upsert_keys.clear();
        node.state = session.then(|| State { what: "rows of open sessions".into(), bound: Bound::Watermark });
        let node = self.add(node);
        Ok(match (local, by_wall) {
            (false, _) => node,
            (true, false) => self.by_instants(node, Some(of_time)),
            (true, true) => self.with_instant(node, of_time),
        })
    }

    /// A filter and a projection, after what they would compute twice.
    fn calc(&mut self, mut input: NodeId, stream: &Stream) -> Result<NodeId> {
        // What gives a table its times is looked for straight over its scan.
        let gives_times = stream.filters.is_empty() && matches!(self.plan.nodes[input].operator, Operator::Scan(_));
        if gives_times {
            return self.calc_once(input, stream);
        }
        let mut stream = stream.clone();
        let width = |lowering: &Self, input: NodeId| lowering.plan.nodes[input].schema.fields().len();
        if !stream.filters.is_empty() {
            let calls = shared::take_out(&mut stream.filters, &mut stream.projection, width(self, input))?;
            if !calls.is_empty() {
                let first = width(self, input);
                let needs = |filter: &Expr| slots_of(filter).last().is_some_and(|slot| *slot >= first);
                // A filter may guard those behind it: they stay in their order.
                let early = stream.filters.iter().take_while(|filter| !needs(filter)).count();
                let early = stream.filters.drain(..early).collect();
                input = self.beside(input, early, &calls, &mut stream)?;
            }
        }
        let calls = shared::take_out(&mut [], &mut stream.projection, width(self, input))?;
        if !calls.is_empty() {
            let filters = std::mem::take(&mut stream.filters);
            input = self.beside(input, filters, &calls, &mut stream)?;
        }
        self.calc_once(input, &stream)
    }

    /// A node that filters, and gives what `stream` still reads, with these calls as columns behind.
    fn beside(&mut self, input: NodeId, filters: Vec<Expr>, calls: &[Expr], stream: &mut Stream) -> Result<NodeId> {
        let of = Arc::clone(&self.plan.nodes[input].schema);
        let first = of.fields().len();
        let kept = shared::read_by(stream.filters.iter().chain(&stream.projection));
        let (mut projection, mut names) = (Vec::new(), Vec::new());
        for &index in &kept {
            projection.push(if index < first { slot(index) } else { calls[index - first].clone() });
            names.push(if index < first { of.field(index).name().clone() } else { format!("$c{}", index - first) });
        }
        shared::over(&mut stream.filters, &kept)?;
        shared::over(&mut stream.projection, &kept)?;
        let base = Base::Node(input);
        self.calc_once(input, &Stream { base, filters, projection, names, aliases: stream.aliases.clone() })
    }

    fn calc_once(&mut self, input: NodeId, stream: &Stream) -> Result<NodeId> {
        let of = self.plan.nodes[input].clone();
        let filter = match stream.filters.iter().cloned().reduce(Expr::and) {
            Some(filter) => {
                let compiled: Arc<dyn Expression> = Arc::new(self.compiled(&filter, &of.schema)?);
                Some(compiled)
            }
            None => None,
        };
        let (mut projection, mut fields) = (Vec::new(), Vec::new());
        for (expr, name) in stream.projection.iter().zip(&stream.names) {
            if let Some(index) = slot_of(expr) {
                projection.push(Projected::Column(index));
                fields.push(of.schema.field(index).clone().with_name(name));
            } else {
                let compiled = self.compiled(expr, &of.schema)?;
                fields.push(Field::new(name, compiled.data_type().clone(), compiled.nullable()));
                projection.push(Projected::Computed(Arc::new(compiled)));
            }
        }
        let schema = Arc::new(Schema::new(fields));
        let moved = |column: &usize| {
            projection.iter().position(|projected| matches!(projected, Projected::Column(index) if index == column))
        };
        let upsert_keys = of.upsert_keys.iter().filter_map(|key| key.iter().map(moved).collect()).collect();
        let named = of.schema.fields().iter().map(|field| field.name()).eq(stream.names.iter());
        let passes = stream.projection.len() == of.schema.fields().len()
            && stream.projection.iter().enumerate().all(|(index, expr)| slot_of(expr) == Some(index));
        let projection = if named && passes { None } else { Some(projection) };
        let node = Node {
            operator: Operator::Calc(Calc { filter, projection, schema: Arc::clone(&schema) }),
            inputs: vec![Input { node: input, exchange: Exchange::Forward }],
            schema,
            changes: of.changes,
            upsert_keys,
            traits: stream.projection.iter().map(|expr| trait_of(expr, &of.traits)).collect(),
            state: None,
        };
        Ok(self.add(node))
    }
}

fn trait_of(expr: &Expr, base: &[ColumnTrait]) -> ColumnTrait {
    if is_proctime(expr) {
        return ColumnTrait { time: Some(TimeOrder::ProcTime), window: None };
    }
    slot_of(expr).and_then(|index| base.get(index).copied()).unwrap_or_default()
}

/// What is known of a window's columns.
pub(super) fn window_traits(window: Window, order: TimeOrder, properties: &[WindowProperty]) -> Vec<ColumnTrait> {
    let one = |property: &WindowProperty| ColumnTrait {
        time: (*property == WindowProperty::Time).then_some(order),
        window: Some(WindowColumn { window, order, property: *property }),
    };
    properties.iter().map(one).collect()
}
