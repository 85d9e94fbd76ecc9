//! `print`: rows on standard output, as their epochs are committed.

use yeoul_formats::options::Options;
use yeoul_operator::{Accepts, NodeKind, TableDefinition, TableError, TableSink};
use yeoul_print::PrintColumns;

use crate::{refused, unfit};

pub(crate) fn sink(table: &TableDefinition, options: &mut Options<'_>) -> Result<TableSink, TableError> {
    let identifier = options.text("print-identifier").unwrap_or_default();
    let to_error = options.flag("standard-error", false).map_err(refused)?;
    // One instance prints, whatever is asked for: lines of several would mix.
    options.number_if_any::<u16>("sink.parallelism").map_err(refused)?;
    let print = PrintColumns::new(table.columns.clone()).map_err(|error| unfit(table, &error))?;
    let print = print.identifier(identifier).to_error(to_error);
    let kind = NodeKind::Sink { make: print.make(), committer: print.committer() };
    Ok(TableSink { kind, accepts: Accepts::Changes, parallelism: Some(1) })
}
