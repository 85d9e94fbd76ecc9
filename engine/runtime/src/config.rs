//! What a user may set about how a job runs. Every limit has a name here.

use std::path::PathBuf;
use std::time::Duration;

use yeoul_frame::{FRAME_ROWS, KeyGroups};
use yeoul_state::log::LogOptions;
use yeoul_state::manifest::ManifestOptions;

use crate::align::CheckpointingMode;
use crate::restart::RestartStrategy;

/// How a job runs.
#[derive(Debug, Clone)]
pub struct JobConfig {
    /// Number of shards, each a pinned thread. By default one for each core.
    pub shards: u16,
    /// Flink's maximum parallelism: fixed for the life of the state.
    pub key_groups: KeyGroups,
    /// Where state, manifest and checkpoints live. None: nothing is kept, and a job that fails is not restarted, whatever `restart` says: it
    /// would put out again what it has put out.
    pub data: Option<PathBuf>,
    /// Time between the starts of two checkpoints. None: only at the end and for savepoints.
    pub checkpoint_interval: Option<Duration>,
    /// Whether inputs wait for each other at barriers. At least once is for jobs whose results do not change when records count again:
    /// checkpoints then do not wait for the slowest input.
    pub checkpointing_mode: CheckpointingMode,
    /// A checkpoint that takes longer than this fails the attempt.
    pub checkpoint_timeout: Duration,
    /// How many committed checkpoints are kept.
    pub retained_checkpoints: usize,
    /// What happens after a failure.
    pub restart: RestartStrategy,
    /// Bytes that all state of the job may keep in memory, keys, indexes and timers included; each shard has an equal share. A job whose
    /// state is larger after eviction has done what it can fails with an error that names the tables. By default half of what the process
    /// may use.
    pub state_memory: usize,
    /// When a shard's state takes more than so many hundredths of its share, clean values are evicted to the log: what has a variable width
    /// and is more than a few words long.
    pub evict_percent: u8,
    /// Messages that a ring between two shards holds.
    pub ring_capacity: usize,
    /// Records in a frame at most: fewer for a shorter wait, more for less work a record.
    pub frame_rows: usize,
    /// Calls of operators that a task may make in one step, before its shard looks after its other duties.
    pub step_calls: usize,
    /// A segment of the state log is not grown past this many bytes, nor past an eighth of a shard's share of `state_memory` (but one larger
    /// record gets a segment of its own).
    pub log_segment_bytes: u32,
    /// In this time each sealed segment of the state log is read once and its checksums are checked, a little at a time. None: only when it is
    /// restored, compacted or evicted from.
    pub scrub_interval: Option<Duration>,
    /// The manifest is rewritten when it has grown by this many bytes.
    pub manifest_rewrite_bytes: u64,
    /// Restore from this savepoint if there is no checkpoint of the job's own.
    pub from_savepoint: Option<PathBuf>,
    /// Whether state of operators that the job no longer has may be left behind at a restore.
    pub allow_non_restored_state: bool,
    /// Whether a restore takes state whose types are called otherwise than when it was saved: they have been renamed or moved since, and are
    /// what they were. Needed once: the next checkpoint has the new names.
    pub allow_renamed_types: bool,
    /// Whether shards are pinned to cores.
    pub pin: bool,
}

impl Default for JobConfig {
    fn default() -> Self {
        Self {
            shards: u16::try_from(yeoul_sys::thread::cores()).unwrap_or(u16::MAX).max(1),
            key_groups: KeyGroups::DEFAULT,
            data: None,
            checkpoint_interval: Some(Duration::from_secs(1)),
            checkpointing_mode: CheckpointingMode::ExactlyOnce,
            checkpoint_timeout: Duration::from_secs(600),
            retained_checkpoints: 1,
            restart: RestartStrategy::default(),
            state_memory: yeoul_sys::memory_bytes().map_or(STATE_MEMORY, |bytes| (bytes / 2) as usize),
            evict_percent: 75,
            ring_capacity: RING_CAPACITY,
            frame_rows: FRAME_ROWS,
            step_calls: STEP_CALLS,
            log_segment_bytes: LogOptions::SEGMENT_BYTES,
            scrub_interval: Some(Duration::from_secs(24 * 60 * 60)),
            manifest_rewrite_bytes: ManifestOptions::default().rewrite_bytes,
            from_savepoint: None,
            allow_non_restored_state: false,
            allow_renamed_types: false,
            pin: true,
        }
    }
}

/// Bytes that state may hold where the system does not say how much memory there is.
const STATE_MEMORY: usize = 2 << 30;

/// Messages that a ring holds by default. A frame of rows holds at most 1,024 records and one of columns 4,096, so this bounds what is in flight
/// between two shards.
pub const RING_CAPACITY: usize = 16;

/// Calls of operators in one step of a task.
pub const STEP_CALLS: usize = 8;

/// For how long a shard may drain frozen state before it looks after its input again.
pub const DRAIN_SLICE: Duration = Duration::from_micros(100);

/// Frozen records that are drained between two looks at the clock.
pub const DRAIN_RECORDS: usize = 256;

/// Bytes of sealed output that are copied into the log before a shard looks after its input again; a sink's piece is copied whole.
pub const OUTPUT_SLICE: usize = 256 << 10;

/// Chunks of the log that may wait for the writer, for each shard. Beyond that the shard stops draining.
pub const LOG_CHUNKS: usize = 64;

const _: () = assert!(RING_CAPACITY.is_power_of_two(), "a ring's capacity is a power of two");
