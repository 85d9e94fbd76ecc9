//! Columns are sealed and shown as rows are.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, StringViewArray};
use arrow_schema::{DataType, Field, Schema};
use yeoul_formats::Header;
use yeoul_formats::columns::{CsvTableOptions, JsonOptions, TextFormat};
use yeoul_frame::{ColumnBatch, Epoch, Frame, KeyGroups, OperatorId, Pool, RowKind, Selection, Timestamp};
use yeoul_operator::{
    Context, Counters, InputId, OpenContext, OperatorError, SealedOutput, Services, Snapshot, Subtask,
};

use crate::FileSink;

fn schema() -> Arc<Schema> {
    Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true), Field::new("name", DataType::Utf8View, true)]))
}

fn frame(rows: std::ops::Range<i64>, kinds: Vec<RowKind>) -> Frame {
    let names = rows.clone().map(|n| (n % 3 != 0).then(|| format!("name, number {n}")));
    let names: ArrayRef = Arc::new(names.collect::<StringViewArray>());
    let times = rows.clone().map(Timestamp).collect();
    ColumnBatch::of(schema(), vec![Arc::new(Int64Array::from_iter_values(rows)), names], times, kinds).unwrap()
}

/// Writes frames, one an epoch, and returns the names and texts of the files.
fn write(path: &str, format: TextFormat, frames: &[Frame]) -> Result<Vec<(String, String)>, OperatorError> {
    let folder = tempfile::tempdir().unwrap();
    let sink = FileSink::columns(format!("{}/{path}", folder.path().display()), schema(), format).unwrap();
    let services = Services::default();
    let (mut writer, mut committer) = (sink.make()(), sink.committer()());
    committer.recover(&services, Epoch(0))?;
    let (pool, subtask) = (Pool::new(), Subtask { index: 0, parallelism: 1 });
    writer.open(&mut OpenContext {
        operator: OperatorId::of("sink"),
        name: "sink",
        subtask,
        key_groups: KeyGroups::DEFAULT,
        services: &services,
        pool: &pool,
        counters: Arc::new(Counters::default()),
        waker: yeoul_operator::Waker::default(),
    })?;
    for (number, frame) in (1..).zip(frames) {
        let epoch = Epoch(number);
        let (mut emitted, counters) = (Vec::new(), Counters::default());
        let mut cx = Context::new(&mut emitted, Timestamp::MIN, Timestamp(0), &pool, &counters);
        writer.process(InputId(0), frame, &mut cx)?;
        let (mut states, mut sealed) = (Vec::new(), Vec::new());
        writer.snapshot(&mut Snapshot::new(epoch, OperatorId::of("sink"), &mut states, &mut sealed))?;
        let outputs: Vec<_> = sealed.into_iter().map(|(_, bytes)| SealedOutput { epoch, subtask, bytes }).collect();
        committer.deliver(epoch, &outputs)?;
    }
    committer.finish()?;
    let files = std::fs::read_dir(folder.path().join(path)).unwrap();
    let mut files: Vec<(String, String)> = files
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().into_string().unwrap(), std::fs::read_to_string(file.path()).unwrap()))
        .collect();
    files.sort();
    Ok(files)
}

#[test]
fn each_epoch_is_a_part() {
    let frames = [frame(0..2, vec![]), frame(2..9, vec![]).select(Selection::rows(&[0, 2]))];
    let files = write("out", TextFormat::Json(JsonOptions::default()), &frames).unwrap();
    let texts: Vec<&str> = files.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "{\"n\":0,\"name\":null}\n{\"n\":1,\"name\":\"name, number 1\"}\n",
            "{\"n\":2,\"name\":\"name, number 2\"}\n{\"n\":4,\"name\":\"name, number 4\"}\n"
        ]
    );
    assert!(files.iter().all(|(name, _)| name.starts_with("part-") && name.ends_with(".ndjson")), "{files:?}");
    let options = CsvTableOptions { header: Header::Named, ..CsvTableOptions::default() };
    let files = write("out", TextFormat::Csv(options), &frames).unwrap();
    assert_eq!(files[1].1, "n,name\n2,\"name, number 2\"\n4,\"name, number 4\"\n");
    assert!(files[1].0.ends_with(".csv"));
}

#[test]
fn much_text_is_sealed_in_pieces_and_comes_out_whole() {
    let files = write("out", TextFormat::Json(JsonOptions::default()), &[frame(0..20_000, vec![])]).unwrap();
    let expected: String = (0..20_000)
        .map(|n| match n % 3 {
            0 => format!("{{\"n\":{n},\"name\":null}}\n"),
            _ => format!("{{\"n\":{n},\"name\":\"name, number {n}\"}}\n"),
        })
        .collect();
    assert!(expected.len() > 600_000 && files.len() == 1 && files[0].1 == expected);
}

#[test]
fn changes_are_refused() {
    let changes = frame(0..2, vec![RowKind::Insert, RowKind::Delete]);
    let error = write("out", TextFormat::Json(JsonOptions::default()), &[changes]).unwrap_err().to_string();
    assert!(error.contains("Delete") && error.contains("can only add records"), "{error}");
}
