//! Joins: of windows, of times near each other, as of a time, by lookup, and regular ones.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use datafusion_common::NullEquality;
use datafusion_expr::{Expr, Join, JoinType, utils};
use yeoul_relational::Expression;
use yeoul_relational::{IntervalJoin, JoinKind, RegularJoin, TimeOrder, Uniqueness, WindowJoin, WindowProperty};

use super::aggregate::column;
use super::graph::{Bound, Changes, ColumnTrait, Exchange, Input, Node, NodeId, Operator, State, WindowColumn};
use super::stream::{Stream, bind};
use super::window_end::Near;
use super::{Lowering, join_kind, kept};
use crate::error::{Result, SqlError};
use crate::expression::slot;
use crate::plan::{is_as_of, versioned_node};

/// Two sides of a join as nodes, and how the plan's columns stand in them.
pub(super) struct Sides {
    pub(super) left: NodeId,
    pub(super) right: NodeId,
    pub(super) left_keys: Vec<usize>,
    pub(super) right_keys: Vec<usize>,
    /// How many of each side's columns the plan knows; those after are computed keys.
    pub(super) left_width: usize,
    pub(super) right_width: usize,
}

impl Lowering<'_> {
    pub(super) fn join(&mut self, join: &Join) -> Result<Stream> {
        let kind = join_kind(join.join_type).ok_or_else(|| match join.join_type {
            JoinType::LeftMark | JoinType::RightMark => {
                SqlError::unsupported("IN, EXISTS, ANY or ALL of a subquery beside OR, or within another expression")
                    .hint("write a UNION of two queries, or a join")
            }
            other => SqlError::unsupported(format!("a {other} join")).hint("turn the sides around"),
        })?;
        let mut conditions: Vec<Expr> =
            join.filter.iter().flat_map(|filter| utils::split_conjunction_owned(filter.clone())).collect();
        let as_of = conditions.iter().position(is_as_of).map(|index| conditions.remove(index));
        if versioned_node(&join.right).is_some() {
            let Some(as_of) = as_of else {
                return Err(SqlError::new("a versioned table is joined without its time"));
            };
            return self.versioned(join, kind, &as_of, conditions);
        }
        let left = self.lower(&join.left)?;
        let right = self.lower(&join.right)?;
        let (left_aliases, right_aliases) = (left.aliases.clone(), right.aliases.clone());
        let sides = self.sides(left, right, join)?;
        let residual = self.residual(join, &sides, conditions)?;
        let traits = |node: NodeId| self.plan.nodes[node].traits.clone();
        let (left_traits, right_traits) = (traits(sides.left), traits(sides.right));
        let node = if let Some((left_end, right_end)) = window_ends(&left_traits, &right_traits, &sides) {
            if left_traits[left_end].window.is_some_and(|of| of.order == TimeOrder::ProcTime) {
                return Err(SqlError::unsupported("a join of windows of processing time")
                    .hint("join windows over columns with a WATERMARK"));
            }
            self.window_join(kind, &sides, residual, left_end, right_end)?
        } else if let Some(found) = self.interval(kind, &sides, &left_traits, &right_traits, join)? {
            found
        } else if let Some(found) = self.window_end_join(join, kind, &sides, [&left_aliases, &right_aliases])? {
            found
        } else {
            self.regular_join(join, kind, &sides, residual, &left_aliases, &right_aliases)?
        };
        Ok(self.joined(node, join, kind, &sides, [left_aliases, right_aliases].concat()))
    }

    /// Both sides with their keys as columns.
    pub(super) fn sides(&mut self, left: Stream, right: Stream, join: &Join) -> Result<Sides> {
        let (left_width, right_width) = (left.projection.len(), right.projection.len());
        let (mut left_exprs, mut right_exprs) =
            ((0..left_width).map(slot).collect::<Vec<_>>(), (0..right_width).map(slot).collect::<Vec<_>>());
        let (mut left_keys, mut right_keys) = (Vec::new(), Vec::new());
        for (on_left, on_right) in &join.on {
            left_keys.push(column(&mut left_exprs, bind(on_left, join.left.schema())?));
            right_keys.push(column(&mut right_exprs, bind(on_right, join.right.schema())?));
        }
        let left = self.with_keys(left, &left_exprs)?;
        let right = self.with_keys(right, &right_exprs)?;
        Ok(Sides { left, right, left_keys, right_keys, left_width, right_width })
    }

    pub(super) fn with_keys(&mut self, stream: Stream, exprs: &[Expr]) -> Result<NodeId> {
        let mut names = stream.names.clone();
        names.extend((names.len()..exprs.len()).map(|index| format!("$k{index}")));
        let stream = self.project(stream, exprs, names)?;
        self.materialise(stream)
    }

    /// Conditions beside the keys, over left columns, then right ones, as the nodes have them.
    pub(super) fn residual(
        &self,
        join: &Join,
        sides: &Sides,
        conditions: Vec<Expr>,
    ) -> Result<Option<Arc<dyn Expression>>> {
        let Some(all) = conditions.into_iter().reduce(Expr::and) else { return Ok(None) };
        let bound = self.over_both(join, sides, &all)?;
        let compiled = self.compiled(&bound, &self.both(sides))?;
        Ok(Some(Arc::new(compiled)))
    }

    /// An expression of the plan over left columns, then right ones, as the nodes have them.
    pub(super) fn over_both(&self, join: &Join, sides: &Sides, expr: &Expr) -> Result<Expr> {
        let schema = join.left.schema().join(join.right.schema()).map_err(|error| crate::plan::explained(&error))?;
        let bound = bind(expr, &schema)?;
        let left = self.plan.nodes[sides.left].schema.fields().len();
        super::stream::shifted(&bound, &|index| {
            if index < sides.left_width { index } else { left + index - sides.left_width }
        })
    }

    /// Left columns, then right ones.
    pub(super) fn both(&self, sides: &Sides) -> Schema {
        let fields = |node: NodeId| self.plan.nodes[node].schema.fields().iter().cloned();
        Schema::new(fields(sides.left).chain(fields(sides.right)).collect::<Vec<_>>())
    }

    /// What a join sends: left columns, then right ones; those of a side that may be missing can be NULL.
    pub(super) fn output(&self, sides: &Sides, kind: JoinKind) -> Schema {
        let with = |node: NodeId, nullable: bool| {
            let made = move |field: &Arc<Field>| {
                if nullable { field.as_ref().clone().with_nullable(true) } else { field.as_ref().clone() }
            };
            self.plan.nodes[node].schema.fields().iter().map(made).collect::<Vec<Field>>()
        };
        let mut fields = with(sides.left, matches!(kind, JoinKind::Right | JoinKind::Full));
        if !matches!(kind, JoinKind::Semi | JoinKind::Anti) {
            fields.extend(with(sides.right, matches!(kind, JoinKind::Left | JoinKind::Full)));
        }
        Schema::new(fields)
    }

    /// The plan's columns of a join's node.
    pub(super) fn joined(
        &self,
        node: NodeId,
        join: &Join,
        kind: JoinKind,
        sides: &Sides,
        aliases: Vec<String>,
    ) -> Stream {
        let mut projection: Vec<Expr> = (0..sides.left_width).map(slot).collect();
        if !matches!(kind, JoinKind::Semi | JoinKind::Anti) {
            let first = self.plan.nodes[sides.left].schema.fields().len();
            projection.extend((0..sides.right_width).map(|index| slot(first + index)));
        }
        let names = join.schema.fields().iter().map(|field| field.name().clone()).collect();
        Stream { projection, names, aliases, ..self.read(node) }
    }

    fn inputs(sides: &Sides) -> Vec<Input> {
        let exchange = |keys: &[usize]| if keys.is_empty() { Exchange::Single } else { Exchange::Hash(keys.to_vec()) };
        vec![
            Input { node: sides.left, exchange: exchange(&sides.left_keys) },
            Input { node: sides.right, exchange: exchange(&sides.right_keys) },
        ]
    }

    fn window_join(
        &mut self,
        kind: JoinKind,
        sides: &Sides,
        residual: Option<Arc<dyn Expression>>,
        left_end: usize,
        right_end: usize,
    ) -> Result<NodeId> {
        if let Some(changing) =
            [sides.left, sides.right].into_iter().find(|node| !self.plan.nodes[*node].changes.inserts_only())
        {
            return Err(SqlError::unsupported(format!(
                "a join of windows over rows that change: {}",
                self.plan.nodes[changing].changes
            ))
            .hint("aggregate over the window before the join"));
        }
        let schema = Arc::new(self.output(sides, kind));
        let traits = self.both_traits(sides, kind, false);
        let spec = WindowJoin {
            kind,
            left_keys: sides.left_keys.clone(),
            right_keys: sides.right_keys.clone(),
            left_end,
            right_end,
            residual,
            left_schema: Arc::clone(&self.plan.nodes[sides.left].schema),
            right_schema: Arc::clone(&self.plan.nodes[sides.right].schema),
            schema: Arc::clone(&schema),
        };
        Ok(self.add(Node {
            operator: Operator::WindowJoin(spec),
            inputs: Self::inputs(sides),
            schema,
            changes: Changes::INSERTS,
            upsert_keys: Vec::new(),
            traits,
            state: Some(State { what: "rows of open windows".into(), bound: Bound::Watermark }),
        }))
    }

    /// A join of append-only sides whose event times bound each other from both sides.
    fn interval(
        &mut self,
        kind: JoinKind,
        sides: &Sides,
        left: &[ColumnTrait],
        right: &[ColumnTrait],
        join: &Join,
    ) -> Result<Option<NodeId>> {
        let appended = |node: NodeId| self.plan.nodes[node].changes.inserts_only();
        if sides.left_keys.is_empty() || !appended(sides.left) || !appended(sides.right) {
            return Ok(None);
        }
        let rowtime = |of: &ColumnTrait| of.time == Some(TimeOrder::RowTime);
        let Some(Near { left_time, right_time, lower, upper, rest }) =
            self.near(join, sides, &[left, right].map(|of| of.iter().map(rowtime).collect()))?
        else {
            return Ok(None);
        };
        let residual = self.residual(join, sides, rest)?;
        let schema = Arc::new(self.output(sides, kind));
        let traits = self.both_traits(sides, kind, true);
        let spec = IntervalJoin {
            kind,
            left_keys: sides.left_keys.clone(),
            right_keys: sides.right_keys.clone(),
            left_time,
            right_time,
            lower,
            upper,
            residual,
            left_schema: Arc::clone(&self.plan.nodes[sides.left].schema),
            right_schema: Arc::clone(&self.plan.nodes[sides.right].schema),
            schema: Arc::clone(&schema),
        };
        Ok(Some(self.add(Node {
            operator: Operator::IntervalJoin(spec),
            inputs: Self::inputs(sides),
            schema,
            changes: Changes::INSERTS,
            upsert_keys: Vec::new(),
            traits,
            state: Some(State { what: "rows within the interval".into(), bound: Bound::Watermark }),
        })))
    }

    pub(super) fn both_traits(&self, sides: &Sides, kind: JoinKind, times: bool) -> Vec<ColumnTrait> {
        // Where there is no row there is no time and no window: what may be missing is a column like any other.
        let of_side = |node: NodeId, may_be_missing: bool| {
            let mut traits = self.plan.nodes[node].traits.clone();
            for of in traits.iter_mut().filter(|_| may_be_missing) {
                *of = ColumnTrait { time: of.time.filter(|time| *time == TimeOrder::ProcTime), window: None };
            }
            traits
        };
        let mut traits = of_side(sides.left, matches!(kind, JoinKind::Right | JoinKind::Full));
        if !matches!(kind, JoinKind::Semi | JoinKind::Anti) {
            let mut right = of_side(sides.right, matches!(kind, JoinKind::Left | JoinKind::Full));
            if times {
                // Windows of one form on both sides are two windows here.
                let form = |of: WindowColumn| (of.window, of.order);
                let known: Vec<_> = traits.iter().filter_map(|of| of.window.map(form)).collect();
                for of in &mut right {
                    of.window = of.window.filter(|window| !known.contains(&form(*window)));
                }
            }
            traits.extend(right);
        }
        if !times {
            for of in &mut traits {
                if of.window.is_none() {
                    of.time = None;
                }
            }
        }
        traits
    }

    fn regular_join(
        &mut self,
        join: &Join,
        kind: JoinKind,
        sides: &Sides,
        residual: Option<Arc<dyn Expression>>,
        left_aliases: &[String],
        right_aliases: &[String],
    ) -> Result<NodeId> {
        if join.null_aware && (sides.left_keys.len() != 1 || residual.is_some()) {
            return Err(SqlError::unsupported("NOT IN of a subquery that reads columns of the outer query")
                .hint("write NOT EXISTS (SELECT 1 FROM … WHERE …), if no NULLs are among the values"));
        }
        let (left_ttl, right_ttl) = (self.ttl(left_aliases), self.ttl(right_aliases));
        let (left, right) = (self.plan.nodes[sides.left].clone(), self.plan.nodes[sides.right].clone());
        let inner = matches!(kind, JoinKind::Inner | JoinKind::Semi);
        let changes = if inner { left.changes.and(right.changes) } else { Changes::ALL };
        let mut traits = self.both_traits(sides, kind, false);
        for of in &mut traits {
            // A regular join holds rows back for as long as it likes: their times bound nothing any more.
            of.time = of.time.filter(|time| *time == TimeOrder::ProcTime);
            of.window = None;
        }
        let schema = Arc::new(self.output(sides, kind));
        let left_unique = uniqueness(&left.upsert_keys, &sides.left_keys);
        let right_unique = uniqueness(&right.upsert_keys, &sides.right_keys);
        let upsert_keys = upsert_keys(kind, &left, &right, &left_unique, &right_unique);
        let ttl = left_ttl.zip(right_ttl).map(|(left, right)| left.max(right));
        let spec = RegularJoin {
            kind,
            left_keys: sides.left_keys.clone(),
            right_keys: sides.right_keys.clone(),
            null_equals_null: join.null_equality == NullEquality::NullEqualsNull,
            null_aware: join.null_aware,
            residual,
            left_schema: Arc::clone(&left.schema),
            right_schema: Arc::clone(&right.schema),
            left_unique,
            right_unique,
            left_ttl,
            right_ttl,
            update_before: false,
            schema: Arc::clone(&schema),
        };
        Ok(self.add(Node {
            operator: Operator::RegularJoin(spec),
            // NOT IN: one NULL on the right keeps every row out.
            inputs: if join.null_aware {
                [sides.left, sides.right].map(|node| Input { node, exchange: Exchange::Single }).to_vec()
            } else {
                Self::inputs(sides)
            },
            schema,
            changes,
            upsert_keys,
            traits,
            state: kept("every row of both sides", ttl),
        }))
    }
}

/// What is known of rows with one join key.
pub(super) fn uniqueness(keys: &[Vec<usize>], join: &[usize]) -> Uniqueness {
    if keys.iter().any(|key| key.iter().all(|column| join.contains(column))) {
        return Uniqueness::JoinKeyContainsUnique;
    }
    keys.iter().min_by_key(|key| key.len()).map_or(Uniqueness::None, |key| Uniqueness::HasKey(key.clone()))
}

pub(super) fn upsert_keys(
    kind: JoinKind,
    left: &Node,
    right: &Node,
    left_unique: &Uniqueness,
    right_unique: &Uniqueness,
) -> Vec<Vec<usize>> {
    let first = left.schema.fields().len();
    let moved: Vec<Vec<usize>> =
        right.upsert_keys.iter().map(|key| key.iter().map(|column| first + column).collect()).collect();
    let mut keys = Vec::new();
    match kind {
        JoinKind::Semi | JoinKind::Anti => return left.upsert_keys.clone(),
        JoinKind::Inner | JoinKind::Left | JoinKind::Right => {
            if *right_unique == Uniqueness::JoinKeyContainsUnique && kind != JoinKind::Right {
                keys.extend(left.upsert_keys.iter().cloned());
            }
            if *left_unique == Uniqueness::JoinKeyContainsUnique && kind != JoinKind::Left {
                keys.extend(moved.iter().cloned());
            }
        }
        JoinKind::Full => {}
    }
    if keys.is_empty()
        && let (Some(left), Some(right)) = (left.upsert_keys.first(), moved.first())
    {
        keys.push([left.as_slice(), right.as_slice()].concat());
    }
    keys
}

/// The windows' ends, if the keys hold both bounds of the same windows.
fn window_ends(left: &[ColumnTrait], right: &[ColumnTrait], sides: &Sides) -> Option<(usize, usize)> {
    let keys = || sides.left_keys.iter().copied().zip(sides.right_keys.iter().copied());
    let same =
        |(on_left, on_right): (usize, usize)| left[on_left].window.filter(|of| right[on_right].window == Some(*of));
    let has = |wanted: WindowColumn| keys().any(|key| same(key) == Some(wanted));
    let is_end = |of: WindowColumn| of.property == WindowProperty::End && has(of.bound(WindowProperty::Start));
    keys().find(|key| same(*key).is_some_and(is_end))
}
