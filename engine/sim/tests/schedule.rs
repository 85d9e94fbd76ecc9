//! The scheduler over toy parts.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use yeoul_sim::clock::SimClock;
use yeoul_sim::schedule::{Part, Patience, Scheduler, Step, Stop};
use yeoul_sim::trace::Trace;
use yeoul_sys::Clock;

const PATIENCE: Patience = Patience { idle: Duration::from_secs(3600), steps: 50_000 };

/// A part made of a closure.
struct Toy<F>(&'static str, F);

impl<F: FnMut() -> Step> Part for Toy<F> {
    fn name(&self) -> &str {
        self.0
    }

    fn step(&mut self) -> Step {
        (self.1)()
    }
}

fn scheduler(seed: u64) -> (Scheduler, SimClock, Trace) {
    let (clock, trace) = (SimClock::new(0), Trace::keeping(20));
    (Scheduler::new(seed, clock.clone(), trace.clone(), PATIENCE), clock, trace)
}

/// A producer and a consumer of `count` items over a queue of two; returns why it stopped, the trace and the greatest lead.
fn pipe(seed: u64, count: u32) -> (Stop, u64, usize) {
    let (mut scheduler, _, trace) = scheduler(seed);
    let queue = RefCell::new(VecDeque::new());
    let (next, lead) = (Cell::new(0), Cell::new(0));
    let produce = || {
        if next.get() == count {
            return Step::Ended;
        }
        if queue.borrow().len() == 2 {
            return Step::Idle(None);
        }
        queue.borrow_mut().push_back(next.replace(next.get() + 1));
        lead.set(lead.get().max(queue.borrow().len()));
        Step::Worked
    };
    let mut due = 0;
    let consume = || match queue.borrow_mut().pop_front() {
        Some(item) => {
            assert_eq!(item, due);
            due += 1;
            Step::Worked
        }
        None if due == count => Step::Ended,
        None => Step::Idle(None),
    };
    let mut parts: Vec<Box<dyn Part>> = vec![Box::new(Toy("produce", produce)), Box::new(Toy("consume", consume))];
    let stop = scheduler.run(&mut parts, |_| false);
    drop(parts);
    (stop, trace.digest(), lead.get())
}

#[test]
fn parts_run_to_their_end_and_a_seed_replays() {
    for seed in 0..50 {
        let (stop, digest, lead) = pipe(seed, 300);
        assert_eq!((stop, lead), (Stop::Ended, 2));
        assert_eq!(pipe(seed, 300).1, digest);
    }
    assert_ne!(pipe(1, 300).1, pipe(2, 300).1);
}

#[test]
fn idle_parts_let_time_go_on_to_the_first_thing_due() {
    let (mut scheduler, clock, _) = scheduler(1);
    let at = |millis: u64| {
        let clock = clock.clone();
        move || {
            if clock.monotonic_nanos() >= millis * 1_000_000 {
                Step::Ended
            } else {
                Step::Idle(Some(millis * 1_000_000))
            }
        }
    };
    let mut parts: Vec<Box<dyn Part>> = vec![Box::new(Toy("late", at(90_000))), Box::new(Toy("soon", at(60_000)))];
    assert_eq!(scheduler.run(&mut parts, |_| false), Stop::Ended);
    assert!((90_000..91_000).contains(&clock.wall_millis()));
}

#[test]
fn nothing_to_do_is_stuck() {
    let (mut scheduler, _, _) = scheduler(1);
    let mut parts: Vec<Box<dyn Part>> =
        vec![Box::new(Toy("one", || Step::Idle(None))), Box::new(Toy("two", || Step::Ended))];
    let Stop::Stuck(why) = scheduler.run(&mut parts, |_| false) else { panic!("not stuck") };
    assert!(why.contains("no part has anything to do"), "{why}");
}

#[test]
fn waiting_without_end_and_working_without_end_are_stuck() {
    let (mut waits, clock, _) = scheduler(1);
    let polls = move || Step::Idle(Some(clock.monotonic_nanos() + 1_000_000_000));
    let mut parts: Vec<Box<dyn Part>> = vec![Box::new(Toy("polls", polls))];
    assert!(matches!(waits.run(&mut parts, |_| false), Stop::Stuck(why) if why.contains("did anything")));
    let (mut works, _, _) = scheduler(1);
    let mut parts: Vec<Box<dyn Part>> = vec![Box::new(Toy("works", || Step::Worked))];
    assert!(matches!(works.run(&mut parts, |_| false), Stop::Stuck(why) if why.contains("no end")));
}

#[test]
fn a_failure_and_an_interruption_end_the_run_and_steps_go_on_counting() {
    let (mut scheduler, _, _) = scheduler(1);
    let count = Rc::new(Cell::new(0));
    let seen = count.clone();
    let works = move || {
        seen.set(seen.get() + 1);
        if seen.get() == 30 { Step::Failed("disk".to_owned()) } else { Step::Worked }
    };
    let mut parts: Vec<Box<dyn Part>> = vec![Box::new(Toy("works", works))];
    assert_eq!(scheduler.run(&mut parts, |step| step == 10), Stop::Interrupted);
    assert_eq!((count.get(), scheduler.steps()), (10, 10));
    assert_eq!(scheduler.run(&mut parts, |_| false), Stop::Failed("disk".to_owned()));
    assert_eq!(scheduler.steps(), 30);
}

#[test]
fn a_part_may_be_starved_for_long_but_not_for_ever() {
    let mut longest = 0;
    for seed in 0..20 {
        let (mut scheduler, _, _) = scheduler(seed);
        let (ahead, turns) = (Cell::new(0_u32), Cell::new(0_u32));
        let greatest = Cell::new(0);
        let fast = || {
            ahead.set(ahead.get() + 1);
            greatest.set(greatest.get().max(ahead.get()));
            if turns.get() == 100 { Step::Ended } else { Step::Worked }
        };
        let slow = || {
            ahead.set(0);
            turns.set(turns.get() + 1);
            if turns.get() == 100 { Step::Ended } else { Step::Worked }
        };
        let mut parts: Vec<Box<dyn Part>> = vec![Box::new(Toy("fast", fast)), Box::new(Toy("slow", slow))];
        assert_eq!(scheduler.run(&mut parts, |_| false), Stop::Ended);
        drop(parts);
        longest = longest.max(greatest.get());
    }
    assert!(longest > 50, "never starved for more than {longest} steps");
}
