//! UNNEST in a logical plan: its input's rows, once for each element of an array, a map or a multiset of theirs.
//!
//! An array of rows gives a column for each field, a map its KEY and VALUE, and a multiset each of its values as often as it is in it. A
//! column of numbers gives no column, and its row as often as the number says.
//!
//! Invariants:
//! 1. A column named [`UNNESTED`] is there to be unnested only: it does not come out.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::{Column, DFSchema, DFSchemaRef, Result, TableReference, internal_err};
use datafusion_expr::planner::RelationPlannerContext;
use datafusion_expr::{
    EmptyRelation, Expr, ExprSchemable, Extension, LogicalPlan, LogicalPlanBuilder, UserDefinedLogicalNodeCore,
};
use datafusion_sql::sqlparser::ast::{
    Expr as SqlExpr, Join, JoinConstraint, JoinOperator, Spanned, TableFactor, TableWithJoins, Value, ValueWithSpan,
};
use datafusion_sql::sqlparser::tokenizer::Span;

use super::refusal::refuse;
use super::window_node::IntoBare;
use crate::error::SqlError;
use crate::parse::lateral::{Unnested, array, unnested};
use crate::types::{is_counted, type_name};

/// The name of a column that is computed to be unnested.
pub(super) const UNNESTED: &str = "\u{1}unnested";

/// What a column that is unnested gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Elements {
    /// An array's elements.
    Values(FieldRef),
    /// The fields of an array's rows.
    Rows(FieldRef),
    /// A map's keys and values.
    Entries(FieldRef, FieldRef),
    /// A multiset's values.
    Counted(FieldRef),
    /// Nothing: the row itself is repeated.
    Times,
}

impl Elements {
    /// None: it cannot be unnested.
    pub(crate) fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::List(item) if matches!(item.data_type(), DataType::Struct(_)) => {
                Some(Self::Rows(Arc::clone(item)))
            }
            DataType::List(item) => Some(Self::Values(Arc::clone(item))),
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(parts) if is_counted(parts) => Some(Self::Counted(Arc::clone(&parts[0]))),
                DataType::Struct(parts) => Some(Self::Entries(Arc::clone(&parts[0]), Arc::clone(&parts[1]))),
                _ => None,
            },
            DataType::Int32 | DataType::Int64 => Some(Self::Times),
            _ => None,
        }
    }

    /// Names and types of the columns, under the names that they have of themselves.
    fn columns(&self) -> Vec<(String, DataType)> {
        match self {
            Self::Values(item) | Self::Counted(item) => vec![("EXPR$0".to_owned(), item.data_type().clone())],
            Self::Rows(item) => match item.data_type() {
                DataType::Struct(fields) => {
                    fields.iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
                }
                _ => Vec::new(),
            },
            Self::Entries(key, value) => {
                vec![("KEY".to_owned(), key.data_type().clone()), ("VALUE".to_owned(), value.data_type().clone())]
            }
            Self::Times => Vec::new(),
        }
    }
}

/// Rows with the elements of one of their columns.
#[derive(Debug, Clone)]
pub(crate) struct UnnestNode {
    pub(crate) input: Arc<LogicalPlan>,
    /// The column that is unnested.
    pub(crate) array: Expr,
    /// Whether a row without elements is kept.
    pub(crate) keep_empty: bool,
    /// Whether the element's number comes out, last.
    pub(crate) ordinality: bool,
    qualifier: Option<TableReference>,
    /// The names of the columns that it adds.
    names: Vec<String>,
    schema: DFSchemaRef,
}

impl UnnestNode {
    fn new(input: LogicalPlan, array: Expr, of: &Self) -> Result<Self> {
        let data_type = array.get_type(input.schema())?;
        let Some(elements) = Elements::of(&data_type) else {
            return internal_err!("{} is unnested", type_name(&data_type));
        };
        let mut fields: Vec<(Option<TableReference>, FieldRef)> = input
            .schema()
            .iter()
            .filter(|(_, field)| field.name() != UNNESTED)
            .map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)))
            .collect();
        let mut types: Vec<DataType> = elements.columns().into_iter().map(|(_, of)| of).collect();
        types.extend(of.ordinality.then_some(DataType::Int32));
        for (name, data_type) in of.names.iter().zip(types) {
            fields.push((of.qualifier.clone(), Arc::new(Field::new(name, data_type, true))));
        }
        let schema = Arc::new(DFSchema::new_with_metadata(fields, Default::default())?);
        Ok(Self { input: Arc::new(input), array, schema, ..of.clone() })
    }

    /// The input's columns that come out.
    pub(crate) fn visible(&self) -> Vec<usize> {
        let fields = self.input.schema().fields().iter().enumerate();
        fields.filter(|(_, field)| field.name() != UNNESTED).map(|(index, _)| index).collect()
    }

    /// The name under which the query knows the elements.
    pub(crate) fn alias(&self) -> Option<String> {
        self.qualifier.as_ref().map(|qualifier| qualifier.table().to_owned())
    }

    /// Each row as often as the column [`UNNESTED`] says, which does not come out.
    pub(super) fn repeated(input: LogicalPlan) -> Result<LogicalPlan> {
        let column = Expr::Column(Column::new_unqualified(UNNESTED));
        let of = Self {
            input: Arc::new(input.clone()),
            array: column.clone(),
            keep_empty: false,
            ordinality: false,
            qualifier: None,
            names: Vec::new(),
            schema: Arc::new(DFSchema::empty()),
        };
        Ok(LogicalPlan::Extension(Extension { node: Arc::new(Self::new(input, column, &of)?) }))
    }
}

/// `a JOIN … CROSS JOIN UNNEST(x)`, as the parser's tree has it. None: the tables do not end with UNNEST.
pub(super) fn joined(tables: &TableWithJoins, context: &mut dyn RelationPlannerContext) -> Result<Option<LogicalPlan>> {
    let Some((last, before)) = tables.joins.split_last() else { return Ok(None) };
    let Some(of) = unnested(&last.relation) else { return Ok(None) };
    let input = if before.is_empty() {
        tables.relation.clone()
    } else {
        let tables = TableWithJoins { relation: tables.relation.clone(), joins: before.to_vec() };
        TableFactor::NestedJoin { table_with_joins: Box::new(tables), alias: None }
    };
    let input = context.plan(input)?;
    let span = last.relation.span();
    let (keep_empty, condition) = kind(last, span)?;
    let plan = plan(input, &of, keep_empty, span, context)?;
    match condition {
        None => Ok(Some(plan)),
        Some(condition) => {
            let condition = context.sql_to_expr(condition, plan.schema())?;
            LogicalPlanBuilder::from(plan).filter(condition)?.build().map(Some)
        }
    }
}

/// UNNEST with nothing before it.
pub(super) fn alone(of: &Unnested, span: Span, context: &mut dyn RelationPlannerContext) -> Result<LogicalPlan> {
    let nothing = EmptyRelation { produce_one_row: true, schema: Arc::new(DFSchema::empty()) };
    plan(LogicalPlan::EmptyRelation(nothing), of, false, span, context)
}

/// Whether rows without elements are kept, and what else has to hold.
fn kind(join: &Join, span: Span) -> Result<(bool, Option<SqlExpr>)> {
    let form = "write CROSS JOIN UNNEST(a) AS u (x), or LEFT JOIN UNNEST(a) AS u (x) ON TRUE";
    let unsupported = |what: &str| refuse(SqlError::unsupported(what).on(span).hint(form));
    let (keep_empty, constraint) = match &join.join_operator {
        JoinOperator::CrossJoin(constraint) => (false, constraint),
        JoinOperator::Inner(constraint) | JoinOperator::Join(constraint) => (false, constraint),
        JoinOperator::LeftOuter(constraint) | JoinOperator::Left(constraint) => (true, constraint),
        _ => return Err(unsupported("this kind of join with UNNEST")),
    };
    match constraint {
        JoinConstraint::None => Ok((keep_empty, None)),
        JoinConstraint::On(SqlExpr::Value(ValueWithSpan { value: Value::Boolean(true), .. })) => Ok((keep_empty, None)),
        JoinConstraint::On(condition) if !keep_empty => Ok((false, Some(condition.clone()))),
        JoinConstraint::On(_) => Err(unsupported("LEFT JOIN UNNEST with a condition other than TRUE")),
        JoinConstraint::Using(_) | JoinConstraint::Natural => Err(unsupported("USING or NATURAL with UNNEST")),
    }
}

fn plan(
    input: LogicalPlan,
    of: &Unnested,
    keep_empty: bool,
    span: Span,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let Some(array) = array(&of.arguments) else {
        return Err(refuse(
            SqlError::unsupported("UNNEST of several arrays").on(span).hint("write one CROSS JOIN UNNEST for each"),
        ));
    };
    let shown = array.to_string();
    let array = context.sql_to_expr(array.clone(), input.schema())?;
    let data_type = array.get_type(input.schema())?;
    let Some(elements) = Elements::of(&data_type).filter(|elements| *elements != Elements::Times) else {
        return Err(refuse(
            SqlError::new(format!("UNNEST of {shown}, which is {}", type_name(&data_type)))
                .on(span)
                .hint("UNNEST takes an ARRAY, a MAP or a MULTISET"),
        ));
    };
    if of.ordinality && matches!(elements, Elements::Counted(_)) {
        return Err(refuse(
            SqlError::unsupported("UNNEST of a MULTISET WITH ORDINALITY")
                .on(span)
                .hint("a multiset has no order: leave WITH ORDINALITY out"),
        ));
    }
    let mut names: Vec<String> = elements.columns().into_iter().map(|(name, _)| name).collect();
    names.extend(of.ordinality.then(|| "ORDINALITY".to_owned()));
    let mut qualifier = None;
    if let Some(alias) = &of.alias {
        qualifier = Some(alias.name.value.as_str().into_bare());
        if !alias.columns.is_empty() {
            if alias.columns.len() != names.len() {
                return Err(refuse(
                    SqlError::new(format!(
                        "UNNEST of {shown} gives {} columns, '{}' names {}",
                        names.len(),
                        alias.name.value,
                        alias.columns.len()
                    ))
                    .on(span)
                    .hint(format!("it gives ({})", names.join(", "))),
                ));
            }
            names = alias.columns.iter().map(|column| column.name.value.clone()).collect();
        } else if names.len() == 1 {
            names = vec![alias.name.value.clone()];
        }
    }
    let (input, array) = match array {
        column @ Expr::Column(_) => (input, column),
        computed => {
            let kept = input.schema().iter().map(|(qualifier, field)| Expr::Column((qualifier, field).into()));
            let projection: Vec<Expr> = kept.chain([computed.alias(UNNESTED)]).collect();
            let input = LogicalPlanBuilder::from(input).project(projection)?.build()?;
            (input, Expr::Column(Column::new_unqualified(UNNESTED)))
        }
    };
    let of = UnnestNode {
        input: Arc::new(input.clone()),
        array: array.clone(),
        keep_empty,
        ordinality: of.ordinality,
        qualifier,
        names,
        schema: Arc::new(DFSchema::empty()),
    };
    let node = UnnestNode::new(input, array, &of)?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

impl PartialEq for UnnestNode {
    fn eq(&self, other: &Self) -> bool {
        self.input == other.input
            && self.array == other.array
            && self.keep_empty == other.keep_empty
            && self.ordinality == other.ordinality
            && self.qualifier == other.qualifier
            && self.names == other.names
    }
}

impl Eq for UnnestNode {}

impl Hash for UnnestNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
        self.array.hash(state);
        self.names.hash(state);
    }
}

impl PartialOrd for UnnestNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for UnnestNode {
    fn name(&self) -> &str {
        "Unnest"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![self.array.clone()]
    }

    /// A filter on a row's own columns may go below: it keeps or drops the row with all of its elements.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.names.iter().cloned().collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unnest: {}", self.array)
    }

    fn with_exprs_and_inputs(&self, mut exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        match (inputs.pop(), inputs.is_empty(), exprs.pop()) {
            (Some(input), true, Some(array)) => Self::new(input, array, self),
            _ => internal_err!("UNNEST has one input"),
        }
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let visible = self.visible();
        let mut needed: Vec<usize> = output_columns.iter().filter_map(|column| visible.get(*column).copied()).collect();
        let Expr::Column(column) = &self.array else { return None };
        needed.push(self.input.schema().maybe_index_of_column(column)?);
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}
