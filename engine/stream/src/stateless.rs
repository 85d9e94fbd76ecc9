//! Map, flat map and filter: operators that remember nothing.

use std::marker::PhantomData;

use yeoul_frame::{Frame, Record, RowKind, Schema, Selection};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, OutputId};

use crate::collector::Collector;

/// One record to one owned record.
pub(crate) struct Map<T, O: Record, F> {
    map: F,
    out: Option<Collector<O>>,
    records: PhantomData<fn() -> T>,
}

impl<T, O: Record, F> Map<T, O, F> {
    pub(crate) fn new(map: F) -> Self {
        Self { map, out: None, records: PhantomData }
    }
}

impl<T: Record, O: Record, F: Fn(&T::Archived) -> O + Send> Operator for Map<T, O, F> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.out = Some(Collector::new(cx.pool));
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let out = opened(&mut self.out);
        each::<T, O>(frame, out, |record, out| out.collect((self.map)(record)));
        out.flush(OutputId::MAIN, cx)
    }
}

/// One record to one row that borrows from it.
pub(crate) struct MapRow<T, O: Record, F> {
    map: F,
    out: Option<Collector<O>>,
    records: PhantomData<fn() -> T>,
}

impl<T, O: Record, F> MapRow<T, O, F> {
    pub(crate) fn new(map: F) -> Self {
        Self { map, out: None, records: PhantomData }
    }
}

impl<T: Record, O: Schema, F: for<'a> Fn(&'a T::Archived) -> O::Row<'a> + Send> Operator for MapRow<T, O, F> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.out = Some(Collector::new(cx.pool));
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let out = opened(&mut self.out);
        each::<T, O>(frame, out, |record, out| out.collect_row((self.map)(record)));
        out.flush(OutputId::MAIN, cx)
    }
}

/// One record to any number of records.
pub(crate) struct FlatMap<T, O: Record, F> {
    flat_map: F,
    out: Option<Collector<O>>,
    records: PhantomData<fn() -> T>,
}

impl<T, O: Record, F> FlatMap<T, O, F> {
    pub(crate) fn new(flat_map: F) -> Self {
        Self { flat_map, out: None, records: PhantomData }
    }
}

impl<T: Record, O: Record, F: Fn(&T::Archived, &mut Collector<O>) + Send> Operator for FlatMap<T, O, F> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.out = Some(Collector::new(cx.pool));
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let out = opened(&mut self.out);
        each::<T, O>(frame, out, |record, out| (self.flat_map)(record, out));
        out.flush(OutputId::MAIN, cx)
    }
}

/// Calls `f` for each selected record; results take its event time and kind.
#[inline]
fn each<T: Record, O: Record>(
    frame: &Frame,
    out: &mut Collector<O>,
    mut f: impl FnMut(&T::Archived, &mut Collector<O>),
) {
    let times = frame.times();
    match frame.kinds() {
        None => frame.rows::<T>().iter().for_each(|(row, record)| {
            out.stamp(times[row as usize], RowKind::Insert);
            f(record, out);
        }),
        Some(kinds) => frame.rows::<T>().iter().for_each(|(row, record)| {
            out.stamp(times[row as usize], kinds[row as usize]);
            f(record, out);
        }),
    }
}

/// What `open` made.
pub(crate) fn opened<T>(part: &mut Option<T>) -> &mut T {
    part.as_mut().expect("an operator is opened before anything else")
}

/// Selects records.
pub(crate) struct Filter<T, F> {
    keep: F,
    kept: Vec<u32>,
    records: PhantomData<fn() -> T>,
}

impl<T, F> Filter<T, F> {
    pub(crate) fn new(keep: F) -> Self {
        Self { keep, kept: Vec::new(), records: PhantomData }
    }
}

impl<T: Record, F: Fn(&T::Archived) -> bool + Send> Operator for Filter<T, F> {
    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        // One slot more than there are rows: the loop writes first and decides after, without a branch.
        self.kept.resize(frame.len() + 1, 0);
        let kept = &mut self.kept[..];
        let len = frame.rows::<T>().iter().fold(0, |len, (row, record)| {
            kept[len] = row;
            len + usize::from((self.keep)(record))
        });
        let selected = if len == frame.len() {
            frame.clone().without_hashes()
        } else {
            frame.select(Selection::rows(&kept[..len]))
        };
        cx.emit(OutputId::MAIN, selected);
        Ok(())
    }
}
