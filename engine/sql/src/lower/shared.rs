//! Calls that stand several times in a filter and a projection: each is computed once, as a column before them.
//!
//! Only calls that cannot fail: a column is computed for rows too for which a CASE would not have come to the call.

use std::collections::HashMap;

use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_expr::Expr;

use super::stream::{shifted, slots_of};
use crate::error::Result;
use crate::expression::{slot, slot_of};
use crate::functions::{never_fails, row};
use crate::plan::explained;

/// A call that is worth a column, and may be computed for any row.
fn may_be_shared(expr: &Expr) -> bool {
    let Expr::ScalarFunction(call) = expr else { return false };
    never_fails(call.func.name()) && row::field_of(expr).is_none() && call.args.iter().all(is_harmless)
}

fn is_harmless(expr: &Expr) -> bool {
    slot_of(expr).is_some()
        || matches!(expr, Expr::Literal(..))
        || row::field_of(expr).is_some_and(|(of, _)| is_harmless(of))
        || may_be_shared(expr)
}

/// How often a call stands in filters, and how often in all.
#[derive(Default, Clone, Copy)]
struct Uses {
    in_filters: usize,
    all: usize,
}

/// Takes calls out of filters and a projection that stand there more than once, and puts slots from `next` on in their place. With
/// filters, only such as one of them needs. The largest go first: what stands only within them is no call of its own any more.
pub(super) fn take_out(filters: &mut [Expr], projection: &mut [Expr], next: usize) -> Result<Vec<Expr>> {
    let mut taken = Vec::new();
    loop {
        let mut uses: HashMap<Expr, Uses> = HashMap::new();
        for (exprs, is_filter) in [(&*filters, true), (&*projection, false)] {
            for expr in exprs {
                let _ = expr.apply(|part| {
                    if may_be_shared(part) {
                        let uses = uses.entry(part.clone()).or_default();
                        uses.all += 1;
                        uses.in_filters += usize::from(is_filter);
                    }
                    Ok(TreeNodeRecursion::Continue)
                });
            }
        }
        let wanted = |uses: &Uses| uses.all > 1 && (filters.is_empty() || uses.in_filters > 0);
        // By its text where two are as large: the plan is the same each time.
        let largest = uses.into_iter().filter(|(_, uses)| wanted(uses)).map(|(call, _)| (call.to_string(), call));
        let Some((_, call)) = largest.max_by_key(|(text, _)| (text.len(), text.clone())) else { return Ok(taken) };
        let place = slot(next + taken.len());
        for expr in filters.iter_mut().chain(&mut *projection) {
            let replaced = expr.clone().transform_down(|part| {
                let found = part == call;
                Ok(if found {
                    Transformed::new(place.clone(), true, TreeNodeRecursion::Jump)
                } else {
                    Transformed::no(part)
                })
            });
            *expr = replaced.map_err(|error| explained(&error))?.data;
        }
        taken.push(call);
    }
}

/// The slots that any of these read, in order, each once.
pub(super) fn read_by<'e>(exprs: impl Iterator<Item = &'e Expr>) -> Vec<usize> {
    let mut read: Vec<usize> = exprs.flat_map(slots_of).collect();
    read.sort_unstable();
    read.dedup();
    read
}

/// Expressions over a node that gives only these slots, in this order.
pub(super) fn over(exprs: &mut [Expr], kept: &[usize]) -> Result<()> {
    for expr in exprs {
        *expr = shifted(expr, &|index| kept.binary_search(&index).unwrap_or(index))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use datafusion_expr::{col, lit};

    use super::*;
    use crate::functions::scalar;

    fn call(name: &str, args: Vec<Expr>) -> Expr {
        scalar(name).unwrap().call(args)
    }

    #[test]
    fn the_largest_calls_that_stand_twice_and_cannot_fail_are_taken_out() {
        let check = |filters: &[Expr], projection: &[Expr], expected: &[&str], left: &[&str]| {
            let (mut filters, mut projection) = (filters.to_vec(), projection.to_vec());
            let taken = take_out(&mut filters, &mut projection, 9).unwrap();
            assert_eq!(taken.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
            let rest: Vec<String> = filters.iter().chain(&projection).map(ToString::to_string).collect();
            assert_eq!(rest, left);
        };
        let lower = || call("lower", vec![slot(1)]);
        let upper = || call("upper", vec![lower()]);
        check(&[], &[lower()], &[], &["lower($1)"]);
        check(&[], &[lower(), lower().eq(lit("x"))], &["lower($1)"], &["$9", "$9 = Utf8(\"x\")"]);
        check(&[], &[upper(), upper()], &["upper(lower($1))"], &["$9", "$9"]);
        check(
            &[],
            &[upper(), upper(), lower(), lower()],
            &["upper(lower($1))", "lower($1)"],
            &["$9", "$9", "$10", "$10"],
        );
        // Only in the projection: that is for after the filter.
        check(&[slot(0)], &[lower(), lower()], &[], &["$0", "lower($1)", "lower($1)"]);
        check(&[lower().eq(lit("x"))], &[lower()], &["lower($1)"], &["$9 = Utf8(\"x\")", "$9"]);
        // What may fail is computed where it stands.
        let failing = || call("json_value", vec![slot(1), lit("$.a")]);
        check(
            &[],
            &[failing(), failing(), col("$1")],
            &[],
            &["json_value($1, Utf8(\"$.a\"))"; 2].into_iter().chain(["$1"]).collect::<Vec<_>>(),
        );
    }
}
