//! The jobs over the stream API.

use std::time::Duration;

use yeoul_file::{FileSink, FileSource, Roll};
use yeoul_frame::{Schema, Timestamp};
use yeoul_operator::JobGraph;
use yeoul_stream::{
    DataStream, EventTimeSessionWindows, GraphError, KeyedStream, OutputTag, SlidingEventTimeWindows,
    SlidingProcessingTimeWindows, StreamEnvironment, TumblingEventTimeWindows, WatermarkStrategy, WindowedStream,
};

use super::functions::{CountAndSum, CountByTheClock, Pairs, Recently, RunningTotal};
use super::records::{Counted, Input, Windowed};
use super::{LATE, MAIN, SINGLE, input_path};
use crate::setting::Setting;
use crate::workload::{JobKind, Workload};

/// How long a source is silent before it no longer holds the others back: far shorter than until its next file comes.
const IDLE_AFTER: Duration = Duration::from_millis(20);
/// How often a watched folder is listed.
const LISTED_EVERY: Duration = Duration::from_millis(50);

/// The job of this workload.
pub(super) fn build(workload: &Workload, setting: &Setting) -> Result<JobGraph, GraphError> {
    let env = StreamEnvironment::new(workload.kind.name());
    let job = Job { env: &env, workload, setting };
    let (size, slide) = (millis(workload.size), millis(workload.slide));
    let all = || job.keyed(0..workload.sources.len());
    match workload.kind {
        JobKind::WindowCount | JobKind::Idle => {
            let late = OutputTag::<Input>::new("late");
            let windows = all().window(TumblingEventTimeWindows::of(size)).side_output_late_data(&late);
            let counts = count(&windows);
            job.sink(&counts.side_output(&late), LATE);
            job.sink(&counts, MAIN);
        }
        JobKind::Sliding => job.sink(&count(&all().window(SlidingEventTimeWindows::of(size, slide))), MAIN),
        JobKind::Sessions => job.sink(&count(&all().window(EventTimeSessionWindows::with_gap(size))), MAIN),
        JobKind::Union => job.sink(&count(&all().window(TumblingEventTimeWindows::of(size))), MAIN),
        JobKind::Timers => job.sink(&all().process(RunningTotal::of(workload.size)).uid("totals"), MAIN),
        JobKind::Join => {
            let half = workload.sources.len() / 2;
            let (left, right) = (job.keyed(0..half), job.keyed(half..workload.sources.len()));
            job.sink(&left.connect(&right).process(Pairs::of(workload.size)).uid("pairs"), MAIN);
        }
        JobKind::Clock => job.sink(&all().process(CountByTheClock::of(workload.size)).uid("counts"), MAIN),
        JobKind::ClockWindows => {
            let windows = all().window(SlidingProcessingTimeWindows::of(size, slide));
            let row = |key: &u64, _: yeoul_stream::TimeWindow, (count, sum), out: &mut yeoul_stream::Collector<_>| {
                out.collect(Counted { key: *key, count, sum });
            };
            job.sink(&windows.aggregate_with(CountAndSum, row).uid("windows"), MAIN);
        }
        JobKind::Ttl => job.sink(&all().process(Recently::of(workload.size)).uid("recently"), MAIN),
    }
    env.build()
}

struct Job<'a> {
    env: &'a StreamEnvironment,
    workload: &'a Workload,
    setting: &'a Setting,
}

impl Job<'_> {
    /// These sources, united and keyed.
    fn keyed(&self, sources: std::ops::Range<usize>) -> KeyedStream<u64, Input> {
        let streams = sources.map(|source| {
            let mut watermarks = WatermarkStrategy::for_bounded_out_of_orderness(millis(self.workload.bound))
                .with_timestamp_assigner(|record: &rkyv::Archived<Input>| Timestamp(record.time()))
                .with_granularity(Duration::ZERO);
            if self.workload.kind == JobKind::Idle {
                watermarks = watermarks.with_idleness(IDLE_AFTER);
            }
            if self.setting.aligned {
                watermarks =
                    watermarks.with_watermark_alignment("all", millis(self.workload.bound + self.workload.size));
            }
            let path = input_path(source, self.setting);
            let stream = if self.setting.csv {
                self.env.from_source(
                    self.files(FileSource::csv::<Input>(path).no_newlines_in_quotes()),
                    watermarks,
                    "Input",
                )
            } else {
                self.env.from_source(self.files(FileSource::ndjson::<Input>(path)), watermarks, "Input")
            };
            let stream = stream.uid(&format!("source-{source}"));
            // Every other one comes by a task of its own, which has to say again after a restore what it had said before.
            if source % 2 == 0 {
                return stream;
            }
            stream.filter(|_| true).start_new_chain().uid(&format!("relay-{source}"))
        });
        let all = streams.reduce(|all: DataStream<Input>, one| all.union(&one)).expect("a workload has sources");
        all.key_by(|record| record.key())
    }

    fn files<F>(&self, files: FileSource<Input, F>) -> FileSource<Input, F> {
        let files = files.split_size(self.setting.split_size);
        if self.setting.watched { files.watch(LISTED_EVERY) } else { files }
    }

    fn sink<T: Schema>(&self, stream: &DataStream<T>, folder: &str) {
        if self.setting.single {
            let file =
                FileSink::csv::<T>(format!("{folder}/{SINGLE}")).header(false).piece(self.setting.piece).single();
            stream.sink_to(file).uid(folder);
            return;
        }
        let roll = match (self.setting.roll_bytes, self.setting.roll_every) {
            (0, None) => Roll::EveryEpoch,
            (0, Some(age)) => Roll::Every(age),
            (bytes, None) => Roll::Bytes(bytes),
            (bytes, Some(age)) => Roll::BytesOrEvery(bytes, age),
        };
        stream.sink_to(FileSink::csv::<T>(folder).header(false).piece(self.setting.piece).roll(roll)).uid(folder);
    }
}

fn count(windows: &WindowedStream<u64, Input>) -> DataStream<Windowed> {
    let row =
        |key: &u64, window: yeoul_stream::TimeWindow, (count, sum), out: &mut yeoul_stream::Collector<Windowed>| {
            out.collect(Windowed { key: *key, start: window.start.0, end: window.end.0, count, sum });
        };
    windows.aggregate_with(CountAndSum, row).uid("windows")
}

fn millis(millis: i64) -> Duration {
    Duration::from_millis(millis.unsigned_abs())
}
