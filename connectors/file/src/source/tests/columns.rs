//! Columns come from the same splits, offsets and error output as rows.

use yeoul_formats::Header;
use yeoul_formats::columns::{CsvTableOptions, JsonOptions, TextFormat};

use crate::source::harness::{
    Event, Input, Instance, Saved, by_split, columns_in_frames_of, event_columns, in_frames_of, save,
};
use crate::{FileSource, OnMalformed};

fn ndjson() -> Vec<u8> {
    let line = |i: u64| match i % 7 {
        3 => format!("{{\"id\": {i}, \"text\": \"a text that is not short, {i}\"}}\n"),
        5 => format!("{{\"text\": \"without an id\", \"n\": {i}}}\n"),
        6 => "{\"id\": 1, \"text\"\r\n".to_owned(),
        _ => format!("{{\"id\":{i}}}\n"),
    };
    (0..60).map(line).collect::<String>().into_bytes()
}

#[test]
fn columns_are_what_rows_are_whatever_the_splits() {
    let input = Input::new(&[("a.ndjson", &ndjson())]);
    let path = || input.path("a.ndjson");
    for (size, parallelism, turns) in [(9, 1, 5), (50, 2, 0), (50, 2, 7), (300, 3, 3), (300, 3, 4), (1 << 20, 1, 2)] {
        let rows = FileSource::ndjson::<Event>(path()).on_malformed(OnMalformed::SideOutput).split_size(size);
        let rows = in_frames_of(4, rows);
        let columns = event_columns(path(), TextFormat::Json(JsonOptions::default()));
        let columns = columns_in_frames_of(4, columns.on_malformed(OnMalformed::SideOutput).split_size(size));
        // Of rows before a restart, and columns after it, and the other way round: positions mean the same.
        let mut found = Vec::new();
        for (first, second) in [(&rows, &rows), (&rows, &columns), (&columns, &rows), (&columns, &columns)] {
            let mut before = Instance::all(first, parallelism, &Saved::new()).unwrap();
            for turn in 0..turns {
                before[turn % usize::from(parallelism)].poll().unwrap();
            }
            let saved = save(&mut before);
            let mut after = Instance::all(second, parallelism % 3 + 1, &saved).unwrap();
            after.iter_mut().for_each(|instance| instance.run().unwrap());
            let all = || before.iter().chain(&after);
            let mut malformed: Vec<_> = all().flat_map(|instance| instance.malformed.clone()).collect();
            malformed.sort_by_key(|record| record.offset);
            let places: Vec<_> = malformed.iter().map(|bad| (bad.line, bad.offset, bad.raw.clone())).collect();
            let errors: u64 = all().map(|instance| instance.counters.errors.get()).sum();
            assert_eq!(errors, places.len() as u64);
            found.push((by_split(all()), places));
        }
        assert_eq!((found[0].0.len(), found[0].1.len()), (44, 16));
        found.iter().skip(1).for_each(|other| assert_eq!(other, &found[0], "splits of {size}, {turns} turns"));
    }
}

#[test]
fn a_malformed_record_fails_the_job_with_its_place() {
    let input = Input::new(&[("a.ndjson", &ndjson())]);
    let source = event_columns(input.path("a.ndjson"), TextFormat::Json(JsonOptions::default()));
    let error = Instance::all(&source.make(), 1, &Saved::new()).unwrap()[0].run().unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}:6: malformed record", input.path("a.ndjson"))), "{error}");
    assert!(error.contains("`id`, which is NOT NULL"), "{error}");
}

#[test]
fn csv_columns_have_their_header_read_in_every_split() {
    let text = format!("text,id\n{}", (0..40).map(|i| format!("some text,{i}\n")).collect::<String>());
    let input = Input::new(&[("a.csv", text.as_bytes())]);
    let options = CsvTableOptions { header: Header::Named, newlines_in_quotes: false, ..CsvTableOptions::default() };
    let source = event_columns(input.path("a.csv"), TextFormat::Csv(options)).split_size(64);
    let mut instances = Instance::all(&columns_in_frames_of(8, source), 2, &Saved::new()).unwrap();
    instances.iter_mut().for_each(|instance| instance.run().unwrap());
    assert!(instances.iter().all(|instance| !instance.records.is_empty()), "both have a share");
    let mut texts = by_split(&instances);
    texts.sort_by_key(|text| text.split(':').next().unwrap().parse::<u64>().unwrap());
    assert_eq!(texts, (0..40).map(|i| format!("{i}:some text")).collect::<Vec<_>>());
}
