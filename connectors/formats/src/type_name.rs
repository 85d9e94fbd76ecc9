//! Names of types as SQL has them, for messages.

use arrow_schema::{DataType, TimeUnit};

/// The type of a column in SQL's words.
#[must_use]
pub fn type_name(of: &DataType) -> String {
    let digits = |unit: &TimeUnit| match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    match of {
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "BYTES".to_owned()
        }
        DataType::Date32 | DataType::Date64 => "DATE".to_owned(),
        DataType::Time32(unit) | DataType::Time64(unit) => format!("TIME({})", digits(unit)),
        DataType::Timestamp(unit, None) => format!("TIMESTAMP({})", digits(unit)),
        DataType::Timestamp(unit, Some(_)) => format!("TIMESTAMP_LTZ({})", digits(unit)),
        DataType::Interval(_) => "INTERVAL".to_owned(),
        DataType::List(item) | DataType::LargeList(item) => format!("ARRAY<{}>", type_name(item.data_type())),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(parts) if parts.len() == 2 => {
                format!("MAP<{}, {}>", type_name(parts[0].data_type()), type_name(parts[1].data_type()))
            }
            _ => "MAP".to_owned(),
        },
        DataType::Struct(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|field| format!("`{}` {}", field.name(), type_name(field.data_type()))).collect();
            format!("ROW<{}>", fields.join(", "))
        }
        // What no column of SQL has.
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::Field;
    use std::sync::Arc;

    #[test]
    fn types_have_their_names_in_sql() {
        let check = |of: DataType, expected| assert_eq!(type_name(&of), expected);
        let entries = vec![Field::new("key", DataType::Utf8View, false), Field::new("value", DataType::Int32, true)];
        let entries = Field::new("entries", DataType::Struct(entries.into()), false);
        check(DataType::Map(Arc::new(entries), false), "MAP<STRING, INT>");
        check(DataType::BinaryView, "BYTES");
        check(DataType::new_list(DataType::Decimal128(10, 2), true), "ARRAY<DECIMAL(10, 2)>");
        check(DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), "TIMESTAMP_LTZ(9)");
        check(DataType::Struct(vec![Field::new("a", DataType::Int64, true)].into()), "ROW<`a` BIGINT>");
    }
}
