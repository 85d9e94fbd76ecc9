//! The engine under the seeded simulator: many seeds in a row, or one seed again.
//!
//! ```text
//! ci/simulate --seeds 500            seeds 0 to 499, two at a time; a JSON line for each run that fails, and a summary
//! ci/simulate --seed 17 [--trace]    one seed again: its report, the digest of its trace, the trace itself
//! ci/simulate --sweep --seed 3       fails every call of one seed's fault-free run in turn, in every way, once and from then on
//! ci/simulate --planted              puts in one bug after the other and tells which seed caught it
//! ```
//!
//! Further: `--first SEED`, `--every N` (with `--sweep`: only each N-th call and way), `--threads N`, `--job KIND`, `--faults 'LINE;LINE'`, `--bug NAME`, `--shrink`, `--verbose`.

use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use yeoul_sim::campaign::{lasts, sweep};
use yeoul_sim::fault::Fault;
use yeoul_sim::planted::Planted;
use yeoul_sim::report::Summary;
use yeoul_sim::run::{self, Options, Run};
use yeoul_sim::setting::Setting;
use yeoul_sim::workload::JobKind;

/// A planted bug must be caught within this many seeds.
const CAUGHT_WITHIN: u64 = 1_000;
/// Seeds of a campaign that says no number.
const DEFAULT_SEEDS: u64 = 100;
/// Every so many seeds a run is made twice, and its traces compared.
const AGAIN_EVERY: u64 = 10;
/// Records of a job that is swept: it is run some ten thousand times.
const SWEPT_RECORDS: usize = 300;
/// Runs that making a failing list of faults smaller may take.
const SHRINK_RUNS: usize = 60;

#[derive(Debug, Default)]
struct Arguments {
    seeds: Option<u64>,
    first: u64,
    seed: Option<u64>,
    kind: Option<JobKind>,
    faults: Option<Vec<Fault>>,
    planted: Option<Planted>,
    all_planted: bool,
    sweep: bool,
    /// Of the sweep's lists, only each so-many-th; 0 is all.
    every: usize,
    trace: bool,
    verbose: bool,
    shrink: bool,
    threads: usize,
}

fn main() -> ExitCode {
    // A panic of the engine is a result here, told with its run.
    std::panic::set_hook(Box::new(|_| ()));
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    let clean = match arguments.seed {
        Some(seed) if arguments.sweep => sweep_calls(seed, &arguments),
        Some(seed) => replay(seed, &arguments),
        None if arguments.all_planted => plant(&arguments),
        None => campaign(&arguments),
    };
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments { threads: 2, ..Arguments::default() };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text} is not a number"));
        match word.as_str() {
            "--seeds" => arguments.seeds = Some(number(value()?)?),
            "--first" => arguments.first = number(value()?)?,
            "--seed" => arguments.seed = Some(number(value()?)?),
            "--threads" => arguments.threads = number(value()?)? as usize,
            "--job" => arguments.kind = Some(value()?.parse().map_err(|error| format!("{error}"))?),
            "--faults" => {
                let read = |line: &str| line.parse().map_err(|error| format!("{error}"));
                let lines = value()?;
                arguments.faults =
                    Some(lines.split(';').filter(|line| !line.trim().is_empty()).map(read).collect::<Result<_, _>>()?);
            }
            "--bug" => arguments.planted = Some(value()?.parse().map_err(|error| format!("{error}"))?),
            "--planted" => arguments.all_planted = true,
            "--sweep" => arguments.sweep = true,
            "--every" => arguments.every = number(value()?)? as usize,
            "--trace" => arguments.trace = true,
            "--verbose" => arguments.verbose = true,
            "--shrink" => arguments.shrink = true,
            other => return Err(format!("{other} is not known; see the head of ci/src/bin/simulate.rs")),
        }
    }
    refuse(&arguments).map_or(Ok(arguments), |wrong| Err(wrong.to_owned()))
}

/// What would run nothing, or something else than was asked for, and so pass whatever the engine does.
fn refuse(arguments: &Arguments) -> Option<&'static str> {
    let Arguments { seeds, first, seed, ref faults, all_planted, sweep, every, trace, .. } = *arguments;
    let planted = arguments.planted.is_some();
    let rules = [
        (seeds == Some(0), "--seeds 0 runs nothing; give a number from 1 on"),
        (
            first.checked_add(seeds.unwrap_or(DEFAULT_SEEDS)).is_none(),
            "--first and --seeds go past the last seed, 2^64 - 1",
        ),
        (seed.is_some() && (seeds.is_some() || first > 0), "--seed runs one seed; leave --seeds and --first out"),
        (sweep && seed.is_none(), "--sweep fails the calls of one seed; say which by --seed"),
        (every > 0 && !sweep, "--every thins out a sweep; give --sweep too"),
        (sweep && faults.is_some(), "--sweep makes its own faults; leave --faults out"),
        (faults.as_ref().is_some_and(Vec::is_empty), "--faults names no fault"),
        (trace && seed.is_none(), "--trace is of one seed; say which by --seed"),
        (
            all_planted && (seed.is_some() || planted || faults.is_some()),
            "--planted takes each bug and its own seeds and faults; leave --seed, --bug and --faults out",
        ),
        (all_planted && first > 0, "--planted begins at seed 0; leave --first out"),
        (
            (all_planted || planted) && !cfg!(feature = "planted"),
            "this build has no bugs to plant; build it with --features planted, as ci/simulate does",
        ),
    ];
    rules.into_iter().find(|(broken, _)| *broken).map(|(_, wrong)| wrong)
}

fn setting(seed: u64, arguments: &Arguments) -> Setting {
    match arguments.kind {
        Some(kind) => Setting::draw_for(seed, kind),
        None => Setting::draw(seed),
    }
}

/// The commit that is tested, if git tells.
fn commit() -> String {
    let asked = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    asked.ok().and_then(|told| String::from_utf8(told.stdout).ok()).unwrap_or_default().trim().to_owned()
}

/// What became of a seed.
struct Verdict {
    run: Run,
    clean: bool,
    may_stop: bool,
}

/// Runs a seed without faults, which gives their extent, then with them. The first that is not clean is the verdict.
fn judge(setting: &mut Setting, arguments: &Arguments, options: &Options) -> Vec<Verdict> {
    let (fitting, calm) = run::calm(setting.clone(), options);
    *setting = fitting;
    let extent = calm.extent.clone();
    let clean = calm.report.is_clean(false);
    let mut verdicts = vec![Verdict { clean, run: calm, may_stop: false }];
    if clean || arguments.faults.is_some() {
        let faults = arguments.faults.clone().unwrap_or_else(|| run::faults_of(setting, &extent));
        let mut run = run::run(setting, &faults, options);
        let may_stop = lasts(&faults);
        if setting.seed.is_multiple_of(AGAIN_EVERY) {
            let again = run::run(setting, &faults, options);
            if again.report.digest != run.report.digest {
                run.report.broken.push("the same seed gave another trace".to_owned());
            }
        }
        verdicts.push(Verdict { clean: run.report.is_clean(may_stop), run, may_stop });
    }
    verdicts
}

fn tell(verdict: &Verdict, setting: &Setting) {
    println!("{}", verdict.run.report.to_json());
    if !verdict.clean {
        println!("  {setting:?}\n  {}", verdict.run.difference);
    }
    for stop in &verdict.run.stops {
        println!("  stopped on the way: {}", stop.replace('\n', " "));
    }
}

fn campaign(arguments: &Arguments) -> bool {
    let begun = Instant::now();
    let seeds = arguments.seeds.unwrap_or(DEFAULT_SEEDS);
    let next = AtomicU64::new(arguments.first);
    let summary = Mutex::new(Summary::default());
    let last = arguments.first + seeds;
    let options = Options { planted: arguments.planted, keep: 0, commit: commit() };
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= last {
            return;
        }
        let mut setting = setting(seed, arguments);
        for verdict in judge(&mut setting, arguments, &options) {
            let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
            summary.add(&verdict.run.report, verdict.may_stop);
            if !verdict.clean || arguments.verbose {
                tell(&verdict, &setting);
            }
            drop(summary);
            if !verdict.clean && arguments.shrink {
                shrink(&verdict, &setting, &options);
            }
        }
    };
    std::thread::scope(|scope| (0..arguments.threads.max(1)).for_each(|_| _ = scope.spawn(work)));
    let summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{}", summary.to_json());
    eprintln!("{seeds} seeds in {:.1} s", begun.elapsed().as_secs_f64());
    summary.is_clean()
}

/// Layer B: the n-th call fails, for every n.
fn sweep_calls(seed: u64, arguments: &Arguments) -> bool {
    let setting = Setting { records: SWEPT_RECORDS, ..setting(seed, arguments) };
    let options = Options { planted: arguments.planted, keep: 0, commit: commit() };
    let calm = run::run(&setting, &[], &options);
    let every = arguments.every.max(1);
    let lists: Vec<_> = sweep(&calm.extent).step_by(every).collect();
    if lists.is_empty() {
        eprintln!("seed {seed} makes no call that could fail; there is nothing to sweep");
        return false;
    }
    let next = AtomicUsize::new(0);
    let summary = Mutex::new(Summary::default());
    let work = || {
        while let Some(faults) = lists.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut run = run::run(&setting, faults, &options);
            run.report.layer = 'B';
            let verdict = Verdict { clean: run.report.is_clean(lasts(faults)), may_stop: lasts(faults), run };
            summary.lock().unwrap_or_else(PoisonError::into_inner).add(&verdict.run.report, verdict.may_stop);
            if !verdict.clean || arguments.verbose {
                tell(&verdict, &setting);
            }
        }
    };
    std::thread::scope(|scope| (0..arguments.threads.max(1)).for_each(|_| _ = scope.spawn(work)));
    let summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{}", summary.to_json());
    calm.report.is_clean(false) && summary.is_clean()
}

fn shrink(verdict: &Verdict, setting: &Setting, options: &Options) {
    let fails = |faults: &[Fault]| !run::run(setting, faults, options).report.is_clean(lasts(faults));
    let smallest = yeoul_sim::shrink::shrink(&verdict.run.report.faults, SHRINK_RUNS, fails);
    let lines: Vec<String> = smallest.iter().map(ToString::to_string).collect();
    println!("  smallest: ci/simulate --seed {} --faults '{}'", setting.seed, lines.join(";"));
}

fn replay(seed: u64, arguments: &Arguments) -> bool {
    let mut setting = setting(seed, arguments);
    let keep = if arguments.trace { usize::MAX } else { 0 };
    let options = Options { planted: arguments.planted, keep, commit: commit() };
    let verdicts = judge(&mut setting, arguments, &options);
    for verdict in &verdicts {
        for line in &verdict.run.trace {
            println!("{line}");
        }
        tell(verdict, &setting);
        println!("trace {:016x}", verdict.run.report.digest);
        if !verdict.clean && arguments.shrink {
            shrink(verdict, &setting, &options);
        }
    }
    verdicts.iter().all(|verdict| verdict.clean)
}

/// Puts each bug in, until a seed catches it: one that is not clean with the bug, and clean without.
fn plant(arguments: &Arguments) -> bool {
    let mut all = true;
    for bug in Planted::ALL {
        let planted = Options { planted: Some(bug), ..Options::default() };
        let caught = (0..arguments.seeds.unwrap_or(CAUGHT_WITHIN)).find_map(|seed| {
            let wrong = |options: &Options| {
                judge(&mut setting(seed, arguments), arguments, options).into_iter().find(|verdict| !verdict.clean)
            };
            let verdict = wrong(&planted)?;
            // What is wrong without the bug too shows nothing of it.
            wrong(&Options::default()).is_none().then_some((seed, verdict))
        });
        match caught {
            Some((seed, verdict)) => println!(
                "{bug}: caught by seed {seed}: {:?} {} {}",
                verdict.run.report.ending,
                verdict.run.difference.lines().next().unwrap_or(""),
                verdict.run.report.broken.first().map_or("", String::as_str)
            ),
            None => {
                all = false;
                println!("{bug}: not caught");
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_pass_without_a_run_is_refused() {
        let parse = |line: &str| parse(line.split_whitespace().map(str::to_owned));
        for (line, part) in [
            ("--seeds 0", "runs nothing"),
            ("--seeds 2 --first 18446744073709551615", "past the last seed"),
            ("--seed 3 --seeds 10", "--seed runs one seed"),
            ("--sweep", "say which by --seed"),
            ("--sweep --seeds 10", "say which by --seed"),
            ("--seed 3 --every 4", "give --sweep too"),
            ("--seed 3 --sweep --faults x", "fault"),
            ("--seed 3 --faults ;", "names no fault"),
            ("--trace", "of one seed"),
            ("--planted --seed 3", "leave --seed"),
            ("--planted --seeds 0", "runs nothing"),
            ("--seeds", "wants a value"),
            ("--seeds many", "not a number"),
            ("--seed 1 --job nothing", "there is no job"),
        ] {
            let wrong = parse(line).expect_err(line);
            assert!(wrong.contains(part), "{line}: {wrong}");
        }
        for line in
            ["", "--seeds 1", "--first 7 --seeds 2 --job ttl", "--seed 0 --trace", "--sweep --seed 3 --every 40"]
        {
            assert!(parse(line).is_ok(), "{line}");
        }
        assert_eq!(parse("--planted").is_ok(), cfg!(feature = "planted"));
    }
}
