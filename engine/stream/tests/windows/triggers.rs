//! Each trigger against what Flink's documentation says of it.

use rkyv::Archived;
use yeoul_frame::Timestamp;
use yeoul_stream::{
    ContinuousEventTimeTrigger, ContinuousProcessingTimeTrigger, CountTrigger, CustomWindows, DataStream, DeltaTrigger,
    EndOfStreamTrigger, EventTimeSessionWindows, EventTimeTrigger, GlobalWindows, NeverTrigger, OperatorHarness,
    ProcessingTimeTrigger, ProcessingTimeoutTrigger, PurgingTrigger, SlidingEventTimeWindows, TimeWindow, Trigger,
    TriggerContext, TriggerResult, TumblingEventTimeWindows, TumblingProcessingTimeWindows,
};

use crate::aligned::Reading;
use crate::script::Do::{Clock, Push, Watermark};
use crate::script::{check, ms};

const END: i64 = i64::MAX;

#[test]
fn event_time_fires_at_the_end_and_with_each_late_element() {
    let tens = TumblingEventTimeWindows::of(ms(10));
    check(
        tens,
        5,
        |windows| windows.trigger(EventTimeTrigger::create()),
        &[
            (Push(7, 1, 3), &[]),
            (Push(7, 2, 9), &[]),
            (Watermark(8), &[]),
            (Watermark(9), &["7 [0, 10) 1 2"]),
            (Push(7, 3, 5), &["7 [0, 10) 1 2 3"]),
            (Watermark(14), &[]),
            (Push(7, 4, 5), &["late 4"]),
            (Watermark(END), &[]),
        ],
    );
}

#[test]
fn purging_drops_what_has_fired() {
    let tens = TumblingEventTimeWindows::of(ms(10));
    check(
        tens,
        5,
        |windows| windows.trigger(PurgingTrigger::of(EventTimeTrigger::create())),
        &[
            (Push(7, 1, 3), &[]),
            (Watermark(9), &["7 [0, 10) 1"]),
            (Push(7, 2, 5), &["7 [0, 10) 2"]),
            (Push(7, 3, 5), &["7 [0, 10) 3"]),
            (Watermark(END), &[]),
        ],
    );
}

#[test]
fn processing_time_fires_when_the_clock_has_passed_the_end() {
    let tens = TumblingProcessingTimeWindows::of(ms(10));
    check(
        tens,
        0,
        |windows| windows.trigger(ProcessingTimeTrigger::create()),
        &[
            (Clock(3), &[]),
            (Push(7, 1, 0), &[]),
            (Clock(9), &[]),
            (Push(7, 2, 0), &[]),
            (Clock(10), &["7 [0, 10) 1 2"]),
            (Push(7, 3, 0), &[]),
            // The input has ended.
            (Watermark(END), &["7 [10, 20) 3"]),
        ],
    );
}

#[test]
fn counts_are_of_a_key_and_window_and_begin_anew() {
    let tens = TumblingEventTimeWindows::of(ms(10));
    check(
        tens,
        0,
        |windows| windows.trigger(CountTrigger::of(2)),
        &[
            (Push(7, 1, 0), &[]),
            (Push(8, 2, 0), &[]),
            (Push(7, 3, 10), &[]),
            (Push(7, 4, 9), &["7 [0, 10) 1 4"]),
            (Push(7, 5, 9), &[]),
            (Push(7, 6, 9), &["7 [0, 10) 1 4 5 6"]),
            // A count trigger does not fire at the end.
            (Watermark(9), &[]),
            (Push(7, 7, 19), &["7 [10, 20) 3 7"]),
            (Push(8, 8, 5), &["late 8"]),
        ],
    );
    let slides = SlidingEventTimeWindows::of(ms(20), ms(10));
    check(
        slides,
        0,
        |windows| windows.trigger(PurgingTrigger::of(CountTrigger::of(2))),
        &[
            (Push(7, 1, 5), &[]),
            (Push(7, 2, 15), &["7 [0, 20) 1 2"]),
            (Push(7, 3, 15), &["7 [10, 30) 2 3"]),
            (Push(7, 4, 5), &["7 [-10, 10) 1 4", "7 [0, 20) 3 4"]),
            (Watermark(END), &[]),
        ],
    );
}

#[test]
fn counts_of_sessions_add_up_when_they_merge() {
    let sessions = EventTimeSessionWindows::with_gap(ms(10));
    check(
        sessions,
        0,
        |windows| windows.trigger(CountTrigger::of(4)),
        &[
            (Push(7, 1, 0), &[]),
            (Push(7, 2, 20), &[]),
            (Push(7, 3, 25), &[]),
            // It brings the two together, and is the fourth of one session.
            (Push(7, 4, 10), &["7 [0, 35) 1 2 3 4"]),
            (Push(7, 5, 30), &[]),
            (Watermark(END), &[]),
        ],
    );
}

#[test]
fn continuous_event_time_fires_at_each_interval_and_at_the_end() {
    let hundreds = TumblingEventTimeWindows::of(ms(100));
    check(
        hundreds,
        10,
        |windows| windows.trigger(ContinuousEventTimeTrigger::of(ms(20))),
        &[
            (Push(7, 1, 5), &[]),
            (Watermark(19), &[]),
            (Watermark(20), &["7 [0, 100) 1"]),
            (Push(7, 2, 7), &[]),
            (Watermark(39), &[]),
            (Watermark(65), &["7 [0, 100) 1 2", "7 [0, 100) 1 2"]),
            // At 80 and at the last time, 99.
            (Watermark(99), &["7 [0, 100) 1 2", "7 [0, 100) 1 2"]),
            (Push(7, 3, 50), &["7 [0, 100) 1 2 3"]),
            (Watermark(109), &[]),
            (Push(7, 4, 50), &["late 4"]),
        ],
    );
    // An element at the last time makes it fire there, and not again after it.
    check(
        hundreds,
        10,
        |windows| windows.trigger(ContinuousEventTimeTrigger::of(ms(20))),
        &[(Push(7, 1, 99), &[]), (Watermark(99), &["7 [0, 100) 1"]), (Watermark(105), &[]), (Watermark(END), &[])],
    );
    // The earliest firing of those that merge stays.
    let sessions = EventTimeSessionWindows::with_gap(ms(30));
    check(
        sessions,
        0,
        |windows| windows.trigger(ContinuousEventTimeTrigger::of(ms(20))),
        &[
            (Push(7, 1, 5), &[]),
            (Push(7, 2, 45), &[]),
            (Push(7, 3, 25), &[]),
            (Watermark(20), &["7 [5, 75) 1 2 3"]),
            (Watermark(39), &[]),
            (Watermark(45), &["7 [5, 75) 1 2 3"]),
            // At 60 and at 74.
            (Watermark(80), &["7 [5, 75) 1 2 3", "7 [5, 75) 1 2 3"]),
            (Watermark(END), &[]),
        ],
    );
    // A window without an end fires once more at the end of the input, not for ever.
    check(
        GlobalWindows::create(),
        0,
        |windows| windows.trigger(ContinuousEventTimeTrigger::of(ms(20))),
        &[(Push(7, 1, 5), &[]), (Watermark(25), &["7 all 1"]), (Watermark(END), &["7 all 1", "7 all 1"])],
    );
}

#[test]
fn continuous_processing_time_fires_at_each_interval_while_the_window_is_there() {
    let windows = TumblingEventTimeWindows::of(ms(10));
    check(
        windows,
        0,
        |windows| windows.trigger(ContinuousProcessingTimeTrigger::of(ms(20))),
        &[
            (Clock(1_005), &[]),
            (Push(7, 1, 5), &[]),
            (Clock(1_020), &[]),
            // A time has passed when the next one has come.
            (Clock(1_021), &["7 [0, 10) 1"]),
            (Push(7, 2, 6), &[]),
            (Clock(1_041), &["7 [0, 10) 1 2"]),
            (Watermark(9), &[]),
            (Clock(2_000), &[]),
        ],
    );
    let tens = TumblingProcessingTimeWindows::of(ms(100));
    check(
        tens,
        0,
        |windows| windows.trigger(ContinuousProcessingTimeTrigger::of(ms(40))),
        &[
            (Clock(5), &[]),
            (Push(7, 1, 0), &[]),
            (Clock(41), &["7 [0, 100) 1"]),
            (Clock(81), &["7 [0, 100) 1"]),
            (Clock(100), &["7 [0, 100) 1"]),
            (Clock(200), &[]),
            (Watermark(END), &[]),
        ],
    );
}

#[test]
fn delta_fires_where_an_element_is_far_from_the_last_one_that_did() {
    let delta = DeltaTrigger::of(10.0, |last: &Reading, reading: &Reading| reading.1 as f64 - last.1 as f64);
    check(
        GlobalWindows::create(),
        0,
        |windows| windows.trigger(delta.clone()),
        &[
            (Push(7, 100, 0), &[]),
            (Push(7, 110, 0), &[]),
            (Push(8, 200, 0), &[]),
            (Push(7, 111, 0), &["7 all 100 110 111"]),
            (Push(7, 121, 0), &[]),
            (Push(7, 122, 0), &["7 all 100 110 111 121 122"]),
            (Watermark(END), &[]),
        ],
    );
}

#[test]
fn a_timeout_fires_what_another_trigger_leaves_waiting() {
    let of = |resets, clears| {
        ProcessingTimeoutTrigger::of(CountTrigger::of(3), ms(100))
            .reset_timer_on_new_record(resets)
            .clear_on_timeout(clears)
    };
    check(
        GlobalWindows::create(),
        0,
        |windows| windows.trigger(PurgingTrigger::of(of(false, true))),
        &[
            (Clock(1_000), &[]),
            (Push(7, 1, 0), &[]),
            (Clock(1_050), &[]),
            (Push(7, 2, 0), &[]),
            (Clock(1_100), &[]),
            (Clock(1_101), &["7 all 1 2"]),
            // The count began anew.
            (Push(7, 3, 0), &[]),
            (Push(7, 4, 0), &[]),
            (Push(7, 5, 0), &["7 all 3 4 5"]),
            // What has fired does not time out.
            (Clock(2_000), &[]),
            (Watermark(END), &[]),
        ],
    );
    check(
        GlobalWindows::create(),
        0,
        |windows| windows.trigger(of(true, true)),
        &[
            (Clock(1_000), &[]),
            (Push(7, 1, 0), &[]),
            (Clock(1_050), &[]),
            (Push(7, 2, 0), &[]),
            (Clock(1_150), &[]),
            (Clock(1_151), &["7 all 1 2"]),
        ],
    );
    check(
        GlobalWindows::create(),
        0,
        |windows| windows.trigger(of(false, false)),
        &[
            (Clock(1_000), &[]),
            (Push(7, 1, 0), &[]),
            (Push(7, 2, 0), &[]),
            (Clock(1_101), &["7 all 1 2"]),
            // The count goes on.
            (Push(7, 3, 0), &["7 all 1 2 3"]),
            (Clock(2_000), &[]),
        ],
    );
    // Around a trigger of event time it takes nothing from it, and adds nothing at the expiry.
    let tens = TumblingEventTimeWindows::of(ms(10));
    let around = ProcessingTimeoutTrigger::of(EventTimeTrigger::create(), ms(100));
    check(
        tens,
        20,
        |windows| windows.trigger(around),
        &[
            (Push(7, 1, 5), &[]),
            (Clock(101), &["7 [0, 10) 1"]),
            (Push(7, 2, 6), &[]),
            (Watermark(9), &["7 [0, 10) 1 2"]),
            (Watermark(29), &[]),
            (Clock(1_000), &[]),
        ],
    );
    // Of sessions that merge the earliest timeout stays.
    let sessions = EventTimeSessionWindows::with_gap(ms(10));
    check(
        sessions,
        0,
        |windows| windows.trigger(around),
        &[
            (Clock(1_000), &[]),
            (Push(7, 1, 0), &[]),
            (Clock(1_050), &[]),
            (Push(7, 2, 15), &[]),
            (Push(7, 3, 8), &[]),
            (Clock(1_101), &["7 [0, 25) 1 2 3"]),
            (Watermark(24), &[]),
        ],
    );
}

#[test]
fn global_windows_wait_for_ever_or_for_the_end() {
    check(GlobalWindows::create(), 0, |windows| windows, &[(Push(7, 1, 0), &[]), (Watermark(END), &[])]);
    let tens = TumblingEventTimeWindows::of(ms(10));
    check(tens, 0, |windows| windows.trigger(NeverTrigger::create()), &[(Push(7, 1, 0), &[]), (Watermark(END), &[])]);
    let script: &[(_, &[&str])] = &[(Push(7, 1, 0), &[]), (Watermark(50), &[]), (Watermark(END), &["7 all 1"])];
    check(GlobalWindows::create_with_end_of_stream_trigger(), 0, |windows| windows, script);
    check(GlobalWindows::create(), 0, |windows| windows.trigger(EndOfStreamTrigger::create()), script);
}

/// Fires at a window's third element, drops its content at the fifth without firing, and leaves all its timers to others.
#[derive(Clone)]
struct Odd;

impl Trigger<Reading> for Odd {
    type State = (u64, Option<Timestamp>);

    fn on_element(
        &mut self,
        _: &Archived<Reading>,
        time: Timestamp,
        state: &mut Self::State,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        state.0 += 1;
        state.1 = state.1.max(Some(time));
        cx.register_event_time_timer(cx.window().max_timestamp().plus(1_000));
        cx.register_processing_time_timer(cx.current_processing_time().plus(500));
        match state.0 {
            3 => TriggerResult::Fire,
            5 => TriggerResult::Purge,
            _ => TriggerResult::Continue,
        }
    }

    fn on_event_time(&mut self, _: Timestamp, _: &mut Self::State, cx: &mut TriggerContext<'_>) -> TriggerResult {
        // Called when the window expires, and never for a window that has.
        assert!(cx.current_watermark() >= cx.window().max_timestamp());
        TriggerResult::Continue
    }

    fn on_processing_time(
        &mut self,
        _: Timestamp,
        state: &mut Self::State,
        _: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        assert!(state.0 > 0, "a window that has expired is not asked about");
        TriggerResult::FireAndPurge
    }

    fn clear(&mut self, state: &Self::State, _: &mut TriggerContext<'_>) {
        assert!(state.0 > 0 && state.1.is_some(), "a trigger is cleared with its state");
    }
}

#[test]
fn a_trigger_of_ones_own_has_state_and_timers_and_its_leftovers_do_no_harm() {
    let tens = TumblingEventTimeWindows::of(ms(10));
    check(
        tens,
        0,
        |windows| windows.trigger(Odd),
        &[
            (Push(7, 1, 0), &[]),
            (Push(7, 2, 0), &[]),
            (Push(7, 3, 0), &["7 [0, 10) 1 2 3"]),
            (Push(7, 4, 0), &[]),
            (Push(7, 5, 0), &[]),
            (Push(7, 6, 0), &[]),
            (Clock(501), &["7 [0, 10) 6"]),
            (Push(7, 7, 0), &[]),
            (Watermark(9), &[]),
            (Clock(5_000), &[]),
            (Watermark(END), &[]),
        ],
    );
}

/// Fires, and asks for the next second and for the window's end, whenever it is asked.
#[derive(Clone)]
struct Restless;

impl Trigger<Reading> for Restless {
    type State = ();

    fn on_element(
        &mut self,
        _: &Archived<Reading>,
        _: Timestamp,
        (): &mut (),
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        self.ask(cx);
        TriggerResult::Continue
    }

    fn on_processing_time(&mut self, _: Timestamp, (): &mut (), cx: &mut TriggerContext<'_>) -> TriggerResult {
        self.ask(cx);
        TriggerResult::Fire
    }

    fn clear(&mut self, (): &(), _: &mut TriggerContext<'_>) {}
}

impl Restless {
    fn ask(&self, cx: &mut TriggerContext<'_>) {
        cx.register_processing_time_timer(cx.current_processing_time().plus(1_000));
        cx.register_processing_time_timer(cx.window().max_timestamp());
    }
}

#[test]
fn the_end_of_the_input_is_the_end_of_each_window_by_the_clock_and_no_more() {
    let days = || TumblingProcessingTimeWindows::of(std::time::Duration::from_secs(86_400));
    let every_second = || ContinuousProcessingTimeTrigger::of(std::time::Duration::from_secs(1));
    let end: &[(_, &[&str])] = &[
        (Clock(3), &[]),
        (Push(7, 1, 0), &[]),
        (Clock(1_001), &["7 [0, 86400000) 1"]),
        (Push(7, 2, 0), &[]),
        (Push(8, 3, 0), &[]),
        (Watermark(END), &["8 [0, 86400000) 3", "7 [0, 86400000) 1 2"]),
    ];
    check(days(), 0, |windows| windows.trigger(every_second()), end);
    check(days(), 0, |windows| windows.trigger(ProcessingTimeoutTrigger::of(every_second(), ms(40_000))), end);
    check(
        days(),
        0,
        |windows| windows.trigger(Restless),
        &[
            (Clock(3), &[]),
            (Push(7, 1, 0), &[]),
            (Clock(1_004), &["7 [0, 86400000) 1"]),
            (Push(8, 3, 0), &[]),
            (Watermark(END), &["8 [0, 86400000) 3", "7 [0, 86400000) 1"]),
        ],
    );
    // A window without an end has none now either.
    let all = || CustomWindows::processing_time(|_: &Archived<Reading>, _, out| out.push(TimeWindow::GLOBAL));
    check(
        all(),
        0,
        |windows| windows.trigger(every_second()),
        &[(Clock(3), &[]), (Push(7, 1, 0), &[]), (Clock(1_001), &["7 all 1"]), (Watermark(END), &[])],
    );
}

#[test]
fn a_trigger_that_cannot_merge_is_refused_for_sessions_while_the_job_is_built() {
    let error = OperatorHarness::of(|readings: DataStream<Reading>| {
        let sessions =
            readings.key_by(|reading| reading.0.to_native()).window(EventTimeSessionWindows::with_gap(ms(10)));
        sessions.trigger(Odd).reduce(|sum, reading| sum.1 += reading.1)
    });
    let error = error.err().expect("it is refused").to_string();
    assert!(error.contains("cannot merge"), "{error}");
}
