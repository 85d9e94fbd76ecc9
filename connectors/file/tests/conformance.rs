//! Files keep the contract of sources and sinks, as the conformance tests of the DataStream API have it.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use yeoul_file::{FileSink, FileSource, OnMalformed};
use yeoul_frame::record;
use yeoul_stream::conformance::{SinkConformance, SourceConformance};

#[record]
#[derive(Debug, Clone, PartialEq)]
struct Reading {
    id: u64,
    celsius: f64,
}

fn readings(ids: std::ops::Range<u64>) -> Vec<Reading> {
    ids.map(|id| Reading { id, celsius: id as f64 / 4.0 }).collect()
}

/// A folder with these readings in two files, and something else in each.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, ids) in [("a.ndjson", 0..30), ("b.ndjson", 30..47)] {
        let lines = readings(ids).into_iter().map(|of| format!("{{\"id\":{},\"celsius\":{}}}\n", of.id, of.celsius));
        let text = lines.collect::<String>() + "{\"id\":\n";
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn path(folder: &Path) -> String {
    folder.to_str().expect("a folder for tests has a name in UTF-8").to_owned()
}

#[test]
fn a_folder_of_files_is_read_once() {
    for split_size in [100, 1 << 20] {
        let folder = folder();
        let from = path(folder.path());
        let source =
            move || FileSource::ndjson::<Reading>(&from).split_size(split_size).on_malformed(OnMalformed::SideOutput);
        SourceConformance::of(source).expecting(readings(0..47)).expecting_errors(2).run().unwrap();
    }
}

#[test]
fn a_watched_folder_is_read_once() {
    let folder = folder();
    let from = path(folder.path());
    let source = move || {
        let every = Duration::from_millis(5);
        FileSource::ndjson::<Reading>(&from).watch(every).on_malformed(OnMalformed::SideOutput)
    };
    SourceConformance::of(source).expecting(readings(0..47)).expecting_errors(2).never_ending().run().unwrap();
}

/// The readings in the files of a folder that can be seen.
fn visible(folder: &TempDir) -> Vec<Reading> {
    let entries = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap());
    let shown = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    let texts: Vec<_> = shown.map(|entry| std::fs::read_to_string(entry.path()).unwrap()).collect();
    let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| *line != "id,celsius");
    let columns = lines.map(|line| line.split_once(',').expect("two columns"));
    columns.map(|(id, celsius)| Reading { id: id.parse().unwrap(), celsius: celsius.parse().unwrap() }).collect()
}

#[test]
fn parts_show_each_epoch_once() {
    SinkConformance::of(|| tempfile::tempdir().unwrap(), |folder| FileSink::csv(path(folder.path())), visible)
        .writing(readings(0..40))
        // Parts of several instances are renamed one after another: a crash in between leaves an epoch in part until the job runs again.
        .whole_after_recovery()
        .run()
        .unwrap();
}

#[test]
fn parts_of_one_instance_show_each_epoch_in_whole() {
    let sink = |folder: &TempDir| FileSink::csv(path(folder.path())).parallelism(1);
    SinkConformance::of(|| tempfile::tempdir().unwrap(), sink, visible).writing(readings(0..40)).run().unwrap();
}
