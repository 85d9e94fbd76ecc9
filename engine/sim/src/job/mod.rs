//! The workloads' jobs, as a program would write them: the real file source, the stream API, the real exactly-once file sink.

mod functions;
mod records;
mod streams;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use yeoul_operator::JobGraph;

use crate::setting::Setting;
use crate::visible::Part;
use crate::workload::{Event, Workload, event};

/// Where the main output goes.
pub(crate) const MAIN: &str = "out/main";
/// Where late records go.
pub(crate) const LATE: &str = "out/late";

/// The name of a single output file.
pub(crate) const SINGLE: &str = "all.csv";
/// Files of a watched source, one after the other.
const WAVES: usize = 3;

/// A file of the input: its path and its bytes.
pub(crate) type InputFile = (String, Vec<u8>);

/// What a source reads: a file, or a folder that is watched.
fn input_path(source: usize, setting: &Setting) -> String {
    if setting.watched { format!("in/source-{source}") } else { format!("in/source-{source}.{}", extension(setting)) }
}

fn extension(setting: &Setting) -> &'static str {
    match (setting.csv, setting.gzip) {
        (false, false) => "ndjson",
        (false, true) => "ndjson.gz",
        (true, false) => "csv",
        (true, true) => "csv.gz",
    }
}

/// The input files of a workload, in the order in which they come: all at once, or for a watched folder one after the other.
pub(crate) fn inputs(workload: &Workload, setting: &Setting) -> Vec<Vec<InputFile>> {
    let waves = if setting.watched { WAVES } else { 1 };
    let file = |source: usize, events: &[Event], wave: usize| {
        let path = input_path(source, setting);
        let path = if setting.watched { format!("{path}/part-{wave}.{}", extension(setting)) } else { path };
        let text = if setting.csv { event::csv(events) } else { event::ndjson(events) };
        (path, if setting.gzip { gzip(text.as_bytes()) } else { text.into_bytes() })
    };
    let wave = |wave: usize| {
        let cut = |events: &[Event], at: usize| events.len() * at / waves;
        let sources = workload.sources.iter().enumerate();
        sources.map(|(source, all)| file(source, &all[cut(all, wave)..cut(all, wave + 1)], wave)).collect()
    };
    (0..waves).map(wave).collect()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(text).and_then(|()| out.finish()).expect("memory takes all bytes")
}

/// The job's graph.
///
/// # Panics
/// If the graph is wrong, which is this module's mistake.
pub(crate) fn graph(workload: &Workload, setting: &Setting) -> JobGraph {
    streams::build(workload, setting).unwrap_or_else(|mistake| panic!("the job of {setting:?}: {mistake}"))
}

/// The instance, the first and the last epoch of a finished part, by its name: `part-00001-e0000000003-0000000007.csv`.
pub(crate) fn part_of(path: &str) -> Option<Part> {
    let name = path.rsplit('/').next()?;
    if name == SINGLE {
        return Some(Part { instance: 0, first: 0, last: 0 });
    }
    let (instance, epochs) = name.strip_prefix("part-")?.strip_suffix(".csv")?.split_once("-e")?;
    let (first, last) = epochs.split_once('-')?;
    Some(Part { instance: instance.parse().ok()?, first: first.parse().ok()?, last: last.parse().ok()? })
}
