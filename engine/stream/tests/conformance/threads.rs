//! A source that reads on a thread of its own, and is woken: what waits is asked again, and nothing is lost at a restore.

use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use yeoul_operator::{OperatorError, SplitId};
use yeoul_stream::conformance::{Rule, SourceConformance};
use yeoul_stream::{ReadStatus, ReaderContext, SplitOutput, SplitReader, SplitSource};

/// Numbers that come from a thread for each split; a multiple of seven is malformed.
struct Threads;

impl SplitSource for Threads {
    type Split = u64;
    type Reader = Channel;

    fn splits(&self, _: &ReaderContext) -> Result<Vec<u64>, OperatorError> {
        Ok(vec![0, 1, 2])
    }

    fn id(&self, split: &u64) -> SplitId {
        SplitId(*split)
    }

    fn open(&self, split: &u64, from: Option<u64>, cx: &ReaderContext) -> Result<Channel, OperatorError> {
        let (next, waker) = (from.unwrap_or(split * 100 + 1), cx.waker());
        let (sender, numbers) = sync_channel(2);
        let end = split * 100 + 10;
        std::thread::spawn(move || {
            for number in next..end {
                if sender.send(number).is_err() {
                    return;
                }
                waker.wake();
            }
            drop(sender);
            waker.wake();
        });
        Ok(Channel { numbers, next })
    }
}

struct Channel {
    numbers: Receiver<u64>,
    next: u64,
}

impl SplitReader for Channel {
    type Out = u64;
    type Error = String;
    type Position = u64;

    fn read(&mut self, out: &mut SplitOutput<u64, String>) -> Result<ReadStatus, OperatorError> {
        while out.has_room() {
            match self.numbers.try_recv() {
                Ok(number) if number % 7 == 0 => out.error(format!("{number} is malformed")),
                Ok(number) => out.collect(number),
                Err(TryRecvError::Empty) => return Ok(ReadStatus::Pending { until: None }),
                Err(TryRecvError::Disconnected) => return Ok(ReadStatus::End),
            }
            self.next += 1;
        }
        Ok(ReadStatus::More)
    }

    fn position(&self) -> u64 {
        self.next
    }
}

#[test]
fn a_source_with_a_thread_that_wakes_it_keeps_the_contract() {
    let numbers = [0, 100, 200].into_iter().flat_map(|first| first + 1..first + 10).filter(|n| n % 7 != 0);
    SourceConformance::of(|| Threads.into_source()).expecting(numbers).expecting_errors(3).run().unwrap();
}

/// Waits, and has nobody to wake it.
struct Forgotten;

impl SplitSource for Forgotten {
    type Split = u64;
    type Reader = Nothing;

    fn splits(&self, _: &ReaderContext) -> Result<Vec<u64>, OperatorError> {
        Ok(vec![0])
    }

    fn id(&self, _: &u64) -> SplitId {
        SplitId(0)
    }

    fn open(&self, _: &u64, _: Option<u64>, _: &ReaderContext) -> Result<Nothing, OperatorError> {
        Ok(Nothing)
    }
}

struct Nothing;

impl SplitReader for Nothing {
    type Out = u64;
    type Error = ();
    type Position = u64;

    fn read(&mut self, _: &mut SplitOutput<u64>) -> Result<ReadStatus, OperatorError> {
        Ok(ReadStatus::Pending { until: None })
    }

    fn position(&self) -> u64 {
        0
    }
}

#[test]
fn a_source_that_nobody_wakes_is_found() {
    let conformance = SourceConformance::of(|| Forgotten.into_source()).expecting([1]);
    let violation = conformance.patience(std::time::Duration::from_millis(1)).run().unwrap_err();
    assert_eq!(violation.rule(), Rule::WakesUp, "{violation}");
}
