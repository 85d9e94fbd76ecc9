//! Bounds of one side's event time by the other's, from comparisons such as `a.t BETWEEN b.t - INTERVAL '1' HOUR AND b.t`.

use arrow_schema::{DataType, Schema, TimeUnit};
use datafusion_expr::expr::BinaryExpr;
use datafusion_expr::{Between, Expr, Operator};

use crate::expression::slot_of;
use crate::plan::interval_millis;

/// What is known of left time - right time, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    times: Option<(usize, usize)>,
    lower: Option<i64>,
    upper: Option<i64>,
}

impl Bounds {
    /// Takes a condition, if it is a bound. `width` is how many columns of `schema` are left; `is_time` says which are event times.
    pub(super) fn take(
        &mut self,
        condition: &Expr,
        width: usize,
        schema: &Schema,
        is_time: &dyn Fn(usize) -> bool,
    ) -> bool {
        match condition {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => self.compare(left, *op, right, width, schema, is_time),
            Expr::Between(Between { expr, negated: false, low, high }) => {
                let mut trial = Self { times: self.times, lower: self.lower, upper: self.upper };
                let taken = trial.compare(expr, Operator::GtEq, low, width, schema, is_time)
                    && trial.compare(expr, Operator::LtEq, high, width, schema, is_time);
                if taken {
                    *self = trial;
                }
                taken
            }
            _ => false,
        }
    }

    /// Both columns and both bounds, if all are known. The right column is counted after the left ones.
    pub(super) fn both(&self) -> Option<(usize, usize, i64, i64)> {
        let (left, right) = self.times?;
        Some((left, right, self.lower?, self.upper?))
    }

    fn compare(
        &mut self,
        a: &Expr,
        op: Operator,
        b: &Expr,
        width: usize,
        schema: &Schema,
        is_time: &dyn Fn(usize) -> bool,
    ) -> bool {
        let (Some((a, a_plus)), Some((b, b_plus))) = (moved(a, schema), moved(b, schema)) else { return false };
        if !is_time(a) || !is_time(b) || (a < width) == (b < width) {
            return false;
        }
        // a + a_plus op b + b_plus, so a - b op b_plus - a_plus.
        let difference = b_plus - a_plus;
        let (times, op, difference) =
            if a < width { ((a, b), op, difference) } else { ((b, a), turned(op), -difference) };
        if self.times.is_some_and(|known| known != times) {
            return false;
        }
        match op {
            Operator::GtEq => self.raise(difference),
            Operator::Gt => self.raise(difference + 1),
            Operator::LtEq => self.sink(difference),
            Operator::Lt => self.sink(difference - 1),
            Operator::Eq => {
                self.raise(difference);
                self.sink(difference);
            }
            _ => return false,
        }
        self.times = Some(times);
        true
    }

    fn raise(&mut self, to: i64) {
        self.lower = Some(self.lower.map_or(to, |lower| lower.max(to)));
    }

    fn sink(&mut self, to: i64) {
        self.upper = Some(self.upper.map_or(to, |upper| upper.min(to)));
    }
}

/// a op b, said from b.
fn turned(op: Operator) -> Operator {
    match op {
        Operator::Gt => Operator::Lt,
        Operator::GtEq => Operator::LtEq,
        Operator::Lt => Operator::Gt,
        Operator::LtEq => Operator::GtEq,
        other => other,
    }
}

/// A column plus so many milliseconds.
fn moved(expr: &Expr, schema: &Schema) -> Option<(usize, i64)> {
    if let Some(slot) = slot_of(expr) {
        return Some((slot, 0));
    }
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let ((column, plus), by) = (moved(left, schema)?, interval_millis(right)?);
            match op {
                Operator::Plus => Some((column, plus + by)),
                Operator::Minus => Some((column, plus - by)),
                _ => None,
            }
        }
        // A cast that changes nothing; one to DATE, say, makes equal what is not.
        Expr::Cast(cast) => {
            let (column, plus) = moved(&cast.expr, schema)?;
            let same = match (schema.fields().get(column)?.data_type(), cast.field.data_type()) {
                (DataType::Timestamp(from, from_zone), DataType::Timestamp(to, to_zone)) => {
                    [from, to].iter().all(|unit| **unit == TimeUnit::Millisecond)
                        && from_zone.is_some() == to_zone.is_some()
                }
                _ => false,
            };
            same.then_some((column, plus))
        }
        _ => None,
    }
}
