//! What conditions and measures read: values picked from, or aggregated over, the rows of a match.

use arrow_array::{ArrayRef, new_null_array};
use arrow_schema::{Field, Schema, SchemaRef};
use std::sync::Arc;
use yeoul_frame::{ColumnBatch, Columns, Timestamp};
use yeoul_operator::OperatorError;

use super::{MatchRecognize, Pick, Reference};
use crate::aggregate::{Accumulators, AggregateCall, Finished, Folder, Mixed, Plan, TextRows};
use crate::input::Input;
use crate::row::RowCodec;

/// Rows in a row, and the variable of each.
pub(super) struct Chosen<'a> {
    pub(super) rows: Vec<&'a [u8]>,
    pub(super) variables: Vec<u16>,
}

/// The columns over which conditions and measures are evaluated, one for each reference.
pub(super) struct References {
    references: Vec<Reference>,
    aggregates: Vec<Option<Aggregate>>,
    codec: RowCodec,
    schema: SchemaRef,
}

/// An aggregate over one column.
struct Aggregate {
    schema: SchemaRef,
    plan: Plan,
}

impl References {
    /// # Errors
    /// An input that cannot be kept, or an aggregate that is not defined for its column.
    pub(super) fn new(spec: &MatchRecognize) -> Result<Self, OperatorError> {
        let aggregate = |reference: &Reference| -> Result<Option<Aggregate>, OperatorError> {
            let Pick::Aggregate(function) = &reference.pick else { return Ok(None) };
            let field = spec.input_schema.field(reference.column).clone().with_nullable(true);
            let schema = Arc::new(Schema::new(vec![field]));
            let call = AggregateCall::new(function.clone(), Some(0), reference.data_type.clone());
            Ok(Some(Aggregate { plan: Plan::new(&schema, &[call], false, false)?, schema }))
        };
        let field = |reference: &Reference| Field::new("reference", reference.data_type.clone(), true);
        Ok(Self {
            aggregates: spec.references.iter().map(aggregate).collect::<Result<_, _>>()?,
            codec: RowCodec::of_fields(spec.input_schema.fields())?,
            schema: Arc::new(Schema::new(spec.references.iter().map(field).collect::<Vec<_>>())),
            references: spec.references.clone(),
        })
    }

    pub(super) fn codec(&self) -> &RowCodec {
        &self.codec
    }

    /// Whether what is read of `wanted` is in the row that is tested for `variable` alone.
    pub(super) fn is_local(&self, wanted: &[usize], variable: usize) -> bool {
        wanted.iter().all(|&at| {
            let reference = &self.references[at];
            reference.variable == Some(variable) && reference.pick == Pick::Last(0)
        })
    }

    /// The references of `wanted`, where each of these rows is the last of its variable.
    pub(super) fn of_rows(&self, wanted: &[usize], rows: &[&[u8]]) -> Result<Columns, OperatorError> {
        self.columns(wanted, rows.len(), |reference, _| self.codec.decode_column(rows, reference.column))
    }

    /// The references of `wanted`, a row for each of `chosen`. The others are null.
    pub(super) fn of(&self, wanted: &[usize], chosen: &[Chosen<'_>]) -> Result<Columns, OperatorError> {
        self.columns(wanted, chosen.len(), |reference, aggregate| match aggregate {
            Some(aggregate) => self.aggregated(reference, aggregate, chosen),
            None => {
                let rows: Vec<&[u8]> = chosen.iter().map(|chosen| picked(reference, chosen)).collect();
                self.codec.decode_column(&rows, reference.column)
            }
        })
    }

    fn columns(
        &self,
        wanted: &[usize],
        rows: usize,
        of: impl Fn(&Reference, Option<&Aggregate>) -> Result<ArrayRef, OperatorError>,
    ) -> Result<Columns, OperatorError> {
        let column = |at: usize| {
            let (reference, aggregate) = (&self.references[at], self.aggregates[at].as_ref());
            if wanted.contains(&at) { of(reference, aggregate) } else { Ok(new_null_array(&reference.data_type, rows)) }
        };
        let arrays = (0..self.references.len()).map(column).collect::<Result<Vec<_>, _>>()?;
        Columns::new(self.schema.clone(), arrays).map_err(|error| {
            OperatorError::new("what a pattern's conditions read does not fit the plan").caused_by(error)
        })
    }

    fn aggregated(
        &self,
        reference: &Reference,
        aggregate: &Aggregate,
        chosen: &[Chosen<'_>],
    ) -> Result<ArrayRef, OperatorError> {
        let (mut rows, mut ids) = (Vec::new(), Vec::new());
        for (id, chosen) in chosen.iter().enumerate() {
            for row in of_variable(reference, chosen) {
                rows.push(row);
                ids.push(id as u32);
            }
        }
        let values = self.codec.decode_column(&rows, reference.column)?;
        let times = vec![Timestamp(0); rows.len()];
        let frame = ColumnBatch::of(aggregate.schema.clone(), vec![values], times, vec![])
            .map_err(|error| OperatorError::new("the rows of a match do not fit their columns").caused_by(error))?;
        let (plan, mut folder) = (&aggregate.plan, Folder::default());
        folder.read(plan, &Input::of(&frame)?)?;
        folder.fold(plan, &ids, chosen.len());
        let texts = TextRows::read(plan, &folder, &ids, chosen.len())?;
        let held: Vec<Mixed> = (0..chosen.len())
            .map(|id| {
                let mut held = Mixed::fresh(plan);
                plan.merge(held.words_mut(), |word| folder.partial(word, id));
                if let Some(texts) = &texts {
                    texts.merge(plan, id, &mut held);
                }
                held
            })
            .collect();
        let finished =
            plan.finish(0, held.len(), |id, word| held[id].words()[word], |id, text| &held[id].texts()[text]);
        let picks: Vec<(u32, bool)> = (0..held.len() as u32).map(|id| (id, true)).collect();
        Finished::pick(&finished, &finished, &picks, &reference.data_type)
    }
}

/// The rows that a reference is about.
fn of_variable<'c>(reference: &'c Reference, chosen: &'c Chosen<'_>) -> impl DoubleEndedIterator<Item = &'c [u8]> {
    let is_of = |of: u16| reference.variable.is_none_or(|variable| usize::from(of) == variable);
    chosen.rows.iter().zip(&chosen.variables).filter(move |(_, of)| is_of(**of)).map(|(row, _)| *row)
}

/// The row that a reference picks; empty, which gives null, if there is none.
fn picked<'c>(reference: &'c Reference, chosen: &'c Chosen<'_>) -> &'c [u8] {
    let mut rows = of_variable(reference, chosen);
    let row = match reference.pick {
        Pick::First(after) => rows.nth(after as usize),
        Pick::Last(before) => rows.nth_back(before as usize),
        Pick::Rowtime | Pick::Aggregate(_) => rows.next_back(),
    };
    row.unwrap_or_default()
}
