//! Files as a source: a file, a glob, or a folder, read once or watched for new files.
//!
//! A plain file is divided into splits by byte ranges, so that one file uses all shards; which shard reads
//! which split follows from the path alone. A compressed file is one split. An instance reads its splits in the order of
//! paths (in a watched folder: of times of change, then paths), a frame a turn, and each split in its own order.
//!
//! # What it promises
//! - Each record is read by one instance, once. A snapshot notes for each split the offset before which all records have
//!   been emitted, and after which none has: restored on any number of shards, the rest is read, no more and no less.
//! - A run that is not watched reads the files that there were when it began. A watched folder's file is read once it has
//!   had the same length and time of change in two listings, one interval apart. Once all of it is read and a checkpoint after
//!   that is complete, it may be moved away. It is then forgotten: under the same name it would be a new file.
//! - A file that is no longer what it was when it was first seen fails the job: its length is checked whenever a split
//!   of it is begun and ended, its time of change at each listing (each interval; at the end of input; after a restart).
//!   One that is cut short while it is read fails the job too. Only a file of which no snapshot has a part may be another after a restart
//!   than before: it is read as it is then. If it is gone, a watched folder is as if it had never been there, and any other run fails.
//! - Nothing is dropped silently: what cannot be decoded fails the job or goes to the error output, by the user's choice;
//!   a compressed file that ends too early fails the job.
//!
//! # What it passes over
//! In a folder: folders in it, and files whose names begin with `.` or `_` or end in `.tmp` or `~`. By a pattern: hidden
//! names, as in a shell.
//!
//! # What it costs
//! It never waits but for the disk: slices of up to a megabyte are read as they are needed (of Parquet the footer, and of each column that
//! is used a dictionary and a page, when a row group is begun), and a listing is made on one of the shards, once an interval. Move files away once they are read: those still there are listed each time, and each
//! takes 51 bytes in every snapshot.

mod compression;
mod discover;
pub(crate) mod file_columns;
mod format;
mod frames;
mod malformed;
pub(crate) mod progress;
mod read;
pub(crate) mod scan;
mod split;
mod text;
mod turn;
mod watch;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_schema::SchemaRef;
use yeoul_formats::Header;
use yeoul_formats::columns::{ColumnPlan, TextFormat, UnfitColumns};
use yeoul_frame::{COLUMN_ROWS, Columns, FRAME_ROWS, Schema};
use yeoul_operator::{MakeSource, Source, SourceSpec};

#[cfg(feature = "parquet")]
use crate::parquet::ParquetColumns;
use crate::path::InputPath;
pub use compression::Compression;
pub use file_columns::{FileColumn, FileFact};
pub use format::{Csv, Format, Lines, Ndjson};
use frames::RowReading;
pub use frames::{ColumnText, malformed_columns};
pub use malformed::{Line, MalformedRecord, OnMalformed};
use read::FileReader;
use scan::Scan;

/// How many bytes of a plain file one split has by default.
pub const SPLIT_SIZE: u64 = 16 << 20;

/// A recipe for a source that reads files.
///
/// ```
/// use std::time::Duration;
/// use yeoul_file::{FileSource, OnMalformed};
/// use yeoul_frame::record;
///
/// #[record]
/// struct Bid {
///     auction: u64,
///     price: i64,
/// }
///
/// let bids = FileSource::ndjson::<Bid>("data/bids-*.ndjson");
/// let arriving = FileSource::csv::<Bid>("incoming").watch(Duration::from_secs(1)).on_malformed(OnMalformed::SideOutput);
/// let lines = FileSource::lines("/var/log/syslog.1.gz");
/// # let _ = (bids, arriving, lines);
/// ```
pub struct FileSource<T = (), F = ()> {
    pub(crate) settings: Settings<F>,
    records: PhantomData<fn() -> T>,
}

/// What the user set.
#[derive(Debug, Clone)]
pub(crate) struct Settings<F> {
    pub(crate) path: String,
    pub(crate) format: F,
    pub(crate) compression: Compression,
    pub(crate) split_size: u64,
    pub(crate) watch: Option<Duration>,
    pub(crate) on_malformed: OnMalformed,
    /// Records in a full frame; tests take fewer.
    pub(crate) frame_rows: usize,
}

impl<F> Settings<F> {
    /// The same settings with what reads the files.
    fn reading<R>(&self, format: R) -> Settings<R> {
        Settings {
            path: self.path.clone(),
            format,
            compression: self.compression,
            split_size: self.split_size,
            watch: self.watch,
            on_malformed: self.on_malformed,
            frame_rows: self.frame_rows,
        }
    }
}

impl FileSource {
    /// Reads the columns of a plan, for SQL.
    ///
    /// # Errors
    /// The format cannot carry these columns.
    pub fn columns(
        path: impl Into<String>,
        format: TextFormat,
        plan: Arc<ColumnPlan>,
    ) -> Result<FileSource<Columns, ColumnText>, UnfitColumns> {
        Ok(FileSource::new(path.into(), ColumnText::new(format, plan)?).in_frames_of(COLUMN_ROWS))
    }

    /// Reads those columns of a table that `projection` names (all if it is none), and of those the leaves that `used` names, from
    /// Parquet files, for SQL. A column that a file lacks is null.
    ///
    /// # Errors
    /// A type that Parquet does not carry.
    #[cfg(feature = "parquet")]
    pub fn parquet(
        path: impl Into<String>,
        table: &arrow_schema::Schema,
        projection: Option<&[usize]>,
        used: Option<&[Vec<String>]>,
    ) -> Result<FileSource<Columns, ParquetColumns>, UnfitColumns> {
        Ok(FileSource::new(path.into(), ParquetColumns::new(table, projection, used)?).in_frames_of(COLUMN_ROWS))
    }

    /// Reads records of one JSON object a line. Fields are found by their names; others are passed over.
    #[must_use]
    pub fn ndjson<T: Schema>(path: impl Into<String>) -> FileSource<T, Ndjson> {
        FileSource::new(path.into(), Ndjson)
    }

    /// Reads comma-separated values with a header line (see [`header`](FileSource::header)), whose columns are found by
    /// the names of the fields.
    #[must_use]
    pub fn csv<T: Schema>(path: impl Into<String>) -> FileSource<T, Csv> {
        FileSource::new(path.into(), Csv::default())
    }

    /// Reads lines as they are.
    #[must_use]
    pub fn lines(path: impl Into<String>) -> FileSource<Line, Lines> {
        FileSource::new(path.into(), Lines)
    }
}

impl<T, F> FileSource<T, F> {
    fn new(path: String, format: F) -> Self {
        let settings = Settings {
            path,
            format,
            compression: Compression::default(),
            split_size: SPLIT_SIZE,
            watch: None,
            on_malformed: OnMalformed::default(),
            frame_rows: FRAME_ROWS,
        };
        Self { settings, records: PhantomData }
    }

    fn in_frames_of(mut self, rows: usize) -> Self {
        self.settings.frame_rows = rows;
        self
    }

    /// Goes on looking for new files, once an interval, and never ends. Give each file a name that was not used before.
    #[must_use]
    pub fn watch(mut self, interval: Duration) -> Self {
        self.settings.watch = Some(interval);
        self
    }

    /// What to do with records that cannot be decoded. By default they fail the job.
    #[must_use]
    pub fn on_malformed(mut self, policy: OnMalformed) -> Self {
        self.settings.on_malformed = policy;
        self
    }

    /// How the files are compressed. By default their names tell.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.settings.compression = compression;
        self
    }

    /// Into splits of how many bytes plain files are divided; [`SPLIT_SIZE`] by default. Smaller ones spread a small file
    /// over more shards; each costs a few microseconds. Files that were begun before a restart keep the size that they had.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    pub fn split_size(mut self, bytes: u64) -> Self {
        assert!(bytes > 0, "a split has at least one byte");
        self.settings.split_size = bytes;
        self
    }
}

impl<T> FileSource<T, Csv> {
    /// Whether the first record of each file names the columns; it does by default. Without a header columns are taken in
    /// the order of the fields.
    #[must_use]
    pub fn header(mut self, header: bool) -> Self {
        self.settings.format.options.header = if header { Header::Named } else { Header::Absent };
        self
    }

    /// Takes columns in the order of the fields, although there is a header: its names are not looked at.
    #[must_use]
    pub fn columns_by_position(mut self) -> Self {
        self.settings.format.options.header = Header::Skipped;
        self
    }

    /// The byte between columns; a comma by default.
    ///
    /// # Panics
    /// If it is a quote, CR or LF.
    #[must_use]
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        assert!(!matches!(delimiter, b'"' | b'\r' | b'\n'), "a CSV delimiter is no quote, CR or LF");
        self.settings.format.options.delimiter = delimiter;
        self
    }

    /// Declares that no quoted value holds a newline, so that a file can be divided and read by all shards. One that does
    /// all the same is a malformed record.
    #[must_use]
    pub fn no_newlines_in_quotes(mut self) -> Self {
        self.settings.format.options.newlines_in_quotes = false;
        self
    }
}

impl<T: Schema, F: Format> SourceSpec for FileSource<T, F> {
    type Out = T;
    type Error = MalformedRecord;

    fn make(&self) -> MakeSource {
        let format = self.settings.format.clone();
        make(&self.settings, RowReading::<T, F> { format, records: PhantomData })
    }
}

impl FileSource<Columns, ColumnText> {
    /// Adds columns about the file that a row is of.
    #[must_use]
    pub fn file_columns(mut self, columns: Vec<FileColumn>) -> Self {
        self.settings.format = self.settings.format.with_file_columns(columns);
        self
    }

    /// The columns of its frames.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        self.settings.format.schema()
    }

    /// The recipe for its instances. Frames of malformed records have the columns [`malformed_columns`].
    #[must_use]
    pub fn make(&self) -> MakeSource {
        make(&self.settings, self.settings.format.clone())
    }
}

#[cfg(feature = "parquet")]
impl FileSource<Columns, ParquetColumns> {
    /// Adds columns about the file that a row is of.
    #[must_use]
    pub fn file_columns(mut self, columns: Vec<FileColumn>) -> Self {
        self.settings.format = self.settings.format.with_file_columns(columns);
        self
    }

    /// The columns of its frames.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        self.settings.format.schema()
    }

    /// The recipe for its instances. No record of Parquet is malformed by itself: a file is damaged, or it is not.
    #[must_use]
    pub fn make(&self) -> MakeSource {
        make(&self.settings, self.settings.format.clone())
    }
}

fn make<F, S: Scan>(settings: &Settings<F>, scan: S) -> MakeSource {
    // One for all instances of the job, restarts included: the input of a run that is not watched is listed once.
    let shared = Arc::new(Shared {
        settings: settings.reading(scan),
        input: InputPath::parse(&settings.path),
        listing: Mutex::new(None),
        watch: Mutex::default(),
    });
    Arc::new(move || Box::new(FileReader::new(Arc::clone(&shared))) as Box<dyn Source>)
}

/// What all instances of a source share.
pub(crate) struct Shared<F> {
    pub(crate) settings: Settings<F>,
    pub(crate) input: Result<InputPath, crate::BadGlob>,
    /// The files of a run that is not watched, as the first instance found them: two listings might differ, and a file
    /// that only one of two instances saw would be read in part. Locked once by each instance, when it starts.
    pub(crate) listing: Mutex<Option<Arc<[discover::Found]>>>,
    pub(crate) watch: Mutex<watch::Watch>,
}

impl<T, F: Clone> Clone for FileSource<T, F> {
    fn clone(&self) -> Self {
        Self { settings: self.settings.clone(), records: PhantomData }
    }
}

impl<T, F: std::fmt::Debug> std::fmt::Debug for FileSource<T, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileSource<{}>({:?})", std::any::type_name::<T>(), self.settings)
    }
}
