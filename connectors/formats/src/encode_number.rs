//! Numbers as text, appended without allocation.

use crate::kind::Kind;
use std::io::Write;

/// Two digits for each number below 100.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut i = 0;
    while i < 100 {
        pairs[i] = [b'0' + (i / 10) as u8, b'0' + (i % 10) as u8];
        i += 1;
    }
    pairs
};

pub(crate) fn write_unsigned(out: &mut Vec<u8>, mut value: u64) {
    // u64::MAX has twenty digits.
    let mut digits = [0; 20];
    let mut at = digits.len();
    while value >= 10 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[(value % 100) as usize]);
        value /= 100;
    }
    if value > 0 || at == digits.len() {
        at -= 1;
        digits[at] = b'0' + value as u8;
    }
    out.extend_from_slice(&digits[at..]);
}

pub(crate) fn write_signed(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    write_unsigned(out, value.unsigned_abs());
}

/// Writes the shortest text that reads back as the same value of the field's width. `false`, and nothing written, if the
/// value is not finite.
pub(crate) fn write_float(out: &mut Vec<u8>, value: f64, kind: Kind) -> bool {
    if !value.is_finite() {
        return false;
    }
    // Writing to a Vec cannot fail. The debug form is the one that goes over to exponents for what is very large or small.
    let _ = match kind {
        Kind::Float(32) => write!(out, "{:?}", value as f32),
        _ => write!(out, "{value:?}"),
    };
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_as_std_writes_them() {
        let mut power = 1u64;
        for _ in 0..20 {
            for value in [power - 1, power, power + 1, power * 7 / 3] {
                let mut out = Vec::new();
                write_unsigned(&mut out, value);
                assert_eq!(out, value.to_string().as_bytes());
            }
            power = power.saturating_mul(10).min(u64::MAX / 7);
        }
        for value in [i64::MIN, -1, 0, 1, i64::MAX] {
            let mut out = Vec::new();
            write_signed(&mut out, value);
            assert_eq!(out, value.to_string().as_bytes());
        }
    }

    #[test]
    fn floats_are_short_and_exact() {
        for (value, kind, text) in [
            (0.1, Kind::Float(64), "0.1"),
            (f64::from(0.1f32), Kind::Float(32), "0.1"),
            (1e300, Kind::Float(64), "1e300"),
            (-0.0, Kind::Float(64), "-0.0"),
            (5e-324, Kind::Float(64), "5e-324"),
        ] {
            let mut out = Vec::new();
            assert!(write_float(&mut out, value, kind));
            assert_eq!(out, text.as_bytes());
        }
        assert!(!write_float(&mut Vec::new(), f64::NAN, Kind::Float(64)));
    }
}
