//! Where a script's jobs keep what they need to go on after a crash, and how a later run finds it.
//!
//! `DATA/NAME/1` is the first job of the script NAME: `checkpoints/`, `result/` and `statement`, what it computes as a number and the text
//! that it was made of. A job that has ended leaves `finished` there, so that a script that was cut short later on does not run it
//! again. When the script has ended, all of it is removed. `DATA/savepoints/NAME-TIME/1` is what Ctrl-C leaves, and `begun` beside
//! it the number of the last job that had begun.
//!
//! Invariants:
//! 1. A job's folder holds state of the job in `statement` only, views and tables that it reads included.
//! 2. One run at a time uses `DATA/NAME`: it holds the lock `DATA/.NAME.lock`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use yeoul::operator::Services;
use yeoul::sys::{Storage, SystemClock};
use yeoul::{Timestamp, sys::Clock};

use crate::{Failure, place};

/// The file that makes a folder a savepoint.
const SAVEPOINT: &str = "SAVEPOINT";
/// The file that a state folder has once there is a checkpoint in it.
const MANIFEST: &str = "MANIFEST";
/// The file that says that a job has ended.
const FINISHED: &str = "finished";
/// The file beside savepoints that says how many jobs had begun.
const BEGUN: &str = "begun";
/// The folder of savepoints, which no script's own may be.
const SAVEPOINTS: &str = "savepoints";

/// The folders of one run of a script.
pub(crate) struct ScriptFolder {
    services: Services,
    data: PathBuf,
    name: String,
    from: Option<PathBuf>,
    savepoint: PathBuf,
}

/// The right to use a script's folder, until it is dropped.
pub(crate) struct InUse {
    storage: Arc<dyn Storage>,
    name: String,
    _lock: Box<dyn Send>,
}

impl Drop for InUse {
    fn drop(&mut self) {
        // A lock that stays there keeps nobody out.
        let _ = self.storage.remove(&self.name);
    }
}

/// The folder of one of its jobs.
pub(crate) struct JobFolder {
    services: Services,
    root: PathBuf,
}

/// From what a job begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    /// Nothing was given, or it had not begun when the script was stopped.
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
    pub(crate) fn new(
        services: &Services,
        data: &Path,
        files: &[String],
        from: Option<&Path>,
    ) -> Result<Self, Failure> {
        let stem =
            |file: &String| Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or("script").to_owned();
        let name = files.iter().map(stem).collect::<Vec<_>>().join("+");
        if name == SAVEPOINTS {
            return Err(Failure::Refused(format!(
                "a script called '{name}' would keep its state where savepoints are kept\n  hint: give the file another name"
            )));
        }
        let now = Timestamp(SystemClock.wall_millis()).to_string();
        let time: String = now.chars().filter(char::is_ascii_digit).take(17).collect();
        let savepoint = data.join(SAVEPOINTS).join(format!("{name}-{time}"));
        let (data, from) = (data.to_owned(), from.map(Path::to_owned));
        Ok(Self { services: services.clone(), data, name, from, savepoint })
    }

    /// Keeps other runs of a script of this name out.
    pub(crate) fn lock(&self) -> Result<InUse, Failure> {
        let name = format!(".{}.lock", self.name);
        let storage = self.services.files.folder(&self.data).map_err(|error| failed("opening", &self.data, &error))?;
        match storage.lock(&name) {
            Ok(lock) => Ok(InUse { storage, name, _lock: lock }),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(Failure::Refused(format!(
                "the script '{}' is running already: {error}\n  hint: --data FOLDER runs another of this name beside it",
                self.name
            ))),
            Err(error) => Err(failed("locking", &self.data.join(name), &error)),
        }
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
        let there =
            |path: PathBuf| place::exists(&self.services, &path).map_err(|error| failed("looking for", &path, &error));
        if there(own.join(SAVEPOINT))? {
            return Ok(From::Savepoint(own));
        }
        if there(own.join(FINISHED))? {
            return Ok(From::Ended);
        }
        if number == 1 && there(from.join(SAVEPOINT))? {
            return Ok(From::Savepoint(from.clone()));
        }
        let note = from.join(BEGUN);
        if there(note.clone())? {
            let text = place::read(&self.services, &note).map_err(|error| failed("reading", &note, &error))?;
            let begun: Option<usize> = String::from_utf8(text).ok().and_then(|text| text.trim().parse().ok());
            if begun.is_some_and(|begun| number > begun) {
                return Ok(From::Nothing);
            }
        }
        Err(Failure::Refused(format!(
            "'{}' holds no savepoint of the script's job {number}\n  hint: give the folder that was printed when the script was stopped",
            from.display()
        )))
    }

    /// Notes beside the savepoints of a stop which jobs had ended before it, and which had begun.
    pub(crate) fn note(&self, ended: &[usize], begun: usize) -> Result<(), Failure> {
        let write = |note: &Path, text: &str| {
            place::write(&self.services, note, text.as_bytes()).map_err(|error| failed("writing", note, &error))
        };
        for number in ended {
            write(&self.savepoint_of(*number).join(FINISHED), "")?;
        }
        write(&self.savepoint.join(BEGUN), &format!("{begun}\n"))
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

    /// What an earlier run left of the job that computes this. Notes it if it is the first.
    pub(crate) fn begin(&self, identity: u64, statement: &str) -> Result<Left, Failure> {
        let identity = format!("{identity:016x}");
        let note = self.root.join("statement");
        let known = match place::read(&self.services, &note) {
            Ok(known) => Some(known),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("reading", &note, &error)),
        };
        let there =
            |path: PathBuf| place::exists(&self.services, &path).map_err(|error| failed("looking for", &path, &error));
        let checkpoint = there(self.checkpoints().join(MANIFEST))?;
        let finished = there(self.root.join(FINISHED))?;
        if let Some(known) = known
            && known.split(|byte| *byte == b'\n').next() != Some(identity.as_bytes())
            && (checkpoint || finished)
        {
            return Err(Failure::Refused(format!(
                "'{}' holds the state of a run that was cut short, of a job that computes something else than the script's now: a \
                 statement, a view or a table that it reads was changed\n  hint: run the script as it was, or give --fresh to forget that run",
                self.root.display()
            )));
        }
        let text = format!("{identity}\n{statement}\n");
        place::write(&self.services, &note, text.as_bytes()).map_err(|error| failed("writing", &note, &error))?;
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

    /// Removes all that is known of the job: the script's savepoint says that it has ended.
    pub(crate) fn remove(&self) -> Result<(), Failure> {
        place::remove_tree(&self.services, &self.root).map_err(|error| failed("removing", &self.root, &error))
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
