//! What an operator is.

use yeoul_frame::{Frame, Timestamp};
use yeoul_state::StateTable;

use crate::graph::InputId;
use crate::{Context, OpenContext, OperatorError, Snapshot};

/// Whether a call did all that it was asked for.
///
/// ```
/// use yeoul_operator::Progress;
///
/// /// Calls as long as there is more to do, and says how often.
/// fn calls(mut call: impl FnMut() -> Progress) -> u32 {
///     (1..).find(|_| call() == Progress::Done).unwrap()
/// }
/// let mut left = 3;
/// assert_eq!(calls(|| { left -= 1; if left == 0 { Progress::Done } else { Progress::More } }), 3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// All is done.
    Done,
    /// There is more to do: call again, with the same arguments, once what was emitted has been taken.
    More,
}

/// One subtask's instance of an operator.
///
/// Calls come from one thread at a time. None may block. A panic fails the job with the operator's name.
///
/// ```
/// use yeoul_frame::{Frame, Pool, RowBuilder, RowKind, Timestamp};
/// use yeoul_operator::{Context, Counters, InputId, Operator, OperatorError, OutputId, Progress};
///
/// /// Gives frames on once the watermark has come to their end.
/// #[derive(Default)]
/// struct Hold(Vec<Frame>);
///
/// impl Operator for Hold {
///     fn process(&mut self, _: InputId, frame: &Frame, _: &mut Context<'_>) -> Result<(), OperatorError> {
///         self.0.push(frame.clone());
///         Ok(())
///     }
///
///     fn on_watermark(&mut self, watermark: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
///         let passed = |frame: &mut Frame| frame.rows::<u64>().iter().all(|(_, end)| end.to_native() as i64 <= watermark.0);
///         self.0.extract_if(.., passed).for_each(|frame| cx.emit(OutputId::MAIN, frame));
///         Ok(Progress::Done)
///     }
/// }
///
/// # let mut rows = RowBuilder::<u64>::new(&Pool::new(), 1);
/// # rows.push(&100, Timestamp(100), RowKind::Insert).unwrap();
/// # let frame = rows.finish();
/// let (pool, counters, mut emitted, mut hold) = (Pool::new(), Counters::default(), Vec::new(), Hold::default());
/// for watermark in [99, 100] {
///     assert!(emitted.is_empty());
///     let mut cx = Context::new(&mut emitted, Timestamp(watermark), Timestamp(0), &pool, &counters);
///     if watermark == 99 {
///         // A frame of the number 100.
///         hold.process(InputId(0), &frame, &mut cx)?;
///     }
///     hold.on_watermark(Timestamp(watermark), &mut cx)?;
/// }
/// assert_eq!(emitted.len(), 1);
/// # Ok::<_, OperatorError>(())
/// ```
pub trait Operator: Send {
    /// Called once before anything else, also after a restart (state is restored right after this).
    ///
    /// # Errors
    /// Whatever makes it impossible to run; the job fails with it.
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let _ = cx;
        Ok(())
    }

    /// Takes one frame that came by `input`. An operator that may make far more of it than it was given goes on only while `cx.has_room()`,
    /// keeps the rest of its work, and says so by [`has_more`](Self::has_more).
    ///
    /// # Errors
    /// A failure that fails the job; nothing of this frame is then committed.
    fn process(&mut self, input: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError>;

    /// Whether work is left of the frame that came last. Then [`go_on`](Self::go_on) is called when there is room, before anything else.
    fn has_more(&self) -> bool {
        false
    }

    /// Goes on with the work that [`process`](Self::process), or the last call of this, left.
    ///
    /// # Errors
    /// As for [`process`](Self::process).
    fn go_on(&mut self, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let _ = cx;
        Ok(())
    }

    /// The task's watermark has risen to `watermark`. Emits what it sets free, as far as `cx.has_room()`.
    ///
    /// # Errors
    /// As for [`process`](Self::process).
    fn on_watermark(&mut self, watermark: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        let _ = (watermark, cx);
        Ok(Progress::Done)
    }

    /// The task is idle: nothing comes, and time passes without it behind the next exchange, until something comes again.
    fn on_idle(&mut self) {}

    /// What the watermark is for those after this operator once `watermark` has come to it: less, if it gives rows from before it, or if
    /// what came before it is still [in flight](Self::in_flight). Rises with `watermark`, and is [`Timestamp::MAX`] at the end.
    ///
    /// Asked when a watermark has come, and again after each [`on_processing_time`](Self::on_processing_time), before which it was asked,
    /// too: if it has risen in that call, the new one goes on behind what the call emitted.
    fn output_watermark(&self, watermark: Timestamp) -> Timestamp {
        watermark
    }

    /// Whether records may come. While it says no, its task takes none from its input: they stay where they are, and who sends them waits.
    /// Signals that no record stands before still come, barriers among them. It is asked of the first operator of a task, so a node whose
    /// operator ever says no is not chained to one before it; the call in which it has room again is one of [`on_processing_time`](Self::on_processing_time).
    fn has_room(&self) -> bool {
        true
    }

    /// As [`has_room`](Self::has_room), while a barrier is on its way: records that stand before it hold it up, so an operator that could
    /// keep them aside, and put them into the snapshot, takes more of them then.
    fn has_room_before_barrier(&self) -> bool {
        self.has_room()
    }

    /// Whether results of records that came are still to come from outside. While they are, the operator is not idle for those after it, and
    /// a drain, which is also how a job ends that has read all its input, does not pass it; other barriers do, so what is in flight is part of
    /// the [snapshot](Self::snapshot).
    fn in_flight(&self) -> bool {
        false
    }

    /// The earliest processing time at which [`on_processing_time`](Self::on_processing_time) has something to do. It is asked in each step of
    /// the operator's shard, and a shard steps when the [`Waker`](crate::Waker) that the operator was opened with is called: so who has been
    /// woken says [`Timestamp::MIN`], and is called at once.
    fn next_processing_time(&self) -> Option<Timestamp> {
        None
    }

    /// Processing time has reached `now`, at or after what `next_processing_time` asked for.
    ///
    /// # Errors
    /// As for [`process`](Self::process).
    fn on_processing_time(&mut self, now: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        let _ = (now, cx);
        Ok(Progress::Done)
    }

    /// The barrier stands here: put what is not in a table into the snapshot. Tables are frozen by the caller.
    ///
    /// # Errors
    /// A failure that fails the job; the epoch is not committed.
    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        let _ = snapshot;
        Ok(())
    }

    /// The job goes on from a snapshot: called before the first [`restore`](Self::restore), also if nothing in it is this operator's.
    fn on_restore(&mut self) {}

    /// Gives back what [`snapshot`](Self::snapshot) put in under `name`. Called once for each subtask of the run that made the snapshot
    /// (there may have been another number of them), in their order; an operator takes what is its own.
    ///
    /// # Errors
    /// Bytes that this operator did not write.
    fn restore(&mut self, name: &str, from: crate::Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let _ = (from, bytes);
        Err(unknown_state(name))
    }

    /// Visits each of its state tables, always in the same order.
    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        let _ = visit;
    }

    /// Called once, if it was opened: when its last epoch is committed, the job is cancelled, or the attempt has failed, in it or elsewhere.
    fn close(&mut self) {}
}

/// That a snapshot holds state of an operator which does not know its name.
///
/// ```
/// let error = yeoul_operator::unknown_state("windows");
/// assert!(error.to_string().starts_with("the snapshot holds state 'windows', which this operator does not know"));
/// ```
#[must_use]
pub fn unknown_state(name: &str) -> OperatorError {
    OperatorError::new(format!("the snapshot holds state '{name}', which this operator does not know"))
        .hint("give the operator that wrote it its old uid, or start from another savepoint")
        .permanent()
}
