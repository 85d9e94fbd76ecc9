//! `filesystem`: a file, a glob or a folder, read as columns; a folder of parts, or one file, written exactly once.
//!
//! Yeoul's own options: `source.split-size`, `source.compression`, `sink.single-file`, `sink.overwrite`.

use std::sync::Arc;
use std::time::Duration;

use yeoul_file::source::SPLIT_SIZE;
use yeoul_file::{Compression, FileSink, FileSource, OnMalformed, Roll, malformed_columns};
use yeoul_formats::columns::TextFormat;
use yeoul_formats::options::{OptionError, Options, nearest};
use yeoul_operator::{Accepts, NodeKind, TableDefinition, TableError, TableScan, TableSink, TableSource};

use crate::{refused, unfit};

/// When Flink's filesystem connector begins a new file.
const ROLL_BYTES: u64 = 128 << 20;
const ROLL_AGE: Duration = Duration::from_secs(30 * 60);
/// What Flink decompresses by name and Yeoul does not: it would be read as text.
const UNKNOWN_COMPRESSIONS: &[&str] = &[".bz2", ".xz", ".deflate"];

pub(crate) fn source(
    table: &TableDefinition,
    scan: &TableScan,
    options: &mut Options<'_>,
) -> Result<TableSource, TableError> {
    let path = path(options)?;
    let format = format(options)?;
    let watch = options.duration("source.monitor-interval").map_err(refused)?;
    let split = options.bytes("source.split-size").map_err(refused)?.unwrap_or(SPLIT_SIZE);
    if split == 0 {
        return Err(refused(OptionError::value("source.split-size", "0", "at least one byte")));
    }
    let compressions = [
        ("by-name", Compression::ByName),
        ("none", Compression::Plain),
        ("gzip", Compression::Gzip),
        ("zstd", Compression::Zstd),
    ];
    let compression = options.choice("source.compression", &compressions, Compression::ByName).map_err(refused)?;
    if compression == Compression::ByName && UNKNOWN_COMPRESSIONS.iter().any(|end| path.ends_with(end)) {
        let known = "files as they are, and those of gzip and zstd; 'source.compression' = 'none' reads any as it is";
        return Err(refused(OptionError::value("path", &path, known)));
    }
    sink_options(options)?;
    let aside = scan.errors || format.forgives();
    let plan = format.plan(&table.columns, scan.projection.as_deref(), scan.used.as_deref());
    let plan = Arc::new(plan.map_err(|error| unfit(table, &error))?);
    let schema = Arc::clone(plan.schema());
    let source = FileSource::columns(path, format, plan).map_err(|error| unfit(table, &error))?;
    let mut source = source.compression(compression).split_size(split);
    if aside {
        source = source.on_malformed(OnMalformed::SideOutput);
    }
    if let Some(interval) = watch {
        source = source.watch(interval);
    }
    let errors = aside.then(malformed_columns);
    Ok(TableSource { make: source.make(), schema, errors, bounded: watch.is_none(), parallelism: None })
}

pub(crate) fn sink(table: &TableDefinition, options: &mut Options<'_>) -> Result<TableSink, TableError> {
    let path = path(options)?;
    let format = format(options)?;
    // A table may be read and written: the options of the other side are there, too.
    for key in ["source.monitor-interval", "source.split-size", "source.compression"] {
        options.text(key);
    }
    let written = sink_options(options)?;
    let folder = path.ends_with('/');
    let sink = FileSink::columns(path.as_str(), table.columns.clone(), format).map_err(|error| unfit(table, &error))?;
    let mut sink = sink.roll(written.roll);
    if let Some(instances) = written.parallelism {
        sink = sink.parallelism(instances);
    }
    if written.single {
        if folder {
            let error = OptionError::value("path", &path, "the path of a file, with 'sink.single-file' = 'true'");
            return Err(refused(error));
        }
        sink = sink.single();
    }
    if written.overwrite {
        sink = sink.overwrite();
    }
    let kind = NodeKind::Sink { make: sink.make(), committer: sink.committer() };
    Ok(TableSink { kind, accepts: Accepts::Inserts, parallelism: sink.instances() })
}

struct SinkOptions {
    roll: Roll,
    parallelism: Option<u16>,
    single: bool,
    overwrite: bool,
}

fn sink_options(options: &mut Options<'_>) -> Result<SinkOptions, TableError> {
    let bytes = options.bytes("sink.rolling-policy.file-size").map_err(refused)?.unwrap_or(ROLL_BYTES);
    let age = options.duration("sink.rolling-policy.rollover-interval").map_err(refused)?.unwrap_or(ROLL_AGE);
    // Ages are looked at by the clock of the shard, not once an interval.
    options.duration("sink.rolling-policy.check-interval").map_err(refused)?;
    without_effect(options, age).map_err(refused)?;
    let parallelism = options.number_if_any::<u16>("sink.parallelism").map_err(refused)?;
    if parallelism == Some(0) {
        return Err(refused(OptionError::value("sink.parallelism", "0", "at least 1")));
    }
    Ok(SinkOptions {
        roll: Roll::BytesOrEvery(bytes, age),
        parallelism,
        single: options.flag("sink.single-file", false).map_err(refused)?,
        overwrite: options.flag("sink.overwrite", false).map_err(refused)?,
    })
}

/// Takes Flink's options that would change nothing, as far as their values are what is done anyhow.
fn without_effect(options: &mut Options<'_>, age: Duration) -> Result<(), OptionError> {
    const INACTIVITY: &str = "sink.rolling-policy.inactivity-interval";
    // A file that is complete after a time in any case is complete then without records, too.
    if let Some(inactivity) = options.duration(INACTIVITY)?.filter(|inactivity| *inactivity < age) {
        let what = format!("option '{INACTIVITY}' is {inactivity:?}, and a file is kept open for {age:?}");
        let hint = format!("set 'sink.rolling-policy.rollover-interval' = '{} ms'", inactivity.as_millis());
        return Err(OptionError { key: INACTIVITY.to_owned(), what, hint });
    }
    options.without_effect("auto-compaction", &["false"], "files stay as they are written")?;
    options.bytes("compaction.file-size")?;
    options.without_effect("sink.shuffle-by-partition.enable", &["false"], "there are no partitions")?;
    options.without_effect("partition.default-name", &[], "there are no partitions")?;
    options.without_effect("source.report-statistics", &["all", "none"], "a plan does not depend on statistics")?;
    let key = "source.path.regex-pattern";
    options.text(key).map_or(Ok(()), |_| {
        let what = format!("option '{key}' is not there yet");
        Err(OptionError { key: key.to_owned(), what, hint: "give the files by a glob in 'path'".to_owned() })
    })
}

/// A path, perhaps as Flink wants it, with its scheme: `file:/data`, `file:///data`.
fn path(options: &mut Options<'_>) -> Result<String, TableError> {
    let path = options.required("path", "data/events.ndjson").map_err(refused)?;
    let local = path.strip_prefix("file://").or_else(|| path.strip_prefix("file:")).unwrap_or(path);
    // What stands before `:/` is a scheme, if it has more than the one letter of a drive and is no folder.
    let scheme = local.split_once(":/").map(|(scheme, _)| scheme);
    match scheme.filter(|scheme| scheme.len() > 1 && !scheme.contains('/')) {
        Some(scheme) => {
            Err(TableError::new(format!("option 'path' is '{path}', and there is no scheme '{scheme}' yet"))
                .hint("give the path of a file, a folder or a glob on this machine")
                .option("path"))
        }
        None if local.is_empty() => Err(refused(OptionError::value("path", path, "a path"))),
        None => Ok(local.to_owned()),
    }
}

fn format(options: &mut Options<'_>) -> Result<TextFormat, TableError> {
    let name = options.required("format", "json").map_err(refused)?;
    let format = TextFormat::from_options(name, options).map_err(refused)?;
    format.ok_or_else(|| {
        let hint = match nearest(name, TextFormat::NAMES) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("there are {}", TextFormat::NAMES.join(", ")),
        };
        TableError::new(format!("there is no format '{name}'")).hint(hint).option("format")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_path_may_have_its_scheme() {
        let check = |given: &str, expected: Result<&str, &str>| {
            let given = BTreeMap::from([("path".to_owned(), given.to_owned())]);
            let found = path(&mut Options::new(&given)).map_err(|error| error.to_string());
            match (&found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{given:?}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{given:?}: {found}"),
                _ => panic!("{given:?}: {found:?}"),
            }
        };
        for (given, expected) in [
            ("/data/in", Ok("/data/in")),
            ("file:/data/in", Ok("/data/in")),
            ("file:///data/in", Ok("/data/in")),
            ("file://data/in", Ok("data/in")),
            ("data/a:b", Ok("data/a:b")),
            ("data/10:15/x", Ok("data/10:15/x")),
            ("a:b.csv", Ok("a:b.csv")),
            ("hdfs:/x", Err("no scheme 'hdfs'")),
            ("s3://b/x", Err("no scheme 's3'")),
            ("file:s3:/x", Err("no scheme 's3'")),
            ("file:", Err("a path")),
            ("", Err("a path")),
        ] {
            check(given, expected);
        }
    }
}
