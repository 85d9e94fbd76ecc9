//! One round: a job from its start to its end, killed on the way as often as the campaign wants.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::aim::{Aim, Kill};
use super::job::Job;
use super::leg::{Legs, STOPPED};
use super::output::{Difference, compare, left_in_store, left_over, lines, names, visible};
use super::reader::{Reader, out_of_order};

/// The program under test and what it works on.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The job.
    pub job: Job,
    /// The binary.
    pub binary: PathBuf,
    /// Its input.
    pub input: PathBuf,
    /// Milliseconds between checkpoints.
    pub interval: u64,
}

/// What became of a round.
#[derive(Debug, Default)]
pub struct Report {
    /// Kills that hit a living process.
    pub kills: u64,
    /// How the result differs from the oracle.
    pub difference: Difference,
    /// Visible files that changed or went.
    pub taken_back: usize,
    /// Names seen before others that belong before them, and keys whose lines are out of order.
    pub disorder: Vec<String>,
    /// Files left over, in the folder for results and in that of the state.
    pub left_over: Vec<String>,
    /// Processes that neither ended nor died in time.
    pub stuck: u64,
    /// How often it was stopped with a savepoint from which it went on.
    pub stops: usize,
    /// The kills that hit, in words.
    pub landed: Vec<String>,
    /// The longest time from a restart to the first change in the folder for results, in milliseconds.
    pub recovery_ms: u64,
    /// Processes that ended by themselves in another way than by being done.
    pub errors: Vec<String>,
}

impl Report {
    /// Whether nothing was wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.difference == Difference::default()
            && self.taken_back == 0
            && self.disorder.is_empty()
            && self.left_over.is_empty()
            && self.stuck == 0
            && self.errors.is_empty()
    }
}

/// A process that does not end in this time is stuck.
const PATIENCE: Duration = Duration::from_secs(120);
/// The reader looks this often while a process runs.
const LOOK_EVERY: Duration = Duration::from_millis(7);
/// The signal of a planned kill.
const SIGKILL: i32 = 9;

/// What a run without faults came to.
#[derive(Debug, Clone)]
pub struct Oracle {
    /// The lines of its result, sorted.
    pub lines: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

fn command(subject: &Subject, folder: &Path, shards: u16) -> Command {
    let mut command = Command::new(&subject.binary);
    command
        .args(["--quiet", "--no-restart", "--interval", &subject.interval.to_string(), "--shards", &shards.to_string()])
        .arg("--input")
        .arg(&subject.input)
        .arg("--out")
        .arg(folder.join("out"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Runs without a kill, in a folder of its own.
///
/// # Errors
/// The process cannot be started or fails, or its result is empty, out of order or leaves something over.
pub fn fault_free(subject: &Subject, folder: &Path, shards: u16) -> io::Result<Oracle> {
    let begun = Instant::now();
    let output = command(subject, folder, shards).arg("--data").arg(folder.join("data")).output()?;
    let took = begun.elapsed();
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let files = visible(&folder.join("out"))?;
    let mut wrong = out_of_order(subject.job, &files);
    wrong.extend(left_over(&folder.join("out"))?);
    wrong.extend(left_in_store(&folder.join("data"))?);
    let lines = lines(&files);
    if lines.is_empty() || !wrong.is_empty() {
        let job = subject.job.name();
        return Err(io::Error::other(format!("{job} without faults has {} lines; wrong: {wrong:?}", lines.len())));
    }
    Ok(Oracle { lines, took })
}

/// How a process ended.
enum End {
    /// It was done.
    Done,
    /// It has stopped with a savepoint.
    Stopped,
    /// By the kill that was meant for it.
    Killed,
    /// It did not end in time.
    Stuck,
    /// By itself, in this way.
    Failed(String),
}

/// Says how a process ended. `struck`: the campaign has sent SIGKILL. `armed`: a label may have.
fn end_of(status: ExitStatus, struck: bool, armed: bool) -> End {
    match (status.code(), status.signal()) {
        (Some(0), _) => End::Done,
        (Some(code), _) if code == i32::from(STOPPED) => End::Stopped,
        (Some(code), _) => End::Failed(format!("exit {code}")),
        (None, Some(SIGKILL)) if struck || armed => End::Killed,
        (None, signal) => End::Failed(format!("died by signal {signal:?}, which nobody sent")),
    }
}

/// Follows a process to its end, looking at its results now and then.
fn follow(child: &mut Child, kill: Option<&Kill>, look: &mut dyn FnMut() -> io::Result<()>) -> io::Result<End> {
    let (deadline, planned) = match kill {
        Some(Kill::At(after)) => (*after, true),
        Some(Kill::Label(..)) | None => (PATIENCE, false),
    };
    let armed = matches!(kill, Some(Kill::Label(..)));
    let begun = Instant::now();
    let mut looked = begun;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(end_of(status, false, armed));
        }
        if begun.elapsed() >= deadline {
            child.kill()?;
            let status = child.wait()?;
            return Ok(if planned { end_of(status, true, false) } else { End::Stuck });
        }
        if looked.elapsed() >= LOOK_EVERY {
            look()?;
            looked = Instant::now();
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// Runs a job to its end in `folder`, killing its processes as `aim` says, at most `most` times, and stopping them with savepoints as
/// `legs` says.
///
/// # Errors
/// A process cannot be started, or the folder not be read.
pub fn round(
    subject: &Subject,
    folder: &Path,
    shards: &mut dyn FnMut() -> u16,
    legs: &mut Legs,
    aim: &mut Aim,
    most: u64,
    oracle: &Oracle,
) -> io::Result<Report> {
    let out = folder.join("out");
    let mut report = Report::default();
    let mut seen: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut reader = Reader::default();
    let mut done = false;
    while !done {
        let kill = (report.kills < most).then(|| aim.draw(subject.job, legs.imports(), oracle.took));
        let label = match &kill {
            Some(Kill::Label(label, hit)) => Some(format!("{label}:{hit}")),
            _ => None,
        };
        let before = names(&out, true)?;
        let begun = Instant::now();
        let mut recovered = report.kills == 0;
        let mut command = command(subject, folder, shards());
        legs.begin(aim.random(), oracle.took, &mut command);
        if let Some(label) = label {
            command.env("YEOUL_FAILPOINT", label);
        }
        let mut child = command.spawn()?;
        let end = follow(&mut child, kill.as_ref(), &mut || {
            let first = names(&out, false)?;
            reader.look(first, names(&out, false)?);
            if !recovered && names(&out, true)? != before {
                recovered = true;
                report.recovery_ms = report.recovery_ms.max(begun.elapsed().as_millis() as u64);
            }
            Ok(())
        })?;
        if let Some(kill) = &kill {
            aim.ended(kill, matches!(end, End::Killed));
        }
        match end {
            End::Done => done = true,
            End::Stopped => report.errors.extend(legs.stop().err()),
            End::Killed => {
                report.kills += 1;
                report.landed.extend(kill.map(|kill| format!("{kill:?}")));
            }
            End::Stuck => report.stuck += 1,
            End::Failed(how) => {
                let mut text = String::new();
                if let Some(mut stderr) = child.stderr.take() {
                    io::Read::read_to_string(&mut stderr, &mut text)?;
                }
                report.errors.push(format!("{how}: {}", text.trim()));
            }
        }
        // What was visible stays as it was.
        let now = visible(&out)?;
        report.taken_back += seen.iter().filter(|(name, bytes)| now.get(*name) != Some(*bytes)).count();
        seen = now;
        let shown: BTreeSet<String> = seen.keys().cloned().collect();
        reader.look(shown.clone(), shown);
        if report.stuck > 0 || !report.errors.is_empty() {
            break;
        }
    }
    report.stops = legs.stopped();
    report.difference = compare(&oracle.lines, &lines(&seen));
    report.disorder = reader.out_of_turn(subject.job.shows(), &seen);
    report.disorder.extend(out_of_order(subject.job, &seen));
    if done {
        report.left_over = left_over(&out)?;
        for store in legs.stores() {
            report.left_over.extend(left_in_store(&store)?);
        }
    } else {
        // It has not had its chance to show the rest.
        report.difference.lost = 0;
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sigkill_while_a_kill_was_planned_is_a_kill() {
        let killed = |raw, struck, armed| matches!(end_of(ExitStatus::from_raw(raw), struck, armed), End::Killed);
        let failed = |raw, struck, armed| matches!(end_of(ExitStatus::from_raw(raw), struck, armed), End::Failed(_));
        assert!(killed(SIGKILL, true, false) && killed(SIGKILL, false, true));
        assert!(failed(SIGKILL, false, false), "the system ran out of memory, perhaps");
        for signal in [4, 6, 7, 11] {
            assert!(failed(signal, true, true), "signal {signal}");
        }
        assert!(failed(1 << 8, true, true) && failed(101 << 8, false, true));
        assert!(matches!(end_of(ExitStatus::from_raw(0), true, true), End::Done));
        assert!(matches!(end_of(ExitStatus::from_raw(3 << 8), true, true), End::Stopped));
    }

    fn sleeper(script: &str, kill: Option<&Kill>) -> End {
        let mut child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        follow(&mut child, kill, &mut || Ok(())).unwrap()
    }

    #[test]
    fn a_process_that_dies_by_another_signal_has_failed() {
        let at = Kill::At(Duration::from_secs(60));
        let label = Kill::Label("log.before-write".to_owned(), 1);
        for kill in [None, Some(&at), Some(&label)] {
            assert!(matches!(sleeper("kill -SEGV $$", kill), End::Failed(how) if how.contains("11")));
            assert!(matches!(sleeper("kill -ABRT $$", kill), End::Failed(how) if how.contains('6')));
            assert!(matches!(sleeper("exit 0", kill), End::Done));
        }
        assert!(matches!(sleeper("kill -KILL $$", Some(&label)), End::Killed));
        assert!(matches!(sleeper("kill -KILL $$", Some(&at)), End::Failed(_)), "the campaign had not struck yet");
        assert!(matches!(sleeper("sleep 60", Some(&Kill::At(Duration::ZERO))), End::Killed));
    }
}
