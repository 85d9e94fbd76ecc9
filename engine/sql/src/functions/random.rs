//! RAND, RAND_INTEGER and UUID: another value for each row.
//!
//! Numbers are a keyed hash of a counter under keys of the operating system's, new for each frame, so that none can be told from
//! those before. A seed, by which Flink repeats a sequence from row to row, is refused: rows come in another order on each run.

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};

use arrow_array::{Float64Array, Int32Array};
use arrow_schema::DataType;
use datafusion_expr::Volatility;

use super::{Definition, TEXT, is_int, volatile};
use crate::error::SqlError;

/// Numbers of which all 64 bits are random.
fn draws() -> impl FnMut() -> u64 {
    let (keys, mut count) = (RandomState::new(), 0u64);
    move || {
        count += 1;
        keys.hash_one(count)
    }
}

pub(super) const FUNCTIONS: &[Definition] = &[
    volatile(
        "rand",
        |given| if given.is_empty() { Ok((Vec::new(), DataType::Float64)) } else { Err("RAND(), without a seed") },
        |call| {
            let mut draw = draws();
            call.values::<f64, Float64Array>(|_| Some((draw() >> 11) as f64 / (1u64 << 53) as f64))
        },
    ),
    Definition {
        name: "rand_integer",
        types: |given| match given {
            [bound] if is_int(bound) => Ok((vec![DataType::Int32], DataType::Int32)),
            _ => Err("RAND_INTEGER(bound), without a seed"),
        },
        evaluate: |call| {
            let (bounds, mut draw) = (call.int(0)?, draws());
            call.values_or_fail::<i32, Int32Array>(|row| {
                let Some(bound) = bounds.get(row) else { return Ok(None) };
                let Some(below) = u64::try_from(bound).ok().filter(|below| *below > 0) else {
                    return Err(SqlError::new(format!("RAND_INTEGER({bound}) has no value"))
                        .hint("it gives numbers from 0 on below its argument, which is 1 at least"));
                };
                Ok(Some(((u128::from(draw()) * u128::from(below)) >> 64) as i32))
            })
        },
        volatility: Volatility::Volatile,
        nullable: true,
    },
    volatile(
        "uuid",
        |given| if given.is_empty() { Ok((Vec::new(), TEXT)) } else { Err("UUID()") },
        |call| {
            let mut draw = draws();
            call.texts(|_, out| {
                // Version 4, variant 10.
                let (high, low) = ((draw() & !0xf000) | 0x4000, (draw() & !(0b11 << 62)) | (0b10 << 62));
                let parts = (high >> 32, (high >> 16) & 0xffff, high & 0xffff, low >> 48, low & 0xffff_ffff_ffff);
                write!(out, "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", parts.0, parts.1, parts.2, parts.3, parts.4).is_ok()
            })
        },
    ),
];
