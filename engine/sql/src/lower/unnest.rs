//! UNNEST: it waits for what is above it to say which columns it reads, so that no array is repeated for each of its elements in vain.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion_expr::Expr;
use yeoul_relational::{Repeat, Unnest};

use super::Lowering;
use super::graph::{Changes, ColumnTrait, Exchange, Input, Node, NodeId, Operator};
use super::stream::{Base, Stream, bind, shifted, slots_of};
use crate::error::{Result, SqlError};
use crate::expression::{slot, slot_of};
use crate::functions::row;
use crate::plan::{Elements, UnnestNode};

/// What is unnested, over the rows that it is in.
#[derive(Debug, Clone)]
pub(super) struct Unnested {
    pub(super) input: Stream,
    /// The input's column.
    pub(super) array: usize,
    pub(super) elements: Elements,
    pub(super) keep_empty: bool,
    pub(super) ordinality: bool,
}

impl Unnested {
    /// The columns that come after the input's.
    pub(super) fn added(&self) -> Vec<Field> {
        let mut fields = match &self.elements {
            Elements::Values(item) | Elements::Rows(item) | Elements::Counted(item) => {
                vec![item.as_ref().clone().with_name("element")]
            }
            Elements::Entries(key, value) => {
                vec![key.as_ref().clone().with_name("key"), value.as_ref().clone().with_name("value")]
            }
            Elements::Times => Vec::new(),
        };
        fields.extend(self.ordinality.then(|| Field::new("ordinality", DataType::Int32, true)));
        fields.into_iter().map(|field| field.with_nullable(true)).collect()
    }
}

impl Lowering<'_> {
    pub(super) fn unnest(&mut self, node: &UnnestNode) -> Result<Stream> {
        let mut input = self.lower(&node.input)?;
        let array = slot_of(&bind(&node.array, node.input.schema())?)
            .ok_or_else(|| SqlError::unsupported("UNNEST of something that is no column"))?;
        let of = self.output_schema(&input)?.field(array).data_type().clone();
        let elements = Elements::of(&of).ok_or_else(|| SqlError::unsupported(format!("UNNEST of {of}")))?;
        let mut aliases = std::mem::take(&mut input.aliases);
        aliases.extend(node.alias());
        let width = input.projection.len();
        let mut projection: Vec<Expr> = node.visible().into_iter().map(slot).collect();
        match &elements {
            Elements::Rows(item) => {
                let DataType::Struct(fields) = item.data_type() else {
                    return Err(SqlError::unsupported("UNNEST of rows without fields"));
                };
                projection.extend(fields.iter().map(|field| row::get_field(slot(width), field.name())));
            }
            Elements::Values(_) | Elements::Counted(_) => projection.push(slot(width)),
            Elements::Entries(..) => projection.extend([slot(width), slot(width + 1)]),
            Elements::Times => {}
        }
        let unnested = Unnested { input, array, elements, keep_empty: node.keep_empty, ordinality: node.ordinality };
        if node.ordinality {
            projection.push(slot(width + unnested.added().len() - 1));
        }
        let names = datafusion_expr::UserDefinedLogicalNodeCore::schema(node)
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        Ok(Stream { base: Base::Unnested(Box::new(unnested)), filters: Vec::new(), projection, names, aliases })
    }

    /// The operator for what `stream` reads of rows that are unnested, and the stream over it.
    pub(super) fn unnested(&mut self, of: &Unnested, stream: &Stream) -> Result<Stream> {
        let width = of.input.projection.len();
        let mut used: Vec<usize> =
            stream.filters.iter().chain(&stream.projection).flat_map(slots_of).filter(|slot| *slot < width).collect();
        used.sort_unstable();
        used.dedup();
        let taken: Vec<usize> = used.iter().copied().chain([of.array]).collect();
        let mut names: Vec<String> = taken.iter().map(|column| of.input.names[*column].clone()).collect();
        if let Some(name) = names.last_mut() {
            "unnested".clone_into(name);
        }
        let exprs: Vec<Expr> = taken.iter().map(|column| slot(*column)).collect();
        let input = self.project(of.input.clone(), &exprs, names)?;
        let input = self.materialise(input)?;
        let node = match &of.elements {
            // Each value with its count, then as often as that.
            Elements::Counted(item) => {
                let counts = Field::new("count", DataType::Int32, true);
                let value = item.as_ref().clone().with_name("element").with_nullable(true);
                let node = self.unnest_node(input, used.len(), vec![value, counts], of.keep_empty, false);
                self.repeat_node(node, used.len() + 1, of.keep_empty)
            }
            Elements::Times => self.repeat_node(input, used.len(), of.keep_empty),
            _ => self.unnest_node(input, used.len(), of.added(), of.keep_empty, of.ordinality),
        };
        let place = |index: usize| match used.binary_search(&index) {
            Ok(place) => place,
            Err(_) => used.len() + index.saturating_sub(width),
        };
        let moved = |exprs: &[Expr]| exprs.iter().map(|expr| shifted(expr, &place)).collect::<Result<Vec<_>>>();
        let (filters, projection) = (moved(&stream.filters)?, moved(&stream.projection)?);
        Ok(Stream { base: Base::Node(node), filters, projection, ..stream.clone() })
    }

    fn unnest_node(
        &mut self,
        input: NodeId,
        column: usize,
        elements: Vec<Field>,
        keep_empty: bool,
        ordinality: bool,
    ) -> NodeId {
        let of = self.plan.nodes[input].clone();
        let mut fields: Vec<_> = of.schema.fields().iter().cloned().collect();
        let added = elements.len();
        // The array is the last column: its elements stand in its place, and the number after them.
        fields.splice(column..=column, elements.into_iter().map(Arc::new));
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let spec = Unnest {
            column,
            keep_empty,
            ordinality,
            input_schema: Arc::clone(&of.schema),
            schema: Arc::clone(&schema),
        };
        let mut node =
            Node::over(Operator::Unnest(spec), vec![Input { node: input, exchange: Exchange::Forward }], &of);
        node.schema = schema;
        node.upsert_keys.clear();
        node.traits.splice(column..=column, std::iter::repeat_n(ColumnTrait::default(), added));
        self.add(node)
    }

    fn repeat_node(&mut self, input: NodeId, times: usize, keep_empty: bool) -> NodeId {
        let of = self.plan.nodes[input].clone();
        let mut fields: Vec<_> = of.schema.fields().iter().cloned().collect();
        fields.remove(times);
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let spec = Repeat { times, keep_empty, input_schema: Arc::clone(&of.schema), schema: Arc::clone(&schema) };
        let mut node =
            Node::over(Operator::Repeat(spec), vec![Input { node: input, exchange: Exchange::Forward }], &of);
        node.schema = schema;
        node.upsert_keys.clear();
        node.traits.remove(times);
        if !of.changes.inserts_only() {
            // A number that changes has rows come or go.
            node.changes = Changes { updates: false, before: false, deletes: true };
        }
        self.add(node)
    }
}
