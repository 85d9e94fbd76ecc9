//! Where a program begins and where it is run.

use std::fmt;
use std::ops::Deref;

use yeoul_operator::Services;
use yeoul_runtime::{JobConfig, JobError, JobHandle, Outcome};
use yeoul_stream::{GraphError, StreamEnvironment};

use crate::progress::Progress;

/// Builds a job's graph and runs it (Flink's `StreamExecutionEnvironment`). Streams begin with the methods of [`StreamEnvironment`].
///
/// ```no_run
/// use std::time::Duration;
/// use yeoul::prelude::*;
///
/// let mut env = Environment::new("delays");
/// env.config_mut().data = Some(".yeoul/delays".into());
/// env.config_mut().checkpoint_interval = Some(Duration::from_millis(100));
/// # let _ = env;
/// ```
pub struct Environment {
    graph: StreamEnvironment,
    config: JobConfig,
    services: Services,
    progress: bool,
    /// The data folders of the jobs that were begun.
    used: std::sync::Mutex<Vec<std::path::PathBuf>>,
}

/// Why a program could not be run, or failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The graph was put together wrongly.
    Graph(GraphError),
    /// A script is wrong.
    #[cfg(feature = "sql")]
    Sql(yeoul_sql::SqlError),
    /// The job failed.
    Job(JobError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Graph(error) => error.fmt(f),
            #[cfg(feature = "sql")]
            Self::Sql(error) => error.fmt(f),
            Self::Job(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<GraphError> for Error {
    fn from(error: GraphError) -> Self {
        Self::Graph(error)
    }
}

#[cfg(feature = "sql")]
impl From<yeoul_sql::SqlError> for Error {
    fn from(error: yeoul_sql::SqlError) -> Self {
        Self::Sql(error)
    }
}

impl From<JobError> for Error {
    fn from(error: JobError) -> Self {
        Self::Job(error)
    }
}

impl Deref for Environment {
    type Target = StreamEnvironment;

    fn deref(&self) -> &StreamEnvironment {
        &self.graph
    }
}

impl Environment {
    /// An empty job of this name, on every core, with a checkpoint a second if it has a data folder.
    #[must_use]
    pub fn new(job: &str) -> Self {
        Self {
            graph: StreamEnvironment::new(job),
            config: JobConfig::default(),
            services: Services::default(),
            progress: false,
            used: std::sync::Mutex::default(),
        }
    }

    /// The same job with these settings.
    #[must_use]
    pub fn with_config(mut self, config: JobConfig) -> Self {
        self.config = config;
        self
    }

    /// The settings, to change.
    pub fn config_mut(&mut self) -> &mut JobConfig {
        &mut self.config
    }

    /// The same job over another outside world: a simulated clock or file system.
    #[must_use]
    pub fn with_services(mut self, services: Services) -> Self {
        self.services = services;
        self
    }

    /// Whether `execute` writes a line of progress to the terminal: records, rate, watermark, lag, state, checkpoints.
    #[must_use]
    pub fn with_progress(mut self, progress: bool) -> Self {
        self.progress = progress;
        self
    }

    /// Runs the job to its end. What it consists of is executed by that: the next job of the program has what is added after it, with all that
    /// this reads from, as in Flink.
    ///
    /// # Errors
    /// The graph was put together wrongly, or the job failed and no restart was left.
    pub fn execute(&self) -> Result<Outcome, Error> {
        let job = self.execute_async()?;
        if self.progress {
            Progress::new(job.watch().clone(), self.services.clock.clone()).follow(|| job.has_ended());
        }
        Ok(job.wait()?)
    }

    /// Starts the job on threads of its own. Jobs of one program that have a data folder each need [one of their own](Self::config_mut).
    ///
    /// # Errors
    /// The graph was put together wrongly, or the data folder is that of a job that this program began before: the new one would go on from it.
    pub fn execute_async(&self) -> Result<JobHandle, Error> {
        if let Some(data) = &self.config.data {
            let mut used = self.used.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if used.contains(data) {
                let what = format!(
                    "the data folder {} has the state of this program's job before\n  hint: set another one in `config_mut()` before each job",
                    data.display()
                );
                return Err(yeoul_runtime::JobError::Settings(what).into());
            }
            used.push(data.clone());
        }
        Ok(yeoul_runtime::spawn(self.graph.take()?, self.config.clone(), self.services.clone()))
    }
}
