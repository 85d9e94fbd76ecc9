//! Where SQL begins and where its jobs are run.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::SchemaRef;
use yeoul_file::FileSink;
use yeoul_formats::columns::UnfitColumns;
use yeoul_frame::Timestamp;
use yeoul_operator::{Accepts, NodeKind, Services, TableConnectors, TableError, TableSink};
use yeoul_print::PrintColumns;
use yeoul_runtime::{JobConfig, JobHandle};
use yeoul_sql::SqlError;
use yeoul_sql::build::{Built, Doors, build};
use yeoul_sql::session::{Job, Session, Step};
use yeoul_sql::statement::Located;
use yeoul_tables::Connectors;

use super::text_table;
use crate::environment::Error;

/// The session of a script, and how its jobs are run (Flink's `TableEnvironment`).
///
/// ```
/// use yeoul::TableEnvironment;
///
/// let mut env = TableEnvironment::new();
/// env.execute_sql(
///     "CREATE TABLE numbers (id BIGINT) WITH (
///        'connector' = 'datagen', 'rows-per-second' = '1000000', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '100'
///      );
///      CREATE TABLE nowhere (id BIGINT) WITH ('connector' = 'blackhole');
///      INSERT INTO nowhere SELECT id FROM numbers WHERE id > 50;",
/// )?;
/// # Ok::<_, yeoul::Error>(())
/// ```
pub struct TableEnvironment {
    session: Session,
    connectors: Arc<dyn TableConnectors>,
    config: JobConfig,
    services: Services,
    /// How many jobs [`execute_sql`](Self::execute_sql) has begun.
    jobs: usize,
}

/// Where the rows of a SELECT go.
///
/// ```
/// use yeoul::table::Results;
///
/// let file = Results::Changelog("out/changes.csv".to_owned());
/// assert_ne!(file, Results::Print);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Results {
    /// To standard output, as Flink's `print` shows them.
    Print,
    /// To standard output, each a JSON object with its kind.
    Json,
    /// To a file of this path, each with its kind: once, whatever happens ([`final_table`](super::final_table) folds it).
    Changelog(String),
}

/// Between two checkpoints of a job whose rows someone watches, if nothing else is set: rows are shown as their epochs are committed.
const WATCHED_INTERVAL: Duration = Duration::from_millis(100);

impl Default for TableEnvironment {
    fn default() -> Self {
        Self::new()
    }
}

impl TableEnvironment {
    /// An empty session over all connectors.
    ///
    /// ```
    /// use yeoul::TableEnvironment;
    ///
    /// let mut env = TableEnvironment::new();
    /// let error = env.execute_sql("SELECT a FROM nowhere").unwrap_err();
    /// assert!(error.to_string().contains("nowhere"));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            session: Session::default(),
            connectors: Arc::new(Connectors),
            // What is in the state of a script's operator is said by its uid; what the engine calls the types of it is not the script's matter.
            config: JobConfig { allow_renamed_types: true, ..JobConfig::default() },
            services: Services::default(),
            jobs: 0,
        }
    }

    /// The settings of all jobs, to change; a script's own SET goes before.
    ///
    /// ```
    /// use yeoul::TableEnvironment;
    ///
    /// let mut env = TableEnvironment::new();
    /// env.config_mut().shards = 1;
    /// assert_eq!(env.config_mut().shards, 1);
    /// ```
    pub fn config_mut(&mut self) -> &mut JobConfig {
        &mut self.config
    }

    /// The same session over another outside world.
    ///
    /// ```
    /// use yeoul::TableEnvironment;
    /// use yeoul::operator::Services;
    ///
    /// let services = Services::default();
    /// let env = TableEnvironment::new().with_services(services.clone());
    /// assert!(std::sync::Arc::ptr_eq(&env.services().clock, &services.clock));
    /// ```
    #[must_use]
    pub fn with_services(mut self, services: Services) -> Self {
        self.services = services;
        self
    }

    /// The same session over other connectors.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use yeoul::TableEnvironment;
    /// use yeoul::operator::{TableConnectors, TableDefinition, TableError, TableScan, TableSink, TableSource};
    ///
    /// /// A program that may read and write nothing.
    /// struct NoTables;
    ///
    /// impl TableConnectors for NoTables {
    ///     fn names(&self) -> Vec<&'static str> {
    ///         Vec::new()
    ///     }
    ///
    ///     fn source(&self, table: &TableDefinition, _: &TableScan) -> Result<TableSource, TableError> {
    ///         Err(TableError::new(format!("'{}' may not be read", table.name)))
    ///     }
    ///
    ///     fn sink(&self, table: &TableDefinition) -> Result<TableSink, TableError> {
    ///         Err(TableError::new(format!("'{}' may not be written", table.name)))
    ///     }
    /// }
    ///
    /// let mut env = TableEnvironment::new().with_connectors(Arc::new(NoTables));
    /// let script = "CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen'); SELECT id FROM numbers;";
    /// assert!(env.execute_sql(script).unwrap_err().to_string().contains("may not be read"));
    /// ```
    #[must_use]
    pub fn with_connectors(mut self, connectors: Arc<dyn TableConnectors>) -> Self {
        self.connectors = connectors;
        self
    }

    /// What the script has made so far.
    ///
    /// ```
    /// use yeoul::TableEnvironment;
    ///
    /// let mut env = TableEnvironment::new();
    /// env.execute_sql("SET 'parallelism.default' = '1';")?;
    /// let set = |env: &TableEnvironment| env.session().settings.listed().any(|(key, _)| key == "parallelism.default");
    /// assert!(set(&env));
    /// # Ok::<_, yeoul::Error>(())
    /// ```
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What the script has made so far, to change.
    ///
    /// ```
    /// use yeoul::TableEnvironment;
    ///
    /// let mut env = TableEnvironment::new();
    /// let mut taken = 0;
    /// env.session_mut().script("CREATE TABLE a (id BIGINT) WITH ('connector' = 'datagen'); DROP TABLE a;", |_, _| taken += 1)?;
    /// assert_eq!(taken, 2);
    /// # Ok::<_, yeoul::Error>(())
    /// ```
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// The outside world of its jobs.
    ///
    /// ```
    /// let env = yeoul::TableEnvironment::new();
    /// assert!(env.services().clock.wall_millis() > 0);
    /// ```
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Takes one statement.
    ///
    /// ```
    /// use yeoul::TableEnvironment;
    /// use yeoul::sql::session::Step;
    ///
    /// let mut env = TableEnvironment::new();
    /// let script = "CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen'); SELECT id FROM numbers;";
    /// let statements = yeoul::sql::parse::parse(script)?;
    /// assert!(matches!(env.take(&statements[0])?, Step::Done));
    /// assert!(matches!(env.take(&statements[1])?, Step::Job(_)));
    /// # Ok::<_, yeoul::Error>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn take(&mut self, statement: &Located) -> Result<Step, SqlError> {
        self.session.take(statement)
    }

    /// The graph of a job.
    ///
    /// ```
    /// use yeoul::TableEnvironment;
    /// use yeoul::sql::session::Step;
    /// use yeoul::table::Results;
    ///
    /// let mut env = TableEnvironment::new();
    /// let script = "CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen'); SELECT id FROM numbers;";
    /// for statement in yeoul::sql::parse::parse(script)? {
    ///     if let Step::Job(job) = env.take(&statement)? {
    ///         let built = env.build(&job, "numbers", &Results::Print)?;
    ///         assert_eq!(built.graph.name, "numbers");
    ///     }
    /// }
    /// # Ok::<_, yeoul::Error>(())
    /// ```
    ///
    /// # Errors
    /// A table that its connector refuses, or rows that cannot be shown.
    pub fn build(&self, job: &Job, name: &str, results: &Results) -> Result<Built, SqlError> {
        let collect = |schema: &SchemaRef| collecting(results, schema);
        let collected = match results {
            Results::Print | Results::Json => "collect",
            Results::Changelog(_) => "changelog",
        };
        let now = Timestamp(self.services.clock.wall_millis());
        build(job, name, &Doors { connectors: &*self.connectors, collect: &collect, collected, now })
    }

    /// How a job of the script is run.
    ///
    /// ```
    /// use yeoul::TableEnvironment;
    /// use yeoul::sql::session::Step;
    ///
    /// let mut env = TableEnvironment::new();
    /// let script = "SET 'parallelism.default' = '3';
    ///     CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen');
    ///     SELECT id FROM numbers;";
    /// for statement in yeoul::sql::parse::parse(script)? {
    ///     if let Step::Job(job) = env.take(&statement)? {
    ///         assert_eq!(env.config_of(&job).shards, 3);
    ///     }
    /// }
    /// # Ok::<_, yeoul::Error>(())
    /// ```
    #[must_use]
    pub fn config_of(&self, job: &Job) -> JobConfig {
        let mut config = self.config.clone();
        let set = |wanted: &str| job.settings.listed().find(|(key, _)| *key == wanted).map(|(_, value)| value);
        if let Some(shards) = set("parallelism.default").and_then(|value| value.parse().ok()) {
            config.shards = std::cmp::max(shards, 1);
        }
        match job.settings.duration("execution.checkpointing.interval") {
            Some(interval) if set("execution.checkpointing.interval").is_some() => {
                config.checkpoint_interval = Some(interval).filter(|interval| !interval.is_zero());
            }
            _ if job.result.is_some() => {
                config.checkpoint_interval = config.checkpoint_interval.map(|_| WATCHED_INTERVAL);
            }
            _ => {}
        }
        config
    }

    /// Starts a job on threads of its own.
    ///
    /// ```
    /// use yeoul::sql::session::Step;
    /// use yeoul::table::Results;
    /// use yeoul::{Outcome, TableEnvironment};
    ///
    /// let mut env = TableEnvironment::new();
    /// let script = "CREATE TABLE numbers (id BIGINT) WITH (
    ///         'connector' = 'datagen', 'rows-per-second' = '1000000', 'fields.id.kind' = 'sequence',
    ///         'fields.id.start' = '1', 'fields.id.end' = '9'
    ///     );
    ///     CREATE TABLE nowhere (id BIGINT) WITH ('connector' = 'blackhole');
    ///     INSERT INTO nowhere SELECT id FROM numbers;";
    /// for statement in yeoul::sql::parse::parse(script)? {
    ///     if let Step::Job(job) = env.take(&statement)? {
    ///         let running = env.start(env.build(&job, "numbers", &Results::Print)?, env.config_of(&job));
    ///         assert_eq!(running.wait()?, Outcome::Finished);
    ///     }
    /// }
    /// # Ok::<_, yeoul::Error>(())
    /// ```
    #[must_use]
    pub fn start(&self, built: Built, config: JobConfig) -> JobHandle {
        yeoul_runtime::spawn(built.graph, config, self.services.clone())
    }

    /// Runs a script to its end: each job after the one before. What a SELECT gives is printed, and what SHOW, DESCRIBE and EXPLAIN do.
    ///
    /// If there is a data folder, each job has one of its own in it, by its number in this session: `1`, `2` and so on.
    ///
    /// ```
    /// use yeoul::TableEnvironment;
    ///
    /// let mut env = TableEnvironment::new();
    /// env.execute_sql("CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen'); SHOW TABLES;")?;
    /// let error = env.execute_sql("SELECT ids FROM numbers;").unwrap_err();
    /// assert!(error.to_string().contains("ids"));
    /// # Ok::<_, yeoul::Error>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the script, or why a job failed. What came before it was done.
    pub fn execute_sql(&mut self, script: &str) -> Result<(), Error> {
        for statement in yeoul_sql::parse::parse(script).map_err(|error| error.in_script(script))? {
            let job = match self.take(&statement).map_err(|error| error.in_script(script))? {
                Step::Done => continue,
                Step::Text(text) => {
                    show(&text);
                    continue;
                }
                Step::Table { head, rows } => {
                    show(&text_table(&head, &rows));
                    continue;
                }
                Step::Job(job) => job,
            };
            let built = self.build(&job, "sql", &Results::Print);
            let built = built.map_err(|error| error.at(statement.location).in_script(script))?;
            let mut config = self.config_of(&job);
            self.jobs += 1;
            // State of one job is none of another's.
            config.data = config.data.map(|data| data.join(self.jobs.to_string()));
            self.start(built, config).wait()?;
        }
        Ok(())
    }
}

/// A reader that is gone misses what is shown.
fn show(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

fn collecting(results: &Results, schema: &SchemaRef) -> Result<TableSink, TableError> {
    let unfit = |error: UnfitColumns| TableError::new(error.0).hint("cast the column to STRING");
    let kind = match results {
        Results::Print | Results::Json => {
            let schema = Arc::clone(schema);
            let print = if *results == Results::Json { PrintColumns::json(schema) } else { PrintColumns::new(schema) };
            let print = print.map_err(unfit)?;
            NodeKind::Sink { make: print.make(), committer: print.committer() }
        }
        Results::Changelog(path) => {
            let file = FileSink::changelog(path, Arc::clone(schema)).map_err(unfit)?.single().overwrite();
            NodeKind::Sink { make: file.make(), committer: file.committer() }
        }
    };
    Ok(TableSink { kind, accepts: Accepts::Changes, parallelism: Some(1) })
}
