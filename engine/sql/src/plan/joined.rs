//! What `USING`, `NATURAL` and `*` stand for, written out before the planner reads a query: they name columns that only the tables know.
//!
//! A common column is that of the side that has all rows, or the value of either side; `*` has common columns first, each once.
//! A column whose name another before it has gets one of its own. What does not plan by itself is left to the planner.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion_common::{DataFusionError, Result};
use datafusion_sql::planner::SqlToRel;
use datafusion_sql::sqlparser::ast::{
    BinaryOperator, Cte, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, OrderBy, OrderByKind, Query,
    Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement, TableFactor, TableWithJoins, Value,
    VisitMut, VisitorMut, With,
};
use datafusion_sql::sqlparser::parser::Parser;

use super::context::Context;
use crate::dialect::{FlinkDialect, call};
use crate::parse::apart;

/// Writes a query and its subqueries out. Gives why a join with common columns was left, if one was.
pub(super) fn written_out(context: &Context<'_>, query: &mut Query) -> Option<DataFusionError> {
    let mut writer = Writer { context, left: None };
    writer.of_query(query, &[]);
    writer.left
}

struct Writer<'a, 'c> {
    context: &'a Context<'c>,
    left: Option<DataFusionError>,
}

/// A column of FROM, as an expression.
#[derive(Clone)]
struct Column {
    name: String,
    expr: Expr,
    /// Whether it is of both sides of a join.
    common: bool,
}

impl Writer<'_, '_> {
    fn of_query(&mut self, query: &mut Query, scope: &[Cte]) {
        let mut scope = scope.to_vec();
        for cte in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            self.of_query(&mut cte.query, &scope);
            scope.retain(|known| known.alias.name.value != cte.alias.name.value);
            scope.push(cte.clone());
        }
        self.of_body(&mut query.body, query.order_by.as_mut(), &scope);
    }

    fn of_body(&mut self, body: &mut SetExpr, order_by: Option<&mut OrderBy>, scope: &[Cte]) {
        match body {
            SetExpr::Select(select) => {
                // Subqueries first: those of FROM, and those of expressions.
                let mut each = |query: &mut Query| self.of_query(query, scope);
                let _ = select.visit(&mut Subqueries { depth: 0, each: &mut each });
                self.of_select(select, order_by, scope);
            }
            SetExpr::Query(query) => self.of_query(query, scope),
            SetExpr::SetOperation { left, right, .. } => {
                self.of_body(left, None, scope);
                self.of_body(right, None, scope);
            }
            _ => {}
        }
    }

    fn of_select(&mut self, select: &mut Select, order_by: Option<&mut OrderBy>, scope: &[Cte]) {
        let is_wild = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
        let single = matches!(select.from.as_slice(), [table] if is_single(table));
        let wild = select.projection.iter().any(is_wild) && !(single && select.projection.len() == 1);
        let merges = select.from.iter().any(has_common);
        if !wild && !merges {
            return;
        }
        let mut from = select.from.clone();
        let columns = from.iter_mut().map(|table| match has_common(table) {
            true => merged(self.context, table, scope),
            false => read(self.context, table, scope),
        });
        match columns.collect::<Result<Vec<_>>>() {
            Ok(columns) => written(select, from, &columns.concat(), (wild, merges), order_by),
            Err(error) if merges => self.left = Some(error),
            Err(_) => {}
        }
    }
}

/// Visits the subqueries straight below.
struct Subqueries<'a> {
    depth: usize,
    each: &'a mut dyn FnMut(&mut Query),
}

impl VisitorMut for Subqueries<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if self.depth == 0 {
            (self.each)(query);
        }
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

/// Puts what its columns are into a SELECT that is `wild` or `merges`.
fn written(
    select: &mut Select,
    from: Vec<TableWithJoins>,
    columns: &[Column],
    (wild, merges): (bool, bool),
    order_by: Option<&mut OrderBy>,
) {
    if wild {
        let mut names = HashSet::new();
        let repeats = columns.iter().any(|column| !column.hidden() && !names.insert(&column.name));
        if merges || repeats || select.projection.len() > 1 {
            let items = std::mem::take(&mut select.projection);
            select.projection = items.into_iter().flat_map(|item| listed(item, columns)).collect();
        }
    }
    if merges {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(Expr::Identifier(ident)) = item {
                let (expr, alias) = (Expr::Identifier(ident.clone()), ident.clone());
                *item = SelectItem::ExprWithAlias { expr, alias };
            }
        }
        select.from = Vec::new();
        let _ = select.visit(&mut Named { depth: 0, columns });
        if let Some(order_by) = order_by
            && let OrderByKind::Expressions(exprs) = &mut order_by.kind
        {
            // A name of the select list comes before one of FROM.
            let selected: Vec<String> = select.projection.iter().filter_map(name_of).collect();
            let left: Vec<Column> = columns.iter().filter(|column| !selected.contains(&column.name)).cloned().collect();
            for by in exprs {
                let _ = by.expr.visit(&mut Named { depth: 0, columns: &left });
            }
        }
        select.from = from;
    }
    apart(&mut select.projection);
}

impl Column {
    /// Whether it is one side's of a common column: only its full name means it.
    fn hidden(&self) -> bool {
        self.name.is_empty()
    }
}

/// Puts common columns in the place of their bare names.
struct Named<'a> {
    depth: usize,
    columns: &'a [Column],
}

impl VisitorMut for Named<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::Identifier(ident) = expr
            && let Some(column) = self.columns.iter().find(|column| column.common && column.name == ident.value)
        {
            *expr = column.expr.clone();
        }
        ControlFlow::Continue(())
    }
}

fn is_single(table: &TableWithJoins) -> bool {
    table.joins.is_empty() && !matches!(table.relation, TableFactor::NestedJoin { .. })
}

fn constraint(operator: &mut JoinOperator) -> Option<(&mut JoinConstraint, Side)> {
    Some(match operator {
        JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (constraint, Side::Left),
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (constraint, Side::Left),
        JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => (constraint, Side::Right),
        JoinOperator::FullOuter(constraint) => (constraint, Side::Either),
        _ => return None,
    })
}

/// Which side of a join has the common column's value in each row.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
    Either,
}

fn has_common(table: &TableWithJoins) -> bool {
    let nested = |factor: &TableFactor| matches!(factor, TableFactor::NestedJoin { table_with_joins, .. } if has_common(table_with_joins));
    let common = |join: &Join| {
        let mut operator = join.join_operator.clone();
        let constraint = constraint(&mut operator);
        matches!(constraint, Some((JoinConstraint::Using(_) | JoinConstraint::Natural, _))) || nested(&join.relation)
    };
    nested(&table.relation) || table.joins.iter().any(common)
}

/// The columns of a table with joins, and the joins with conditions in the place of USING and NATURAL.
fn merged(context: &Context<'_>, table: &mut TableWithJoins, scope: &[Cte]) -> Result<Vec<Column>> {
    let TableWithJoins { relation, joins } = table;
    let mut columns = factor(context, relation, scope)?;
    for index in 0..joins.len() {
        let (before, rest) = joins.split_at_mut(index);
        let join = &mut rest[0];
        let right = match factor(context, &mut join.relation, scope) {
            Err(alone) => beside(context, relation, before, &join.relation, scope).map_err(|_| alone)?,
            found => found?,
        };
        let Some((constraint, side)) = constraint(&mut join.join_operator) else {
            columns.extend(right);
            continue;
        };
        let names: Vec<String> = match constraint {
            JoinConstraint::Using(names) => {
                let last = |name: &ObjectName| name.0.last()?.as_ident().map(|ident| ident.value.clone());
                names.iter().filter_map(last).collect()
            }
            JoinConstraint::Natural => columns
                .iter()
                .filter(|left| !left.hidden() && right.iter().any(|right| right.name == left.name))
                .map(|left| left.name.clone())
                .collect(),
            JoinConstraint::On(on) => {
                let _ = on.visit(&mut Named { depth: 0, columns: &columns });
                columns.extend(right);
                continue;
            }
            JoinConstraint::None => {
                columns.extend(right);
                continue;
            }
        };
        let mut common = Vec::new();
        let mut on: Option<Expr> = None;
        let (mut lefts, mut rights) = (columns, right);
        for name in names {
            let (left, right) = (one(&mut lefts, &name)?, one(&mut rights, &name)?);
            let equal =
                Expr::BinaryOp { left: Box::new(left.clone()), op: BinaryOperator::Eq, right: Box::new(right.clone()) };
            on = Some(match on {
                None => equal,
                Some(on) => Expr::BinaryOp { left: Box::new(on), op: BinaryOperator::And, right: Box::new(equal) },
            });
            let expr = match side {
                Side::Left => left,
                Side::Right => right,
                Side::Either => call("coalesce", vec![left, right]),
            };
            common.push(Column { name, expr, common: true });
        }
        *constraint = JoinConstraint::On(on.unwrap_or_else(|| Expr::value(Value::Boolean(true))));
        columns = common;
        columns.append(&mut lefts);
        columns.append(&mut rights);
    }
    Ok(columns)
}

/// Takes the one column of this name; it stays under its full name.
fn one(columns: &mut [Column], name: &str) -> Result<Expr> {
    let mut found = columns.iter_mut().filter(|column| column.name == name);
    match (found.next(), found.next()) {
        (Some(column), None) => {
            column.name.clear();
            let expr = column.expr.clone();
            if std::mem::take(&mut column.common) {
                column.expr = Expr::value(Value::Null);
            }
            Ok(expr)
        }
        _ => datafusion_common::plan_err!("the column '{name}' of USING is not in both tables"),
    }
}

fn factor(context: &Context<'_>, factor: &mut TableFactor, scope: &[Cte]) -> Result<Vec<Column>> {
    match factor {
        TableFactor::NestedJoin { table_with_joins, alias: None } => merged(context, table_with_joins, scope),
        other => read(context, &TableWithJoins { relation: other.clone(), joins: Vec::new() }, scope),
    }
}

/// The columns of a part of FROM that reads those of tables before it.
fn beside(
    context: &Context<'_>,
    relation: &TableFactor,
    joins: &[Join],
    factor: &TableFactor,
    scope: &[Cte],
) -> Result<Vec<Column>> {
    let mut all = TableWithJoins { relation: relation.clone(), joins: joins.to_vec() };
    let before = read(context, &all, scope)?.len();
    let join_operator = JoinOperator::CrossJoin(JoinConstraint::None);
    all.joins.push(Join { relation: factor.clone(), global: false, join_operator });
    let relation = TableFactor::NestedJoin { table_with_joins: Box::new(all), alias: None };
    let mut columns = read(context, &TableWithJoins { relation, joins: Vec::new() }, scope)?;
    Ok(columns.split_off(before.min(columns.len())))
}

/// The columns that a part of FROM has by itself.
fn read(context: &Context<'_>, table: &TableWithJoins, scope: &[Cte]) -> Result<Vec<Column>> {
    let parsed = Parser::parse_sql(&FlinkDialect, "WITH w AS (SELECT 1) SELECT * FROM w")?.pop();
    let Some(Statement::Query(mut query)) = parsed else {
        return datafusion_common::internal_err!("a query of all columns");
    };
    match query.with.take() {
        Some(with) if !scope.is_empty() => query.with = Some(With { cte_tables: scope.to_vec(), ..with }),
        _ => {}
    }
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.from = vec![table.clone()];
    }
    let plan = SqlToRel::new_with_options(context, super::options()).sql_statement_to_plan(Statement::Query(query))?;
    let quoted = |name: &str| Ident::with_quote('`', name);
    let column =
        |(qualifier, field): (Option<&datafusion_common::TableReference>, &std::sync::Arc<arrow_schema::Field>)| {
            let expr = match qualifier {
                Some(table) => Expr::CompoundIdentifier(vec![quoted(table.table()), quoted(field.name())]),
                None => Expr::Identifier(quoted(field.name())),
            };
            Column { name: field.name().clone(), expr, common: false }
        };
    Ok(plan.schema().iter().map(column).collect())
}

/// What an item of a select list stands for.
fn listed(item: SelectItem, columns: &[Column]) -> Vec<SelectItem> {
    let item_of = |column: &Column| match &column.expr {
        Expr::CompoundIdentifier(_) | Expr::Identifier(_) => SelectItem::UnnamedExpr(column.expr.clone()),
        expr => SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('`', &column.name) },
    };
    match &item {
        SelectItem::Wildcard(_) => columns.iter().filter(|column| !column.hidden()).map(item_of).collect(),
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
            let Some(table) = name.0.last().and_then(|part| part.as_ident()) else { return vec![item] };
            let of_table = |column: &&Column| {
                !column.common
                    && matches!(&column.expr, Expr::CompoundIdentifier(parts) if parts[0].value == table.value)
            };
            let items: Vec<SelectItem> = columns.iter().filter(of_table).map(item_of).collect();
            if items.is_empty() { vec![item] } else { items }
        }
        _ => vec![item],
    }
}

fn name_of(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(ident.value.clone()),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(idents)) => idents.last().map(|ident| ident.value.clone()),
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        _ => None,
    }
}
