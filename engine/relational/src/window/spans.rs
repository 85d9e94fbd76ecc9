//! Rows of open sessions, by spans of time.
//!
//! A key's time is cut into spans as long as the gap: rows of one span are in one session, and a session is spans that follow one another.
//! So a row is put into its span, and nothing is looked for; what a session is is found out when it may be over. A span's rows lie in
//! chunks, so that a checkpoint writes those that are new.
//!
//! Invariants:
//! 1. Rows of a key's span are in one session, for they are less than the gap apart. It goes on into the next span if the first row there
//!    is no later than the gap after the last one here.

use yeoul_frame::{KeyHash, TableId};
use yeoul_operator::OperatorError;
use yeoul_state::log::Corrupt;
use yeoul_state::{Compound, StateTable, Stored, Table};

use crate::arena::Arena;
use crate::key::ColumnKey;

/// A chunk takes no more rows once it has this many bytes.
const CHUNK_BYTES: usize = 4096;

/// What is known of a span's rows, and the last of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Span {
    first: i64,
    pub(super) last: i64,
    /// How many chunks lie beside.
    chunks: u32,
    rows: Arena,
}

impl Stored for Span {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self::default()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.first.encode(out);
        self.last.encode(out);
        self.chunks.encode(out);
        self.rows.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        Ok(Self {
            first: i64::decode(bytes)?,
            last: i64::decode(bytes)?,
            chunks: u32::decode(bytes)?,
            rows: Arena::decode(bytes)?,
        })
    }

    fn heap_bytes(&self) -> usize {
        self.rows.heap_bytes()
    }
}

/// Keys' spans, by their number, and the full chunks of each.
pub(super) struct Spans<K: ColumnKey> {
    gap: i64,
    spans: Table<Compound<K, i64>, Span>,
    chunks: Table<Compound<K, (i64, u32)>, Arena>,
}

impl<K: ColumnKey> Spans<K> {
    pub(super) fn new(gap: i64, spans: TableId, chunks: TableId) -> Self {
        Self { gap, spans: Table::new(spans, "session rows"), chunks: Table::new(chunks, "session chunks") }
    }

    /// The span of a time.
    pub(super) fn of(&self, time: i64) -> i64 {
        time.div_euclid(self.gap)
    }

    pub(super) fn get(&self, key: &K, hash: KeyHash, span: i64) -> Option<&Span> {
        let hash = Compound::<K, i64>::hash_of(hash, &span);
        self.spans.get(&Compound { key: key.clone(), sub: span }, hash)
    }

    /// Whether rows until `last` and rows from `first` on are in one session.
    fn meet(&self, last: i64, first: i64) -> bool {
        first <= last.saturating_add(self.gap)
    }

    /// Whether a row of this time is in a session that there is.
    pub(super) fn has_session(&self, key: &K, hash: KeyHash, time: i64) -> bool {
        let span = self.of(time);
        let before = || self.get(key, hash, span.checked_sub(1)?).filter(|before| self.meet(before.last, time));
        let after = || self.get(key, hash, span.checked_add(1)?).filter(|after| self.meet(time, after.first));
        self.get(key, hash, span).is_some() || before().is_some() || after().is_some()
    }

    /// Puts a row into its span. Returns whether it is the first one there.
    pub(super) fn put(
        &mut self,
        key: &K,
        hash: KeyHash,
        (time, mark, row): (i64, u32, &[u8]),
    ) -> Result<bool, OperatorError> {
        let number = self.of(time);
        let place = Compound { key: key.clone(), sub: number };
        let fresh = || Span { first: time, last: time, ..Span::default() };
        let span = self.spans.upsert(&place, Compound::<K, i64>::hash_of(hash, &number), fresh);
        (span.first, span.last) = (span.first.min(time), span.last.max(time));
        let begins = span.chunks == 0 && span.rows.is_empty();
        if span.rows.bytes() >= CHUNK_BYTES {
            let sub = (number, span.chunks);
            let hash = Compound::<K, (i64, u32)>::hash_of(hash, &sub);
            self.chunks.set(&Compound { key: place.key, sub }, hash, std::mem::take(&mut span.rows));
            span.chunks += 1;
        }
        span.rows.push(time, mark, row)?;
        Ok(begins)
    }

    /// Whether a span's session goes on in the next one.
    pub(super) fn goes_on(&self, key: &K, hash: KeyHash, number: i64, span: &Span) -> bool {
        let next = number.checked_add(1).and_then(|next| self.get(key, hash, next));
        next.is_some_and(|next| self.meet(span.last, next.first))
    }

    /// The session that ends with this span.
    pub(super) fn session(&self, key: K, hash: KeyHash, last: i64, end: i64) -> Firing<K> {
        let mut first = last;
        let mut start = self.get(&key, hash, last).map_or(end, |span| span.first);
        while let Some(before) = first.checked_sub(1)
            && let Some(span) = self.get(&key, hash, before).filter(|span| self.meet(span.last, start))
        {
            (first, start) = (before, span.first);
        }
        Firing { key, hash, start, end, span: first, last, chunk: 0 }
    }

    /// Takes the next rows of a session away. None: there are no more.
    pub(super) fn take(&mut self, firing: &mut Firing<K>) -> Option<Arena> {
        while firing.span <= firing.last {
            let sub = (firing.span, firing.chunk);
            let hash = Compound::<K, (i64, u32)>::hash_of(firing.hash, &sub);
            firing.chunk += 1;
            if let Some(rows) = self.chunks.remove(&Compound { key: firing.key.clone(), sub }, hash) {
                return Some(rows);
            }
            let hash = Compound::<K, i64>::hash_of(firing.hash, &firing.span);
            let span = self.spans.remove(&Compound { key: firing.key.clone(), sub: firing.span }, hash);
            firing.chunk = 0;
            // The last span's number may be the last there is.
            match firing.span.checked_add(1) {
                Some(next) => firing.span = next,
                None => firing.last = i64::MIN,
            }
            if let Some(span) = span {
                return Some(span.rows);
            }
        }
        None
    }
}

/// A session that is over, while its rows go out.
pub(super) struct Firing<K> {
    key: K,
    hash: KeyHash,
    pub(super) start: i64,
    pub(super) end: i64,
    /// The span and the chunk of it that go out next.
    span: i64,
    chunk: u32,
    /// Its last span.
    last: i64,
}

impl<K: ColumnKey> Spans<K> {
    pub(super) fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        visit(&mut self.spans);
        visit(&mut self.chunks);
    }
}
