//! Tables over connectors: the options of a `WITH` clause, read once into typed values, become sources and sinks of columns.
//!
//! Options have Flink's names. One that a connector does not have is refused, with the nearest that it has; so is a value that an
//! option does not take. Those of Flink's that would change what a job does and are not there yet are refused by name;
//! those that only tell Flink how to run are taken and do nothing, as docs/connectors.md lists.

mod blackhole;
mod datagen;
mod filesystem;
mod nexmark;
mod print;

use yeoul_formats::columns::UnfitColumns;
use yeoul_formats::options::{OptionError, Options, nearest};
use yeoul_operator::{TableConnectors, TableDefinition, TableError, TableScan, TableSink, TableSource};

/// All connectors.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::Arc;
/// use yeoul_operator::{TableConnectors, TableDefinition, TableScan};
///
/// let options = [("connector", "datagen"), ("number-of-rows", "10"), ("fields.id.kind", "sequence"), ("fields.id.start", "1"), ("fields.id.end", "100")];
/// let table = TableDefinition {
///     name: "numbers".to_owned(),
///     columns: Arc::new(arrow_schema::Schema::new(vec![arrow_schema::Field::new("id", arrow_schema::DataType::Int64, true)])),
///     metadata: BTreeMap::new(),
///     options: BTreeMap::from(options.map(|(key, value)| (key.to_owned(), value.to_owned()))),
/// };
/// let source = yeoul_tables::Connectors.source(&table, &TableScan::default())?;
/// assert!(source.bounded);
/// # Ok::<_, yeoul_operator::TableError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Connectors;

/// What `connector` can be.
const NAMES: &[&str] = &["blackhole", "datagen", "filesystem", "nexmark", "print"];

impl TableConnectors for Connectors {
    fn names(&self) -> Vec<&'static str> {
        NAMES.to_vec()
    }

    fn source(&self, table: &TableDefinition, scan: &TableScan) -> Result<TableSource, TableError> {
        let mut options = Options::new(&table.options);
        let connector = connector(table, &mut options)?;
        let source = match connector {
            "filesystem" => filesystem::source(table, scan, &mut options)?,
            "datagen" => datagen::source(table, scan, &mut options)?,
            "nexmark" => nexmark::source(table, scan, &mut options)?,
            _ => {
                return Err(wrong_way(table, connector, "be read", &["datagen", "filesystem", "nexmark"]));
            }
        };
        options.finish(&whose(connector)).map_err(refused)?;
        Ok(source)
    }

    fn sink(&self, table: &TableDefinition) -> Result<TableSink, TableError> {
        let mut options = Options::new(&table.options);
        let connector = connector(table, &mut options)?;
        let sink = match connector {
            "filesystem" => filesystem::sink(table, &mut options)?,
            "print" => print::sink(table, &mut options)?,
            "blackhole" => blackhole::sink(),
            _ => {
                return Err(wrong_way(table, connector, "be written to", &["blackhole", "filesystem", "print"]));
            }
        };
        options.finish(&whose(connector)).map_err(refused)?;
        Ok(sink)
    }
}

fn whose(connector: &str) -> String {
    format!("connector '{connector}'")
}

/// The connector that the table names.
fn connector<'a>(table: &TableDefinition, options: &mut Options<'a>) -> Result<&'a str, TableError> {
    const KEY: &str = "connector";
    let Some(name) = options.text(KEY) else {
        return Err(TableError::new(format!("table '{}' names no connector", table.name))
            .hint(format!("add 'connector' = '…' to its WITH clause: one of {}", NAMES.join(", "))));
    };
    if NAMES.contains(&name) {
        return Ok(name);
    }
    let hint = match nearest(name, NAMES) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("there are {}", NAMES.join(", ")),
    };
    Err(TableError::new(format!("there is no connector '{name}'")).hint(hint).option(KEY))
}

fn wrong_way(table: &TableDefinition, connector: &str, what: &str, others: &[&str]) -> TableError {
    TableError::new(format!("table '{}' cannot {what}: connector '{connector}' has no such side", table.name))
        .hint(format!("those that can {what} are {}", others.join(", ")))
        .option("connector")
}

/// An option that cannot be used, as an error of its table.
fn refused(error: OptionError) -> TableError {
    let refused = TableError::new(error.what).option(error.key);
    if error.hint.is_empty() { refused } else { refused.hint(error.hint) }
}

/// Columns that a format cannot carry, as an error of their table.
fn unfit(table: &TableDefinition, error: &UnfitColumns) -> TableError {
    let column = error.0.split('`').nth(1).map(str::to_owned);
    let refused = TableError::new(format!("table '{}': {error}", table.name));
    match column {
        Some(column) => refused.column(column),
        None => refused,
    }
}

/// Whether what stands at a path is used.
fn is_used(scan: &TableScan, path: &[String]) -> bool {
    scan.used.as_ref().is_none_or(|used| used.iter().any(|used| path.starts_with(used) || used.starts_with(path)))
}
