//! Whole jobs from tables to tables.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use yeoul_nexmark::model::Kind;
use yeoul_nexmark::{Events, schema};
use yeoul_operator::{
    Chaining, ERROR_OUTPUT, InputId, JobGraph, Node, NodeKind, OutputId, Partitioning, Services, TableConnectors,
    TableDefinition, TableScan, WatermarkSpec,
};
use yeoul_runtime::{JobConfig, Outcome, RestartStrategy, spawn};
use yeoul_tables::Connectors;

fn table(columns: SchemaRef, options: &[(&str, &str)]) -> TableDefinition {
    let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    TableDefinition { name: "t".to_owned(), columns, metadata: BTreeMap::new(), options: BTreeMap::from_iter(options) }
}

/// Copies one table to another, and its malformed records to a third.
fn copy(from: &TableDefinition, scan: &TableScan, to: &TableDefinition, errors: Option<&TableDefinition>, shards: u16) {
    let node = |uid: &str, parallelism, kind: NodeKind| {
        let (uid, name) = (uid.to_owned(), uid.to_owned());
        Node { uid, name, parallelism, chaining: Chaining::Always, kind }
    };
    let mut graph = JobGraph { name: "copy".to_owned(), ..JobGraph::default() };
    let source = Connectors.source(from, scan).unwrap();
    let sink = Connectors.sink(&TableDefinition { columns: source.schema.clone(), ..to.clone() }).unwrap();
    let (wanted, errors_schema) = (source.parallelism, source.errors.clone());
    let read = graph.add(node("read", wanted, source.node(WatermarkSpec::default())));
    let write = graph.add(node("write", sink.parallelism, sink.kind));
    let partitioning = if sink.parallelism.is_some() { Partitioning::Global } else { Partitioning::Forward };
    graph.connect(read, OutputId::MAIN, write, InputId(0), partitioning);
    if let Some(errors) = errors {
        let columns = errors_schema.expect("the source has an error output");
        let sink = Connectors.sink(&TableDefinition { columns, ..errors.clone() }).unwrap();
        let aside = graph.add(node("aside", Some(1), sink.kind));
        graph.connect(read, ERROR_OUTPUT, aside, InputId(0), Partitioning::Global);
    }
    let config = JobConfig { shards, restart: RestartStrategy::None, ..JobConfig::default() };
    assert_eq!(spawn(graph, config, Services::default()).wait().unwrap(), Outcome::Finished);
}

/// All lines of a folder's files, sorted.
fn lines(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let texts: Vec<String> = files.map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let mut lines: Vec<String> = texts.iter().flat_map(|text| text.lines()).map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn bids_go_to_files_and_back_on_any_number_of_shards() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let bids = || schema(Events::Only(Kind::Bid));
    let mut found = Vec::new();
    for shards in [1, 3] {
        let events = table(bids(), &[("connector", "nexmark"), ("table", "bid"), ("events.num", "20000")]);
        let (json, csv) = (place(&format!("json{shards}")), place(&format!("csv{shards}")));
        let json = table(bids(), &[("connector", "filesystem"), ("path", &json), ("format", "json")]);
        let csv = [("connector", "filesystem"), ("path", csv.as_str()), ("format", "csv"), ("csv.null-literal", "~")];
        let csv = table(bids(), &csv);
        copy(&events, &TableScan::default(), &json, None, shards);
        copy(&json, &TableScan::default(), &csv, None, shards);
        // Two columns of five, in another order.
        let scan = TableScan { projection: Some(vec![2, 0]), ..TableScan::default() };
        let few = place(&format!("few{shards}.csv"));
        let few_options =
            [("connector", "filesystem"), ("path", few.as_str()), ("format", "csv"), ("sink.single-file", "true")];
        copy(&csv, &scan, &table(bids(), &few_options), None, shards);
        let few = std::fs::read_to_string(few).unwrap();
        let mut few: Vec<&str> = few.lines().collect();
        few.sort_unstable();
        let all = lines(&folder.path().join(format!("csv{shards}")));
        assert_eq!(all.len(), 18_400);
        let mut expected: Vec<String> = all
            .iter()
            .map(|line| {
                let fields: Vec<&str> = line.split(',').collect();
                format!("{},{}", fields[2], fields[0])
            })
            .collect();
        expected.sort_unstable();
        assert!(few == expected);
        found.push((lines(&folder.path().join(format!("json{shards}"))), all));
    }
    assert!(found[0] == found[1], "the same rows on one shard and on three");
}

#[test]
fn malformed_lines_are_rows_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(place("in.json"), "{\"id\": 1}\n{\"id\": x}\n{\"id\": 3}\nnothing\n").unwrap();
    let columns: SchemaRef = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
    let (input, output, aside) = (place("in.json"), place("out"), place("aside"));
    let from = table(Arc::clone(&columns), &[("connector", "filesystem"), ("path", &input), ("format", "json")]);
    let to = table(Arc::clone(&columns), &[("connector", "filesystem"), ("path", &output), ("format", "csv")]);
    let errors = table(columns, &[("connector", "filesystem"), ("path", &aside), ("format", "json")]);
    let scan = TableScan { errors: true, ..TableScan::default() };
    copy(&from, &scan, &to, Some(&errors), 2);
    assert_eq!(lines(&folder.path().join("out")), ["1", "3"]);
    let aside = lines(&folder.path().join("aside"));
    assert_eq!(aside.len(), 2);
    assert!(aside[0].contains("\"line\":2,") && aside[0].contains(r#""raw":"{\"id\": x}""#), "{}", aside[0]);
    assert!(aside[1].contains("\"line\":4,") && aside[1].contains("\"raw\":\"nothing\""), "{}", aside[1]);
}

#[test]
fn random_rows_are_as_many_as_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let columns: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("grade", DataType::Int32, true),
    ]));
    let options = [
        ("connector", "datagen"),
        ("rows-per-second", "1000000000"),
        ("number-of-rows", "3000"),
        ("fields.id.kind", "sequence"),
        ("fields.id.start", "1"),
        ("fields.id.end", "1000000"),
        ("fields.grade.min", "1"),
        ("fields.grade.max", "5"),
    ];
    let to = [("connector", "filesystem"), ("path", out.to_str().unwrap()), ("format", "csv")];
    copy(&table(Arc::clone(&columns), &options), &TableScan::default(), &table(columns, &to), None, 2);
    let lines = lines(&out);
    assert_eq!(lines.len(), 3000);
    let mut ids: Vec<u32> = lines.iter().map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=3000).collect::<Vec<_>>());
    assert!(lines.iter().all(|line| ("1".."6").contains(&line.split(',').nth(1).unwrap())));
}

#[test]
fn the_flights_are_read_by_the_names_of_their_columns() {
    let flights = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data/departures-2013-01.csv.gz");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.csv");
    let field = |name, data_type| Field::new(name, data_type, true);
    let millis = DataType::Timestamp(arrow_schema::TimeUnit::Millisecond, None);
    let columns: SchemaRef = Arc::new(Schema::new(vec![
        field("dest", DataType::Utf8View),
        field("sched_dep", millis),
        field("dep_delay", DataType::Int32),
        field("distance", DataType::Decimal128(8, 1)),
    ]));
    let options = [("connector", "filesystem"), ("path", flights), ("format", "csv"), ("csv.header", "names")];
    let path = out.to_str().unwrap();
    let to = [("connector", "filesystem"), ("path", path), ("format", "csv"), ("sink.single-file", "true")];
    copy(&table(Arc::clone(&columns), &options), &TableScan::default(), &table(columns, &to), None, 2);
    let text = std::fs::read_to_string(out).unwrap();
    assert_eq!(text.lines().count(), 26_865);
    assert_eq!(text.lines().next(), Some("IAH,2013-01-01 10:15:00,2,1400.0"));
    assert!(text.lines().any(|line| line.split(',').nth(2) == Some("")), "a cancelled flight has no delay");
}

#[cfg(feature = "parquet")]
#[test]
fn bids_go_through_parquet_with_the_names_of_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let bids = || schema(Events::Only(Kind::Bid));
    let mut found = Vec::new();
    for shards in [1, 3] {
        let events = table(bids(), &[("connector", "nexmark"), ("table", "bid"), ("events.num", "20000")]);
        let parts = place(&format!("parquet{shards}"));
        let options = [
            ("connector", "filesystem"),
            ("path", parts.as_str()),
            ("format", "parquet"),
            ("source.split-size", "1 kb"),
        ];
        let parquet = table(bids(), &options);
        copy(&events, &TableScan::default(), &parquet, None, shards);
        let (json, direct) = (place(&format!("json{shards}")), place(&format!("direct{shards}")));
        let to = |path: &str| table(bids(), &[("connector", "filesystem"), ("path", path), ("format", "json")]);
        copy(&parquet, &TableScan::default(), &to(&json), None, shards);
        copy(&events, &TableScan::default(), &to(&direct), None, shards);
        found.extend([lines(Path::new(&json)), lines(Path::new(&direct))]);
        // The same with a column about the file, and one of its own.
        let mut fields = vec![Field::new("f", DataType::Utf8View, false)];
        fields.extend(bids().fields().iter().map(|field| field.as_ref().clone()));
        let columns = Arc::new(Schema::new(fields));
        let named = TableDefinition { metadata: BTreeMap::from([(0, "file.name".to_owned())]), columns, ..parquet };
        let scan = TableScan { projection: Some(vec![1, 0]), ..TableScan::default() };
        let names = place(&format!("names{shards}"));
        let csv = [("connector", "filesystem"), ("path", names.as_str()), ("format", "csv")];
        copy(&named, &scan, &table(bids(), &csv), None, shards);
        let names = lines(Path::new(&names));
        assert_eq!(names.len(), 18_400);
        assert!(names.iter().all(|line| line.contains(",part-000") && line.ends_with(".parquet")), "{}", names[0]);
    }
    assert_eq!(found[0].len(), 18_400);
    assert!(found.iter().all(|lines| lines == &found[0]), "the same rows, whatever the format and the shards");
}
