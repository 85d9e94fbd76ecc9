//! Digits to numbers, eight at a time.
//!
//! The eight-digit step is the known one of treating a word as eight lanes and folding neighbours by multiplication
//! (D. Lemire, "Quickly parsing eight digits", 2018). Its functions read up to eight bytes past the digits, which a
//! window's padding allows; elsewhere a missing byte reads as no digit.

use crate::window::word;

const ZEROS: u64 = 0x3030_3030_3030_3030;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// How many of the word's bytes, from the lowest, are digits before the first that is not.
#[inline]
pub(crate) fn leading_digits(word: u64) -> usize {
    let x = word ^ ZEROS;
    // A lane is 0 to 9 for a digit; adding 0x76 carries anything from 10 on into the lane's high bit.
    let others = (((x & !HIGH) + 0x7676_7676_7676_7676) | x) & HIGH;
    (others.trailing_zeros() / 8) as usize
}

/// The value of the word's first `count` bytes, which are digits; `count` is 1 to 8.
#[inline]
pub(crate) fn digits_value(word: u64, count: usize) -> u64 {
    // The digits move to the high lanes; the lanes below become leading zeros.
    let x = (word ^ ZEROS) << (64 - 8 * count);
    let pairs = x.wrapping_mul(10).wrapping_add(x >> 8);
    let low = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let high = ((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    low.wrapping_add(high) >> 32
}

/// What the digits at a place are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digits {
    /// Their value and the place after them.
    Value(u64, usize),
    /// There is none.
    None,
    /// More than a `u64` holds.
    TooLarge,
}

/// The unsigned integer at `at`, as many digits as there are.
#[inline(always)]
pub(crate) fn digits(bytes: &[u8], at: usize) -> Digits {
    let first = word(bytes, at);
    match leading_digits(first) {
        count @ 1..8 => Digits::Value(digits_value(first, count), at + count),
        8 => long_digits(bytes, at, digits_value(first, 8)),
        _ => none_or_few(bytes, at),
    }
}

/// No digit in the word at `at`: true unless the bytes end before the word does.
#[cold]
fn none_or_few(bytes: &[u8], at: usize) -> Digits {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first() {
        Some(first) if first.is_ascii_digit() && rest.len() < 8 => more_digits(bytes, at + 1, u64::from(first - b'0')),
        _ => Digits::None,
    }
}

/// What follows the eight digits at `at`, whose value is `high`.
#[inline(never)]
fn long_digits(bytes: &[u8], at: usize, high: u64) -> Digits {
    let second = word(bytes, at + 8);
    match leading_digits(second) {
        0 => more_digits(bytes, at + 8, high),
        8 => more_digits(bytes, at + 16, high * 100_000_000 + digits_value(second, 8)),
        count => Digits::Value(high * 10u64.pow(count as u32) + digits_value(second, count), at + 8 + count),
    }
}

/// Digit by digit.
fn more_digits(bytes: &[u8], mut at: usize, mut value: u64) -> Digits {
    while let Some(digit) = bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10) {
        match value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit))) {
            Some(next) => value = next,
            None => return Digits::TooLarge,
        }
        at += 1;
    }
    Digits::Value(value, at)
}

/// A sign and a magnitude as `i64`.
#[inline]
pub(crate) fn signed(negative: bool, magnitude: u64) -> Option<i64> {
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_of_digits() {
        for text in [
            "0",
            "7",
            "10",
            "123",
            "9999",
            "12345",
            "123456",
            "1234567",
            "12345678",
            "123456789",
            "18446744073709551615",
        ] {
            for tail in ["", ",", "x12345678", "\u{e9}", ":;</ "] {
                let bytes = format!("{text}{tail}");
                assert_eq!(digits(bytes.as_bytes(), 0), Digits::Value(text.parse().unwrap(), text.len()), "{bytes}");
                let padded = format!("{bytes}                ");
                assert_eq!(digits(padded.as_bytes(), 0), Digits::Value(text.parse().unwrap(), text.len()), "{bytes}");
            }
        }
        assert_eq!(digits(b"18446744073709551616", 0), Digits::TooLarge);
        assert_eq!(digits(b"", 0), Digits::None);
        assert_eq!(digits(b"/", 0), Digits::None);
        assert_eq!(digits(b"a2345678", 0), Digits::None);
    }

    #[test]
    fn no_byte_but_a_digit_counts_as_one() {
        for byte in 0..=255u8 {
            let word = u64::from_le_bytes([b'1', byte, b'2', b'3', b'4', b'5', b'6', b'7']);
            assert_eq!(leading_digits(word), if byte.is_ascii_digit() { 8 } else { 1 }, "{byte}");
        }
    }

    #[test]
    fn signs_at_the_limits() {
        assert_eq!(signed(true, 1 << 63), Some(i64::MIN));
        assert_eq!(signed(false, 1 << 63), None);
        assert_eq!(signed(true, (1 << 63) + 1), None);
    }
}
