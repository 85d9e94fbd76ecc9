//! Joins: each row of one input with the rows of the other that it goes with.

mod bag;
mod lookup;
#[cfg(test)]
mod lookup_tests;
mod pairs;
mod cross;
mod regular;
mod null_aware;
mod window;
#[cfg(test)]
mod window_tests;
mod reach;
mod interval;
#[cfg(test)]
mod interval_tests;
mod block;
mod scan;
mod window_end;
#[cfg(test)]
mod window_end_tests;
mod versions;
mod temporal;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::Array;
use arrow_schema::{DataType, Schema, SchemaRef};
use yeoul_operator::{Operator, OperatorError};

use crate::aggregate::columns;
use crate::expression::Expression;
use crate::input::Input;
use crate::key::{HashColumns, KeyForm, by_key_form};
use crate::output::{check_schema, types_of};
use regular::RegularOperator;

pub use interval::IntervalJoin;
pub use lookup::LookupJoin;
pub use temporal::TemporalJoin;
pub use window::WindowJoin;
pub use window_end::WindowEndJoin;

/// Which rows without a partner come out, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// None.
    Inner,
    /// The left one's, with nulls on the right.
    Left,
    /// The right one's, with nulls on the left.
    Right,
    /// Both.
    Full,
    /// Left rows that have a partner, alone.
    Semi,
    /// Left rows that have none, alone.
    Anti,
}

impl JoinKind {
    /// The output holds the right input's columns.
    #[must_use]
    pub fn has_right(self) -> bool {
        !matches!(self, Self::Semi | Self::Anti)
    }

    /// Rows of this input (0 left, 1 right) come out although they have no partner.
    fn keeps(self, side: usize) -> bool {
        match self {
            Self::Inner => false,
            Self::Left => side == 0,
            Self::Right => side == 1,
            Self::Full => true,
            Self::Semi | Self::Anti => side == 0,
        }
    }
}

impl fmt::Display for JoinKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inner => "InnerJoin",
            Self::Left => "LeftOuterJoin",
            Self::Right => "RightOuterJoin",
            Self::Full => "FullOuterJoin",
            Self::Semi => "LeftSemiJoin",
            Self::Anti => "LeftAntiJoin",
        })
    }
}

/// What is known of an input's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uniqueness {
    /// Nothing: rows may be equal.
    None,
    /// Rows of one join key differ in these columns; a row is taken back by all of its values.
    HasKey(Vec<usize>),
    /// There is at most one row a join key: it may be replaced by an update without UPDATE_BEFORE.
    JoinKeyContainsUnique,
}

/// Joins two changelogs by equality, and by any condition beside it. Both inputs are kept.
#[derive(Debug, Clone)]
pub struct RegularJoin {
    /// Which rows without a partner come out.
    pub kind: JoinKind,
    /// The left columns that are compared.
    pub left_keys: Vec<usize>,
    /// The right columns, in the order of the left ones, and of their types.
    pub right_keys: Vec<usize>,
    /// Whether null equals null in them; otherwise it is equal to nothing.
    pub null_equals_null: bool,
    /// Of an anti join: a null key on the right keeps every row out, and one on the left its own (`NOT IN`).
    pub null_aware: bool,
    /// A boolean over the left columns and then the right ones.
    pub residual: Option<Arc<dyn Expression>>,
    /// What comes in on the left.
    pub left_schema: SchemaRef,
    /// What comes in on the right.
    pub right_schema: SchemaRef,
    /// What is known of left rows.
    pub left_unique: Uniqueness,
    /// What is known of right rows.
    pub right_unique: Uniqueness,
    /// A left row older than this has no partners any more.
    pub left_ttl: Option<Duration>,
    /// A right row older than this has no partners any more.
    pub right_ttl: Option<Duration>,
    /// Whether a change is sent with the row as it was.
    pub update_before: bool,
    /// What comes out: the left columns, then (but for SEMI and ANTI) the right ones.
    pub schema: SchemaRef,
}

impl fmt::Display for RegularJoin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Join(joinType=[{}], leftKeys=[{}], rightKeys=[{}]",
            self.kind,
            columns(&self.left_keys),
            columns(&self.right_keys)
        )?;
        if let Some(residual) = &self.residual {
            write!(f, ", where=[{residual}]")?;
        }
        write!(f, ", leftInputSpec=[{}], rightInputSpec=[{}])", self.left_unique, self.right_unique)
    }
}

impl fmt::Display for Uniqueness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "NoUniqueKey",
            Self::HasKey(_) => "HasUniqueKey",
            Self::JoinKeyContainsUnique => "JoinKeyContainsUniqueKey",
        })
    }
}

impl RegularJoin {
    /// By what the rows of an input (0 left, 1 right) are exchanged before it; if null-aware, all rows go to one place.
    #[must_use]
    pub fn exchange(&self, side: usize) -> HashColumns {
        if self.null_aware {
            return HashColumns { columns: vec![] };
        }
        HashColumns { columns: if side == 0 { self.left_keys.clone() } else { self.right_keys.clone() } }
    }

    /// An instance.
    ///
    /// # Errors
    /// Keys of different types, a type that cannot be kept, or a schema that is not that of the result.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        let form =
            key_form(&self.to_string(), [&self.left_schema, &self.right_schema], [&self.left_keys, &self.right_keys])?;
        check_output(&self.to_string(), self.kind, [&self.left_schema, &self.right_schema], &self.schema)?;
        if self.null_aware && self.kind == JoinKind::Anti {
            return by_key_form!(form, K => Ok(Box::new(null_aware::NullAwareOperator::<K>::new(self)?)));
        }
        if self.left_ttl.is_some() || self.right_ttl.is_some() {
            return by_key_form!(form, K => Ok(Box::new(RegularOperator::<K, { bag::DATED }>::new(self)?)));
        }
        by_key_form!(form, K => Ok(Box::new(RegularOperator::<K, { bag::PLAIN }>::new(self)?)))
    }
}

/// The form of keys of which two inputs have the same.
fn key_form(name: &str, schemas: [&SchemaRef; 2], keys: [&[usize]; 2]) -> Result<KeyForm, OperatorError> {
    let types = [0, 1].map(|side| types_of(schemas[side], keys[side]));
    if types[0] != types[1] {
        return Err(OperatorError::new(format!(
            "{name} compares columns of {:?} with columns of {:?}",
            types[0], types[1]
        ))
        .hint("cast both sides of an equality to one type before the join"));
    }
    Ok(KeyForm::of(schemas[0], keys[0]))
}

fn check_output(name: &str, kind: JoinKind, inputs: [&SchemaRef; 2], schema: &SchemaRef) -> Result<(), OperatorError> {
    let of =
        |schema: &SchemaRef| schema.fields().iter().map(|field| field.data_type().clone()).collect::<Vec<DataType>>();
    let mut types = of(inputs[0]);
    if kind.has_right() {
        types.extend(of(inputs[1]));
    }
    check_schema(name, schema, &types)
}

/// Which rows have a null in their key. None: no row.
fn null_keys(input: &Input<'_>, keys: &[usize]) -> Result<Option<Vec<bool>>, OperatorError> {
    let mut any: Option<Vec<bool>> = None;
    for column in input.columns_of(keys)? {
        if let Some(nulls) = column.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
            let any = any.get_or_insert_with(|| vec![false; input.rows()]);
            any.iter_mut().zip(nulls.iter()).for_each(|(any, is_valid)| *any |= !is_valid);
        }
    }
    Ok(any)
}

/// The left columns and then the right ones, all of which may be null.
fn joined_schema(left: &SchemaRef, right: &SchemaRef) -> SchemaRef {
    let fields = left.fields().iter().chain(right.fields());
    Arc::new(Schema::new(fields.map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>()))
}
