//! From a declared table to one in the catalog: LIKE, keys, watermark, computed columns, options.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::{Expr, Volatility};
use datafusion_sql::sqlparser::ast::{BinaryOperator, Expr as SqlExpr, Value, ValueWithSpan};
use datafusion_sql::sqlparser::tokenizer::Location;

use crate::catalog::{Catalog, Column, ColumnSource, Entry, Table, Watermark};
use crate::connector::connector_of;
use crate::error::{Result, SqlError, did_you_mean};
use crate::plan;
use crate::settings::Settings;
use crate::statement::{ColumnKind, CreateTable, Feature, Like, Strategy};
use crate::types::SqlType;

/// The table that a statement declares.
///
/// # Errors
/// The first thing that does not hold together, with its place.
pub(crate) fn table(catalog: &Catalog, settings: &Settings, declared: &CreateTable) -> Result<Table> {
    let base = base(catalog, declared.like.as_ref())?;
    let mut columns = base.columns;
    if declared.columns.is_empty() && columns.is_empty() {
        return Err(SqlError::new(format!("the table '{}' has no columns", declared.name))
            .at(declared.name.location)
            .hint("declare them in parentheses: CREATE TABLE t (a INT) WITH (…)"));
    }
    for column in &declared.columns {
        if columns.iter().any(|known| known.name == column.name) {
            return Err(SqlError::new(format!(
                "the column '{}' is taken over by LIKE and declared again",
                column.name
            ))
            .at(column.location)
            .hint("leave one of the two out, for example with EXCLUDING GENERATED"));
        }
        let (of, source) = match &column.kind {
            ColumnKind::Physical(of) => (of.clone(), ColumnSource::Physical),
            ColumnKind::Metadata { of, key, virtual_column } => {
                let key = key.clone().unwrap_or_else(|| column.name.clone());
                (of.clone(), ColumnSource::Metadata { key, virtual_column: *virtual_column })
            }
            // Typed once all others are known.
            ColumnKind::Computed { .. } => continue,
        };
        columns.push(Column { name: column.name.clone(), of, comment: column.comment.clone(), source });
    }
    let stored = Table::schema_of(&columns.iter().filter(|column| !is_computed(column)).cloned().collect::<Vec<_>>());
    let mut ordered = columns
        .iter()
        .filter(|known| declared.columns.iter().all(|column| column.name != known.name))
        .cloned()
        .collect::<Vec<_>>();
    for column in &declared.columns {
        if let ColumnKind::Computed { expression, text } = &column.kind {
            let typed = plan::expression(settings, expression, &stored).map_err(|error| error.at(column.location))?;
            let (of, nullable) = plan::type_of(&typed, &stored)?;
            let of = SqlType::from_arrow(&of, nullable);
            let source = ColumnSource::Computed { expression: Box::new(typed), text: text.clone() };
            ordered.push(Column { name: column.name.clone(), of, comment: column.comment.clone(), source });
        } else if let Some(known) = columns.iter().find(|known| known.name == column.name) {
            ordered.push(known.clone());
        }
    }
    let mut columns = ordered;
    let primary_key = match &declared.primary_key {
        Some(_) if !base.primary_key.is_empty() => {
            return Err(SqlError::new("the primary key is taken over by LIKE and declared again")
                .at(declared.name.location)
                .hint("write LIKE … (EXCLUDING CONSTRAINTS)"));
        }
        Some(names) => {
            names.iter().map(|(name, location)| index_of(&columns, name, *location)).collect::<Result<Vec<_>>>()?
        }
        None => {
            base.primary_key.iter().filter_map(|name| columns.iter().position(|column| column.name == *name)).collect()
        }
    };
    for key in &primary_key {
        if is_computed(&columns[*key]) {
            return Err(SqlError::new(format!("the key column '{}' is computed", columns[*key].name))
                .at(declared.name.location)
                .hint("a primary key names columns of the record"));
        }
        columns[*key].of.nullable = false;
    }
    let watermark = match &declared.watermark {
        Some(declared) => Some(watermark(&columns, declared)?),
        None => base.watermark.and_then(|(name, delay, text)| {
            Some(Watermark { column: columns.iter().position(|column| column.name == name)?, delay, text })
        }),
    };
    if let Some(Watermark { column, .. }) = &watermark
        && let Column { name, source: ColumnSource::Computed { expression, .. }, .. } = &columns[*column]
        && let Some(function) = changing(expression)
    {
        // The source computes it to make watermarks, and the query again: the two would differ.
        let place = declared.columns.iter().find(|declared| declared.name == *name);
        return Err(SqlError::new(format!(
            "the event time '{name}' is computed with {}, which gives another value each time",
            function.to_uppercase()
        ))
        .at(place.map_or(declared.name.location, |column| column.location))
        .hint("compute it from the record's columns alone; a column AS PROCTIME() is a time without a WATERMARK"));
    }
    let mut partitioned_by = base.partitioned_by;
    if !declared.partitioned_by.is_empty() {
        partitioned_by.clear();
        for (name, location) in &declared.partitioned_by {
            index_of(&columns, name, *location)?;
            partitioned_by.push(name.clone());
        }
    }
    let mut options = base.options;
    for (key, value, _) in &declared.options {
        options.insert(key.clone(), value.clone());
    }
    let connector = connector_of(&options).map_err(|error| {
        let says = |word: &str| error.message().contains(&format!("'{word}'"));
        let by_key = declared.options.iter().find(|(key, ..)| says(key));
        let by_value = || {
            declared
                .options
                .iter()
                .find(|(key, value, _)| matches!(key.as_str(), "connector" | "format") && says(value))
        };
        let said = by_key.or_else(by_value);
        error.at(said.map_or(declared.name.location, |(.., location)| *location))
    })?;
    if connector.name == "filesystem" && !partitioned_by.is_empty() {
        let place = declared.partitioned_by.first().map_or(declared.name.location, |(_, location)| *location);
        return Err(SqlError::unsupported("PARTITIONED BY of a 'filesystem' table")
            .at(place)
            .hint("leave it out: all files stand in one folder; for a folder each, write a table each, with WHERE"));
    }
    for column in &columns {
        if let ColumnSource::Metadata { key, .. } = &column.source
            && !connector.metadata.contains(&key.as_str())
        {
            let place = declared.columns.iter().find(|declared| declared.name == column.name);
            return Err(SqlError::new(format!("the connector '{}' has no metadata '{key}'", connector.name))
                .at(place.map_or(declared.name.location, |column| column.location))
                .maybe_hint(did_you_mean(key, connector.metadata.iter().copied())));
        }
    }
    Ok(Table {
        name: declared.name.parts.last().cloned().unwrap_or_default(),
        temporary: declared.temporary,
        schema: Table::schema_of(&columns),
        columns,
        watermark,
        primary_key,
        comment: declared.comment.clone(),
        partitioned_by,
        options,
        connector,
        aside: None,
    })
}

/// A function in an expression whose value changes though its arguments do not.
fn changing(expression: &Expr) -> Option<String> {
    let mut found = None;
    let _ = expression.apply(|part| {
        if let Expr::ScalarFunction(call) = part
            && call.func.signature().volatility == Volatility::Volatile
        {
            found = Some(call.func.name().to_owned());
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

fn is_computed(column: &Column) -> bool {
    matches!(column.source, ColumnSource::Computed { .. })
}

fn index_of(columns: &[Column], name: &str, location: Location) -> Result<usize> {
    columns.iter().position(|column| column.name == name).ok_or_else(|| {
        SqlError::new(format!("the table has no column '{name}'"))
            .at(location)
            .maybe_hint(did_you_mean(name, columns.iter().map(|column| column.name.as_str())))
    })
}

/// `column` or `column - INTERVAL '…' unit`.
fn watermark(columns: &[Column], declared: &crate::statement::WatermarkDeclaration) -> Result<Watermark> {
    let [name] = declared.column.as_slice() else {
        return Err(SqlError::unsupported("a watermark on a field of a ROW")
            .at(declared.location)
            .hint("declare a computed column of the field: ts AS payload.ts"));
    };
    let column = index_of(columns, name, declared.location)?;
    let of = &columns[column].of;
    if !of.is_timestamp() {
        return Err(SqlError::new(format!("the watermark's column '{name}' is of type {of}"))
            .at(declared.location)
            .hint(
                "an event time is TIMESTAMP(3) or TIMESTAMP_LTZ(3); compute one with TO_TIMESTAMP or TO_TIMESTAMP_LTZ",
            ));
    }
    let delay = delay(name, &declared.expression).ok_or_else(|| {
        SqlError::unsupported(format!("the watermark {}", declared.text))
            .at(declared.location)
            .hint(format!("write WATERMARK FOR {name} AS {name} - INTERVAL '5' SECOND"))
    })?;
    if delay < 0 {
        return Err(SqlError::new(format!("the watermark of '{name}' is before its event time"))
            .at(declared.location)
            .hint("subtract an interval that is not negative"));
    }
    Ok(Watermark { column, delay, text: declared.text.clone() })
}

fn delay(name: &str, expression: &SqlExpr) -> Option<i64> {
    match expression {
        SqlExpr::Nested(inner) => delay(name, inner),
        SqlExpr::Identifier(ident) if ident.value == name => Some(0),
        SqlExpr::BinaryOp { left, op: BinaryOperator::Minus, right } => {
            let base = delay(name, left)?;
            let SqlExpr::Interval(interval) = right.as_ref() else { return None };
            let SqlExpr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) = interval.value.as_ref()
            else {
                return None;
            };
            // The rewriter has made milliseconds of it.
            Some(base + text.strip_suffix(" milliseconds")?.parse::<i64>().ok()?)
        }
        _ => None,
    }
}

/// What LIKE takes over.
#[derive(Default)]
struct Base {
    columns: Vec<Column>,
    primary_key: Vec<String>,
    watermark: Option<(String, i64, String)>,
    partitioned_by: Vec<String>,
    options: BTreeMap<String, String>,
}

fn base(catalog: &Catalog, like: Option<&Like>) -> Result<Base> {
    let Some(like) = like else { return Ok(Base::default()) };
    let source: Arc<Table> = match catalog.find(&like.source)? {
        Entry::Table(table) => Arc::clone(table),
        Entry::View(_) => {
            return Err(SqlError::new(format!("'{}' is a view", like.source))
                .at(like.source.location)
                .hint("LIKE takes a table"));
        }
    };
    let included = |feature: Feature| {
        let rule = |wanted: Feature| {
            like.rules.iter().rev().find(|(_, feature)| *feature == wanted).map(|(strategy, _)| *strategy)
        };
        rule(feature).or_else(|| rule(Feature::All)).is_none_or(|strategy| strategy != Strategy::Excluding)
    };
    let kept = |column: &&Column| match column.source {
        ColumnSource::Physical => true,
        ColumnSource::Metadata { .. } => included(Feature::Metadata),
        ColumnSource::Computed { .. } => included(Feature::Generated),
    };
    let mut base = Base { columns: source.columns.iter().filter(kept).cloned().collect(), ..Base::default() };
    if included(Feature::Constraints) {
        base.primary_key = source.primary_key.iter().map(|key| source.columns[*key].name.clone()).collect();
    }
    if included(Feature::Watermarks) {
        base.watermark = source
            .watermark
            .as_ref()
            .map(|watermark| (source.columns[watermark.column].name.clone(), watermark.delay, watermark.text.clone()));
    }
    if included(Feature::Partitions) {
        base.partitioned_by.clone_from(&source.partitioned_by);
    }
    if included(Feature::Options) {
        base.options.clone_from(&source.options);
    }
    Ok(base)
}
