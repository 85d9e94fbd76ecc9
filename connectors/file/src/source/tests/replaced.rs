//! Files that are put in order before any of them has been read: a job goes on with what is there then.

use std::time::Duration;

use yeoul_operator::MakeSource;

use crate::source::harness::{Event, Input, Instance, Saved, in_frames_of, save};
use crate::{Compression, FileSource};

fn gzip(text: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// The records of a run, sorted, or why it failed.
fn run(make: &MakeSource, instances: u16, saved: &Saved) -> Result<Vec<String>, String> {
    let mut all = Instance::all(make, instances, saved).map_err(|error| error.to_string())?;
    for instance in &mut all {
        instance.run().map_err(|error| error.to_string())?;
    }
    let mut texts: Vec<String> = all.iter().flat_map(|all| all.texts()).map(str::to_owned).collect();
    texts.sort();
    Ok(texts)
}

#[test]
fn a_file_of_which_nothing_was_read_may_be_put_in_order() {
    let whole = gzip(&b"{\"id\": 2}\n".repeat(3));
    let input = Input::new(&[("a.gz", &gzip(b"{\"id\": 1}\n")), ("b.gz", &whole[..5])]);
    let source = FileSource::ndjson::<Event>(input.path("*.gz")).compression(Compression::Gzip);
    let make = in_frames_of(1, source);
    // Nothing is kept of a first attempt without a checkpoint.
    assert!(run(&make, 1, &Saved::new()).unwrap_err().contains("is truncated"));
    let mut all = Instance::all(&make, 1, &Saved::new()).unwrap();
    while all[0].finished.is_empty() {
        all[0].poll().unwrap();
    }
    let saved = save(&mut all);
    assert!(all[0].run().unwrap_err().to_string().contains("is truncated"));
    input.put("b.gz", &whole);
    // One that came later is none of the input, whether or not there was a checkpoint.
    input.put("c.gz", &whole);
    assert_eq!(run(&make, 1, &Saved::new()).unwrap(), ["1:-", "2:-", "2:-", "2:-"]);
    for instances in [1, 2, 3] {
        assert_eq!(run(&make, instances, &saved).unwrap(), ["2:-", "2:-", "2:-"], "{instances} instances");
    }
    // What was read is as it was, or else the job fails.
    input.put("a.gz", &whole);
    for instances in [1, 2] {
        let error = run(&make, instances, &saved).unwrap_err();
        assert!(error.contains("a.gz' changed while the job was reading it"), "{error}");
    }
}

/// A plain file has splits of several owners: they all read the new one, or none does.
#[test]
fn all_instances_read_the_file_that_is_there() {
    let text = |id: u64, lines: usize| format!("{{\"id\": {id}}}\n").repeat(lines).into_bytes();
    let input = Input::new(&[("a.ndjson", &text(1, 1)), ("b.ndjson", &text(2, 3))]);
    let make = in_frames_of(1, FileSource::ndjson::<Event>(input.path("*.ndjson")).split_size(10));
    let mut all = Instance::all(&make, 1, &Saved::new()).unwrap();
    while all[0].finished.is_empty() {
        all[0].poll().unwrap();
    }
    let saved = save(&mut all);
    for lines in [20, 1, 3] {
        input.put("b.ndjson", &text(3, lines));
        for instances in [1, 2, 5] {
            let found = run(&make, instances, &saved).unwrap();
            assert_eq!(found, vec!["3:-".to_owned(); lines], "{instances} instances");
        }
    }
    // A split is begun: the file is known.
    all[0].poll().unwrap();
    let saved = save(&mut all);
    input.put("b.ndjson", &text(4, 20));
    assert!(run(&make, 2, &saved).unwrap_err().contains("b.ndjson' changed while the job was reading it"));
}

#[test]
fn a_watched_file_of_which_nothing_was_read_is_forgotten_when_it_is_gone_or_another() {
    let whole = gzip(b"{\"id\": 2}\n");
    let input = Input::new(&[("a.gz", &gzip(b"{\"id\": 1}\n")), ("b.gz", &whole[..5])]);
    let source = FileSource::ndjson::<Event>(input.path("*.gz")).watch(Duration::from_millis(100));
    let make = in_frames_of(1, source);
    let mut all = Instance::all(&make, 1, &Saved::new()).unwrap();
    all[0].run_until_idle().unwrap();
    all[0].now = all[0].now.plus(100);
    while all[0].finished.is_empty() {
        all[0].poll().unwrap();
    }
    assert_eq!(all[0].texts(), ["1:-"]);
    let saved = save(&mut all);
    assert!(all[0].run_until_idle().unwrap_err().to_string().contains("is truncated"));
    let go_on = |saved: &Saved, ticks: usize, instances: u16| {
        let mut all = Instance::all(&make, instances, saved).unwrap();
        for _ in 0..=ticks {
            for instance in &mut all {
                instance.run_until_idle().unwrap();
                instance.now = instance.now.plus(100);
            }
        }
        let texts: Vec<String> = all.iter().flat_map(|all| all.texts()).map(str::to_owned).collect();
        (texts, save(&mut all))
    };
    for instances in [1, 3] {
        // Away, and back later under its name.
        std::fs::remove_file(input.folder().join("b.gz")).unwrap();
        let (texts, later) = go_on(&saved, 3, instances);
        assert!(texts.is_empty(), "{texts:?}");
        input.put("b.gz", &whole);
        for (saved, instances) in [(&later, 2), (&saved, 1), (&saved, 2)] {
            // It settles anew.
            let (texts, after) = go_on(saved, 3, instances);
            assert_eq!(texts, ["2:-"], "{instances} instances");
            assert!(go_on(&after, 3, 2).0.is_empty(), "it is read once");
        }
    }
}
