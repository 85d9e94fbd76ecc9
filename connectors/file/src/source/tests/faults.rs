//! Input that is not what it should be: an error that names it, never a silent end.

use std::io::Write;

use crate::FileSource;
use crate::source::harness::{Event, Input, Instance, Saved, in_frames_of, save};

fn error_of(path: String) -> String {
    let make = in_frames_of(10, FileSource::ndjson::<Event>(path));
    Instance::all(&make, 1, &Saved::new()).and_then(|mut all| all[0].run()).unwrap_err().to_string()
}

#[test]
fn a_truncated_gzip_file_names_itself_and_the_place() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&b"{\"id\": 1}\n".repeat(100)).unwrap();
    let file = encoder.finish().unwrap();
    let cut = &file[..file.len() - 3];
    let input = Input::new(&[("a.gz", cut), ("empty.gz", b""), ("no.gz", b"{\"id\": 1}\n{\"id\": 2}\n")]);
    let error = error_of(input.path("a.gz"));
    assert!(error.contains(&input.path("a.gz")) && error.contains("is truncated"), "{error}");
    assert!(error.contains(&format!("at byte {}", cut.len())) && error.contains("after 1000 bytes of text"), "{error}");
    let error = error_of(input.path("empty.gz"));
    assert!(error.contains("is truncated") && error.contains("the file is empty"), "{error}");
    let error = error_of(input.path("no.gz"));
    assert!(error.contains("is damaged") && error.contains("Compression::Plain"), "{error}");
}

#[test]
fn a_path_that_leads_nowhere_is_an_error() {
    let input = Input::new(&[("a.ndjson", b"")]);
    assert!(error_of(input.path("b.ndjson")).contains("no file or folder"));
    assert!(error_of(input.path("*.csv")).contains("no file matches"));
    assert!(error_of(input.path("no/such/folder/x")).contains("cannot read the input"));
    assert!(!input.folder().join("no").exists(), "nothing is made");
    assert!(error_of("data/[a".to_owned()).contains("never closes"));
}

#[test]
fn a_file_that_grows_or_shrinks_while_it_is_read_is_an_error() {
    let text = b"{\"id\": 1}\n".repeat(6);
    let grown = [&text[..], b"{\"id\": 7}\n"].concat();
    for turns in 0..6 {
        let input = Input::new(&[("a.ndjson", &text)]);
        let make = in_frames_of(1, FileSource::ndjson::<Event>(input.path("a.ndjson")).split_size(25));
        let mut all = Instance::all(&make, 1, &Saved::new()).unwrap();
        (0..turns).for_each(|_| _ = all[0].poll().unwrap());
        let saved = save(&mut all);
        // In place, and by another file of that name.
        if turns % 2 == 0 {
            input.put("a.ndjson", &grown);
        } else {
            input.put("new", &grown);
            std::fs::rename(input.folder().join("new"), input.folder().join("a.ndjson")).unwrap();
        }
        let again = Instance::all(&make, 2, &saved).and_then(|mut all| all[0].run());
        // Before the first turn nothing of it has been read: a restart takes it as it is.
        let failed = if turns == 0 { again.map(|()| vec![all[0].run()]).unwrap() } else { vec![again, all[0].run()] };
        for error in failed {
            let error = error.unwrap_err().to_string();
            assert!(error.contains("changed while the job was reading it"), "{turns}: {error}");
            assert!(error.contains("60 bytes") && error.contains("70 bytes"), "{turns}: {error}");
        }
    }
}

#[test]
fn a_file_that_is_gone_is_an_error_only_if_it_is_needed() {
    let input = Input::new(&[("a.ndjson", b"{\"id\": 1}\n"), ("b.ndjson", b"{\"id\": 2}\n")]);
    let make = in_frames_of(1, FileSource::ndjson::<Event>(input.path("*.ndjson")));
    let mut all = Instance::all(&make, 1, &Saved::new()).unwrap();
    while all[0].finished.is_empty() {
        all[0].poll().unwrap();
    }
    let saved = save(&mut all);
    std::fs::remove_file(input.folder().join("a.ndjson")).unwrap();
    let mut rest = Instance::all(&make, 1, &saved).unwrap();
    rest[0].run().unwrap();
    assert_eq!(rest[0].texts(), ["2:-"]);
    std::fs::remove_file(input.folder().join("b.ndjson")).unwrap();
    let error = Instance::all(&make, 1, &saved).and_then(|mut all| all[0].run()).unwrap_err().to_string();
    assert!(error.contains("b.ndjson' has not been read to its end, and is gone"), "{error}");
    // With both done, nothing is needed.
    let saved = save(&mut rest);
    let mut none = Instance::all(&make, 3, &saved).unwrap();
    none.iter_mut().for_each(|instance| instance.run().unwrap());
    assert!(none.iter().all(|instance| instance.records.is_empty()));
}

/// The input of a run that is not watched is what was there at its start, for all instances and after restarts.
#[test]
fn files_that_come_later_are_not_read() {
    let input = Input::new(&[("a.ndjson", b"{\"id\": 1}\n")]);
    let make = in_frames_of(1, FileSource::ndjson::<Event>(input.path("*.ndjson")));
    let mut all = Instance::all(&make, 2, &Saved::new()).unwrap();
    all[0].run().unwrap();
    input.put("b.ndjson", b"{\"id\": 2}\n");
    all[1].run().unwrap();
    let saved = save(&mut all);
    let mut again = Instance::all(&make, 1, &saved).unwrap();
    again[0].run().unwrap();
    assert_eq!(all.iter().chain(&again).flat_map(|instance| instance.texts()).collect::<Vec<_>>(), ["1:-"]);
}

#[test]
fn an_empty_file_holds_no_records() {
    let input = Input::new(&[("a.ndjson", b""), ("b.ndjson", b"\n\n"), ("c.ndjson", b"{\"id\": 3}")]);
    let make = in_frames_of(1, FileSource::ndjson::<Event>(input.path("*.ndjson")));
    let mut all = Instance::all(&make, 1, &Saved::new()).unwrap();
    all[0].run().unwrap();
    assert_eq!(all[0].texts(), ["3:-"]);
    let csv = Input::new(&[("a.csv", b""), ("b.csv", b"id,text"), ("c.csv", b"id,text\n3,\n")]);
    let make = in_frames_of(1, FileSource::csv::<Event>(csv.path("*.csv")));
    let mut all = Instance::all(&make, 1, &Saved::new()).unwrap();
    all[0].run().unwrap();
    assert_eq!(all[0].texts(), ["3:-"]);
}

#[test]
fn state_of_another_operator_is_refused() {
    let input = Input::new(&[("a.ndjson", b"")]);
    let make = in_frames_of(1, FileSource::ndjson::<Event>(input.path("a.ndjson")));
    let alone = yeoul_operator::Subtask { index: 0, parallelism: 1 };
    let saved = vec![(alone, "counts".to_owned(), vec![])];
    let error = Instance::all(&make, 1, &saved).err().expect("refused").to_string();
    assert!(error.contains("state 'counts'"), "{error}");
}

/// Other processes may cut a file at any time, while it is read too: that is an error, not the end of this process.
#[test]
fn a_file_that_is_cut_while_it_is_read_is_an_error() {
    let text = b"{\"id\": 1, \"text\": \"some words to make this line longer\"}\n".repeat(60_000);
    for (name, compressed) in [("a.ndjson", false), ("a.ndjson.zst", true)] {
        // What does not compress well is long.
        let random: Vec<u8> =
            (0..3_000_000u64).map(|n| (yeoul_frame::hash_bytes(&n.to_le_bytes()).0 >> 9) as u8).collect();
        let file = if compressed { zstd::encode_all(&random[..], 1).unwrap() } else { text.clone() };
        for len in [0, 5, file.len() / 2, file.len() - 1] {
            let input = Input::new(&[(name, &file)]);
            let source = FileSource::lines(input.path(name)).on_malformed(crate::OnMalformed::SideOutput);
            let mut all = Instance::all(&in_frames_of(1024, source), 1, &Saved::new()).unwrap();
            all[0].poll().unwrap();
            std::fs::File::options().write(true).open(input.folder().join(name)).unwrap().set_len(len as u64).unwrap();
            let error = all[0].run().unwrap_err().to_string();
            let expected = if compressed { "is truncated" } else { "changed while the job was reading it" };
            assert!(error.contains(expected) || error.contains("changed while"), "{name} cut to {len}: {error}");
        }
    }
}
