//! `filesystem`: a file, a glob or a folder, read as columns; a folder of parts, or one file, written exactly once.
//!
//! Yeoul's own options: `source.split-size`, `source.compression`, `sink.single-file`, `sink.overwrite`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{Field, Schema};
#[cfg(feature = "parquet")]
use yeoul_file::ParquetOptions;
use yeoul_file::source::SPLIT_SIZE;
use yeoul_file::{Compression, FileColumn, FileFact, FileSink, FileSource, OnMalformed, Roll, malformed_columns};
use yeoul_formats::columns::TextFormat;
use yeoul_formats::options::{OptionError, Options, nearest};
use yeoul_operator::{Accepts, NodeKind, TableDefinition, TableError, TableScan, TableSink, TableSource};

use crate::{refused, unfit};

/// When Flink's filesystem connector begins a new file.
const ROLL_BYTES: u64 = 128 << 20;
const ROLL_AGE: Duration = Duration::from_secs(30 * 60);
/// The format that is no text.
const PARQUET: &str = "parquet";
/// What Flink decompresses by name and Yeoul does not: it would be read as text.
const UNKNOWN_COMPRESSIONS: &[&str] = &[".bz2", ".xz", ".deflate"];

/// How a table's files are written.
enum Format {
    Text(TextFormat),
    #[cfg(feature = "parquet")]
    Parquet(ParquetOptions),
}

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
    let compression = compression(options, &path)?;
    sink_options(options)?;
    let columns = Columns::of(table, scan)?;
    let (make, schema, errors) = match format {
        Format::Text(format) => {
            let aside = scan.errors || format.forgives();
            let plan = format.plan(&columns.read, Some(&columns.projection), columns.used.as_deref());
            let plan = Arc::new(plan.map_err(|error| unfit(table, &error))?);
            let source = FileSource::columns(path, format, plan).map_err(|error| unfit(table, &error))?;
            let mut source = source.compression(compression).split_size(split).file_columns(columns.about);
            if aside {
                source = source.on_malformed(OnMalformed::SideOutput);
            }
            if let Some(interval) = watch {
                source = source.watch(interval);
            }
            (source.make(), Arc::clone(source.schema()), aside)
        }
        #[cfg(feature = "parquet")]
        Format::Parquet(_) => {
            if matches!(compression, Compression::Gzip | Compression::Zstd) {
                let known = "by-name or none for parquet, whose pages are compressed each by itself";
                return Err(refused(OptionError::value("source.compression", "gzip or zstd", known)));
            }
            let source = FileSource::parquet(path, &columns.read, Some(&columns.projection), columns.used.as_deref())
                .map_err(|error| unfit(table, &error))?;
            let mut source = source.split_size(split).file_columns(columns.about);
            if let Some(interval) = watch {
                source = source.watch(interval);
            }
            (source.make(), Arc::clone(source.schema()), scan.errors)
        }
    };
    let errors = errors.then(malformed_columns);
    Ok(TableSource { make, schema, errors, bounded: watch.is_none(), parallelism: None })
}

/// A table's columns: those in its files, and those about them.
struct Columns {
    /// In the files.
    read: Schema,
    /// Which of those are wanted, in which order.
    projection: Vec<usize>,
    /// Paths of those that are used.
    used: Option<Vec<Vec<String>>>,
    about: Vec<FileColumn>,
}

impl Columns {
    fn of(table: &TableDefinition, scan: &TableScan) -> Result<Self, TableError> {
        let fields = table.columns.fields();
        let mut facts = BTreeMap::new();
        for (&column, key) in &table.metadata {
            facts.insert(column, fact(&fields[column], key)?);
        }
        let read: Vec<usize> = (0..fields.len()).filter(|column| !facts.contains_key(column)).collect();
        let wanted = scan.projection.clone().unwrap_or_else(|| (0..fields.len()).collect());
        let (mut projection, mut about) = (Vec::new(), Vec::new());
        for (place, column) in wanted.into_iter().enumerate() {
            match facts.get(&column) {
                Some(&fact) => about.push(FileColumn { place, field: Arc::clone(&fields[column]), fact }),
                None => projection.extend(read.iter().position(|read| *read == column)),
            }
        }
        let is_read = |path: &Vec<String>| read.iter().any(|column| path.first() == Some(fields[*column].name()));
        let used = scan.used.as_ref().map(|used| used.iter().filter(|path| is_read(path)).cloned().collect());
        let read = Schema::new(read.into_iter().map(|column| Arc::clone(&fields[column])).collect::<Vec<_>>());
        Ok(Self { read, projection, used, about })
    }
}

/// What a metadata column says.
fn fact(field: &Field, key: &str) -> Result<FileFact, TableError> {
    let keys = FileFact::KEYS.map(|(key, _)| key);
    let fact = FileFact::of_key(key).ok_or_else(|| {
        TableError::new(format!("files have no metadata '{key}'"))
            .hint(format!("there are {}", keys.join(", ")))
            .column(field.name())
    })?;
    if *field.data_type() == fact.data_type() {
        return Ok(fact);
    }
    let name = match fact {
        FileFact::Path | FileFact::Name => "STRING",
        FileFact::Size => "BIGINT",
        FileFact::Modified => "TIMESTAMP_LTZ(3)",
    };
    Err(TableError::new(format!("the metadata column `{}` of '{key}' is not of type {name}", field.name()))
        .hint(format!("declare it as `{}` {name} NOT NULL METADATA FROM '{key}' VIRTUAL", field.name()))
        .column(field.name()))
}

fn compression(options: &mut Options<'_>, path: &str) -> Result<Compression, TableError> {
    let compressions = [
        ("by-name", Compression::ByName),
        ("none", Compression::Plain),
        ("gzip", Compression::Gzip),
        ("zstd", Compression::Zstd),
    ];
    let compression = options.choice("source.compression", &compressions, Compression::ByName).map_err(refused)?;
    if compression == Compression::ByName && UNKNOWN_COMPRESSIONS.iter().any(|end| path.ends_with(end)) {
        let known = "files as they are, and those of gzip and zstd; 'source.compression' = 'none' reads any as it is";
        return Err(refused(OptionError::value("path", path, known)));
    }
    Ok(compression)
}

pub(crate) fn sink(table: &TableDefinition, options: &mut Options<'_>) -> Result<TableSink, TableError> {
    let path = path(options)?;
    let format = format(options)?;
    // A table may be read and written: the options of the other side are there, too.
    for key in ["source.monitor-interval", "source.split-size", "source.compression"] {
        options.text(key);
    }
    let written = sink_options(options)?;
    match format {
        Format::Text(format) => text_sink(table, &path, format, &written),
        #[cfg(feature = "parquet")]
        Format::Parquet(format) => parquet_sink(table, &path, format, &written),
    }
}

fn text_sink(
    table: &TableDefinition,
    path: &str,
    format: TextFormat,
    written: &SinkOptions,
) -> Result<TableSink, TableError> {
    let sink = FileSink::columns(path, table.columns.clone(), format).map_err(|error| unfit(table, &error))?;
    let mut sink = sink.roll(written.roll);
    if let Some(instances) = written.parallelism {
        sink = sink.parallelism(instances);
    }
    if written.single {
        if path.ends_with('/') {
            let error = OptionError::value("path", path, "the path of a file, with 'sink.single-file' = 'true'");
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

/// Parts of one epoch each, whatever the sizes and ages: Flink, too, completes files of such formats at each checkpoint.
#[cfg(feature = "parquet")]
fn parquet_sink(
    table: &TableDefinition,
    path: &str,
    format: ParquetOptions,
    written: &SinkOptions,
) -> Result<TableSink, TableError> {
    if written.single {
        let known = "false for parquet: a file of it cannot be gone on with from epoch to epoch";
        return Err(refused(OptionError::value("sink.single-file", "true", known)));
    }
    let mut sink = FileSink::parquet(path, &table.columns, format).map_err(|error| unfit(table, &error))?;
    if let Some(instances) = written.parallelism {
        sink = sink.parallelism(instances);
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

fn format(options: &mut Options<'_>) -> Result<Format, TableError> {
    let name = options.required("format", "json").map_err(refused)?;
    if let Some(format) = TextFormat::from_options(name, options).map_err(refused)? {
        return Ok(Format::Text(format));
    }
    #[cfg(feature = "parquet")]
    if name == PARQUET {
        return Ok(Format::Parquet(ParquetOptions::from_options(options).map_err(refused)?));
    }
    let names: Vec<&str> =
        TextFormat::NAMES.iter().copied().chain(cfg!(feature = "parquet").then_some(PARQUET)).collect();
    let hint = match nearest(name, &names) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("there are {}", names.join(", ")),
    };
    Err(TableError::new(format!("there is no format '{name}'")).hint(hint).option("format"))
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
