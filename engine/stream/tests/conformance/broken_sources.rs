//! One source, in as many ways wrong as there are rules: each way is found, and named by its rule.

use std::sync::Arc;
use std::time::Duration;

use yeoul_frame::{Frame, Pool, RowBuilder, RowKind, Timestamp};
use yeoul_operator::{
    ERROR_OUTPUT, MakeSource, OpenContext, OperatorError, Snapshot, Source, SourceContext, SourcePoll, SourceSpec,
    SplitId, Subtask,
};
use yeoul_stream::conformance::{Rule, SourceConformance, Violation};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    LosesARecordAtRestore,
    RepeatsARecordAtRestore,
    BeginsAnewAtRestore,
    LosesARecordWhenRescaled,
    ForgetsSplitsOfOthers,
    NotesWhatItWillRead,
    SkipsARecord,
    TurnsTheOrderAround,
    ReadsSplitsOfOthers,
    ReadsOnInASnapshot,
    NotesOnlyWhatItHasRead,
    HasMoreAfterItsEnd,
    LowersItsWatermark,
    TakesAnyBytes,
    PanicsAtBadBytes,
    SaysReadyForEver,
    WaitsForNobody,
    RepeatsErrorsAtRestore,
    FailsAtItsEnd,
    LowersItsWatermarkAtRestore,
}

const SPLITS: u64 = 3;
const RECORDS: u64 = 12;

/// Three splits of a dozen numbers each, read two at a time, with a malformed one in the middle of each.
struct Numbers(Flaw);

impl SourceSpec for Numbers {
    type Out = u64;
    type Error = String;

    fn make(&self) -> MakeSource {
        let flaw = self.0;
        Arc::new(move || {
            let subtask = Subtask { index: 0, parallelism: 1 };
            Box::new(Reader { flaw, subtask, own: Vec::new(), restored: false, read_once: false, ends: 0 })
        })
    }
}

struct Reader {
    flaw: Flaw,
    subtask: Subtask,
    /// Splits, and how much of each was read.
    own: Vec<(u64, u64)>,
    restored: bool,
    read_once: bool,
    ends: u32,
}

fn frame<T: yeoul_frame::Record>(rows: impl IntoIterator<Item = T>, pool: &Pool) -> Frame {
    let mut builder = RowBuilder::new(pool, 8);
    rows.into_iter().for_each(|row| builder.push(&row, Timestamp(0), RowKind::Insert).unwrap());
    builder.finish()
}

impl Source for Reader {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.subtask = cx.subtask;
        let all = self.flaw == Flaw::ReadsSplitsOfOthers;
        let owned = |split: &u64| all || SplitId(*split).owner(cx.subtask.parallelism) == cx.subtask.index;
        self.own = (0..SPLITS).filter(owned).map(|split| (split, 0)).collect();
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        if self.restored && !self.read_once && self.flaw == Flaw::RepeatsErrorsAtRestore {
            cx.emit_side(ERROR_OUTPUT, frame(["malformed".to_owned()], cx.pool()));
        }
        self.read_once = true;
        let Some((split, read)) = self.own.iter_mut().find(|(_, read)| *read < RECORDS) else {
            self.ends += 1;
            return match self.flaw {
                Flaw::SaysReadyForEver => Ok(SourcePoll::Ready),
                Flaw::WaitsForNobody => Ok(SourcePoll::Pending { until: None }),
                Flaw::FailsAtItsEnd => Err(OperatorError::new("nothing is left")),
                Flaw::HasMoreAfterItsEnd if self.ends == 2 => {
                    cx.emit(SplitId(u64::from(self.subtask.index)), frame([0_u64], cx.pool()));
                    Ok(SourcePoll::Ready)
                }
                _ => Ok(SourcePoll::End),
            };
        };
        let mut next = vec![*split * 100 + *read, *split * 100 + *read + 1];
        if *read == 4 {
            match self.flaw {
                Flaw::SkipsARecord => drop(next.remove(0)),
                Flaw::TurnsTheOrderAround => next.reverse(),
                _ => cx.emit_side(ERROR_OUTPUT, frame([format!("malformed in split {split}")], cx.pool())),
            }
        }
        cx.emit(SplitId(*split), frame(next, cx.pool()));
        let watermark = match self.flaw {
            Flaw::LowersItsWatermark => RECORDS - *read,
            Flaw::LowersItsWatermarkAtRestore if self.restored => *read / 8,
            _ => *read,
        };
        cx.watermark(SplitId(*split), Timestamp(watermark as i64));
        *read += 2;
        Ok(SourcePoll::Ready)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        let mut bytes = Vec::new();
        for (split, read) in &mut self.own {
            let noted = match self.flaw {
                Flaw::NotesWhatItWillRead if *read > 0 && *read < RECORDS => *read + 1,
                Flaw::NotesOnlyWhatItHasRead if !self.read_once => 0,
                _ => *read,
            };
            if self.flaw == Flaw::ReadsOnInASnapshot && *read == 6 {
                *read += 1;
            }
            bytes.extend(split.to_le_bytes().into_iter().chain(noted.to_le_bytes()));
        }
        snapshot.state("numbers", bytes);
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        self.restored = true;
        let (words, rest) = bytes.as_chunks::<8>();
        if self.flaw == Flaw::PanicsAtBadBytes {
            assert!(rest.is_empty(), "whole words");
        }
        if self.flaw != Flaw::TakesAnyBytes && (name != "numbers" || !rest.is_empty()) {
            return Err(OperatorError::new("these are not the positions of numbers"));
        }
        let words: Vec<_> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let rescaled = from.parallelism != self.subtask.parallelism;
        if self.flaw == Flaw::ForgetsSplitsOfOthers && from.index != self.subtask.index {
            return Ok(());
        }
        for [split, noted] in words.as_chunks::<2>().0 {
            if let Some((_, read)) = self.own.iter_mut().find(|(own, _)| own == split) {
                let in_the_middle = *noted > 0 && *noted < RECORDS;
                *read = match self.flaw {
                    Flaw::BeginsAnewAtRestore => 0,
                    Flaw::LosesARecordAtRestore if in_the_middle => noted + 1,
                    Flaw::LosesARecordWhenRescaled if in_the_middle && rescaled => noted + 1,
                    Flaw::RepeatsARecordAtRestore if in_the_middle => noted - 1,
                    _ => *noted,
                };
            }
        }
        Ok(())
    }
}

fn run(flaw: Flaw) -> Result<(), Violation> {
    let records = (0..SPLITS).flat_map(|split| (0..RECORDS).map(move |n| split * 100 + n));
    let conformance = SourceConformance::of(move || Numbers(flaw)).expecting(records).expecting_errors(3);
    conformance.patience(Duration::from_millis(1)).run()
}

#[test]
fn each_flaw_of_a_source_is_found_by_its_rule() {
    fn check(flaw: Flaw, rule: Rule, shown: &str) {
        let violation = run(flaw).expect_err(&format!("{flaw:?} is found"));
        assert_eq!(violation.rule(), rule, "{flaw:?}: {violation}");
        let text = violation.to_string();
        assert!(text.contains(&rule.to_string()) && text.contains(shown), "{flaw:?}: {text}");
    }
    run(Flaw::None).unwrap();
    check(Flaw::LosesARecordAtRestore, Rule::RestoreGoesOn, "gives 3 where 2, its record 2, is to come");
    check(Flaw::RepeatsARecordAtRestore, Rule::RestoreGoesOn, "gives 1 again where 2, its record 2, is to come");
    check(Flaw::BeginsAnewAtRestore, Rule::RestoreGoesOn, "gives 0 again where 2");
    check(Flaw::LosesARecordWhenRescaled, Rule::RestoreGoesOn, "on 1, then 2, then 4, then 1 instances");
    check(Flaw::ForgetsSplitsOfOthers, Rule::RestoreGoesOn, "on 1, then 2, then 4, then 1 instances");
    check(Flaw::NotesWhatItWillRead, Rule::RestoreGoesOn, "with a crash after 1 poll each, on 1, then 1 instances");
    check(Flaw::SkipsARecord, Rule::EveryRecordOnce, "3 records are missing, the first is 4");
    check(Flaw::TurnsTheOrderAround, Rule::SplitOrder, "split 0 gives [0, 1, 2, 3, 5, 4");
    check(Flaw::ReadsSplitsOfOthers, Rule::OneReader, "instance 1 of 2 speaks for split 0, which is instance 0's");
    check(Flaw::ReadsOnInASnapshot, Rule::SnapshotIsSilent, "gives 7 where 6, its record 6, is to come");
    check(Flaw::NotesOnlyWhatItHasRead, Rule::PositionsSurvive, "noted, restored, noted and restored");
    check(Flaw::HasMoreAfterItsEnd, Rule::EndIsFinal, "instance 0 said End, and had more");
    check(Flaw::LowersItsWatermark, Rule::WatermarksRise, "split 0 was at");
    check(Flaw::LowersItsWatermarkAtRestore, Rule::WatermarksRise, "with a crash after");
    check(Flaw::TakesAnyBytes, Rule::GarbageIsRefused, "under another name were taken");
    check(Flaw::PanicsAtBadBytes, Rule::NoPanic, "restore panicked: whole words");
    check(Flaw::SaysReadyForEver, Rule::SaysPending, "gave nothing but Ready");
    check(Flaw::WaitsForNobody, Rule::WakesUp, "after 36 records it waits without a time");
    check(Flaw::RepeatsErrorsAtRestore, Rule::ErrorsOnce, "came to the error output");
    check(Flaw::FailsAtItsEnd, Rule::Works, "poll failed: nothing is left");
}
