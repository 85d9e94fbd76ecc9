//! Whatever is done to a savepoint's bytes, reading it gives what was saved or an error, and no panic.

use std::fs;
use std::path::Path;

use yeoul_stream::{Bootstrap, SavepointError, SavepointReader, SavepointWriter};

use crate::program::{Digest, Event, expected};
use crate::reading::Reader;
use crate::writing::Filling;

fn read(folder: &Path) -> Result<Vec<(u64, Digest)>, SavepointError> {
    let reader = SavepointReader::open(folder)?;
    let operators = reader.operators()?;
    assert!(!operators.is_empty());
    let rows = reader.operator("everything")?.read(Reader::default());
    let mut rows = rows.map(|row| row.map(|(key, digest, ..)| (key, digest))).collect::<Result<Vec<_>, _>>()?;
    rows.sort();
    assert_eq!(reader.operator("rules")?.list::<u64>("seen")?, [1, 2, 3]);
    reader.operator("everything")?.timers::<u64>()?;
    Ok(rows)
}

#[test]
fn damage_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let events: Vec<Event> = (0..60).map(|n| (n % 7, n as i64 - 20)).collect();
    let filled = Bootstrap::keyed(events.clone(), |event| event.0, Filling::default());
    let writer = SavepointWriter::new().with_operator("everything", filled);
    writer.with_operator("rules", Bootstrap::list("seen", [1_u64, 2, 3])).write(&whole).unwrap();
    let saved: Vec<(u64, Digest)> = expected(&events).into_iter().collect();
    assert_eq!(read(&whole).unwrap(), saved);

    let copy = folder.path().join("copy");
    let names: Vec<_> = fs::read_dir(&whole).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "a segment and the commit: {names:?}");
    fs::create_dir(&copy).unwrap();
    let restore = || names.iter().for_each(|name| _ = fs::copy(whole.join(name), copy.join(name)).unwrap());
    restore();
    let (mut refused, mut mended) = (0, 0);
    let mut check = |what: &str| match read(&copy) {
        // A commit is written twice: damage to one of its copies is mended.
        Ok(rows) => {
            assert_eq!(rows, saved, "{what}");
            mended += 1;
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            refused += 1;
        }
    };
    for name in &names {
        let bytes = fs::read(whole.join(name)).unwrap();
        // Behind what was written there are zeros, which nobody reads.
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        for at in (0..end).step_by(end / 400 + 1).chain([bytes.len() - 1]) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            fs::write(copy.join(name), &damaged).unwrap();
            check(&format!("{name:?} with a flipped bit in byte {at}"));
        }
        for len in (0..end).step_by(end / 60 + 1) {
            fs::write(copy.join(name), &bytes[..len]).unwrap();
            check(&format!("{name:?} cut to {len} bytes"));
        }
        fs::write(copy.join(name), vec![0xa5; bytes.len()]).unwrap();
        check("garbage");
        fs::remove_file(copy.join(name)).unwrap();
        check("a file is missing");
        restore();
    }
    assert!(refused > 300 && mended > 0, "{refused} refused, {mended} mended");
    assert_eq!(read(&copy).unwrap(), saved);
    let Err(error) = SavepointReader::open(folder.path()) else { panic!("no savepoint") };
    assert!(error.to_string().contains("neither a file SAVEPOINT nor"), "{error}");
}
