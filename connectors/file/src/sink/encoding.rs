//! The formats that a sink writes.

use std::marker::PhantomData;

use arrow_schema::SchemaRef;
use yeoul_formats::columns::{ColumnEncoder, FrameEncoder, Style, TextFormat, UnfitColumns};
use yeoul_formats::{CsvEncoder, NdjsonEncoder};
use yeoul_frame::{Frame, Schema};

/// How records become text. Implemented here only.
pub trait Encoding: Appendable + Clone + Send + Sync + 'static {
    /// Its encoder.
    type Encoder: Send;

    /// What files of it are called.
    const EXTENSION: &'static str;

    /// An encoder for one instance.
    fn encoder<T: Schema>(&self) -> Self::Encoder;

    /// What each file begins with.
    fn header<T: Schema>(&self) -> Vec<u8>;

    /// Appends a record.
    ///
    /// # Errors
    /// The format has no text for the record; nothing is appended then.
    fn encode<T: Schema>(encoder: &mut Self::Encoder, record: &T::Archived, out: &mut Vec<u8>) -> Result<(), String>;
}

/// Text whose files can be gone on with, from epoch to epoch. Implemented here only.
pub trait Appendable: Sealed {}

/// Keeps [`Encoding`] and [`Appendable`] to the formats of this module.
pub trait Sealed {}

/// One JSON object a line.
#[derive(Debug, Clone, Copy, Default)]
pub struct NdjsonText;

/// Comma-separated values.
#[derive(Debug, Clone, Copy)]
pub struct CsvText {
    pub(crate) header: bool,
    pub(crate) delimiter: u8,
}

impl Default for CsvText {
    fn default() -> Self {
        Self { header: true, delimiter: b',' }
    }
}

impl Sealed for NdjsonText {}

impl Appendable for NdjsonText {}

impl Encoding for NdjsonText {
    type Encoder = NdjsonEncoder;

    const EXTENSION: &'static str = "ndjson";

    fn encoder<T: Schema>(&self) -> NdjsonEncoder {
        NdjsonEncoder::of::<T>()
    }

    fn header<T: Schema>(&self) -> Vec<u8> {
        Vec::new()
    }

    #[inline]
    fn encode<T: Schema>(encoder: &mut NdjsonEncoder, record: &T::Archived, out: &mut Vec<u8>) -> Result<(), String> {
        encoder.encode::<T>(record, out).map_err(|error| error.to_string())
    }
}

impl Sealed for CsvText {}

impl Appendable for CsvText {}

impl Encoding for CsvText {
    type Encoder = CsvEncoder;

    const EXTENSION: &'static str = "csv";

    fn encoder<T: Schema>(&self) -> CsvEncoder {
        CsvEncoder::new(T::FIELDS, self.delimiter)
    }

    fn header<T: Schema>(&self) -> Vec<u8> {
        let mut header = Vec::new();
        if self.header {
            CsvEncoder::new(T::FIELDS, self.delimiter).header(&mut header);
        }
        header
    }

    #[inline]
    fn encode<T: Schema>(encoder: &mut CsvEncoder, record: &T::Archived, out: &mut Vec<u8>) -> Result<(), String> {
        encoder.encode::<T>(record, out);
        Ok(())
    }
}

/// Writes frames of rows, by an encoder of one record.
pub(crate) struct RowEncoder<T, E: Encoding> {
    encoder: E::Encoder,
    header: Vec<u8>,
    records: PhantomData<fn(T)>,
}

impl<T: Schema, E: Encoding> RowEncoder<T, E> {
    pub(crate) fn new(encoding: &E) -> Self {
        Self { encoder: encoding.encoder::<T>(), header: encoding.header::<T>(), records: PhantomData }
    }
}

impl<T: Schema, E: Encoding> FrameEncoder for RowEncoder<T, E> {
    fn header(&self) -> Vec<u8> {
        self.header.clone()
    }

    fn encode(&mut self, frame: &Frame, from: usize, out: &mut Vec<u8>, enough: usize) -> Result<usize, String> {
        let mut next = from;
        for (_, record) in frame.slice(from..frame.len()).rows::<T>().iter() {
            E::encode::<T>(&mut self.encoder, record, out)?;
            next += 1;
            if out.len() >= enough {
                break;
            }
        }
        Ok(next)
    }
}

/// Columns in a text format, for SQL.
#[derive(Debug, Clone)]
pub struct ColumnLines {
    encoder: ColumnEncoder,
    pub(crate) extension: &'static str,
}

impl Sealed for ColumnLines {}

impl Appendable for ColumnLines {}

impl ColumnLines {
    pub(crate) fn new(schema: SchemaRef, format: TextFormat) -> Result<Self, UnfitColumns> {
        let extension = match &format {
            TextFormat::Json(_) => NdjsonText::EXTENSION,
            TextFormat::Csv(_) => CsvText::EXTENSION,
            TextFormat::Raw => "txt",
        };
        Ok(Self { encoder: ColumnEncoder::new(schema, Style::Format(format))?, extension })
    }

    pub(crate) fn changelog(schema: SchemaRef) -> Result<Self, UnfitColumns> {
        Ok(Self { encoder: ColumnEncoder::new(schema, Style::Changelog)?, extension: "changelog" })
    }

    pub(crate) fn encoder(&self) -> ColumnEncoder {
        self.encoder.clone()
    }
}
