//! Interval literals and durations in settings, as months or milliseconds.

use datafusion_sql::sqlparser::ast::{DateTimeField, Expr, Interval, Value, ValueWithSpan};

/// An interval of Flink's: months, or milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    Months(i64),
    Millis(i64),
}

/// The value of `INTERVAL '…' field [TO field]`; the reason if it has none.
pub(crate) fn literal(interval: &Interval) -> Result<Span, String> {
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) = interval.value.as_ref() else {
        return Err(format!("the length of the interval is not a string: write INTERVAL '{}' …", interval.value));
    };
    let (Some(from), to) = (&interval.leading_field, &interval.last_field) else {
        return Err(format!("the interval '{text}' has no unit: write INTERVAL '{text}' SECOND, for example"));
    };
    let (sign, digits) = match text.trim().strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.trim().trim_start_matches('+')),
    };
    let wrong = || match to {
        Some(to) => format!("'{text}' is no interval of {from} TO {to}"),
        None => format!("'{text}' is no whole number of {from}"),
    };
    let length = match to {
        None => single(digits, from),
        Some(to) => compound(digits, from, to),
    };
    Ok(match length.ok_or_else(wrong)? {
        Span::Months(months) => Span::Months(sign * months),
        Span::Millis(millis) => Span::Millis(sign * millis),
    })
}

fn single(digits: &str, field: &DateTimeField) -> Option<Span> {
    if matches!(field, DateTimeField::Second | DateTimeField::Seconds) {
        return seconds(digits).map(Span::Millis);
    }
    let number: i64 = whole(digits)?;
    let millis = match field {
        DateTimeField::Year | DateTimeField::Years => return number.checked_mul(12).map(Span::Months),
        DateTimeField::Quarter => return number.checked_mul(3).map(Span::Months),
        DateTimeField::Month | DateTimeField::Months => return Some(Span::Months(number)),
        DateTimeField::Week(_) | DateTimeField::Weeks => 7 * 86_400_000,
        DateTimeField::Day | DateTimeField::Days => 86_400_000,
        DateTimeField::Hour | DateTimeField::Hours => 3_600_000,
        DateTimeField::Minute | DateTimeField::Minutes => 60_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Span::Millis)
}

/// `'1-2' YEAR TO MONTH`, `'1 10:20:30.5' DAY TO SECOND` and what lies between.
fn compound(digits: &str, from: &DateTimeField, to: &DateTimeField) -> Option<Span> {
    if let (DateTimeField::Year, DateTimeField::Month) = (from, to) {
        let (years, months) = digits.split_once('-')?;
        return whole(years)?.checked_mul(12)?.checked_add(whole(months)?).map(Span::Months);
    }
    let rank = |field: &DateTimeField| match field {
        DateTimeField::Day => Some(0),
        DateTimeField::Hour => Some(1),
        DateTimeField::Minute => Some(2),
        DateTimeField::Second => Some(3),
        _ => None,
    };
    let (first, last) = (rank(from)?, rank(to)?);
    let parts: Vec<&str> = digits.split([' ', ':']).collect();
    if last <= first || parts.len() != last - first + 1 {
        return None;
    }
    let mut millis = 0i64;
    for (field, part) in (first..=last).zip(parts) {
        let unit = [86_400_000, 3_600_000, 60_000, 1000][field];
        let value = if field == 3 { seconds(part)? } else { whole(part)?.checked_mul(unit)? };
        millis = millis.checked_add(value)?;
    }
    Some(Span::Millis(millis))
}

fn whole(digits: &str) -> Option<i64> {
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Seconds with up to nine decimals; what is finer than a millisecond is cut off, as Flink does.
fn seconds(digits: &str) -> Option<i64> {
    let (seconds, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}")[..3].parse().ok()?;
    whole(seconds)?.checked_mul(1000)?.checked_add(millis)
}

/// A duration of Flink's settings, such as `1 d`, `10min`, `500 ms`; milliseconds if it has no unit.
pub(crate) fn duration_millis(text: &str) -> Option<i64> {
    let text = text.trim();
    let split = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let number = whole(&text[..split])?;
    let unit = match text[split..].trim().to_lowercase().as_str() {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => 1000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::FlinkDialect;
    use datafusion_sql::sqlparser::parser::Parser;

    fn value(text: &str) -> Result<Span, String> {
        match Parser::new(&FlinkDialect).try_with_sql(text).unwrap().parse_expr().unwrap() {
            Expr::Interval(interval) => literal(&interval),
            other => panic!("{other} is no interval"),
        }
    }

    #[test]
    fn intervals_have_a_length() {
        assert_eq!(value("INTERVAL '10' SECOND"), Ok(Span::Millis(10_000)));
        assert_eq!(value("INTERVAL '0.001' SECOND"), Ok(Span::Millis(1)));
        assert_eq!(value("INTERVAL '-1 10' DAY TO HOUR"), Ok(Span::Millis(-122_400_000)));
        assert_eq!(value("INTERVAL '1 02:03:04.5' DAY TO SECOND"), Ok(Span::Millis(93_784_500)));
        assert_eq!(value("INTERVAL '2-6' YEAR TO MONTH"), Ok(Span::Months(30)));
        assert_eq!(value("INTERVAL '1' YEAR"), Ok(Span::Months(12)));
        assert_eq!(value("INTERVAL 'x' DAY"), Err("'x' is no whole number of DAY".into()));
        assert!(value("INTERVAL '1'").unwrap_err().contains("has no unit"));
        assert!(value("INTERVAL '99999999999999999999' DAY").is_err());
    }

    #[test]
    fn durations_are_read_as_flink_reads_them() {
        assert_eq!(duration_millis("1 d"), Some(86_400_000));
        assert_eq!(duration_millis("10min"), Some(600_000));
        assert_eq!(duration_millis("0"), Some(0));
        assert_eq!(duration_millis("3 fortnights"), None);
    }
}
