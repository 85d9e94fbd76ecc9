//! Where windows that fire put what they give: the content's function, and the collectors that it writes to.

use std::marker::PhantomData;

use yeoul_frame::RowKind;
use yeoul_operator::{Context, OpenContext, OperatorError, OutputId};
use yeoul_state::Key;

use crate::collector::Collector;
use crate::side_outputs::SideOutputs;
use crate::stateless::opened;
use crate::tag::Sides;
use crate::window::content::Content;
use crate::{TimeWindow, WindowContext};

/// Where windows that fire put what they give.
pub(crate) struct Results<K: Key, C: Content<K>> {
    pub(crate) content: C,
    opened: Option<(Collector<C::Out>, SideOutputs)>,
    keys: PhantomData<fn(K)>,
}

impl<K: Key, C: Content<K>> Results<K, C> {
    pub(crate) fn new(content: C) -> Self {
        Self { content, opened: None, keys: PhantomData }
    }

    pub(crate) fn open(&mut self, sides: &Sides, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.opened = Some((Collector::new(cx.pool), SideOutputs::open(sides, cx.pool)));
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
        let (out, sides) = opened(&mut self.opened);
        out.stamp(window.max_timestamp(), RowKind::Insert);
        let mut wcx = WindowContext { window, watermark: cx.watermark(), now: cx.now(), sides };
        self.content.fire(key, held, &mut wcx, out)
    }

    /// Emits full frames. Says whether there is room for more.
    pub(crate) fn emit_full(&mut self, cx: &mut Context<'_>) -> Result<bool, OperatorError> {
        let (out, sides) = opened(&mut self.opened);
        Ok(out.emit_full(OutputId::MAIN, cx)? & sides.emit_full(cx)?)
    }

    /// Emits all that was collected.
    pub(crate) fn flush(&mut self, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let (out, sides) = opened(&mut self.opened);
        sides.flush(cx)?;
        out.flush(OutputId::MAIN, cx)
    }
}
