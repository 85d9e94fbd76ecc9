//! The simulator driven by a fuzzer: the bytes choose the job, its settings, what goes wrong and when. The output must be exact.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yeoul_sim::campaign::{self, lasts};
use yeoul_sim::rng::{Bytes, Chance};
use yeoul_sim::run::{self, Options};
use yeoul_sim::setting::Setting;
use yeoul_sim::workload::JobKind;

/// Short runs: what a fuzzer gains, it gains by their number.
const RECORDS: usize = 120;

fuzz_target!(|bytes: &[u8]| {
    let mut chance = Bytes::new(bytes);
    let kind = JobKind::ALL[chance.below(JobKind::ALL.len() as u64) as usize];
    let seed = chance.below(1 << 16);
    let setting = Setting { records: RECORDS, ..Setting::of(seed, kind, &mut chance) };
    let options = Options::default();
    let calm = run::run(&setting, &[], &options);
    assert!(calm.report.is_clean(false), "without faults: {}\n{}", calm.report.to_json(), calm.difference);
    // Crashes and failing calls alone, where the answer is always judged in full; or savepoints, stops and damage at rest as well.
    let faults = match chance.below(4) {
        0 | 1 => run::bearable(&setting, campaign::draw(&mut chance, &calm.extent)),
        _ => run::drawn(&setting, &calm.extent, &mut chance),
    };
    let run = run::run(&setting, &faults, &options);
    assert!(run.report.is_clean(lasts(&faults)), "{}\n{}\n{setting:?}", run.report.to_json(), run.difference);
});
