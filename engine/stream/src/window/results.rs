//! Where windows that fire put what they give: the content's function, and the collectors that it writes to.

use yeoul_frame::{OperatorId, Record, RowKind, Timestamp};
use yeoul_operator::{Context, OpenContext, OperatorError, OutputId};
use yeoul_state::{Key, StateTable};

use crate::collector::Collector;
use crate::side_outputs::SideOutputs;
use crate::stateless::opened;
use crate::tag::Sides;
use crate::window::content::Content;
use crate::{TimeWindow, WindowContext, WindowStates};

/// Places of each expiring state that are looked at after each call.
const SWEPT_A_CALL: usize = 64;

/// What window functions write to and remember.
pub(crate) struct Emission<K: Key, O: Record> {
    opened: Option<(Collector<O>, SideOutputs)>,
    pub(crate) states: WindowStates<K>,
}

impl<K: Key, O: Record> Emission<K, O> {
    pub(crate) fn new() -> Self {
        Self { opened: None, states: WindowStates::new(OperatorId(0)) }
    }

    pub(crate) fn open(&mut self, sides: &Sides, cx: &OpenContext<'_>) {
        self.opened = Some((Collector::new(cx.pool), SideOutputs::open(sides, cx.pool)));
        self.states = WindowStates::new(cx.operator);
    }

    /// What a function is given of a window, and where its results go.
    pub(crate) fn of<'a>(
        &'a mut self,
        key: &'a K,
        window: TimeWindow,
        watermark: Timestamp,
        now: Timestamp,
    ) -> (WindowContext<'a, K>, &'a mut Collector<O>) {
        let (out, sides) = opened(&mut self.opened);
        out.stamp(window.max_timestamp(), RowKind::Insert);
        (WindowContext { key, window, watermark, now, states: &mut self.states, sides }, out)
    }

    /// Emits full frames. Says whether there is room for more.
    pub(crate) fn emit_full(&mut self, cx: &mut Context<'_>) -> Result<bool, OperatorError> {
        let (out, sides) = opened(&mut self.opened);
        Ok(out.emit_full(OutputId::MAIN, cx)? & sides.emit_full(cx)?)
    }

    /// Emits all that was collected.
    pub(crate) fn flush(&mut self, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let (out, sides) = opened(&mut self.opened);
        self.states.window.sweep(SWEPT_A_CALL, cx.now());
        self.states.global.sweep(SWEPT_A_CALL, cx.now());
        sides.flush(cx)?;
        out.flush(OutputId::MAIN, cx)
    }
}

/// Where windows that fire put what they give.
pub(crate) struct Results<K: Key, C: Content<K>> {
    pub(crate) content: C,
    emission: Emission<K, C::Out>,
}

impl<K: Key, C: Content<K>> Results<K, C> {
    pub(crate) fn new(content: C) -> Self {
        Self { content, emission: Emission::new() }
    }

    pub(crate) fn open(&mut self, sides: &Sides, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.emission.open(sides, cx);
        self.content.declare(&mut self.emission.states);
        debug_assert!(self.emission.states.window.is_empty(), "per-window state is the general operator's");
        self.content.open(cx)
    }

    /// One key's window fires.
    pub(crate) fn fire(
        &mut self,
        key: &K,
        window: TimeWindow,
        held: &C::Held,
        cx: &Context<'_>,
    ) -> Result<(), OperatorError> {
        let (mut wcx, out) = self.emission.of(key, window, cx.watermark(), cx.now());
        self.content.fire(key, held, &mut wcx, out)
    }

    /// Emits full frames. Says whether there is room for more.
    pub(crate) fn emit_full(&mut self, cx: &mut Context<'_>) -> Result<bool, OperatorError> {
        self.emission.emit_full(cx)
    }

    /// Emits all that was collected.
    pub(crate) fn flush(&mut self, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        self.emission.flush(cx)
    }

    pub(crate) fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        self.emission.states.tables(visit);
    }
}
