//! Windows straight over a state table, without the stream API: what is wrong here is the runtime's or the log's.

use std::collections::BTreeSet;
use std::sync::Arc;

use yeoul_file::FileSource;
use yeoul_frame::{Frame, KeyHash, OperatorId, Record, RowBuilder, RowKind, Timestamp, hash_u64};
use yeoul_operator::{
    Context, InputId, JobGraph, Node, NodeKind, Operator, OperatorError, OutputId, Partitioning, Progress, Router,
    SourceSpec, Strategy, WatermarkSpec,
};
use yeoul_state::{Compound, Key, StateTable, Table};

use super::folder::FolderSink;
use super::records::{Input, Windowed};
use super::{LATE, MAIN, input_path};
use crate::oracle::window::starts;
use crate::setting::Setting;
use crate::workload::Workload;

/// Windows over all sources.
pub(crate) fn windows(workload: &Workload, setting: &Setting) -> JobGraph {
    let mut graph = JobGraph { name: workload.kind.name().to_owned(), ..JobGraph::default() };
    let watermarks = WatermarkSpec {
        assigner: Some(Arc::new(EventTimes)),
        strategy: Strategy::BoundedOutOfOrderness(workload.bound),
        granularity: 1,
        ..WatermarkSpec::default()
    };
    let sources: Vec<_> = (0..workload.sources.len())
        .map(|source| {
            let files = FileSource::ndjson::<Input>(input_path(source)).split_size(setting.split_size);
            let kind = NodeKind::Source { make: files.make(), watermarks: watermarks.clone() };
            graph.add(node(&format!("source-{source}"), kind))
        })
        .collect();
    let (size, slide) = (workload.size, workload.slide);
    let make = Arc::new(move || Box::new(Windows::new(size, slide)) as Box<dyn Operator>);
    let windows = graph.add(node("windows", NodeKind::Operator { make }));
    for source in sources {
        graph.connect(source, OutputId::MAIN, windows, InputId(0), Partitioning::Hash(Arc::new(ByKey)));
    }
    for (output, uid, folder) in [(OutputId::MAIN, "sink", MAIN), (OutputId(1), "late", LATE)] {
        let kind = match output {
            OutputId::MAIN => FolderSink::<Windowed>::new(folder).kind(),
            _ => FolderSink::<Input>::new(folder).kind(),
        };
        let sink = graph.add(node(uid, kind));
        graph.connect(windows, output, sink, InputId(0), Partitioning::Forward);
    }
    graph
}

fn node(uid: &str, kind: NodeKind) -> Node {
    Node { uid: uid.to_owned(), name: uid.to_owned(), parallelism: None, chainable: true, kind }
}

struct EventTimes;

impl yeoul_operator::TimestampAssigner for EventTimes {
    fn assign(&self, frame: &Frame, times: &mut [Timestamp]) {
        frame.rows::<Input>().iter().for_each(|(row, record)| times[row as usize] = Timestamp(record.time()));
    }
}

struct ByKey;

impl Router for ByKey {
    fn hash(&self, frame: &Frame, hashes: &mut Vec<KeyHash>) {
        hashes.extend(frame.rows::<Input>().iter().map(|(_, record)| hash_u64(record.key())));
    }
}

/// A window of a key, by its start.
type Pane = Compound<u64, i64>;

struct Windows {
    size: i64,
    slide: i64,
    sums: Table<Pane, (i64, i64)>,
    /// (end, key) of each pane: rebuilt from the table after a restart.
    due: Option<BTreeSet<(i64, u64)>>,
}

impl Windows {
    fn new(size: i64, slide: i64) -> Self {
        let sums = Table::new(OperatorId::of("windows").table("sums"), "sums");
        Self { size, slide, sums, due: None }
    }

    fn ready(&mut self) {
        if self.due.is_none() {
            self.due = Some(self.sums.iter().map(|(pane, _)| (pane.sub + self.size, pane.key)).collect());
        }
    }
}

impl Operator for Windows {
    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        self.ready();
        let due = self.due.get_or_insert_default();
        let mut late = Emitting::<Input>::new(OutputId(1), cx);
        for (_, record) in frame.rows::<Input>().iter() {
            let (key, time, value) = (record.key(), record.time(), record.value());
            let mut taken = false;
            for start in starts(time, self.size, self.slide) {
                if start + self.size - 1 <= cx.watermark().0 {
                    continue;
                }
                taken = true;
                let pane = Compound { key, sub: start };
                let hash = pane.hash();
                let (count, sum) = self.sums.upsert(&pane, hash, || (0, 0));
                *count += 1;
                *sum += value;
                due.insert((start + self.size, key));
            }
            if !taken {
                late.push(&Input { id: record.id(), key, time, value }, Timestamp(time), cx);
            }
        }
        late.finish(cx);
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        self.ready();
        let due = self.due.get_or_insert_default();
        let mut out = Emitting::<Windowed>::new(OutputId::MAIN, cx);
        while let Some(&(end, key)) = due.first()
            && end - 1 <= watermark.0
            && cx.has_room()
        {
            due.pop_first();
            let start = end - self.size;
            let pane = Compound { key, sub: start };
            let hash = pane.hash();
            let (count, sum) = self.sums.remove(&pane, hash).ok_or_else(|| {
                OperatorError::new(format!("no sums for key {key} and the window from {start}"))
            })?;
            out.push(&Windowed { key, start, end, count, sum }, Timestamp(end - 1), cx);
        }
        out.finish(cx);
        Ok(if due.first().is_some_and(|(end, _)| end - 1 <= watermark.0) { Progress::More } else { Progress::Done })
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        visit(&mut self.sums);
    }
}

/// Rows on their way to an output.
struct Emitting<T: Record> {
    output: OutputId,
    rows: RowBuilder<T>,
}

impl<T: Record> Emitting<T> {
    fn new(output: OutputId, cx: &Context<'_>) -> Self {
        Self { output, rows: RowBuilder::new(cx.pool(), 64) }
    }

    fn push(&mut self, row: &T, time: Timestamp, cx: &mut Context<'_>) {
        if self.rows.is_full() {
            cx.emit(self.output, self.rows.finish());
        }
        self.rows.push(row, time, RowKind::Insert).expect("a small row in a frame with room");
    }

    fn finish(mut self, cx: &mut Context<'_>) {
        cx.emit(self.output, self.rows.finish());
    }
}
