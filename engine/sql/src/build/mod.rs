//! From a plan to a job graph that a runtime can run.
//!
//! Each node of the plan becomes an operator of `yeoul-relational`, tables become what their connectors give, exchanges become
//! edges. It knows no runtime: the graph is a recipe. What a table's connector refuses is an error of the script.
//!
//! Invariants:
//! 1. The uid of an operator follows from what it computes, from the tables on, and not from its place in the script, so that a
//!    savepoint fits a script in which other things were changed, and gives no state to another query.
//! 2. Rows of one key stay in their order: what comes from one instance is not spread over several but by a key.

mod identity;
mod aside;
mod lookup;
mod operator;
mod lengths;
mod scan;
mod sink;
mod times;
mod values;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_schema::SchemaRef;
use yeoul_frame::{Timestamp, hash_bytes};
use yeoul_operator::{
    Chaining, InputId, JobGraph, Node as GraphNode, NodeId as GraphId, NodeKind, OutputId, Partitioning, Router,
    TableConnectors, TableError, TableSink,
};
use yeoul_relational::HashColumns;

use crate::error::{Result, SqlError};
use crate::lower::{Exchange, Node, NodeId, Operator, Plan, Sink};
use crate::session::Job;
use identity::Identity;
use scan::Scanned;

/// What a plan is built with.
pub struct Doors<'a> {
    /// Reads and writes tables.
    pub connectors: &'a dyn TableConnectors,
    /// Takes what a SELECT gives; its columns are told.
    pub collect: &'a dyn Fn(&SchemaRef) -> std::result::Result<TableSink, TableError>,
    /// What `collect` makes of them, in a word: one that prints does not go on from what one that writes a file has kept.
    pub collected: &'a str,
    /// The time of day: of rows that stand in the query.
    pub now: Timestamp,
}

/// What came of a plan.
pub struct Built {
    /// The job.
    pub graph: JobGraph,
    /// Whether it ends by itself: all that it reads does.
    pub bounded: bool,
    /// What the job computes, as a number: equal where one job is the other, run again. Aliases, options of speed and the text of its
    /// statements are no part of it; views, and what tables are, are.
    pub identity: u64,
}

/// The graph of a job.
///
/// # Errors
/// A table that its connector refuses, or an operator that there is not yet.
pub fn build(job: &Job, name: &str, doors: &Doors<'_>) -> Result<Built> {
    let mut builder = Builder::new(&job.plan, job, name, doors);
    for (id, node) in job.plan.nodes.iter().enumerate() {
        builder.node(id, node)?;
    }
    builder.graph.check().map_err(SqlError::new)?;
    let identity = identity::of_job(builder.plan, &builder.identities, doors.collected);
    Ok(Built { graph: builder.graph, bounded: builder.bounded, identity })
}

/// Where the rows of a plan's node come out.
#[derive(Debug, Clone, Copy)]
struct Place {
    node: GraphId,
    output: OutputId,
}

struct Builder<'a> {
    plan: &'a Plan,
    job: &'a Job,
    doors: &'a Doors<'a>,
    graph: JobGraph,
    /// By node of the plan.
    places: Vec<Option<Place>>,
    /// How tables are read.
    scans: BTreeMap<String, Scanned>,
    /// What each node of the plan computes.
    identities: Vec<Identity>,
    /// How many operators of a kind do the same.
    uids: HashMap<String, usize>,
    bounded: bool,
}

impl<'a> Builder<'a> {
    fn new(plan: &'a Plan, job: &'a Job, name: &str, doors: &'a Doors<'a>) -> Self {
        let graph = JobGraph { name: name.to_owned(), ..JobGraph::default() };
        Self {
            plan,
            job,
            doors,
            graph,
            places: vec![None; plan.nodes.len()],
            scans: BTreeMap::new(),
            identities: identity::identities(plan),
            uids: HashMap::new(),
            bounded: true,
        }
    }

    fn node(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let place = match &node.operator {
            Operator::Scan(scan) => self.scan(id, node, scan)?,
            Operator::Values(values) => self.values(id, node, values)?,
            // The source gives rows their times.
            Operator::AssignTimes(_) => self.places[node.inputs[0].node],
            Operator::Late(calc) => Some(self.late(node, calc)?),
            Operator::Errors(table) => Some(self.errors(node, table)?),
            Operator::Sink(sink) => {
                self.sink(node, sink)?;
                None
            }
            _ => Some(self.operator(id, node)?),
        };
        self.places[id] = place;
        Ok(())
    }

    fn operator(&mut self, id: NodeId, node: &Node) -> Result<Place> {
        let inputs: Vec<&Node> = node.inputs.iter().map(|input| &self.plan.nodes[input.node]).collect();
        let kind = self.recipe(node, &inputs)?;
        let what = match &node.operator {
            // It keeps nothing.
            Operator::Calc(_) => self.identities[node.inputs[0].node].rows(),
            _ => self.identities[id].text(),
        };
        let local = self.local(id, node)?;
        let added = self.add(node.operator.name(), &what, self.parallelism(node), kind);
        match local {
            Some((local, router)) => {
                self.graph.connect(local, OutputId::MAIN, added, InputId(0), Partitioning::Hash(router));
            }
            None => self.connect(node, added)?,
        }
        Ok(Place { node: added, output: OutputId::MAIN })
    }

    /// What aggregates before the exchange, and by what its rows are exchanged.
    fn local(&mut self, id: NodeId, node: &Node) -> Result<Option<(GraphId, Arc<dyn Router>)>> {
        let Some(spec) = self.plan.locals.get(&id).cloned().map(Arc::new) else { return Ok(None) };
        let place = self.place(node.inputs[0].node)?;
        let parallelism = self.graph.nodes[place.node.0].parallelism;
        let router = spec.router();
        let kind = checked(move || Arc::clone(&spec).operator())?;
        let name = format!("Local{}", node.operator.name());
        let local = self.add(&name, &self.identities[id].text(), parallelism, kind);
        self.graph.connect(place.node, place.output, local, InputId(0), Partitioning::Forward);
        Ok(Some((local, router)))
    }

    /// Adds a node under a uid of its own.
    fn add(&mut self, name: &str, what: &str, parallelism: Option<u16>, kind: NodeKind) -> GraphId {
        let base = format!("{name}-{:016x}", hash_bytes(what.as_bytes()).0);
        let count = self.uids.entry(base.clone()).or_default();
        *count += 1;
        let uid = if *count == 1 { base } else { format!("{base}-{count}") };
        self.graph.add(GraphNode { uid, name: name.to_owned(), parallelism, chaining: Chaining::Always, kind })
    }

    /// As many instances as before it where rows are not spread again (invariant 2).
    fn parallelism(&self, node: &Node) -> Option<u16> {
        // It keeps rows where they come, and a shard is given back what lies in its own key groups: so each shard has an instance.
        if matches!(node.operator, Operator::WindowEndJoin(_)) {
            return None;
        }
        let of = |input: &crate::lower::Input| match input.exchange {
            Exchange::Single | Exchange::Hash(_) | Exchange::Broadcast => None,
            Exchange::Forward => self.places[input.node].and_then(|place| self.graph.nodes[place.node.0].parallelism),
        };
        node.inputs.iter().filter_map(of).min()
    }

    /// Puts edges between a node's inputs and its operator.
    fn connect(&mut self, node: &Node, to: GraphId) -> Result<()> {
        let union = matches!(node.operator, Operator::Union(_));
        for (number, input) in node.inputs.iter().enumerate() {
            let place = self.place(input.node)?;
            let partitioning = match &input.exchange {
                Exchange::Forward => Partitioning::Forward,
                Exchange::Single if self.graph.nodes[to.0].parallelism == Some(1) => Partitioning::Global,
                // To the shard that owns the empty key: state is restored by the key's owner.
                Exchange::Single => Partitioning::Hash(HashColumns { columns: Vec::new() }.router()),
                Exchange::Hash(columns) => Partitioning::Hash(HashColumns { columns: columns.clone() }.router()),
                Exchange::Broadcast => Partitioning::Broadcast,
            };
            let number = if union { 0 } else { u8::try_from(number).unwrap_or(u8::MAX) };
            self.graph.connect(place.node, place.output, to, InputId(number), partitioning);
        }
        Ok(())
    }

    fn place(&self, node: NodeId) -> Result<Place> {
        self.places[node].ok_or_else(|| SqlError::new("a part of the plan reads what gives no rows"))
    }

    fn sink(&mut self, node: &Node, sink: &Sink) -> Result<()> {
        let input = &self.plan.nodes[node.inputs[0].node];
        match sink {
            Sink::Collect => {
                let made = (self.doors.collect)(&input.schema).map_err(|error| refused(&error))?;
                let added = self.add("Sink(collect)", self.doors.collected, made.parallelism.or(Some(1)), made.kind);
                self.connect(node, added)
            }
            Sink::Table { table, columns, overwrite } => self.table_sink(node, input, table, columns, *overwrite),
        }
    }
}

/// What tells one table with its options from another.
fn key(table: &crate::catalog::Table) -> String {
    format!("{} {:?}", table.name, table.options)
}

/// A table that its connector refuses, as an error of the script. The option or column at fault is where to point.
fn refused(error: &TableError) -> SqlError {
    let named = error.option.as_ref().or(error.column.as_ref());
    let what = match named {
        Some(named) if !error.what.contains(named.as_str()) => format!("'{named}': {}", error.what),
        _ => error.what.clone(),
    };
    SqlError::new(what).maybe_hint(error.hint.clone())
}

/// Operators of a spec: one is made now, so that what is wrong with it is said before the job begins.
fn checked(
    make: impl Fn() -> std::result::Result<Box<dyn yeoul_operator::Operator>, yeoul_operator::OperatorError>
    + Send
    + Sync
    + 'static,
) -> Result<NodeKind> {
    make().map_err(|error| SqlError::new(error.to_string()))?;
    Ok(NodeKind::Operator { make: Arc::new(move || make().unwrap_or_else(|error| operator::refusing(error))) })
}
