//! A file of the job's storage, as the reader of Parquet wants it: any range of its bytes.
//!
//! Invariants:
//! 1. No more is asked of the system, and no more memory taken, than the file had bytes when it was first seen.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};
use yeoul_sys::File;

/// How much is read at once for a page's header, which has some dozen bytes, or some hundred with statistics.
const HEADER: usize = 1 << 10;

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
    type T = BufReader<FileFrom>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::with_capacity(HEADER, FileFrom { file: self.clone(), at: start }))
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

/// The bytes of a file from some place on.
pub(super) struct FileFrom {
    file: FileBytes,
    at: u64,
}

impl Read for FileFrom {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let room = self.file.len.saturating_sub(self.at).min(buf.len() as u64) as usize;
        let read = self.file.handle.read_at(&mut buf[..room], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
