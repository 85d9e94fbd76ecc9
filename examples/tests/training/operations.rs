//! What an operator of a job does and lives through: it crashes, recovers, is upgraded and rescaled, and counts each click once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use yeoul::frame::Epoch;
use yeoul::prelude::*;
use yeoul::runtime::{JobWatch, Outcome};
use yeoul_examples::training::click_events::{
    ArchivedClick, CLICKS, Click, Clicks, PAGES, WINDOW, clicks, version_1, version_2,
};
use yeoul_sim::machine::{Machine, Next, TICK};
use yeoul_sim::paced::Paced;

/// Windows that the clicks fill.
const WINDOWS: u64 = 60;

/// What users see, and up to which epoch.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<(Epoch, Vec<Clicks>)>>);

impl EpochTarget for Page {
    type In = Clicks;

    fn recover(&mut self, _: Epoch) -> Result<Epoch, OperatorError> {
        Ok(self.0.lock().unwrap().0)
    }

    fn deliver(&mut self, epoch: Epoch, counts: Vec<Clicks>) -> Result<(), OperatorError> {
        let mut page = self.0.lock().unwrap();
        if epoch > page.0 {
            page.0 = epoch;
            page.1.extend(counts);
        }
        Ok(())
    }
}

struct Run<'a> {
    machine: &'a Machine,
    page: &'a Page,
    program: fn(&DataStream<Click>) -> DataStream<Clicks>,
    shards: u16,
    data: &'a str,
    from: Option<&'a str>,
}

impl Run<'_> {
    /// Runs until `then` comes, which is asked with the number of checkpoints of this run.
    fn until(&self, then: impl Fn(u64) -> Next) -> Option<Outcome> {
        let env = StreamEnvironment::new("click events");
        let times = WatermarkStrategy::for_monotonous_timestamps()
            .with_timestamp_assigner(|click: &ArchivedClick| click.time())
            .with_granularity(Duration::ZERO);
        // One split for each page: the order of a page's clicks does not depend on the number of shards.
        let source = env.from_source(Paced::of(clicks(WINDOWS), PAGES as u16, 30), times, "clicks").uid("clicks");
        let page = self.page.clone();
        (self.program)(&source).sink_to(ExactlyOnce::new(move |_| Ok(page.clone()))).uid("page");
        let config = JobConfig {
            shards: self.shards,
            data: Some(self.data.into()),
            from_savepoint: self.from.map(Into::into),
            checkpoint_interval: Some(Duration::from_millis(TICK.unsigned_abs())),
            restart: RestartStrategy::None,
            scrub_interval: None,
            ..JobConfig::default()
        };
        let watch = Arc::new(JobWatch::default());
        let next = |_| then(watch.checkpoints().completed);
        self.machine.run(&env.build().unwrap(), &config, &watch, next).unwrap()
    }
}

/// F4, as Flink's operations playground goes through it.
#[test]
fn a_job_that_crashes_recovers_is_upgraded_and_rescaled_counts_each_click_once() {
    let (machine, page) = (Machine::new(), Page::default());
    let first = Run { machine: &machine, page: &page, program: version_1, shards: 1, data: "v1", from: None };
    let after = |checkpoints: u64, then: Next| move |completed| if completed < checkpoints { Next::Wait } else { then };
    let stopped = |outcome| assert!(matches!(outcome, Some(Outcome::Stopped(_))), "{outcome:?}");
    let seen = || page.0.lock().unwrap().1.len() as u64;

    // It is killed; a new process goes on where the last checkpoint was. Then it is stopped for the upgrade.
    assert_eq!(first.until(after(7, Next::Die)), None);
    let before_crash = seen();
    stopped(first.until(after(6, Next::Stop("to version 2"))));
    let (first_seen, last_of_first) =
        (seen(), page.0.lock().unwrap().1.iter().map(|clicks| clicks.until).max().unwrap());
    assert!(0 < before_crash && before_crash < first_seen, "{before_crash}, {first_seen}");

    // The second version on four shards, which is killed, goes on and is stopped for another scale.
    let second = Run { program: version_2, shards: 4, data: "v2", from: Some("to version 2"), ..first };
    assert_eq!(second.until(after(7, Next::Die)), None);
    stopped(second.until(after(6, Next::Stop("to two shards"))));
    assert!(seen() > first_seen);
    let last = Run { shards: 2, data: "v3", from: Some("to two shards"), ..second };
    assert_eq!(last.until(|_| Next::Wait), Some(Outcome::Finished));

    let until = |window: u64| Timestamp((window + 1) as i64 * WINDOW.as_millis() as i64 - 1);
    let mut expected = Vec::new();
    for (page, window) in (0..PAGES).flat_map(|page| (0..WINDOWS).map(move |window| (page, window))) {
        let by_first = until(window) <= last_of_first;
        if by_first || page != 5 {
            let total = (window + 1) * CLICKS;
            let windows = if by_first { 0 } else { window + 1 };
            expected.push(Clicks { page, until: until(window), count: CLICKS, total, windows });
        }
    }
    let mut found = page.0.lock().unwrap().1.clone();
    // What the first version had counted of page 5 in the window in which it was stopped.
    let begun = found.extract_if(.., |clicks| clicks.page == 5 && clicks.until > last_of_first).collect::<Vec<_>>();
    assert!(begun.len() <= 1 && begun.iter().all(|clicks| clicks.count <= CLICKS), "{begun:?}");
    found.sort();
    let differs = found.iter().zip(&expected).find(|(found, expected)| found != expected);
    assert_eq!(differs, None);
    assert_eq!(found.len(), expected.len());
}
