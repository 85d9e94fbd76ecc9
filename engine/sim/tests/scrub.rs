//! Sealed segments are read again in the background: a bit that flips at rest is found, wherever it is, and ends the log by name.

use std::sync::Arc;
use std::time::Duration;

use yeoul_frame::{Epoch, KeyGroups, ShardId, TableId};
use yeoul_sim::clock::SimClock;
use yeoul_sim::disk::SimDisk;
use yeoul_sim::trace::Trace;
use yeoul_state::log::{Layout, LogBuffer, LogOptions, LogWriter, RunId, SegmentRef, WriterOptions};
use yeoul_state::scrub::{SLICE_BYTES, Scrub, Scrubbed};
use yeoul_sys::Storage;

const HOUR: Duration = Duration::from_secs(3600);

/// A log of small segments, of which the last is still written.
fn written(disk: &SimDisk) -> (LogWriter, Vec<SegmentRef>) {
    disk.put("README", b"so that the folder exists");
    let storage: Arc<dyn Storage> = disk.start().folder("");
    let options = LogOptions { segment_bytes: 4096, ..LogOptions::single(RunId(7)) };
    let writer = WriterOptions {
        shard: ShardId(0),
        run: options.run,
        groups: 0..KeyGroups::DEFAULT.count(),
        restored: Vec::new(),
        segment_bytes: options.segment_bytes,
    };
    let (mut log, mut writer) = (LogBuffer::new(options), LogWriter::new(storage, "", writer));
    let mut segments = Vec::new();
    for epoch in 1..=10 {
        log.begin(Epoch(epoch));
        for key in 0..90_u64 {
            let layout = Layout::Fixed { key: 8, value: 8 };
            log.put(TableId(1), 0, layout, |k| k.extend(key.to_le_bytes()), |v| v.extend(epoch.to_le_bytes()));
        }
        while let Some(chunk) = log.take_chunk() {
            writer.append(chunk).unwrap();
        }
        writer.append(log.seal(Epoch(epoch))).unwrap();
        segments = writer.seal().unwrap().segments;
    }
    (writer, segments)
}

fn disk() -> SimDisk {
    SimDisk::new(1, SimClock::new(0), Trace::keeping(10))
}

#[test]
fn a_pass_reads_every_sealed_segment_once_and_takes_its_time() {
    let (mut writer, segments) = written(&disk());
    let sealed: u64 = segments[..segments.len() - 1].iter().map(|of| u64::from(of.len)).sum();
    assert!(segments.len() > 3 && sealed < SLICE_BYTES as u64);
    let mut scrub = Scrub::new(HOUR, 0);
    assert!(scrub.due() > 0, "what was just restored is not read again at once");
    writer.scrub(&mut scrub, 1_000).unwrap();
    assert_eq!(scrub.done(), Scrubbed { bytes: sealed, passes: 1 });
    assert_eq!(
        scrub.due(),
        1_000 + HOUR.as_nanos() as u64,
        "all was read: the next pass begins when this one's time is over"
    );
}

#[test]
fn a_flipped_bit_is_found_and_named_wherever_it_is() {
    let (_, segments) = written(&disk());
    let mut found = 0;
    for of in &segments {
        for byte in (0..of.len).step_by(97) {
            let disk = disk();
            let (mut writer, _) = written(&disk);
            let name = of.segment.file_name();
            assert!(disk.flip(&name, u64::from(byte) * 8 + u64::from(byte % 8)));
            let mut scrub = Scrub::new(HOUR, 0);
            let result = writer.scrub(&mut scrub, 0);
            if of == segments.last().unwrap() {
                result.expect("what is still written is not read");
                continue;
            }
            let error = result.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
            let text = error.to_string();
            assert!(text.contains(&format!("{name} at byte ")), "byte {byte} of {name}: {text}");
            assert!(writer.is_poisoned(), "what was found out ends the log");
            found += 1;
        }
    }
    assert!(found > 100);
}
