//! MATCH_RECOGNIZE.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_expr::Expr;
use yeoul_relational::Expression;
use yeoul_relational::{MatchRecognize, Pick, Reference};

use super::Lowering;
use super::aggregate::column;
use super::graph::{Bound, Changes, ColumnTrait, Exchange, Input, Node, Operator, State};
use super::stream::{Stream, bind};
use crate::error::{Result, SqlError};
use crate::expression::slot;
use crate::plan::{MatchNode, REFERENCE, explained};
use datafusion_expr::UserDefinedLogicalNodeCore;

impl Lowering<'_> {
    pub(super) fn matching(&mut self, node: &MatchNode) -> Result<Stream> {
        let stream = self.lower(&node.input)?;
        let aliases = stream.aliases.clone();
        let parts = &node.parts;
        let mut exprs = Vec::new();
        let mut places = Vec::new();
        for expr in &node.columns {
            places.push(column(&mut exprs, bind(expr, node.input.schema())?));
        }
        let names = exprs
            .iter()
            .enumerate()
            .map(|(index, expr)| {
                crate::expression::slot_of(expr)
                    .and_then(|slot| stream.names.get(slot))
                    .cloned()
                    .unwrap_or_else(|| format!("$m{index}"))
            })
            .collect();
        let stream = self.project(stream, &exprs, names)?;
        let time = self.traits(&stream).get(places[parts.partition]).and_then(|of| of.time).ok_or_else(|| {
            SqlError::new("MATCH_RECOGNIZE is ordered by something that is no time attribute")
                .hint("order by a column with a WATERMARK, or one declared AS PROCTIME()")
        })?;
        let input = self.materialise(stream)?;
        let of = self.plan.nodes[input].clone();
        if !of.changes.inserts_only() {
            return Err(SqlError::unsupported(format!("MATCH_RECOGNIZE over rows that change {}", of.changes))
                .hint("match over a table or a windowed aggregate"));
        }
        let references: Vec<Reference> = parts
            .references
            .iter()
            .zip(&places[parts.partition + 1..])
            .map(|((variable, pick, of), column)| Reference {
                variable: *variable,
                pick: pick.clone(),
                column: *column,
                data_type: of.clone(),
            })
            .collect();
        let read = Schema::new(
            references.iter().map(|reference| field_of(reference, &parts.variables, &of.schema)).collect::<Vec<_>>(),
        );
        let compiled = |lowering: &Self, expr: &Expr| -> Result<Arc<dyn Expression>> {
            let bound = expr.clone().transform_up(|part| {
                Ok(match &part {
                    Expr::Column(column) => {
                        match column.name.strip_prefix(REFERENCE).and_then(|index| index.parse().ok()) {
                            Some(index) => Transformed::yes(slot(index)),
                            None => Transformed::no(part),
                        }
                    }
                    _ => Transformed::no(part),
                })
            });
            let bound = bound.map_err(|error| explained(&error))?.data;
            Ok(Arc::new(lowering.compiled(&bound, &read)?))
        };
        let mut variables = Vec::new();
        for (name, condition) in &parts.variables {
            let condition = match condition {
                Some(condition) => Some(compiled(self, condition)?),
                None => None,
            };
            variables.push((name.clone(), condition));
        }
        let partition = places[..parts.partition].to_vec();
        let mut fields: Vec<Field> = partition.iter().map(|column| of.schema.field(*column).clone()).collect();
        let mut measures = Vec::new();
        for (name, measure) in &parts.measures {
            let measure = compiled(self, measure)?;
            fields.push(Field::new(name, measure.data_type().clone(), true));
            measures.push(measure);
        }
        let schema = Arc::new(Schema::new(fields));
        let exchange = if partition.is_empty() { Exchange::Single } else { Exchange::Hash(partition.clone()) };
        let bound = if parts.within.is_some() { Bound::Watermark } else { Bound::Unbounded };
        let made = Node {
            operator: Operator::MatchRecognize(MatchRecognize {
                partition,
                order: time.at(places[parts.partition]),
                pattern: parts.pattern.clone(),
                variables,
                references,
                measures,
                within: parts.within,
                after: parts.after,
                input_schema: Arc::clone(&of.schema),
                schema: Arc::clone(&schema),
            }),
            inputs: vec![Input { node: input, exchange }],
            traits: vec![ColumnTrait::default(); schema.fields().len()],
            schema,
            changes: Changes::INSERTS,
            upsert_keys: Vec::new(),
            state: Some(State { what: "rows of matches that are not complete".into(), bound }),
        };
        let made = self.add(made);
        let names = node.schema().fields().iter().map(|field| field.name().clone()).collect();
        Ok(Stream { names, aliases, ..self.read(made) })
    }
}

/// A reference as it was written.
fn field_of(reference: &Reference, variables: &[(String, Option<Expr>)], input: &Schema) -> Field {
    let column = input.field(reference.column).name();
    let of =
        reference.variable.map_or_else(|| column.clone(), |variable| format!("{}.{column}", variables[variable].0));
    let text = match &reference.pick {
        Pick::Last(0) => of,
        Pick::Last(before) => format!("LAST({of}, {before})"),
        Pick::First(after) => format!("FIRST({of}, {after})"),
        Pick::Aggregate(function) => format!("{function:?}({of})").to_uppercase().replace(&of.to_uppercase(), &of),
        Pick::Rowtime => "MATCH_ROWTIME()".to_owned(),
    };
    Field::new(text, reference.data_type.clone(), true)
}
