//! What cannot be decoded fails the job or goes to the error output, with its place.

use crate::source::harness::{Event, Input, Instance, Saved, by_split, in_frames_of, save};
use crate::{FileSource, MalformedRecord, OnMalformed};

const TEXT: &str = "{\"id\": 1}\n\n{\"id\": x}\r\n{\"id\": 3}\n{\"no\": 4}\nnot json\n{\"id\": 6}";

fn record(input: &Input, name: &str, line: u64, column: u64, offset: u64, raw: &str) -> MalformedRecord {
    MalformedRecord { file: input.path(name), line, column, offset, reason: String::new(), raw: raw.to_owned() }
}

#[test]
fn a_malformed_record_fails_the_job_with_its_place() {
    let input = Input::new(&[("a.ndjson", TEXT.as_bytes())]);
    for size in [1, 12, 13, 30, 1000] {
        let make = in_frames_of(10, FileSource::ndjson::<Event>(input.path("a.ndjson")).split_size(size));
        let mut instances = Instance::all(&make, 1, &Saved::new()).unwrap();
        let error = instances[0].run().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}:3: malformed record: column 8", input.path("a.ndjson"))), "{error}");
        assert!(error.contains("hint:") && error.contains("SideOutput"), "{error}");
        // What came before it was emitted, and nothing after.
        assert_eq!(instances[0].texts(), ["1:-"]);
    }
}

#[test]
fn malformed_records_go_to_the_error_output_in_full() {
    let input = Input::new(&[("a.ndjson", TEXT.as_bytes())]);
    let expected = [
        record(&input, "a.ndjson", 3, 8, 11, "{\"id\": x}"),
        record(&input, "a.ndjson", 5, 1, 32, "{\"no\": 4}"),
        record(&input, "a.ndjson", 6, 1, 42, "not json"),
    ];
    for parallelism in 1..3 {
        for size in 1..70 {
            let source = FileSource::ndjson::<Event>(input.path("a.ndjson")).on_malformed(OnMalformed::SideOutput);
            let make = in_frames_of(1, source.split_size(size));
            for turns in 0..12 {
                let mut before = Instance::all(&make, parallelism, &Saved::new()).unwrap();
                for turn in 0..turns {
                    before[turn % usize::from(parallelism)].poll().unwrap();
                }
                let saved = save(&mut before);
                let mut after = Instance::all(&make, 3 - parallelism, &saved).unwrap();
                after.iter_mut().for_each(|instance| instance.run().unwrap());
                assert_eq!(by_split(before.iter().chain(&after)), ["1:-", "3:-", "6:-"]);
                let mut found: Vec<_> = before.iter().chain(&after).flat_map(|i| i.malformed.clone()).collect();
                found.sort_by_key(|record| record.offset);
                for record in &mut found {
                    assert!(!record.reason.is_empty());
                    record.reason.clear();
                }
                assert_eq!(found, expected, "splits of {size} bytes, {turns} turns");
                assert_eq!(before.iter().chain(&after).map(|i| i.counters.errors.get()).sum::<u64>(), 3);
            }
        }
    }
}

#[test]
fn lines_are_counted_in_decompressed_text_too() {
    let zst = zstd::encode_all(TEXT.as_bytes(), 1).unwrap();
    let input = Input::new(&[("a.zst", &zst)]);
    let make = in_frames_of(1, FileSource::ndjson::<Event>(input.path("a.zst")).on_malformed(OnMalformed::SideOutput));
    for turns in 0..8 {
        let mut before = Instance::all(&make, 1, &Saved::new()).unwrap();
        (0..turns).for_each(|_| _ = before[0].poll().unwrap());
        let saved = save(&mut before);
        let mut after = Instance::all(&make, 1, &saved).unwrap();
        after[0].run().unwrap();
        let lines: Vec<_> =
            before.iter().chain(&after).flat_map(|i| &i.malformed).map(|m| (m.line, m.offset)).collect();
        assert_eq!(lines, [(3, 11), (5, 32), (6, 42)]);
    }
}

#[test]
fn a_record_that_is_not_utf8_is_shown_as_far_as_it_can_be() {
    let input = Input::new(&[("a.txt", b"good\nb\xffd\ngood".as_slice())]);
    let make = in_frames_of(8, FileSource::lines(input.path("a.txt")).on_malformed(OnMalformed::SideOutput));
    let mut instances = Instance::all(&make, 1, &Saved::new()).unwrap();
    instances[0].run().unwrap();
    assert_eq!(instances[0].texts(), ["good", "good"]);
    assert_eq!((instances[0].malformed[0].raw.as_str(), instances[0].malformed[0].column), ("b\u{fffd}d", 2));
}

/// Nothing but garbage: each turn stays short, nothing is lost.
#[test]
fn a_file_of_garbage_is_reported_line_by_line() {
    let text = "?\n".repeat(3000);
    let input = Input::new(&[("a.ndjson", text.as_bytes())]);
    let source = FileSource::ndjson::<Event>(input.path("a.ndjson")).on_malformed(OnMalformed::SideOutput);
    let mut instances = Instance::all(&in_frames_of(100, source), 1, &Saved::new()).unwrap();
    let mut most = 0;
    let mut seen = 0;
    while instances[0].poll().unwrap() != yeoul_operator::SourcePoll::End {
        most = most.max(instances[0].malformed.len() - seen);
        seen = instances[0].malformed.len();
    }
    assert!(most <= 256, "{most} in one turn");
    let lines: Vec<u64> = instances[0].malformed.iter().map(|record| record.line).collect();
    assert_eq!(lines, (1..=3000).collect::<Vec<u64>>());
}

#[test]
fn a_long_malformed_record_after_a_long_good_one_is_reported() {
    let (good, bad) = ("g".repeat(1_100_000), "b".repeat(700_000));
    let text = format!("{{\"id\": 1, \"text\": \"{good}\"}}\n{{\"id\": x, \"text\": \"{bad}\"}}\n{{\"id\": 3}}\n");
    let zst = zstd::encode_all(text.as_bytes(), 1).unwrap();
    let input = Input::new(&[("a.ndjson", text.as_bytes()), ("a.ndjson.zst", &zst)]);
    for name in ["a.ndjson", "a.ndjson.zst"] {
        let source = FileSource::ndjson::<Event>(input.path(name)).on_malformed(OnMalformed::SideOutput);
        let mut instances = Instance::all(&in_frames_of(10, source), 1, &Saved::new()).unwrap();
        instances[0].run().unwrap();
        assert_eq!(instances[0].texts(), [format!("1:{good}"), "3:-".to_owned()]);
        assert_eq!(instances[0].malformed.len(), 1);
        assert_eq!((instances[0].malformed[0].line, instances[0].malformed[0].raw.len()), (2, bad.len() + 21));
    }
}

#[test]
fn a_quote_that_is_never_closed_costs_one_line() {
    let rest = format!("7,{}\n", "x".repeat(1020)).repeat(66 << 10);
    let text = format!("id,text\n1,one\n2,\"open\n{rest}");
    let input = Input::new(&[("a.csv", text.as_bytes())]);
    let source = FileSource::csv::<Event>(input.path("a.csv"));
    let mut instances = Instance::all(&in_frames_of(1024, source.clone()), 1, &Saved::new()).unwrap();
    let error = instances[0].run().unwrap_err().to_string();
    assert!(error.contains("longer than 67108864 bytes"), "{error}");
    let source = source.on_malformed(OnMalformed::SideOutput);
    let mut instances = Instance::all(&in_frames_of(1024, source), 1, &Saved::new()).unwrap();
    instances[0].run().unwrap();
    assert_eq!(instances[0].records.len(), 1 + (66 << 10));
    let found: Vec<_> = instances[0].malformed.iter().map(|record| (record.line, record.raw.as_str())).collect();
    assert_eq!(found, [(3, "2,\"open")]);
    assert!(instances[0].malformed[0].reason.contains("quote not closed"), "{}", instances[0].malformed[0].reason);
}
