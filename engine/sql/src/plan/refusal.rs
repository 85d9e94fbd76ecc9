//! Errors of ours through DataFusion, and errors of DataFusion's as ours.

use std::sync::LazyLock;

use datafusion_common::diagnostic::Diagnostic;
use datafusion_common::{DataFusionError, SchemaError};
use regex::{Captures, Regex};

use crate::error::{Position, SqlError, did_you_mean};

/// Carries an error of ours through DataFusion.
pub(super) fn refuse(error: SqlError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// An error of DataFusion's in our words, with its place if it has one.
pub(crate) fn explained(error: &DataFusionError) -> SqlError {
    match error {
        DataFusionError::External(inner) => match inner.downcast_ref::<SqlError>() {
            Some(ours) => ours.clone(),
            None => SqlError::new(inner.to_string()),
        },
        DataFusionError::Context(_, inner) => explained(inner),
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => explained(first),
            None => SqlError::new(error.to_string()),
        },
        DataFusionError::Shared(inner) => explained(inner),
        DataFusionError::Diagnostic(diagnostic, inner) => {
            let position = position(diagnostic);
            explained(inner).near(position)
        }
        DataFusionError::SchemaError(schema, _) => schema_error(schema),
        DataFusionError::Plan(text) | DataFusionError::NotImplemented(text) | DataFusionError::Execution(text) => {
            plain(text)
        }
        DataFusionError::ArrowError(arrow, _) => SqlError::new(crate::lex::lower_first(&arrow.to_string())),
        DataFusionError::SQL(parser, _) => SqlError::new(crate::lex::lower_first(&parser.to_string())),
        other => SqlError::new(crate::lex::lower_first(&other.strip_backtrace())),
    }
}

fn position(diagnostic: &Diagnostic) -> Option<Position> {
    diagnostic.span.map(|span| Position { line: span.start.line as usize, column: span.start.column as usize })
}

fn schema_error(error: &SchemaError) -> SqlError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let place = field
                .spans
                .first()
                .map(|span| Position { line: span.start.line as usize, column: span.start.column as usize });
            let known: Vec<&str> = valid_fields.iter().map(|column| column.name.as_str()).collect();
            if let Some(table) = &field.relation
                && !valid_fields.iter().any(|column| column.relation.as_ref() == Some(table))
            {
                let mut tables: Vec<&str> = valid_fields
                    .iter()
                    .filter_map(|column| column.relation.as_ref())
                    .map(|table| table.table())
                    .collect();
                tables.sort_unstable();
                tables.dedup();
                return SqlError::new(format!(
                    "there is no table '{table}' here, nor a column with the field '{}'",
                    field.name
                ))
                .near(place)
                .maybe_hint(did_you_mean(table.table(), tables));
            }
            SqlError::new(format!("there is no column '{}'", field.name))
                .near(place)
                .maybe_hint(did_you_mean(&field.name, known))
        }
        SchemaError::AmbiguousReference { field } => {
            let place = field
                .spans
                .first()
                .map(|span| Position { line: span.start.line as usize, column: span.start.column as usize });
            SqlError::new(format!("the column '{}' is in more than one table", field.name))
                .near(place)
                .hint(format!("put the table before it: t.{}", field.name))
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            SqlError::new(format!("two columns are named '{name}'")).hint("rename one of them with AS")
        }
    }
}

/// Cuts what DataFusion says about itself from a message.
fn plain(text: &str) -> SqlError {
    let text = text.split("\n\nbacktrace").next().unwrap_or_default().trim();
    let text = text.strip_prefix("Error during planning: ").unwrap_or(text);
    if let Some(rest) = text.strip_prefix("Invalid function '") {
        let name = rest.split('\'').next().unwrap_or_default();
        if name.eq_ignore_ascii_case("lead") || name.eq_ignore_ascii_case("ntile") {
            return SqlError::unsupported(format!("{} OVER", name.to_uppercase()))
                .hint("it would wait for rows to come: LAG(x, n) gives each row a row before it");
        }
        let known = crate::functions::names();
        if known.contains(&name.to_uppercase()) {
            // It is there, and not for this place.
            return SqlError::unsupported(format!("{} OVER", name.to_uppercase()))
                .hint("aggregate by GROUP BY, or take MAX, MIN or LAG OVER");
        }
        return SqlError::new(format!("there is no function '{}'", name.to_uppercase()))
            .maybe_hint(
                did_you_mean(&name.to_uppercase(), known.iter().map(String::as_str))
                    .filter(|hint| hint.starts_with("did")),
            )
            .hint("docs/sql.md lists the functions");
    }
    // What a function says of its types comes wrapped twice.
    if let Some((_, ours)) = text.split_once("External error: ") {
        let ours = ours.split(". No function matches").next().unwrap_or(ours);
        return match ours.split_once("\n  hint: ") {
            Some((message, hint)) => SqlError::new(message).hint(hint),
            None => SqlError::new(ours),
        };
    }
    if let Some((_, rest)) = text.split_once("column \"")
        && text.contains("must appear in the GROUP BY clause")
    {
        let name = rest.split('"').next().unwrap_or_default();
        let name = name.rsplit('.').next().unwrap_or(name);
        return SqlError::new(format!("the column '{name}' is neither grouped by nor aggregated"))
            .hint(format!("add it to GROUP BY, or aggregate it: MAX({name})"));
    }
    SqlError::new(crate::lex::lower_first(&in_sql(text)))
}

/// A message with literals as they are written and types by Flink's names.
fn in_sql(text: &str) -> String {
    static LITERAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r#"\b(?:U?Int(?:8|16|32|64)|Float(?:32|64)|Boolean|Utf8(?:View)?)\((NULL|"[^"]*"|-?[\w.]+)\)"#).ok()
    });
    static TYPE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"\b(?:Int(?:8|16|32|64)|Float(?:32|64)|Boolean|Utf8View|Utf8|Date32|Decimal128)\b").ok()
    });
    let (Some(literal), Some(of)) = (LITERAL.as_ref(), TYPE.as_ref()) else { return text.to_owned() };
    let text = literal.replace_all(text, |found: &Captures<'_>| found[1].replace('"', "'"));
    let text = of.replace_all(&text, |found: &Captures<'_>| match &found[0] {
        "Int8" => "TINYINT",
        "Int16" => "SMALLINT",
        "Int32" => "INT",
        "Int64" => "BIGINT",
        "Float32" => "FLOAT",
        "Float64" => "DOUBLE",
        "Boolean" => "BOOLEAN",
        "Date32" => "DATE",
        "Decimal128" => "DECIMAL",
        _ => "STRING",
    });
    text.into_owned()
}
