//! What operators promise beside their results: no copies, bounded firing, exact positions, mistakes named.

use std::sync::Arc;
use std::time::Duration;

use rkyv::Archived;
use yeoul_frame::{Frame, KeyGroups, OperatorId, Pool, RowBuilder, RowKind, Timestamp, record};
use yeoul_operator::source::SourceItem;
use yeoul_operator::{
    Chaining, Context, Counters, InputId, NodeKind, OpenContext, Operator, OutputId, Partitioning, Progress, Services,
    Snapshot, Source, SourceContext, SourcePoll, SourceSpec, Subtask,
};
use yeoul_stream::{
    Collection, Count, DataStream, EventTimeSessionWindows, EventTimeTrigger, NumberSequence, OperatorHarness,
    OutputTag, SlidingEventTimeWindows, StreamEnvironment, TumblingEventTimeWindows, WatermarkStrategy,
};

fn frame<T: yeoul_frame::Record>(records: impl IntoIterator<Item = (T, i64)>) -> Frame {
    let mut rows = RowBuilder::<T>::new(&Pool::new(), 1 << 20);
    for (record, time) in records {
        rows.push(&record, Timestamp(time), RowKind::Insert).unwrap();
    }
    rows.finish()
}

fn addresses(frame: &Frame) -> Vec<*const u8> {
    frame.indices().map(|row| frame.row_address(row)).collect()
}

#[test]
fn a_filter_selects_and_copies_nothing() {
    let mut harness = OperatorHarness::of(|n: DataStream<u64>| n.filter(|n| n.to_native() % 3 == 0)).unwrap();
    let all = frame((0..10u64).map(|n| (n, 0)));
    harness.push_frame(InputId(0), all.clone()).unwrap();
    let [kept] = &harness.take_frames(OutputId::MAIN)[..] else { panic!("one frame comes out of one") };
    let expected: Vec<_> = [0, 3, 6, 9].into_iter().map(|row| all.row_address(row)).collect();
    assert_eq!(addresses(kept), expected);
}

#[test]
fn late_records_go_to_the_side_output_as_they_are() {
    let late = OutputTag::new("late");
    let mut harness = OperatorHarness::of(|n: DataStream<u64>| {
        let windows = n.key_by(|n| n.to_native()).window(TumblingEventTimeWindows::of(Duration::from_millis(10)));
        let counts = windows.side_output_late_data(&late).aggregate(Count::new());
        let _ = counts.side_output(&late);
        counts
    })
    .unwrap();
    harness.watermark(100).unwrap();
    let records = frame([(1u64, 120), (2, 50), (3, 105), (4, 90)]);
    harness.push_frame(InputId(0), records.clone()).unwrap();
    let side = harness.take_frames(OutputId(1));
    assert_eq!(addresses(&side[0]), [records.row_address(1), records.row_address(3)]);
    assert_eq!(harness.counters().late.get(), 2);
}

#[test]
fn late_records_are_counted_if_no_one_wants_them() {
    let mut harness = OperatorHarness::of(|n: DataStream<u64>| {
        n.key_by(|n| n.to_native())
            .window(TumblingEventTimeWindows::of(Duration::from_millis(10)))
            .aggregate(Count::new())
    })
    .unwrap();
    harness.watermark(100).unwrap();
    harness.push([(1, 50), (2, 150)]).unwrap();
    assert_eq!(harness.counters().late.get(), 1);
}

#[test]
fn records_without_event_time_are_refused_by_event_time_windows() {
    let mut harness = OperatorHarness::of(|n: DataStream<u64>| {
        n.key_by(|n| n.to_native())
            .window(TumblingEventTimeWindows::of(Duration::from_millis(10)))
            .aggregate(Count::new())
    })
    .unwrap();
    let error = harness.push([(1, i64::MIN)]).unwrap_err().to_string();
    assert!(error.contains("no event time") && error.contains("timestamp assigner"), "{error}");
}

/// The operator of the last node of a graph, opened.
fn last_operator(env: &StreamEnvironment, pool: &Pool) -> Box<dyn Operator> {
    let graph = env.build().unwrap();
    let NodeKind::Operator { make } = &graph.nodes.last().unwrap().kind else { panic!("the last node is an operator") };
    let mut operator = make();
    let mut cx = OpenContext {
        operator: OperatorId(1),
        name: "test",
        subtask: Subtask { index: 0, parallelism: 1 },
        key_groups: KeyGroups::DEFAULT,
        services: &Services::default(),
        pool,
        counters: Arc::new(Counters::default()),
        waker: yeoul_operator::Waker::default(),
    };
    operator.open(&mut cx).unwrap();
    operator
}

#[test]
fn a_large_window_fires_in_bounded_steps() {
    for (size, slide, keys, has_trigger) in
        [(10, 10, 200_000, false), (40, 10, 200_000, false), (10, 10, 40_000, true), (40, 10, 40_000, true)]
    {
        let (env, pool, counters) = (StreamEnvironment::new("large"), Pool::new(), Counters::default());
        let numbers = env.from_collection(Vec::<u64>::new(), WatermarkStrategy::no_watermarks());
        let windows = SlidingEventTimeWindows::of(Duration::from_millis(size), Duration::from_millis(slide));
        let windows = numbers.key_by(|n| n.to_native()).window(windows);
        let windows = if has_trigger { windows.trigger(EventTimeTrigger::create()) } else { windows };
        let _ = windows.aggregate(Count::new());
        let mut operator = last_operator(&env, &pool);
        let mut emitted = Vec::new();
        // Each pane of the window that ends at 40 holds every fourth key, and all of them key 0.
        for key in 0..keys / 1000 {
            let records = (key * 1000..(key + 1) * 1000).map(|key| (key, (key % 4) as i64 * 10));
            let zeros = [(0, 0), (0, 10), (0, 20), (0, 30)];
            let mut cx = Context::new(&mut emitted, Timestamp::MIN, Timestamp(0), &pool, &counters);
            operator.process(InputId(0), &frame(records.chain(zeros)), &mut cx).unwrap();
        }
        let held = |operator: &mut Box<dyn Operator>| {
            let mut held = 0;
            operator.tables(&mut |table| held += table.memory_bytes());
            held
        };
        let (before, mut most) = (held(&mut operator), 0);
        let (mut results, mut calls) = (0, 0);
        loop {
            let mut cx = Context::new(&mut emitted, Timestamp(39), Timestamp(0), &pool, &counters);
            let progress = operator.on_watermark(Timestamp(39), &mut cx).unwrap();
            assert!(
                emitted.len() <= yeoul_operator::context::FRAMES_PER_CALL + 1,
                "{} frames in one call",
                emitted.len()
            );
            results += emitted.drain(..).map(|(_, frame)| frame.len() as u64).sum::<u64>();
            calls += 1;
            most = most.max(held(&mut operator));
            if progress == Progress::Done {
                break;
            }
        }
        if size > slide && !has_trigger {
            // What panes are merged into holds all keys once more.
            assert!(most > before + before / 2, "{most} bytes while it fires, {before} before");
        }
        // Key 0 is in all panes. Of sliding windows, those that end at 10, 20 and 30 fire too.
        let a_pane = |pane: u64| keys / 4 + u64::from(pane != 0);
        let expected: u64 = match slide == size {
            true => (0..4).map(a_pane).sum(),
            false => (1..=4).map(|panes| panes * keys / 4).sum(),
        };
        assert_eq!(results, expected);
        assert!(calls >= results / (1024 * 17), "{calls} calls");
    }
}

#[test]
fn sessions_that_were_extended_are_looked_at_in_bounded_steps() {
    let (env, pool, counters) = (StreamEnvironment::new("sessions"), Pool::new(), Counters::default());
    let numbers = env.from_collection(Vec::<u64>::new(), WatermarkStrategy::no_watermarks());
    let sessions = EventTimeSessionWindows::with_gap(Duration::from_millis(10));
    let _ = numbers.key_by(|n| n.to_native()).window(sessions).aggregate(Count::new());
    let mut operator = last_operator(&env, &pool);
    let mut emitted = Vec::new();
    for time in [0, 5] {
        let mut cx = Context::new(&mut emitted, Timestamp::MIN, Timestamp(0), &pool, &counters);
        operator.process(InputId(0), &frame((0..10_000_u64).map(|key| (key, time))), &mut cx).unwrap();
    }
    // Each key's timer comes at 9, and its session ends at 15.
    let mut calls = |watermark, results| {
        let (mut calls, mut given) = (0, 0);
        loop {
            let mut cx = Context::new(&mut emitted, Timestamp(watermark), Timestamp(0), &pool, &counters);
            let progress = operator.on_watermark(Timestamp(watermark), &mut cx).unwrap();
            given += emitted.drain(..).map(|(_, frame)| frame.len()).sum::<usize>();
            calls += 1;
            if progress == Progress::Done {
                assert_eq!(given, results);
                return calls;
            }
        }
    };
    let (none, all) = (calls(12, 0), calls(14, 10_000));
    assert!(none >= 5 && all >= 5, "{none} and {all} calls");
}

#[test]
fn a_collection_goes_on_at_its_exact_position_on_any_number_of_subtasks() {
    let spec = Collection::of(0..10_000u64).splits(5);
    let open = |index, parallelism| {
        let mut source: Box<dyn Source> = spec.make()();
        let mut cx = OpenContext {
            operator: OperatorId(1),
            name: "collection",
            subtask: Subtask { index, parallelism },
            key_groups: KeyGroups::DEFAULT,
            services: &Services::default(),
            pool: &Pool::new(),
            counters: Arc::new(Counters::default()),
            waker: yeoul_operator::Waker::default(),
        };
        source.open(&mut cx).unwrap();
        source
    };
    let read = |source: &mut Box<dyn Source>, polls: usize, out: &mut Vec<u64>| {
        let (mut items, pool, counters) = (Vec::new(), Pool::new(), Counters::default());
        for _ in 0..polls {
            let mut cx = SourceContext::new(&mut items, Timestamp(0), &pool, &counters);
            if source.poll(&mut cx).unwrap() == SourcePoll::End {
                break;
            }
        }
        for item in items {
            if let SourceItem::Records(_, frame) = item {
                out.extend(frame.rows::<u64>().iter().map(|(_, n)| n.to_native()));
            }
        }
    };
    let mut seen = Vec::new();
    let mut sources: Vec<_> = (0..2).map(|index| open(index, 2)).collect();
    sources.iter_mut().for_each(|source| read(source, 2, &mut seen));
    assert!(!seen.is_empty() && seen.len() < 10_000);
    let (mut states, mut sealed) = (Vec::new(), Vec::new());
    for source in &mut sources {
        source.snapshot(&mut Snapshot::new(yeoul_frame::Epoch(1), OperatorId(1), &mut states, &mut sealed)).unwrap();
        read(source, 1, &mut Vec::new());
    }
    for index in 0..3 {
        let mut source = open(index, 3);
        for (at, (_, name, bytes)) in states.iter().enumerate() {
            source.restore(name, Subtask { index: at as u16, parallelism: 2 }, bytes).unwrap();
        }
        read(&mut source, usize::MAX, &mut seen);
    }
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..10_000));
}

#[record]
#[derive(Debug, Clone, PartialEq)]
struct Line {
    text: String,
}

#[record]
#[derive(Debug, Clone, PartialEq)]
struct Word {
    text: String,
    letters: u64,
}

#[test]
fn results_may_borrow_from_the_record() {
    let words = |line: &Archived<Line>, out: &mut yeoul_stream::Collector<Word>| {
        line.text().split(' ').for_each(|text| out.collect_row(WordRow { text, letters: text.len() as u64 }));
    };
    let mut harness = OperatorHarness::of(move |lines: DataStream<Line>| lines.flat_map(words)).unwrap();
    harness.push([(Line { text: "a swift shallow".to_owned() }, 7)]).unwrap();
    let word = |text: &str| (Word { text: text.to_owned(), letters: text.len() as u64 }, 7);
    assert_eq!(harness.take_output(), [word("a"), word("swift"), word("shallow")]);
}

#[test]
fn the_graph_holds_what_was_said() {
    let env = StreamEnvironment::new("graph");
    let numbers = env.from_collection(0..10u64, WatermarkStrategy::for_monotonous_timestamps());
    let odd = numbers.filter(|n| n.to_native() % 2 == 1).name("odd").uid("odd-1").set_parallelism(3);
    let even = numbers.filter(|n| n.to_native() % 2 == 0).disable_chaining();
    let sums = odd.union(&even).key_by(|n| n.to_native() % 10).reduce(|sum, n| *sum += n);
    let (sink, _) = yeoul_stream::collect();
    sums.rebalance().sink_to(sink).name("sums").uid("sums-1").set_parallelism(1);
    let graph = env.build().unwrap();
    let nodes: Vec<_> = graph.nodes.iter().map(|node| (node.name.as_str(), node.parallelism, node.chaining)).collect();
    assert_eq!(
        nodes,
        [
            ("Collection Source", Some(1), Chaining::Always),
            ("odd", Some(3), Chaining::Always),
            ("Filter", None, Chaining::Never),
            ("Keyed Reduce", None, Chaining::Always),
            ("sums", Some(1), Chaining::Always)
        ]
    );
    assert_eq!((&graph.nodes[1].uid[..], &graph.nodes[4].uid[..]), ("odd-1", "sums-1"));
    let edges: Vec<_> = graph.edges.iter().map(|edge| (edge.from.0, edge.to.0, edge.partitioning.name())).collect();
    let expected = [(0, 1, "FORWARD"), (0, 2, "FORWARD"), (1, 3, "HASH"), (2, 3, "HASH"), (3, 4, "REBALANCE")];
    assert_eq!(edges, expected);
    assert!(matches!(graph.edges[4].partitioning, Partitioning::Rebalance));
}

#[test]
fn mistakes_are_named_when_the_graph_is_built() {
    let check = |build: fn(&StreamEnvironment, DataStream<u64>), expected: &str| {
        let env = StreamEnvironment::new("mistakes");
        build(&env, env.from_collection(0..10u64, WatermarkStrategy::no_watermarks()));
        let error = env.build().map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(
        |_, numbers| {
            let _ =
                (numbers.side_output(&OutputTag::<u64>::new("x")), numbers.side_output(&OutputTag::<String>::new("x")));
        },
        "side output 'x' has records of u64, and was asked for records of alloc::string::String",
    );
    check(
        |_, numbers| _ = (numbers.filter(|_| true).uid("a"), numbers.filter(|_| true).uid("a")),
        "have the same uid 'a'",
    );
    check(
        |_, numbers| _ = numbers.union(&numbers.filter(|_| true)).name("both"),
        "a name was set on a stream that is not",
    );
    check(
        |_, numbers| {
            let other = StreamEnvironment::new("other");
            let _ = numbers.union(&other.from_collection(0..1u64, WatermarkStrategy::no_watermarks()));
        },
        "two environments",
    );
}

#[test]
fn streams_of_two_environments_are_a_mistake_with_a_name_and_no_panic() {
    use yeoul_stream::{StreamEnvironment, WatermarkStrategy};
    let (one, other) = (StreamEnvironment::new("one"), StreamEnvironment::new("other"));
    let numbers = |env: &StreamEnvironment| env.from_collection(0..3u64, WatermarkStrategy::no_watermarks());
    let (sink, _) = yeoul_stream::collect();
    let far = numbers(&other).map(|n| n.to_native()).map(|n| n.to_native());
    numbers(&one).union(&far).map(|n| n.to_native()).sink_to(sink);
    assert!(one.build().err().unwrap().to_string().contains("two environments"));
}

#[test]
fn operators_made_of_one_windowed_stream_have_side_outputs_of_their_own() {
    use yeoul_stream::{Count, OutputTag, StreamEnvironment, TumblingEventTimeWindows, WatermarkStrategy};
    let env = StreamEnvironment::new("windows");
    let numbers = env.from_collection(0..3u64, WatermarkStrategy::no_watermarks());
    let windows =
        numbers.key_by(|n| n.to_native()).window(TumblingEventTimeWindows::of(std::time::Duration::from_secs(1)));
    let count = || windows.aggregate_with(Count::new(), |_: &u64, _, count: u64, out| out.collect(count));
    let (first, second) = (count(), count());
    // One name, and in each operator another type.
    let _ = first.side_output(&OutputTag::<u64>::new("odd"));
    let _ = second.side_output(&OutputTag::<String>::new("odd"));
    let (sink, _) = yeoul_stream::collect();
    second.sink_to(sink);
    env.build().unwrap();
}

/// A source of numbers dealt over four splits, in the order of their times.
fn windows_of_ten(source: impl SourceSpec<Out = u64>) -> Vec<u64> {
    let env = StreamEnvironment::new("side by side");
    let times = WatermarkStrategy::for_monotonous_timestamps()
        .with_timestamp_assigner(|n: &rkyv::Archived<u64>| Timestamp(n.to_native() as i64))
        .with_granularity(Duration::ZERO);
    let numbers = env.from_source(source, times, "numbers");
    let windows = numbers.key_by(|_| ()).window(TumblingEventTimeWindows::of(Duration::from_millis(10)));
    let (sink, counts) = yeoul_stream::collect();
    windows.aggregate(Count::new()).sink_to(sink);
    let config = yeoul_runtime::JobConfig { shards: 1, pin: false, ..Default::default() };
    let job = yeoul_runtime::spawn(env.build().unwrap(), config, Services::default());
    assert_eq!(job.wait().unwrap(), yeoul_runtime::Outcome::Finished);
    counts.take()
}

#[test]
fn splits_that_are_read_side_by_side_wait_for_each_others_first_records() {
    const NUMBERS: u64 = 50_000;
    let expected = vec![10; NUMBERS as usize / 10];
    assert_eq!(windows_of_ten(NumberSequence::new(0..NUMBERS).splits(4)), expected);
    assert_eq!(windows_of_ten(Collection::of(0..NUMBERS).splits(4)), expected);
}
