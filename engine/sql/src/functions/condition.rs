//! COALESCE, GREATEST, LEAST, TYPEOF, and tests of text.

use arrow_array::{Array, BooleanArray};
use arrow_ord::cmp;
use arrow_schema::DataType;
use arrow_select::zip::zip;

use super::{Definition, TEXT, common_type, function, never_null, texts_to};

fn alike(given: &[DataType], form: &'static str) -> Result<(Vec<DataType>, DataType), &'static str> {
    let of = common_type(given).ok_or(form)?;
    Ok((vec![of.clone(); given.len()], of))
}

fn extreme(call: &super::Call<'_>, greatest: bool) -> super::Result<arrow_array::ArrayRef> {
    let mut best = call.array(0)?;
    for index in 1..call.args.len() {
        let next = call.array(index)?;
        let wins = if greatest { cmp::gt(&next, &best)? } else { cmp::lt(&next, &best)? };
        // A NULL on either side is NULL: it must win over a value and stay.
        let wins: BooleanArray =
            (0..wins.len()).map(|row| Some(next.is_null(row) || (best.is_valid(row) && wins.value(row)))).collect();
        best = zip(&wins, &next, &best)?;
    }
    Ok(best)
}

macro_rules! characters {
    ($name:literal, $test:expr) => {
        never_null(
            $name,
            |given| texts_to(given, 1..=1, DataType::Boolean, concat!($name, "(string)")),
            |call| {
                let texts = call.text(0)?;
                let test: fn(&str) -> bool = $test;
                call.values::<bool, BooleanArray>(|row| Some(texts.get(row).is_some_and(test)))
            },
        )
    };
}

pub(super) const FUNCTIONS: &[Definition] = &[
    function(
        "coalesce",
        |given| alike(given, "COALESCE(value, …) of one type"),
        |call| {
            let mut found = call.array(0)?;
            for index in 1..call.args.len() {
                if found.null_count() == 0 {
                    break;
                }
                let valid = arrow_arith::boolean::is_not_null(found.as_ref())?;
                found = zip(&valid, &found, &call.array(index)?)?;
            }
            Ok(found)
        },
    ),
    function("greatest", |given| alike(given, "GREATEST(value, …) of one type"), |call| extreme(call, true)),
    function("least", |given| alike(given, "LEAST(value, …) of one type"), |call| extreme(call, false)),
    characters!("is_alpha", |text| !text.is_empty() && text.chars().all(char::is_alphabetic)),
    characters!("is_digit", |text| !text.is_empty() && text.chars().all(char::is_numeric)),
    characters!("is_decimal", |text| text.trim().parse::<f64>().is_ok_and(f64::is_finite)),
    function(
        "typeof",
        |given| match given {
            [of] => Ok((vec![of.clone()], TEXT)),
            _ => Err("TYPEOF(value)"),
        },
        // The planner knows more of the type and says it there; this is what is left without it.
        |call| {
            call.texts(|_, out| {
                out.push_str(&crate::types::type_name(&call.args[0].data_type()));
                true
            })
        },
    ),
    function(
        "not_distinct",
        |given| match given {
            [_, _] => alike(given, "a IS NOT DISTINCT FROM b").map(|(taken, _)| (taken, DataType::Boolean)),
            _ => Err("a IS NOT DISTINCT FROM b"),
        },
        |call| {
            let equal = cmp::not_distinct(&call.array(0)?, &call.array(1)?)?;
            Ok(std::sync::Arc::new(equal))
        },
    ),
];
