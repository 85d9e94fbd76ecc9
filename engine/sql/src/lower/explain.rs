//! A plan in words: operators from the sinks down, with what each is told, how its rows come, and what changes flow.

use std::fmt::{self, Write};

use arrow_schema::Schema;
use yeoul_relational::{AggregateCall, OverCall, Projected, SortKey, WindowTime, millis};

use super::aggregate::list;
use super::graph::{Bound, Exchange, NodeId, Operator, Plan, Sink};
use crate::types::type_name;

impl Plan {
    /// The operators as an indented tree; with `changes`, the kinds of change that each sends.
    #[must_use]
    pub fn explain(&self, changes: bool) -> String {
        let mut text = String::new();
        let mut shown = vec![false; self.nodes.len()];
        for (id, _) in self.sinks() {
            // Writing to a string does not fail.
            let _ = self.node(id, 0, "", changes, &mut shown, &mut text);
        }
        text
    }

    fn node(
        &self,
        id: NodeId,
        depth: usize,
        exchange: &str,
        changes: bool,
        shown: &mut [bool],
        out: &mut String,
    ) -> fmt::Result {
        let node = &self.nodes[id];
        let indent = if depth == 0 { String::new() } else { format!("{}+- ", "   ".repeat(depth - 1)) };
        write!(out, "{indent}{exchange}")?;
        if shown[id] && !node.inputs.is_empty() {
            return writeln!(out, "Reused(operator={id})");
        }
        let inputs: Vec<&Schema> = node.inputs.iter().map(|input| self.nodes[input.node].schema.as_ref()).collect();
        write!(out, "{}({})", node.operator.name(), described(&node.operator, &inputs))?;
        let reads = self.nodes.iter().flat_map(|node| &node.inputs).filter(|input| input.node == id).count();
        if reads > 1 && !node.inputs.is_empty() {
            write!(out, " (operator={id})")?;
        }
        if changes {
            write!(out, " {}", node.changes)?;
        }
        writeln!(out)?;
        shown[id] = true;
        for input in &node.inputs {
            let exchange = match &input.exchange {
                Exchange::Forward => String::new(),
                Exchange::Hash(columns) => {
                    format!("Exchange(hash[{}]) <- ", list(&self.nodes[input.node].schema, columns))
                }
                Exchange::Single => "Exchange(single) <- ".to_owned(),
                Exchange::Broadcast => "Exchange(broadcast) <- ".to_owned(),
            };
            let local = if self.locals.contains_key(&id) { "LocalAggregate <- " } else { "" };
            self.node(input.node, depth + 1, &(exchange + local), changes, shown, out)?;
        }
        Ok(())
    }

    /// What each operator keeps, one a line.
    #[must_use]
    pub fn explain_state(&self) -> String {
        let mut text = String::new();
        for (id, node) in self.nodes.iter().enumerate() {
            let Some(state) = &node.state else { continue };
            let until = match state.bound {
                Bound::Watermark => "until the watermark passes".to_owned(),
                Bound::Ttl(ttl) => format!("for {}", millis(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX))),
                Bound::Unbounded => "for good".to_owned(),
            };
            let _ = writeln!(text, "{} (operator {id}) keeps {} {until}", node.operator.name(), state.what);
        }
        text
    }

    /// The job as JSON: its nodes, with type, parallel inputs and output columns.
    #[must_use]
    pub fn json(&self) -> String {
        let nodes: Vec<serde_json::Value> = self
            .nodes
            .iter()
            .enumerate()
            .map(|(id, node)| {
                let inputs: Vec<&Schema> = node.inputs.iter().map(|input| self.nodes[input.node].schema.as_ref()).collect();
                serde_json::json!({
                    "id": id,
                    "type": node.operator.name(),
                    "contents": described(&node.operator, &inputs),
                    "changelog_mode": node.changes.to_string(),
                    "columns": node.schema.fields().iter().map(|field| format!("{} {}", field.name(), type_name(field.data_type()))).collect::<Vec<_>>(),
                    "predecessors": node.inputs.iter().map(|input| serde_json::json!({
                        "id": input.node,
                        "ship_strategy": match &input.exchange {
                            Exchange::Forward => "FORWARD",
                            Exchange::Hash(_) => "HASH",
                            Exchange::Single => "SINGLE",
                            Exchange::Broadcast => "BROADCAST",
                        },
                    })).collect::<Vec<_>>(),
                })
            })
            .collect();
        serde_json::to_string_pretty(&serde_json::json!({ "nodes": nodes })).unwrap_or_default()
    }
}

fn described(operator: &Operator, inputs: &[&Schema]) -> String {
    let input = inputs.first().copied();
    let columns = |columns: &[usize]| input.map_or_else(String::new, |schema| list(schema, columns));
    let right = |columns: &[usize]| inputs.get(1).map_or_else(String::new, |schema| list(schema, columns));
    let keys = |left: &[usize], on_right: &[usize]| {
        let pair = |(a, b): (&usize, &usize)| format!("{} = {}", columns(&[*a]), right(&[*b]));
        left.iter().zip(on_right).map(pair).collect::<Vec<_>>().join(" AND ")
    };
    let also = |residual: &Option<std::sync::Arc<dyn yeoul_relational::Expression>>| {
        residual.as_ref().map_or_else(String::new, |residual| format!(", where=[{residual}]"))
    };
    match operator {
        Operator::Scan(scan) => {
            let paths: Vec<String> = scan.paths.iter().map(|path| path.join(".")).collect();
            format!("table=[{}], fields=[{}]", scan.table.name, paths.join(", "))
        }
        Operator::Values(values) => format!("rows={}", values.rows.len()),
        Operator::Late(calc) => {
            let names: Vec<&str> = calc.schema.fields().iter().map(|field| field.name().as_str()).collect();
            format!("fields=[{}]", names.join(", "))
        }
        Operator::Errors(table) => format!("table=[{}]", table.name),
        Operator::Calc(calc) => {
            let mut parts = Vec::new();
            if let Some(projection) = &calc.projection {
                let one = |(projected, field): (&Projected, &std::sync::Arc<arrow_schema::Field>)| {
                    let text = match projected {
                        Projected::Column(column) => columns(&[*column]),
                        Projected::Computed(expression) => expression.to_string(),
                    };
                    if text == *field.name() { text } else { format!("{text} AS {}", field.name()) }
                };
                let select: Vec<String> = projection.iter().zip(calc.schema.fields()).map(one).collect();
                parts.push(format!("select=[{}]", select.join(", ")));
            }
            if let Some(filter) = &calc.filter {
                parts.push(format!("where=[{filter}]"));
            }
            parts.join(", ")
        }
        Operator::AssignTimes(times) => {
            format!("rowtime=[{}], watermark=[{0} - {}]", columns(&[times.column]), millis(times.delay))
        }
        Operator::ShiftTimes(spec) => spec.clock.to_string(),
        Operator::WindowAssign(spec) => format!("window=[{}], time={}", spec.window, time(&spec.time, input)),
        Operator::Expand(spec) => {
            let sets: Vec<String> = spec
                .sets
                .iter()
                .map(|set| {
                    let within: Vec<usize> = spec
                        .columns
                        .iter()
                        .zip(set)
                        .filter(|(_, within)| **within)
                        .map(|(column, _)| *column)
                        .collect();
                    format!("({})", columns(&within))
                })
                .collect();
            format!("sets=[{}]", sets.join(", "))
        }
        Operator::GroupAggregate(spec) => {
            let ttl = spec.ttl.map_or_else(String::new, |ttl| {
                format!(", ttl={}", millis(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)))
            });
            format!("groupBy=[{}], select=[{}]{ttl}", columns(&spec.keys), calls(&spec.calls, input))
        }
        Operator::WindowAggregate(spec) => format!(
            "groupBy=[{}], window=[{}], time={}, select=[{}]",
            columns(&spec.keys),
            spec.window,
            time(&spec.time, input),
            calls(&spec.calls, input)
        ),
        Operator::RegularJoin(spec) => format!(
            "type={:?}, on=[{}]{}, leftUnique={}, rightUnique={}",
            spec.kind,
            keys(&spec.left_keys, &spec.right_keys),
            also(&spec.residual),
            unique(&spec.left_unique, input),
            unique(&spec.right_unique, inputs.get(1).copied())
        ),
        Operator::IntervalJoin(spec) => format!(
            "type={:?}, on=[{}], bounds=[{} <= {} - {} <= {}]{}",
            spec.kind,
            keys(&spec.left_keys, &spec.right_keys),
            millis(spec.lower),
            columns(&[spec.left_time]),
            right(&[spec.right_time]),
            millis(spec.upper),
            also(&spec.residual)
        ),
        Operator::TemporalJoin(spec) => format!(
            "type={:?}, on=[{}], asOf=[{}], versions=[{} by {}]{}",
            spec.kind,
            keys(&spec.left_keys, &spec.right_keys),
            columns(&[spec.left_time]),
            right(&[spec.right_time]),
            right(&spec.right_primary_key),
            also(&spec.residual)
        ),
        Operator::WindowJoin(spec) => {
            format!("type={:?}, on=[{}]{}", spec.kind, keys(&spec.left_keys, &spec.right_keys), also(&spec.residual))
        }
        Operator::WindowEndJoin(spec) => format!(
            "ends={}, on=[{}], bounds=[{} <= {} - {} <= {}]{}",
            if spec.ends == 0 { "left" } else { "right" },
            keys(&spec.left_keys, &spec.right_keys),
            millis(spec.lower),
            columns(&[spec.left_time]),
            right(&[spec.right_time]),
            millis(spec.upper),
            also(&spec.residual)
        ),
        Operator::LookupJoin(spec) => {
            let name =
                |index: &usize| spec.columns.get(*index).map_or("", |column| spec.table.columns[*column].name.as_str());
            let on: Vec<String> = spec
                .left_keys
                .iter()
                .zip(&spec.right_keys)
                .map(|(left, right)| format!("{} = {}", columns(&[*left]), name(right)))
                .collect();
            format!(
                "type={:?}, table=[{}], on=[{}]{}",
                spec.kind,
                spec.table.name,
                on.join(" AND "),
                also(&spec.residual)
            )
        }
        Operator::Rank(spec) => format!(
            "strategy={}, rankRange=[{}..{}], partitionBy=[{}], orderBy=[{}]{}",
            strategy(&spec.strategy, input),
            spec.from,
            spec.to,
            columns(&spec.partition),
            order(&spec.order, input),
            if spec.rank_column { ", rank" } else { "" }
        ),
        Operator::Deduplicate(spec) => {
            format!(
                "keep={}, key=[{}], order=[{:?}]",
                if spec.keep_first { "first" } else { "last" },
                columns(&spec.keys),
                spec.order.order()
            )
        }
        Operator::OverAggregate(spec) => {
            let one = |call: &OverCall| match call {
                OverCall::Aggregate(call) => calls(std::slice::from_ref(call), input),
                other => other.to_string(),
            };
            let select: Vec<String> = spec.calls.iter().map(one).collect();
            format!(
                "partitionBy=[{}], orderBy=[{}], frame=[{}], select=[{}]",
                columns(&spec.partition),
                order(&spec.order, input),
                spec.frame,
                select.join(", ")
            )
        }
        Operator::Union(_) => "all".to_owned(),
        Operator::ChangelogNormalize(spec) => format!("key=[{}]", columns(&spec.keys)),
        Operator::SortLimit(spec) => {
            format!("orderBy=[{}], offset={}, limit={}", order(&spec.order, input), spec.offset, spec.limit)
        }
        Operator::TemporalSort(spec) => format!("time={:?}, then=[{}]", spec.time.order(), order(&spec.order, input)),
        Operator::Unnest(spec) => format!("array=[{}]", columns(&[spec.column])),
        Operator::Repeat(spec) => format!("times=[{}]", columns(&[spec.times])),
        Operator::MatchRecognize(spec) => {
            let pattern = spec.pattern.named(&|variable| spec.variables[variable].0.clone());
            let defined: Vec<String> = spec
                .variables
                .iter()
                .filter_map(|(name, condition)| condition.as_ref().map(|condition| format!("{name} AS {condition}")))
                .collect();
            let within = spec.within.map_or_else(String::new, |within| format!(", within={}", millis(within)));
            format!(
                "partitionBy=[{}], pattern=[{pattern}], define=[{}], after={:?}{within}",
                columns(&spec.partition),
                defined.join(", "),
                spec.after
            )
        }
        Operator::Sink(Sink::Collect) => format!("collect, fields=[{}]", input.map_or_else(String::new, all)),
        Operator::Sink(Sink::Table { table, .. }) => {
            format!("table=[{}], fields=[{}]", table.name, input.map_or_else(String::new, all))
        }
    }
}

fn all(schema: &Schema) -> String {
    schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ")
}

fn calls(calls: &[AggregateCall], input: Option<&Schema>) -> String {
    let named = |call: &AggregateCall| {
        // Columns stand in a call as $index; the greatest first, so that $1 is not found in $12.
        let mut text = call.to_string();
        let mut columns: Vec<usize> = call.argument.into_iter().chain(call.filter).collect();
        columns.sort_unstable_by(|a, b| b.cmp(a));
        for column in columns {
            if let Some(schema) = input {
                text = text.replace(&format!("${column}"), schema.field(column).name());
            }
        }
        text
    };
    calls.iter().map(named).collect::<Vec<_>>().join(", ")
}

fn order(keys: &[SortKey], input: Option<&Schema>) -> String {
    let named = |key: &SortKey| {
        let text = key.to_string();
        input.map_or(text.clone(), |schema| {
            text.replacen(&format!("${}", key.column), schema.field(key.column).name(), 1)
        })
    };
    keys.iter().map(named).collect::<Vec<_>>().join(", ")
}

fn time(time: &WindowTime, input: Option<&Schema>) -> String {
    match time {
        WindowTime::RowTime => "rowtime".to_owned(),
        WindowTime::Column(column) => input.map_or_else(String::new, |schema| list(schema, &[*column])),
        WindowTime::ProcTime => "proctime".to_owned(),
        WindowTime::Windowed { start, end, .. } => {
            input.map_or_else(String::new, |schema| format!("[{}]", list(schema, &[*start, *end])))
        }
    }
}

fn unique(of: &yeoul_relational::Uniqueness, input: Option<&Schema>) -> String {
    use yeoul_relational::Uniqueness;
    match of {
        Uniqueness::None => "no".to_owned(),
        Uniqueness::HasKey(columns) => format!("[{}]", input.map_or_else(String::new, |schema| list(schema, columns))),
        Uniqueness::JoinKeyContainsUnique => "joinKey".to_owned(),
    }
}

fn strategy(of: &yeoul_relational::RankStrategy, input: Option<&Schema>) -> String {
    use yeoul_relational::RankStrategy;
    match of {
        RankStrategy::AppendOnly => "AppendFast".to_owned(),
        RankStrategy::Update { upsert_key } => {
            format!("UpdateFast[{}]", input.map_or_else(String::new, |schema| list(schema, upsert_key)))
        }
        RankStrategy::Retract => "Retract".to_owned(),
    }
}
