//! The crash campaign: `ci/crash --kills 100 [--seed S] [--lines N]`.
//!
//! Prints a JSON line a round and a summary; exits with 1 if anything was lost, duplicated, different, taken back, out of order, stuck or
//! left over, if a process ended as nobody meant it to, or if, of a hundred kills or more, a label that a job comes to was never hit.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use yeoul::sys::Random;
use yeoul_ci::crash::aim::Aim;
use yeoul_ci::crash::job::Job;
use yeoul_ci::crash::leg::Legs;
use yeoul_ci::crash::output::Difference;
use yeoul_ci::crash::round::{Subject, fault_free, round};
use yeoul_sim::json::{Object, text, texts};

/// Kills of one round, from its start to its end.
const KILLS_A_ROUND: u64 = 5;
/// A program has at least so many points at which it can be killed.
const LEAST_LABELS: usize = 40;
/// A campaign of so many kills hits every label that is reached.
const ALL_LABELS_FROM: u64 = 100;
/// A campaign ends after so many rounds and one for each kill, if its kills miss.
const LEAST_ROUNDS: u64 = 10;

struct Options {
    kills: u64,
    seed: u64,
    lines: u64,
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { kills: 100, seed: 1, lines: 1_000_000 };
    while let Some(name) = arguments.next() {
        let value =
            arguments.next().and_then(|text| text.parse().ok()).ok_or_else(|| format!("{name} needs a number"))?;
        match name.as_str() {
            "--kills" => options.kills = value,
            "--seed" => options.seed = value,
            "--lines" => options.lines = value,
            _ => return Err(format!("unknown option '{name}'; there are --kills, --seed and --lines")),
        }
    }
    match options {
        Options { kills: 0, .. } => Err("--kills 0 tests nothing; give a number from 1 on".to_owned()),
        Options { lines: 0, .. } => Err("--lines 0 gives the jobs nothing to read; give a number from 1 on".to_owned()),
        options => Ok(options),
    }
}

fn main() -> ExitCode {
    let result =
        options(std::env::args().skip(1)).and_then(|options| campaign(&options).map_err(|error| error.to_string()));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("crash: {message}");
            ExitCode::from(2)
        }
    }
}

fn build(job: Job) -> std::io::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("ci lies in the workspace").to_owned();
    let status = Command::new(env!("CARGO"))
        .current_dir(&root)
        .args(["build", "--release", "--quiet", "-p", job.package(), "--bin", job.name()])
        .status()?;
    if !status.success() {
        return Err(std::io::Error::other(format!("{} does not build", job.name())));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release").join(job.name()))
}

/// The points of a program.
fn labels_of(subject: &Subject) -> std::io::Result<Vec<String>> {
    let told = Command::new(&subject.binary).arg("--labels").output()?;
    let name = subject.job.name();
    if !told.status.success() {
        let why = String::from_utf8_lossy(&told.stderr).into_owned();
        return Err(std::io::Error::other(format!("{name} --labels ended with {}: {why}", told.status)));
    }
    let labels: Vec<String> = String::from_utf8_lossy(&told.stdout).lines().map(str::to_owned).collect();
    if labels.len() < LEAST_LABELS {
        return Err(std::io::Error::other(format!(
            "{name} lists {} points at which it can be killed; there are at least {LEAST_LABELS}",
            labels.len()
        )));
    }
    Ok(labels)
}

/// The commit that is tested, if git tells.
fn commit() -> String {
    let asked = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    asked.ok().and_then(|told| String::from_utf8(told.stdout).ok()).unwrap_or_default().trim().to_owned()
}

fn campaign(options: &Options) -> std::io::Result<bool> {
    let folder = std::env::temp_dir().join(format!("yeoul-crash-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let commit = commit();
    let mut subjects = Vec::new();
    let mut labels = BTreeSet::new();
    for job in Job::ALL {
        let input = job.input(options.seed, options.lines, &folder)?;
        let subject = Subject { job, binary: build(job)?, input, interval: 10 };
        labels.extend(labels_of(&subject)?);
        let oracle = fault_free(&subject, &folder.join(format!("oracle-{}", job.name())), 1)?;
        let mut line = Object::new();
        line.add("job", &text(job.name())).add("oracle_lines", &oracle.lines.len());
        line.add("fault_free_ms", &oracle.took.as_millis()).add("labels", &labels.len());
        println!("{}", line.close());
        subjects.push((subject, oracle));
    }
    let labels: Vec<String> = labels.into_iter().collect();
    let mut aim = Aim::new(options.seed, &labels);

    let (mut kills, mut rounds, mut clean) = (0, 0u64, true);
    let mut sum = Difference::default();
    let (mut taken_back, mut disorder, mut stuck, mut left, mut errors) = (0, 0, 0, 0, 0);
    let (mut recovery_ms, mut stops) = (0, 0);
    while kills < options.kills {
        if rounds >= LEAST_ROUNDS + options.kills {
            eprintln!("crash: {kills} of {} kills hit in {rounds} rounds; the jobs end too soon", options.kills);
            clean = false;
            break;
        }
        rounds += 1;
        let (subject, oracle) = &subjects[(rounds % subjects.len() as u64) as usize];
        // Rounds of a job take turns: a number of shards that changes at every restart, one shard, three shards.
        let mode = (rounds / subjects.len() as u64) % 3;
        let mut choose = Random::new(options.seed ^ rounds);
        let mut shards = || match mode {
            1 => 1,
            2 => 3,
            _ => 1 + choose.below(4) as u16,
        };
        let place = folder.join(format!("round-{rounds}"));
        // On one shard nothing but kills; else a job that takes savepoints is stopped by them, too.
        let mut legs = Legs::new(&place, subject.job.takes_savepoints() && mode != 1);
        let report =
            round(subject, &place, &mut shards, &mut legs, &mut aim, KILLS_A_ROUND.min(options.kills - kills), oracle)?;
        let Difference { lost, duplicated, different } = report.difference;
        let mut line = Object::new();
        line.add("commit", &text(&commit)).add("seed", &options.seed).add("job", &text(subject.job.name()));
        line.add("layer", &text("C")).add("round", &rounds);
        line.add("shards", &text(["changing", "1", "3"][mode as usize])).add("kills", &report.kills);
        line.add("stops", &report.stops);
        line.add("lost", &lost).add("duplicated", &duplicated).add("different", &different);
        line.add("taken_back", &report.taken_back).add("disorder", &texts(&report.disorder));
        line.add("stuck", &report.stuck).add("left_over", &texts(&report.left_over));
        line.add("recovery_ms", &report.recovery_ms).add("landed", &texts(&report.landed));
        line.add("errors", &texts(&report.errors));
        println!("{}", line.close());
        kills += report.kills;
        stops += report.stops;
        sum.lost += lost;
        sum.duplicated += duplicated;
        sum.different += different;
        taken_back += report.taken_back;
        disorder += report.disorder.len();
        stuck += report.stuck;
        left += report.left_over.len();
        errors += report.errors.len();
        recovery_ms = recovery_ms.max(report.recovery_ms);
        if report.is_clean() {
            std::fs::remove_dir_all(&place)?;
        } else {
            clean = false;
            eprintln!("crash: kept {}", place.display());
        }
    }
    let (hit, missed) = aim.hit_and_missed();
    let mut line = Object::new();
    line.add("summary", &true).add("commit", &text(&commit)).add("seed", &options.seed).add("layer", &text("C"));
    line.add("kills", &kills)
        .add("stops", &stops)
        .add("rounds", &rounds)
        .add("labels", &labels.len())
        .add("labels_hit", &hit);
    line.add("labels_missed", &texts(&missed)).add("lost", &sum.lost).add("duplicated", &sum.duplicated);
    line.add("different", &sum.different).add("taken_back", &taken_back).add("disorder", &disorder);
    line.add("stuck", &stuck).add("left_over", &left).add("errors", &errors).add("recovery_ms", &recovery_ms);
    println!("{}", line.close());
    if options.kills >= ALL_LABELS_FROM && !missed.is_empty() {
        eprintln!(
            "crash: no kill hit {}; every point is one that some job of the campaign comes to",
            missed.join(", ")
        );
        clean = false;
    }
    if clean {
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_pass_without_a_kill_is_refused() {
        let options = |line: &str| options(line.split_whitespace().map(str::to_owned));
        for (line, part) in [
            ("--kills 0", "tests nothing"),
            ("--lines 0", "nothing to read"),
            ("--kills", "needs a number"),
            ("--kills many", "needs a number"),
            ("--kill 3", "unknown option"),
        ] {
            let wrong = options(line).err().expect(line);
            assert!(wrong.contains(part), "{line}: {wrong}");
        }
        assert!(options("--kills 1 --lines 5 --seed 9").is_ok());
    }
}
