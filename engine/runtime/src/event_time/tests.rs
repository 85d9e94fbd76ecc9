//! What leaves a source, given its splits' records and silences.

use super::*;
use std::time::Duration;
use yeoul_frame::{Pool, RowBuilder, RowKind};

fn frame(times: &[i64]) -> Frame {
    let mut rows = RowBuilder::<u64>::new(&Pool::new(), 64);
    for time in times {
        rows.push(&(*time as u64), Timestamp(*time), RowKind::Insert).unwrap();
    }
    rows.finish()
}

/// What leaves, as text: times of records, `w` and the watermark, `idle`.
fn render(messages: &mut Vec<Message>) -> String {
    let mut text = Vec::new();
    for message in messages.drain(..) {
        match message {
            Message::Frame(frame) => {
                text.extend(frame.indices().map(|row| frame.times()[row as usize].0.to_string()));
            }
            Message::Signal(Signal::Watermark(at)) if at == Timestamp::MAX => text.push("wMAX".to_owned()),
            Message::Signal(Signal::Watermark(at)) => text.push(format!("w{}", at.0)),
            Message::Signal(_) => text.push("idle".to_owned()),
        }
    }
    text.join(" ")
}

fn bounded(bound: i64, granularity: i64) -> EventTime {
    let strategy = Strategy::BoundedOutOfOrderness(bound);
    EventTime::new(WatermarkSpec { strategy, granularity, ..WatermarkSpec::default() })
}

#[test]
fn watermarks_stand_between_the_same_records_however_frames_fall() {
    let times = [100, 103, 101, 130, 90, 131, 150, 151, 149, 180];
    let whole = {
        let (mut time, mut out) = (bounded(10, 20), Vec::new());
        time.records(SplitId(1), frame(&times), &mut out);
        render(&mut out)
    };
    assert_eq!(whole, "100 w89 103 101 130 w119 90 131 150 w139 151 149 180 w169");
    for size in 1..times.len() {
        let (mut time, mut out) = (bounded(10, 20), Vec::new());
        for part in times.chunks(size) {
            time.records(SplitId(1), frame(part), &mut out);
        }
        assert_eq!(render(&mut out), whole, "frames of {size}");
    }
}

#[test]
fn the_slowest_split_counts_until_it_ends_or_falls_idle() {
    let (mut time, mut out) = (bounded(0, 1), Vec::new());
    time.spec.idleness = Some(Duration::from_millis(50));
    time.records(SplitId(1), frame(&[100]), &mut out);
    time.records(SplitId(2), frame(&[20, 30]), &mut out);
    time.records(SplitId(1), frame(&[200]), &mut out);
    // The second split came after the first had set the watermark: it does not go back.
    assert_eq!(render(&mut out), "100 w99 20 30 200");
    time.records(SplitId(2), frame(&[150]), &mut out);
    time.finished(SplitId(2), &mut out);
    assert_eq!(render(&mut out), "150 w149 w199");
    assert_eq!(wait(&mut time, 0, 40, &mut out), Some(Timestamp(50)));
    assert_eq!(wait(&mut time, 40, 50, &mut out), None);
    time.exhausted(&mut out);
    assert_eq!(render(&mut out), "idle wMAX");
}

/// Asks at each millisecond, and hears nothing.
fn wait(time: &mut EventTime, from: i64, to: i64, out: &mut Vec<Message>) -> Option<Timestamp> {
    let mut next = None;
    for now in from..=to {
        time.tick(Timestamp(now));
        next = time.check_idle(false, Timestamp(now), out);
    }
    next
}

#[test]
fn only_time_in_which_a_source_was_asked_counts_towards_idleness() {
    let (mut time, mut out) = (bounded(0, 1), Vec::new());
    time.spec.idleness = Some(Duration::from_millis(40));
    wait(&mut time, 0, 0, &mut out);
    time.records(SplitId(1), frame(&[100]), &mut out);
    time.records(SplitId(2), frame(&[20]), &mut out);
    out.clear();
    // Backpressure for a minute; then the machine sleeps for an hour.
    time.skip(Timestamp(60_000));
    assert_eq!(time.check_idle(false, Timestamp(60_000), &mut out), Some(Timestamp(60_010)));
    time.tick(Timestamp(3_600_000));
    assert_eq!(time.check_idle(false, Timestamp(3_600_000), &mut out), Some(Timestamp(3_600_010)));
    assert_eq!(render(&mut out), "");
    // Split 1 speaks, split 2 does not: that is what idleness is for.
    for turn in 1..=4 {
        time.tick(Timestamp(3_600_000 + turn * 10));
        time.records(SplitId(1), frame(&[100 + turn]), &mut out);
        time.check_idle(false, Timestamp(3_600_000 + turn * 10), &mut out);
    }
    assert_eq!(render(&mut out), "101 102 103 w102 104 w103");
}

#[test]
fn a_source_with_nobody_left_to_speak_is_idle() {
    let patient = || {
        let mut time = bounded(0, 1);
        time.spec.idleness = Some(Duration::from_millis(40));
        time
    };
    // It never had a split.
    let (mut time, mut out) = (patient(), Vec::new());
    wait(&mut time, 0, 39, &mut out);
    assert_eq!(render(&mut out), "");
    assert_eq!(wait(&mut time, 40, 40, &mut out), None);
    assert_eq!(render(&mut out), "idle");
    wait(&mut time, 41, 200, &mut out);
    assert_eq!(render(&mut out), "");
    time.records(SplitId(1), frame(&[100]), &mut out);
    assert_eq!(render(&mut out), "100 w99");
    // Its last active split ends beside an idle one, and whoever heard that it is idle hears that it is not.
    let mut time = patient();
    wait(&mut time, 0, 0, &mut out);
    time.records(SplitId(1), frame(&[100]), &mut out);
    time.records(SplitId(2), frame(&[50]), &mut out);
    wait(&mut time, 1, 20, &mut out);
    time.records(SplitId(1), frame(&[110]), &mut out);
    wait(&mut time, 21, 40, &mut out);
    assert_eq!(render(&mut out), "100 w99 50 110 w109");
    time.finished(SplitId(1), &mut out);
    wait(&mut time, 41, 41, &mut out);
    assert_eq!(render(&mut out), "idle");
    time.records(SplitId(2), frame(&[60]), &mut out);
    assert_eq!(render(&mut out), "w109 60");
    // Without configured idleness it waits for ever, as in Flink.
    let mut time = bounded(0, 1);
    wait(&mut time, 0, 1_000, &mut out);
    assert_eq!(render(&mut out), "");
}

#[test]
fn a_split_that_says_so_is_idle_whatever_the_patience() {
    let (mut time, mut out) = (bounded(0, 1), Vec::new());
    time.records(SplitId(1), frame(&[100]), &mut out);
    time.records(SplitId(2), frame(&[50]), &mut out);
    time.idle(SplitId(1), &mut out);
    wait(&mut time, 0, 0, &mut out);
    time.records(SplitId(2), frame(&[200]), &mut out);
    assert_eq!(render(&mut out), "100 w99 50 200 w199");
    time.idle(SplitId(2), &mut out);
    wait(&mut time, 1, 2, &mut out);
    assert_eq!(render(&mut out), "idle");
    // Its generator goes on where it was: 150 is behind its own highest, and raises nothing.
    time.records(SplitId(2), frame(&[150, 201]), &mut out);
    assert_eq!(render(&mut out), "w199 150 201 w200");
    // One idles before its first record, and one ends beside it.
    time.idle(SplitId(3), &mut out);
    time.finished(SplitId(1), &mut out);
    time.finished(SplitId(2), &mut out);
    wait(&mut time, 3, 3, &mut out);
    assert_eq!(render(&mut out), "idle");
    // What is idle is in the note, with its generator.
    let (mut idle, mut again) = (bounded(0, 20), bounded(0, 20));
    idle.records(SplitId(1), frame(&[100, 110]), &mut out);
    idle.idle(SplitId(1), &mut out);
    again.load(&idle.save(), true, |_| true).unwrap();
    out.clear();
    again.records(SplitId(1), frame(&[119, 120]), &mut out);
    assert_eq!(render(&mut out), "119 120 w119");
}

#[test]
fn what_the_granularity_held_back_leaves_when_the_source_falls_silent() {
    // A second of silence: and the next watermarks stand where they would have stood.
    let (mut time, mut out) = (bounded(0, 200), Vec::new());
    time.records(SplitId(1), frame(&[0, 150]), &mut out);
    assert_eq!(wait(&mut time, 0, 999, &mut out), Some(Timestamp(1_000)));
    assert_eq!(render(&mut out), "0 w-1 150");
    assert_eq!(wait(&mut time, 1_000, 1_000, &mut out), None);
    assert_eq!(render(&mut out), "w149");
    let saved = time.save();
    time.records(SplitId(1), frame(&[140, 199, 200]), &mut out);
    assert_eq!(render(&mut out), "140 199 200 w199");
    // What left is a floor after a restart, no matter where the split's own last watermark stood.
    let mut again = bounded(0, 200);
    again.load(&saved, true, |_| true).unwrap();
    again.resume(&mut out);
    again.records(SplitId(1), frame(&[140, 199, 200]), &mut out);
    assert_eq!(render(&mut out), "w149 140 199 200 w199");

    // A source that is busy with other splits is not silent.
    time.records(SplitId(1), frame(&[350]), &mut out);
    out.clear();
    for now in 1_001..5_000 {
        time.tick(Timestamp(now));
        time.check_idle(true, Timestamp(now), &mut out);
    }
    assert_eq!(render(&mut out), "");

    // A split that falls idle, or says that it is, says its last word before.
    for says in [false, true] {
        let mut time = bounded(0, 200);
        time.spec.idleness = (!says).then_some(Duration::from_millis(40));
        wait(&mut time, 0, 0, &mut out);
        time.records(SplitId(1), frame(&[0, 150]), &mut out);
        time.records(SplitId(2), frame(&[0, 180]), &mut out);
        for split in [1, 2].into_iter().filter(|_| says) {
            time.idle(SplitId(split), &mut out);
        }
        wait(&mut time, 1, 50, &mut out);
        let expected = if says { "0 w-1 150 0 180 w179 idle" } else { "0 w-1 150 0 180 w149 idle" };
        assert_eq!(render(&mut out), expected);
    }
}

#[test]
fn the_last_word_of_a_split_that_ends_beside_an_idle_one_leaves() {
    let (mut time, mut out) = (bounded(0, 200), Vec::new());
    wait(&mut time, 0, 0, &mut out);
    time.records(SplitId(1), frame(&[0]), &mut out);
    time.records(SplitId(2), frame(&[0, 900, 1050]), &mut out);
    time.idle(SplitId(1), &mut out);
    render(&mut out);
    time.finished(SplitId(2), &mut out);
    wait(&mut time, 1, 2, &mut out);
    assert_eq!(render(&mut out), "w1049 idle");
}

/// Two splits begin, in a source that has been asked once.
fn two_begin() -> (EventTime, Vec<Message>) {
    let (mut time, mut out) = (bounded(0, 1), Vec::new());
    wait(&mut time, 0, 0, &mut out);
    for split in [1, 2] {
        time.watermark_of(SplitId(split), Timestamp::MIN, &mut out);
    }
    (time, out)
}

#[test]
fn splits_that_begin_wait_for_each_others_first_records() {
    let (mut time, mut out) = two_begin();
    time.records(SplitId(1), frame(&[100, 200]), &mut out);
    assert_eq!(time.reached(), Timestamp(199), "which an alignment group goes by");
    time.records(SplitId(2), frame(&[50, 150]), &mut out);
    // It says again that it begins.
    time.watermark_of(SplitId(2), Timestamp::MIN, &mut out);
    assert_eq!(render(&mut out), "100 200 50 w49 150 w149");
}

#[test]
fn a_split_that_began_and_had_nothing_to_say_takes_no_word_with_it() {
    // It falls idle behind the one that spoke, or before it.
    for order in [[1, 2], [2, 1]] {
        let (mut time, mut out) = two_begin();
        time.records(SplitId(1), frame(&[100]), &mut out);
        order.iter().for_each(|split| time.idle(SplitId(*split), &mut out));
        wait(&mut time, 1, 2, &mut out);
        assert_eq!(render(&mut out), "100 w99 idle");
    }
    // It ends, while others may yet be found.
    for order in [[1, 2], [2, 1]] {
        let (mut time, mut out) = two_begin();
        time.records(SplitId(1), frame(&[100]), &mut out);
        order.iter().for_each(|split| time.finished(SplitId(*split), &mut out));
        assert_eq!(render(&mut out), "100 w99");
    }
    // Both run out of patience at once.
    let (mut time, mut out) = two_begin();
    time.spec.idleness = Some(Duration::from_millis(40));
    time.records(SplitId(1), frame(&[100]), &mut out);
    wait(&mut time, 1, 100, &mut out);
    assert_eq!(render(&mut out), "100 w99 idle");
    // Whoever speaks wakes the source, and waits for nobody whose patience has run out.
    time.records(SplitId(1), frame(&[110]), &mut out);
    assert_eq!(render(&mut out), "w99 110 w109");
}

#[test]
fn a_split_that_begins_in_an_idle_source_counts_from_when_any_speaks() {
    let (mut time, mut out) = (bounded(0, 1), Vec::new());
    wait(&mut time, 0, 0, &mut out);
    time.records(SplitId(9), frame(&[10]), &mut out);
    time.idle(SplitId(9), &mut out);
    wait(&mut time, 1, 2, &mut out);
    assert_eq!(render(&mut out), "10 w9 idle");
    for split in [1, 2] {
        time.watermark_of(SplitId(split), Timestamp::MIN, &mut out);
    }
    wait(&mut time, 3, 5_000, &mut out);
    assert!(time.is_idle() && out.is_empty(), "nobody has spoken");
    time.records(SplitId(1), frame(&[100, 200]), &mut out);
    time.records(SplitId(2), frame(&[50, 150]), &mut out);
    assert_eq!(render(&mut out), "w9 100 200 50 w49 150 w149");
    // One that has only begun is not in the note: after a restart it begins again, when it has its turn.
    let (time, _) = two_begin();
    let mut again = bounded(0, 1);
    again.load(&time.save(), true, |_| true).unwrap();
    again.records(SplitId(7), frame(&[300]), &mut out);
    assert_eq!(render(&mut out), "300 w299");
}

#[test]
fn an_end_wakes_no_idle_source() {
    for (splits, dormant) in [(1, false), (2, false), (2, true)] {
        let (mut time, mut out) = (bounded(0, 1), Vec::new());
        time.spec.idleness = Some(Duration::from_millis(40));
        wait(&mut time, 0, 0, &mut out);
        for split in 1..=splits {
            time.records(SplitId(split), frame(&[100 * split as i64]), &mut out);
        }
        if dormant {
            let saved = time.save();
            time = bounded(0, 1);
            time.spec.idleness = Some(Duration::from_millis(40));
            time.load(&saved, true, |_| true).unwrap();
        }
        wait(&mut time, 1, 50, &mut out);
        assert!(render(&mut out).ends_with("idle"));
        for split in 1..=splits {
            time.idle(SplitId(split), &mut out);
            wait(&mut time, 51, 100, &mut out);
        }
        for split in 1..=splits {
            time.finished(SplitId(split), &mut out);
            wait(&mut time, 101, 200, &mut out);
        }
        assert_eq!(render(&mut out), "", "{splits} splits");
        time.records(SplitId(9), frame(&[300]), &mut out);
        assert!(render(&mut out).ends_with("300 w299"));
    }
}

#[test]
fn after_a_restart_what_was_said_is_said_again() {
    // Whoever merges watermarks begins anew: without the word of a source that had ended, it would wait for ever.
    let (mut ended, mut out) = (bounded(10, 20), Vec::new());
    ended.records(SplitId(1), frame(&[100]), &mut out);
    ended.exhausted(&mut out);
    assert_eq!(render(&mut out), "100 w89 wMAX");
    let mut again = bounded(10, 20);
    again.load(&ended.save(), true, |_| true).unwrap();
    assert_eq!(again.watermark(), Timestamp::MAX);
    again.resume(&mut out);
    again.resume(&mut out);
    assert_eq!(render(&mut out), "wMAX");

    // Of several instances the lowest counts, also if that is one which had not begun; and nothing lower leaves.
    let (fresh, mut begun) = (bounded(10, 20), bounded(10, 20));
    begun.records(SplitId(2), frame(&[500]), &mut out);
    out.clear();
    for instances in [[&fresh, &ended], [&ended, &fresh]] {
        let mut again = bounded(10, 20);
        instances.iter().for_each(|of| again.load(&of.save(), true, |_| false).unwrap());
        assert_eq!(again.watermark(), Timestamp::MIN);
    }
    let mut again = bounded(10, 20);
    [&ended, &begun].iter().for_each(|of| again.load(&of.save(), true, |_| false).unwrap());
    again.records(SplitId(3), frame(&[100, 600]), &mut out);
    assert_eq!(render(&mut out), "100 w489 600 w589");
}

#[test]
fn a_restored_split_does_not_let_the_watermark_pass_those_that_come_before_it() {
    // Two instances read splits 1, 3, … and 2, 4, …; the second is far ahead. Then one instance has them all.
    let (mut slow, mut fast, mut out) = (bounded(10, 1), bounded(10, 1), Vec::new());
    slow.records(SplitId(1), frame(&[100]), &mut out);
    fast.records(SplitId(4), frame(&[400]), &mut out);
    out.clear();
    let mut again = bounded(10, 1);
    [&slow, &fast].iter().for_each(|of| again.load(&of.save(), true, |_| true).unwrap());
    again.records(SplitId(1), frame(&[110]), &mut out);
    again.finished(SplitId(1), &mut out);
    for (split, time) in [(2, 200), (3, 300)] {
        again.records(SplitId(split), frame(&[time]), &mut out);
        again.finished(SplitId(split), &mut out);
    }
    again.records(SplitId(4), frame(&[410]), &mut out);
    assert_eq!(render(&mut out), "110 w99 200 w189 300 w289 410 w399");
}

#[test]
fn a_restart_goes_on_where_it_stopped() {
    let (mut time, mut out) = (bounded(10, 20), Vec::new());
    time.records(SplitId(1), frame(&[100, 103, 101]), &mut out);
    let saved = time.save();
    let mut again = bounded(10, 20);
    again.load(&saved, true, |_| true).unwrap();
    let mut after = Vec::new();
    for time in [&mut time, &mut again] {
        time.records(SplitId(1), frame(&[110, 119, 120, 121]), &mut after);
    }
    assert_eq!(render(&mut after), "110 119 120 w109 121 110 119 120 w109 121");
    assert!(again.load(&saved[..saved.len() - 1], true, |_| true).unwrap_err().to_string().contains("cut short"));
}
