//! The seven jobs over the stream API.

use std::time::Duration;

use yeoul_file::{FileSink, FileSource, Roll};
use yeoul_frame::{Schema, Timestamp};
use yeoul_operator::JobGraph;
use yeoul_stream::{
    DataStream, EventTimeSessionWindows, GraphError, KeyedStream, OutputTag, SlidingEventTimeWindows,
    StreamEnvironment, TumblingEventTimeWindows, WatermarkStrategy, WindowedStream,
};

use super::functions::{CountAndSum, Pairs, Recently, RunningTotal};
use super::records::{Input, Windowed};
use super::{LATE, MAIN, input_path};
use crate::setting::Setting;
use crate::workload::{JobKind, Workload};

/// The job of this workload.
pub(super) fn build(workload: &Workload, setting: &Setting) -> Result<JobGraph, GraphError> {
    let env = StreamEnvironment::new(workload.kind.name());
    let job = Job { env: &env, workload, setting };
    let (size, slide) = (millis(workload.size), millis(workload.slide));
    let all = || job.keyed(0..workload.sources.len());
    match workload.kind {
        JobKind::WindowCount => {
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
            let files = FileSource::ndjson::<Input>(input_path(source)).split_size(self.setting.split_size);
            let watermarks = WatermarkStrategy::for_bounded_out_of_orderness(millis(self.workload.bound))
                .with_timestamp_assigner(|record: &rkyv::Archived<Input>| Timestamp(record.time()))
                .with_granularity(Duration::ZERO);
            self.env.from_source(files, watermarks, "Input").uid(&format!("source-{source}"))
        });
        let all = streams.reduce(|all: DataStream<Input>, one| all.union(&one)).expect("a workload has sources");
        all.key_by(|record| record.key())
    }

    fn sink<T: Schema>(&self, stream: &DataStream<T>, folder: &str) {
        let roll = match self.setting.roll_bytes {
            0 => Roll::EveryEpoch,
            bytes => Roll::Bytes(bytes),
        };
        stream.sink_to(FileSink::csv::<T>(folder).header(false).roll(roll)).uid(folder);
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
