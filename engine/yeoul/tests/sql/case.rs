//! Runs a script: each statement in one session, each query in every form, and says what is not as it should be.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use yeoul::operator::Services;
use yeoul::runtime::{JobWatch, Outcome};
use yeoul::sql::build::Built;
use yeoul::sql::catalog::Entry;
use yeoul::sql::session::{Job, Step};
use yeoul::sql::statement::Located;
use yeoul::table::{Results, final_table};
use yeoul::{JobConfig, RestartStrategy, TableEnvironment};
use yeoul_sim::clock::SimClock;
use yeoul_sim::machine::{BEGINNING, Machine, Next, TICK};

use crate::account;
use crate::form::{Form, Order};
use crate::inline::{Pace, Rows, Tables};
use crate::script::{Inline, Kind, Query, Sort, parse};

/// Ticks between two checkpoints.
const INTERVAL: u32 = 2;
/// Ticks that a streaming job has after its last row.
const AFTERWARDS: u32 = 3;

/// Runs a script's cases.
///
/// # Panics
/// With everything that is wrong.
pub(crate) fn check(file: &str, text: &str) {
    let parts = parse(text).unwrap_or_else(|what| panic!("{file}: {what}"));
    let mut bench = Bench::default();
    let mut wrong = Vec::new();
    for part in parts {
        let result = match &part.kind {
            Kind::Table(table) => bench.declare(table),
            Kind::Ok(sql) => bench.statement(sql).map(drop),
            Kind::Error { sql, fragment, known } => {
                let refused = match bench.refused(sql) {
                    Some(said) if said.contains(fragment) => Ok(()),
                    Some(said) => Err(format!("it is refused by other words: {said}")),
                    None => Err("it is not refused".to_owned()),
                };
                judged(refused, known.as_deref())
            }
            Kind::Query(query) => judged(bench.query(query), query.known.as_deref()),
        };
        if let Err(what) = result {
            wrong.push(format!("{file}:{}: {what}", part.line));
        }
    }
    assert!(wrong.is_empty(), "{} cases are wrong\n\n{}\n", wrong.len(), wrong.join("\n\n"));
}

/// A case that is known to fail has to.
fn judged(result: Result<(), String>, known: Option<&str>) -> Result<(), String> {
    match (result, known) {
        (Ok(()), Some(reason)) => Err(format!("it is right: take away '@known {reason}'")),
        (Err(_), Some(_)) => Ok(()),
        (result, None) => result,
    }
}

/// Where the statements of one script are.
struct Bench {
    env: TableEnvironment,
    tables: HashMap<String, Inline>,
}

impl Default for Bench {
    fn default() -> Self {
        Self { env: TableEnvironment::new(), tables: HashMap::new() }
    }
}

impl Bench {
    fn declare(&mut self, table: &Inline) -> Result<(), String> {
        let Inline { name, columns, .. } = table;
        let emit = match columns.contains("WATERMARK") {
            true => ", 'scan.watermark.emit.strategy' = 'on-event'",
            false => "",
        };
        self.statement(&format!("DROP TABLE IF EXISTS {name}"))?;
        self.statement(&format!(
            "CREATE TABLE {name} {columns} WITH ('connector' = 'filesystem', 'path' = '{name}', 'format' = 'json'{emit})"
        ))?;
        self.tables.insert(name.clone(), table.clone());
        Ok(())
    }

    /// What came of the statements of a text; the last of them may be a job.
    fn statement(&mut self, sql: &str) -> Result<Option<Job>, String> {
        let statements = yeoul::sql::parse::parse(sql).map_err(|error| error.in_script(sql).to_string())?;
        let mut job = None;
        for statement in &statements {
            job = self.take(statement).map_err(|error| error.in_script(sql).to_string())?;
        }
        Ok(job)
    }

    fn take(&mut self, statement: &Located) -> Result<Option<Job>, yeoul::sql::SqlError> {
        Ok(match self.env.take(statement)? {
            Step::Job(job) => Some(job),
            Step::Done | Step::Text(_) | Step::Table { .. } => None,
        })
    }

    /// What is said of a statement that cannot be planned, or not be built.
    fn refused(&mut self, sql: &str) -> Option<String> {
        let job = match self.statement(sql) {
            Ok(job) => job?,
            Err(said) => return Some(said),
        };
        self.built(&job, Form::Bounded).err()
    }

    fn built(&self, job: &Job, form: Form) -> Result<(Built, HashMap<String, usize>), String> {
        let (rows, counts) = self.rows(form);
        // The time of VALUES is that of the start, on the clock by which the job will run.
        let services = Services { clock: Arc::new(SimClock::new(BEGINNING)), ..Services::default() };
        let env = TableEnvironment::new().with_services(services).with_connectors(Arc::new(Tables(rows)));
        let built = env.build(job, "case", &Results::Changelog("out/changes".to_owned()));
        Ok((built.map_err(|error| error.to_string())?, counts))
    }

    /// The rows of all tables, as they come in a form, and how many there are of each.
    fn rows(&self, form: Form) -> (HashMap<String, Rows>, HashMap<String, usize>) {
        let rows = |table: &Inline| {
            let pace = if table.side { Pace::AtOnce } else { form.pace() };
            let mut lines = table.rows.clone();
            if let Form::Shuffled(seed) = form {
                let order = self.order(table).shuffled(lines.len(), seed);
                lines = order.into_iter().map(|row| lines[row].clone()).collect();
            }
            Rows { lines, pace }
        };
        let rows = self.tables.values().map(|table| (table.name.clone(), rows(table))).collect();
        (rows, self.tables.values().map(|table| (table.name.clone(), table.rows.len())).collect())
    }

    fn order(&self, table: &Inline) -> Order {
        let Some(Entry::Table(declared)) = self.env.session().catalog.get(&table.name) else { return Order::Fixed };
        let Some(watermark) = &declared.watermark else { return Order::Free };
        let column = &declared.columns[watermark.column].name;
        let times: Option<Vec<i64>> = table.rows.iter().map(|row| time_in(row, watermark.column, column)).collect();
        times.map_or(Order::Fixed, |times| Order::of(times, watermark.delay))
    }

    fn query(&mut self, query: &Query) -> Result<(), String> {
        let job = self.statement(&query.sql)?.ok_or("the statement is no query")?;
        self.statement("SET 'table.optimizer.agg-phase-strategy' = 'TWO_PHASE'")?;
        let in_parts = self.statement(&query.sql)?.ok_or("the statement is no query")?;
        self.statement("RESET 'table.optimizer.agg-phase-strategy'")?;
        let mut wrong = Vec::new();
        for form in Form::ALL {
            let applies = match form {
                Form::Bounded => query.only.as_deref() != Some("streaming"),
                Form::Streaming => query.only.as_deref() != Some("bounded"),
                Form::Crashed => query.only.is_none(),
                Form::Shuffled(_) => query.only.is_none() && !query.ordered,
            } && (query.sort != Sort::Changes || form == Form::Streaming);
            if !applies {
                continue;
            }
            let job = if form.is_in_parts() { &in_parts } else { &job };
            let run = catch_unwind(AssertUnwindSafe(|| self.run(job, query, form)));
            let run = run.unwrap_or_else(|panic| Err(format!("it panics: {}", message(&*panic))));
            if let Err(what) = run {
                wrong.push(format!("{form:?}: {what}"));
                // The other forms would mostly say the same.
                break;
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(format!("{}\n{}", query.sql.trim_end(), wrong.join("\n"))) }
    }

    /// Runs a job in a form, and compares.
    fn run(&self, job: &Job, query: &Query, form: Form) -> Result<(), String> {
        let (built, counts) = self.built(job, form)?;
        let machine = Machine::new();
        let (watch, crashes) = self.to_the_end(&machine, &built, job, query, form)?;
        let mut wrong = Vec::new();
        for (table, expected) in &query.answers {
            let path = if table.is_empty() { "out/changes".to_owned() } else { format!("out/{table}") };
            let changes = machine.read(&path).unwrap_or_default();
            let found = shown(&changes, query.sort, form)?;
            let mut expected: Vec<String> = expected.iter().map(|row| with_empty_nulls(row)).collect();
            if !in_order(query.sort, form) {
                expected.sort_unstable();
            }
            if found != expected {
                wrong.push(format!("{table}  expected\n{}\n  found\n{}", listed(&expected), listed(&found)));
            }
        }
        if crashes > 0 {
            // What a process counts is lost when it dies. The last one had its rows from the one before.
            wrong.extend((watch.source_records() > 0).then(|| "rows are read again that were committed".to_owned()));
        } else {
            let in_order = !matches!(form, Form::Shuffled(_));
            wrong.extend(account::faults(&built.graph, &watch, &counts, in_order.then_some(query.late)));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    /// Runs a job until it has seen all rows and ended, and returns what its last process counted, and how many died before it.
    fn to_the_end(
        &self,
        machine: &Machine,
        built: &Built,
        job: &Job,
        query: &Query,
        form: Form,
    ) -> Result<(Arc<JobWatch>, u32), String> {
        let mut config = JobConfig { scrub_interval: None, ..self.env.config_of(job) };
        config.shards = form.shards();
        config.data = Some("data".into());
        config.restart = RestartStrategy::None;
        config.checkpoint_interval = Some(std::time::Duration::from_millis(TICK.unsigned_abs() * u64::from(INTERVAL)));
        let rows = self.tables.values().map(|table| table.rows.len()).max().unwrap_or(0) as u32;
        let deaths = if form == Form::Crashed { rows.div_ceil(INTERVAL) + 1 } else { 0 };
        for died in 0.. {
            let watch = Arc::new(JobWatch::default());
            let mut since_commit = 0;
            let outcome = machine.run(&built.graph, &config, &watch, |seconds| {
                since_commit += u32::from(watch.checkpoints().completed > 0);
                let dies = died < deaths && (since_commit > 1 || seconds > INTERVAL + 2);
                match form {
                    _ if dies => Next::Die,
                    Form::Bounded => Next::Wait,
                    _ if seconds >= rows + AFTERWARDS + query.wait => Next::Drain,
                    _ => Next::Wait,
                }
            })?;
            match outcome {
                Some(Outcome::Finished | Outcome::Stopped(_)) => return Ok((watch, died)),
                None if died > deaths => return Err("it dies without end".to_owned()),
                None => {}
            }
        }
        unreachable!("a job that does not die any more ends")
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic.downcast_ref::<String>().map_or_else(|| panic.downcast_ref::<&str>().unwrap_or(&"?"), String::as_str)
}

/// The event time in a row, in milliseconds: the column of this number in CSV, of this name in JSON.
fn time_in(row: &str, column: usize, name: &str) -> Option<i64> {
    let text = match row.strip_prefix('{') {
        None => row.split(',').nth(column)?,
        Some(object) => {
            let key = format!("\"{name}\":");
            object[object.find(&key)? + key.len()..].trim_start().strip_prefix('"')?.split('"').next()?
        }
    };
    let (day, clock) = text.trim().trim_end_matches('Z').split_once([' ', 'T'])?;
    let day: i64 = day.strip_prefix("2026-01-")?.parse().ok()?;
    let mut parts = clock.splitn(3, ':');
    let mut number = || parts.next()?.parse::<f64>().ok();
    let (hours, minutes, seconds) = (number()?, number()?, number()?);
    Some(day * 86_400_000 + ((hours * 60.0 + minutes) * 60_000.0 + seconds * 1000.0).round() as i64)
}

/// Whether rows are compared in the order in which they came: of shards that give rows side by side there is none.
fn in_order(sort: Sort, form: Form) -> bool {
    sort == Sort::None && matches!(form, Form::Bounded | Form::Streaming)
}

/// What a query gave, a line a row.
fn shown(changes: &[u8], sort: Sort, form: Form) -> Result<Vec<String>, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect::<Vec<String>>();
    match sort {
        Sort::Changes => {
            let mut changes = text(changes);
            changes.sort_unstable();
            Ok(changes)
        }
        Sort::None if in_order(sort, form) => {
            let row = |line: String| {
                let row = line.strip_prefix("+I").map(str::to_owned);
                row.ok_or_else(|| format!("a row is changed where the order of rows is asked for: {line}"))
            };
            text(changes).into_iter().map(row).collect()
        }
        Sort::Rows | Sort::None => final_table(changes).map(|table| text(&table)).map_err(|error| error.to_string()),
    }
}

/// A row whose NULLs are empty cells.
fn with_empty_nulls(row: &str) -> String {
    let cells: Vec<&str> = row.split(',').map(|cell| if cell == "NULL" { "" } else { cell }).collect();
    cells.join(",")
}

fn listed(rows: &[String]) -> String {
    if rows.is_empty() { "    (nothing)".to_owned() } else { format!("    {}", rows.join("\n    ")) }
}

/// The scripts that a list has and a folder has not, or the other way.
pub(crate) fn unlisted(folder: &str, listed: &[&str]) -> Vec<String> {
    let there: HashSet<String> = std::fs::read_dir(folder)
        .expect("the folder of scripts")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".slt").map(str::to_owned))
        .collect();
    let listed: HashSet<String> = listed.iter().map(|name| (*name).to_owned()).collect();
    there.symmetric_difference(&listed).cloned().collect()
}
