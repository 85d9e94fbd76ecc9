//! Lengths of CHAR and VARCHAR, told to the connector that makes texts of its own.
//!
//! Arrow has no place for them, so they go as the options that a script might give itself.

use std::collections::BTreeMap;

use crate::catalog::Table;
use crate::error::{Result, SqlError};
use crate::types::{Kind, SqlType};

/// The options of a table, with the lengths of its texts if it is one of `datagen`.
pub(super) fn told(
    table: &Table,
    columns: &[usize],
    mut options: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    if table.connector.name == "datagen" {
        for column in columns.iter().map(|column| &table.columns[*column]) {
            tell(&column.of, &format!("fields.{}", column.name), &mut options)?;
        }
    }
    Ok(options)
}

fn tell(of: &SqlType, path: &str, options: &mut BTreeMap<String, String>) -> Result<()> {
    let (most, fixed) = match &of.kind {
        Kind::Char(length) => (*length, true),
        Kind::Varchar(length) => (*length, false),
        Kind::Row(fields) => {
            return fields.iter().try_for_each(|(name, of)| tell(of, &format!("{path}.{name}"), options));
        }
        _ => return Ok(()),
    };
    // A sequence has texts of its numbers.
    if options.get(&format!("{path}.kind")).is_some_and(|kind| kind == "sequence") {
        return Ok(());
    }
    let key = format!("{path}.length");
    let given = options.get(&key).and_then(|length| length.parse::<u64>().ok());
    match given {
        Some(given) if given > u64::from(most) || (fixed && given < u64::from(most)) => {
            let wanted = if fixed { "leave it out" } else { "write a length that its type has" };
            Err(SqlError::new(format!("the option '{key}' is '{given}', and the column is of type {of}")).hint(wanted))
        }
        Some(_) => Ok(()),
        // What is no number is refused by the connector.
        None => {
            // Longer ones than the connector makes are as long as it makes them, unless the type says how long they are.
            let made = if fixed { most } else { most.min(1 << 20) };
            options.entry(key).or_insert_with(|| made.to_string());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_the_length_of_its_type() {
        let check = |of: Kind, given: &[(&str, &str)], expected: std::result::Result<&[(&str, &str)], &str>| {
            let owned = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
                pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
            };
            let mut options = owned(given);
            let found = tell(&SqlType::of(of), "fields.c", &mut options).map_err(|error| error.message().to_owned());
            assert_eq!(found.map(|()| options), expected.map(owned).map_err(str::to_owned));
        };
        check(Kind::Char(3), &[], Ok(&[("fields.c.length", "3")]));
        check(Kind::Varchar(7), &[("fields.c.length", "5")], Ok(&[("fields.c.length", "5")]));
        check(
            Kind::Varchar(7),
            &[("fields.c.length", "8")],
            Err("the option 'fields.c.length' is '8', and the column is of type VARCHAR(7)"),
        );
        check(
            Kind::Char(3),
            &[("fields.c.length", "2")],
            Err("the option 'fields.c.length' is '2', and the column is of type CHAR(3)"),
        );
        check(Kind::String, &[], Ok(&[]));
        check(Kind::Char(3), &[("fields.c.kind", "sequence")], Ok(&[("fields.c.kind", "sequence")]));
        let row = Kind::Row(vec![("x".to_owned(), SqlType::of(Kind::Varchar(2)))]);
        check(row, &[], Ok(&[("fields.c.x.length", "2")]));
    }
}
