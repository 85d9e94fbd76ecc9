//! Decimals as text: an integer of at most 38 digits, with so many of them after the point.
//!
//! What has more digits after the point than the type is rounded half away from zero, as Flink rounds; what has more before
//! it than the type does not fit.

/// The most digits that a decimal has.
const MOST_DIGITS: u8 = 38;

/// Why a text is no decimal of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoDecimal {
    /// It is no number.
    NoNumber,
    /// It has too many digits before the point.
    TooLarge,
}

/// The number that this text, all of it, is, times ten to the power of `scale`.
pub(crate) fn parse_decimal(text: &[u8], precision: u8, scale: i8) -> Result<i128, NoDecimal> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mantissa = digits.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(digits.len());
    let exponent = match digits.get(mantissa + 1..) {
        None => 0,
        Some(text) => exponent(text).ok_or(NoDecimal::NoNumber)?,
    };
    let (mut seen, mut point, mut value, mut rounds_up) = (0usize, None, 0i128, false);
    let digits = &digits[..mantissa];
    let whole = digits.iter().position(|byte| *byte == b'.').unwrap_or(digits.len());
    // How many of the digits count: those before the point, and `scale` after it, both moved by the exponent.
    let counted = i64::try_from(whole).unwrap_or(i64::MAX).saturating_add(exponent).saturating_add(i64::from(scale));
    for &byte in digits {
        match byte {
            b'.' if point.is_none() => point = Some(seen),
            b'0'..=b'9' => {
                let digit = i128::from(byte - b'0');
                if (seen as i64) < counted {
                    value =
                        value.checked_mul(10).and_then(|value| value.checked_add(digit)).ok_or(NoDecimal::TooLarge)?;
                } else if seen as i64 == counted {
                    rounds_up = digit >= 5;
                }
                seen += 1;
            }
            _ => return Err(NoDecimal::NoNumber),
        }
    }
    if seen == 0 {
        return Err(NoDecimal::NoNumber);
    }
    let mut missing = counted.saturating_sub(seen as i64);
    while missing > 0 && value != 0 {
        value = value.checked_mul(10).ok_or(NoDecimal::TooLarge)?;
        missing -= 1;
    }
    // What was counted may be the largest number of 128 bits.
    value = value.checked_add(i128::from(rounds_up)).ok_or(NoDecimal::TooLarge)?;
    if value >= 10i128.pow(u32::from(precision.min(MOST_DIGITS))) {
        return Err(NoDecimal::TooLarge);
    }
    Ok(if negative { -value } else { value })
}

/// What stands after the `e`; one that is too large to matter is about as large.
fn exponent(text: &[u8]) -> Option<i64> {
    const ENOUGH: i64 = 1 << 48;
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().fold(0, |size: i64, digit| (size * 10 + i64::from(digit - b'0')).min(ENOUGH));
    Some(if negative { -size } else { size })
}

/// Writes the number without an exponent, with all digits after its point.
pub(crate) fn write_decimal(out: &mut Vec<u8>, value: i128, scale: i8) {
    if value < 0 {
        out.push(b'-');
    }
    let mut digits = value.unsigned_abs().to_string().into_bytes();
    if scale <= 0 {
        if value != 0 {
            digits.resize(digits.len() + usize::from(scale.unsigned_abs()), b'0');
        }
        out.extend_from_slice(&digits);
        return;
    }
    let after = usize::from(scale.unsigned_abs());
    if digits.len() <= after {
        let zeros = after + 1 - digits.len();
        digits.splice(0..0, std::iter::repeat_n(b'0', zeros));
    }
    let (before, after) = digits.split_at(digits.len() - after);
    out.extend_from_slice(before);
    out.push(b'.');
    out.extend_from_slice(after);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_and_rounded() {
        for (text, precision, scale, value) in [
            ("0", 10, 2, Ok(0)),
            ("12.345", 10, 2, Ok(1235)),
            ("-12.345", 10, 2, Ok(-1235)),
            ("12.344999", 10, 2, Ok(1234)),
            ("12", 10, 3, Ok(12_000)),
            ("+.5", 10, 0, Ok(1)),
            ("5.", 10, 1, Ok(50)),
            ("1e3", 10, 1, Ok(10_000)),
            ("1.25E-1", 10, 2, Ok(13)),
            ("1.25E-1", 10, 3, Ok(125)),
            ("4e-9", 10, 2, Ok(0)),
            ("0e99", 10, 2, Ok(0)),
            ("0.05", 10, 1, Ok(1)),
            ("0.004", 10, 1, Ok(0)),
            ("99999999.99", 10, 2, Ok(9_999_999_999)),
            ("99999999.995", 10, 2, Err(NoDecimal::TooLarge)),
            ("100000000", 10, 2, Err(NoDecimal::TooLarge)),
            ("1e99999", 10, 2, Err(NoDecimal::TooLarge)),
            ("99999999999999999999999999999999999999", 38, 0, Ok(10i128.pow(38) - 1)),
            ("999999999999999999999999999999999999999999", 38, 0, Err(NoDecimal::TooLarge)),
            ("", 10, 2, Err(NoDecimal::NoNumber)),
            ("-", 10, 2, Err(NoDecimal::NoNumber)),
            (".", 10, 2, Err(NoDecimal::NoNumber)),
            ("1.2.3", 10, 2, Err(NoDecimal::NoNumber)),
            ("1x", 10, 2, Err(NoDecimal::NoNumber)),
            ("1e", 10, 2, Err(NoDecimal::NoNumber)),
            ("1e+-5", 10, 2, Err(NoDecimal::NoNumber)),
            // The digits that count are the largest number of 128 bits, and the next rounds up.
            ("170141183460469231731687303715884105727.5", 38, 0, Err(NoDecimal::TooLarge)),
            ("-170141183460469231731687303715884105727.5", 38, 0, Err(NoDecimal::TooLarge)),
            ("1701411834604692317316873037158841057.275", 38, 2, Err(NoDecimal::TooLarge)),
            ("-1701411834604692317316873037158841057.275", 38, 2, Err(NoDecimal::TooLarge)),
            ("170141183460469231731687303715884105728", 38, 0, Err(NoDecimal::TooLarge)),
            ("0e99999999999", 10, 2, Ok(0)),
            ("1e-99999999999", 10, 2, Ok(0)),
            ("1e99999999999999999999999", 10, 2, Err(NoDecimal::TooLarge)),
            ("9e-99999999999999999999999", 10, 2, Ok(0)),
        ] {
            assert_eq!(parse_decimal(text.as_bytes(), precision, scale), value, "{text}");
        }
    }

    /// Rounds as one does on paper: digit by digit, with a carry.
    fn on_paper(whole: &str, fraction: &str, precision: u8, scale: i8) -> Result<i128, NoDecimal> {
        let scale = scale as usize;
        let mut digits: Vec<u8> =
            whole.bytes().chain(fraction.bytes().chain(std::iter::repeat(b'0')).take(scale)).collect();
        if fraction.as_bytes().get(scale).is_some_and(|digit| *digit >= b'5') {
            let nines = digits.iter().rev().take_while(|digit| **digit == b'9').count();
            let place = digits.len() - nines;
            digits[place..].fill(b'0');
            match place.checked_sub(1) {
                Some(place) => digits[place] += 1,
                None => digits.insert(0, b'1'),
            }
        }
        let text = String::from_utf8(digits).unwrap();
        let text = text.trim_start_matches('0');
        match text.len() {
            0 => Ok(0),
            len if len > usize::from(precision) => Err(NoDecimal::TooLarge),
            _ => Ok(text.parse().unwrap()),
        }
    }

    #[test]
    fn decimals_are_read_as_they_are_on_paper() {
        let mut random = yeoul_sys::Random::new(3);
        let limit = i128::MAX.to_string();
        let mut large = 0;
        for _ in 0..50_000 {
            let mut digits = |most: u64| -> String {
                (0..random.below(most)).map(|_| b"0123456789999"[random.below(13) as usize] as char).collect()
            };
            let (mut whole, mut fraction) = (digits(42), digits(42));
            let precision = random.below(38) as u8 + 1;
            let scale = random.below(u64::from(precision) + 1) as i8;
            if random.below(4) == 0 {
                // About the largest number of 128 bits.
                let near = if random.below(2) == 0 { limit.clone() } else { "9".repeat(39) };
                whole = near[..near.len() - scale as usize].to_owned();
                fraction = format!("{}{fraction}", &near[near.len() - scale as usize..]);
            }
            if whole.is_empty() {
                whole.push('0');
            }
            let expected = on_paper(&whole, &fraction, precision, scale);
            large += u64::from(expected == Err(NoDecimal::TooLarge));
            let text = if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") };
            assert_eq!(parse_decimal(text.as_bytes(), precision, scale), expected, "{text} ({precision}, {scale})");
            let negative = parse_decimal(format!("-{text}").as_bytes(), precision, scale);
            assert_eq!(negative, expected.map(|value| -value), "-{text} ({precision}, {scale})");
        }
        assert!((10_000..45_000).contains(&large), "{large}");
    }

    #[test]
    fn decimals_are_written_plain() {
        for (value, scale, text) in [
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (-5, 3, "-0.005"),
            (12_345, 2, "123.45"),
            (7, 0, "7"),
            (7, -2, "700"),
            (0, -2, "0"),
        ] {
            let mut out = Vec::new();
            write_decimal(&mut out, value, scale);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
