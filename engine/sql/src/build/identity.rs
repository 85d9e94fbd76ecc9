//! What an operator is known by: a hash of what it computes, from the tables on.
//!
//! Uids are made of it, so that state in a savepoint or a checkpoint comes back to the same computation only. What may change under
//! state that is kept is left out: a table's options but for its connector and path (and the format of one that is written), how far a
//! watermark is behind, columns' aliases.
//!
//! Invariants:
//! 1. Operators of one identity give the same rows for the same tables, and keep them in the same form.
//! 2. It does not change with what other parts of the job read: a column is known by where its values come from, not by its number.

use std::fmt::Display;

use arrow_schema::Schema;
use yeoul_frame::hash_bytes;
use yeoul_relational::{
    AggregateCall, Calc, ChangelogNormalize, Deduplicate, Expand, Expression, GroupAggregate, IntervalJoin,
    MatchRecognize, OverAggregate, OverCall, Projected, Rank, RegularJoin, Repeat, ShiftTimes, SortLimit, TemporalJoin,
    TemporalSort, Unnest, WindowAggregate, WindowAssign, WindowEndJoin, WindowJoin, WindowTime,
};

use crate::catalog::Table;
use crate::lower::{LookupJoin, Node, Operator, Plan, Scan, Sink, Values, asks_for_times};
use crate::types::type_name;

/// What is known of the rows that a node sends.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// Which rows come.
    rows: u64,
    /// What each column holds.
    columns: Vec<u64>,
    /// What their event times are, once they have some.
    times: Option<u64>,
}

impl Identity {
    /// Rows and columns in one text.
    pub(super) fn text(&self) -> String {
        format!("{:016x}", hash(&[&self.rows, &list(&self.columns)]))
    }

    /// Rows without their columns. It is enough for what keeps nothing and stands over them: that may be changed under a savepoint.
    pub(super) fn rows(&self) -> String {
        format!("{:016x}", self.rows)
    }

    /// Columns that an operator of this hash makes.
    fn made(rows: u64, schema: &Schema, times: Option<u64>) -> Self {
        let columns = (0..schema.fields().len()).map(|column| hash(&[&rows, &column])).collect();
        Self { rows, columns, times }
    }
}

/// What a job computes: what comes to each of its ends.
pub(super) fn of_job(plan: &Plan, known: &[Identity], collected: &str) -> u64 {
    let mut ends: Vec<String> = plan
        .sinks()
        .map(|(id, node)| {
            let end = match &node.operator {
                Operator::Sink(Sink::Table { table, columns, overwrite }) => {
                    format!("{} {columns:?} {overwrite}", of_sink(table))
                }
                _ => collected.to_owned(),
            };
            format!("{} to {end}", known[id].text())
        })
        .collect();
    ends.sort();
    hash(&[&ends.join("\n")])
}

/// The identities of a plan's nodes.
pub(super) fn identities(plan: &Plan) -> Vec<Identity> {
    let mut known: Vec<Identity> = Vec::with_capacity(plan.nodes.len());
    for node in &plan.nodes {
        known.push(identity(plan, node, &known));
    }
    known
}

/// What stays the same of a table when it is read faster, or otherwise: its name, and what it is of. Where a job reads one
/// table with several sets of options, those too.
pub(super) fn scanned(plan: &Plan, table: &Table) -> String {
    let same = |node: &Node| match &node.operator {
        Operator::Scan(scan) => of_table(&scan.table) == of_table(table) && scan.table.options != table.options,
        _ => false,
    };
    if plan.nodes.iter().any(same) { format!("{} {:?}", of_table(table), table.options) } else { of_table(table) }
}

/// A table's name, and what it is of.
pub(super) fn of_table(table: &Table) -> String {
    let option = |key: &str| table.options.get(key).map_or("", String::as_str);
    format!("{} {} {}", table.name, option("connector"), option("path"))
}

/// A table that is written: its format, too, if it has one. What is sealed in one is not to be shown in the files of another.
pub(super) fn of_sink(table: &Table) -> String {
    let format = table.options.get("format").map_or_else(String::new, |format| format!(" {format}"));
    of_table(table) + &format
}

/// One number for all parts, each kept apart from the next.
fn hash(parts: &[&dyn Display]) -> u64 {
    let mut text = String::new();
    for part in parts {
        let part = part.to_string();
        text.push_str(&format!("{}:{part};", part.len()));
    }
    hash_bytes(text.as_bytes()).0
}

fn list(hashes: &[u64]) -> String {
    hashes.iter().map(|hash| format!("{hash:x}")).collect::<Vec<_>>().join(" ")
}

fn identity(plan: &Plan, node: &Node, known: &[Identity]) -> Identity {
    let inputs: Vec<&Identity> = node.inputs.iter().map(|input| &known[input.node]).collect();
    let times: Vec<u64> = inputs.iter().filter_map(|input| input.times).collect();
    let times = match times.as_slice() {
        [] => None,
        [one] => Some(*one),
        several => Some(hash(&[&"times", &list(several)])),
    };
    match &node.operator {
        Operator::Scan(Scan { table, paths }) => {
            let rows = hash(&[&"scan", &scanned(plan, table)]);
            let column = |(path, field): (&Vec<String>, &std::sync::Arc<arrow_schema::Field>)| {
                hash(&[&rows, &format!("{path:?}"), &type_name(field.data_type()), &field.is_nullable()])
            };
            Identity { rows, columns: paths.iter().zip(node.schema.fields()).map(column).collect(), times: None }
        }
        Operator::AssignTimes(spec) => Identity { times: Some(inputs[0].columns[spec.column]), ..inputs[0].clone() },
        Operator::Calc(calc) => calculated(calc, inputs[0]),
        Operator::Late(calc) => {
            // The rows are those of its operator's input.
            let of = &plan.nodes[node.inputs[0].node].inputs[0];
            let late = Identity { rows: hash(&[&"late", &inputs[0].rows]), ..known[of.node].clone() };
            calculated(calc, &late)
        }
        Operator::Errors(table) => Identity::made(hash(&[&"errors", &scanned(plan, table)]), &node.schema, None),
        Operator::Values(Values { rows }) => {
            let row = |row: &Vec<std::sync::Arc<dyn Expression>>| row.iter().map(formed).collect::<Vec<_>>().join(", ");
            let rows: Vec<String> = rows.iter().map(row).collect();
            Identity::made(hash(&[&"values", &rows.join("; "), &types(&node.schema)]), &node.schema, None)
        }
        // The order of its inputs says nothing.
        Operator::Union(_) => {
            let mut texts: Vec<String> = inputs.iter().map(|input| input.text()).collect();
            texts.sort();
            Identity::made(hash(&[&"union", &texts.join(" ")]), &node.schema, times)
        }
        Operator::Sink(_) => inputs[0].clone(),
        operator => {
            let mut text = operator.name().to_owned();
            for (input, identity) in node.inputs.iter().zip(&inputs) {
                let schema = &plan.nodes[input.node].schema;
                text.push_str(&format!("\n{:x}({}) {}", identity.rows, list(&identity.columns), types(schema)));
            }
            let asked = if asks_for_times(node) { times } else { None };
            let rows = hash(&[&text, &words(operator), &format!("{asked:x?}")]);
            Identity::made(rows, &node.schema, times)
        }
    }
}

fn types(schema: &Schema) -> String {
    let one = |field: &std::sync::Arc<arrow_schema::Field>| {
        format!("{}{}", type_name(field.data_type()), if field.is_nullable() { "" } else { " NOT NULL" })
    };
    schema.fields().iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A Calc is known column by column: what else it hands on is of no account.
fn calculated(calc: &Calc, input: &Identity) -> Identity {
    let of = |expression: &dyn Expression| {
        let read: Vec<u64> = expression.columns().iter().map(|column| input.columns[*column]).collect();
        // In its other form an expression names its columns by their place among those that it reads.
        hash(&[&format!("{expression:#}"), &type_name(expression.data_type()), &list(&read)])
    };
    let rows = match &calc.filter {
        Some(filter) => hash(&[&input.rows, &of(&**filter)]),
        None => input.rows,
    };
    let columns = match &calc.projection {
        None => input.columns.clone(),
        Some(projection) => {
            let column = |projected: &Projected| match projected {
                Projected::Column(column) => input.columns[*column],
                Projected::Computed(expression) => of(&**expression),
            };
            projection.iter().map(column).collect()
        }
    };
    Identity { rows, columns, times: input.times }
}

/// An expression over columns by number.
fn formed(expression: &std::sync::Arc<dyn Expression>) -> String {
    format!("{expression:#} over {:?} {}", expression.columns(), type_name(expression.data_type()))
}

fn residual(expression: &Option<std::sync::Arc<dyn Expression>>) -> String {
    expression.as_ref().map_or_else(String::new, formed)
}

fn call(call: &AggregateCall) -> String {
    format!("{call} {}", type_name(&call.result))
}

fn calls(calls: &[AggregateCall]) -> String {
    calls.iter().map(call).collect::<Vec<_>>().join(", ")
}

/// Windows that rows bring along are as they were before there were some of the clock.
fn of_time(time: WindowTime) -> String {
    match time {
        WindowTime::Windowed { start, end, by_clock: false } => format!("Windowed {{ start: {start}, end: {end} }}"),
        other => format!("{other:?}"),
    }
}

/// What an operator is told, by columns' numbers in its inputs. Each field of a specification is named here, so that a new one
/// cannot be forgotten.
fn words(operator: &Operator) -> String {
    match operator {
        Operator::GroupAggregate(GroupAggregate {
            keys,
            calls: of,
            input_schema: _,
            retracting_input,
            update_before,
            ttl,
            schema: _,
        }) => format!("{keys:?} {} {retracting_input} {update_before} {ttl:?}", calls(of)),
        Operator::WindowAggregate(WindowAggregate {
            window,
            time,
            keys,
            calls: of,
            properties,
            input_schema: _,
            retracting_input,
            schema: _,
        }) => format!("{window:?} {} {keys:?} {} {properties:?} {retracting_input}", of_time(*time), calls(of)),
        Operator::RegularJoin(RegularJoin {
            kind,
            left_keys,
            right_keys,
            null_equals_null,
            null_aware,
            residual: condition,
            left_schema: _,
            right_schema: _,
            left_unique,
            right_unique,
            left_ttl,
            right_ttl,
            update_before,
            schema: _,
        }) => format!(
            "{kind:?} {left_keys:?} {right_keys:?} {null_equals_null} {null_aware} {} {left_unique:?} {right_unique:?} {left_ttl:?} \
             {right_ttl:?} {update_before}",
            residual(condition)
        ),
        Operator::IntervalJoin(IntervalJoin {
            kind,
            left_keys,
            right_keys,
            left_time,
            right_time,
            lower,
            upper,
            residual: condition,
            left_schema: _,
            right_schema: _,
            schema: _,
        }) => format!(
            "{kind:?} {left_keys:?} {right_keys:?} {left_time} {right_time} {lower} {upper} {}",
            residual(condition)
        ),
        Operator::TemporalJoin(TemporalJoin {
            kind,
            left_keys,
            right_keys,
            left_time,
            right_time,
            right_primary_key,
            residual: condition,
            left_schema: _,
            right_schema: _,
            schema: _,
        }) => format!(
            "{kind:?} {left_keys:?} {right_keys:?} {left_time} {right_time} {right_primary_key:?} {}",
            residual(condition)
        ),
        Operator::WindowJoin(WindowJoin {
            kind,
            left_keys,
            right_keys,
            left_end,
            right_end,
            residual: condition,
            left_schema: _,
            right_schema: _,
            schema: _,
        }) => format!("{kind:?} {left_keys:?} {right_keys:?} {left_end} {right_end} {}", residual(condition)),
        Operator::WindowEndJoin(WindowEndJoin {
            ends,
            left_keys,
            right_keys,
            left_time,
            right_time,
            lower,
            upper,
            residual: condition,
            left_schema: _,
            right_schema: _,
            schema: _,
        }) => format!(
            "{ends} {left_keys:?} {right_keys:?} {left_time} {right_time} {lower} {upper} {}",
            residual(condition)
        ),
        Operator::LookupJoin(LookupJoin { table, kind, left_keys, right_keys, columns, residual: condition }) => {
            let names: Vec<&str> = columns.iter().map(|column| table.columns[*column].name.as_str()).collect();
            format!("{} {kind:?} {left_keys:?} {right_keys:?} {names:?} {}", of_table(table), residual(condition))
        }
        Operator::Rank(Rank {
            partition,
            order,
            from,
            to,
            rank_column,
            strategy,
            window_end,
            update_before,
            ttl,
            input_schema: _,
            schema: _,
        }) => format!(
            "{partition:?} {order:?} {from} {to} {rank_column} {strategy:?} {window_end:?} {update_before} {ttl:?}"
        ),
        Operator::Deduplicate(Deduplicate {
            keys,
            order,
            keep_first,
            update_before,
            ttl,
            schema: _,
            every_change: _,
        }) => {
            format!("{keys:?} {order:?} {keep_first} {update_before} {ttl:?}")
        }
        Operator::OverAggregate(OverAggregate {
            partition,
            order,
            time,
            frame,
            calls: of,
            retracting_input,
            update_before,
            ttl,
            input_schema: _,
            schema: _,
        }) => {
            let one = |of: &OverCall| match of {
                OverCall::Aggregate(of) => call(of),
                other => other.to_string(),
            };
            let of: Vec<String> = of.iter().map(one).collect();
            format!(
                "{partition:?} {order:?} {time:?} {frame:?} {} {retracting_input} {update_before} {ttl:?}",
                of.join(", ")
            )
        }
        Operator::ChangelogNormalize(ChangelogNormalize { keys, update_before, ttl, schema: _ }) => {
            format!("{keys:?} {update_before} {ttl:?}")
        }
        Operator::SortLimit(SortLimit { order, offset, limit, retracting_input, update_before, schema: _ }) => {
            format!("{order:?} {offset} {limit} {retracting_input} {update_before}")
        }
        Operator::TemporalSort(TemporalSort { time, order, schema: _ }) => format!("{time:?} {order:?}"),
        Operator::Expand(Expand { sets, ids, columns, schema: _ }) => {
            // The numbers of sets that differ follow from them.
            let bits = |set: &Vec<bool>| set.iter().fold(0u64, |bits, within| bits << 1 | u64::from(!within));
            if sets.iter().map(bits).eq(ids.iter().copied()) {
                return format!("{sets:?} {columns:?}");
            }
            format!("{sets:?} {ids:?} {columns:?}")
        }
        Operator::Unnest(Unnest { column, keep_empty, ordinality, input_schema: _, schema: _ }) => {
            format!("{column} {keep_empty} {ordinality}")
        }
        Operator::Repeat(Repeat { times, keep_empty, input_schema: _, schema: _ }) => format!("{times} {keep_empty}"),
        Operator::ShiftTimes(ShiftTimes { clock, from, to, shows, schema: _ }) => {
            format!("{clock} {from:?} {to:?} {shows}")
        }
        Operator::WindowAssign(WindowAssign { window, time, keys, input_schema: _, schema: _ }) => {
            format!("{window:?} {time:?} {keys:?}")
        }
        Operator::MatchRecognize(MatchRecognize {
            partition,
            order,
            pattern,
            variables,
            references,
            measures,
            within,
            after,
            input_schema: _,
            schema: _,
        }) => {
            let references: Vec<String> = references
                .iter()
                .map(|of| format!("{:?} {:?} {} {}", of.variable, of.pick, of.column, type_name(&of.data_type)))
                .collect();
            let variables: Vec<String> =
                variables.iter().map(|(name, condition)| format!("{name:?} {}", residual(condition))).collect();
            let measures: Vec<String> = measures.iter().map(formed).collect();
            format!(
                "{partition:?} {order:?} {pattern:?} {variables:?} {references:?} {measures:?} {within:?} {after:?}"
            )
        }
        // Known otherwise.
        Operator::Scan(_)
        | Operator::AssignTimes(_)
        | Operator::Calc(_)
        | Operator::Late(_)
        | Operator::Errors(_)
        | Operator::Values(_)
        | Operator::Union(_)
        | Operator::Sink(_) => String::new(),
    }
}
