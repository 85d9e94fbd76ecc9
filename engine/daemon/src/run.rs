//! `yeoul run`: the statements of scripts in order, their jobs, and how they end.
//!
//! All statements are planned before the first job begins, so that a script with a mistake does nothing.

use std::path::Path;
use std::time::Duration;

use yeoul::figures::json_text;
use yeoul::operator::{NodeKind, Services};
use yeoul::progress::{Progress, Shown};
use yeoul::sql::build::Built;
use yeoul::sql::session::{Job, Step};
use yeoul::sql::statement::Statement;
use yeoul::sys::interrupt;
use yeoul::table::{Results, TableEnvironment, final_table, text_table};
use yeoul::{JobHandle, Outcome, RestartStrategy};

use crate::arguments::Options;
use crate::folder::{From, Left, ScriptFolder};
use crate::script::{self, Script};
use crate::summary::{Ending, Summary};
use crate::{Failure, place, show};

/// A failure is met with so many restarts: what is in the data does not mend itself, and someone is waiting.
const RESTARTS: u32 = 3;
const RESTART_DELAY: Duration = Duration::from_millis(200);

/// Runs the scripts of a command line.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let mut env = TableEnvironment::new();
    env.config_mut().restart = RestartStrategy::FixedDelay { attempts: RESTARTS, delay: RESTART_DELAY };
    for (key, value) in options.set.iter().filter(|(key, _)| key.contains('.')) {
        let set = env.session_mut().settings.set(key, value);
        set.map_err(|error| Failure::Refused(format!("--set {key}={value}: {error}")))?;
    }
    let services = Services::default();
    let scripts = script::read(&services, options)?;
    let folder = ScriptFolder::new(&services, &options.data, &options.files, options.from.as_deref())?;
    let steps = planned(&mut env, options, &scripts, &folder)?;
    // Held to the end.
    let runs = options.fresh || steps.iter().any(|step| matches!(step, Planned::Job(_)));
    let _in_use = if runs { Some(folder.lock()?) } else { None };
    if let Some(to) = &options.final_table {
        place::check_writable(&services, to)
            .map_err(|error| Failure::Refused(format!("--final: '{}' cannot be written: {error}", to.display())))?;
    }
    interrupt::install();
    if options.fresh {
        folder.remove()?;
    }
    let mut runner = Runner {
        env: &env,
        options,
        folder: &folder,
        services,
        live: Vec::new(),
        begun: 0,
        ended: Vec::new(),
        stopped: false,
    };
    for step in steps {
        match step {
            Planned::Shown(text) => show(&format!("{text}\n")),
            Planned::Job(job) => runner.begin(*job)?,
        }
        if runner.stopped {
            break;
        }
    }
    runner.end()
}

/// What is to be done for a statement.
enum Planned {
    Shown(String),
    Job(Box<PlannedJob>),
}

struct PlannedJob {
    number: usize,
    name: String,
    statement: String,
    job: Job,
    built: Built,
    /// Where its rows are folded to.
    folded: bool,
}

fn planned(
    env: &mut TableEnvironment,
    options: &Options,
    scripts: &[Script],
    folder: &ScriptFolder,
) -> Result<Vec<Planned>, Failure> {
    let select =
        |script: &Script| script.statements.iter().rposition(|at| matches!(at.statement, Statement::Select(_)));
    let last = scripts.iter().enumerate().rev().find_map(|(at, script)| Some((at, select(script)?)));
    if options.final_table.is_some() && last.is_none() {
        return Err(Failure::Refused("--final wants a script with a SELECT of its own".to_owned()));
    }
    let mut steps = Vec::new();
    let mut number = 0;
    for (at, script) in scripts.iter().enumerate() {
        for (index, statement) in script.statements.iter().enumerate() {
            match env.take(statement).map_err(|error| script.refuses(error))? {
                Step::Done => {}
                Step::Text(text) => steps.push(Planned::Shown(text)),
                Step::Table { head, rows } => steps.push(Planned::Shown(text_table(&head, &rows))),
                Step::Job(job) => {
                    number += 1;
                    let folded = options.final_table.is_some() && last == Some((at, index));
                    let results = match folded {
                        true => Results::Changelog(folder.job(number).changelog().display().to_string()),
                        false if options.json => Results::Json,
                        false => Results::Print,
                    };
                    let name = job.settings.get("pipeline.name").unwrap_or(folder.name()).to_owned();
                    let name = if number == 1 { name } else { format!("{name}/{number}") };
                    let built = env.build(&job, &name, &results);
                    let built = built.map_err(|error| script.refuses(error.at(statement.location)))?;
                    if folded && !built.bounded {
                        let what =
                            "--final wants a SELECT whose input ends: there is no final table of one that does not";
                        return Err(Failure::Refused(what.to_owned()));
                    }
                    let statement = statement.text.clone();
                    steps.push(Planned::Job(Box::new(PlannedJob { number, name, statement, job, built, folded })));
                }
            }
        }
    }
    Ok(steps)
}

/// A job that runs.
struct Live {
    number: usize,
    name: String,
    handle: JobHandle,
    progress: Progress,
    /// Its operators' names, and which of them are its ends.
    names: Vec<String>,
    sinks: Vec<usize>,
    folded: bool,
    /// There was nothing to go on from.
    anew: bool,
}

struct Runner<'a> {
    env: &'a TableEnvironment,
    options: &'a Options,
    folder: &'a ScriptFolder,
    services: Services,
    live: Vec<Live>,
    /// The number of the last job that was begun.
    begun: usize,
    /// Jobs that have ended, in this run or before.
    ended: Vec<usize>,
    stopped: bool,
}

impl Runner<'_> {
    /// Starts a job; if its input ends, or it shows rows, waits for its end.
    fn begin(&mut self, planned: PlannedJob) -> Result<(), Failure> {
        let PlannedJob { number, name, statement, job, built, folded } = planned;
        let own = self.folder.job(number);
        let left = own.begin(built.identity, &statement)?;
        let from = self.folder.from(number)?;
        self.begun = number;
        if left == Left::Finished || from == From::Ended {
            self.ended.push(number);
            self.say(&name, "resumed", "ended in the run before, and is not run again");
            return Ok(());
        }
        match left {
            Left::Checkpoint => {
                self.say(&name, "resumed", "an earlier run was cut short; this one goes on from what it had committed");
            }
            Left::Nothing | Left::Finished => {}
        }
        if !built.bounded {
            for warning in &job.warnings {
                self.say(&name, "warning", warning);
            }
        }
        let mut config = self.env.config_of(&job);
        config.data = Some(own.checkpoints());
        if let From::Savepoint(folder) = from {
            config.from_savepoint = Some(folder);
        }
        config.shards = self.options.shards.unwrap_or(config.shards);
        let names = built.graph.nodes.iter().map(|node| node.name.clone()).collect();
        let ends = |node: usize| {
            let sink = matches!(built.graph.nodes[node].kind, NodeKind::Sink { .. });
            sink || !built.graph.edges.iter().any(|edge| edge.from.0 == node)
        };
        let sinks = (0..built.graph.nodes.len()).filter(|node| ends(*node)).collect();
        let waits = built.bounded || job.result.is_some() || job.settings.get("table.dml-sync") == Some("true");
        let handle = self.env.start(built, config);
        let progress = Progress::new(handle.watch().clone(), self.services.clock.clone());
        self.live.push(Live { number, name, handle, progress, names, sinks, folded, anew: left == Left::Nothing });
        if waits { self.follow(Some(number)) } else { Ok(()) }
    }

    /// Waits for all jobs, and forgets what was kept of them.
    fn end(mut self) -> Result<(), Failure> {
        self.follow(None)?;
        if self.stopped { Ok(()) } else { self.folder.remove() }
    }

    /// Waits for the end of one job, or of all; of all, too, once the user asks to stop.
    fn follow(&mut self, wanted: Option<usize>) -> Result<(), Failure> {
        loop {
            let waits = match wanted {
                Some(number) => self.live.iter().any(|live| live.number == number),
                None => !self.live.is_empty(),
            };
            if !waits || self.stopped {
                return Ok(());
            }
            if interrupt::asked() > 0 {
                self.stop()?;
                continue;
            }
            self.watch(wanted);
            while let Some(ended) = self.live.iter().position(|live| live.handle.has_ended()) {
                let live = self.live.remove(ended);
                self.reap(live)?;
            }
        }
    }

    /// Shows progress until a job ends or the user asks to stop.
    fn watch(&mut self, wanted: Option<usize>) {
        let shown = self.live.iter().position(|live| Some(live.number) == wanted).unwrap_or(0);
        let live = &self.live;
        let progress = live[shown].progress.clone().shown(match self.options {
            options if options.quiet => Shown::Nothing,
            options if options.json => Shown::Json,
            _ => Shown::Live,
        });
        progress.follow(|| interrupt::asked() > 0 || live.iter().any(|live| live.handle.has_ended()));
    }

    /// What is to be done once a job has ended.
    fn reap(&mut self, mut live: Live) -> Result<(), Failure> {
        let watch = live.handle.watch().clone();
        let figures = live.progress.figures(true);
        let result = live.handle.wait();
        let ending = match &result {
            Ok(Outcome::Finished) => Ending::Finished,
            Ok(Outcome::Stopped(_)) => Ending::Stopped,
            Err(_) => Ending::Failed,
        };
        let summary = Summary::new(&live.name, ending, figures, &watch, &live.names, &live.sinks);
        let own = self.folder.job(live.number);
        let ended = match result {
            Err(error) => {
                self.live.iter().for_each(|other| other.handle.cancel());
                let mut message = format!("{}: {error}", live.name);
                if live.anew && watch.checkpoints().completed == 0 {
                    if let Err(Failure::Job(also) | Failure::Refused(also)) = own.forget() {
                        message.push_str(&format!("\n  and {also}"));
                    }
                } else {
                    message.push_str(
                        "\n  what was committed is kept: the same command goes on from there, --fresh begins anew",
                    );
                }
                Err(Failure::Job(message))
            }
            Ok(Outcome::Finished) => {
                let folded = if live.folded { self.fold(&own.changelog()) } else { Ok(()) };
                self.ended.push(live.number);
                folded.and_then(|()| own.finish())
            }
            // What it kept goes once all jobs of the script are in savepoints.
            Ok(Outcome::Stopped(_)) => Ok(()),
        };
        if self.options.json {
            eprintln!("{}", summary.json());
        } else if !self.options.quiet {
            eprintln!("{}", summary.text());
        }
        ended
    }

    /// Writes the final table of the changes in a file.
    fn fold(&self, changes: &Path) -> Result<(), Failure> {
        let Some(to) = &self.options.final_table else { return Ok(()) };
        let failed = |doing: &str, error: &dyn std::fmt::Display| {
            Failure::Job(format!("{doing} the final table '{}' failed: {error}", to.display()))
        };
        let changes = place::read(&self.services, changes).map_err(|error| failed("reading the changes of", &error))?;
        let table = final_table(&changes).map_err(|error| failed("folding", &error))?;
        place::write(&self.services, to, &table).map_err(|error| failed("writing", &error))
    }

    /// Stops all jobs, each with a savepoint, and says how to go on.
    fn stop(&mut self) -> Result<(), Failure> {
        self.stopped = true;
        let into = self.folder.savepoint().display();
        let what = format!("stopping with a savepoint in '{into}'; ask twice more to end at once");
        self.say(self.folder.name(), "stopping", &what);
        let mut saved = Vec::new();
        for live in std::mem::take(&mut self.live) {
            let savepoint = self.folder.savepoint_of(live.number);
            let stopped = live.handle.stop(Some(&savepoint.display().to_string()), false);
            if let Err(error) = stopped
                && !live.handle.has_ended()
            {
                live.handle.cancel();
                // That it was cancelled is no news.
                let _ = self.reap(live);
                return Err(Failure::Job(format!(
                    "stopping with a savepoint failed: {error}\n  what was committed is kept: the same command goes on from there"
                )));
            }
            saved.push(live.number);
            self.reap(live)?;
        }
        // From here on the savepoints are what to go on from.
        self.folder.note(&self.ended, self.begun)?;
        for number in saved {
            self.folder.job(number).forget()?;
        }
        for number in std::mem::take(&mut self.ended) {
            self.folder.job(number).remove()?;
        }
        let how = format!("go on with: yeoul {}", self.options.resuming(self.folder.savepoint()));
        self.say(self.folder.name(), "stopped", &how);
        Ok(())
    }

    /// Says something to the user that is neither result nor progress.
    fn say(&self, job: &str, kind: &str, what: &str) {
        if self.options.json {
            eprintln!("{{\"job\":{},{}:{}}}", json_text(job), json_text(kind), json_text(what));
        } else {
            eprintln!("{job}: {what}");
        }
    }
}
