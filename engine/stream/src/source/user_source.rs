//! The engine's half of a [`SplitSource`]: owns splits, gives readers their turns, notes and restores positions.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use yeoul_frame::Timestamp;
use yeoul_operator::{
    MakeSource, OpenContext, OperatorError, Snapshot, Source, SourceContext, SourcePoll, SourceSpec, SplitId, Subtask,
};

use super::output::SplitOutput;
use super::positions::{self, Noted, Notes};
use super::rate::{Allowed, Rate};
use super::{ReadStatus, ReaderContext, SplitReader, SplitSource};
use crate::owned_state::archive;
use crate::watermarks::millis;

/// A [`SplitSource`] as a stream's source.
///
/// ```
/// use yeoul_stream::{SplitSource, StreamEnvironment, WatermarkStrategy};
///
/// fn add(env: &StreamEnvironment, source: impl SplitSource) {
///     let stream = env.from_source(source.into_source().rate(1_000), WatermarkStrategy::no_watermarks(), "mine");
///     # let _ = stream;
/// }
/// ```
pub struct UserSource<S> {
    source: Arc<S>,
    rate: Option<u64>,
}

impl<S: SplitSource> UserSource<S> {
    /// This source, read as fast as it can be.
    #[must_use]
    pub fn new(source: S) -> Self {
        Self { source: Arc::new(source), rate: None }
    }

    /// At most so many records a second, of all instances together: each has as large a part of them as of the splits. What there was not to
    /// read, or was not taken, is made up for by a second's worth at most. A reader keeps to it by looking at [`has_room`](SplitOutput::has_room).
    #[must_use]
    pub fn rate(mut self, records_per_second: u64) -> Self {
        self.rate = Some(records_per_second);
        self
    }
}

impl<S: SplitSource> SourceSpec for UserSource<S> {
    type Out = <S::Reader as SplitReader>::Out;
    type Error = <S::Reader as SplitReader>::Error;

    fn make(&self) -> MakeSource {
        let (source, rate) = (Arc::clone(&self.source), self.rate);
        Arc::new(move || {
            Box::new(Instance {
                source: Arc::clone(&source),
                rate: rate.map(Rate::per_second),
                opened: None,
                splits: BTreeMap::new(),
                active: Vec::new(),
                waiting: VecDeque::new(),
                turn: 0,
                listing: Listing::First,
            })
        })
    }

    fn parallelism(&self) -> Option<u16> {
        self.source.parallelism()
    }
}

type Position<S> = <<S as SplitSource>::Reader as SplitReader>::Position;

struct Instance<S: SplitSource> {
    source: Arc<S>,
    rate: Option<Rate>,
    opened: Option<Opened<S>>,
    splits: BTreeMap<SplitId, Own<S>>,
    /// Those that have their turns.
    active: Vec<SplitId>,
    /// Those that wait for one of these to end.
    waiting: VecDeque<SplitId>,
    turn: usize,
    listing: Listing,
}

/// What `open` gave.
struct Opened<S: SplitSource> {
    cx: ReaderContext,
    out: SplitOutput<<S::Reader as SplitReader>::Out, <S::Reader as SplitReader>::Error>,
}

/// When splits are asked for.
#[derive(Clone, Copy)]
enum Listing {
    First,
    At(Timestamp),
    Never,
}

/// A split of this instance.
struct Own<S: SplitSource> {
    split: S::Split,
    stage: Stage<S>,
}

enum Stage<S: SplitSource> {
    Waits(Option<Position<S>>),
    Reads { reader: S::Reader, is_idle: bool },
    Ended,
}

impl<S: SplitSource> Instance<S> {
    /// Asks for splits, if it is time to, and takes those that are new.
    fn list(&mut self, from: &mut SourceContext<'_>) -> Result<(), OperatorError> {
        let now = from.now();
        let is_first = match self.listing {
            Listing::First => true,
            Listing::At(due) if due <= now => false,
            Listing::At(_) | Listing::Never => return Ok(()),
        };
        let cx = &self.opened.as_ref().expect("a source is opened before it is polled").cx;
        let Subtask { index, parallelism } = cx.subtask();
        // With their places in the list.
        let (mut listed, mut archives) = (BTreeMap::new(), BTreeMap::new());
        for split in self.source.splits(cx)? {
            let id = self.source.id(&split);
            if let Some(other) = archives.insert(id, archive(&split)) {
                let alike = if other[..] == archives[&id][..] { "one split twice" } else { "two splits of one id" };
                return Err(OperatorError::new(format!("source '{}' lists {alike}: {}", cx.name(), id.0))
                    .hint("list each split once, and give each an id of its own")
                    .permanent());
            }
            if id.owner(parallelism) != index {
                continue;
            }
            listed.insert(id, listed.len());
            self.splits.entry(id).or_insert_with(|| {
                self.waiting.push_back(id);
                Own { split, stage: Stage::Waits(None) }
            });
        }
        if is_first {
            self.line_up(&listed);
        }
        self.listing = match self.source.discover_every() {
            None => Listing::Never,
            Some(every) => {
                self.splits.retain(|id, own| listed.contains_key(id) || !matches!(own.stage, Stage::Ended));
                Listing::At(now.plus(millis(every).max(1)))
            }
        };
        if let Some(rate) = &mut self.rate {
            rate.share(listed.len(), archives.len(), now);
        }
        self.fill(from);
        Ok(())
    }

    /// The order of turns at the beginning: what an earlier run had begun, then the rest, each in the order of the list. What is listed no
    /// more comes behind.
    fn line_up(&mut self, listed: &BTreeMap<SplitId, usize>) {
        let place = |(id, own): (&SplitId, &Own<S>)| match &own.stage {
            Stage::Waits(at) => Some((at.is_none(), listed.get(id).copied().unwrap_or(usize::MAX), *id)),
            Stage::Reads { .. } | Stage::Ended => None,
        };
        let mut waiting: Vec<_> = self.splits.iter().filter_map(place).collect();
        waiting.sort_unstable();
        self.waiting = waiting.into_iter().map(|(_, _, id)| id).collect();
    }

    /// Gives turns to those that wait, as far as there are any to give. From then on they hold the watermark back: those read side by side
    /// would else be late where another's first records came before theirs.
    fn fill(&mut self, cx: &mut SourceContext<'_>) {
        while self.active.len() < self.source.at_once().max(1)
            && let Some(next) = self.waiting.pop_front()
        {
            self.active.push(next);
            // What was begun in an earlier run has a watermark.
            if matches!(self.splits[&next].stage, Stage::Waits(None)) {
                cx.watermark(next, Timestamp::MIN);
            }
        }
    }

    /// Has one split read on. Returns how it stands, and whether anything was emitted.
    fn read(
        &mut self,
        id: SplitId,
        room: u64,
        cx: &mut SourceContext<'_>,
    ) -> Result<(ReadStatus, bool), OperatorError> {
        let Opened { cx: reader_cx, out } = self.opened.as_mut().expect("a source is opened before it is polled");
        let own = self.splits.get_mut(&id).expect("active splits are known");
        if let Stage::Waits(at) = &mut own.stage {
            let reader = self.source.open(&own.split, at.take(), reader_cx)?;
            own.stage = Stage::Reads { reader, is_idle: false };
        }
        let Stage::Reads { reader, is_idle } = &mut own.stage else { unreachable!("a split that ended has no turn") };
        out.begin(room, cx.now());
        let status = reader.read(out)?;
        let (records, spoke) = out.flush(id, is_idle, cx)?;
        if let Some(rate) = &mut self.rate {
            rate.given(records);
        }
        if status == ReadStatus::End {
            cx.finished(id);
            own.stage = Stage::Ended;
        }
        Ok((status, spoke))
    }
}

impl<S: SplitSource> Source for Instance<S> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.opened = Some(Opened { cx: ReaderContext::of(cx), out: SplitOutput::new(cx.pool) });
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        self.list(cx)?;
        let mut until = match self.listing {
            Listing::At(due) => Some(due),
            Listing::First | Listing::Never => None,
        };
        if self.active.is_empty() {
            return Ok(if until.is_some() { SourcePoll::Pending { until } } else { SourcePoll::End });
        }
        let room = match self.rate.as_mut().map_or(Allowed::Records(u64::MAX), |rate| rate.allowed(cx.now())) {
            Allowed::Records(records) => records,
            Allowed::From(at) => {
                return Ok(SourcePoll::Pending { until: Some(until.map_or(at, |until| until.min(at))) });
            }
        };
        for _ in 0..self.active.len() {
            let at = self.turn % self.active.len();
            let id = self.active[at];
            match self.read(id, room, cx)? {
                (ReadStatus::End, _) => {
                    self.active.remove(at);
                    self.fill(cx);
                    self.turn = at;
                    return Ok(SourcePoll::Ready);
                }
                (ReadStatus::More, _) | (ReadStatus::Pending { .. }, true) => {
                    self.turn = at + 1;
                    return Ok(SourcePoll::Ready);
                }
                (ReadStatus::Pending { until: again }, false) => {
                    self.turn = at + 1;
                    until = match (until, again) {
                        (Some(a), Some(b)) => Some(a.min(b)),
                        (a, b) => a.or(b),
                    };
                }
            }
        }
        Ok(SourcePoll::Pending { until })
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        let mut notes = Notes::new();
        for (id, own) in &self.splits {
            match &own.stage {
                Stage::Waits(None) => notes.add(*id, &own.split, positions::Stage::Waits),
                Stage::Waits(Some(position)) => notes.add_begun(*id, &own.split, position),
                Stage::Reads { reader, .. } => notes.add_begun(*id, &own.split, &reader.position()),
                Stage::Ended => notes.add(*id, &own.split, positions::Stage::Ended),
            }
        }
        snapshot.state(positions::STATE, notes.finish());
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let Subtask { index, parallelism } =
            self.opened.as_ref().expect("a source is opened before it is restored").cx.subtask();
        for (id, split, noted) in positions::read::<S::Split, Position<S>>(name, bytes)? {
            if id.owner(from.parallelism) != from.index || self.source.id(&split) != id {
                return Err(OperatorError::new(format!(
                    "instance {} of {} noted split {}, which is not its own, or has another id now",
                    from.index, from.parallelism, id.0
                ))
                .hint("leave the ids of splits as they were, or start from another savepoint")
                .permanent());
            }
            if id.owner(parallelism) != index {
                continue;
            }
            let stage = match noted {
                Noted::Waits => Stage::Waits(None),
                Noted::Begun(position) => Stage::Waits(Some(position)),
                Noted::Ended => Stage::Ended,
            };
            self.splits.insert(id, Own { split, stage });
        }
        Ok(())
    }
}
