//! One sink, wrong in many ways: each is found, and named by the rule that it breaks.

use std::sync::{Arc, Mutex};

use rkyv::Archived;
use tempfile::TempDir;
use yeoul_frame::Epoch;
use yeoul_operator::{OperatorError, Services};
use yeoul_stream::conformance::{Rule, SinkConformance, Violation};
use yeoul_stream::{
    AtLeastOnce, EpochCommitter, EpochTarget, EpochWriter, ExactlyOnce, IdempotentSink, Sealed, SinkContext,
    TransactionalSink, WriteContext,
};
use yeoul_sys::Storage;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    SetsTheMarkerAfter,
    SetsTheMarkerBefore,
    ShowsRecordByRecord,
    ShowsWhatIsWritten,
    ShowsWhatIsSealed,
    /// None of it: it looks at what it has when it is delivered again.
    AnswersNoMarker,
    ClaimsWhatWasCommitted,
    ClaimsTheNextEpoch,
    ShowsAnEpochAgain,
    TakesOneInstanceOnly,
    ShowsWhatACrashLeft,
    KeepsRecordsOverEpochs,
    PanicsAtAnEmptyEpoch,
}

/// What everyone sees, and what stands beside it.
#[derive(Default)]
struct Target {
    visible: Vec<u64>,
    staged: Vec<u64>,
    marker: Epoch,
    operations: u64,
}

#[derive(Clone)]
struct Sink {
    target: Arc<Mutex<Target>>,
    flaw: Flaw,
}

impl Sink {
    fn new(flaw: Flaw) -> Self {
        Self { target: Arc::new(Mutex::new(Target { operations: u64::MAX, ..Target::default() })), flaw }
    }

    /// One operation of the target: all of it happens, or nothing.
    fn transact<R>(&self, change: impl FnOnce(&mut Target) -> R) -> Result<R, OperatorError> {
        let mut target = self.target.lock().unwrap();
        let left = target.operations.checked_sub(1);
        target.operations = left.ok_or_else(|| OperatorError::new("the target is gone"))?;
        Ok(change(&mut target))
    }
}

impl TransactionalSink for Sink {
    type Writer = Writer;
    type Committer = Sink;

    fn writer(&self, _: &SinkContext) -> Result<Writer, OperatorError> {
        Ok(Writer { sink: self.clone(), records: Vec::new() })
    }

    fn committer(&self, _: &Services) -> Result<Sink, OperatorError> {
        Ok(self.clone())
    }
}

struct Writer {
    sink: Sink,
    records: Vec<u64>,
}

impl EpochWriter for Writer {
    type In = u64;
    type Committable = Vec<u64>;

    fn write(&mut self, record: &Archived<u64>, _: &WriteContext) -> Result<(), OperatorError> {
        let record = record.to_native();
        self.records.push(record);
        match self.sink.flaw {
            Flaw::ShowsWhatIsWritten => self.sink.transact(|target| target.visible.push(record)),
            Flaw::ShowsWhatACrashLeft => self.sink.transact(|target| target.staged.push(record)),
            _ => Ok(()),
        }
    }

    fn seal(&mut self, _: Epoch) -> Result<Option<Vec<u64>>, OperatorError> {
        let records = self.records.clone();
        if self.sink.flaw != Flaw::KeepsRecordsOverEpochs {
            self.records.clear();
        }
        if self.sink.flaw == Flaw::ShowsWhatIsSealed {
            self.sink.transact(|target| target.visible.extend(&records))?;
        }
        Ok((!records.is_empty()).then_some(records))
    }
}

impl EpochCommitter for Sink {
    type Committable = Vec<u64>;

    fn recover(&mut self, committed: Epoch) -> Result<Epoch, OperatorError> {
        match self.flaw {
            Flaw::AnswersNoMarker => Ok(Epoch(0)),
            Flaw::ClaimsWhatWasCommitted => Ok(committed),
            Flaw::ClaimsTheNextEpoch => Ok(committed.next()),
            _ => self.transact(|target| target.marker),
        }
    }

    fn deliver(&mut self, epoch: Epoch, mut sealed: Vec<Sealed<Vec<u64>>>) -> Result<(), OperatorError> {
        let known = self.transact(|target| target.marker)?;
        if epoch <= known && self.flaw != Flaw::ShowsAnEpochAgain {
            return Ok(());
        }
        if self.flaw == Flaw::TakesOneInstanceOnly {
            sealed.truncate(1);
        }
        let records: Vec<u64> = sealed.into_iter().flat_map(|of| of.committable).collect();
        match self.flaw {
            Flaw::PanicsAtAnEmptyEpoch => {
                assert!(!records.is_empty(), "an epoch has a record");
            }
            Flaw::ShowsWhatIsWritten | Flaw::ShowsWhatIsSealed => return self.transact(|target| target.marker = epoch),
            Flaw::SetsTheMarkerAfter => {
                self.transact(|target| target.visible.extend(records))?;
                return self.transact(|target| target.marker = epoch);
            }
            Flaw::SetsTheMarkerBefore => {
                self.transact(|target| target.marker = epoch)?;
                return self.transact(|target| target.visible.extend(records));
            }
            Flaw::ShowsRecordByRecord => {
                for record in records {
                    self.transact(|target| target.visible.push(record))?;
                }
                return self.transact(|target| target.marker = epoch);
            }
            Flaw::ShowsWhatACrashLeft => {
                return self.transact(|target| {
                    let staged = std::mem::take(&mut target.staged);
                    target.visible.extend(staged);
                    target.marker = epoch;
                });
            }
            _ => {}
        }
        self.transact(|target| {
            target.visible.extend(records);
            target.marker = epoch;
        })
    }
}

fn run(flaw: Flaw) -> Result<(), Violation> {
    SinkConformance::of(
        move || Sink::new(flaw),
        |sink| sink.clone().into_sink(),
        |sink| sink.target.lock().unwrap().visible.clone(),
    )
    .writing(0..40)
    .interrupted_by(|sink, operations| sink.target.lock().unwrap().operations = operations)
    .run()
}

#[test]
fn each_flaw_of_a_sink_is_found_by_its_rule() {
    fn check(flaw: Flaw, rule: Rule, shown: &str) {
        let violation = run(flaw).expect_err(&format!("{flaw:?} is found"));
        assert_eq!(violation.rule(), rule, "{flaw:?}: {violation}");
        let text = violation.to_string();
        assert!(text.contains(&rule.to_string()) && text.contains(shown), "{flaw:?}: {text}");
    }
    run(Flaw::None).unwrap();
    run(Flaw::AnswersNoMarker).unwrap();
    check(Flaw::SetsTheMarkerAfter, Rule::EpochsOnce, "with a crash at an operation of the target");
    check(Flaw::SetsTheMarkerBefore, Rule::MarkerIsTrue, "recover answers epoch 1, and it is not there");
    check(Flaw::ShowsRecordByRecord, Rule::EpochsInWhole, "1 record of epoch 1 can be seen, of 8");
    check(Flaw::ShowsWhatIsWritten, Rule::NothingUncommitted, "after records of epoch 1 were written");
    check(Flaw::ShowsWhatIsSealed, Rule::NothingUncommitted, "after epoch 1 was sealed");
    check(Flaw::ClaimsWhatWasCommitted, Rule::MarkerIsTrue, "before it was delivered");
    check(Flaw::ClaimsTheNextEpoch, Rule::MarkerIsTrue, "epoch 0 is the last that was committed");
    check(Flaw::ShowsAnEpochAgain, Rule::DeliverAgain, "after epoch 1 was delivered again");
    check(Flaw::TakesOneInstanceOnly, Rule::NothingLost, "on 2 shards");
    check(Flaw::ShowsWhatACrashLeft, Rule::EpochsOnce, "with a crash in epoch 1, before it was sealed");
    check(Flaw::KeepsRecordsOverEpochs, Rule::EpochsOnce, "after epoch 2 was delivered");
    check(Flaw::PanicsAtAnEmptyEpoch, Rule::NoPanic, "deliver panicked: an epoch has a record");
}

/// Adds up what a table that upserts would replace.
#[derive(Clone, Default)]
struct Sums(Arc<Mutex<std::collections::BTreeMap<u64, i64>>>);

impl IdempotentSink for Sums {
    type In = (u64, i64);

    fn upsert(&mut self, (key, value): (u64, i64)) -> Result<(), OperatorError> {
        *self.0.lock().unwrap().entry(key).or_default() += value;
        Ok(())
    }

    fn delete(&mut self, (key, _): (u64, i64)) -> Result<(), OperatorError> {
        self.0.lock().unwrap().remove(&key);
        Ok(())
    }
}

#[test]
fn a_target_that_counts_twice_what_it_is_told_twice_is_found() {
    let sink = |sums: &Sums| {
        let sums = sums.clone();
        AtLeastOnce::new(move |_| Ok(sums.clone()))
    };
    let rows = |sums: &Sums| sums.0.lock().unwrap().iter().map(|(key, value)| (*key, *value)).collect();
    let conformance = SinkConformance::of(Sums::default, sink, rows).writing((0..20).map(|n| (n, 1)));
    let violation = conformance.keyed_by(|row| row.0).final_table((0..20).map(|n| (n, 1))).run().unwrap_err();
    assert_eq!(violation.rule(), Rule::FinalTable, "{violation}");
}

/// Shows each epoch as a file of its name.
struct EpochFiles {
    folder: Arc<dyn Storage>,
    flaw: FileFlaw,
}

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileFlaw {
    None,
    /// The file has its name before it has its lines.
    WritesInPlace,
    /// A second file names the epoch, and is written after the first.
    KeepsTheMarkerApart,
}

impl EpochFiles {
    fn write(&self, name: &str, text: &str) -> std::io::Result<()> {
        let file = self.folder.create(name).or_else(|_| self.folder.open(name))?;
        file.set_len(0)?;
        file.write_at(text.as_bytes(), 0)?;
        file.sync_data()
    }

    fn show(&self, epoch: Epoch, numbers: &[u64]) -> std::io::Result<()> {
        let text: String = numbers.iter().map(|number| format!("{number}\n")).collect();
        let name = match self.flaw {
            FileFlaw::None => format!("{}", epoch.0),
            FileFlaw::WritesInPlace => return self.write(&epoch.0.to_string(), &text),
            // A name of its own for each delivery, as a sink that only appends would have it.
            FileFlaw::KeepsTheMarkerApart => self.folder.list("")?.len().to_string(),
        };
        self.write("unfinished", &text)?;
        self.folder.rename("unfinished", &name)?;
        if self.flaw == FileFlaw::KeepsTheMarkerApart {
            self.write("marker", &epoch.0.to_string())?;
        }
        self.folder.sync_dir("")
    }

    fn marker(&self) -> std::io::Result<Epoch> {
        let names: Vec<String> = self.folder.list("")?.into_iter().map(|entry| entry.name).collect();
        if self.flaw != FileFlaw::KeepsTheMarkerApart {
            return Ok(names.iter().filter_map(|name| name.parse().ok().map(Epoch)).max().unwrap_or_default());
        }
        if !names.iter().any(|name| name == "marker") {
            return Ok(Epoch(0));
        }
        let file = self.folder.open("marker")?;
        let mut text = vec![0; file.len()? as usize];
        file.read_exact_at(&mut text, 0)?;
        Ok(Epoch(String::from_utf8_lossy(&text).parse().unwrap_or(0)))
    }
}

impl EpochTarget for EpochFiles {
    type In = u64;

    fn recover(&mut self, _: Epoch) -> Result<Epoch, OperatorError> {
        self.marker().map_err(|error| OperatorError::new("the marker").caused_by(error))
    }

    fn deliver(&mut self, epoch: Epoch, numbers: Vec<u64>) -> Result<(), OperatorError> {
        if epoch <= self.recover(epoch)? {
            return Ok(());
        }
        self.show(epoch, &numbers).map_err(|error| OperatorError::new("the epoch's file").caused_by(error))
    }
}

#[test]
fn crashes_at_calls_of_files_find_what_is_not_done_in_one_step() {
    let run = |flaw: FileFlaw| {
        let sink = move |folder: &TempDir| {
            let path = folder.path().to_owned();
            ExactlyOnce::new(move |services| {
                let folder = services.files.results(&path);
                Ok(EpochFiles { folder: folder.map_err(|error| OperatorError::new("open").caused_by(error))?, flaw })
            })
        };
        let visible = |folder: &TempDir| {
            let files = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
            let shown =
                files.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().parse::<u64>().is_ok()));
            let texts: Vec<_> = shown.map(|path| std::fs::read_to_string(path).unwrap()).collect();
            // Half a line is half a number, and none that was written.
            texts.iter().flat_map(|text| text.lines()).map(|line| line.parse().unwrap_or(u64::MAX)).collect()
        };
        SinkConformance::of(|| tempfile::tempdir().unwrap(), sink, visible).writing(100..140).run()
    };
    run(FileFlaw::None).unwrap();
    for (flaw, rule) in
        [(FileFlaw::WritesInPlace, Rule::MarkerIsTrue), (FileFlaw::KeepsTheMarkerApart, Rule::EpochsOnce)]
    {
        let violation = run(flaw).expect_err(&format!("{flaw:?} is found"));
        assert!(violation.to_string().contains("with a crash at a call of its files"), "{flaw:?}: {violation}");
        assert_eq!(violation.rule(), rule, "{flaw:?}: {violation}");
    }
}
