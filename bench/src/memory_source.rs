//! A source that hands out frames that lie in memory already, over and over: it costs a handle a frame.

use std::marker::PhantomData;
use std::sync::Arc;

use yeoul::frame::{Frame, Pool, Record, RowBuilder, RowKind, Timestamp, hash_u64};

use yeoul::operator::{
    MakeSource, OpenContext, OperatorError, Snapshot, Source, SourceContext, SourcePoll, SourceSpec, SplitId, Subtask,
};

/// Eight words; the first is the key.
pub type Words = [u64; 8];

/// Frames of 64-byte records with uniformly distributed keys below `keys`.
#[must_use]
pub fn frames_of_words(records: u64, keys: u64) -> Arc<[Frame]> {
    frames_of(records, |at| ((u128::from(hash_u64(at).0) * u128::from(keys)) >> 64) as u64)
}

/// Frames of 64-byte records with the key that `key_of` gives each place.
///
/// # Panics
/// Never: a frame has room for its rows.
#[must_use]
pub fn frames_of(records: u64, key_of: impl Fn(u64) -> u64) -> Arc<[Frame]> {
    let pool = Pool::new();
    let mut frames = Vec::new();
    let mut at = 0;
    while at < records {
        let mut rows = RowBuilder::<Words>::new(&pool, 1024);
        for at in at..records.min(at + 1024) {
            rows.push(&[key_of(at), at, 2, 3, 4, 5, 6, 7], Timestamp(at as i64 / 1000), RowKind::Insert)
                .expect("1,024 rows fit");
        }
        at += 1024;
        frames.push(rows.finish());
    }
    frames.into()
}

/// Replays frames until it has emitted `limit` records.
pub struct MemorySource {
    frames: Arc<[Frame]>,
    limit: u64,
    emitted: u64,
    next: usize,
}

impl MemorySource {
    /// Over these frames.
    #[must_use]
    pub fn new(frames: Arc<[Frame]>, limit: u64) -> Self {
        Self { frames, limit, emitted: 0, next: 0 }
    }
}

impl Source for MemorySource {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        // Instances begin at different places, so that they do not read the same memory in step.
        self.next = self.frames.len() * usize::from(cx.subtask.index) / usize::from(cx.subtask.parallelism);
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        if self.emitted >= self.limit {
            return Ok(SourcePoll::End);
        }
        let frame = self.frames[self.next].clone();
        self.next = (self.next + 1) % self.frames.len();
        self.emitted += frame.len() as u64;
        cx.emit(SplitId(0), frame);
        Ok(SourcePoll::Ready)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        snapshot.state("emitted", self.emitted.to_le_bytes().to_vec());
        Ok(())
    }

    fn restore(&mut self, _name: &str, _from: Subtask, _bytes: &[u8]) -> Result<(), OperatorError> {
        // Benches measure a run from its restore on; each reads its input anew.
        Ok(())
    }
}

/// Frames of records of one type, once: the source of a stream.
pub struct Once<T> {
    frames: Arc<[Frame]>,
    kind: PhantomData<fn() -> T>,
}

impl<T> Once<T> {
    /// Of these frames, whose records are `T`.
    #[must_use]
    pub fn of(frames: Arc<[Frame]>) -> Self {
        Self { frames, kind: PhantomData }
    }
}

impl<T: Record> SourceSpec for Once<T> {
    type Out = T;
    type Error = ();

    fn make(&self) -> MakeSource {
        let frames = Arc::clone(&self.frames);
        let records = frames.iter().map(|frame| frame.len() as u64).sum();
        Arc::new(move || Box::new(MemorySource::new(Arc::clone(&frames), records)))
    }

    fn parallelism(&self) -> Option<u16> {
        Some(1)
    }
}
