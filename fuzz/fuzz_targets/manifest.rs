//! Manifest files from arbitrary bytes: as they are, and with checksums and places repaired so that the commits' decoder
//! is reached. What decodes holds its invariants.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yeoul_state::commit::Commit;
use yeoul_state::entry::decode_manifest;

fuzz_target!(|data: &[u8]| {
    check(data);
    check(&repaired(data));
});

fn check(bytes: &[u8]) {
    let Ok(image) = decode_manifest(bytes, "MANIFEST", 3) else { return };
    assert!(image.commits.len() <= 3);
    let epochs: Vec<_> = image.commits.iter().map(|commit| commit.epoch).collect();
    assert!(epochs.is_sorted_by(|a, b| a < b), "epochs grow");
    for commit in &image.commits {
        for shards in [1, commit.job.shards, 7] {
            if shards > 0 {
                for log in commit.assign(shards) {
                    let order = |of: &yeoul_state::log::SegmentRef| (of.segment, of.groups.start);
                    assert!(log.segments.is_sorted_by(|a, b| order(a) < order(b)), "listings are in order");
                }
            }
        }
        let _: usize = Commit::segments(commit).len();
    }
}

/// The data cut into payloads (a length byte before each), each put into an entry that is valid up to its payload.
fn repaired(data: &[u8]) -> Vec<u8> {
    let (store, number) = (5u64, 6u64);
    let mut out = Vec::new();
    let header: Vec<u8> = [1u64.to_le_bytes().as_slice(), &1u32.to_le_bytes(), &1u32.to_le_bytes()].concat();
    let mut payloads = vec![(0u8, header.as_slice())];
    let mut rest = data;
    while let Some((&len, after)) = rest.split_first() {
        let (payload, after) = after.split_at(after.len().min(usize::from(len)));
        payloads.push((1, payload));
        rest = after;
    }
    for (sequence, (kind, payload)) in payloads.into_iter().enumerate() {
        for copy in 0..2u8 {
            let start = out.len();
            out.extend_from_slice(b"YME1");
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
            out.extend_from_slice(&[kind, copy, 0, 0]);
            for field in [sequence as u64, start as u64, store, number] {
                out.extend_from_slice(&field.to_le_bytes());
            }
            out.extend_from_slice(payload);
            out.resize(out.len().next_multiple_of(16), 0);
            let crc = crc32c::crc32c(&out[start + 8..]);
            out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
        }
    }
    out
}
