//! The bytes printed in docs/format.md are those that are written, and a decoder made from that page alone reads them.
//!
//! The decoder below shares no code with the crate: checksum, hash and field places are written out once more. What stands inside
//! of blocks is in `payloads`, what takes several blocks or a folder in `parts`.

mod parts;
mod payloads;

use std::collections::BTreeMap;
use std::sync::Arc;

use yeoul_frame::{Epoch, KeyGroups, KeyHash, OperatorId, ShardId, TableId, Timestamp, hash_bytes, hash_u64};
use yeoul_sys::Storage;

use super::memory::MemoryStorage;
use crate::commit::{Commit, JobMeta, ShardLog};
use crate::entry::decode_manifest;
use crate::log::{BlockCursor, Layout, LogBuffer, LogOptions, LogWriter, Segment, WriterOptions};
use crate::manifest::{Manifest, ManifestOptions};

const FORMAT: &str = include_str!("../../../../docs/format.md");

/// A store in folder `s` with one shard and one epoch, in which every kind of block and field occurs, and its commit.
fn store(blobs: BTreeMap<String, Vec<u8>>) -> (MemoryStorage, Commit) {
    let memory = MemoryStorage::new();
    let storage: Arc<dyn Storage> = Arc::new(memory.clone());
    let options = ManifestOptions { store: 0x1122_3344_5566_7788, rewrite_bytes: 0, ..ManifestOptions::default() };
    let (mut manifest, _) = Manifest::open(Arc::clone(&storage), "s", options).unwrap();
    let job = JobMeta { key_groups: KeyGroups::DEFAULT, shards: 2 };
    let log_options: LogOptions = manifest.log_options(ShardId(1), job);
    let writer_options: WriterOptions = manifest.writer_options(log_options, job, Vec::new());
    let mut log = LogBuffer::new(log_options);
    let mut writer = LogWriter::new(Arc::clone(&storage), "s", writer_options);
    let fixed = Layout::of(Some(4), Some(2));
    let (numbers, texts) = (TableId(0xaaaa), TableId(0xbbbb));
    for (key, value) in [(1u32, 10u16), (2, 20)] {
        let value = |out: &mut Vec<u8>| out.extend_from_slice(&value.to_le_bytes());
        log.put(numbers, 5, fixed, |out| out.extend_from_slice(&key.to_le_bytes()), value);
    }
    log.delete(numbers, 5, fixed, |out| out.extend_from_slice(&3u32.to_le_bytes()));
    for (key, value) in [("k", "value"), ("key", "")] {
        let key = |out: &mut Vec<u8>| out.extend_from_slice(key.as_bytes());
        log.put(texts, -1, Layout::Variable, key, |out| out.extend_from_slice(value.as_bytes()));
    }
    log.drop_namespace(texts, -2);
    log.operator_state(OperatorId(0xcccc), "offset", &[9, 8, 7]);
    log.sealed_output(OperatorId(0xdddd), ShardId(1), Epoch(1), 4, b"line\n");
    writer.append(log.seal(Epoch(1))).unwrap();
    let sealed = writer.seal().unwrap();
    let shards = vec![ShardLog { shard: ShardId(1), segments: sealed.segments }];
    let commit = Commit { epoch: Epoch(1), job, watermark: Timestamp(1_000), shards, blobs };
    manifest.append(&commit).unwrap();
    drop(manifest);
    // Opening again writes the commit into a fresh manifest file.
    drop(Manifest::open(storage, "s", options).unwrap());
    (memory, commit)
}

/// The bytes in the fenced block of docs/format.md with this name: `offset | bytes in hex | what they are`.
fn printed(name: &str) -> Vec<u8> {
    let start = FORMAT.find(&format!("```{name}\n")).expect("the page prints these bytes");
    let block = FORMAT[start..].lines().skip(1).take_while(|line| *line != "```");
    let mut bytes = Vec::new();
    for line in block.filter(|line| line.contains('|')) {
        let mut columns = line.split('|');
        let offset = columns.next().and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
        assert_eq!(offset, Some(bytes.len()), "the offset of {line:?}");
        for hex in columns.next().unwrap().split_whitespace() {
            match hex.strip_prefix("00*") {
                Some(count) => bytes.resize(bytes.len() + count.parse::<usize>().unwrap(), 0),
                None => bytes.push(u8::from_str_radix(hex, 16).unwrap()),
            }
        }
    }
    bytes
}

#[test]
fn what_is_written_is_what_the_page_prints() {
    let (memory, commit) = store(BTreeMap::from([("sources".to_owned(), vec![1, 2, 3])]));
    let image = memory.image();
    let path = image.keys().find(|path| path.ends_with(".log")).unwrap();
    assert_eq!(path, "s/00000002.log", "shard 1 of 2 takes the second id");
    let (segment, manifest) = (&image[path][..commit.shards[0].segments[0].len as usize], &image["s/MANIFEST"]);
    assert!(printed("golden-segment") == segment, "the segment is\n{}", hex(segment));
    assert!(printed("golden-manifest") == *manifest, "the manifest is\n{}", hex(manifest));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_crate_reads_what_the_page_prints() {
    let image = decode_manifest(&printed("golden-manifest"), "m", 1).unwrap();
    let commit = &image.commits[0];
    assert_eq!((commit.epoch, commit.watermark), (Epoch(1), Timestamp(1_000)));
    let files = BTreeMap::from([("00000002.log".to_owned(), printed("golden-segment"))]);
    let segment = Segment::open(&MemoryStorage::of_image(&files), "", &commit.shards[0].segments[0]).unwrap();
    let (mut at, mut kinds) = (BlockCursor::default(), Vec::new());
    while let Some(block) = segment.next_block(&mut at).unwrap() {
        kinds.push(block.kind() as u8);
    }
    assert_eq!(kinds, [1, 2, 1, 3, 4, 5]);
}

/// CRC32C as the page states it: polynomial 0x1EDC6F41, reflected, initial value and final xor all ones.
fn crc32c_by_the_page(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

fn number(bytes: &[u8], at: usize, width: usize) -> u64 {
    bytes[at..at + width].iter().rev().fold(0, |all, byte| (all << 8) | u64::from(*byte))
}

fn round_up(at: usize) -> usize {
    at.div_ceil(16) * 16
}

/// One line a record, decoded by the page.
fn segment_by_the_page(bytes: &[u8], run: u64) -> Vec<String> {
    let (mut at, mut lines) = (0, Vec::new());
    while at < bytes.len() {
        let b = &bytes[at..];
        assert_eq!(&b[0..4], b"YLB1");
        let payload = number(b, 8, 4) as usize;
        let end = round_up(64 + payload);
        assert_eq!(number(b, 4, 4), u64::from(crc32c_by_the_page(&b[8..end])));
        assert_eq!((number(b, 16, 4), number(b, 20, 4), number(b, 32, 8)), (2, at as u64, run));
        let (kind, flags, shard, epoch) = (b[12], b[13], number(b, 14, 2), number(b, 24, 8));
        let (owner, namespace) = (number(b, 40, 8), number(b, 48, 8) as i64);
        let (first, second) = (number(b, 56, 4), number(b, 60, 4));
        assert_eq!((flags, shard, epoch), (0, 1, 1));
        let head = format!("kind {kind} owner {owner:x} namespace {namespace}");
        let data = &b[64..64 + payload];
        match kind {
            1 | 2 if first == 0xffff_ffff => {
                let mut record = 0;
                while record < payload {
                    let (key, value) = (number(data, record, 4) as usize, number(data, record + 4, 4) as usize);
                    let value_at = round_up(at + 64 + record + 8 + key) - at - 64;
                    let texts = [&data[record + 8..record + 8 + key], &data[value_at..value_at + value]];
                    let [key, text] = texts.map(|text| String::from_utf8(text.to_vec()).unwrap());
                    lines.push(format!("{head} {key:?} {text:?}"));
                    record = value_at + value;
                }
            }
            1 | 2 => {
                for record in data.chunks((first + second) as usize) {
                    lines.push(format!("{head} {} {}", hex(&record[..first as usize]), hex(&record[first as usize..])));
                }
            }
            4 => {
                let (name, state) = data.split_at(first as usize);
                lines.push(format!("{head} {} {} part {second}", String::from_utf8_lossy(name), hex(state)));
            }
            3 => lines.push(format!("{head} {payload} bytes")),
            _ => {
                let (subtask, shards) = (first & 0xffff, first >> 16);
                lines.push(format!(
                    "{head} {:?} subtask {subtask} of {shards} part {second}",
                    String::from_utf8_lossy(data)
                ));
            }
        }
        at += end;
    }
    lines
}

#[test]
fn the_page_is_enough_to_read_a_segment() {
    let run = hash_u64_by_the_page(0x1122_3344_5566_7788_u64.rotate_left(32) ^ 1);
    let expected = [
        "kind 1 owner aaaa namespace 5 01000000 0a00",
        "kind 1 owner aaaa namespace 5 02000000 1400",
        "kind 2 owner aaaa namespace 5 03000000 ",
        "kind 1 owner bbbb namespace -1 \"k\" \"value\"",
        "kind 1 owner bbbb namespace -1 \"key\" \"\"",
        "kind 3 owner bbbb namespace -2 0 bytes",
        "kind 4 owner cccc namespace 0 offset 090807 part 0",
        "kind 5 owner dddd namespace 4 \"line\\n\" subtask 1 of 2 part 0",
    ];
    assert_eq!(segment_by_the_page(&printed("golden-segment"), run), expected);
}

/// Kind, copy, sequence and payload of each entry of a manifest file.
fn entries_by_the_page(bytes: &[u8], store: u64, file: u64) -> Vec<(u8, u8, u64, Vec<u8>)> {
    let (mut at, mut entries) = (0, Vec::new());
    while at < bytes.len() {
        let b = &bytes[at..];
        assert_eq!(&b[0..4], b"YME1");
        let payload = number(b, 8, 4) as usize;
        let end = round_up(48 + payload);
        assert_eq!(number(b, 4, 4), u64::from(crc32c_by_the_page(&b[8..end])));
        assert_eq!((number(b, 14, 2), number(b, 24, 8), number(b, 32, 8)), (0, at as u64, store));
        assert_eq!(number(b, 40, 8), file, "which of the store's manifest files it is");
        entries.push((b[12], b[13], number(b, 16, 8), b[48..48 + payload].to_vec()));
        at += end;
    }
    entries
}

#[test]
fn the_page_is_enough_to_read_a_manifest() {
    let entries = entries_by_the_page(&printed("golden-manifest"), 0x1122_3344_5566_7788, 3);
    let order: Vec<_> = entries.iter().map(|(kind, copy, sequence, _)| (*kind, *copy, *sequence)).collect();
    assert_eq!(order, [(0, 0, 0), (0, 1, 0), (1, 0, 1), (1, 1, 1)]);
    assert!(entries[0].3 == entries[1].3 && entries[2].3 == entries[3].3);
    let header = &entries[0].3;
    assert_eq!((number(header, 0, 8), number(header, 8, 4), number(header, 12, 4)), (2, 3, 2));
    let c = &entries[2].3;
    assert_eq!((number(c, 0, 8), number(c, 8, 8), number(c, 16, 2), number(c, 18, 2)), (1, 1_000, 128, 2));
    assert_eq!((number(c, 20, 4), number(c, 24, 2)), (1, 1), "one shard is listed: number 1");
    assert_eq!((number(c, 28, 4), number(c, 32, 4), number(c, 36, 4)), (0, 0, 1), "none dropped, none kept, one added");
    assert_eq!((number(c, 40, 4), number(c, 44, 4)), (2, printed("golden-segment").len() as u64));
    assert_eq!((number(c, 56, 2), number(c, 58, 2)), (64, 128), "the key groups of shard 1 of 2");
    assert_eq!((number(c, 60, 4), number(c, 64, 4), number(c, 68, 4)), (1, 7, 3));
    assert_eq!((&c[72..79], &c[79..]), (&b"sources"[..], &[1, 2, 3][..]));
}

const P: [u64; 3] = [0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db, 0x8ebc_6af0_9c88_c6e3];

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

fn hash_u64_by_the_page(key: u64) -> u64 {
    fold(fold(key ^ P[0], P[1]), key ^ P[2])
}

fn hash_bytes_by_the_page(bytes: &[u8]) -> u64 {
    let n = bytes.len();
    let (mut seed, mut at) = (P[0] ^ n as u64, 0);
    while n - at > 16 {
        seed = fold(number(bytes, at, 8) ^ P[1], number(bytes, at + 8, 8) ^ seed);
        at += 16;
    }
    let (a, b) = match n - at {
        rest @ 0..8 => (number(bytes, at, rest), 0),
        _ => (number(bytes, at, 8), number(bytes, n - 8, 8)),
    };
    fold(P[2] ^ n as u64, fold(a ^ P[1], b ^ seed))
}

#[test]
fn hashes_are_those_of_the_page() {
    let start = FORMAT.find("```golden-hashes\n").expect("the page lists hashes");
    let lines = FORMAT[start..].lines().skip(1).take_while(|line| *line != "```");
    let mut checked = 0;
    for line in lines {
        let mut columns = line.split('|').map(str::trim);
        let (what, text, hash) = (columns.next().unwrap(), columns.next().unwrap(), columns.next().unwrap());
        let hash = u64::from_str_radix(hash, 16).unwrap_or_default();
        let (stated, ours) = match what {
            "integer" => {
                let key = text.parse::<i64>().unwrap() as u64;
                (hash_u64_by_the_page(key), hash_u64(key))
            }
            "bytes" => (hash_bytes_by_the_page(text.as_bytes()), hash_bytes(text.as_bytes())),
            "then" => {
                let (a, b) = (hash_u64(1), hash_u64(2));
                (fold(a.0 ^ P[1], b.0 ^ P[2]), a.then(b))
            }
            other => panic!("{other:?} is no kind of hash"),
        };
        assert_eq!((stated, ours), (hash, KeyHash(hash)), "{line}: {:016x}", ours.0);
        checked += 1;
    }
    assert!(checked >= 8);
}
