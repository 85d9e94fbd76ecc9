//! A job's data folder as one run uses it: the manifest, the logs of its shards, savepoints.
//!
//! Invariants:
//! 1. A manifest entry is written only after everything that it names is durable; it is the only commit point.
//! 2. A segment is removed only when no retained commit names it, after the commit that let go of it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use yeoul_frame::ShardId;
use yeoul_operator::Services;
use yeoul_state::commit::{Commit, JobMeta};
use yeoul_state::log::{LogOptions, LogWriter};
use yeoul_state::manifest::{Manifest, ManifestOptions};
use yeoul_state::savepoint::{copy_savepoint, open_or_import, read_savepoint};
use yeoul_state::scrub::Scrub;
use yeoul_sys::{Storage, failpoint};

use crate::config::JobConfig;
use crate::error::JobError;
use crate::memory::MemoryLimits;
use crate::restore::Restored;
use crate::watch::JobWatch;
use crate::writer::{LogEnd, Writer};

/// An open, locked data folder.
pub struct Store {
    storage: Arc<dyn Storage>,
    manifest: Manifest,
    services: Services,
    run_seed: u64,
    segment_bytes: u32,
    scrub_interval: Option<Duration>,
}

impl Store {
    /// Opens the folder, or makes it, and begins a run. If it holds no checkpoint and a savepoint is given, begins from that.
    ///
    /// # Errors
    /// The folder is in use, is damaged, or was written by a job with another number of key groups.
    pub fn open(
        services: &Services,
        folder: &Path,
        config: &JobConfig,
        job: JobMeta,
        run_seed: u64,
    ) -> Result<(Self, Restored), JobError> {
        let failed = |doing| move |cause| JobError::Storage { doing, cause };
        let storage = services.files.folder(folder).map_err(failed("opening the data folder"))?;
        let options = ManifestOptions {
            retained: config.retained_checkpoints.max(1),
            store: run_seed,
            rewrite_bytes: config.manifest_rewrite_bytes,
        };
        let (manifest, commit) = match &config.from_savepoint {
            None => Manifest::open(storage.clone(), "", options)
                .map_err(|cause| JobError::reading("opening the manifest", cause))?,
            Some(from) => {
                let savepoint = || services.files.existing(from);
                let (manifest, commit) =
                    open_or_import(savepoint, "", storage.clone(), "", options).map_err(|cause| {
                        JobError::reading("opening the manifest, or importing the savepoint if there is none", cause)
                    })?;
                (manifest, Some(commit))
            }
        };
        let restored = match commit {
            None => Restored::nothing(),
            Some(commit) => Restored::read(storage.clone(), commit, job)?,
        };
        let segment_bytes = MemoryLimits::of(config.state_memory, job.shards, config.evict_percent)
            .segment_bytes(config.log_segment_bytes);
        Ok((
            Self {
                storage,
                manifest,
                services: services.clone(),
                run_seed,
                segment_bytes,
                scrub_interval: config.scrub_interval,
            },
            restored,
        ))
    }

    /// What a savepoint holds, for a job that keeps no state of its own.
    ///
    /// # Errors
    /// The folder is no savepoint, or is damaged.
    pub fn read_savepoint(services: &Services, folder: &Path, job: JobMeta) -> Result<Restored, JobError> {
        let failed = |cause| JobError::reading("reading the savepoint", cause);
        let storage = services.files.existing(folder).map_err(failed)?;
        let commit = read_savepoint(&*storage, "").map_err(failed)?;
        Restored::read(storage, commit, job)
    }

    /// Where its files are.
    #[must_use]
    pub fn storage(&self) -> Arc<dyn Storage> {
        self.storage.clone()
    }

    /// Both ends of a shard's log in this run.
    #[must_use]
    pub fn log_of(
        &self,
        shard: ShardId,
        job: JobMeta,
        restored: &Restored,
        watch: &Arc<JobWatch>,
    ) -> (LogOptions, Writer) {
        let options = LogOptions { segment_bytes: self.segment_bytes, ..self.manifest.log_options(shard, job) };
        let segments = restored.log_of(shard).map(|log| log.segments.clone()).unwrap_or_default();
        let writer = self.manifest.writer_options(options, job, segments);
        let clock = self.services.clock.clone();
        let scrub = self.scrub_interval.map(|interval| Scrub::new(interval, clock.monotonic_nanos()));
        let log = LogWriter::new(self.storage.clone(), "", writer);
        (options, Writer::Log(Box::new(LogEnd { log, scrub, clock, watch: watch.clone() })))
    }

    /// Commits an epoch: the only commit point. Then removes what no retained checkpoint names.
    ///
    /// # Errors
    /// The disk refused; the job must be restarted from the last commit.
    pub fn commit(&mut self, commit: &Commit) -> io::Result<()> {
        self.manifest.append(commit)?;
        if self.manifest.obsolete() > 0 {
            failpoint!("commit.before-cleanup")?;
            self.manifest.remove_obsolete()?;
        }
        Ok(())
    }

    /// Writes a commit's state into a folder of its own, self-contained.
    ///
    /// # Errors
    /// The folder is not empty, or the disk refused.
    pub fn savepoint(&self, commit: &Commit, folder: &str) -> io::Result<()> {
        let to = self.services.files.folder(Path::new(folder))?;
        copy_savepoint(&*self.storage, "", commit, &*to, "", self.run_seed ^ commit.epoch.0.rotate_left(40)).map(|_| ())
    }
}
