//! How one run's job is set: drawn from its seed, so that limits are small and are met often.

use std::path::PathBuf;
use std::time::Duration;

use yeoul_frame::KeyGroups;
use yeoul_runtime::{JobConfig, RestartStrategy};

use crate::rng::{Chance, Rng};
use crate::workload::JobKind;

/// Where the job's state lies on the simulated disk.
pub const DATA: &str = "data";
/// The epochs that a run should have at least.
pub const LEAST_EPOCHS: u64 = 30;
/// How often a failed attempt is followed by another in the same process.
const ATTEMPTS: u32 = 3;

/// How the job of one run is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The seed of everything.
    pub seed: u64,
    /// The job.
    pub kind: JobKind,
    /// Records of its input.
    pub records: usize,
    /// The number of shards of each process in turn; the last holds from then on.
    pub shards: Vec<u16>,
    /// The job's key groups.
    pub key_groups: u16,
    /// Messages that a ring holds.
    pub ring_capacity: usize,
    /// Records in a frame.
    pub frame_rows: usize,
    /// Calls of operators in one step.
    pub step_calls: usize,
    /// Bytes in a split of an input file.
    pub split_size: u64,
    /// Bytes after which an output part is complete; 0: each epoch is one.
    pub roll_bytes: u64,
    /// After how long an output part is complete, also if it is not large enough.
    pub roll_every: Option<Duration>,
    /// Bytes of a piece in which a sink seals its text.
    pub piece: usize,
    /// Output is one file, which appears at the end.
    pub single: bool,
    /// A consumer takes parts away once it has read them, all but the newest of each instance.
    pub consumed: bool,
    /// Input is CSV, not NDJSON.
    pub csv: bool,
    /// Input is compressed.
    pub gzip: bool,
    /// Input folders are watched: files come one after the other, and a user drains the job at last.
    pub watched: bool,
    /// Files of a watched folder are moved away once they are read.
    pub moved: bool,
    /// Sources wait for one another when their times drift apart.
    pub aligned: bool,
    /// Bytes in a segment of the log.
    pub segment_bytes: u32,
    /// Bytes after which the manifest is rewritten.
    pub manifest_bytes: u64,
    /// Checkpoints kept.
    pub retained: usize,
    /// Hundredths of the memory for state beyond which it is evicted.
    pub evict_percent: u8,
    /// Simulated time between checkpoints.
    pub interval: Duration,
}

/// Bytes that state may keep in memory, in every setting: more than the shard of any job holds that has most keys, and a hundredth of it is
/// less than most hold.
const STATE_MEMORY: usize = 16 << 20;
/// Old segments are read again so often, in simulated time.
const SCRUB_INTERVAL: Duration = Duration::from_millis(5);

impl Setting {
    /// The setting of a seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        Self::draw_for(seed, JobKind::ALL[(seed % JobKind::ALL.len() as u64) as usize])
    }

    /// The setting of a seed, for this kind of job.
    #[must_use]
    pub fn draw_for(seed: u64, kind: JobKind) -> Self {
        Self::of(seed, kind, &mut Rng::new(seed).branch("setting"))
    }

    /// A setting for this kind of job, by these decisions.
    #[must_use]
    pub fn of(seed: u64, kind: JobKind, chance: &mut dyn Chance) -> Self {
        let mut pick = |choices: &[u64]| choices[chance.below(choices.len() as u64) as usize];
        let first = pick(&[1, 2, 3, 4]) as u16;
        let shards = match pick(&[0, 0, 1]) {
            0 => vec![first],
            _ => (0..6).map(|at| if at == 0 { first } else { pick(&[1, 2, 3, 4]) as u16 }).collect(),
        };
        let mut setting = Self {
            seed,
            kind,
            records: pick(&[2_000, 4_000]) as usize,
            shards,
            key_groups: pick(&[4, 16, 128]) as u16,
            ring_capacity: pick(&[2, 4, 32]) as usize,
            frame_rows: pick(&[1, 2, 4, 16]) as usize,
            step_calls: pick(&[1, 2, 4, 32]) as usize,
            split_size: pick(&[700, 20_000, 1 << 24]),
            roll_bytes: pick(&[0, 0, 600]),
            segment_bytes: pick(&[1 << 10, 8 << 10, 64 << 10]) as u32,
            manifest_bytes: pick(&[1 << 10, 8 << 10, 64 << 10]),
            retained: pick(&[1, 1, 2, 3]) as usize,
            evict_percent: pick(&[0, 1, 75]) as u8,
            interval: Duration::from_micros(pick(&[200, 500, 1_000])),
            roll_every: None,
            piece: 0,
            single: false,
            consumed: false,
            csv: pick(&[0, 0, 1]) == 1,
            gzip: pick(&[0, 0, 0, 1]) == 1,
            watched: pick(&[0, 0, 0, 1]) == 1,
            moved: pick(&[0, 1]) == 1,
            aligned: pick(&[0, 0, 0, 1]) == 1,
        };
        // What falls silent is a folder whose next file is not there yet.
        setting.watched |= kind == JobKind::Idle;
        // A source that waits for one whose next file is not there yet waits rightly, and is not done when it is quiet.
        setting.aligned &= !setting.watched;
        match pick(&[0, 1, 2, 3, 4, 5]) {
            0 => setting.single = true,
            1 => setting.roll_every = Some(Duration::from_millis(pick(&[1, 5, 20]))),
            2 | 3 => setting.consumed = true,
            _ => {}
        }
        // Mostly several pieces an epoch.
        setting.piece = pick(&[128, 512, 256 << 10]) as usize;
        setting
    }

    /// How many shards a process has.
    #[must_use]
    pub fn shards_of(&self, process: usize) -> u16 {
        self.shards.get(process).or(self.shards.last()).copied().unwrap_or(1)
    }

    /// The job's settings in a process.
    #[must_use]
    pub fn config(&self, process: usize) -> JobConfig {
        JobConfig {
            shards: self.shards_of(process),
            key_groups: KeyGroups::new(self.key_groups).expect("a number from the list above"),
            data: Some(PathBuf::from(DATA)),
            checkpoint_interval: Some(self.interval),
            retained_checkpoints: self.retained,
            restart: RestartStrategy::FixedDelay { attempts: ATTEMPTS, delay: Duration::from_millis(10) },
            state_memory: STATE_MEMORY,
            evict_percent: self.evict_percent,
            scrub_interval: Some(SCRUB_INTERVAL),
            ring_capacity: self.ring_capacity,
            frame_rows: self.frame_rows,
            step_calls: self.step_calls,
            log_segment_bytes: self.segment_bytes,
            manifest_rewrite_bytes: self.manifest_bytes,
            pin: false,
            ..JobConfig::default()
        }
    }
}
