//! The formats that a file may have, each as its decoder and what it asks of splits.

use yeoul_formats::{CsvDecoder, CsvOptions, LineDecoder, Malformed, NdjsonDecoder, RecordDecoder};
use yeoul_frame::Schema;

/// What reading a file needs to know of its format. Implemented here only.
pub trait Format: Sealed + Clone + Send + Sync + 'static {
    /// Its decoder.
    type Decoder: RecordDecoder + Send;

    /// Whether every newline ends a record, so that a file can be divided at any of them.
    fn is_divisible(&self) -> bool;

    /// A decoder for one file.
    fn decoder<T: Schema>(&self) -> Self::Decoder;

    /// Reads the header that the file starts with, and returns its length; none if more of the file is needed for that.
    ///
    /// # Errors
    /// The header does not fit the schema.
    fn header(&self, decoder: &mut Self::Decoder, head: &[u8], all: bool) -> Result<Option<usize>, Malformed>;
}

/// Keeps [`Format`] to the formats of this module.
pub trait Sealed {}

/// One JSON object a line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ndjson;

/// Raw lines.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lines;

impl Sealed for Ndjson {}

impl Format for Ndjson {
    type Decoder = NdjsonDecoder;

    fn is_divisible(&self) -> bool {
        true
    }

    fn decoder<T: Schema>(&self) -> NdjsonDecoder {
        NdjsonDecoder::of::<T>()
    }

    fn header(&self, _: &mut NdjsonDecoder, _: &[u8], _: bool) -> Result<Option<usize>, Malformed> {
        Ok(Some(0))
    }
}

impl Sealed for Lines {}

impl Format for Lines {
    type Decoder = LineDecoder;

    fn is_divisible(&self) -> bool {
        true
    }

    fn decoder<T: Schema>(&self) -> LineDecoder {
        LineDecoder::of::<T>()
    }

    fn header(&self, _: &mut LineDecoder, _: &[u8], _: bool) -> Result<Option<usize>, Malformed> {
        Ok(Some(0))
    }
}

/// Comma-separated values.
#[derive(Debug, Clone, Copy, Default)]
pub struct Csv {
    pub(crate) options: CsvOptions,
}

impl Sealed for Csv {}

impl Format for Csv {
    type Decoder = CsvDecoder;

    fn is_divisible(&self) -> bool {
        !self.options.newlines_in_quotes
    }

    fn decoder<T: Schema>(&self) -> CsvDecoder {
        CsvDecoder::of::<T>(self.options)
    }

    fn header(&self, decoder: &mut CsvDecoder, head: &[u8], all: bool) -> Result<Option<usize>, Malformed> {
        decoder.read_header(head, all)
    }
}
