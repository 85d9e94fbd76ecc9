//! Files as a sink: what they show is committed, once.
//!
//! An instance encodes its records; at a barrier it seals the text in the state log, as part of the snapshot. Once the epoch
//! is committed, the committer writes the text to files whose names begin with a dot, syncs them, and renames them: so a
//! file that can be seen is complete, whatever fails and whenever.
//!
//! # Parts
//! `part-00001-e0000000003-0000000007.ndjson` is what instance 1 wrote from epoch 3 to epoch 7. By default each epoch is a
//! part; [`Roll`] makes larger ones. Names sort by instance, then epoch.
//!
//! What an outside reader may rely on at any moment, power losses included (on a file system on which a rename survives in
//! whole or not at all):
//! - A part that is visible is complete, belongs to committed epochs only, and never changes. It is never shown twice.
//! - The parts of one instance appear in the order of epochs. So the visible parts of one instance are a prefix of what the
//!   instance would have written without faults.
//! - Rolled by epoch, the parts of all instances are a prefix by whole epochs, but for a moment: those of one epoch are
//!   written and synced first, then renamed one right after another. A crash between two renames leaves the epoch in
//!   part until the job runs again. Who needs the exact prefix reads epochs below the highest that is visible, or
//!   uses [`single`](FileSink::single).
//!
//! Two sinks may share a folder if their prefixes differ; a lock file, `.part.lock`, sees to that and is removed at
//! the job's end. A consumer that removes parts leaves the newest of each instance in place: their names say what was
//! delivered. A fresh job refuses a folder with parts of an earlier run, unless [`overwrite`](FileSink::overwrite) is set.
//!
//! # One file
//! [`FileSink::single`] writes one file of one instance, which appears when the job ends or is stopped. Until then the text
//! grows in `.name.open` beside it.
//!
//! # What it costs
//! Parts that are not yet rolled are kept in the state log too, and written anew after a crash: so a part is rolled at an age,
//! 15 minutes by default ([`MAX_AGE`]), even if its size is not reached. A single file is kept up to the last epoch only. An instance holds one epoch's text in memory, at most [`EPOCH_LIMIT`].

mod chunk;
mod durable;
mod encoding;
mod name;
mod parts;
mod roll;
mod single;
mod write;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use yeoul_formats::columns::{FrameEncoder, TextFormat, UnfitColumns};
use yeoul_frame::{Columns, Schema};
use yeoul_operator::{Committer, MakeCommitter, MakeOperator, Operator, SinkSpec};

#[cfg(feature = "parquet")]
use crate::parquet::{ParquetOptions, ParquetParts};
use encoding::RowEncoder;
pub use encoding::{Appendable, ColumnLines, CsvText, Encoding, NdjsonText};
use parts::PartsCommitter;
pub use roll::{MAX_AGE, Roll};
use single::SingleCommitter;
use write::FileWriter;

/// How many bytes of text one instance may write in one epoch.
pub const EPOCH_LIMIT: u64 = 1 << 30;
/// Text is handed on in pieces of this size: what is sealed at the barrier itself, and so the pause, is less than one. Of a format whose
/// files have an end it is what that end writes out, too: of Parquet the row group that is open.
const PIECE: usize = 256 << 10;
const _: () = assert!(PIECE as u64 <= EPOCH_LIMIT, "an epoch has room for a piece");

/// A recipe for a sink that writes files.
///
/// ```
/// use yeoul_file::{FileSink, Roll};
/// use yeoul_frame::record;
///
/// #[record]
/// struct Delay {
///     airport: String,
///     minutes: f64,
/// }
///
/// let parts = FileSink::csv::<Delay>("out").roll(Roll::Bytes(64 << 20));
/// let late = FileSink::ndjson::<Delay>("out").prefix("late");
/// let result = FileSink::csv::<Delay>("out/delays.csv").single().overwrite();
/// # let _ = (parts, late, result);
/// ```
pub struct FileSink<T = (), E = ()> {
    settings: Settings<E>,
    records: PhantomData<fn() -> T>,
}

/// What the user set.
#[derive(Debug, Clone)]
pub(crate) struct Settings<E> {
    pub(crate) path: String,
    pub(crate) encoding: E,
    pub(crate) prefix: String,
    pub(crate) roll: Roll,
    pub(crate) single: bool,
    pub(crate) overwrite: bool,
    pub(crate) parallelism: Option<u16>,
    pub(crate) epoch_limit: u64,
    pub(crate) piece: usize,
}

impl FileSink {
    /// Writes columns in a text format into the folder `path`, for SQL.
    ///
    /// # Errors
    /// The format cannot carry these columns.
    pub fn columns(
        path: impl Into<String>,
        schema: SchemaRef,
        format: TextFormat,
    ) -> Result<FileSink<Columns, ColumnLines>, UnfitColumns> {
        Ok(FileSink::new(path.into(), ColumnLines::new(schema, format)?))
    }

    /// Writes columns as Parquet into the folder `path`, for SQL: each epoch of an instance is a part, since no Parquet file can be
    /// gone on with.
    ///
    /// # Errors
    /// A type that Parquet does not carry.
    #[cfg(feature = "parquet")]
    pub fn parquet(
        path: impl Into<String>,
        schema: &arrow_schema::Schema,
        options: ParquetOptions,
    ) -> Result<FileSink<Columns, ParquetParts>, UnfitColumns> {
        Ok(FileSink::new(path.into(), ParquetParts::new(schema, options)?))
    }

    /// Writes changes of every kind, each with its kind before it ([`Style::Changelog`](yeoul_formats::columns::Style)).
    ///
    /// # Errors
    /// A type that has no text.
    pub fn changelog(
        path: impl Into<String>,
        schema: SchemaRef,
    ) -> Result<FileSink<Columns, ColumnLines>, UnfitColumns> {
        Ok(FileSink::new(path.into(), ColumnLines::changelog(schema)?))
    }

    /// Writes one JSON object a line into the folder `path`.
    #[must_use]
    pub fn ndjson<T: Schema>(path: impl Into<String>) -> FileSink<T, NdjsonText> {
        FileSink::new(path.into(), NdjsonText)
    }

    /// Writes comma-separated values into the folder `path`; each file begins with a header.
    #[must_use]
    pub fn csv<T: Schema>(path: impl Into<String>) -> FileSink<T, CsvText> {
        FileSink::new(path.into(), CsvText::default())
    }
}

impl<T, E> FileSink<T, E> {
    fn new(path: String, encoding: E) -> Self {
        let settings = Settings {
            path,
            encoding,
            prefix: "part".to_owned(),
            roll: Roll::default(),
            single: false,
            overwrite: false,
            parallelism: None,
            epoch_limit: EPOCH_LIMIT,
            piece: PIECE,
        };
        Self { settings, records: PhantomData }
    }

    /// What the names of the parts begin with; `part` by default.
    ///
    /// # Panics
    /// If it is empty, begins with a dot or holds a slash.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        let fits = !prefix.is_empty() && !prefix.starts_with('.') && !prefix.contains('/');
        assert!(fits, "{prefix:?} cannot begin a file's name that is to be seen");
        self.settings.prefix = prefix;
        self
    }

    /// Removes what an earlier run of this sink left when a job starts afresh; without it, the job refuses to start. A single
    /// file stays until it is replaced by the new one.
    #[must_use]
    pub fn overwrite(mut self) -> Self {
        self.settings.overwrite = true;
        self
    }

    /// Writes with this many instances. By default, one on each shard.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    pub fn parallelism(mut self, instances: u16) -> Self {
        assert!(instances > 0, "a sink has at least one instance");
        self.settings.parallelism = Some(instances);
        self
    }

    /// How many bytes of text one instance may write in one epoch; [`EPOCH_LIMIT`] by default. They are held in memory.
    #[must_use]
    pub fn epoch_limit(mut self, bytes: u64) -> Self {
        self.settings.epoch_limit = bytes;
        self
    }
}

impl<T, E: Appendable> FileSink<T, E> {
    /// When a part is complete. By default each epoch is one: with short epochs over a long time that is many files.
    #[must_use]
    pub fn roll(mut self, roll: Roll) -> Self {
        self.settings.roll = roll;
        self
    }

    /// Writes one file, whose path is the one given to the sink, with one instance. It appears when the job ends.
    #[must_use]
    pub fn single(mut self) -> Self {
        self.settings.single = true;
        self
    }
}

impl<T, E> FileSink<T, E> {
    /// How large the pieces are in which an epoch's text is sealed. For the simulator, whose epochs are far smaller than a piece.
    #[doc(hidden)]
    #[must_use]
    pub fn piece(mut self, bytes: usize) -> Self {
        self.settings.piece = bytes.max(chunk::HEADER + 1);
        self
    }
}

impl<T> FileSink<T, CsvText> {
    /// Whether each file begins with the names of the columns; it does by default.
    #[must_use]
    pub fn header(mut self, header: bool) -> Self {
        self.settings.encoding.header = header;
        self
    }

    /// The byte between columns; a comma by default.
    ///
    /// # Panics
    /// If it is a quote, CR, LF or not ASCII.
    #[must_use]
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        let plain = delimiter.is_ascii() && !matches!(delimiter, b'"' | b'\r' | b'\n');
        assert!(plain, "a CSV delimiter is an ASCII byte other than quote, CR and LF");
        self.settings.encoding.delimiter = delimiter;
        self
    }
}

impl<T: Schema, E: Encoding> SinkSpec for FileSink<T, E> {
    type In = T;

    fn make(&self) -> MakeOperator {
        let settings = Arc::new(self.settings.clone());
        Arc::new(move || {
            let encoder = RowEncoder::<T, E>::new(&settings.encoding);
            Box::new(FileWriter::new(Arc::clone(&settings), encoder)) as Box<dyn Operator>
        })
    }

    fn committer(&self) -> MakeCommitter {
        self.settings.committer(self.settings.encoding.header::<T>(), E::EXTENSION)
    }

    fn parallelism(&self) -> Option<u16> {
        self.settings.instances()
    }
}

impl FileSink<Columns, ColumnLines> {
    /// The recipe for the instances that seal output.
    #[must_use]
    pub fn make(&self) -> MakeOperator {
        let settings = Arc::new(self.settings.clone());
        Arc::new(move || {
            let encoder = settings.encoding.encoder();
            Box::new(FileWriter::new(Arc::clone(&settings), encoder)) as Box<dyn Operator>
        })
    }

    /// The recipe for the half that makes sealed output visible.
    #[must_use]
    pub fn committer(&self) -> MakeCommitter {
        self.settings.committer(self.settings.encoding.encoder().header(), self.settings.encoding.extension)
    }

    /// How many instances it wants, if that is fewer than all shards.
    #[must_use]
    pub fn instances(&self) -> Option<u16> {
        self.settings.instances()
    }
}

#[cfg(feature = "parquet")]
impl FileSink<Columns, ParquetParts> {
    /// The recipe for the instances that seal output.
    #[must_use]
    pub fn make(&self) -> MakeOperator {
        let settings = Arc::new(self.settings.clone());
        Arc::new(move || {
            let encoder = settings.encoding.encoder();
            Box::new(FileWriter::new(Arc::clone(&settings), encoder)) as Box<dyn Operator>
        })
    }

    /// The recipe for the half that makes sealed output visible.
    #[must_use]
    pub fn committer(&self) -> MakeCommitter {
        self.settings.committer(Vec::new(), ParquetParts::EXTENSION)
    }

    /// How many instances it wants, if that is fewer than all shards.
    #[must_use]
    pub fn instances(&self) -> Option<u16> {
        self.settings.instances()
    }
}

impl<E: Clone + Send + Sync + 'static> Settings<E> {
    fn committer(&self, header: Vec<u8>, extension: &'static str) -> MakeCommitter {
        let (settings, header) = (self.clone(), Arc::<[u8]>::from(header));
        Arc::new(move || -> Box<dyn Committer> {
            if settings.single {
                Box::new(SingleCommitter::new(&settings, Arc::clone(&header)))
            } else {
                Box::new(PartsCommitter::new(&settings, Arc::clone(&header), extension))
            }
        })
    }

    fn instances(&self) -> Option<u16> {
        if self.single { Some(1) } else { self.parallelism }
    }
}

impl<T, E: Clone> Clone for FileSink<T, E> {
    fn clone(&self) -> Self {
        Self { settings: self.settings.clone(), records: PhantomData }
    }
}

impl<T, E: std::fmt::Debug> std::fmt::Debug for FileSink<T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileSink<{}>({:?})", std::any::type_name::<T>(), self.settings)
    }
}
