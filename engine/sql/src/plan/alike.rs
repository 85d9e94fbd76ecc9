//! The type that values have which stand beside one another: compared, chosen between, or under one another in rows of VALUES and set
//! operations. It is Flink's least restrictive type where DataFusion has another: DOUBLE, if a DECIMAL stands beside a FLOAT or a DOUBLE.
//! Arguments of functions find theirs in `functions`.

use std::sync::Arc;

use arrow_schema::{DataType, Field};
use datafusion_common::tree_node::Transformed;
use datafusion_common::{Column, DFSchema, NullEquality, Result, ScalarValue};
use datafusion_expr::expr::{Between, BinaryExpr, Case, InList, InSubquery};
use datafusion_expr::expr_schema::cast_subquery;
use datafusion_expr::type_coercion::binary::{type_union_coercion, type_union_resolution};
use datafusion_expr::{Expr, ExprSchemable, Join, LogicalPlan, LogicalPlanBuilder, Operator, Values, cast};

use crate::types::makes_double;

/// An expression whose operands have their common type.
pub(super) fn operands(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { mut left, op, mut right }) if is_comparison(op) => {
            let changed = doubled(vec![&mut left, &mut right], schema)?;
            Transformed::new_transformed(Expr::BinaryExpr(BinaryExpr { left, op, right }), changed)
        }
        Expr::Between(Between { mut expr, negated, mut low, mut high }) => {
            let changed = doubled(vec![&mut expr, &mut low, &mut high], schema)?;
            Transformed::new_transformed(Expr::Between(Between { expr, negated, low, high }), changed)
        }
        Expr::InList(InList { mut expr, mut list, negated }) => {
            let changed = doubled(std::iter::once(expr.as_mut()).chain(&mut list).collect(), schema)?;
            Transformed::new_transformed(Expr::InList(InList { expr, list, negated }), changed)
        }
        Expr::Case(Case { expr: mut operand, mut when_then_expr, mut else_expr }) => {
            let mut changed = false;
            if let Some(operand) = operand.as_deref_mut() {
                let whens = when_then_expr.iter_mut().map(|(when, _)| when.as_mut());
                changed |= doubled(std::iter::once(operand).chain(whens).collect(), schema)?;
            }
            let thens = when_then_expr.iter_mut().map(|(_, then)| then.as_mut());
            changed |= of_one_type(thens.chain(else_expr.as_deref_mut()).collect(), schema)?;
            Transformed::new_transformed(Expr::Case(Case { expr: operand, when_then_expr, else_expr }), changed)
        }
        Expr::InSubquery(InSubquery { mut expr, mut subquery, negated }) => {
            let of = subquery.subquery.schema().field(0).data_type().clone();
            let changed = makes_double([&expr.get_type(schema)?, &of]);
            if changed {
                *expr = double(*expr);
                subquery = cast_subquery(subquery, &DataType::Float64)?;
            }
            Transformed::new_transformed(Expr::InSubquery(InSubquery { expr, subquery, negated }), changed)
        }
        other => Transformed::no(other),
    })
}

/// The join with keys of their common type.
pub(super) fn keys(mut join: Join) -> Result<Join> {
    for (left, right) in &mut join.on {
        if makes_double([&left.get_type(join.left.schema())?, &right.get_type(join.right.schema())?]) {
            *left = double(std::mem::take(left));
            *right = double(std::mem::take(right));
        }
    }
    Ok(join)
}

/// The plan with the columns of a UNION's branches, the sides of INTERSECT and EXCEPT, and the rows of VALUES of their common type.
pub(super) fn inputs(plan: LogicalPlan) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Union(mut union) => {
            let columns = union.schema.fields().len();
            let of = |index: usize| union.inputs.iter().map(move |input| input.schema().field(index).data_type());
            let wanted: Vec<bool> = (0..columns).map(|index| makes_double(of(index))).collect();
            for input in &mut union.inputs {
                *input = recast(input, &wanted)?;
            }
            // What the branches have may have changed since the union was made. What one of them leaves out may be NULL.
            let of = |index: usize| union.inputs.iter().map(move |input| input.schema().field(index));
            let fields = union.schema.iter().enumerate().map(|(index, (qualifier, field))| {
                let nullable = of(index).any(|field| field.is_nullable());
                let types = of(index).map(|field| field.data_type());
                let found = types.map(|of| Some(of.clone())).reduce(|a, b| type_union_coercion(&a?, &b?)).flatten();
                // If there is none, the planner says so.
                let found = found.unwrap_or_else(|| field.data_type().clone());
                let field = field.as_ref().clone().with_data_type(found).with_nullable(nullable);
                (qualifier.cloned(), Arc::new(field))
            });
            let schema = DFSchema::new_with_metadata(fields.collect(), union.schema.metadata().clone())?;
            union.schema = Arc::new(schema);
            Ok(LogicalPlan::Union(union))
        }
        LogicalPlan::Join(mut join) if join.null_equality == NullEquality::NullEqualsNull => {
            let of = |(left, right): (&Arc<Field>, &Arc<Field>)| makes_double([left.data_type(), right.data_type()]);
            let wanted: Vec<bool> =
                join.left.schema().fields().iter().zip(join.right.schema().fields()).map(of).collect();
            if wanted.contains(&true) {
                let named = |plan: &LogicalPlan| -> Vec<Column> { plan.schema().columns() };
                let before = [named(&join.left), named(&join.right)];
                join.left = recast(&join.left, &wanted)?;
                join.right = recast(&join.right, &wanted)?;
                let after = [named(&join.left), named(&join.right)];
                for (left, right) in &mut join.on {
                    for (side, key) in [left, right].into_iter().enumerate() {
                        if let Expr::Column(column) = key
                            && let Some(place) = before[side].iter().position(|known| known == column)
                        {
                            *key = Expr::Column(after[side][place].clone());
                        }
                    }
                }
            }
            Ok(LogicalPlan::Join(join))
        }
        other => Ok(other),
    }
}

/// The plan without the casts that the planner put to rows of VALUES: it took all whole numbers for BIGINT.
pub(super) fn bare(plan: LogicalPlan) -> LogicalPlan {
    let LogicalPlan::Values(mut values) = plan else { return plan };
    for value in values.values.iter_mut().flatten() {
        *value = match std::mem::take(value) {
            // A text that is cast is a literal of its own: a number with a point, a time.
            Expr::Cast(cast) if !is_text(&cast.expr) => *cast.expr,
            Expr::Literal(value, _) if value.is_null() => Expr::Literal(ScalarValue::Null, None),
            other => other,
        };
    }
    LogicalPlan::Values(values)
}

fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Utf8(_) | ScalarValue::Utf8View(_), _))
}

/// The rows of VALUES, with columns of their common type.
pub(super) fn rows(mut values: Values) -> Result<Values> {
    let none = DFSchema::empty();
    let mut fields = Vec::with_capacity(values.schema.fields().len());
    for (index, (qualifier, field)) in values.schema.iter().enumerate() {
        let types = values.values.iter().map(|row| row[index].get_type(&none)).collect::<Result<Vec<_>>>()?;
        let of = if makes_double(&types) { Some(DataType::Float64) } else { type_union_resolution(&types) };
        let of = of.filter(|of| *of != DataType::Null).unwrap_or_else(|| field.data_type().clone());
        let mut nullable = false;
        for row in &mut values.values {
            row[index] = match std::mem::take(&mut row[index]) {
                Expr::Literal(ScalarValue::Null, _) => Expr::Literal(ScalarValue::try_from(&of)?, None),
                value => value.cast_to(&of, &none)?,
            };
            nullable |= row[index].nullable(&none)?;
        }
        let field = field.as_ref().clone().with_data_type(of).with_nullable(nullable);
        fields.push((qualifier.cloned(), Arc::new(field)));
    }
    values.schema = Arc::new(DFSchema::new_with_metadata(fields, values.schema.metadata().clone())?);
    Ok(values)
}

/// The plan with these columns of it as DOUBLE.
fn recast(plan: &Arc<LogicalPlan>, wanted: &[bool]) -> Result<Arc<LogicalPlan>> {
    if !wanted.contains(&true) {
        return Ok(Arc::clone(plan));
    }
    let columns = plan.schema().iter().zip(wanted).map(|((qualifier, field), wanted)| {
        let column = Expr::Column((qualifier, field).into());
        if *wanted && *field.data_type() != DataType::Float64 {
            double(column).alias_qualified(qualifier.cloned(), field.name())
        } else {
            column
        }
    });
    let columns: Vec<Expr> = columns.collect();
    Ok(Arc::new(LogicalPlanBuilder::from(Arc::clone(plan)).project(columns)?.build()?))
}

/// Makes these DOUBLE, if that is their common type and DataFusion has another.
fn doubled(mut operands: Vec<&mut Expr>, schema: &DFSchema) -> Result<bool> {
    let types = operands.iter().map(|operand| operand.get_type(schema)).collect::<Result<Vec<_>>>()?;
    if !makes_double(&types) {
        return Ok(false);
    }
    for (operand, of) in operands.iter_mut().zip(&types) {
        if *of != DataType::Float64 {
            **operand = double(std::mem::take(*operand));
        }
    }
    Ok(true)
}

/// Makes numbers of one type: a branch may be all that is left of a CASE.
fn of_one_type(mut branches: Vec<&mut Expr>, schema: &DFSchema) -> Result<bool> {
    let types = branches.iter().map(|branch| branch.get_type(schema)).collect::<Result<Vec<_>>>()?;
    let numbers = types.iter().all(|of| of.is_numeric() || *of == DataType::Null);
    let of = if makes_double(&types) { Some(DataType::Float64) } else { type_union_resolution(&types) };
    let Some(of) = of.filter(|_| numbers) else { return Ok(false) };
    for branch in &mut branches {
        **branch = std::mem::take(*branch).cast_to(&of, schema)?;
    }
    Ok(types.iter().any(|before| *before != of))
}

fn double(expr: Expr) -> Expr {
    cast(expr, DataType::Float64)
}

fn is_comparison(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}
