//! Rows with the bounds of their sessions: they are kept until it is known how long their session is.
//!
//! Which rows are in one session is known by their spans of time; see [`super::spans`].
//!
//! Invariants:
//! 1. A span has a timer at the end of a session that its rows would be the last of, or before, set when it begins; one that comes too
//!    early is set anew. So the last span of a session has one at its end.
//! 2. A row is in a span until its session is over, then it goes out; or it is late, because the session that it would be in is over.
//! 3. Nothing is put into a span, and no snapshot is taken, while rows go out: the time that ends their session comes before both.

use std::sync::Arc;

use yeoul_frame::{Frame, RowKind, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, Passed, Progress, Snapshot, Subtask};
use yeoul_state::{StateTable, Timers};

use super::spans::{Firing, Spans};
use super::{WindowAssign, WindowTime, times_of};
use crate::arena::Arena;
use crate::input::Input;
use crate::key::{ColumnKey, KeyReader};
use crate::output::{OUTPUT_ROWS, emit, emit_late};
use crate::row::{EncodedRows, RowCodec};
use crate::word::words_to_array;

pub(super) struct SessionRowsOperator<K: ColumnKey> {
    spec: Arc<WindowAssign>,
    gap: i64,
    keys: KeyReader<K>,
    codec: RowCodec,
    rows: EncodedRows,
    state: Option<(Spans<K>, Timers<K>)>,
    fired: Passed,
    firing: Option<Firing<K>>,
}

impl<K: ColumnKey> SessionRowsOperator<K> {
    pub(super) fn new(spec: Arc<WindowAssign>, gap: i64) -> Result<Self, OperatorError> {
        Ok(Self {
            keys: KeyReader::new(&spec.input_schema, &spec.keys)?,
            codec: RowCodec::of_fields(spec.input_schema.fields())?,
            spec,
            gap,
            rows: EncodedRows::default(),
            state: None,
            fired: Passed::new("fired"),
            firing: None,
        })
    }

    /// Takes the frame's rows one after the other. Returns those that are late.
    fn take(&mut self, input: &Input<'_>, times: &[Timestamp]) -> Result<Vec<u32>, OperatorError> {
        let Self { keys, codec, rows, gap, fired, .. } = self;
        let (spans, timers) = self.state.as_mut().expect("an operator is opened before its first frame");
        let (keys, hashes) = keys.read(input)?;
        codec.encode(&input.all_columns()?, input.rows(), rows)?;
        let kinds = input.kinds();
        let mut late = Vec::new();
        for (row, time) in times.iter().enumerate() {
            let (key, hash) = (&keys[row], hashes[row]);
            let last = time.0.saturating_add(*gap).saturating_sub(1);
            if last <= fired.of(hash) && !spans.has_session(key, hash, time.0) {
                late.push(input.row(row));
                continue;
            }
            let kind = kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row]);
            if spans.put(key, hash, (time.0, kind as u32, rows.row(row)))? {
                timers.register(key, hash, spans.of(time.0), Timestamp(last));
            }
        }
        Ok(late)
    }

    /// The next session that is over at `time`.
    fn over(&mut self, time: i64) -> Option<Firing<K>> {
        let (spans, timers) = self.state.as_mut().expect("an operator is opened before its first watermark");
        while let Some(timer) = timers.pop_due(Timestamp(time)) {
            let (key, hash, number) = (timer.key, timer.hash, timer.namespace);
            // None: it went out with its session.
            let Some(span) = spans.get(&key, hash, number) else { continue };
            let end = span.last.saturating_add(self.gap);
            if end.saturating_sub(1) > time {
                timers.register(&key, hash, number, Timestamp(end.saturating_sub(1)));
            } else if !spans.goes_on(&key, hash, number, span) {
                return Some(spans.session(key, hash, number, end));
            }
        }
        None
    }

    /// Gives the rows of the sessions that are over at `time`, as far as there is room.
    fn advance(&mut self, time: i64, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        let mut out = Out::default();
        while let Some(mut firing) = self.firing.take().or_else(|| self.over(time)) {
            let (spans, _) = self.state.as_mut().expect("an operator is opened before its first watermark");
            while let Some(rows) = spans.take(&mut firing) {
                out.add(firing.start, firing.end, rows);
                if out.count >= OUTPUT_ROWS {
                    out.give(&self.spec, &self.codec, cx)?;
                    if !cx.has_room() {
                        self.firing = Some(firing);
                        return Ok(Progress::More);
                    }
                }
            }
        }
        out.give(&self.spec, &self.codec, cx)?;
        self.fired.advance(time);
        Ok(Progress::Done)
    }
}

/// Rows that go out, with the bounds of their sessions.
#[derive(Default)]
struct Out {
    parts: Vec<(i64, i64, Arena)>,
    count: usize,
}

impl Out {
    fn add(&mut self, start: i64, end: i64, rows: Arena) {
        self.count += rows.iter().count();
        self.parts.push((start, end, rows));
    }

    fn give(&mut self, spec: &WindowAssign, codec: &RowCodec, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let all = self.parts.iter().flat_map(|(start, end, rows)| rows.iter().map(move |entry| (*start, *end, entry)));
        let all: Vec<_> = all.collect();
        for part in all.chunks(OUTPUT_ROWS) {
            let rows: Vec<&[u8]> = part.iter().map(|(.., entry)| entry.row).collect();
            let mut arrays = codec.decode(&rows)?;
            let bounds: [fn(i64, i64) -> i64; 3] = [|start, _| start, |_, end| end, |_, end| end.saturating_sub(1)];
            for bound in bounds {
                let words = part.iter().map(|(start, end, _)| bound(*start, *end) as u64).collect();
                arrays.push(words_to_array(spec.schema.field(arrays.len()).data_type(), words, None));
            }
            let times = part.iter().map(|(_, end, _)| Timestamp(end.saturating_sub(1))).collect();
            let mut kinds: Vec<RowKind> =
                part.iter().map(|(.., entry)| RowKind::from_byte(entry.mark as u8).unwrap_or_default()).collect();
            if kinds.iter().all(|kind| *kind == RowKind::Insert) {
                kinds.clear();
            }
            emit(cx, &spec.schema, arrays, times, kinds)?;
        }
        self.parts.clear();
        self.count = 0;
        Ok(())
    }
}

impl<K: ColumnKey> Operator for SessionRowsOperator<K> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.fired.open(cx);
        let spans = Spans::new(self.gap, cx.operator.table("session rows"), cx.operator.table("session chunks"));
        self.state = Some((spans, Timers::new(cx.operator.table("session timers"), "session timers")));
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let input = Input::of(frame)?;
        let times = times_of(self.spec.time, &input, cx.now(), &self.fired)?;
        let late = self.take(&input, &times)?;
        emit_late(cx, frame, &late);
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        match self.spec.time {
            // The input has ended: what its sessions hold is not left behind.
            WindowTime::ProcTime if watermark != Timestamp::MAX => Ok(Progress::Done),
            _ => self.advance(watermark.0, cx),
        }
    }

    fn next_processing_time(&self) -> Option<Timestamp> {
        let (_, timers) = self.state.as_ref()?;
        if self.spec.time == WindowTime::ProcTime { timers.next_time() } else { None }
    }

    fn on_processing_time(&mut self, now: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        self.advance(now.0, cx)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        self.fired.snapshot(snapshot);
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        self.fired.restore(name, from, bytes)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some((spans, timers)) = &mut self.state {
            spans.tables(visit);
            visit(timers);
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, TimeUnit};

    use super::super::Window;
    use super::*;
    use crate::testing::{Harness, Table, check, rows};

    fn spec(gap: i64) -> (Arc<WindowAssign>, Table) {
        let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
        let columns = [("k", DataType::Int64), ("v", DataType::Utf8View)];
        let bounds = ["window_start", "window_end", "window_time"].map(|name| (name, millis.clone()));
        let (input, given) = (Table::new(&columns), Table::new(&[&columns[..], &bounds[..]].concat()));
        let spec = WindowAssign {
            window: Window::Session { gap },
            time: WindowTime::RowTime,
            keys: vec![0],
            input_schema: input.schema().clone(),
            schema: given.schema().clone(),
        };
        (Arc::new(spec), input)
    }

    fn harness(gap: i64) -> (Harness, Table) {
        let (spec, input) = spec(gap);
        (Harness::of(move || spec.clone().operator(), &[&[0]]), input)
    }

    #[test]
    fn rows_go_out_with_their_session_once_it_is_over() {
        let (spec, input) = spec(5);
        let open = || {
            let spec = spec.clone();
            Harness::of(move || spec.clone().operator(), &[&[0]])
        };
        // A row at 8 brings the sessions at 4 and at 12 together; one at 3 is late, one at 10 is not: its session is open.
        let script = "
            0 +I 1 a @4
            0 +I 2 b @0
            0 +I 1 c @12
            0 +I 1 d @8
            0 -U 2 b @0
            w 8
            0 +I 2 e @3
            0 +I 1 f @10
            0 +I 1 g @30
            w 40";
        let expected = "+I 2 b 0 5 4 @4\n-U 2 b 0 5 4 @4\n\
                        +I 1 a 4 17 16 @16\n+I 1 d 4 17 16 @16\n+I 1 c 4 17 16 @16\n+I 1 f 4 17 16 @16\n\
                        +I 1 g 30 35 34 @34\nlate +I 2 e @3";
        assert_eq!(check(open, &[&input], script, expected), 0, "no state is left of sessions that are over");
    }

    #[test]
    fn sessions_are_those_that_rows_make_whatever_their_order() {
        // By hand, over all rows: a session ends where the next row is more than the gap after.
        let by_hand = |times: &[i64], gap: i64| {
            let mut sorted = times.to_vec();
            sorted.sort_unstable();
            let mut bounds = Vec::new();
            for session in sorted.chunk_by(|one, next| next - one <= gap) {
                let (start, end) = (session[0], session[session.len() - 1] + gap);
                bounds.extend(session.iter().map(|_| (start, end)));
            }
            bounds.sort_unstable();
            bounds
        };
        let mut word = 7u64;
        let mut next = move |below: u64| {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (word >> 33) % below
        };
        for round in 0..200 {
            let gap = 1 + next(9) as i64;
            let times: Vec<i64> = (0..1 + next(40)).map(|_| next(120) as i64 - 40).collect();
            let (mut harness, table) = harness(gap);
            for time in &times {
                harness.push(0, table.frame(&format!("+I 1 a @{time}")));
            }
            harness.finish();
            let given = rows(&harness.take());
            let bound = |row: &str, at: usize| row.split(' ').nth(at).unwrap().parse::<i64>().unwrap();
            let mut found: Vec<(i64, i64)> = given.lines().map(|row| (bound(row, 3), bound(row, 4))).collect();
            found.sort_unstable();
            assert_eq!(found, by_hand(&times, gap), "round {round}: gap {gap}, rows at {times:?}");
            assert_eq!(harness.state_entries(), 0);
        }
    }

    #[test]
    fn the_last_times_that_there_are_have_sessions() {
        let (mut harness, table) = harness(1);
        harness.push(0, table.frame(&format!("+I 1 a @{}\n+I 1 b @{}", i64::MAX, i64::MIN + 1)));
        harness.finish();
        assert_eq!(rows(&harness.take()).lines().count(), 2);
    }

    /// A session of so many rows, a frame at a time.
    fn filled(harness: &mut Harness, table: &Table, frames: usize) {
        let frame = vec!["+I 1 a-text-of-some-length @7"; OUTPUT_ROWS].join("\n");
        for _ in 0..frames {
            harness.push(0, table.frame(&frame));
        }
    }

    #[test]
    fn a_session_of_many_rows_goes_out_as_there_is_room() {
        let (mut harness, table) = harness(1000);
        filled(&mut harness, &table, 40);
        harness.most_frames = 0;
        harness.watermark(5000);
        let given: usize = harness.take().iter().map(Frame::len).sum();
        assert_eq!(given, 40 * OUTPUT_ROWS);
        assert!(harness.most_frames < 40, "one call gave {} frames", harness.most_frames);
        assert_eq!(harness.state_entries(), 0);
    }

    #[test]
    fn a_checkpoint_writes_the_rows_that_are_new() {
        let (mut harness, table) = harness(1000);
        filled(&mut harness, &table, 4);
        harness.snapshot();
        harness.push(0, table.frame("+I 1 b @8"));
        assert!(harness.dirty_entries() <= 2, "the span and perhaps a chunk: {}", harness.dirty_entries());
        assert!(harness.state_entries() > 10);
    }
}
