//! What OVER computes: the calls of a spec over the columns that they read, and the columns that come of them.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, UInt32Array};
use arrow_schema::{Schema, SchemaRef};
use yeoul_frame::{ColumnBatch, Timestamp};
use yeoul_operator::OperatorError;

use super::{OverAggregate, OverCall};
use crate::aggregate::{
    Accumulators, AggregateCall, AggregateFunction, Finished, Folder, Mixed, Plan, TextRows, TextValue,
};
use crate::input::{Input, gather};
use crate::row::RowCodec;

/// How a call's column comes about.
#[derive(Debug, Clone, Copy)]
enum Column {
    /// The n-th call of the plan.
    Call(usize),
    /// A column of the rows that calls read, so many rows before.
    Lag {
        column: usize,
        offset: usize,
    },
    RowNumber,
    Rank,
    DenseRank,
}

/// The calls of a spec.
pub(super) struct Calls {
    pub(super) plan: Plan,
    pub(super) folder: Folder,
    columns: Vec<Column>,
    /// The input columns that calls read, and their schema.
    read: Vec<usize>,
    read_schema: SchemaRef,
    texts: Option<TextRows>,
}

/// What comes of calls, by row.
pub(super) struct Results {
    words: Vec<u64>,
    texts: Vec<TextValue>,
    /// Row number, rank, dense rank.
    pub(super) places: Vec<[i64; 3]>,
    /// For each LAG, the row that it takes its value from.
    pub(super) lags: Vec<Vec<Option<u32>>>,
}

impl Calls {
    pub(super) fn new(spec: &OverAggregate) -> Result<Self, OperatorError> {
        let mut read: Vec<usize> = spec.calls.iter().flat_map(columns_of).collect();
        read.sort_unstable();
        read.dedup();
        let place = |column: usize| read.iter().position(|read| *read == column).expect("a column that is read");
        let fields: Vec<_> = read.iter().map(|&column| spec.input_schema.field(column).clone()).collect();
        let read_schema: SchemaRef = Arc::new(Schema::new(fields));
        let (mut calls, mut columns) = (Vec::new(), Vec::new());
        for call in &spec.calls {
            columns.push(match call {
                OverCall::RowNumber => Column::RowNumber,
                OverCall::Rank => Column::Rank,
                OverCall::DenseRank => Column::DenseRank,
                OverCall::Aggregate(call) => match (&call.function, call.argument) {
                    (AggregateFunction::Lag { offset }, Some(argument)) => {
                        Column::Lag { column: place(argument), offset: usize::try_from(*offset).unwrap_or(0) }
                    }
                    _ => {
                        calls.push(AggregateCall {
                            argument: call.argument.map(place),
                            filter: call.filter.map(place),
                            ..call.clone()
                        });
                        Column::Call(calls.len() - 1)
                    }
                },
            });
        }
        let plan = Plan::new(&read_schema, &calls, false, false)?;
        Ok(Self { plan, folder: Folder::default(), columns, read, read_schema, texts: None })
    }

    pub(super) fn has_distinct(&self) -> bool {
        self.plan.feeds.iter().any(|feed| feed.distinct.is_some())
    }

    pub(super) fn has_places(&self) -> bool {
        self.columns.iter().any(|column| matches!(column, Column::RowNumber | Column::Rank | Column::DenseRank))
    }

    /// How many rows before its own each LAG looks.
    pub(super) fn lags(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().filter_map(|column| match column {
            Column::Lag { offset, .. } => Some(*offset),
            _ => None,
        })
    }

    /// The columns that calls read, of rows of state.
    pub(super) fn read(&self, codec: &RowCodec, rows: &[&[u8]]) -> Result<Vec<ArrayRef>, OperatorError> {
        self.read.iter().map(|&column| codec.decode_column(rows, column)).collect()
    }

    /// Reads what calls need of each row; `weigh` sees the folder before its rows are folded. See [`Self::add`].
    pub(super) fn fold(
        &mut self,
        arrays: &[ArrayRef],
        rows: usize,
        weigh: impl FnOnce(&mut Folder) -> Result<(), OperatorError>,
    ) -> Result<(), OperatorError> {
        let Self { plan, folder, read_schema, .. } = self;
        self.texts = None;
        if arrays.is_empty() {
            // Only rows are counted, or nothing.
            folder.count(plan, rows);
            return Ok(());
        }
        let batch = ColumnBatch::of(read_schema.clone(), arrays.to_vec(), vec![Timestamp::MIN; rows], Vec::new())
            .map_err(|error| OperatorError::new("kept rows do not fit their schema").caused_by(error))?;
        folder.read(plan, &Input::of(&batch)?)?;
        weigh(folder)?;
        let ids: Vec<u32> = (0..rows as u32).collect();
        folder.fold(plan, &ids, rows);
        self.texts = TextRows::read(plan, folder, &ids, rows)?;
        Ok(())
    }

    /// Merges one row's values into accumulators.
    pub(super) fn add(&self, row: usize, held: &mut Mixed) {
        self.plan.merge(held.words_mut(), |word| self.folder.partial(word, row));
        if let Some(texts) = &self.texts {
            texts.merge(&self.plan, row, held);
        }
    }

    pub(super) fn results(&self, rows: usize) -> Results {
        Results {
            words: vec![0; rows * self.plan.words],
            texts: vec![None; rows * self.plan.texts],
            places: vec![[0; 3]; rows],
            lags: self.lags().map(|_| vec![None; rows]).collect(),
        }
    }

    /// Sets what calls of the plan come to for a row.
    pub(super) fn put(&self, results: &mut Results, row: usize, held: &Mixed) {
        let plan = &self.plan;
        results.words[row * plan.words..][..plan.words].copy_from_slice(held.words());
        if plan.texts > 0 {
            results.texts[row * plan.texts..][..plan.texts].clone_from_slice(held.texts());
        }
    }

    /// The calls' columns over a part of the rows; LAG takes its values from `read`.
    pub(super) fn columns(
        &self,
        results: &Results,
        part: Range<usize>,
        read: &[ArrayRef],
    ) -> Result<Vec<ArrayRef>, OperatorError> {
        let plan = &self.plan;
        let picks: Vec<(u32, bool)> = (0..part.len() as u32).map(|row| (row, true)).collect();
        let mut lags = results.lags.iter();
        let places = |which: usize| -> ArrayRef {
            Arc::new(results.places[part.clone()].iter().map(|places| places[which]).collect::<Int64Array>())
        };
        let mut arrays = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            arrays.push(match *column {
                Column::RowNumber => places(0),
                Column::Rank => places(1),
                Column::DenseRank => places(2),
                Column::Lag { column, .. } => {
                    let from = lags.next().expect("one for each LAG");
                    gather(&read[column], &from[part.clone()].iter().copied().collect::<UInt32Array>())?
                }
                Column::Call(call) => {
                    let finished = plan.finish(
                        call,
                        part.len(),
                        |row, word| results.words[(part.start + row) * plan.words + word],
                        |row, text| &results.texts[(part.start + row) * plan.texts + text],
                    );
                    Finished::pick(&finished, &finished, &picks, &plan.results[call])?
                }
            });
        }
        Ok(arrays)
    }
}

fn columns_of(call: &OverCall) -> Vec<usize> {
    match call {
        OverCall::Aggregate(call) => call.argument.into_iter().chain(call.filter).collect(),
        _ => Vec::new(),
    }
}
