//! Tables that are looked into, rather than read beside.

use std::sync::Arc;

use arrow_schema::Schema;
use yeoul_operator::{NodeKind, TableScan};
use yeoul_relational::LookupJoin as Spec;

use super::scan::definition;
use super::{Builder, checked, refused};
use crate::catalog::ColumnSource;
use crate::error::{Result, SqlError};
use crate::lower::{LookupJoin, Node};

impl Builder<'_> {
    /// The operator of a lookup join.
    pub(super) fn lookup(&self, join: &LookupJoin, left: &Node) -> Result<NodeKind> {
        let table = &join.table;
        let computed = |column: &&usize| matches!(table.columns[**column].source, ColumnSource::Computed { .. });
        if let Some(column) = join.columns.iter().find(computed) {
            return Err(SqlError::unsupported(format!(
                "the computed column '{}' of '{}', which is looked up",
                table.columns[*column].name, table.name
            ))
            .hint("compute it in the query"));
        }
        let physical = |column: &usize| matches!(table.columns[*column].source, ColumnSource::Physical);
        let known: Vec<usize> =
            (0..table.columns.len()).filter(|column| physical(column) || join.columns.contains(column)).collect();
        let (definition, _) = definition(table, &known)?;
        let place = |column: &usize| known.iter().position(|known| known == column).unwrap_or(0);
        let scan = TableScan {
            projection: Some(join.columns.iter().map(place).collect()),
            used: Some(join.columns.iter().map(|column| vec![table.columns[*column].name.clone()]).collect()),
            errors: false,
        };
        let source = self.doors.connectors.source(&definition, &scan).map_err(|error| refused(&error))?;
        if !source.bounded {
            return Err(SqlError::unsupported(format!(
                "looking into '{}', whose rows do not come to an end",
                table.name
            )));
        }
        let nullable = join.kind == yeoul_relational::JoinKind::Left;
        let right = source.schema.fields().iter().map(|field| {
            let field = field.as_ref().clone();
            if nullable { field.with_nullable(true) } else { field }
        });
        let fields: Vec<_> = left.schema.fields().iter().map(|field| field.as_ref().clone()).chain(right).collect();
        let spec = Arc::new(Spec {
            kind: join.kind,
            left_keys: join.left_keys.clone(),
            right_keys: join.right_keys.clone(),
            residual: join.residual.clone(),
            left_schema: Arc::clone(&left.schema),
            table_schema: Arc::clone(&source.schema),
            table: source.make,
            name: table.name.clone(),
            schema: Arc::new(Schema::new(fields)),
        });
        checked(move || Arc::clone(&spec).operator())
    }
}
