//! Every record once: whatever the splits, the shards, the format, and the moment of a restart.

use std::io::Write;

use proptest::prelude::*;
use yeoul_operator::{MakeSource, Subtask};

use crate::source::harness::{Event, Input, Instance, Saved, by_split, in_frames_of, save};
use crate::{Compression, FileSource};

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn run_all(make: &MakeSource, parallelism: u16) -> Vec<String> {
    let mut instances = Instance::all(make, parallelism, &Saved::new()).unwrap();
    instances.iter_mut().for_each(|instance| instance.run().unwrap());
    by_split(&instances)
}

/// Stops a run after each of its turns, and goes on from there with each number of instances: what came before and after
/// is the whole, split by split.
pub(super) fn check_restarts(make: &MakeSource, before: u16, after: &[u16], expected: &[String]) {
    for stop in 0.. {
        let mut instances = Instance::all(make, before, &Saved::new()).unwrap();
        for turn in 0..stop {
            instances[turn % usize::from(before)].poll().unwrap();
        }
        let saved = save(&mut instances);
        for &after in after {
            let mut rest = Instance::all(make, after, &saved).unwrap();
            rest.iter_mut().for_each(|instance| instance.run().unwrap());
            assert_eq!(
                by_split(instances.iter().chain(&rest)),
                expected,
                "{stop} turns, {before} to {after} instances"
            );
        }
        if by_split(&instances) == expected {
            return;
        }
    }
}

fn ndjson(events: u64) -> (Vec<u8>, Vec<String>) {
    let mut text = Vec::new();
    let mut expected = Vec::new();
    for id in 0..events {
        let word = "x".repeat((id * 7 % 23) as usize);
        writeln!(text, r#"{{"id": {id}, "text": "{word}"}}"#).unwrap();
        expected.push(format!("{id}:{word}"));
    }
    (text, expected)
}

#[test]
fn restarts_at_every_record_give_exactly_the_rest() {
    let (text, expected) = ndjson(40);
    let input = Input::new(&[("events.ndjson", &text)]);
    let make = in_frames_of(1, FileSource::ndjson::<Event>(input.path("events.ndjson")).split_size(150));
    assert_eq!(run_all(&make, 1), expected);
    check_restarts(&make, 1, &[1, 2, 5], &expected);
    check_restarts(&make, 3, &[1, 2, 3, 4], &expected);
}

#[test]
fn compressed_files_restart_at_every_record() {
    let (text, expected) = ndjson(12);
    let (one, two) = text.split_at(101);
    let gz = [gzip(one), gzip(two)].concat();
    let zst = [zstd::encode_all(one, 1).unwrap(), zstd::encode_all(two, 1).unwrap()].concat();
    let input = Input::new(&[("events.ndjson.gz", &gz), ("events.ndjson.zst", &zst), ("plain", &gz)]);
    for name in ["events.ndjson.gz", "events.ndjson.zst"] {
        let make = in_frames_of(1, FileSource::ndjson::<Event>(input.path(name)));
        assert_eq!(run_all(&make, 2), expected, "{name}");
        check_restarts(&make, 2, &[1, 3], &expected);
    }
    let make = FileSource::ndjson::<Event>(input.path("plain")).compression(Compression::Gzip);
    assert_eq!(run_all(&in_frames_of(1024, make), 1), expected);
}

#[test]
fn csv_reads_its_header_in_every_split_and_after_every_restart() {
    let csv = b"text,other,id\r\none,1,1\r\n\"two\",2,2\r\n,3,3\r\nfour,4,4".as_slice();
    let expected = ["1:one", "2:two", "3:-", "4:four"].map(String::from);
    let input = Input::new(&[("a.csv", csv), ("a.csv.gz", &gzip(csv))]);
    for name in ["a.csv", "a.csv.gz"] {
        let whole = in_frames_of(1, FileSource::csv::<Event>(input.path(name)));
        check_restarts(&whole, 1, &[1, 2], &expected);
        for size in 1..60 {
            let divided = FileSource::csv::<Event>(input.path(name)).no_newlines_in_quotes().split_size(size);
            assert_eq!(run_all(&in_frames_of(1, divided), 3), expected, "splits of {size} bytes");
        }
        let divided = FileSource::csv::<Event>(input.path(name)).no_newlines_in_quotes().split_size(16);
        check_restarts(&in_frames_of(1, divided), 2, &[1, 3], &expected);
    }
    let by_position = Input::new(&[("b.csv", b"n;t\n5;\"a;\nb\"\n".as_slice()), ("c.csv", b"5;six\n")]);
    let make = FileSource::csv::<Event>(by_position.path("b.csv")).delimiter(b';').columns_by_position();
    assert_eq!(run_all(&in_frames_of(9, make), 2), ["5:a;\nb"]);
    let make = FileSource::csv::<Event>(by_position.path("c.csv")).delimiter(b';').header(false);
    assert_eq!(run_all(&in_frames_of(9, make), 2), ["5:six"]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_text() {
    let marked = b"\xef\xbb\xbfone\ntwo\n".as_slice();
    let input = Input::new(&[("a.txt", marked), ("a.txt.gz", &gzip(marked))]);
    for name in ["a.txt", "a.txt.gz"] {
        for size in [1, 2, 3, 4, 100] {
            let make = in_frames_of(1, FileSource::lines(input.path(name)).split_size(size));
            assert_eq!(run_all(&make, 2), ["one", "two"], "{name}, {size}");
            check_restarts(&make, 1, &[2], &["one".to_owned(), "two".to_owned()]);
        }
    }
}

/// A name among many others, or in a folder whose names this user may not read.
#[test]
fn one_file_is_found_without_its_neighbours() {
    let input = Input::new(&[("a.txt", b"one\n")]);
    // A listing refuses a name that is not UTF-8.
    let odd: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff");
    std::fs::write(input.folder().join(odd), "").unwrap();
    let make = in_frames_of(1, FileSource::lines(input.path("a.txt")));
    assert_eq!(run_all(&make, 1), ["one"]);
}

#[test]
fn files_are_read_in_the_order_of_their_paths() {
    let names: Vec<String> = (0..20).map(|n| format!("day-{n:02}.txt")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    let input = Input::new(&files);
    for make in [FileSource::lines(input.path("day-*")), FileSource::lines(input.path(""))] {
        let mut instance =
            Instance::open(&in_frames_of(100, make), Subtask { index: 0, parallelism: 1 }, &Saved::new()).unwrap();
        instance.run().unwrap();
        assert_eq!(instance.texts(), names);
        assert_eq!(instance.finished.len(), 20);
    }
}

#[test]
fn records_longer_than_a_slice_are_whole() {
    let long = "y".repeat(3 << 20);
    let text = format!("{{\"id\": 1}}\n{{\"id\": 2, \"text\": \"{long}\"}}\n{{\"id\": 3}}\n");
    let input = Input::new(&[("a.ndjson", text.as_bytes()), ("a.ndjson.gz", &gzip(text.as_bytes()))]);
    for name in ["a.ndjson", "a.ndjson.gz"] {
        let make = FileSource::ndjson::<Event>(input.path(name)).split_size(100_000);
        assert_eq!(run_all(&in_frames_of(1024, make), 2), ["1:-".to_owned(), format!("2:{long}"), "3:-".to_owned()]);
    }
}

#[test]
fn a_file_without_newlines_is_refused_before_memory_runs_out() {
    let text = vec![b' '; 70 << 20];
    let input = Input::new(&[("a.ndjson", &text)]);
    for size in [1 << 20, 1 << 30] {
        let make = in_frames_of(1024, FileSource::ndjson::<Event>(input.path("a.ndjson")).split_size(size));
        let mut all = Instance::all(&make, 2, &Saved::new()).unwrap();
        let error = all.iter_mut().find_map(|instance| instance.run().err()).expect("refused").to_string();
        assert!(error.contains("longer than 67108864 bytes") && error.contains("a.ndjson"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Lines of any length, with either line end, the last perhaps without: any size of splits, any number of instances,
    /// and a restart at any moment give each line once.
    #[test]
    fn lines_are_read_once_however_they_are_cut(
        lines in prop::collection::vec(("[a-zé]{0,30}", any::<bool>()), 0..40),
        open_end in any::<bool>(),
        size in 1u64..80,
        before in 1u16..5,
        after in 1u16..5,
        turns in 0usize..60,
        rows in 1usize..5,
    ) {
        let mut text = String::new();
        for (line, crlf) in &lines {
            text += line;
            text += if *crlf { "\r\n" } else { "\n" };
        }
        let mut expected: Vec<String> = lines.into_iter().map(|(line, _)| line).collect();
        if open_end && text.ends_with('\n') {
            let end = text.trim_end_matches(['\r', '\n']).len();
            // Only the last line end goes; an empty last line goes with it.
            let last = text[..text.len() - 1].trim_end_matches('\r').len().max(end);
            text.truncate(last);
            if expected.last().is_some_and(String::is_empty) {
                expected.pop();
            }
        }
        let input = Input::new(&[("a.txt", text.as_bytes())]);
        let make = in_frames_of(rows, FileSource::lines(input.path("a.txt")).split_size(size));
        prop_assert_eq!(&run_all(&make, before), &expected);

        let mut instances = Instance::all(&make, before, &Saved::new()).unwrap();
        for turn in 0..turns {
            instances[turn * 7 % usize::from(before)].poll().unwrap();
        }
        let saved = save(&mut instances);
        let mut rest = Instance::all(&make, after, &saved).unwrap();
        // A second restart, before anything was read.
        let saved = save(&mut rest);
        let mut rest = Instance::all(&make, before, &saved).unwrap();
        rest.iter_mut().for_each(|instance| instance.run().unwrap());
        prop_assert_eq!(by_split(instances.iter().chain(&rest)), expected);
    }
}
