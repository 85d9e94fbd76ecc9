//! What tables may be declared as, and what is said of those that may not.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use yeoul_operator::{Accepts, TableConnectors, TableDefinition, TableError, TableScan, TableSink, TableSource};
use yeoul_tables::Connectors;

fn columns(fields: &[(&str, DataType)]) -> SchemaRef {
    Arc::new(Schema::new(fields.iter().map(|(name, t)| Field::new(*name, t.clone(), true)).collect::<Vec<_>>()))
}

fn table(columns: SchemaRef, options: &[(&str, &str)]) -> TableDefinition {
    let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    TableDefinition { name: "t".to_owned(), columns, metadata: BTreeMap::new(), options: BTreeMap::from_iter(options) }
}

fn numbers() -> SchemaRef {
    columns(&[("id", DataType::Int64), ("name", DataType::Utf8View)])
}

fn source(columns: SchemaRef, options: &[(&str, &str)]) -> Result<TableSource, TableError> {
    Connectors.source(&table(columns, options), &TableScan::default())
}

fn sink(columns: SchemaRef, options: &[(&str, &str)]) -> Result<TableSink, TableError> {
    Connectors.sink(&table(columns, options))
}

/// A source's error: the option or column that it points to, and what its text holds.
fn refuses(columns: SchemaRef, options: &[(&str, &str)], at: &str, texts: &[&str]) {
    let Err(error) = source(columns, options) else { panic!("{options:?} is taken") };
    assert_eq!(error.option.as_deref().or(error.column.as_deref()), Some(at), "{error}");
    texts.iter().for_each(|text| assert!(error.to_string().contains(text), "{text}: {error}"));
}

#[test]
fn what_is_misspelt_is_refused_with_what_is_near() {
    let files = |more: &[(&'static str, &'static str)]| -> Vec<(&'static str, &'static str)> {
        [&[("connector", "filesystem"), ("path", "data"), ("format", "json")], more].concat()
    };
    refuses(numbers(), &[("connector", "filesystm")], "connector", &["'filesystm'", "did you mean 'filesystem'?"]);
    refuses(numbers(), &[("connector", "kafka")], "connector", &["there are blackhole, datagen"]);
    refuses(numbers(), &[("connector", "print")], "connector", &["cannot be read", "nexmark"]);
    refuses(numbers(), &[("connector", "filesystem"), ("format", "json")], "path", &["is missing"]);
    refuses(numbers(), &[("connector", "filesystem"), ("path", "x")], "format", &["is missing"]);
    let odd = [("connector", "filesystem"), ("path", "x"), ("format", "jsn")];
    refuses(numbers(), &odd, "format", &["did you mean 'json'?"]);
    let odd = [("connector", "filesystem"), ("path", "s3://b/x"), ("format", "json")];
    refuses(numbers(), &odd, "path", &["no scheme 's3'"]);
    let key = "json.ignore-parse-error";
    refuses(numbers(), &files(&[(key, "true")]), key, &["did you mean 'json.ignore-parse-errors'?"]);
    refuses(numbers(), &files(&[("csv.field-delimiter", ";")]), "csv.field-delimiter", &["no option"]);
    let key = "source.monitor-interval";
    refuses(numbers(), &files(&[(key, "soon")]), key, &["'soon'", "a number and a unit"]);
    refuses(numbers(), &files(&[("source.split-size", "0")]), "source.split-size", &["at least one byte"]);
    let time = columns(&[("t", DataType::Time64(TimeUnit::Nanosecond))]);
    refuses(time, &files(&[]), "t", &["TIME(3)"]);
    // Types are named as the script does.
    let map_of = |of: DataType| {
        let entries = vec![Field::new("key", DataType::Utf8View, false), Field::new("value", of, true)];
        DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries.into()), false)), false)
    };
    let map = || columns(&[("m", map_of(DataType::BinaryView))]);
    refuses(map(), &[("connector", "datagen")], "m", &["`m` is of type MAP<STRING, BYTES>, which"]);
    refuses(map(), &files(&[]), "m", &["`m` is of type MAP<STRING, BYTES>, which"]);
    let Err(error) = sink(map(), &[("connector", "print")]) else { panic!("a MAP is printed") };
    assert!(error.to_string().contains("MAP<STRING, BYTES>") && error.to_string().contains("CAST"), "{error}");
    let rows = [("connector", "datagen"), ("fields.idd.kind", "sequence")];
    refuses(numbers(), &rows, "fields.idd.kind", &["did you mean 'fields.id.kind'?"]);
    let rows = [("connector", "datagen"), ("fields.id.kind", "sequence")];
    refuses(numbers(), &rows, "fields.id.start", &["is missing"]);
    let packed = [("connector", "filesystem"), ("path", "in/*.json.bz2"), ("format", "json")];
    refuses(numbers(), &packed, "path", &["'in/*.json.bz2'", "gzip and zstd"]);
    let key = "sink.rolling-policy.inactivity-interval";
    refuses(numbers(), &files(&[(key, "1 min")]), key, &["kept open for 1800s", "rollover-interval"]);
    refuses(numbers(), &files(&[("auto-compaction", "true")]), "auto-compaction", &["not there yet", "false"]);
    let key = "source.path.regex-pattern";
    refuses(numbers(), &files(&[(key, ".*")]), key, &["not there yet", "glob"]);
    let defaults = [("sink.rolling-policy.inactivity-interval", "30 min"), ("auto-compaction", "false")];
    assert!(source(numbers(), &files(&defaults)).is_ok());
    let price = || columns(&[("price", DataType::Decimal128(5, 2))]);
    let rows = [("connector", "datagen"), ("rows-per-second", "0")];
    refuses(numbers(), &rows, "rows-per-second", &["at least one row"]);
    let rows = [("connector", "datagen"), ("fields.price.max", "5000")];
    refuses(price(), &rows, "fields.price.max", &["'5000'", "DECIMAL(5, 2)"]);
    let bids = [("connector", "nexmark"), ("table", "bid")];
    refuses(numbers(), &bids, "id", &["none of a Bid's", "auction, bidder, price"]);
    let bids = [("connector", "nexmark"), ("keep-alive", "true")];
    refuses(columns(&[("event_type", DataType::Int32)]), &bids, "keep-alive", &["ends with its input"]);
    let error = source(numbers(), &[]).err().unwrap().to_string();
    assert!(error.contains("names no connector"), "{error}");
    let folder = [("connector", "filesystem"), ("path", "out/"), ("format", "csv"), ("sink.single-file", "true")];
    let error = sink(numbers(), &folder).err().unwrap().to_string();
    assert!(error.contains("'out/'") && error.contains("path of a file"), "{error}");
    let error = sink(numbers(), &[("connector", "datagen")]).err().unwrap().to_string();
    assert!(error.contains("cannot be written to"), "{error}");
    let row = columns(&[("r", DataType::Struct(vec![Field::new("x", DataType::Int64, true)].into()))]);
    let csv = [("connector", "filesystem"), ("path", "out"), ("format", "csv")];
    assert_eq!(sink(row, &csv).err().unwrap().column.as_deref(), Some("r"));
}

#[test]
fn a_script_written_for_flink_is_taken() {
    let bid = columns(&[("auction", DataType::Int64), ("price", DataType::Int64)]).fields().clone();
    let events = columns(&[("event_type", DataType::Int32), ("bid", DataType::Struct(bid))]);
    let options = [
        ("connector", "nexmark"),
        ("first-event.rate", "10000000"),
        ("next-event.rate", "10000000"),
        ("events.num", "100000000"),
        ("person.proportion", "1"),
        ("auction.proportion", "3"),
        ("bid.proportion", "46"),
        ("max-emit-speed", "true"),
        ("keep-alive", "false"),
        ("stop-at", "-1"),
        ("person.avg-size", "200b"),
    ];
    let nexmark = source(events.clone(), &options).unwrap();
    assert!(nexmark.bounded && nexmark.errors.is_none());
    assert_eq!(nexmark.schema, events);
    assert!(!source(events, &options[..1]).unwrap().bounded);

    let files = [
        ("connector", "filesystem"),
        ("path", "file:///data/in"),
        ("format", "csv"),
        ("csv.field-delimiter", ";"),
        ("csv.ignore-parse-errors", "true"),
        ("source.monitor-interval", "10 s"),
        ("sink.rolling-policy.file-size", "1MB"),
        ("sink.rolling-policy.rollover-interval", "1 min"),
    ];
    let files_source = source(numbers(), &files).unwrap();
    assert!(!files_source.bounded && files_source.errors.is_some());
    let files_sink = sink(numbers(), &files).unwrap();
    assert_eq!((files_sink.accepts, files_sink.parallelism), (Accepts::Inserts, None));
    let print = sink(numbers(), &[("connector", "print"), ("print-identifier", "out")]).unwrap();
    assert_eq!((print.accepts, print.parallelism), (Accepts::Changes, Some(1)));
    assert_eq!(sink(numbers(), &[("connector", "blackhole")]).unwrap().accepts, Accepts::Changes);

    let fields = numbers();
    let options = [
        ("connector", "datagen"),
        ("rows-per-second", "5"),
        ("fields.id.kind", "sequence"),
        ("fields.id.start", "1"),
        ("fields.id.end", "20"),
        ("fields.name.length", "10"),
        ("fields.name.null-rate", "0.5"),
    ];
    assert!(source(Arc::clone(&fields), &options).unwrap().bounded);
    let scan = TableScan { projection: Some(vec![1]), ..TableScan::default() };
    let names = Connectors.source(&table(fields, &options), &scan).unwrap();
    assert!(names.bounded, "the sequence ends the rows, whether or not it is read");
    assert_eq!(names.schema.field(0).name(), "name");
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_has_the_options_of_flink() {
    let files = |more: &[(&'static str, &'static str)]| -> Vec<(&'static str, &'static str)> {
        [&[("connector", "filesystem"), ("path", "data"), ("format", "parquet")], more].concat()
    };
    let taken = [
        ("parquet.compression", "zstd"),
        ("parquet.block.size", "134217728"),
        ("parquet.page.size", "1 mb"),
        ("parquet.enable.dictionary", "false"),
        ("parquet.timestamp.time.unit", "nanos"),
        ("parquet.utc-timezone", "true"),
        ("parquet.write.int64.timestamp", "true"),
        ("sink.rolling-policy.file-size", "1MB"),
    ];
    assert!(source(numbers(), &files(&taken)).is_ok() && sink(numbers(), &files(&taken)).is_ok());
    refuses(numbers(), &files(&[("parquet.compression", "BROTLI")]), "parquet.compression", &["'BROTLI'", "ZSTD"]);
    refuses(numbers(), &files(&[("parquet.utc-timezone", "false")]), "parquet.utc-timezone", &["UTC"]);
    refuses(numbers(), &files(&[("parquet.block.size", "0")]), "parquet.block.size", &["at least 64 KiB"]);
    // Each frame would be a row group, and there are at most 32,767 of them in a file.
    refuses(numbers(), &files(&[("parquet.block.size", "1 b")]), "parquet.block.size", &["'1 b'", "at least 64 KiB"]);
    refuses(numbers(), &files(&[("parquet.page.size", "0")]), "parquet.page.size", &["at least one byte"]);
    refuses(numbers(), &files(&[("parquet.comression", "zstd")]), "parquet.comression", &["parquet.compression"]);
    refuses(numbers(), &files(&[("source.compression", "gzip")]), "source.compression", &["each by itself"]);
    let odd = [("connector", "filesystem"), ("path", "x"), ("format", "parqet")];
    refuses(numbers(), &odd, "format", &["did you mean 'parquet'?"]);
    refuses(columns(&[("i", DataType::Duration(TimeUnit::Second))]), &files(&[]), "i", &["does not carry"]);
    let error = sink(numbers(), &files(&[("sink.single-file", "true")])).err().unwrap();
    assert_eq!(error.option.as_deref(), Some("sink.single-file"), "{error}");
    // What text has no form for.
    let nested = DataType::List(Arc::new(Field::new("item", numbers().field(0).data_type().clone(), true)));
    let nested = DataType::List(Arc::new(Field::new("item", nested, true)));
    assert!(sink(columns(&[("lists", nested)]), &files(&[])).is_ok());
}

#[test]
fn columns_about_the_file_have_their_types() {
    let definition = |data_type, key: &str| TableDefinition {
        metadata: BTreeMap::from([(0, key.to_owned())]),
        ..table(
            columns(&[("f", data_type), ("id", DataType::Int64)]),
            &[("connector", "filesystem"), ("path", "data"), ("format", "json")],
        )
    };
    let source = |table: &TableDefinition, projection: Option<Vec<usize>>| {
        Connectors.source(table, &TableScan { projection, ..TableScan::default() })
    };
    let name = definition(DataType::Utf8View, "file.name");
    assert_eq!(source(&name, None).unwrap().schema, name.columns);
    let names = |source: TableSource| source.schema.fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
    assert_eq!(names(source(&name, Some(vec![1, 0])).unwrap()), ["id", "f"]);
    assert_eq!(names(source(&name, Some(vec![0])).unwrap()), ["f"]);
    let wrong = |table: &TableDefinition, text: &str| {
        let error = source(table, None).err().unwrap();
        assert_eq!(error.column.as_deref(), Some("f"));
        assert!(error.to_string().contains(text), "{error}");
    };
    wrong(&definition(DataType::Int32, "file.size"), "is not of type BIGINT");
    wrong(&definition(DataType::Utf8View, "file.modification-time"), "TIMESTAMP_LTZ(3) NOT NULL METADATA");
    wrong(&definition(DataType::Utf8View, "file.owner"), "there are file.path, file.name");
}
