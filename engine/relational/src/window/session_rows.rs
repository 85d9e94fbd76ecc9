//! Rows with the bounds of their sessions: they are kept until it is known how long their session is.
//!
//! Invariants:
//! 1. A key's sessions are apart: no two of them meet.
//! 2. A session has a timer at its last millisecond or before, set when it begins; one that comes too early is set anew.
//! 3. A row is in a session until that is over, then it goes out; or it is late, because the session that it would be in is over.

use std::sync::Arc;

use yeoul_frame::{Frame, RowKind, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, Passed, Progress, Snapshot, Subtask};
use yeoul_state::{StateTable, Table, Timers};

use super::{WindowAssign, WindowTime, times_of};
use crate::arena::Arena;
use crate::input::Input;
use crate::key::{ColumnKey, KeyReader};
use crate::output::{OUTPUT_ROWS, emit, emit_late};
use crate::row::{EncodedRows, RowCodec};
use crate::word::words_to_array;

/// Start, end and rows, each under the number of its kind.
type Session = (i64, i64, Arena);

pub(super) struct SessionRowsOperator<K: ColumnKey> {
    spec: Arc<WindowAssign>,
    gap: i64,
    keys: KeyReader<K>,
    codec: RowCodec,
    rows: EncodedRows,
    state: Option<(Table<K, Vec<Session>>, Timers<K>)>,
    fired: Passed,
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
        })
    }

    /// Takes the frame's rows one after the other. Returns those that are late.
    fn take(&mut self, input: &Input<'_>, times: &[Timestamp]) -> Result<Vec<u32>, OperatorError> {
        let Self { keys, codec, rows, gap, fired, .. } = self;
        let (table, timers) = self.state.as_mut().expect("an operator is opened before its first frame");
        let (keys, hashes) = keys.read(input)?;
        codec.encode(&input.all_columns()?, input.rows(), rows)?;
        let kinds = input.kinds();
        let mut late = Vec::new();
        for (row, time) in times.iter().enumerate() {
            let (key, hash) = (&keys[row], hashes[row]);
            let sessions = table.upsert(key, hash, Vec::new);
            let (mut start, mut end) = (time.0, time.0.saturating_add(*gap));
            let mut joined: Option<Arena> = None;
            let mut at = 0;
            while at < sessions.len() {
                if sessions[at].0 > end || start > sessions[at].1 {
                    at += 1;
                    continue;
                }
                let (other_start, other_end, other) = sessions.swap_remove(at);
                (start, end) = (start.min(other_start), end.max(other_end));
                match &mut joined {
                    None => joined = Some(other),
                    Some(joined) => {
                        for entry in other.iter() {
                            joined.push(entry.time, entry.mark, entry.row)?;
                        }
                    }
                }
                at = 0;
            }
            if joined.is_none() {
                if end.saturating_sub(1) <= fired.of(hash) {
                    late.push(input.row(row));
                    if sessions.is_empty() {
                        table.remove(key, hash);
                    }
                    continue;
                }
                timers.register(key, hash, 0, Timestamp(end.saturating_sub(1)));
            }
            let kind = kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row]);
            let mut held = joined.unwrap_or_default();
            held.push(time.0, kind as u32, rows.row(row))?;
            sessions.push((start, end, held));
        }
        Ok(late)
    }

    /// Gives the rows of the sessions that are over at `time`, as far as there is room.
    fn advance(&mut self, time: i64, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        let (table, timers) = self.state.as_mut().expect("an operator is opened before its first watermark");
        let mut over: Vec<Session> = Vec::new();
        let mut is_done = true;
        while let Some(timer) = timers.pop_due(Timestamp(time)) {
            let Some(sessions) = table.get_mut(&timer.key, timer.hash) else { continue };
            let mut at = 0;
            while at < sessions.len() {
                if sessions[at].1.saturating_sub(1) <= time {
                    over.push(sessions.swap_remove(at));
                } else {
                    let last = Timestamp(sessions[at].1.saturating_sub(1));
                    timers.register(&timer.key, timer.hash, 0, last);
                    at += 1;
                }
            }
            if sessions.is_empty() {
                table.remove(&timer.key, timer.hash);
            }
            if over.len() >= OUTPUT_ROWS {
                give(&self.spec, &self.codec, &over, cx)?;
                over.clear();
                if !cx.has_room() {
                    is_done = false;
                    break;
                }
            }
        }
        give(&self.spec, &self.codec, &over, cx)?;
        if !is_done {
            return Ok(Progress::More);
        }
        self.fired.advance(time);
        Ok(Progress::Done)
    }
}

/// The rows of sessions that are over.
fn give(spec: &WindowAssign, codec: &RowCodec, over: &[Session], cx: &mut Context<'_>) -> Result<(), OperatorError> {
    let all = over.iter().flat_map(|(start, end, rows)| rows.iter().map(move |entry| (*start, *end, entry)));
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
    Ok(())
}

impl<K: ColumnKey> Operator for SessionRowsOperator<K> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.fired.open(cx);
        let sessions = Table::new(cx.operator.table("session rows"), "session rows");
        self.state = Some((sessions, Timers::new(cx.operator.table("session timers"), "session timers")));
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
        if let Some((sessions, timers)) = &mut self.state {
            visit(sessions);
            visit(timers);
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, TimeUnit};

    use super::super::Window;
    use super::*;
    use crate::testing::{Harness, Table, check};

    #[test]
    fn rows_go_out_with_their_session_once_it_is_over() {
        let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
        let columns = [("k", DataType::Int64), ("v", DataType::Utf8View)];
        let bounds = ["window_start", "window_end", "window_time"].map(|name| (name, millis.clone()));
        let (input, given) = (Table::new(&columns), Table::new(&[&columns[..], &bounds[..]].concat()));
        let spec = Arc::new(WindowAssign {
            window: Window::Session { gap: 5 },
            time: WindowTime::RowTime,
            keys: vec![0],
            input_schema: input.schema().clone(),
            schema: given.schema().clone(),
        });
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
                        +I 1 a 4 17 16 @16\n+I 1 c 4 17 16 @16\n+I 1 d 4 17 16 @16\n+I 1 f 4 17 16 @16\n\
                        +I 1 g 30 35 34 @34\nlate +I 2 e @3";
        assert_eq!(check(open, &[&input], script, expected), 0, "no state is left of sessions that are over");
    }
}
