//! Bitmaps of the bytes at which strings and fields end: one pass over a window, sixteen bytes at a time.
//!
//! After that pass the end of a string is found by one load and a count of zeros, whatever its length up to 120 bytes,
//! where a search through its bytes would end in a branch that the processor cannot predict.
//!
//! Invariants:
//! 1. Bit `i` of a map is about byte `i` of the window. Bits past the window's length are set, so that a search ends.
//! 2. Both maps can be read sixteen bytes from any byte up to the window's length.

use wide::u8x16;

/// Bytes marked at once. A window must be readable so far past its end.
pub(crate) const BLOCK: usize = 64;

/// The bitmaps of a window; kept from one to the next for their memory.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    ends: Vec<u8>,
    stops: Vec<u8>,
}

/// A view of the bitmaps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bits<'w> {
    ends: &'w [u8],
    stops: &'w [u8],
}

impl Marks {
    /// Marks JSON: `ends` are control characters, and quotes that no backslash escapes; `stops` are those and all
    /// backslashes.
    ///
    /// Whether a quote is escaped depends on the parity of the backslashes before it, worked out for all of a block at
    /// once as in simdjson (G. Langdale, D. Lemire, "Parsing gigabytes of JSON per second", 2019, and its successor in
    /// that project's source by J. Keiser).
    pub(crate) fn json(&mut self, bytes: &[u8], len: usize) -> Bits<'_> {
        let (quote, backslash, control) = (u8x16::splat(b'"'), u8x16::splat(b'\\'), u8x16::splat(0x1f));
        let blocks = self.make_room(len);
        let mut first_is_escaped = 0u64;
        let outs = self.ends.chunks_exact_mut(8).zip(self.stops.chunks_exact_mut(8));
        for (block, (ends, stops)) in bytes.chunks_exact(BLOCK).take(blocks).zip(outs) {
            let (mut specials, mut backslashes) = (0u64, 0u64);
            for (i, lanes) in lanes(block).enumerate() {
                let special = lanes.simd_eq(quote) | lanes.min(control).simd_eq(lanes);
                specials |= u64::from(special.to_bitmask()) << (16 * i);
                backslashes |= u64::from(lanes.simd_eq(backslash).to_bitmask()) << (16 * i);
            }
            let starts = backslashes & !first_is_escaped;
            let odd = 0xaaaa_aaaa_aaaa_aaaa;
            let codes = ((starts << 1) | odd).wrapping_sub(starts) ^ odd;
            let escaped = codes ^ (backslashes | first_is_escaped);
            first_is_escaped = (codes & backslashes) >> 63;
            let mut found = specials & !escaped;
            if found != specials {
                // A backslash takes the meaning from a quote, but not from a control character.
                for (i, lanes) in lanes(block).enumerate() {
                    found |= u64::from(lanes.min(control).simd_eq(lanes).to_bitmask()) << (16 * i);
                }
            }
            ends.copy_from_slice(&found.to_le_bytes());
            stops.copy_from_slice(&(found | backslashes).to_le_bytes());
        }
        self.seal(len);
        Bits { ends: &self.ends, stops: &self.stops }
    }

    /// Marks CSV: `ends` are delimiters, quotes, LF and CR. `stops` mean nothing.
    pub(crate) fn csv(&mut self, bytes: &[u8], len: usize, delimiter: u8, quote: u8) -> Bits<'_> {
        let sets = [delimiter, quote, b'\n', b'\r'].map(u8x16::splat);
        let blocks = self.make_room(len);
        for (block, ends) in bytes.chunks_exact(BLOCK).take(blocks).zip(self.ends.chunks_exact_mut(8)) {
            let mut found = 0u64;
            for (i, lanes) in lanes(block).enumerate() {
                let any = sets.iter().map(|&set| lanes.simd_eq(set)).reduce(|a, b| a | b).expect("four sets");
                found |= u64::from(any.to_bitmask()) << (16 * i);
            }
            ends.copy_from_slice(&found.to_le_bytes());
        }
        self.seal(len);
        Bits { ends: &self.ends, stops: &self.stops }
    }

    /// Room for the marks of `len` bytes and what is read past them; the number of blocks.
    fn make_room(&mut self, len: usize) -> usize {
        let blocks = len / BLOCK + 1;
        let room = blocks * 8 + 32;
        if self.ends.len() < room {
            self.ends.resize(room, 0xff);
            self.stops.resize(room, 0xff);
        }
        blocks
    }

    /// Sets what is past `len`.
    fn seal(&mut self, len: usize) {
        let (byte, bit) = (len / 8, len % 8);
        for map in [&mut self.ends, &mut self.stops] {
            map[byte] |= 0xff << bit;
            map[byte + 1..][..24].fill(0xff);
        }
    }
}

/// A block, sixteen bytes at a time.
#[inline(always)]
fn lanes(block: &[u8]) -> impl Iterator<Item = u8x16> {
    block.as_chunks::<16>().0.iter().map(|&chunk| u8x16::new(chunk))
}

impl Bits<'_> {
    /// The first end at or after `from`.
    #[inline(always)]
    pub(crate) fn next_end(&self, from: usize) -> usize {
        next(self.ends, from)
    }

    /// The first end or backslash at or after `from`.
    #[inline(always)]
    pub(crate) fn next_stop(&self, from: usize) -> usize {
        next(self.stops, from)
    }
}

#[inline(always)]
fn next(map: &[u8], from: usize) -> usize {
    let ahead = load(map, from);
    if ahead == 0 { far(map, from + AHEAD) } else { from + ahead.trailing_zeros() as usize }
}

/// As `next`, for strings that go on further than one load sees.
#[cold]
fn far(map: &[u8], mut from: usize) -> usize {
    loop {
        let ahead = load(map, from);
        if ahead != 0 {
            return from + ahead.trailing_zeros() as usize;
        }
        // Past the marks all is set, so this goes on only within them.
        from += AHEAD;
    }
}

/// Bits that a load surely covers.
const AHEAD: usize = 120;

/// At least 120 bits from bit `from` on, the first in the lowest place; past the map, ones.
#[inline(always)]
fn load(map: &[u8], from: usize) -> u128 {
    match map.get(from / 8..).and_then(<[u8]>::first_chunk) {
        Some(bytes) => u128::from_le_bytes(*bytes) >> (from % 8),
        None => u128::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a walk byte by byte, with runs of backslashes of every length over every place of a block.
    #[test]
    fn escaped_quotes_are_no_ends() {
        let mut marks = Marks::default();
        for lead in 0..70 {
            for run in 0..70 {
                let mut text = "x".repeat(lead) + &"\\".repeat(run) + "\"yy\nz\"";
                let len = text.len();
                text.push_str(&"\"".repeat(BLOCK));
                let bits = marks.json(text.as_bytes(), len);
                let first = lead + run;
                assert_eq!(bits.next_end(0), if run % 2 == 0 { first } else { first + 3 }, "{lead} {run}");
                assert_eq!(bits.next_end(first + 1), first + 3);
                assert_eq!(bits.next_end(first + 4), first + 5);
                assert_eq!(bits.next_end(first + 6), len, "past the end all are marked");
                assert_eq!(bits.next_stop(0), if run > 0 { lead } else { first });
                assert_eq!(bits.next_stop(first + 1), first + 3);
            }
        }
    }

    #[test]
    fn far_ends_are_found() {
        let mut marks = Marks::default();
        for len in [0, 1, 63, 64, 65, 119, 120, 121, 128, 1000] {
            let text = "a".repeat(len) + "\r" + &"b".repeat(BLOCK);
            let bits = marks.csv(text.as_bytes(), len + 1, b';', b'\'');
            assert_eq!(bits.next_end(0), len);
            assert_eq!(bits.next_end(len), len);
            assert_eq!(bits.next_end(len + 1), len + 1);
            let bits = marks.json(text.as_bytes(), len + 1);
            assert_eq!((bits.next_end(0), bits.next_stop(0)), (len, len));
        }
    }
}
