//! Scripts of windows: what is pushed and which time it is, and what comes out, step by step. Each is run as it is and with the state moved
//! to two subtasks and back after every step.

use std::time::Duration;

use yeoul_operator::OperatorError;
use yeoul_stream::{
    Collector, DataStream, OutputTag, ProcessWindowFunction, WindowAssigner, WindowContext, WindowedStream,
};

use crate::aligned::Reading;
use crate::fleet::Fleet;

/// One step of a script.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Do {
    /// A reading of a key, with its event time.
    Push(u64, u64, i64),
    Watermark(i64),
    Clock(i64),
}

/// Says what a window holds: `7 [0, 10) 1 2 3`.
#[derive(Clone)]
pub(crate) struct Say;

impl ProcessWindowFunction for Say {
    type Key = u64;
    type In = Reading;
    type Out = String;

    fn process(
        &mut self,
        key: &u64,
        cx: &mut WindowContext<'_, u64>,
        readings: &[Reading],
        out: &mut Collector<String>,
    ) -> Result<(), OperatorError> {
        let (start, end) = (cx.window().start.0, cx.window().end.0);
        let amounts: Vec<String> = readings.iter().map(|reading| reading.1.to_string()).collect();
        let window = if start == i64::MIN { "all".to_owned() } else { format!("[{start}, {end})") };
        out.collect(format!("{key} {window} {}", amounts.join(" ")).trim_end().to_owned());
        Ok(())
    }
}

pub(crate) fn ms(millis: i64) -> Duration {
    Duration::from_millis(millis as u64)
}

/// Plays a script, twice. Late readings are said as `late 1`, at the end of a step.
pub(crate) fn check<A: Into<WindowAssigner<Reading>>>(
    assigner: A,
    lateness: i64,
    with: impl Fn(WindowedStream<u64, Reading>) -> WindowedStream<u64, Reading>,
    script: &[(Do, &[&str])],
) {
    let assigner = assigner.into();
    for moves in [false, true] {
        let late = OutputTag::<Reading>::new("late");
        let mut fleet = Fleet::new(|readings: DataStream<Reading>| {
            let windows = readings.key_by(|reading| reading.0.to_native()).window(assigner.clone());
            let windows = with(windows.allowed_lateness(ms(lateness)).side_output_late_data(&late));
            let said = windows.process(Say);
            let _ = said.side_output(&late);
            said
        });
        for (at, (step, expected)) in script.iter().enumerate() {
            match *step {
                Do::Push(key, amount, time) => fleet.push(&[((key, amount), time)]),
                Do::Watermark(watermark) => fleet.watermark(watermark),
                Do::Clock(now) => fleet.processing_time(now),
            }
            let said = fleet.take_unsorted().into_iter().map(|(said, _)| said);
            let lates = fleet.take_side_output(&late).into_iter().map(|((_, amount), _)| format!("late {amount}"));
            let all: Vec<String> = said.chain(lates).collect();
            assert_eq!(all, *expected, "step {at}, {step:?}, moves: {moves}");
            if moves {
                fleet.restart(2, &[], i64::MIN);
                fleet.restart(1, &[], i64::MIN);
            }
        }
    }
}
