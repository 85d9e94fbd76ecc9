//! GROUP BY: over keys with updates, over windows once they are complete, over grouping sets.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use datafusion_expr::expr::AggregateFunction as AggregateExpr;
use datafusion_expr::{Aggregate, Expr};
use yeoul_relational::{
    AggregateCall, AggregateFunction, GroupAggregate, TimeOrder, Window, WindowAggregate, WindowProperty, WindowTime,
};

use super::graph::{Bound, Changes, ColumnTrait, Exchange, Input, Node, Operator, State, WindowColumn};
use super::grouping::Sets;
use super::stream::{Base, Stream, bind, slots_of, substitute, window_traits};
use super::{Lowering, kept};
use crate::error::{Result, SqlError};
use crate::expression::{slot, slot_of};
use crate::functions::aggregate;
use crate::plan::{WindowNode, explained, interval_millis};

/// A window that GROUP BY names, and where the columns of its bounds are among the keys.
struct Grouped {
    window: Window,
    order: TimeOrder,
    /// For each key: which bound it is.
    bounds: Vec<Option<WindowProperty>>,
    /// Whether the input's rows have their bounds already.
    attached: Option<(usize, usize)>,
    /// Whether the key is the old form: a row of all bounds.
    legacy: Option<usize>,
    /// The old form's time.
    time: Option<usize>,
    /// Whether windows are cut by the clock of a zone.
    local: bool,
}

/// What an aggregate is of.
#[derive(Clone, Copy)]
struct Parts<'a> {
    /// Where the groups stand; none: in the window.
    keys: &'a [Option<usize>],
    calls: &'a [AggregateCall],
    /// The plan's columns.
    fields: &'a [Arc<Field>],
    sets: Option<&'a Sets>,
}

impl Lowering<'_> {
    /// A window table function: its rows wait for what is above to say what it wants of the window.
    pub(super) fn window(&mut self, node: &WindowNode) -> Result<Stream> {
        let mut stream = self.lower(&node.input)?;
        let columns =
            node.columns.iter().map(|column| bind(column, node.input.schema())).collect::<Result<Vec<_>>>()?;
        let traits = self.traits(&stream);
        let place = slot_of(&columns[0]).and_then(|index| Some((index, traits.get(index)?.time?)));
        let Some((time, order)) = place else {
            let name = columns[0].schema_name().to_string();
            let name = slot_of(&columns[0]).and_then(|index| stream.names.get(index)).cloned().unwrap_or(name);
            return Err(SqlError::new(format!("'{name}' is no time attribute")).hint(
                "a window is over a column with a WATERMARK, or one declared AS PROCTIME(); it stops being one where it is computed with or regularly joined",
            ));
        };
        self.by_utc(order)?;
        let key = |column: &Expr| {
            slot_of(column)
                .ok_or_else(|| SqlError::unsupported("PARTITION BY of SESSION by something that is no column"))
        };
        let keys = columns[1..].iter().map(key).collect::<Result<Vec<_>>>()?;
        let aliases = std::mem::take(&mut stream.aliases);
        let base = Base::Windowed { input: Box::new(stream), window: node.window, order, time, keys };
        let schema = self.base_schema(&base)?;
        Ok(Stream {
            projection: (0..schema.fields().len()).map(slot).collect(),
            names: schema.fields().iter().map(|field| field.name().clone()).collect(),
            filters: Vec::new(),
            base,
            aliases,
        })
    }

    pub(super) fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Stream> {
        let mut stream = self.lower(&aggregate.input)?;
        let schema = aggregate.input.schema();
        let (sets, groups) = match aggregate.group_expr.as_slice() {
            [Expr::GroupingSet(set)] => {
                let (sets, columns) = Sets::of(set)?;
                (Some(sets), columns)
            }
            columns => (None, columns.to_vec()),
        };
        let groups = groups.iter().map(|group| bind(group, schema)).collect::<Result<Vec<_>>>()?;
        let mut read = Vec::new();
        for call in &aggregate.aggr_expr {
            if let Expr::AggregateFunction(AggregateExpr { params, .. }) = unaliased(call) {
                for expr in params.args.iter().chain(params.filter.as_deref()) {
                    read.push(bind(expr, schema)?);
                }
            }
        }
        let grouped = self.grouped(&mut stream, &groups, &read, sets.as_ref())?;
        // A column for each key, argument and filter; equal ones once.
        let mut columns: Vec<Expr> = Vec::new();
        let mut keys = Vec::new();
        for (index, group) in groups.iter().enumerate() {
            let of_window = grouped.as_ref().is_some_and(|grouped| {
                grouped.legacy == Some(index) || (grouped.attached.is_none() && grouped.bounds[index].is_some())
            });
            keys.push(if of_window { None } else { Some(column(&mut columns, group.clone())) });
        }
        let mut calls = Vec::new();
        // A set blanks its keys, and no argument: they have columns of their own.
        let (mut arguments, first) =
            if sets.is_some() { (Vec::new(), columns.len()) } else { (columns.split_off(0), 0) };
        for call in &aggregate.aggr_expr {
            let mut call = self.call(call, schema, &mut arguments)?;
            call.argument = call.argument.map(|column| first + column);
            call.filter = call.filter.map(|column| first + column);
            calls.push(call);
        }
        columns.append(&mut arguments);
        let names: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(index, expr)| {
                slot_of(expr).and_then(|slot| stream.names.get(slot)).cloned().unwrap_or_else(|| format!("$f{index}"))
            })
            .collect();
        let aliases = stream.aliases.clone();
        let fields: Vec<Arc<Field>> = aggregate.schema.fields().iter().cloned().collect();
        if let Some(grouped) = grouped {
            let parts = Parts { keys: &keys, calls: &calls, fields: &fields, sets: sets.as_ref() };
            return self.window_aggregate(stream, &grouped, &parts, columns, names, aliases);
        }
        let stream = self.project(stream, &columns, names)?;
        let mut input = self.materialise(stream)?;
        let mut columns: Vec<usize> = keys.iter().copied().flatten().collect();
        if let Some(sets) = sets {
            input = self.expand(input, &keys, &sets, &fields[keys.len()]);
            columns.push(self.plan.nodes[input].schema.fields().len() - 1);
        }
        let keys = columns;
        let ttl = self.ttl(&aliases);
        let of = self.plan.nodes[input].clone();
        let output: Vec<Field> = self.named(&keys, &calls, &of.schema, &fields);
        let schema = Arc::new(Schema::new(output));
        let changes = if of.changes.inserts_only() { Changes::UPDATES } else { Changes::ALL };
        let what = if keys.is_empty() {
            None
        } else {
            kept(format!("every key of GROUP BY {}", list(&of.schema, &keys)), ttl)
        };
        let exchange = if keys.is_empty() { Exchange::Single } else { Exchange::Hash(keys.clone()) };
        let node = Node {
            upsert_keys: vec![(0..keys.len()).collect()],
            traits: vec![ColumnTrait::default(); schema.fields().len()],
            operator: Operator::GroupAggregate(GroupAggregate {
                retracting_input: !of.changes.inserts_only(),
                input_schema: Arc::clone(&of.schema),
                update_before: false,
                ttl,
                schema: Arc::clone(&schema),
                keys,
                calls,
            }),
            inputs: vec![Input { node: input, exchange }],
            schema,
            changes,
            state: what,
        };
        let node = self.add(node);
        Ok(Stream { aliases, ..self.read(node) })
    }

    /// Keys, then calls, under the plan's names and with the operator's types.
    fn named(&self, keys: &[usize], calls: &[AggregateCall], input: &Schema, fields: &[Arc<Field>]) -> Vec<Field> {
        let mut output = Vec::new();
        for (key, field) in keys.iter().zip(fields) {
            output.push(input.field(*key).clone().with_name(field.name()));
        }
        for (call, field) in calls.iter().zip(&fields[keys.len()..]) {
            output.push(Field::new(field.name(), call.result.clone(), field.is_nullable()));
        }
        output
    }

    /// Windows of the clock are cut by UTC's.
    fn by_utc(&self, order: TimeOrder) -> Result<()> {
        if order != TimeOrder::ProcTime || self.settings.zone().is_utc() {
            return Ok(());
        }
        let zone = self.settings.get("table.local-time-zone").unwrap_or_default();
        Err(SqlError::unsupported(format!("a window over processing time where 'table.local-time-zone' is '{zone}'"))
            .hint("SET 'table.local-time-zone' = 'UTC', or use a column with a WATERMARK"))
    }

    /// The window among the grouping expressions, if there is one; `read` are arguments and filters.
    fn grouped(
        &mut self,
        stream: &mut Stream,
        groups: &[Expr],
        read: &[Expr],
        sets: Option<&Sets>,
    ) -> Result<Option<Grouped>> {
        let in_all = |index: usize| sets.is_none_or(|sets| sets.all_have(index));
        for (index, group) in groups.iter().enumerate() {
            if let Expr::ScalarFunction(function) = group
                && matches!(function.func.name(), "tumble" | "hop" | "session")
            {
                let (window, time) = legacy_window(function.func.name(), &function.args)?;
                if !in_all(index) {
                    return Err(SqlError::unsupported(format!(
                        "a grouping set without {}, which others have",
                        function.func.name().to_uppercase()
                    ))
                    .hint("name the window in each of the sets"));
                }
                let place = slot_of(&time).and_then(|slot| Some((slot, self.traits(stream).get(slot)?.time?)));
                let (time, order) = place.ok_or_else(|| {
                    SqlError::new(format!(
                        "{} is over something that is no time attribute",
                        function.func.name().to_uppercase()
                    ))
                    .hint("group by a column with a WATERMARK, or one declared AS PROCTIME()")
                })?;
                self.by_utc(order)?;
                let local = self.is_local(order, self.output_schema(stream)?.field(time).data_type());
                return Ok(Some(Grouped {
                    window,
                    order,
                    bounds: vec![None; groups.len()],
                    attached: None,
                    legacy: Some(index),
                    time: Some(time),
                    local,
                }));
            }
        }
        let traits = self.traits(stream);
        let of = |group: &Expr| slot_of(group).and_then(|slot| traits.get(slot)?.window);
        let windows: Vec<Option<WindowColumn>> = groups.iter().map(of).collect();
        // Bounds that are not both grouped by are plain columns, and so are those of a second window.
        let has = |wanted: WindowColumn| windows.contains(&Some(wanted));
        let both = |of: &&WindowColumn| has(of.bound(WindowProperty::Start)) && has(of.bound(WindowProperty::End));
        let Some(found) = windows.iter().flatten().find(both).copied() else { return Ok(None) };
        let first = |index: usize, of: WindowColumn| {
            (of == found.bound(of.property)
                && windows[..index]
                    .iter()
                    .zip(groups)
                    .all(|(before, group)| *before != Some(of) || *group == groups[index]))
            .then_some(of.property)
        };
        let bounds: Vec<Option<WindowProperty>> =
            windows.iter().enumerate().map(|(index, window)| first(index, (*window)?)).collect();
        if (0..groups.len()).any(|index| bounds[index].is_some() && !in_all(index)) {
            // A set without the window is one of all windows: bounds are plain columns.
            return Ok(None);
        }
        // A filter, a key or an argument that reads a bound needs rows that have it.
        let mut by_wall = false;
        if let Base::Windowed { input, keys, order, time, .. } = &stream.base {
            let width = input.projection.len();
            let session = matches!(found.window, Window::Session { .. });
            let local = self.is_local(*order, self.output_schema(input)?.field(*time).data_type());
            let bound = |expr: &Expr| slots_of(expr).iter().any(|slot| *slot >= width);
            let mut reads = stream.filters.iter().any(bound);
            let mut beside = Vec::new();
            for (group, _) in groups.iter().zip(&bounds).filter(|(_, bound)| bound.is_none()) {
                beside.push(substitute(group, &stream.projection)?);
            }
            for expr in read {
                reads |= bound(&substitute(expr, &stream.projection)?);
            }
            reads |= beside.iter().any(bound);
            if session {
                // Sessions are by their own keys: where groups are others, rows get their session first.
                let (mut by, mut keys) = (beside.iter().map(slot_of).collect::<Vec<_>>(), keys.clone());
                by.sort_unstable();
                by.dedup();
                keys.sort_unstable();
                keys.dedup();
                // A row that a filter turns away is in its session nevertheless, but for one that turns away all rows of a key.
                let of_key = |expr: &Expr| slots_of(expr).iter().all(|slot| keys.contains(slot));
                reads |= !stream.filters.iter().all(of_key);
                reads |= by != keys.into_iter().map(Some).collect::<Vec<_>>() || sets.is_some();
            }
            if let Window::Hop { size, slide, .. } = found.window
                && size % slide != 0
            {
                return Err(SqlError::new(format!(
                    "the size of HOP, {size} ms, is not a multiple of the slide, {slide} ms"
                ))
                .hint("an aggregate over HOP wants whole slides in a window"));
            }
            if !reads {
                return Ok(Some(Grouped {
                    window: found.window,
                    order: found.order,
                    bounds,
                    attached: None,
                    legacy: None,
                    time: None,
                    local,
                }));
            }
            if local {
                // Their windows end by the zone's clock, until the aggregate has them.
                let base = Base::Node(self.windows(&stream.base, true)?);
                *stream = Stream { base, ..stream.clone() };
            }
            *stream = self.settled(stream.clone())?;
            by_wall = local;
        }
        let place = |wanted| {
            groups.iter().zip(&bounds).find(|(_, bound)| **bound == Some(wanted)).and_then(|(group, _)| slot_of(group))
        };
        let attached = place(WindowProperty::Start).zip(place(WindowProperty::End));
        let (window, order) = (found.window, found.order);
        Ok(Some(Grouped { window, order, bounds, attached, legacy: None, time: None, local: by_wall }))
    }

    fn window_aggregate(
        &mut self,
        stream: Stream,
        grouped: &Grouped,
        parts: &Parts<'_>,
        mut columns: Vec<Expr>,
        mut names: Vec<String>,
        aliases: Vec<String>,
    ) -> Result<Stream> {
        let Parts { keys, calls, fields, sets } = *parts;
        let rowtime = match grouped.order {
            TimeOrder::RowTime => WindowTime::RowTime,
            TimeOrder::ProcTime => WindowTime::ProcTime,
        };
        let mut time = rowtime;
        if let Some((start, end)) = grouped.attached {
            let width = columns.len();
            let (start, end) = (column(&mut columns, slot(start)), column(&mut columns, slot(end)));
            names.extend((width..columns.len()).map(|index| format!("$w{index}")));
            time = WindowTime::Windowed { start, end, by_clock: grouped.order == TimeOrder::ProcTime };
        }
        // The window's own columns are added by the aggregate: below it there are rows without windows.
        let mut exprs = columns.iter().map(|expr| substitute(expr, &stream.projection)).collect::<Result<Vec<_>>>()?;
        // Joined rows have two event times: the one that is meant is a column.
        let joins = self.joins_intervals(&stream.base);
        let (stream, late) = match stream.base {
            Base::Windowed { input, time: column, .. } if grouped.attached.is_none() && grouped.legacy.is_none() => {
                if joins && time == WindowTime::RowTime {
                    time = WindowTime::Column(exprs.len());
                    exprs.push(slot(column));
                    names.push("$t".to_owned());
                }
                let mut below = self.filter(*input, &stream.filters)?;
                let late = self.with_late_columns(&mut below, &mut exprs, &mut names);
                (self.project(below, &exprs, names)?, late)
            }
            _ => {
                let mut stream = stream;
                if let Some(of) = grouped.time.filter(|_| joins && time == WindowTime::RowTime) {
                    time = WindowTime::Column(columns.len());
                    columns.push(slot(of));
                    names.push("$t".to_owned());
                }
                let late = self.with_late_columns(&mut stream, &mut columns, &mut names);
                (self.project(stream, &columns, names)?, late)
            }
        };
        let of_window = |index: &usize| grouped.bounds[*index].is_some() || grouped.legacy == Some(*index);
        let mut input = self.materialise(stream)?;
        let plain: Vec<usize> = (0..keys.len()).filter(|index| !of_window(index)).collect();
        let mut key_columns: Vec<usize> = plain.iter().filter_map(|index| keys[*index]).collect();
        let number = sets.map(|_| keys.len());
        if let Some(sets) = sets {
            if late.is_some() {
                return Err(SqlError::unsupported("late rows of an aggregate over GROUPING SETS, CUBE or ROLLUP")
                    .hint("each row is late in every set: read them in a query over one of the sets"));
            }
            input = self.expand(input, keys, sets, &fields[keys.len()]);
            key_columns.push(self.plan.nodes[input].schema.fields().len() - 1);
        }
        // Rows that have their bounds have had them by that clock.
        if grouped.local && grouped.attached.is_none() {
            let from = if let WindowTime::Column(column) = time { Some(column) } else { None };
            input = self.by_wall(input, from);
            time = WindowTime::RowTime;
        }
        let of = self.plan.nodes[input].clone();
        let mut properties = vec![WindowProperty::Start, WindowProperty::End];
        if grouped.legacy.is_some() || grouped.bounds.contains(&Some(WindowProperty::Time)) {
            properties.push(WindowProperty::Time);
        }
        let mut output: Vec<Field> = plain
            .iter()
            .chain(&number)
            .zip(&key_columns)
            .map(|(index, column)| of.schema.field(*column).clone().with_name(fields[*index].name()))
            .collect();
        for (call, field) in calls.iter().zip(&fields[keys.len() + number.iter().len()..]) {
            output.push(Field::new(field.name(), call.result.clone(), field.is_nullable()));
        }
        let timestamp = DataType::Timestamp(arrow_schema::TimeUnit::Millisecond, None);
        for (name, _) in ["window_start", "window_end", "window_time"].iter().zip(&properties) {
            let of = if *name == "window_time" { self.time_type(grouped, fields) } else { timestamp.clone() };
            output.push(Field::new(*name, of, false));
        }
        let schema = Arc::new(Schema::new(output));
        let first = key_columns.len() + calls.len();
        let mut traits = vec![ColumnTrait::default(); first];
        traits.extend(window_traits(grouped.window, grouped.order, &properties));
        let mut upsert: Vec<usize> = (0..key_columns.len()).collect();
        upsert.extend([first, first + 1]);
        // Rows that bring their window along are kept by it, too.
        let mut kept_by = key_columns.clone();
        if let WindowTime::Windowed { start, end, .. } = time {
            kept_by.extend([start, end]);
        }
        let exchange = if kept_by.is_empty() { Exchange::Single } else { Exchange::Hash(kept_by) };
        let node = Node {
            operator: Operator::WindowAggregate(WindowAggregate {
                window: grouped.window,
                time,
                keys: key_columns,
                calls: calls.to_vec(),
                properties: properties.clone(),
                input_schema: Arc::clone(&of.schema),
                retracting_input: !of.changes.inserts_only(),
                schema: Arc::clone(&schema),
            }),
            inputs: vec![Input { node: input, exchange }],
            schema,
            changes: Changes::INSERTS,
            // A window that ends by the clock may have a second row.
            upsert_keys: if matches!(time, WindowTime::Windowed { by_clock: true, .. }) {
                Vec::new()
            } else {
                vec![upsert]
            },
            traits,
            state: Some(State { what: "open windows".into(), bound: Bound::Watermark }),
        };
        let mut node = self.add(node);
        self.meets_late(late, node);
        if grouped.local {
            let of_time = properties.iter().position(|property| *property == WindowProperty::Time);
            node = self.by_instants(node, of_time.map(|place| first + place));
        }
        // The plan's order: groups as they were written, then calls.
        let bound = |property: WindowProperty| {
            properties.iter().position(|known| *known == property).map(|index| slot(first + index))
        };
        let mut projection = Vec::new();
        for index in 0..keys.len() {
            projection.push(if grouped.legacy == Some(index) {
                legacy_row(first)?
            } else if let Some(property) = grouped.bounds[index] {
                bound(property).ok_or_else(|| SqlError::unsupported("this bound of a window"))?
            } else {
                slot(plain.iter().position(|plain| *plain == index).unwrap_or(0))
            });
        }
        // The number of the set, then the calls.
        projection.extend((plain.len()..first).map(slot));
        let names = fields.iter().map(|field| field.name().clone()).collect();
        Ok(Stream { projection, names, aliases, ..self.read(node) })
    }

    /// Whether rows come out of an interval join, at once or by way of others. What else the job does is not asked.
    fn joins_intervals(&self, base: &Base) -> bool {
        let mut nodes = match base {
            Base::Node(node) | Base::Table { node, .. } | Base::Ranked { input: node, .. } => vec![*node],
            Base::Windowed { input, .. } => return self.joins_intervals(&input.base),
            Base::Unnested(of) => return self.joins_intervals(&of.input.base),
        };
        let mut seen = BTreeSet::new();
        while let Some(node) = nodes.pop() {
            if matches!(self.plan.nodes[node].operator, Operator::IntervalJoin(_)) {
                return true;
            }
            if seen.insert(node) {
                nodes.extend(self.plan.nodes[node].inputs.iter().map(|input| input.node));
            }
        }
        false
    }

    fn time_type(&self, grouped: &Grouped, fields: &[Arc<Field>]) -> DataType {
        let place = grouped.bounds.iter().position(|bound| *bound == Some(WindowProperty::Time));
        if let Some(index) = place {
            return fields[index].data_type().clone();
        }
        if let Some(DataType::Struct(parts)) = grouped.legacy.map(|index| fields[index].data_type())
            && let Some(part) = parts.iter().find(|part| part.name() == "window_time")
        {
            return part.data_type().clone();
        }
        DataType::Timestamp(arrow_schema::TimeUnit::Millisecond, None)
    }

    fn call(
        &mut self,
        expr: &Expr,
        schema: &datafusion_common::DFSchema,
        columns: &mut Vec<Expr>,
    ) -> Result<AggregateCall> {
        let Expr::AggregateFunction(AggregateExpr { func, params }) = unaliased(expr) else {
            return Err(SqlError::unsupported(format!("the aggregate {expr}")));
        };
        if !params.order_by.is_empty() {
            return Err(SqlError::unsupported(format!("ORDER BY within {}", func.name().to_uppercase())));
        }
        let filter = match &params.filter {
            Some(filter) => Some(column(columns, bind(filter, schema)?)),
            None => None,
        };
        let mut function = aggregate::function_of(func.name())
            .ok_or_else(|| SqlError::unsupported(format!("the aggregate {}", func.name())))?;
        let star = func.name() == "count"
            && !params.distinct
            && matches!(params.args.as_slice(), [Expr::Literal(value, _)] if !value.is_null());
        if star {
            return Ok(AggregateCall {
                function: AggregateFunction::CountStar,
                argument: None,
                filter,
                distinct: false,
                result: DataType::Int64,
            });
        }
        if let (AggregateFunction::ListAgg { separator }, Some(second)) = (&mut function, params.args.get(1)) {
            let Expr::Literal(value, _) = second else {
                return Err(SqlError::unsupported("a separator of LISTAGG that is not a constant"));
            };
            value.try_as_str().flatten().unwrap_or(",").clone_into(separator);
        } else if params.args.len() > 1 {
            return Err(SqlError::unsupported(format!("{} of several columns", func.name().to_uppercase()))
                .hint("count a ROW of them, or CONCAT_WS"));
        }
        use datafusion_expr::ExprSchemable;
        let of = params.args[0].get_type(schema).map_err(|error| explained(&error))?;
        let result = aggregate::result_type(&function, &of);
        let argument = Some(column(columns, bind(&params.args[0], schema)?));
        Ok(AggregateCall { function, argument, filter, distinct: params.distinct, result })
    }
}

/// Where an expression stands among the columns, added if it does not.
pub(super) fn column(columns: &mut Vec<Expr>, expr: Expr) -> usize {
    columns.iter().position(|known| *known == expr).unwrap_or_else(|| {
        columns.push(expr);
        columns.len() - 1
    })
}

pub(super) fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}

pub(super) fn list(schema: &Schema, columns: &[usize]) -> String {
    columns.iter().map(|column| schema.field(*column).name().as_str()).collect::<Vec<_>>().join(", ")
}

/// `TUMBLE(time, size [, offset])`, `HOP(time, slide, size [, offset])`, `SESSION(time, gap)`.
fn legacy_window(name: &str, args: &[Expr]) -> Result<(Window, Expr)> {
    let lengths = args[1..].iter().map(interval_millis).collect::<Option<Vec<i64>>>();
    let lengths = lengths.filter(|lengths| lengths.iter().all(|length| *length > 0)).ok_or_else(|| {
        SqlError::new(format!("a length of {} is no positive interval of days to seconds", name.to_uppercase()))
    })?;
    let offset = |index: usize| lengths.get(index).copied().unwrap_or(0);
    let window = match name {
        "tumble" => Window::Tumble { size: lengths[0], offset: offset(1) },
        "hop" => Window::Hop { slide: lengths[0], size: lengths[1], offset: offset(2) },
        _ => Window::Session { gap: lengths[0] },
    };
    Ok((window, args[0].clone()))
}

/// The row that a group window is in the plan; only its fields are ever read.
fn legacy_row(first: usize) -> Result<Expr> {
    let call = crate::functions::scalar("window_row").ok_or_else(|| SqlError::new("no window_row"))?;
    Ok(call.call(vec![slot(first), slot(first + 1), slot(first + 2)]))
}
