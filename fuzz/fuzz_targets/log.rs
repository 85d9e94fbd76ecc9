//! Blocks of the state log from arbitrary bytes. The first byte says how: as they are; with their checksums and places
//! repaired, so that what lies behind the checksum is reached; or as operations on a buffer, whose log must read back.
#![no_main]

use std::collections::VecDeque;

use libfuzzer_sys::fuzz_target;
use yeoul_frame::{Epoch, KeyHash, OperatorId, ShardId, TableId};
use yeoul_state::log::{
    BlockKind, BlockView, Chunk, Layout, LogAddress, LogBuffer, LogOptions, Origin, RunId, SegmentId,
};
use yeoul_state::{Panes, StateTable, Table};

const ORIGIN: Origin = Origin { segment: SegmentId(1), run: RunId(7) };

fuzz_target!(|data: &[u8]| {
    let Some((&how, data)) = data.split_first() else { return };
    match how % 4 {
        0 => walk(data),
        1 | 2 => {
            let mut repaired = data.to_vec();
            repair(&mut repaired);
            walk(&repaired);
        }
        _ => write_and_read(data),
    }
});

/// Reads all blocks up to the first bad one, and gives each to tables of several types.
fn walk(bytes: &[u8]) {
    let mut tables: Vec<Box<dyn StateTable>> = Vec::new();
    let mut at = 0;
    while let Ok((block, next)) = BlockView::parse(bytes, at, ORIGIN) {
        let mut held = 0;
        for record in block.records() {
            held += record.bytes as usize;
            assert!(record.key.len() + record.value.len() <= record.bytes as usize);
            assert!(record.address.offset() as usize + record.bytes as usize <= next);
        }
        assert!(held <= next - at, "records lie inside their block");
        let _ = (block.operator_state(), block.sealed_output());
        if block.kind().is_keyed() {
            if tables.is_empty() {
                tables.push(Box::new(Table::<u64, u64>::new(TableId(1), "numbers")));
                tables.push(Box::new(Table::<String, Vec<u32>>::new(TableId(1), "texts")));
                tables.push(Box::new(Panes::<u32, String>::new(TableId(1), "panes")));
            }
            for table in &mut tables {
                let owned = |hash: KeyHash| hash.0.is_multiple_of(2);
                let _ = table.restore(&block, &owned, &mut |_: LogAddress, _| ());
            }
        }
        at = next;
    }
}

/// Makes magic, place, run and checksum of consecutive blocks right, whatever else they hold.
fn repair(bytes: &mut [u8]) {
    let mut at = 0;
    while at + 64 <= bytes.len() {
        let left = bytes.len() - at;
        let payload = (u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize).min(left - 64);
        let len = (64 + payload).next_multiple_of(16);
        if len > left {
            return;
        }
        let block = &mut bytes[at..at + len];
        block[0..4].copy_from_slice(b"YLB1");
        block[8..12].copy_from_slice(&(payload as u32).to_le_bytes());
        block[12] = block[12] % 6;
        block[13] = 0;
        block[16..20].copy_from_slice(&ORIGIN.segment.0.to_le_bytes());
        block[20..24].copy_from_slice(&(at as u32).to_le_bytes());
        block[32..40].copy_from_slice(&ORIGIN.run.0.to_le_bytes());
        let crc = crc32c::crc32c(&block[8..]);
        block[4..8].copy_from_slice(&crc.to_le_bytes());
        at += len;
    }
}

/// Each byte is an operation; the log must read back as the list of them, at the addresses that were given.
fn write_and_read(data: &[u8]) {
    let options = LogOptions { segment_bytes: 4096, ..LogOptions::single(ORIGIN.run) };
    let mut log = LogBuffer::new(options);
    let mut reader = Reader { segment: SegmentId(1), bytes: Vec::new(), puts: VecDeque::new() };
    let mut epoch = Epoch(1);
    let fixed = Layout::of(Some(4), Some(8));
    for (at, &op) in data.iter().enumerate().take(300) {
        let key = (at as u32).to_le_bytes();
        let put = |out: &mut Vec<u8>| out.extend_from_slice(&key);
        let value = vec![op; usize::from(op) * usize::from(op) / 16];
        match op % 8 {
            0..3 => {
                let value = vec![op; 8];
                let address = log.put(TableId(1), i64::from(op % 2), fixed, put, |out| out.extend_from_slice(&value));
                reader.puts.push_back((address, key, value));
            }
            3 | 4 => {
                let address = log.put(TableId(2), 0, Layout::Variable, put, |out| out.extend_from_slice(&value));
                reader.puts.push_back((address, key, value));
            }
            5 => log.delete(TableId(1), 0, fixed, put),
            6 => log.operator_state(OperatorId(3), "state", &value),
            _ => {
                log.sealed_output(OperatorId(3), ShardId(0), epoch, 0, &value);
                reader.seal(&mut log, epoch);
                epoch = epoch.next();
            }
        }
    }
    reader.seal(&mut log, epoch);
    assert!(reader.puts.is_empty(), "every record that was put is in the log");
}

struct Reader {
    segment: SegmentId,
    bytes: Vec<u8>,
    puts: VecDeque<(LogAddress, [u8; 4], Vec<u8>)>,
}

impl Reader {
    fn seal(&mut self, log: &mut LogBuffer, epoch: Epoch) {
        while let Some(chunk) = log.take_chunk() {
            log.recycle(self.read(chunk));
        }
        let last = log.seal(epoch);
        log.recycle(self.read(last));
    }

    fn read(&mut self, mut chunk: Chunk) -> Vec<u8> {
        chunk.finish();
        if chunk.segment != self.segment && !chunk.bytes.is_empty() {
            (self.segment, self.bytes) = (chunk.segment, Vec::new());
        }
        assert!(chunk.bytes.is_empty() || chunk.offset as usize == self.bytes.len(), "chunks follow one another");
        let mut at = self.bytes.len();
        self.bytes.extend_from_slice(&chunk.bytes);
        let origin = Origin { segment: self.segment, run: ORIGIN.run };
        while at < self.bytes.len() {
            let (block, next) = BlockView::parse(&self.bytes, at, origin).expect("what was written reads back");
            if block.kind() == BlockKind::Put {
                for record in block.records() {
                    let (address, key, value) = self.puts.pop_front().expect("no more records than were put");
                    assert!(record.address == address && record.key == key && record.value == value);
                }
            }
            at = next;
        }
        chunk.bytes
    }
}
