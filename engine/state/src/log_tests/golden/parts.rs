//! What takes more than a block or a folder of its own, as docs/format.md prints it: state in parts, and a savepoint with its catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use yeoul_frame::{Epoch, KeyGroups, OperatorId, ShardId};
use yeoul_sys::Storage;

use super::payloads::payload;
use super::{crc32c_by_the_page, entries_by_the_page, number, printed, round_up, store};
use crate::commit::JobMeta;
use crate::log::{LogBuffer, LogWriter, RunId};
use crate::log_tests::memory::MemoryStorage;
use crate::manifest::{Manifest, ManifestOptions};
use crate::savepoint::{copy_savepoint, read_savepoint};

/// One MiB of zeros, then three bytes.
fn long_state() -> Vec<u8> {
    let mut state = vec![0; 1 << 20];
    state.extend([1, 2, 3]);
    state
}

#[test]
fn long_states_are_written_in_the_parts_that_the_page_prints() {
    let memory = MemoryStorage::new();
    let storage: Arc<dyn Storage> = Arc::new(memory.clone());
    let options = ManifestOptions { store: 0x1122_3344_5566_7788, ..ManifestOptions::default() };
    let (manifest, _) = Manifest::open(Arc::clone(&storage), "s", options).unwrap();
    let job = JobMeta { key_groups: KeyGroups::DEFAULT, shards: 2 };
    let log_options = manifest.log_options(ShardId(1), job);
    let mut log = LogBuffer::new(log_options);
    let mut writer = LogWriter::new(storage, "s", manifest.writer_options(log_options, job, Vec::new()));
    log.operator_state(OperatorId(0xcccc), "big", &long_state());
    while let Some(chunk) = log.take_chunk() {
        writer.append(chunk).unwrap();
    }
    writer.append(log.seal(Epoch(1))).unwrap();
    let sealed = writer.seal().unwrap();
    let len = sealed.segments[0].len as usize;
    assert!(memory.image()["s/00000002.log"][..len] == printed("golden-parts"), "the segment is as printed");
    assert_eq!(manifest.run(), RunId(number(&printed("golden-parts"), 32, 8)));
}

#[test]
fn the_page_is_enough_to_put_parts_together() {
    let bytes = printed("golden-parts");
    let (mut at, mut next, mut state) = (0, Some(0), Vec::new());
    while at < bytes.len() {
        let b = &bytes[at..];
        let payload = number(b, 8, 4) as usize;
        let end = round_up(64 + payload);
        assert_eq!((&b[0..4], number(b, 4, 4)), (&b"YLB1"[..], u64::from(crc32c_by_the_page(&b[8..end]))));
        assert_eq!((b[12], number(b, 20, 4), number(b, 40, 8), number(b, 56, 4)), (4, at as u64, 0xcccc, 3));
        let (part, more) = (number(b, 60, 4) & 0x7fff_ffff, number(b, 60, 4) >> 31 == 1);
        assert_eq!((Some(part), &b[64..67]), (next, &b"big"[..]), "parts follow each other, each with the name");
        next = more.then_some(part + 1);
        state.extend_from_slice(&b[67..64 + payload]);
        at += end;
    }
    assert!(next.is_none() && state == long_state());
}

#[test]
fn a_savepoint_is_the_file_that_the_page_prints() {
    let blobs = ["operators", "tables", "sinks"].map(|name| (name.to_owned(), payload(name)));
    let (memory, commit) = store(BTreeMap::from(blobs));
    let storage: Arc<dyn Storage> = Arc::new(memory.clone());
    copy_savepoint(&memory, "s", &commit, Arc::clone(&storage), "p", 0xaa).unwrap();
    let image = memory.image();
    assert!(image["p/SAVEPOINT"] == printed("golden-savepoint"), "it is {:02x?}", image["p/SAVEPOINT"]);
    assert!(image["p/00000002.log"] == printed("golden-segment"), "segments are copied to their committed length");
    assert_eq!(read_savepoint(&memory, "p").unwrap(), commit);
}

/// The names of operators and tables, and from where each sink's output is kept: one line an entry.
#[test]
fn the_page_is_enough_to_read_a_savepoints_catalog() {
    let entries = entries_by_the_page(&printed("golden-savepoint"), 0xaa, 1);
    let order: Vec<_> = entries.iter().map(|(kind, copy, sequence, _)| (*kind, *copy, *sequence)).collect();
    assert_eq!(order, [(0, 0, 0), (0, 1, 0), (1, 0, 1), (1, 1, 1)]);
    let header = &entries[0].3;
    assert_eq!((number(header, 0, 8), number(header, 8, 4), number(header, 12, 4)), (0, 1, 2));
    let c = &entries[2].3;
    let (mut at, mut lines) = (64, Vec::new());
    assert_eq!(number(c, 60, 4), 3, "blobs, behind one shard's list of one segment");
    let text = |at: usize, len: usize| std::str::from_utf8(&c[at..at + len]).unwrap();
    for _ in 0..3 {
        let (name, len) = (number(c, at, 4) as usize, number(c, at + 4, 4) as usize);
        let (blob, mut entry) = (text(at + 8, name), at + 8 + name);
        at = entry + len;
        while entry < at {
            let (id, named) = match blob {
                "sinks" => {
                    lines.push(format!("sink {:016x} from {}", number(c, entry, 8), number(c, entry + 8, 8)));
                    entry += 16;
                    continue;
                }
                "operators" => (number(c, entry, 8), entry + 8),
                _ => (number(c, entry, 8), entry + 24),
            };
            let len = number(c, named, 4) as usize;
            let what = match blob {
                "operators" => String::new(),
                _ => format!(
                    " of {:016x}, {} and {}",
                    number(c, entry + 8, 8),
                    number(c, entry + 16, 4),
                    number(c, entry + 20, 4)
                ),
            };
            lines.push(format!("{blob} {id:016x}{what}: {}", text(named + 4, len)));
            entry = named + 4 + len;
        }
    }
    assert_eq!(at, c.len());
    let (count, sink) = (OperatorId::of("count"), OperatorId::of("sink"));
    let table = |name: &str| (count.table(name).0, count.0);
    let expected = [
        format!("operators {:016x}: sink", sink.0),
        format!("operators {:016x}: count", count.0),
        format!("sink {:016x} from 7", sink.0),
        format!("tables {:016x} of {:016x}, 8 and 0: a", table("a").0, table("a").1),
        format!("tables {:016x} of {:016x}, 0 and 0: b", table("b").0, table("b").1),
    ];
    assert_eq!(lines, expected);
}
