//! One operator instance's side outputs: a collector for each that someone reads, found by the tag's name.

use std::any::{Any, TypeId, type_name};

use rkyv::{Archive, Serialize};
use yeoul_frame::{Pool, Record, RowKind, RowSerializer, Timestamp};
use yeoul_operator::{Context, OperatorError, OutputId};

use crate::OutputTag;
use crate::collector::Collector;
use crate::tag::{Side, Sides};

/// The side outputs of one operator instance.
pub(crate) struct SideOutputs {
    sides: Vec<(Side, Option<Box<dyn Waiting>>)>,
    pool: Pool,
}

impl SideOutputs {
    pub(crate) fn open(sides: &Sides, pool: &Pool) -> Self {
        Self { sides: sides.list().into_iter().map(|side| (side, None)).collect(), pool: pool.clone() }
    }

    /// Adds a record to a side output. As in Flink, one that no stream was made of is not written.
    pub(crate) fn collect<T, U>(&mut self, tag: &OutputTag<T>, record: &U, time: Timestamp)
    where
        T: Record,
        U: Archive<Archived = T::Archived> + Serialize<RowSerializer>,
    {
        let Some((side, waiting)) = self.sides.iter_mut().find(|(side, _)| *side.name == *tag.name()) else { return };
        assert!(
            side.records == TypeId::of::<T>(),
            "side output '{}' has records of {}, not of {}: two tags of one name must have one type",
            side.name,
            side.type_name,
            type_name::<T>()
        );
        let waiting = waiting.get_or_insert_with(|| Box::new(Collector::<T>::new(&self.pool)));
        let collector = waiting.as_any().downcast_mut::<Collector<T>>().expect("the side's type was checked");
        collector.push(record, time, RowKind::Insert);
    }

    /// Emits the full frames, and says whether the call should go on.
    #[inline]
    pub(crate) fn emit_full(&mut self, cx: &mut Context<'_>) -> Result<bool, OperatorError> {
        for (side, waiting) in &mut self.sides {
            if let Some(waiting) = waiting {
                waiting.emit_full(side.output, cx)?;
            }
        }
        Ok(cx.has_room())
    }

    /// Emits all that was collected.
    #[inline]
    pub(crate) fn flush(&mut self, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        for (side, waiting) in &mut self.sides {
            if let Some(waiting) = waiting {
                waiting.flush(side.output, cx)?;
            }
        }
        Ok(())
    }
}

/// A collector of any type of records.
trait Waiting: Send {
    fn as_any(&mut self) -> &mut dyn Any;
    fn emit_full(&mut self, output: OutputId, cx: &mut Context<'_>) -> Result<bool, OperatorError>;
    fn flush(&mut self, output: OutputId, cx: &mut Context<'_>) -> Result<(), OperatorError>;
}

impl<T: Record> Waiting for Collector<T> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn emit_full(&mut self, output: OutputId, cx: &mut Context<'_>) -> Result<bool, OperatorError> {
        Self::emit_full(self, output, cx)
    }

    fn flush(&mut self, output: OutputId, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        Self::flush(self, output, cx)
    }
}
