//! A file of the job's storage, as the reader of Parquet wants it: any range of its bytes, and the headers of pages.
//!
//! Invariants:
//! 1. No more is asked of the system, and no more memory taken, than the file had bytes when it was first seen.
//! 2. A page whose header has been given out has at most [`PAGE_LIMIT`] bytes, and its dictionary at most as many values.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};
use yeoul_sys::File;

use super::thrift::{self, Fault, PageSizes};

/// How much is read at once for a page's header, which has some dozen bytes, or some hundred with statistics.
const HEADER: usize = 1 << 10;
/// How long a page's header may be: statistics may hold whole values.
const HEADER_LIMIT: usize = 16 << 20;
/// How many bytes a page may have once it is decompressed. Usual are one or two MiB, or one value if that is longer.
const PAGE_LIMIT: i64 = 256 << 20;
const _: () = assert!(HEADER < HEADER_LIMIT && (HEADER_LIMIT as i64) < PAGE_LIMIT);

/// An open file.
#[derive(Clone)]
pub(super) struct FileBytes {
    pub(super) handle: Arc<dyn File>,
    /// Its length when it was first seen.
    pub(super) len: u64,
}

impl Length for FileBytes {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for FileBytes {
    type T = PageHeader;

    /// Of a file whose footer is known, nothing but pages' headers is asked for in this way.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(PageHeader { file: self.clone(), start, bytes: Vec::new(), given: 0 })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.len) {
            return Err(ParquetError::EOF(format!(
                "{length} bytes at byte {start} are asked for, of a file of {} bytes",
                self.len
            )));
        }
        let mut bytes = vec![0; length];
        self.handle.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// The header of the page at some place. It is looked at when it is read, not before: the crate also asks for what follows one that
/// it has read, and leaves it.
pub(super) struct PageHeader {
    file: FileBytes,
    start: u64,
    /// The header, perhaps with some of what follows.
    bytes: Vec<u8>,
    given: usize,
}

impl PageHeader {
    fn look(&mut self) -> io::Result<()> {
        let start = self.start;
        let odd =
            |what: String| -> io::Result<()> { Err(io::Error::other(format!("the page at byte {start} {what}"))) };
        let mut wanted = HEADER;
        loop {
            let room = self.file.len.saturating_sub(self.start).min(wanted as u64) as usize;
            self.bytes.resize(room, 0);
            self.file.handle.read_exact_at(&mut self.bytes, self.start)?;
            match thrift::page(&self.bytes) {
                Ok(PageSizes { bytes, .. }) if bytes > PAGE_LIMIT => {
                    return odd(format!("has {bytes} bytes when it is decompressed, and the limit is {PAGE_LIMIT}"));
                }
                Ok(PageSizes { bytes, dictionary }) if dictionary > bytes => {
                    return odd(format!("is a dictionary of {dictionary} values in {bytes} bytes"));
                }
                Ok(_) => return Ok(()),
                Err(Fault::Short) if room == wanted && wanted < HEADER_LIMIT => wanted = (8 * wanted).min(HEADER_LIMIT),
                Err(Fault::Short) => return odd(format!("has a header that does not end within {room} bytes")),
                Err(Fault::Odd(reason)) => return odd(format!("has a header of another form: {reason}")),
            }
        }
    }
}

impl Read for PageHeader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_empty() {
            self.look()?;
        }
        let mut rest = &self.bytes[self.given..];
        let read = rest.read(buf)?;
        self.given += read;
        Ok(read)
    }
}
