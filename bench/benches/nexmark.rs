//! The queries of the NEXMark benchmark, each run in a process of its own: a JSON line for each.
//!
//! `cargo bench -p yeoul-bench --features sql --bench nexmark -- [QUERY…] [--source memory|generator|FILE] [--shards N] [--events N]
//! [--rate N] [--interval MS] [--cold] [--check]`. From memory, the columns that a query uses are made before the clock starts; a file is
//! NDJSON. Checkpoints are taken each second, or by `--interval`, or with 0 not at all. Each query is run once before it is measured,
//! as the peers were, so that the process has the memory that it needs; not with `--cold`. `--check` runs each once more, to a file,
//! and adds the digest of the final table: it is the same from every source of the same events.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_schema::SchemaRef;
use yeoul::JobConfig;
use yeoul::file::FileSink;
use yeoul::frame::{Frame, Timestamp, hash_bytes};
use yeoul::operator::{
    Accepts, Context, InputId, NodeKind, Operator, OperatorError, TableConnectors, TableDefinition, TableError,
    TableScan, TableSink, TableSource,
};
use yeoul::sql::build::{Doors, build};
use yeoul::sql::session::{Job, Step};
use yeoul::sql::{parse, variables};
use yeoul::table::{TableEnvironment, final_table};
use yeoul::tables::Connectors;
use yeoul_bench::process::{cpu_time, most_resident};
use yeoul_datagen::{NumberedRows, NumberedSource};
use yeoul_nexmark::{EventTable, Events, NexmarkSource, Settings};
use yeoul_sys::allocator::{MiMalloc, keep_freed};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type Failure = Box<dyn std::error::Error>;

/// What is asked for.
#[derive(Clone)]
struct Wanted {
    queries: Vec<String>,
    sources: Vec<String>,
    shards: Vec<u16>,
    events: u64,
    rate: u64,
    /// Milliseconds between checkpoints; 0: none.
    interval: u64,
    cold: bool,
    check: bool,
    /// This process runs the one query itself.
    is_child: bool,
}

impl Wanted {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut wanted = Self {
            queries: Vec::new(),
            sources: Vec::new(),
            shards: Vec::new(),
            events: 10_000_000,
            rate: Settings::default().rate,
            interval: 1000,
            cold: false,
            check: false,
            is_child: false,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} wants a value"));
            match word.as_str() {
                // What cargo gives to every bench.
                "--bench" => {}
                "--source" => wanted.sources.push(value()?),
                "--shards" => wanted.shards.push(value()?.parse()?),
                "--events" => wanted.events = value()?.parse()?,
                "--rate" => wanted.rate = value()?.parse()?,
                "--interval" => wanted.interval = value()?.parse()?,
                "--cold" => wanted.cold = true,
                "--check" => wanted.check = true,
                "--child" => wanted.is_child = true,
                other if other.starts_with('-') => return Err(format!("there is no option {other}").into()),
                _ => wanted.queries.push(word),
            }
        }
        if wanted.queries.is_empty() {
            // q6 is run by `ci/nexmark`: Flink has no plan for it, and its answer is open where times are equal.
            wanted.queries = (0..24).filter(|number| *number != 6).map(|number| format!("q{number}")).collect();
        }
        if wanted.sources.is_empty() {
            wanted.sources = vec!["memory".to_owned()];
        }
        if wanted.shards.is_empty() {
            wanted.shards = vec![1, 2];
        }
        Ok(wanted)
    }
}

fn main() -> ExitCode {
    // As the binary has it.
    keep_freed(Duration::from_secs(10));
    let run = || {
        let wanted = Wanted::read(std::env::args().skip(1))?;
        if wanted.is_child { one(&wanted) } else { all(&wanted) }
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A process for each: the memory of one is not that of another, and a query that fails does not end the others.
fn all(wanted: &Wanted) -> Result<(), Failure> {
    let mut failed = Vec::new();
    for query in &wanted.queries {
        for source in &wanted.sources {
            for shards in &wanted.shards {
                let mut child = Command::new(std::env::current_exe()?);
                child.args([query, "--child", "--source", source]);
                for (option, value) in [
                    ("--shards", u64::from(*shards)),
                    ("--events", wanted.events),
                    ("--rate", wanted.rate),
                    ("--interval", wanted.interval),
                ] {
                    child.args([option, &value.to_string()]);
                }
                child.args(wanted.check.then_some("--check"));
                child.args(wanted.cold.then_some("--cold"));
                if !child.status()?.success() {
                    failed.push(format!("{query} from {source} on {shards}"));
                }
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", ")).into()) }
}

/// What went into the last operator.
#[derive(Default)]
struct Tally(AtomicU64);

struct Taking(Arc<Tally>);

impl Operator for Taking {
    fn process(&mut self, _: InputId, frame: &Frame, _: &mut Context<'_>) -> Result<(), OperatorError> {
        self.0.0.fetch_add(frame.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

fn one(wanted: &Wanted) -> Result<(), Failure> {
    let (query, source, shards) = (&wanted.queries[0], &wanted.sources[0], wanted.shards[0]);
    let fed =
        Fed { source: source.clone(), settings: settings(wanted), events: Arc::default(), prepared: Arc::default() };
    let env = TableEnvironment::new();
    let job = job_of(query, source)?;
    if !wanted.cold {
        run(&env, &job, &fed, wanted)?;
    }
    let (wall, cpu, changes) = run(&env, &job, &fed, wanted)?;
    let events = match fed.events.load(Ordering::Relaxed) {
        0 => lines_of(Path::new(source))?,
        events => events,
    };
    let digest = if wanted.check {
        format!(", \"digest\": \"{:016x}\"", digest(&env, &job, query, &fed, shards)?)
    } else {
        String::new()
    };
    println!(
        "{{\"query\": \"{query}\", \"source\": \"{source}\", \"shards\": {shards}, \"events\": {events}, \"wall_s\": {wall:.3}, \"cpu_s\": {cpu:.2}, \
         \"events_per_s\": {:.0}, \"events_per_cpu_s\": {:.0}, \"peak_rss\": {}, \"changes\": {}{digest}}}",
        events as f64 / wall,
        events as f64 / cpu,
        most_resident(),
        changes,
    );
    Ok(())
}

/// Runs a query to its end: seconds, seconds of processors, and changes that came out.
fn run(env: &TableEnvironment, job: &Job, fed: &Fed, wanted: &Wanted) -> Result<(f64, f64, u64), Failure> {
    let (query, shards) = (&wanted.queries[0], wanted.shards[0]);
    let tally = Arc::new(Tally::default());
    let collect = |_: &SchemaRef| {
        let tally = Arc::clone(&tally);
        let kind = NodeKind::Operator { make: Arc::new(move || Box::new(Taking(Arc::clone(&tally)))) };
        Ok(TableSink { kind, accepts: Accepts::Changes, parallelism: None })
    };
    let built = build(job, query, &doors(fed, &collect))?;
    let data = tempfile::tempdir()?;
    let config = JobConfig {
        shards,
        data: Some(data.path().join("job")),
        checkpoint_interval: (wanted.interval > 0).then_some(Duration::from_millis(wanted.interval)),
        ..JobConfig::default()
    };
    let (began, cpu_before) = (Instant::now(), cpu_time());
    env.start(built, config).wait()?;
    let spent = (began.elapsed().as_secs_f64(), (cpu_time() - cpu_before).as_secs_f64());
    Ok((spent.0, spent.1, tally.0.load(Ordering::Relaxed)))
}

type Collect<'a> = &'a dyn Fn(&SchemaRef) -> Result<TableSink, TableError>;

fn doors<'a>(connectors: &'a Fed, collect: Collect<'a>) -> Doors<'a> {
    Doors { connectors, collect, collected: "bench", now: Timestamp(0) }
}

fn settings(wanted: &Wanted) -> Settings {
    Settings { events: Some(wanted.events), rate: wanted.rate, ..Settings::default() }
}

/// The query's one job.
fn job_of(query: &str, source: &str) -> Result<Job, Failure> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../examples/nexmark/{query}.sql"));
    let script = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let known = |name: &str| match name {
        "NEXMARK" => Some(source.to_owned()),
        _ => std::env::var(name).ok(),
    };
    let script = variables::substitute(&script, &known)?;
    let mut env = TableEnvironment::new();
    for statement in parse::parse(&script)? {
        if let Step::Job(job) = env.take(&statement)? {
            return Ok(job);
        }
    }
    Err(format!("{} has no query", path.display()).into())
}

/// The digest of the table in the end.
fn digest(env: &TableEnvironment, job: &Job, query: &str, fed: &Fed, shards: u16) -> Result<u64, Failure> {
    let folder = tempfile::tempdir()?;
    let changes: PathBuf = folder.path().join("changes");
    let collect = |schema: &SchemaRef| {
        let sink = FileSink::changelog(changes.display().to_string(), Arc::clone(schema));
        let sink = sink.map_err(|error| TableError::new(error.0))?.single().overwrite();
        let kind = NodeKind::Sink { make: sink.make(), committer: sink.committer() };
        Ok(TableSink { kind, accepts: Accepts::Changes, parallelism: Some(1) })
    };
    let built = build(job, query, &doors(fed, &collect))?;
    env.start(built, JobConfig { shards, data: Some(folder.path().join("job")), ..JobConfig::default() }).wait()?;
    Ok(hash_bytes(&final_table(&std::fs::read(changes)?)?).0)
}

fn lines_of(path: &Path) -> Result<u64, Failure> {
    Ok(memchr::memchr_iter(b'\n', &std::fs::read(path)?).count() as u64)
}

/// The connectors, but for the table of events: it comes from where the bench says.
struct Fed {
    source: String,
    settings: Settings,
    /// How many events there are; 0 where a file is read.
    events: Arc<AtomicU64>,
    /// What lies in memory, by the columns that are read.
    prepared: Arc<Mutex<HashMap<String, Arc<Prepared>>>>,
}

impl TableConnectors for Fed {
    fn names(&self) -> Vec<&'static str> {
        Connectors.names()
    }

    fn source(&self, table: &TableDefinition, scan: &TableScan) -> Result<TableSource, TableError> {
        let is_of_events = table.columns.column_with_name("event_type").is_some();
        if !is_of_events || !["memory", "generator"].contains(&self.source.as_str()) {
            return Connectors.source(table, scan);
        }
        let (projection, used) = (scan.projection.as_deref(), scan.used.as_deref());
        let rows = EventTable::new(self.settings.clone(), Events::All, &table.columns, projection, used)
            .map_err(|error| TableError::new(error.to_string()))?;
        let schema = rows.schema().clone();
        self.events.store(self.settings.events.unwrap_or(0), Ordering::Relaxed);
        let make = match self.source.as_str() {
            "memory" => {
                let mut prepared = self.prepared.lock().expect("no run has panicked");
                let read = format!("{:?} {:?} {:?}", table.columns, projection, used);
                let frames = prepared.entry(read).or_insert_with(|| Arc::new(Prepared::of(&rows)));
                NumberedSource::new(Again(Arc::clone(frames))).make()
            }
            _ => NexmarkSource::new(rows).make(),
        };
        Ok(TableSource { make, schema, errors: None, bounded: true, parallelism: None })
    }

    fn sink(&self, table: &TableDefinition) -> Result<TableSink, TableError> {
        Connectors.sink(table)
    }
}

/// Frames that lie in memory before the job begins.
struct Prepared {
    frames: Vec<Frame>,
    block: u64,
    end: u64,
}

impl Prepared {
    fn of(rows: &EventTable) -> Self {
        let (block, end) = (rows.block(), rows.settings().events.unwrap_or(0));
        let starts = (0..end).step_by(block as usize);
        Self { frames: starts.map(|from| rows.frame(from, end.min(from + block))).collect(), block, end }
    }
}

/// The same frames for each run.
struct Again(Arc<Prepared>);

impl NumberedRows for Again {
    fn frame(&self, from: u64, to: u64, _: Timestamp) -> Frame {
        assert!(
            from.is_multiple_of(self.0.block) && (to.is_multiple_of(self.0.block) || to == self.0.end),
            "whole blocks: nothing is restored"
        );
        self.0.frames[(from / self.0.block) as usize].clone()
    }

    fn block(&self) -> u64 {
        self.0.block
    }

    fn end(&self) -> Option<u64> {
        Some(self.0.end)
    }

    fn rate(&self) -> Option<u64> {
        None
    }
}
