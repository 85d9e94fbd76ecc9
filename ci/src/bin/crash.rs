//! The crash campaign: `ci/crash --kills 100 [--seed S] [--lines N] [--keep]`.
//!
//! Prints a JSON line a round and a summary; exits with 1 if anything was lost, duplicated, different, taken back, stuck or left over.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use yeoul::sys::Random;
use yeoul_ci::crash::input::bids;
use yeoul_ci::crash::round::{Subject, draw_kills, fault_free, round};

/// Kills of one round, from its start to its end.
const KILLS_A_ROUND: u64 = 5;

struct Options {
    kills: u64,
    seed: u64,
    lines: u64,
}

fn options() -> Result<Options, String> {
    let mut options = Options { kills: 100, seed: 1, lines: 1_000_000 };
    let mut arguments = std::env::args().skip(1);
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
    Ok(options)
}

fn main() -> ExitCode {
    let result = options().and_then(|options| campaign(&options).map_err(|error| error.to_string()));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("crash: {message}");
            ExitCode::from(2)
        }
    }
}

fn build() -> std::io::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("ci lies in the workspace").to_owned();
    let status = Command::new(env!("CARGO"))
        .current_dir(&root)
        .args(["build", "--release", "--quiet", "-p", "yeoul-examples", "--bin", "hot_bids"])
        .status()?;
    if !status.success() {
        return Err(std::io::Error::other("the program under test does not build"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/hot_bids"))
}

fn campaign(options: &Options) -> std::io::Result<bool> {
    let folder = std::env::temp_dir().join(format!("yeoul-crash-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let input = folder.join("bids.ndjson");
    bids(options.seed, options.lines, &input)?;
    let subject = Subject { binary: build()?, input, interval: 10 };
    let labels = Command::new(&subject.binary).arg("--labels").output()?;
    let labels: Vec<String> = String::from_utf8_lossy(&labels.stdout).lines().map(str::to_owned).collect();

    let (oracle, span) = fault_free(&subject, &folder.join("oracle"), 1)?;
    if oracle.is_empty() {
        return Err(std::io::Error::other("the run without faults has no result to compare with"));
    }
    println!(r#"{{"oracle_lines":{},"fault_free_ms":{},"labels":{}}}"#, oracle.len(), span.as_millis(), labels.len());

    let mut random = Random::new(options.seed);
    let (mut kills, mut rounds, mut clean) = (0, 0u64, true);
    let (mut lost, mut duplicated, mut different, mut taken_back, mut stuck, mut left) = (0, 0, 0, 0, 0, 0);
    let mut hit = std::collections::BTreeSet::new();
    while kills < options.kills {
        rounds += 1;
        // Rounds take turns: one shard, three shards, and a number that changes at every restart.
        let mode = rounds % 3;
        let mut choose = Random::new(options.seed ^ rounds);
        let mut shards = || match mode {
            1 => 1,
            2 => 3,
            _ => 1 + choose.below(4) as u16,
        };
        let place = folder.join(format!("round-{rounds}"));
        let plan = draw_kills(&mut random, KILLS_A_ROUND.min(options.kills - kills), span, &labels);
        let report = round(&subject, &place, &mut shards, &plan, &oracle)?;
        println!(
            r#"{{"round":{rounds},"mode":{mode},"kills":{},"lost":{},"duplicated":{},"different":{},"taken_back":{},"stuck":{},"left_over":{},"plan":"{plan:?}","errors":{:?}}}"#,
            report.kills,
            report.difference.lost,
            report.difference.duplicated,
            report.difference.different,
            report.taken_back,
            report.stuck,
            report.left_over.len(),
            report.errors
        );
        kills += report.kills;
        lost += report.difference.lost;
        duplicated += report.difference.duplicated;
        different += report.difference.different;
        taken_back += report.taken_back;
        stuck += report.stuck;
        left += report.left_over.len();
        hit.extend(report.labels.iter().cloned());
        if report.is_clean() {
            std::fs::remove_dir_all(&place)?;
        } else {
            clean = false;
            eprintln!("crash: kept {}", place.display());
        }
    }
    println!(
        r#"{{"summary":true,"kills":{kills},"rounds":{rounds},"labels_hit":{},"labels":{},"lost":{lost},"duplicated":{duplicated},"different":{different},"taken_back":{taken_back},"stuck":{stuck},"left_over":{left}}}"#,
        hit.len(),
        labels.len()
    );
    if clean {
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(clean)
}
