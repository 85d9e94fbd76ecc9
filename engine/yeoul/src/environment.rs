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
///
/// ```
/// use yeoul::prelude::*;
///
/// // A job of nothing:
/// let error = Environment::new("nothing").execute().unwrap_err();
/// assert!(matches!(error, yeoul::Error::Graph(_)));
/// assert!(error.to_string().contains("job 'nothing' has no source"));
/// ```
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
    ///
    /// ```
    /// use yeoul::prelude::*;
    ///
    /// let env = Environment::new("lengths");
    /// env.from_collection([1u64], WatermarkStrategy::no_watermarks()).sink_to(yeoul::stream::collect().0);
    /// assert_eq!(env.build()?.name, "lengths");
    /// # Ok::<_, yeoul::Error>(())
    /// ```
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
    ///
    /// ```
    /// use yeoul::prelude::*;
    ///
    /// // On one core, and without checkpoints but the last.
    /// let config = JobConfig { shards: 1, pin: false, checkpoint_interval: None, ..JobConfig::default() };
    /// let env = Environment::new("small").with_config(config);
    /// let numbers = env.from_collection(0..3u64, WatermarkStrategy::no_watermarks());
    /// let numbers = env.execute_and_collect(&numbers)?.collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(numbers, [0, 1, 2]);
    /// # Ok::<_, yeoul::Error>(())
    /// ```
    #[must_use]
    pub fn with_config(mut self, config: JobConfig) -> Self {
        self.config = config;
        self
    }

    /// The settings, to change.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul::prelude::*;
    ///
    /// let mut env = Environment::new("delays");
    /// env.config_mut().checkpoint_interval = Some(Duration::from_millis(100));
    /// assert_eq!(env.config_mut().checkpoint_interval, Some(Duration::from_millis(100)));
    /// ```
    pub fn config_mut(&mut self) -> &mut JobConfig {
        &mut self.config
    }

    /// The same job over another outside world: a simulated clock or file system.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use yeoul::operator::Services;
    /// use yeoul::prelude::*;
    /// use yeoul::sys::{Clock, SystemClock};
    ///
    /// /// The machine's clock, an hour fast.
    /// struct Fast;
    ///
    /// impl Clock for Fast {
    ///     fn monotonic_nanos(&self) -> u64 {
    ///         SystemClock.monotonic_nanos()
    ///     }
    ///
    ///     fn wall_millis(&self) -> i64 {
    ///         SystemClock.wall_millis() + 3_600_000
    ///     }
    /// }
    ///
    /// let env = Environment::new("late").with_services(Services { clock: Arc::new(Fast), ..Services::default() });
    /// # let numbers = env.from_collection([7u64], WatermarkStrategy::no_watermarks());
    /// # assert_eq!(env.execute_and_collect(&numbers)?.collect::<Result<Vec<_>, _>>()?, [7]);
    /// # Ok::<_, yeoul::Error>(())
    /// ```
    #[must_use]
    pub fn with_services(mut self, services: Services) -> Self {
        self.services = services;
        self
    }

    /// Whether `execute` writes a line of progress to the terminal: records, rate, watermark, lag, state, checkpoints.
    ///
    /// ```
    /// use yeoul::prelude::*;
    ///
    /// let env = Environment::new("numbers").with_progress(true);
    /// env.from_collection(0..1_000u64, WatermarkStrategy::no_watermarks()).sink_to(yeoul::stream::collect().0);
    /// // Writes to stderr:    0.1 s  1,000 records  …
    /// assert_eq!(env.execute()?, Outcome::Finished);
    /// # Ok::<_, yeoul::Error>(())
    /// ```
    #[must_use]
    pub fn with_progress(mut self, progress: bool) -> Self {
        self.progress = progress;
        self
    }

    /// Runs the job to its end. What it consists of is executed by that: the next job of the program has what is added after it, with all that
    /// this reads from, as in Flink.
    ///
    /// ```
    /// use yeoul::prelude::*;
    ///
    /// let env = Environment::new("two jobs");
    /// let (sink, first) = yeoul::stream::collect();
    /// let numbers = env.from_collection(0..3u64, WatermarkStrategy::no_watermarks());
    /// numbers.sink_to(sink);
    /// assert_eq!(env.execute()?, Outcome::Finished);
    ///
    /// // The second job reads the same numbers, and no longer writes to the first sink.
    /// let (sink, second) = yeoul::stream::collect();
    /// numbers.map(|n| n.to_native() * 10).sink_to(sink);
    /// env.execute()?;
    /// let mut second = second.take();
    /// second.sort_unstable();
    /// assert_eq!((first.take(), second), (vec![0, 1, 2], vec![0, 10, 20]));
    /// # Ok::<_, yeoul::Error>(())
    /// ```
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
    /// ```
    /// use yeoul::prelude::*;
    ///
    /// let env = Environment::new("for ever");
    /// let numbers = env.from_source(GeneratorSource::unbounded(|n| n), WatermarkStrategy::no_watermarks(), "numbers");
    /// numbers.filter(|n| *n > 1_000_000_000_000).sink_to(yeoul::stream::collect().0);
    /// let job = env.execute_async()?;
    /// job.stop(None, false)?;
    /// assert!(matches!(job.wait()?, Outcome::Stopped(_)));
    /// # Ok::<_, yeoul::Error>(())
    /// ```
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
