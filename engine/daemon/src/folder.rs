//! Where a script's jobs keep what they need to go on after a crash, and how a later run finds it.
//!
//! `DATA/NAME/1` is the first job of the script NAME: `checkpoints/`, `result/` and `statement`, the text that it was made of. A job
//! that has ended leaves `finished` there, so that a script that was cut short later on does not run it again. When the script
//! has ended, all of it is removed. `DATA/savepoints/NAME-TIME/1` is what Ctrl-C leaves.
//!
//! Invariants:
//! 1. A job's folder holds state of the statement in it only.

use std::io;
use std::path::{Path, PathBuf};

use yeoul::operator::Services;
use yeoul::sys::SystemClock;
use yeoul::{Timestamp, sys::Clock};

use crate::{Failure, place};

/// The file that makes a folder a savepoint.
const SAVEPOINT: &str = "SAVEPOINT";
/// The file that a state folder has once there is a checkpoint in it.
const MANIFEST: &str = "MANIFEST";
/// The file that says that a job has ended.
const FINISHED: &str = "finished";

/// The folders of one run of a script.
pub(crate) struct ScriptFolder {
    services: Services,
    data: PathBuf,
    name: String,
    from: Option<PathBuf>,
    savepoint: PathBuf,
}

/// The folder of one of its jobs.
pub(crate) struct JobFolder {
    services: Services,
    root: PathBuf,
}

/// From what a job begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    /// Nothing was given.
    Nothing,
    /// This savepoint.
    Savepoint(PathBuf),
    /// It had ended when the script was stopped.
    Ended,
}

/// What an earlier run left of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing: it begins anew, or from a savepoint.
    Nothing,
    /// A checkpoint: it goes on.
    Checkpoint,
    /// It had ended: it is not run again.
    Finished,
}

impl ScriptFolder {
    /// Of the script made of these files.
    pub(crate) fn new(services: &Services, data: &Path, files: &[String], from: Option<&Path>) -> Self {
        let stem =
            |file: &String| Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or("script").to_owned();
        let name = files.iter().map(stem).collect::<Vec<_>>().join("+");
        let now = Timestamp(SystemClock.wall_millis()).to_string();
        let time: String = now.chars().filter(char::is_ascii_digit).take(17).collect();
        let savepoint = data.join("savepoints").join(format!("{name}-{time}"));
        Self { services: services.clone(), data: data.to_owned(), name, from: from.map(Path::to_owned), savepoint }
    }

    /// The script's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The folder of all its jobs.
    pub(crate) fn root(&self) -> PathBuf {
        self.data.join(&self.name)
    }

    /// The folder of job `number`, from 1.
    pub(crate) fn job(&self, number: usize) -> JobFolder {
        JobFolder { services: self.services.clone(), root: self.root().join(number.to_string()) }
    }

    /// Where Ctrl-C puts job `number`'s savepoint.
    pub(crate) fn savepoint_of(&self, number: usize) -> PathBuf {
        self.savepoint.join(number.to_string())
    }

    /// Where Ctrl-C puts all savepoints.
    pub(crate) fn savepoint(&self) -> &Path {
        &self.savepoint
    }

    /// From what job `number` begins, if there is no checkpoint of its own.
    pub(crate) fn from(&self, number: usize) -> Result<From, Failure> {
        let Some(from) = &self.from else { return Ok(From::Nothing) };
        let own = from.join(number.to_string());
        if place::exists(&self.services, &own.join(SAVEPOINT)) {
            return Ok(From::Savepoint(own));
        }
        if place::exists(&self.services, &own.join(FINISHED)) {
            return Ok(From::Ended);
        }
        if number == 1 && place::exists(&self.services, &from.join(SAVEPOINT)) {
            return Ok(From::Savepoint(from.clone()));
        }
        Err(Failure::Refused(format!(
            "'{}' holds no savepoint of the script's job {number}\n  hint: give the folder that was printed when the script was stopped",
            from.display()
        )))
    }

    /// Notes beside the savepoints of a stop that job `number` had ended before it.
    pub(crate) fn note_ended(&self, number: usize) -> Result<(), Failure> {
        let note = self.savepoint_of(number).join(FINISHED);
        place::write(&self.services, &note, b"").map_err(|error| failed("writing", &note, &error))?;
        let own = self.job(number).root;
        place::remove_tree(&self.services, &own).map_err(|error| failed("removing", &own, &error))
    }

    /// Removes what the jobs kept: the script has ended, or is to begin anew.
    pub(crate) fn remove(&self) -> Result<(), Failure> {
        place::remove_tree(&self.services, &self.root()).map_err(|error| failed("removing", &self.root(), &error))
    }
}

impl JobFolder {
    /// The folder for state and checkpoints.
    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// The file for the changes that a SELECT gives.
    pub(crate) fn changelog(&self) -> PathBuf {
        self.root.join("result").join("changes")
    }

    /// What an earlier run left. Notes the statement if it is the first.
    pub(crate) fn begin(&self, statement: &str) -> Result<Left, Failure> {
        let note = self.root.join("statement");
        let known = match place::read(&self.services, &note) {
            Ok(known) => Some(known),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("reading", &note, &error)),
        };
        let checkpoint = place::exists(&self.services, &self.checkpoints().join(MANIFEST));
        let finished = place::exists(&self.services, &self.root.join(FINISHED));
        if let Some(known) = known
            && known != statement.as_bytes()
            && (checkpoint || finished)
        {
            return Err(Failure::Refused(format!(
                "'{}' holds the state of a run that was cut short, of another statement than the script has now\n  hint: run the script as it was, or give --fresh to forget that run",
                self.root.display()
            )));
        }
        place::write(&self.services, &note, statement.as_bytes()).map_err(|error| failed("writing", &note, &error))?;
        Ok(match (finished, checkpoint) {
            (true, _) => Left::Finished,
            (false, true) => Left::Checkpoint,
            (false, false) => Left::Nothing,
        })
    }

    /// Notes that the job has ended and needs its state no more.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        let note = self.root.join(FINISHED);
        place::write(&self.services, &note, b"").map_err(|error| failed("writing", &note, &error))?;
        self.forget()
    }

    /// Removes the job's state and checkpoints: it has ended, or is in a savepoint.
    pub(crate) fn forget(&self) -> Result<(), Failure> {
        let state = self.checkpoints();
        place::remove_tree(&self.services, &state).map_err(|error| failed("removing", &state, &error))
    }
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::Job(format!(
        "{doing} '{}' failed: {error}\n  hint: --data FOLDER names a folder that can be written",
        path.display()
    ))
}
