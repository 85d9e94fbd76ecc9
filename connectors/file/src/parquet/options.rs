//! Flink's options of `parquet`, as far as they change what is written.

use arrow_schema::TimeUnit;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;
use yeoul_formats::options::{OptionError, Options};

/// The size of a row group. A barrier writes out the one that is open, while the shard does nothing else: a tenth of a second with the
/// 128 MiB that Flink has.
const ROW_GROUP: u64 = 16 << 20;
/// The least that a row group may be asked to have: a file has room for 32,767 of them.
const ROW_GROUP_LEAST: u64 = 64 << 10;
const PAGE: u64 = 1 << 20;

/// How pages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ParquetCompression {
    /// Not at all.
    Uncompressed,
    /// By Snappy.
    #[default]
    Snappy,
    /// By gzip.
    Gzip,
    /// By zstd.
    Zstd,
    /// By LZ4 without frames.
    Lz4Raw,
}

/// How Parquet files are written. What is read says itself how it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParquetOptions {
    /// `parquet.compression`: `SNAPPY` by default.
    pub compression: ParquetCompression,
    /// `parquet.block.size`: about how many bytes a row group has, 16 MiB by default, at least 64 KiB.
    pub row_group_bytes: u64,
    /// `parquet.page.size`: about how many bytes a page has before it is compressed, 1 MiB by default.
    pub page_bytes: u64,
    /// `parquet.dictionary.page.size`: at which size of its dictionary a column does without, 1 MiB by default.
    pub dictionary_bytes: u64,
    /// `parquet.enable.dictionary`: true by default.
    pub dictionary: bool,
    /// `parquet.timestamp.time.unit`: by default each column's own, milliseconds or nanoseconds.
    pub unit: Option<TimeUnit>,
}

impl Default for ParquetOptions {
    fn default() -> Self {
        Self {
            compression: ParquetCompression::default(),
            row_group_bytes: ROW_GROUP,
            page_bytes: PAGE,
            dictionary_bytes: PAGE,
            dictionary: true,
            unit: None,
        }
    }
}

impl ParquetOptions {
    /// Reads the options of a table.
    ///
    /// # Errors
    /// A value that an option does not take.
    pub fn from_options(options: &mut Options<'_>) -> Result<Self, OptionError> {
        let compressions = [
            ("SNAPPY", ParquetCompression::Snappy),
            ("UNCOMPRESSED", ParquetCompression::Uncompressed),
            ("GZIP", ParquetCompression::Gzip),
            ("ZSTD", ParquetCompression::Zstd),
            ("LZ4_RAW", ParquetCompression::Lz4Raw),
        ];
        let units =
            [("millis", TimeUnit::Millisecond), ("micros", TimeUnit::Microsecond), ("nanos", TimeUnit::Nanosecond)];
        let units = units.map(|(name, unit)| (name, Some(unit)));
        let none = Self::default();
        options.without_effect("parquet.utc-timezone", &["true"], "times are written and read in UTC")?;
        options.without_effect("parquet.write.int64.timestamp", &["true"], "INT96 is read, and no longer written")?;
        options.without_effect("parquet.batch-size", &[], "frames have the engine's size")?;
        options.without_effect("parquet.writer.version", &["v1", "PARQUET_1_0"], "all readers know version 1")?;
        Ok(Self {
            compression: options.choice("parquet.compression", &compressions, none.compression)?,
            row_group_bytes: size(
                options,
                "parquet.block.size",
                none.row_group_bytes,
                ROW_GROUP_LEAST,
                "at least 64 KiB",
            )?,
            page_bytes: size(options, "parquet.page.size", none.page_bytes, 1, "at least one byte")?,
            dictionary_bytes: size(
                options,
                "parquet.dictionary.page.size",
                none.dictionary_bytes,
                1,
                "at least one byte",
            )?,
            dictionary: options.flag("parquet.enable.dictionary", none.dictionary)?,
            unit: options.choice("parquet.timestamp.time.unit", &units, none.unit)?,
        })
    }

    pub(super) fn properties(&self) -> WriterProperties {
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        WriterProperties::builder()
            .set_created_by(concat!("yeoul version ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(match self.compression {
                ParquetCompression::Uncompressed => Compression::UNCOMPRESSED,
                ParquetCompression::Snappy => Compression::SNAPPY,
                ParquetCompression::Gzip => Compression::GZIP(GzipLevel::default()),
                ParquetCompression::Zstd => Compression::ZSTD(ZstdLevel::default()),
                ParquetCompression::Lz4Raw => Compression::LZ4_RAW,
            })
            // Bytes alone count, as in Flink: narrow rows are more than the crate's default of a million.
            .set_max_row_group_row_count(None)
            .set_max_row_group_bytes(Some(size(self.row_group_bytes)))
            .set_data_page_size_limit(size(self.page_bytes))
            .set_dictionary_page_size_limit(size(self.dictionary_bytes))
            .set_dictionary_enabled(self.dictionary)
            // The names that the format's specification gives to the parts of lists and maps, as Flink writes them.
            .set_coerce_types(true)
            .build()
    }
}

fn size(options: &mut Options<'_>, key: &str, default: u64, least: u64, known: &str) -> Result<u64, OptionError> {
    match options.bytes(key)? {
        Some(given) if given < least => {
            let given = options.text(key).map_or_else(|| given.to_string(), str::to_owned);
            Err(OptionError::value(key, &given, known))
        }
        given => Ok(given.unwrap_or(default)),
    }
}
