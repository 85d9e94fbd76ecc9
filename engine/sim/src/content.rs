//! The bytes of one simulated file.
//!
//! Pages are shared until written, so that a copy of a file costs a count per page, and an untouched page (a hole) costs nothing:
//! the simulated disk copies files to remember what is durable, and forks to try many crashes of one moment.
//!
//! Invariants:
//! 1. Bytes past the length are zero, so that a file that grows shows zeros.

use std::ops::Range;
use std::sync::Arc;

/// What the disk writes in one piece.
pub(crate) const SECTOR: usize = 512;

const PAGE: usize = 4096;
const _: () = assert!(PAGE.is_multiple_of(SECTOR), "a sector lies in one page");

/// The bytes of a file, with holes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pages: Vec<Option<Arc<[u8; PAGE]>>>,
    len: u64,
}

impl Content {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let mut content = Self::default();
        content.write(bytes, 0);
        content
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Writes all bytes; the file grows as far as they reach.
    pub(crate) fn write(&mut self, bytes: &[u8], offset: u64) {
        if bytes.is_empty() {
            return;
        }
        self.len = self.len.max(offset + bytes.len() as u64);
        self.overlay(bytes, offset);
    }

    /// Reads what lies below the length; returns the number of bytes read.
    pub(crate) fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let there = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buf.len().min(there);
        self.peek(&mut buf[..wanted], offset);
        wanted
    }

    /// All bytes up to the length.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.len).expect("a simulated file fits in memory")];
        self.peek(&mut bytes, 0);
        bytes
    }

    /// Cuts the file, or lets it grow by zeros.
    pub(crate) fn set_len(&mut self, len: u64) {
        if len < self.len {
            let first_gone = usize::try_from(len.div_ceil(PAGE as u64)).expect("a simulated file fits in memory");
            self.pages.truncate(first_gone);
            let within = (len % PAGE as u64) as usize;
            if within > 0
                && let Some(Some(page)) = self.pages.get_mut(first_gone - 1)
            {
                Arc::make_mut(page)[within..].fill(0);
            }
        }
        self.len = len;
    }

    /// Takes the given bytes of `other`, past the length too (zeros); the length stays. Invariant 1 is then the caller's to restore
    /// by [`Content::seal_len`].
    pub(crate) fn take(&mut self, other: &Self, range: Range<u64>) {
        let mut at = range.start;
        let mut piece = [0; SECTOR];
        while at < range.end {
            let end = range.end.min((at / SECTOR as u64 + 1) * SECTOR as u64);
            let piece = &mut piece[..(end - at) as usize];
            other.peek(piece, at);
            self.overlay(piece, at);
            at = end;
        }
    }

    /// Sets the length, and zeroes what lies past it.
    pub(crate) fn seal_len(&mut self, len: u64) {
        self.len = u64::MAX;
        self.set_len(len);
    }

    /// Bytes at an offset, whatever the length: zeros where nothing was written.
    fn peek(&self, buf: &mut [u8], offset: u64) {
        each_page(buf.len(), offset, |page, within, part| match self.pages.get(page) {
            Some(Some(bytes)) => buf[part.clone()].copy_from_slice(&bytes[within..within + part.len()]),
            _ => buf[part].fill(0),
        });
    }

    fn overlay(&mut self, bytes: &[u8], offset: u64) {
        each_page(bytes.len(), offset, |page, within, part| {
            if self.pages.len() <= page {
                self.pages.resize(page + 1, None);
            }
            let slot = self.pages[page].get_or_insert_with(|| Arc::new([0; PAGE]));
            Arc::make_mut(slot)[within..within + part.len()].copy_from_slice(&bytes[part]);
        });
    }
}

/// Calls back with (page number, offset in the page, range of the `len` bytes) for each page touched.
fn each_page(len: usize, offset: u64, mut visit: impl FnMut(usize, usize, Range<usize>)) {
    let mut done = 0;
    while done < len {
        let at = offset + done as u64;
        let page = usize::try_from(at / PAGE as u64).expect("a simulated file fits in memory");
        let within = (at % PAGE as u64) as usize;
        let part = (PAGE - within).min(len - done);
        visit(page, within, done..done + part);
        done += part;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Chance, Rng};

    #[test]
    fn behaves_as_a_vector_of_bytes() {
        let mut rng = Rng::new(11);
        let (mut content, mut model) = (Content::default(), Vec::<u8>::new());
        for round in 0..400_u64 {
            let at = rng.below(20_000) as usize;
            if rng.in_cases(1, 5) {
                content.set_len(at as u64);
                model.resize(at, 0);
            } else {
                let bytes = vec![round as u8 | 1; rng.below(6000) as usize];
                content.write(&bytes, at as u64);
                if !bytes.is_empty() {
                    model.resize(model.len().max(at + bytes.len()), 0);
                    model[at..at + bytes.len()].copy_from_slice(&bytes);
                }
            }
            assert_eq!(content.to_vec(), model, "round {round}");
        }
        let mut buf = [0; 100];
        content.set_len(50);
        assert_eq!(content.read(&mut buf, 20), 30);
        assert_eq!(content.read(&mut buf, 60), 0);
    }

    #[test]
    fn a_copy_is_independent() {
        let mut a = Content::from_bytes(&[1; 5000]);
        let b = a.clone();
        a.write(&[2], 0);
        assert_eq!((a.to_vec()[0], b.to_vec()[0]), (2, 1));
    }

    #[test]
    fn bytes_taken_past_the_length_vanish_when_it_is_sealed() {
        let mut a = Content::from_bytes(&[1; 10]);
        a.take(&Content::from_bytes(&[2; 3000]), 500..2000);
        a.seal_len(600);
        let bytes = a.to_vec();
        assert_eq!((bytes[9], bytes[499], bytes[500], bytes[599]), (1, 0, 2, 2));
        a.set_len(2000);
        assert_eq!(a.to_vec()[600..], [0; 1400]);
    }
}
