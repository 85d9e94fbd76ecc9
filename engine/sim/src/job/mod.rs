//! The workloads' jobs, as a program would write them: the real file source, the stream API, the real exactly-once file sink.

mod functions;
mod records;
mod streams;

use yeoul_operator::JobGraph;

use crate::setting::Setting;
use crate::workload::{Workload, event};

/// Where the main output goes.
pub(crate) const MAIN: &str = "out/main";
/// Where late records go.
pub(crate) const LATE: &str = "out/late";

/// The path of a source's file.
fn input_path(source: usize) -> String {
    format!("in/source-{source}.ndjson")
}

/// The input files of a workload.
pub(crate) fn inputs(workload: &Workload) -> Vec<(String, String)> {
    let files = workload.sources.iter().enumerate();
    files.map(|(source, events)| (input_path(source), event::ndjson(events))).collect()
}

/// The job's graph.
///
/// # Panics
/// If the graph is wrong, which is this module's mistake.
pub(crate) fn graph(workload: &Workload, setting: &Setting) -> JobGraph {
    streams::build(workload, setting).unwrap_or_else(|mistake| panic!("the job of {setting:?}: {mistake}"))
}

/// The last epoch of a finished part, by its name: `part-00001-e0000000003-0000000007.csv`.
pub(crate) fn epoch_of(path: &str) -> Option<u64> {
    let name = path.rsplit('/').next()?.strip_prefix("part-")?.strip_suffix(".csv")?;
    name.rsplit('-').next()?.parse().ok()
}
