//! The workloads' jobs, as a program would write them: the real file source, operators, the real exactly-once sinks.

pub(crate) mod by_hand;
pub(crate) mod folder;
pub(crate) mod records;

use yeoul_operator::JobGraph;

use crate::setting::Setting;
use crate::workload::{JobKind, Workload, event};

/// Where the input lies.
pub(crate) const INPUT: &str = "in";
/// Where the main output goes.
pub(crate) const MAIN: &str = "out/main";
/// Where late records go.
pub(crate) const LATE: &str = "out/late";

/// The path of a source's file.
pub(crate) fn input_path(source: usize) -> String {
    format!("{INPUT}/source-{source}.ndjson")
}

/// The input files of a workload.
pub(crate) fn inputs(workload: &Workload) -> Vec<(String, String)> {
    let files = workload.sources.iter().enumerate();
    files.map(|(source, events)| (input_path(source), event::ndjson(events))).collect()
}

/// The kinds that run.
pub(crate) const KINDS: [JobKind; 3] = [JobKind::WindowCount, JobKind::Sliding, JobKind::Union];

/// The job's graph.
pub(crate) fn graph(workload: &Workload, setting: &Setting) -> JobGraph {
    match workload.kind {
        JobKind::WindowCount | JobKind::Sliding | JobKind::Union => by_hand::windows(workload, setting),
        other => unreachable!("no job for {other} yet"),
    }
}
