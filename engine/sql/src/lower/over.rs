//! OVER: the first rows of a partition, one row a key, and aggregates over the rows before each row.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use datafusion_common::ScalarValue;
use datafusion_expr::expr::{BinaryExpr, WindowFunction};
use datafusion_expr::{
    Expr, Operator as Compare, Window as WindowPlan, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition, lit,
};
use yeoul_relational::{
    AggregateCall, AggregateFunction, Deduplicate, OverAggregate, OverCall, OverFrame, Rank, RankStrategy, SortKey,
    TimeOrder, WindowProperty,
};

use super::aggregate::{column, list, unaliased};
use super::graph::{Bound, Changes, ColumnTrait, Exchange, Input, Node, NodeId, Operator, State, WindowColumn};
use super::stream::{Base, Stream, bind, slots_of, substitute};
use super::{Lowering, kept};
use crate::error::{Result, SqlError};
use crate::expression::{slot, slot_of};
use crate::functions::aggregate;
use crate::plan::explained;

impl Lowering<'_> {
    pub(super) fn over(&mut self, window: &WindowPlan) -> Result<Stream> {
        let stream = self.lower(&window.input)?;
        let schema = window.input.schema();
        let width = stream.projection.len();
        let aliases = stream.aliases.clone();
        let calls: Vec<&WindowFunction> = window
            .window_expr
            .iter()
            .map(|expr| match unaliased(expr) {
                Expr::WindowFunction(function) => Ok(function.as_ref()),
                other => Err(SqlError::unsupported(format!("{other} over a window"))),
            })
            .collect::<Result<_>>()?;
        let first = calls.first().ok_or_else(|| SqlError::unsupported("OVER without a call"))?;
        // Places are counted from the partition's first row, whatever the frame.
        let framed = calls.iter().find(|call| !is_ranking(call)).unwrap_or(first);
        let same = |call: &&WindowFunction| {
            call.params.partition_by == first.params.partition_by
                && call.params.order_by == first.params.order_by
                && (is_ranking(call) || call.params.window_frame == framed.params.window_frame)
        };
        if !calls.iter().all(same) {
            return Err(SqlError::unsupported("two OVER clauses that differ in one SELECT")
                .hint("compute one of them in a subquery"));
        }
        let mut columns: Vec<Expr> = (0..width).map(slot).collect();
        let mut partition = Vec::new();
        for key in &first.params.partition_by {
            partition.push(column(&mut columns, bind(key, schema)?));
        }
        let mut order = Vec::new();
        for key in &first.params.order_by {
            let column = column(&mut columns, bind(&key.expr, schema)?);
            order.push(SortKey { column, descending: !key.asc, nulls_first: key.nulls_first });
        }
        let mut over = Vec::new();
        for call in &calls {
            over.push(self.over_call(call, schema, &mut columns)?);
        }
        let mut names = stream.names.clone();
        names.extend((width..columns.len()).map(|index| format!("$o{index}")));
        let traits = self.traits(&stream);
        let extra = columns.len() - width;
        let stream = self.project(stream, &columns, names)?;
        let input = self.materialise(stream)?;
        debug_assert_eq!(
            self.plan.nodes[input].schema.fields().len(),
            width + extra,
            "keys stand after the plan's columns"
        );
        let output: Vec<String> = window.schema.fields().iter().map(|field| field.name().clone()).collect();
        if let [ranking @ (OverCall::RowNumber | OverCall::Rank | OverCall::DenseRank)] = over.as_slice() {
            if order.is_empty() {
                return Err(SqlError::new("ROW_NUMBER, RANK and DENSE_RANK want an ORDER BY in OVER")
                    .hint("write OVER (PARTITION BY k ORDER BY t)"));
            }
            let base = Base::Ranked { input, partition, order, call: ranking.clone() };
            let number = self.plan.nodes[input].schema.fields().len();
            let projection = (0..width).map(slot).chain([slot(number)]).collect();
            return Ok(Stream { base, filters: Vec::new(), projection, names: output, aliases });
        }
        let frame = frame(framed)?;
        let time = order.first().and_then(|key| traits.get(key.column)?.time).filter(|_| !order[0].descending);
        let node = self.over_aggregate(input, partition, order, time, frame, over)?;
        let number = self.plan.nodes[input].schema.fields().len();
        let projection = (0..width).map(slot).chain((0..calls.len()).map(|index| slot(number + index))).collect();
        Ok(Stream { projection, names: output, aliases, ..self.read(node) })
    }

    fn over_call(
        &mut self,
        call: &WindowFunction,
        schema: &datafusion_common::DFSchema,
        columns: &mut Vec<Expr>,
    ) -> Result<OverCall> {
        if call.params.null_treatment.is_some() {
            return Err(SqlError::unsupported("IGNORE NULLS and RESPECT NULLS"));
        }
        let function = match &call.fun {
            WindowFunctionDefinition::WindowUDF(function) => {
                return match function.name() {
                    "row_number" => Ok(OverCall::RowNumber),
                    "rank" => Ok(OverCall::Rank),
                    "dense_rank" => Ok(OverCall::DenseRank),
                    other => Err(SqlError::unsupported(format!("{} over a window", other.to_uppercase()))),
                };
            }
            WindowFunctionDefinition::AggregateUDF(function) => function,
        };
        let mut kind = aggregate::function_of(function.name())
            .ok_or_else(|| SqlError::unsupported(format!("{} over a window", function.name())))?;
        let filter = match &call.params.filter {
            Some(filter) => Some(column(columns, bind(filter, schema)?)),
            None => None,
        };
        let args = &call.params.args;
        if function.name() == "count"
            && !call.params.distinct
            && matches!(args.as_slice(), [Expr::Literal(value, _)] if !value.is_null())
        {
            let call = AggregateCall {
                function: AggregateFunction::CountStar,
                argument: None,
                filter,
                distinct: false,
                result: DataType::Int64,
            };
            return Ok(OverCall::Aggregate(call));
        }
        if let (AggregateFunction::Lag { offset }, Some(second)) = (&mut kind, args.get(1)) {
            *offset = match second {
                Expr::Literal(ScalarValue::Int64(Some(value)), _) if *value >= 0 => *value,
                Expr::Literal(ScalarValue::Int32(Some(value)), _) if *value >= 0 => i64::from(*value),
                _ => return Err(SqlError::new("the offset of LAG is no whole number").hint("write LAG(x, 1)")),
            };
        }
        use datafusion_expr::ExprSchemable;
        let of = args[0].get_type(schema).map_err(|error| explained(&error))?;
        let result = aggregate::result_type(&kind, &of);
        let argument = Some(column(columns, bind(&args[0], schema)?));
        Ok(OverCall::Aggregate(AggregateCall {
            function: kind,
            argument,
            filter,
            distinct: call.params.distinct,
            result,
        }))
    }

    fn over_aggregate(
        &mut self,
        input: NodeId,
        partition: Vec<usize>,
        order: Vec<SortKey>,
        time: Option<TimeOrder>,
        frame: OverFrame,
        calls: Vec<OverCall>,
    ) -> Result<NodeId> {
        let of = self.plan.nodes[input].clone();
        let mut fields: Vec<Arc<Field>> = of.schema.fields().iter().cloned().collect();
        for (index, call) in calls.iter().enumerate() {
            let (result, nullable) = match call {
                OverCall::Aggregate(call) => (
                    call.result.clone(),
                    !matches!(call.function, AggregateFunction::Count | AggregateFunction::CountStar),
                ),
                _ => (DataType::Int64, false),
            };
            fields.push(Arc::new(Field::new(format!("w{index}$o"), result, nullable)));
        }
        let schema = Arc::new(Schema::new(fields));
        let time = time.filter(|_| of.changes.inserts_only());
        if matches!(frame, OverFrame::Range { .. }) && time.is_none() {
            return Err(SqlError::unsupported(
                "RANGE over something that is no time attribute of rows that never change",
            )
            .hint("write ROWS BETWEEN n PRECEDING AND CURRENT ROW, or order by a time attribute"));
        }
        let mut traits = of.traits.clone();
        traits.resize(schema.fields().len(), ColumnTrait::default());
        let exchange = if partition.is_empty() { Exchange::Single } else { Exchange::Hash(partition.clone()) };
        let first = order.first().map_or(0, |key| key.column);
        let bounded = matches!(frame, OverFrame::Range { .. }) && time == Some(TimeOrder::RowTime);
        let state = if bounded {
            Some(State { what: "rows within the range".into(), bound: Bound::Watermark })
        } else {
            kept(
                format!("rows or sums of every partition by {}", list(&of.schema, &partition)),
                self.settings.state_ttl(),
            )
        };
        let node = Node {
            operator: Operator::OverAggregate(OverAggregate {
                retracting_input: !of.changes.inserts_only(),
                partition,
                order,
                time: time.map(|time| time.at(first)),
                frame,
                calls,
                update_before: false,
                ttl: self.settings.state_ttl(),
                input_schema: Arc::clone(&of.schema),
                schema: Arc::clone(&schema),
            }),
            inputs: vec![Input { node: input, exchange }],
            schema,
            changes: if time.is_some() { Changes::INSERTS } else { Changes::ALL },
            upsert_keys: of.upsert_keys.clone(),
            traits,
            state,
        };
        Ok(self.add(node))
    }

    /// What becomes of rows with a number: the first ones, one a key, or all with their number.
    pub(super) fn ranked(&mut self, stream: Stream) -> Result<Stream> {
        let Base::Ranked { input, partition, order, call } = stream.base.clone() else { return Ok(stream) };
        let of = self.plan.nodes[input].clone();
        let number = of.schema.fields().len();
        let (mut from, mut to, mut filters) = (1u64, None::<u64>, Vec::new());
        for filter in &stream.filters {
            match range(filter, number) {
                Some((least, most)) => {
                    from = from.max(least);
                    to = most.map_or(to, |most| Some(to.map_or(most, |to| to.min(most))));
                }
                None => filters.push(filter.clone()),
            }
        }
        if to.is_some_and(|to| to < from) {
            // No place is asked for, so there are no rows.
            let by: Vec<Expr> = (0..number).map(slot).chain([lit(0i64)]).collect();
            let projection = stream.projection.iter().map(|expr| substitute(expr, &by)).collect::<Result<_>>()?;
            return Ok(Stream { base: Base::Node(input), filters: vec![lit(false)], projection, ..stream });
        }
        let Some(to) = to.filter(|_| call == OverCall::RowNumber) else {
            if to.is_some() {
                let name = if call == OverCall::Rank { "RANK" } else { "DENSE_RANK" };
                return Err(SqlError::unsupported(format!("the first rows by {name}")).hint("write ROW_NUMBER()"));
            }
            let time = order.first().and_then(|key| of.traits[key.column].time).filter(|_| !order[0].descending);
            let node = self.over_aggregate(input, partition, order, time, OverFrame::UnboundedRows, vec![call])?;
            return Ok(Stream { base: Base::Node(node), ..stream });
        };
        let shown = filters.iter().chain(&stream.projection).any(|expr| slots_of(expr).contains(&number));
        let window_end = window_end(&of.traits, &partition);
        if window_end.is_some_and(|end| of.traits[end].window.is_some_and(|of| of.order == TimeOrder::ProcTime)) {
            return Err(SqlError::unsupported("ROW_NUMBER within windows of processing time")
                .hint("use windows over a column with a WATERMARK"));
        }
        let ttl = self.ttl(&stream.aliases);
        let time = order.first().filter(|_| order.len() == 1).and_then(|key| of.traits[key.column].time);
        let exchange = if partition.is_empty() { Exchange::Single } else { Exchange::Hash(partition.clone()) };
        let inputs = vec![Input { node: input, exchange }];
        let what =
            format!("rows of every {}", if partition.is_empty() { "row".into() } else { list(&of.schema, &partition) });
        if let (1, 1, false, None, Some(time), true) = (from, to, shown, window_end, time, of.changes.inserts_only()) {
            let keep_first = !order[0].descending;
            let spec = Deduplicate {
                keys: partition.clone(),
                order: time.at(order[0].column),
                every_change: false,
                keep_first,
                update_before: false,
                ttl,
                schema: Arc::clone(&of.schema),
            };
            let node = Node {
                changes: if keep_first && time == TimeOrder::ProcTime { Changes::INSERTS } else { Changes::UPDATES },
                upsert_keys: vec![partition],
                state: kept(what.replace("rows", "one row"), ttl),
                ..Node::over(Operator::Deduplicate(spec), inputs, &of)
            };
            let node = self.add(node);
            return Ok(Stream { base: Base::Node(node), filters, ..stream });
        }
        let mut schema = Arc::clone(&of.schema);
        let mut traits = of.traits.clone();
        let mut upsert_keys = of.upsert_keys.clone();
        if shown {
            let mut fields: Vec<Arc<Field>> = of.schema.fields().iter().cloned().collect();
            fields.push(Arc::new(Field::new("rownum", DataType::Int64, false)));
            schema = Arc::new(Schema::new(fields));
            traits.push(ColumnTrait::default());
            upsert_keys = vec![[partition.clone(), vec![number]].concat()];
        } else if from == to {
            upsert_keys = vec![partition.clone()];
        }
        // A row that may leave its partition is taken back there.
        let stays = |key: &[usize]| partition.iter().all(|column| key.contains(column));
        let strategy = if of.changes.inserts_only() {
            RankStrategy::AppendOnly
        } else if let (false, Some(key)) =
            (of.changes.deletes, of.upsert_keys.iter().find(|key| stays(key) && monotonic(&of, &order)))
        {
            RankStrategy::Update { upsert_key: key.clone() }
        } else {
            RankStrategy::Retract
        };
        let (changes, state) = match window_end {
            Some(_) => (Changes::INSERTS, Some(State { what: "rows of open windows".into(), bound: Bound::Watermark })),
            None => (Changes::ALL, kept(what, ttl)),
        };
        let spec = Rank {
            partition,
            order,
            from,
            to,
            rank_column: shown,
            strategy,
            window_end,
            update_before: false,
            ttl,
            input_schema: Arc::clone(&of.schema),
            schema: Arc::clone(&schema),
        };
        let node = Node { operator: Operator::Rank(spec), inputs, schema, changes, upsert_keys, traits, state };
        let node = self.add(node);
        Ok(Stream { base: Base::Node(node), filters, ..stream })
    }
}

/// Whether updates only ever move a row up: it is ordered by descending counts or sums that rise.
fn monotonic(of: &Node, order: &[SortKey]) -> bool {
    let Operator::GroupAggregate(aggregate) = &of.operator else { return false };
    let keys = aggregate.keys.len();
    !aggregate.retracting_input
        && order.iter().all(|key| {
            let call = key.column.checked_sub(keys).and_then(|index| aggregate.calls.get(index));
            call.is_some_and(|call| match call.function {
                AggregateFunction::Count | AggregateFunction::CountStar | AggregateFunction::Max => key.descending,
                AggregateFunction::Min => !key.descending,
                _ => false,
            })
        })
}

/// The window's end, if the partition holds both bounds of one window.
fn window_end(traits: &[ColumnTrait], partition: &[usize]) -> Option<usize> {
    let has = |wanted: WindowColumn| partition.iter().any(|column| traits[*column].window == Some(wanted));
    let is_end = |of: WindowColumn| of.property == WindowProperty::End && has(of.bound(WindowProperty::Start));
    partition.iter().copied().find(|column| traits[*column].window.is_some_and(is_end))
}

/// The numbers that a filter keeps, if it compares the number with a constant.
fn range(filter: &Expr, number: usize) -> Option<(u64, Option<u64>)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else { return None };
    let (op, value) = if slot_of(left) == Some(number) {
        (*op, right)
    } else if slot_of(right) == Some(number) {
        (op.swap()?, left)
    } else {
        return None;
    };
    let Expr::Literal(value, _) = value.as_ref() else { return None };
    let ScalarValue::Int64(Some(value)) = value.cast_to(&DataType::Int64).ok()? else { return None };
    let value = u64::try_from(value).ok()?;
    match op {
        Compare::Eq => Some((value, Some(value))),
        Compare::LtEq => Some((1, Some(value))),
        Compare::Lt => Some((1, Some(value.checked_sub(1)?))),
        Compare::GtEq => Some((value, None)),
        Compare::Gt => Some((value + 1, None)),
        _ => None,
    }
}

fn is_ranking(call: &WindowFunction) -> bool {
    matches!(call.fun, WindowFunctionDefinition::WindowUDF(_))
}

fn frame(call: &WindowFunction) -> Result<OverFrame> {
    let frame = &call.params.window_frame;
    if is_ranking(call) {
        return Ok(OverFrame::UnboundedRows);
    }
    let unsupported = |what: &str| {
        Err(SqlError::unsupported(format!("an OVER frame {what}"))
            .hint("write ROWS or RANGE BETWEEN … PRECEDING AND CURRENT ROW"))
    };
    if call.params.order_by.is_empty() {
        return unsupported("without ORDER BY");
    }
    if frame.end_bound != WindowFrameBound::CurrentRow {
        return unsupported("that does not end at CURRENT ROW");
    }
    match (&frame.units, &frame.start_bound) {
        (WindowFrameUnits::Rows, WindowFrameBound::Preceding(value)) if value.is_null() => Ok(OverFrame::UnboundedRows),
        (WindowFrameUnits::Range, WindowFrameBound::Preceding(value)) if value.is_null() => {
            Ok(OverFrame::UnboundedRange)
        }
        (WindowFrameUnits::Rows, WindowFrameBound::Preceding(value)) => match value.cast_to(&DataType::UInt64) {
            Ok(ScalarValue::UInt64(Some(preceding))) => Ok(OverFrame::Rows { preceding }),
            _ => unsupported("of so many rows"),
        },
        (WindowFrameUnits::Range, WindowFrameBound::Preceding(value)) => {
            let value = Expr::Literal(value.clone(), None);
            match crate::plan::interval_millis(&value).or_else(|| text_millis(&value)) {
                Some(preceding) => Ok(OverFrame::Range { preceding }),
                None => unsupported("whose range is no interval"),
            }
        }
        (WindowFrameUnits::Groups, _) => unsupported("in GROUPS"),
        _ => unsupported("that does not start PRECEDING"),
    }
}

/// A frame's interval that is still text, as the rewriter wrote it.
fn text_millis(value: &Expr) -> Option<i64> {
    let Expr::Literal(value, _) = value else { return None };
    value.try_as_str().flatten()?.strip_suffix(" milliseconds")?.parse().ok()
}
