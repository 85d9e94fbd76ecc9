//! Some seeds of the campaign, end to end: the real one is `ci/simulate`.

use yeoul_sim::campaign::lasts;
use yeoul_sim::fault::Fault;
use yeoul_sim::run::{self, Options};
use yeoul_sim::setting::Setting;
use yeoul_sim::workload::JobKind;

/// Short input: each kind of job runs here, not each limit.
fn setting(seed: u64, kind: JobKind) -> Setting {
    Setting { records: 500, ..Setting::draw_for(seed, kind) }
}

#[test]
fn jobs_are_exact_with_faults_and_without() {
    let options = Options::default();
    for kind in JobKind::ALL {
        for seed in 0..3 {
            let setting = setting(seed, kind);
            let calm = run::run(&setting, &[], &options);
            assert!(calm.report.is_clean(false), "{}\n{}", calm.report.to_json(), calm.difference);
            let faults = run::faults_of(&setting, &calm.extent);
            let run = run::run(&setting, &faults, &options);
            assert!(run.report.is_clean(lasts(&faults)), "{}\n{}\n{setting:?}", run.report.to_json(), run.difference);
        }
    }
}

#[test]
fn a_seed_gives_the_same_trace_twice() {
    let setting = setting(7, JobKind::Join);
    let faults: Vec<Fault> = vec!["power 300".parse().unwrap(), "call any 400 kill-after".parse().unwrap()];
    let trace = || run::run(&setting, &faults, &Options { keep: usize::MAX, ..Options::default() }).trace;
    let (one, other) = (trace(), trace());
    let first = one.iter().zip(&other).find(|(a, b)| a != b);
    assert_eq!(first, None);
    assert_eq!(one.len(), other.len());
}

#[test]
fn a_change_of_shards_while_a_part_grows_ends_the_part() {
    // Sealed output was given to the sink under the number of shards of the last run, not of the run that sealed it.
    let base = setting(31, JobKind::Timers);
    let setting = Setting { records: 4000, roll_bytes: 600, shards: vec![2, 4, 2, 1, 2, 2], ..base };
    for step in (200..2000).step_by(150) {
        let faults: Vec<Fault> = (0..4).map(|deep| Fault::Kill { step: step * (deep + 1) }).collect();
        let run = run::run(&setting, &faults, &Options::default());
        assert!(run.report.is_clean(false), "{}\n{}", run.report.to_json(), run.difference);
    }
}

#[test]
fn what_is_due_when_a_job_comes_back_waits_for_the_start() {
    // A timer of the clock that was due during the restart fired into a channel that had not started, whose receiver panicked.
    for kind in [JobKind::Clock, JobKind::ClockWindows] {
        let setting = Setting { single: true, watched: false, shards: vec![2], ..setting(9, kind) };
        for step in (300..2_700).step_by(300) {
            let faults = [Fault::Kill { step }, Fault::Wall { step: step + 1, by_millis: 60_000 }];
            let run = run::run(&setting, &faults, &Options::default());
            assert!(run.report.is_clean(false), "{}\n{}", run.report.to_json(), run.difference);
        }
    }
}
