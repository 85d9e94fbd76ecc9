//! One round: a job from its start to its end, killed on the way as often as the campaign wants.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use yeoul::sys::Random;

use super::output::{Difference, compare, left_over, lines, visible};

/// The program under test and what it works on.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The binary.
    pub binary: PathBuf,
    /// Its input.
    pub input: PathBuf,
    /// Milliseconds between checkpoints.
    pub interval: u64,
}

/// When a process is killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kill {
    /// After this long.
    At(Duration),
    /// When it comes to this point for this time.
    Label(String, u64),
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
    /// Files left over.
    pub left_over: Vec<String>,
    /// Processes that neither ended nor died in time.
    pub stuck: u64,
    /// Labels at which the process died.
    pub labels: Vec<String>,
    /// The longest time from a restart to the first new output, in milliseconds.
    pub errors: Vec<String>,
}

impl Report {
    /// Whether nothing was wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.difference == Difference::default()
            && self.taken_back == 0
            && self.left_over.is_empty()
            && self.stuck == 0
            && self.errors.is_empty()
    }
}

/// A process that does not end in this time is stuck.
const PATIENCE: Duration = Duration::from_secs(120);

fn start(subject: &Subject, folder: &Path, shards: u16, failpoint: Option<String>) -> std::io::Result<Child> {
    let mut command = Command::new(&subject.binary);
    command
        .args(["--quiet", "--no-restart", "--interval", &subject.interval.to_string(), "--shards", &shards.to_string()])
        .arg("--input")
        .arg(&subject.input)
        .arg("--out")
        .arg(folder.join("out"))
        .arg("--data")
        .arg(folder.join("data"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(failpoint) = failpoint {
        command.env("YEOUL_FAILPOINT", failpoint);
    }
    command.spawn()
}

/// Runs without a kill, in a folder of its own. Returns the lines of the result and how long it took.
///
/// # Errors
/// The process cannot be started, or fails.
pub fn fault_free(subject: &Subject, folder: &Path, shards: u16) -> std::io::Result<(Vec<String>, Duration)> {
    let begun = Instant::now();
    let output = start(subject, folder, shards, None)?.wait_with_output()?;
    if !output.status.success() {
        return Err(std::io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok((lines(&visible(&folder.join("out"))?), begun.elapsed()))
}

/// Runs a job to its end in `folder`, killing it as `kills` says, one kill a process, in order.
///
/// # Errors
/// The process cannot be started, or the folder not be read.
pub fn round(
    subject: &Subject,
    folder: &Path,
    shards: &mut dyn FnMut() -> u16,
    kills: &[Kill],
    oracle: &[String],
) -> std::io::Result<Report> {
    let out = folder.join("out");
    let mut report = Report::default();
    let mut seen: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut kills = kills.iter();
    loop {
        let kill = kills.next();
        let label = match kill {
            Some(Kill::Label(label, hit)) => Some(format!("{label}:{hit}")),
            _ => None,
        };
        let mut child = start(subject, folder, shards(), label)?;
        let deadline = match kill {
            Some(Kill::At(after)) => *after,
            _ => PATIENCE,
        };
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if begun.elapsed() >= deadline {
                child.kill()?;
                child.wait()?;
                break None;
            }
            std::thread::sleep(Duration::from_micros(500));
        };
        let killed = status.is_none_or(|status| status.code().is_none());
        match (kill, killed) {
            (None, true) | (Some(Kill::Label(..)), true) if status.is_none() => report.stuck += 1,
            (Some(Kill::Label(label, _)), true) => {
                report.kills += 1;
                report.labels.push(label.clone());
            }
            (Some(Kill::At(_)), true) => report.kills += 1,
            _ => {}
        }
        // What was visible stays as it was.
        let now = visible(&out)?;
        report.taken_back += seen.iter().filter(|(name, bytes)| now.get(*name) != Some(*bytes)).count();
        seen = now;
        if let Some(status) = status
            && let Some(code) = status.code()
        {
            if code != 0 {
                let mut text = String::new();
                if let Some(mut stderr) = child.stderr.take() {
                    std::io::Read::read_to_string(&mut stderr, &mut text)?;
                }
                report.errors.push(format!("exit {code}: {}", text.trim()));
            }
            break;
        }
        if report.stuck > 0 {
            break;
        }
    }
    report.difference = compare(oracle, &lines(&seen));
    report.left_over = left_over(&out)?;
    Ok(report)
}

/// Draws kills for a round: half at random times within `span`, half at labels.
#[must_use]
pub fn draw_kills(random: &mut Random, count: u64, span: Duration, labels: &[String]) -> Vec<Kill> {
    (0..count)
        .map(|_| {
            if labels.is_empty() || random.one_in(2) {
                Kill::At(Duration::from_micros(random.below(span.as_micros() as u64 + 1)))
            } else {
                let label = labels[random.below(labels.len() as u64) as usize].clone();
                // Mostly soon, at times late in the run.
                let most = if random.one_in(3) { 60 } else { 6 };
                let hit = 1 + random.below(most);
                Kill::Label(label, hit)
            }
        })
        .collect()
}
