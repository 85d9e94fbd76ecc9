//! From a logical plan to operators' specifications.
//!
//! A plan is lowered twice: first to learn which columns and fields of each table any part of the job reads, then for good,
//! with one scan a table that reads just those, and event times only where an operator asks for them. Projections and filters are gathered until an operator wants rows, and
//! become one `Calc` before it.

mod aggregate;
mod aside;
mod bounds;
mod changes;
mod explain;
mod graph;
mod grouping;
mod join;
mod window_end;
mod local;
mod lookup;
mod matching;
mod over;
mod partial;
mod scan;
mod shared;
mod sort;
mod stream;
mod times;
mod unnest;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion_common::DataFusionError;
use datafusion_expr::{Expr, LogicalPlan};
use yeoul_relational::{JoinKind, Union};

pub use graph::{
    Bound, Changes, ColumnTrait, Exchange, Input, LookupJoin, Node, NodeId, Operator, Plan, Scan, Sink, State, Values,
    WindowColumn,
};

pub(crate) use times::asks as asks_for_times;

use crate::catalog::Table;
use crate::error::{Result, SqlError};
use crate::expression::{Compiled, compile, slots};
use crate::functions;
use crate::plan::{self, MatchNode, UnnestNode, VersionedNode, WindowNode};
use crate::settings::Settings;
use crate::types::SqlType;
use stream::{Base, Stream};

/// A query and where its rows go.
pub(crate) struct Output {
    pub(crate) plan: LogicalPlan,
    pub(crate) sink: Sink,
    /// STATE_TTL by the name of a table or alias.
    pub(crate) ttl: BTreeMap<String, Duration>,
}

/// Lowers the queries of one job.
pub(crate) fn lower(outputs: &[Output], settings: &Settings) -> Result<Plan> {
    let mut first = Lowering::new(settings, None);
    first.outputs(outputs)?;
    let timed = times::timed_tables(&first.plan);
    let mut second = Lowering::new(settings, Some(std::mem::take(&mut first.needs)));
    second.timed = timed;
    second.outputs(outputs)?;
    let mut plan = second.plan;
    changes::settle(&mut plan)?;
    partial::settle(&mut plan, settings);
    Ok(plan)
}

/// Paths that are read, by table.
type Needs = HashMap<String, BTreeSet<Vec<String>>>;

struct Lowering<'a> {
    settings: &'a Settings,
    plan: Plan,
    /// Nodes by what they are, so that equal ones are one.
    known: HashMap<String, NodeId>,
    /// What has been seen to be read.
    needs: Needs,
    /// What is read, once it is known.
    read: Option<Needs>,
    /// Tables whose event times something asks for, once it is known.
    timed: BTreeSet<String>,
    ttl: BTreeMap<String, Duration>,
    ttl_used: BTreeSet<String>,
    /// Tables whose late rows are read, and the operators that have met them: where the table's columns begin in their input.
    late: BTreeMap<String, Vec<(NodeId, usize)>>,
}

impl<'a> Lowering<'a> {
    fn new(settings: &'a Settings, read: Option<Needs>) -> Self {
        Self {
            settings,
            plan: Plan::default(),
            known: HashMap::new(),
            needs: Needs::new(),
            read,
            timed: BTreeSet::new(),
            ttl: BTreeMap::new(),
            ttl_used: BTreeSet::new(),
            late: BTreeMap::new(),
        }
    }

    fn outputs(&mut self, outputs: &[Output]) -> Result<()> {
        // Late rows come out of operators that stand before whoever reads them.
        let (late, on_time): (Vec<_>, Vec<_>) =
            outputs.iter().partition(|output| !aside::late_tables(&output.plan).is_empty());
        self.late =
            late.iter().flat_map(|output| aside::late_tables(&output.plan)).map(|key| (key, Vec::new())).collect();
        for output in on_time.into_iter().chain(late) {
            self.ttl.clone_from(&output.ttl);
            self.ttl_used.clear();
            let stream = self.lower(&output.plan)?;
            let stream = match &output.sink {
                Sink::Table { table, columns, .. } => self.for_sink(stream, table, columns)?,
                Sink::Collect => stream,
            };
            let node = self.materialise(stream)?;
            let exchange = if matches!(output.sink, Sink::Collect) { Exchange::Single } else { Exchange::Forward };
            let mut sink =
                Node::over(Operator::Sink(output.sink.clone()), vec![Input { node, exchange }], &self.plan.nodes[node]);
            if let Sink::Table { table, columns, .. } = &output.sink {
                let changes = sink.changes;
                if table.connector.writes == Some(crate::connector::Accepts::Inserts) && !changes.inserts_only() {
                    return Err(SqlError::new(format!(
                        "the table '{}' takes rows that never change, the query's rows do: {changes}",
                        table.name
                    ))
                    .hint("write to a connector that takes changes, such as 'print', or make the query append-only: aggregate over a window, for example"));
                }
                // Rows that change are told apart by the sink's key, if it is among what comes.
                let key: Option<Vec<usize>> =
                    table.primary_key.iter().map(|key| columns.iter().position(|column| column == key)).collect();
                if let Some(key) = key.filter(|key| !key.is_empty())
                    && !changes.inserts_only()
                {
                    sink.inputs[0].exchange = Exchange::Hash(key);
                }
            }
            self.plan.nodes.push(sink);
            if let Some(unused) = output.ttl.keys().find(|key| !self.ttl_used.contains(*key)) {
                return Err(SqlError::new(format!(
                    "STATE_TTL names '{unused}', which no join or aggregate of this query reads"
                ))
                .hint("name a table or its alias as it stands in FROM"));
            }
        }
        Ok(())
    }

    /// Casts what comes to the sink's columns, fields of ROWs by their place, whatever they are called.
    fn for_sink(&mut self, stream: Stream, table: &Arc<Table>, columns: &[usize]) -> Result<Stream> {
        let schema = self.output_schema(&stream)?;
        let names = columns.iter().map(|column| table.columns[*column].name.clone()).collect();
        let mut cast = Vec::with_capacity(columns.len());
        for (index, column) in columns.iter().enumerate() {
            let wanted = table.schema.field(*column).data_type();
            let found = schema.field(index);
            let expr = crate::expression::slot(index);
            cast.push(match found.data_type() {
                same if same == wanted => expr,
                // DataFusion would look for fields by their names.
                DataType::Struct(_) | DataType::List(_) | DataType::Map(..) => {
                    let from = SqlType::from_arrow(found.data_type(), found.is_nullable());
                    let to = Arc::new(functions::cast::target(&SqlType::from_arrow(wanted, true)));
                    let by_place = functions::cast::planned(&expr, &from, &to, functions::cast::Fails::Job);
                    by_place.map_err(|error| plan::explained(&error))?.unwrap_or(expr)
                }
                _ => datafusion_expr::cast(expr, wanted.clone()),
            });
        }
        self.project(stream, &cast, names)
    }

    fn lower(&mut self, plan: &LogicalPlan) -> Result<Stream> {
        match plan {
            LogicalPlan::Projection(projection) => {
                let stream = self.lower(&projection.input)?;
                let exprs = self.bound(&projection.expr, projection.input.schema())?;
                let names = projection.schema.fields().iter().map(|field| field.name().clone()).collect();
                self.project(stream, &exprs, names)
            }
            LogicalPlan::Filter(filter) => {
                let stream = self.lower(&filter.input)?;
                // The optimiser may put what keeps a versioned table's time where it is true and says nothing.
                let parts = datafusion_expr::utils::split_conjunction(&filter.predicate).into_iter();
                let parts: Vec<Expr> = parts.filter(|part| !plan::is_as_of(part)).cloned().collect();
                let predicates = self.bound(&parts, filter.input.schema())?;
                self.filter(stream, &predicates)
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let mut stream = self.lower(&alias.input)?;
                stream.aliases.push(alias.alias.table().to_owned());
                Ok(stream)
            }
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Window(window) => self.over(window),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Sort(sort) => self.sort(sort),
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Values(values) => self.values(&values.values, &values.schema),
            LogicalPlan::EmptyRelation(empty) if empty.produce_one_row => self.values(&[Vec::new()], &empty.schema),
            LogicalPlan::EmptyRelation(empty) => self.values(&[], &empty.schema),
            LogicalPlan::Unnest(_) => {
                Err(SqlError::unsupported("UNNEST in SELECT").hint("write FROM t CROSS JOIN UNNEST(t.a) AS u (x)"))
            }
            LogicalPlan::Extension(extension) => {
                let any = extension.node.as_any();
                if let Some(node) = any.downcast_ref::<WindowNode>() {
                    self.window(node)
                } else if let Some(node) = any.downcast_ref::<MatchNode>() {
                    self.matching(node)
                } else if let Some(node) = any.downcast_ref::<UnnestNode>() {
                    self.unnest(node)
                } else if any.is::<VersionedNode>() {
                    Err(SqlError::new("FOR SYSTEM_TIME AS OF stands outside of a join")
                        .hint("write FROM o JOIN r FOR SYSTEM_TIME AS OF o.ts ON o.key = r.key"))
                } else {
                    Err(SqlError::unsupported(extension.node.name()))
                }
            }
            LogicalPlan::RecursiveQuery(_) => Err(SqlError::unsupported("WITH RECURSIVE")),
            LogicalPlan::Subquery(_) => {
                Err(SqlError::unsupported("this correlated subquery").hint("write it as a join"))
            }
            other => Err(SqlError::unsupported(format!("this part of a query ({})", other.display()))),
        }
    }

    /// Expressions over a plan's columns as expressions over slots.
    fn bound(&self, exprs: &[Expr], schema: &datafusion_common::DFSchema) -> Result<Vec<Expr>> {
        exprs.iter().map(|expr| stream::bind(expr, schema)).collect()
    }

    fn compiled(&self, expr: &Expr, schema: &Schema) -> Result<Compiled> {
        refuse_misplaced(expr)?;
        compile(expr, schema, self.settings).map_err(|error| plan::explained(&error))
    }

    /// The types that a stream's columns have.
    fn output_schema(&self, stream: &Stream) -> Result<SchemaRef> {
        let base = self.base_schema(&stream.base)?;
        let typed = || {
            let slots = slots(&base)?;
            let mut fields = Vec::with_capacity(stream.projection.len());
            for (expr, name) in stream.projection.iter().zip(&stream.names) {
                use datafusion_expr::ExprSchemable;
                fields.push(Field::new(name, expr.get_type(&slots)?, expr.nullable(&slots)?));
            }
            Ok(Arc::new(Schema::new(fields)))
        };
        typed().map_err(|error: DataFusionError| plan::explained(&error))
    }

    /// Adds a node, or finds the one that is equal.
    fn add(&mut self, node: Node) -> NodeId {
        let what = format!("{:?} {:?} {:?}", node.operator, node.inputs, node.schema);
        if let Some(known) = self.known.get(&what) {
            return *known;
        }
        self.plan.nodes.push(node);
        self.known.insert(what, self.plan.nodes.len() - 1);
        self.plan.nodes.len() - 1
    }

    /// The time that an operator keeps what it has of tables with these names.
    fn ttl(&mut self, aliases: &[String]) -> Option<Duration> {
        for alias in aliases {
            if let Some(ttl) = self.ttl.get(alias) {
                self.ttl_used.insert(alias.clone());
                return (!ttl.is_zero()).then_some(*ttl);
            }
        }
        self.settings.state_ttl()
    }

    fn values(&mut self, rows: &[Vec<Expr>], schema: &datafusion_common::DFSchema) -> Result<Stream> {
        let empty = Schema::empty();
        let mut compiled: Vec<Vec<Arc<dyn yeoul_relational::Expression>>> = Vec::new();
        for row in rows {
            let mut values: Vec<Arc<dyn yeoul_relational::Expression>> = Vec::new();
            for (value, field) in row.iter().zip(schema.fields()) {
                let cast = datafusion_expr::cast(value.clone(), field.data_type().clone());
                values.push(Arc::new(self.compiled(&cast, &empty)?));
            }
            compiled.push(values);
        }
        let node = Node::source(Operator::Values(Values { rows: compiled }), Arc::new(schema.as_arrow().clone()));
        let node = self.add(node);
        Ok(self.read(node))
    }

    fn union(&mut self, union: &datafusion_expr::Union) -> Result<Stream> {
        let mut inputs = Vec::new();
        let names: Vec<String> = union.schema.fields().iter().map(|field| field.name().clone()).collect();
        for input in &union.inputs {
            let mut stream = self.lower(input)?;
            stream.names.clone_from(&names);
            inputs.push(self.materialise(stream)?);
        }
        let Some(first) = inputs.first().map(|first| self.plan.nodes[*first].clone()) else {
            return Err(SqlError::unsupported("a UNION of nothing"));
        };
        // A column is of the first, and takes NULL if that of any does.
        let of = |index: usize| inputs.iter().any(|input| self.plan.nodes[*input].schema.field(index).is_nullable());
        let fields = first.schema.fields().iter().enumerate();
        let fields: Vec<Field> = fields.map(|(index, field)| field.as_ref().clone().with_nullable(of(index))).collect();
        let schema = Arc::new(Schema::new(fields));
        let mut node = Node::over(Operator::Union(Union { schema: Arc::clone(&schema) }), Vec::new(), &first);
        node.schema = schema;
        node.upsert_keys.clear();
        for input in inputs {
            let of = &self.plan.nodes[input];
            node.changes = node.changes.and(of.changes);
            for (mine, its) in node.traits.iter_mut().zip(&of.traits) {
                if mine != its {
                    *mine = ColumnTrait::default();
                }
            }
            node.inputs.push(Input { node: input, exchange: Exchange::Forward });
        }
        let node = self.add(node);
        Ok(self.read(node))
    }

    /// A stream of all of a node's columns.
    fn read(&self, node: NodeId) -> Stream {
        let names: Vec<String> =
            self.plan.nodes[node].schema.fields().iter().map(|field| field.name().clone()).collect();
        Stream {
            projection: (0..names.len()).map(crate::expression::slot).collect(),
            base: Base::Node(node),
            filters: Vec::new(),
            names,
            aliases: Vec::new(),
        }
    }
}

impl Node {
    /// A node that begins a stream of rows that never change.
    fn source(operator: Operator, schema: SchemaRef) -> Self {
        let width = schema.fields().len();
        Self {
            operator,
            inputs: Vec::new(),
            schema,
            changes: Changes::INSERTS,
            upsert_keys: Vec::new(),
            traits: vec![ColumnTrait::default(); width],
            state: None,
        }
    }

    /// A node that sends what `input` sends.
    fn over(operator: Operator, inputs: Vec<Input>, input: &Self) -> Self {
        Self {
            operator,
            inputs,
            schema: Arc::clone(&input.schema),
            changes: input.changes,
            upsert_keys: input.upsert_keys.clone(),
            traits: input.traits.clone(),
            state: None,
        }
    }
}

/// Refuses what has a meaning elsewhere only.
fn refuse_misplaced(expr: &Expr) -> Result<()> {
    use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
    let mut found = Ok(());
    // Nothing in the closure fails.
    let _ = expr.apply(|part| {
        found = match part {
            Expr::ScalarFunction(function) if matches!(function.func.name(), "tumble" | "hop" | "session") => {
                let name = function.func.name().to_uppercase();
                Err(SqlError::new(format!(
                    "{name} or {name}_START, {name}_END stand in a query that is not grouped by {name}"
                ))
                .hint(format!(
                    "write GROUP BY {name}(…) with the same arguments, or the table function: FROM TABLE({name}(…))"
                )))
            }
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) => {
                Err(SqlError::unsupported("a subquery in this place")
                    .hint("subqueries stand in WHERE, HAVING and SELECT; elsewhere write a join"))
            }
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        Ok(TreeNodeRecursion::Stop)
    });
    found
}

/// State that is kept for as long as `ttl` says.
fn kept(what: impl Into<String>, ttl: Option<Duration>) -> Option<State> {
    Some(State { what: what.into(), bound: ttl.map_or(Bound::Unbounded, Bound::Ttl) })
}

/// The join kind of a plan.
fn join_kind(kind: datafusion_expr::JoinType) -> Option<JoinKind> {
    use datafusion_expr::JoinType;
    Some(match kind {
        JoinType::Inner => JoinKind::Inner,
        JoinType::Left => JoinKind::Left,
        JoinType::Right => JoinKind::Right,
        JoinType::Full => JoinKind::Full,
        JoinType::LeftSemi => JoinKind::Semi,
        JoinType::LeftAnti => JoinKind::Anti,
        _ => return None,
    })
}
