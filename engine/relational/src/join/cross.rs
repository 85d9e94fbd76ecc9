//! Rows of state beside rows of state, as columns: what joins give that keep both sides until they are joined.
//!
//! The caller pairs rows up by key; pairs that meet the residual condition go out, and at the end rows without a partner, as the kind of
//! the join asks for.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use yeoul_frame::{Frame, Timestamp};
use yeoul_operator::{Context, OperatorError, OutputId};

use super::JoinKind;
use crate::calc::keep;
use crate::expression::Expression;
use crate::output::{OUTPUT_ROWS, frame};
use crate::row::RowCodec;

/// What a join gives.
pub(super) struct Shape<'s> {
    pub(super) kind: JoinKind,
    pub(super) residual: Option<&'s Arc<dyn Expression>>,
    pub(super) schema: &'s SchemaRef,
    /// All columns of both sides.
    pub(super) joined: &'s SchemaRef,
    pub(super) codecs: [&'s RowCodec; 2],
}

/// How far the rows of one key have been paired, where there was no room for all of their pairs.
#[derive(Debug, Default)]
pub(super) struct Begun {
    /// How many left rows have been.
    left: usize,
    paired: [Vec<bool>; 2],
}

/// The rows of one joining, all of which get one event time.
pub(super) struct Cross<'s, 't> {
    shape: Shape<'s>,
    time: Timestamp,
    rows: [Vec<&'t [u8]>; 2],
    /// By row: it has a partner.
    paired: [Vec<bool>; 2],
    /// Pairs that have not gone out.
    pairs: Vec<[u32; 2]>,
}

impl<'s, 't> Cross<'s, 't> {
    pub(super) fn new(shape: Shape<'s>, time: Timestamp) -> Self {
        Self { shape, time, rows: Default::default(), paired: Default::default(), pairs: Vec::new() }
    }

    /// Pairs each of these left rows with each of these right ones, from where they have `begun`. Returns false if there is no room for all:
    /// then how far they are is in `begun`, and the same rows are to be added again.
    pub(super) fn add(
        &mut self,
        left: impl Iterator<Item = &'t [u8]>,
        right: impl Iterator<Item = &'t [u8]>,
        begun: &mut Begun,
        cx: &mut Context<'_>,
    ) -> Result<bool, OperatorError> {
        let starts = [0, 1].map(|side: usize| self.rows[side].len());
        self.rows[0].extend(left);
        self.rows[1].extend(right);
        let ends = [0, 1].map(|side: usize| self.rows[side].len());
        let meets = ends[0] > starts[0] && ends[1] > starts[1];
        // Without a condition, having any partner is known without looking at pairs.
        let any = self.shape.residual.is_none() && meets;
        for side in [0, 1] {
            self.paired[side].append(&mut begun.paired[side]);
            self.paired[side].resize(ends[side], any);
        }
        if !meets || (any && !self.shape.kind.has_right()) {
            return Ok(true);
        }
        let first = starts[0] + std::mem::take(&mut begun.left);
        for left in first..ends[0] {
            if left > first && !cx.has_room() {
                self.give_pairs(cx)?;
                begun.left = left - starts[0];
                for side in [0, 1] {
                    begun.paired[side] = self.paired[side].split_off(starts[side]);
                    self.rows[side].truncate(starts[side]);
                }
                return Ok(false);
            }
            for right in starts[1]..ends[1] {
                self.pairs.push([left as u32, right as u32]);
                if self.pairs.len() == OUTPUT_ROWS {
                    self.give_pairs(cx)?;
                }
            }
        }
        Ok(true)
    }

    /// Rows that have been added.
    pub(super) fn rows(&self) -> usize {
        self.rows[0].len() + self.rows[1].len()
    }

    fn give_pairs(&mut self, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let pairs = std::mem::take(&mut self.pairs);
        if pairs.is_empty() {
            return Ok(());
        }
        let mut arrays = Vec::new();
        for side in [0, 1] {
            let rows: Vec<&[u8]> = pairs.iter().map(|pair| self.rows[side][pair[side] as usize]).collect();
            arrays.extend(self.shape.codecs[side].decode(&rows)?);
        }
        let has_right = self.shape.kind.has_right();
        let schema = if has_right { self.shape.schema } else { self.shape.joined };
        let times = vec![self.time; pairs.len()];
        let mut kept = Some(frame(schema, arrays, times, Vec::new())?);
        if let (Some(residual), Some(all)) = (self.shape.residual, &kept) {
            kept = keep(residual, all, cx)?;
            for row in kept.iter().flat_map(Frame::indices) {
                for side in [0, 1] {
                    self.paired[side][pairs[row as usize][side] as usize] = true;
                }
            }
        }
        if let Some(kept) = kept.filter(|_| has_right) {
            cx.emit(OutputId::MAIN, kept);
        }
        Ok(())
    }

    /// Gives the pairs that are left, then the rows that go out alone.
    pub(super) fn finish(mut self, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        self.give_pairs(cx)?;
        let kind = self.shape.kind;
        for side in [0, 1] {
            if !kind.keeps(side) {
                continue;
            }
            let wanted = kind == JoinKind::Semi;
            let alone = self.rows[side].iter().zip(&self.paired[side]).filter(|(_, paired)| **paired == wanted);
            let alone: Vec<&[u8]> = alone.map(|(row, _)| *row).collect();
            self.shape.give_alone(side, &alone, &vec![self.time; alone.len()], cx)?;
        }
        Ok(())
    }
}

impl Shape<'_> {
    /// Gives rows of one side, with nulls for the other's columns if they come out at all.
    pub(super) fn give_alone(
        &self,
        side: usize,
        rows: &[&[u8]],
        times: &[Timestamp],
        cx: &mut Context<'_>,
    ) -> Result<(), OperatorError> {
        for (rows, times) in rows.chunks(OUTPUT_ROWS).zip(times.chunks(OUTPUT_ROWS)) {
            let mut arrays = Vec::new();
            for column_side in [0, 1] {
                if column_side == side {
                    arrays.extend(self.codecs[side].decode(rows)?);
                } else if self.kind.has_right() {
                    arrays.extend(self.codecs[column_side].decode(&vec![&[][..]; rows.len()])?);
                }
            }
            cx.emit(OutputId::MAIN, frame(self.schema, arrays, times.to_vec(), Vec::new())?);
        }
        Ok(())
    }
}
