//! Where UNNEST stands in FROM: it and what stands before it become one table of two, because its array is computed of their columns.

use datafusion_sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Join, JoinConstraint, JoinOperator, ObjectName,
    Select, SetExpr, Spanned, TableAlias, TableFactor, TableWithJoins,
};

use crate::error::{Result, SqlError};

/// `UNNEST(array) [WITH ORDINALITY] [AS alias]` in a FROM.
pub(crate) struct Unnested {
    pub(crate) arguments: Vec<FunctionArg>,
    pub(crate) ordinality: bool,
    pub(crate) alias: Option<TableAlias>,
}

/// The parts of a table that is UNNEST.
pub(crate) fn unnested(factor: &TableFactor) -> Option<Unnested> {
    let is_unnest = |name: &ObjectName| matches!(name.0.as_slice(), [part] if part.as_ident().is_some_and(|ident| ident.value.eq_ignore_ascii_case("UNNEST")));
    match factor {
        TableFactor::Table { name, alias, args: Some(args), with_ordinality, version: None, .. } if is_unnest(name) => {
            Some(Unnested { arguments: args.args.clone(), ordinality: *with_ordinality, alias: alias.clone() })
        }
        TableFactor::Function { name, args, with_ordinality, alias, .. } if is_unnest(name) => {
            Some(Unnested { arguments: args.clone(), ordinality: *with_ordinality, alias: alias.clone() })
        }
        TableFactor::TableFunction { expr: Expr::Function(function), alias } if is_unnest(&function.name) => {
            let FunctionArguments::List(list) = &function.args else { return None };
            Some(Unnested { arguments: list.args.clone(), ordinality: false, alias: alias.clone() })
        }
        _ => None,
    }
}

/// The one array of UNNEST.
pub(crate) fn array(arguments: &[FunctionArg]) -> Option<&Expr> {
    match arguments {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(array))] => Some(array),
        _ => None,
    }
}

/// Gathers the tables before each UNNEST of a query's SELECTs.
///
/// # Errors
/// UNNEST after a comma, with a join after it that keeps rows of the other side: it binds more closely, and its UNNEST would see no table.
pub(super) fn gathered(body: &mut SetExpr) -> Result<()> {
    match body {
        SetExpr::Select(select) => of_select(select),
        SetExpr::SetOperation { left, right, .. } => {
            gathered(left)?;
            gathered(right)
        }
        _ => Ok(()),
    }
}

fn of_select(select: &mut Select) -> Result<()> {
    let reaches = |index: usize| reaches_back(&select.from[..index], &select.from[index]);
    let gathers = |index: &usize| unnested(&select.from[*index].relation).is_some() || reaches(*index);
    let Some(last) = (0..select.from.len()).rev().find(gathers) else {
        select.from.iter_mut().for_each(nested);
        return Ok(());
    };
    // `a, b, UNNEST(…)` is a CROSS JOIN b CROSS JOIN UNNEST(…).
    let rest = select.from.split_off(last + 1);
    let mut tables = std::mem::take(&mut select.from).into_iter();
    let Some(mut all) = tables.next() else { return Ok(()) };
    for table in tables {
        let crossed =
            |relation| Join { relation, global: false, join_operator: JoinOperator::CrossJoin(JoinConstraint::None) };
        if unnested(&table.relation).is_some()
            && let Some(join) = table.joins.iter().find(|join| keeps_right(&join.join_operator))
        {
            return Err(SqlError::unsupported("a RIGHT or FULL JOIN of UNNEST behind a comma")
                .on(join.relation.span())
                .hint("write CROSS JOIN UNNEST(a) AS u (x) where the comma stands"));
        }
        if unnested(&table.relation).is_some()
            || table.joins.is_empty()
            || reaches_back(std::slice::from_ref(&all), &table)
        {
            all.joins.push(crossed(table.relation));
            all.joins.extend(table.joins);
        } else {
            all.joins.push(crossed(TableFactor::NestedJoin { table_with_joins: Box::new(table), alias: None }));
        }
    }
    select.from.push(all);
    select.from.extend(rest);
    select.from.iter_mut().for_each(nested);
    Ok(())
}

/// Whether an UNNEST among the joins of a table is of a column of a table before its comma, and may stand behind all of them.
fn reaches_back(before: &[TableWithJoins], table: &TableWithJoins) -> bool {
    let is = |factor: &TableFactor, wanted: &Ident| match factor {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            alias.name.value == wanted.value
        }
        TableFactor::Table { name, alias: None, .. } => {
            name.0.last().and_then(|part| part.as_ident()).is_some_and(|ident| ident.value == wanted.value)
        }
        _ => false,
    };
    let has = |table: &TableWithJoins, wanted: &Ident| {
        is(&table.relation, wanted) || table.joins.iter().any(|join| is(&join.relation, wanted))
    };
    let reaches = |join: &Join| {
        let of = unnested(&join.relation);
        match of.as_ref().and_then(|of| array(&of.arguments)) {
            Some(Expr::CompoundIdentifier(parts)) => {
                before.iter().any(|before| has(before, &parts[0])) && !has(table, &parts[0])
            }
            _ => false,
        }
    };
    table.joins.iter().any(reaches) && !table.joins.iter().any(|join| keeps_right(&join.join_operator))
}

/// Whether rows on the right come out that have no partner.
fn keeps_right(join: &JoinOperator) -> bool {
    matches!(
        join,
        JoinOperator::Right(_)
            | JoinOperator::RightOuter(_)
            | JoinOperator::FullOuter(_)
            | JoinOperator::RightSemi(_)
            | JoinOperator::RightAnti(_)
    )
}

/// `a JOIN b … CROSS JOIN UNNEST(x) … JOIN c`: what ends with UNNEST is one table.
fn nested(table: &mut TableWithJoins) {
    within(&mut table.relation);
    let mut before = Vec::new();
    for mut join in std::mem::take(&mut table.joins) {
        within(&mut join.relation);
        let gathers = unnested(&join.relation).is_some();
        before.push(join);
        if !gathers {
            continue;
        }
        let relation = std::mem::replace(&mut table.relation, nothing());
        let gathered = TableWithJoins { relation, joins: std::mem::take(&mut before) };
        table.relation = TableFactor::NestedJoin { table_with_joins: Box::new(gathered), alias: None };
    }
    table.joins = before;
}

/// Gives subqueries without an alias names, where they stand beside other tables: their columns are theirs, and of no table within them.
pub(super) fn told_apart(from: &mut [TableWithJoins]) {
    if !matches!(from, [table] if table.joins.is_empty())
        || matches!(from, [TableWithJoins { relation: TableFactor::NestedJoin { .. }, .. }])
    {
        let mut count = 0;
        from.iter_mut().for_each(|table| named(table, &mut count));
    }
}

fn named(table: &mut TableWithJoins, count: &mut usize) {
    let joined = table.joins.iter_mut().map(|join| &mut join.relation);
    for factor in std::iter::once(&mut table.relation).chain(joined) {
        match factor {
            TableFactor::Derived { alias: alias @ None, .. } => {
                *count += 1;
                let name = Ident::with_quote('`', format!("subquery {count}"));
                *alias = Some(TableAlias { explicit: false, name, columns: Vec::new(), at: None });
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => named(table_with_joins, count),
            _ => {}
        }
    }
}

fn within(factor: &mut TableFactor) {
    if let TableFactor::NestedJoin { table_with_joins, .. } = factor {
        nested(table_with_joins);
    }
}

/// What stands in a table's place while it is moved.
fn nothing() -> TableFactor {
    TableFactor::TableFunction { expr: Expr::Identifier(Ident::new("nothing")), alias: None }
}
