//! Joins of rows with the ends of windows near their times: what is known of once a window is told to every shard, and rows stay.

use std::sync::Arc;

use arrow_schema::{DataType, TimeUnit};
use datafusion_common::NullEquality;
use datafusion_expr::{Expr, Join, utils};
use yeoul_relational::{JoinKind, TimeOrder, Window, WindowEndJoin, WindowProperty};

use super::graph::{Bound, Changes, Exchange, Input, Node, NodeId, Operator, State};
use super::join::{Sides, uniqueness, upsert_keys};
use super::{Lowering, bounds};
use crate::error::Result;
use crate::interval::duration_millis;

/// A row is compared with no more ends than this. A regular join finds its partners by key, however many ends are near.
const MOST_ENDS: i64 = 64;

/// Times that bound each other from both sides: `lower <= left - right <= upper`.
pub(super) struct Near {
    pub(super) left_time: usize,
    pub(super) right_time: usize,
    pub(super) lower: i64,
    pub(super) upper: i64,
    /// The other conditions.
    pub(super) rest: Vec<Expr>,
}

impl Lowering<'_> {
    /// The bounds between two times, one of each side; `times` says which columns are times, by side.
    pub(super) fn near(&self, join: &Join, sides: &Sides, times: &[Vec<bool>; 2]) -> Result<Option<Near>> {
        let width = times[0].len();
        let schema = self.both(sides);
        let is_time = |index: usize| times[0].iter().chain(&times[1]).nth(index).copied().unwrap_or_default();
        let mut found = bounds::Bounds::default();
        let mut rest = Vec::new();
        for condition in join.filter.iter().flat_map(utils::split_conjunction) {
            let bound = self.over_both(join, sides, condition)?;
            if !found.take(&bound, width, &schema, &is_time) {
                rest.push(condition.clone());
            }
        }
        let near = |(left_time, right_time, lower, upper): (usize, usize, i64, i64)| Near {
            left_time,
            right_time: right_time - width,
            lower,
            upper,
            rest,
        };
        Ok(found.both().map(near))
    }

    /// An inner join of rows that are only added with the ends of windows, of which there is one row each, where nothing is forgotten by a
    /// time to live.
    pub(super) fn window_end_join(
        &mut self,
        join: &Join,
        kind: JoinKind,
        sides: &Sides,
        aliases: [&[String]; 2],
    ) -> Result<Option<NodeId>> {
        let nodes = [sides.left, sides.right];
        let appended = nodes.iter().all(|node| self.plan.nodes[*node].changes.inserts_only());
        let has_null_keys = join.null_equality == NullEquality::NullEqualsNull && !sides.left_keys.is_empty();
        let has_ttl = aliases.map(|aliases| self.ttl(aliases)).iter().any(Option::is_some);
        if kind != JoinKind::Inner || !appended || has_null_keys || has_ttl || self.may_be_idle() {
            return Ok(None);
        }
        for ends in [1, 0] {
            let Some(step) = self.window_step(nodes[ends]) else { continue };
            let times = [0, 1].map(|side| {
                self.plan.nodes[nodes[side]]
                    .traits
                    .iter()
                    .map(|of| match of.window {
                        Some(window) if side == ends => {
                            window.property == WindowProperty::End && window.order == TimeOrder::RowTime
                        }
                        _ => side != ends && of.time == Some(TimeOrder::RowTime),
                    })
                    .collect()
            });
            let Some(near) = self.near(join, sides, &times)? else { continue };
            let of = |side: usize, time: usize| self.plan.nodes[nodes[side]].schema.field(time).data_type().clone();
            let is_millis = |of: DataType| matches!(of, DataType::Timestamp(TimeUnit::Millisecond, _));
            let reach = near.upper.saturating_sub(near.lower);
            let few = reach >= 0 && reach / step < MOST_ENDS;
            if few && is_millis(of(0, near.left_time)) && is_millis(of(1, near.right_time)) {
                return self.joined_by_ends(join, sides, ends, near).map(Some);
            }
        }
        Ok(None)
    }

    /// Whether a table's time may be passed over while it is silent: then windows may end that the other side's watermark has passed.
    fn may_be_idle(&self) -> bool {
        let by_default = self.settings.get("table.exec.source.idle-timeout").and_then(duration_millis);
        let is_said = |node: &Node| match &node.operator {
            Operator::Scan(scan) => scan.table.options.contains_key("scan.watermark.idle-timeout"),
            _ => false,
        };
        by_default.is_some_and(|idle| idle > 0) || self.plan.nodes.iter().any(is_said)
    }

    fn joined_by_ends(&mut self, join: &Join, sides: &Sides, ends: usize, near: Near) -> Result<NodeId> {
        let residual = self.residual(join, sides, near.rest)?;
        let schema = Arc::new(self.output(sides, JoinKind::Inner));
        let (left, right) = (self.plan.nodes[sides.left].clone(), self.plan.nodes[sides.right].clone());
        let unique =
            [uniqueness(&left.upsert_keys, &sides.left_keys), uniqueness(&right.upsert_keys, &sides.right_keys)];
        let upsert_keys = upsert_keys(JoinKind::Inner, &left, &right, &unique[0], &unique[1]);
        let mut traits = self.both_traits(sides, JoinKind::Inner, false);
        for of in &mut traits {
            // Late rows are joined: times bound nothing any more.
            of.time = of.time.filter(|time| *time == TimeOrder::ProcTime);
            of.window = None;
        }
        let spec = WindowEndJoin {
            ends,
            left_keys: sides.left_keys.clone(),
            right_keys: sides.right_keys.clone(),
            left_time: near.left_time,
            right_time: near.right_time,
            lower: near.lower,
            upper: near.upper,
            residual,
            left_schema: left.schema,
            right_schema: right.schema,
            schema: Arc::clone(&schema),
        };
        let input = |side: usize, node: NodeId| Input {
            node,
            exchange: if side == ends { Exchange::Broadcast } else { Exchange::Forward },
        };
        Ok(self.add(Node {
            operator: Operator::WindowEndJoin(spec),
            inputs: vec![input(0, sides.left), input(1, sides.right)],
            schema,
            changes: Changes::INSERTS,
            upsert_keys,
            traits,
            state: Some(State {
                what: "rows until the watermark passes, and one row a window".into(),
                bound: Bound::Unbounded,
            }),
        }))
    }

    /// The time from one end to the next, if a node gives at most one row for each window of event time, once the watermark has passed it.
    fn window_step(&self, node: NodeId) -> Option<i64> {
        let node = &self.plan.nodes[node];
        match &node.operator {
            Operator::Calc(_) => self.window_step(node.inputs[0].node),
            Operator::WindowAggregate(spec) if spec.keys.is_empty() => match spec.window {
                Window::Tumble { size: step, .. } | Window::Hop { slide: step, .. } | Window::Cumulate { step, .. } => {
                    Some(step.max(1))
                }
                Window::Session { .. } => None,
            },
            _ => None,
        }
    }
}
