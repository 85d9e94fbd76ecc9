//! The conformance test of sinks: what is written, where it is read back, and which guarantee is checked.

use yeoul_frame::RowKind;
use yeoul_operator::{Services, SinkSpec};

use super::Violation;
use super::sink_checks::Checks;
use crate::StateRecord;

/// Checks that a sink shows what was committed, once: through crashes before and after each of its steps, and in the middle of each.
///
/// It writes a few epochs, one of them empty, at changing parallelism, and reads back what is visible after each step. Three things come
/// from the program: a fresh target, a sink into it (also after a crash, when the target holds what it held), and what everyone sees of it.
///
/// A crash in the middle of a step is a call that fails, and all after it. Calls of the job's files
/// ([`Services`]) fail by themselves, one after another; for a target of another kind
/// [`interrupted_by`](Self::interrupted_by) says how it fails. These are crashes of the process, not of the machine: what was written and
/// not synced is still there.
///
/// ```
/// use yeoul_stream::collect;
/// use yeoul_stream::conformance::SinkConformance;
/// # use std::cell::RefCell;
///
/// // `take` takes away what it shows, so what was seen is kept.
/// let fresh = || (collect::<u64>(), RefCell::new(Vec::new()));
/// SinkConformance::of(fresh, |((sink, _), _)| sink.clone(), |((_, collected), seen)| {
///     seen.borrow_mut().extend(collected.take());
///     seen.borrow().clone()
/// })
/// .writing(0..50)
/// .run()?;
/// # Ok::<_, yeoul_stream::conformance::Violation>(())
/// ```
pub struct SinkConformance<T, S: SinkSpec> {
    checks: Checks<T, S>,
}

impl<T, S> SinkConformance<T, S>
where
    S: SinkSpec<In: StateRecord + Clone + PartialEq + std::fmt::Debug>,
{
    /// Checks the sink that `sink` gives for a target that `fresh` gives; `visible` is what anyone may read of the target, in any order.
    #[must_use]
    pub fn of(
        fresh: impl Fn() -> T + 'static,
        sink: impl Fn(&T) -> S + 'static,
        visible: impl Fn(&T) -> Vec<S::In> + 'static,
    ) -> Self {
        let checks = Checks {
            fresh: Box::new(fresh),
            sink: Box::new(sink),
            visible: Box::new(visible),
            interrupt: None,
            rows: Vec::new(),
            key: None,
            table: None,
            settles: false,
            services: Services::default(),
        };
        Self { checks }
    }

    /// The records to write, some dozens.
    #[must_use]
    pub fn writing(self, records: impl IntoIterator<Item = S::In>) -> Self {
        self.changing(records.into_iter().map(|record| (RowKind::Insert, record)))
    }

    /// The changes to write, for a sink that takes more than insertions.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use yeoul_frame::{Epoch, RowKind};
    /// use yeoul_operator::OperatorError;
    /// use yeoul_stream::conformance::SinkConformance;
    /// use yeoul_stream::{AtLeastOnce, IdempotentSink};
    ///
    /// /// The numbers that are there.
    /// #[derive(Clone, Default)]
    /// struct Numbers(Arc<Mutex<std::collections::BTreeSet<u64>>>);
    ///
    /// impl IdempotentSink for Numbers {
    ///     type In = u64;
    /// #   fn upsert(&mut self, number: u64) -> Result<(), OperatorError> {
    /// #       self.0.lock().unwrap().insert(number);
    /// #       Ok(())
    /// #   }
    /// #   fn delete(&mut self, number: u64) -> Result<(), OperatorError> {
    /// #       self.0.lock().unwrap().remove(&number);
    /// #       Ok(())
    /// #   }
    ///     // …
    /// }
    ///
    /// let sink = |numbers: &Numbers| {
    ///     let numbers = numbers.clone();
    ///     AtLeastOnce::new(move |_| Ok(numbers.clone()))
    /// };
    /// let come = (0..30).map(|n| (RowKind::Insert, n));
    /// let go = (0..30).filter(|n| n % 3 == 0).map(|n| (RowKind::Delete, n));
    /// SinkConformance::of(Numbers::default, sink, |numbers| numbers.0.lock().unwrap().iter().copied().collect())
    ///     .changing(come.chain(go))
    ///     .keyed_by(|number| *number)
    ///     .final_table((0..30).filter(|n| n % 3 != 0))
    ///     .run()?;
    /// # Ok::<_, yeoul_stream::conformance::Violation>(())
    /// ```
    #[must_use]
    pub fn changing(mut self, rows: impl IntoIterator<Item = (RowKind, S::In)>) -> Self {
        self.checks.rows = rows.into_iter().collect();
        self
    }

    /// Rows of one key are written by one instance.
    ///
    /// ```
    /// # use std::collections::BTreeMap;
    /// # use std::sync::{Arc, Mutex};
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::conformance::SinkConformance;
    /// # use yeoul_stream::{AtLeastOnce, IdempotentSink};
    /// # #[derive(Clone, Default)]
    /// # struct Table(Arc<Mutex<BTreeMap<u64, i64>>>);
    /// # impl IdempotentSink for Table {
    /// #     type In = (u64, i64);
    /// #     fn upsert(&mut self, (key, value): (u64, i64)) -> Result<(), OperatorError> {
    /// #         self.0.lock().unwrap().insert(key, value);
    /// #         Ok(())
    /// #     }
    /// #     fn delete(&mut self, (key, _): (u64, i64)) -> Result<(), OperatorError> {
    /// #         self.0.lock().unwrap().remove(&key);
    /// #         Ok(())
    /// #     }
    /// # }
    /// # let rows = |table: &Table| table.0.lock().unwrap().iter().map(|(key, value)| (*key, *value)).collect();
    /// # let sink = |table: &Table| {
    /// #     let table = table.clone();
    /// #     AtLeastOnce::new(move |_| Ok(table.clone()))
    /// # };
    /// // `Table`, an `IdempotentSink`, has one row a key: of two, the one that came last.
    /// SinkConformance::of(Table::default, sink, rows)
    ///     .writing((0..40).map(|n| (n % 4, n as i64)))
    ///     .keyed_by(|row| row.0)
    ///     .final_table([(0, 36), (1, 37), (2, 38), (3, 39)])
    ///     .run()?;
    /// # Ok::<_, yeoul_stream::conformance::Violation>(())
    /// ```
    #[must_use]
    pub fn keyed_by(mut self, key: impl Fn(&S::In) -> u64 + 'static) -> Self {
        self.checks.key = Some(Box::new(key));
        self
    }

    /// The sink is idempotent, not transactional ([`AtLeastOnce`](crate::AtLeastOnce)): only the table at the end counts, and it is this
    /// one.
    ///
    /// ```
    /// # use std::sync::{Arc, Mutex};
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::conformance::{Rule, SinkConformance};
    /// # use yeoul_stream::{AtLeastOnce, IdempotentSink};
    /// /// A list, to which a row that is told twice is added twice.
    /// #[derive(Clone, Default)]
    /// struct List(Arc<Mutex<Vec<u64>>>);
    ///
    /// impl IdempotentSink for List {
    ///     type In = u64;
    ///
    ///     fn upsert(&mut self, row: u64) -> Result<(), OperatorError> {
    ///         self.0.lock().unwrap().push(row);
    ///         Ok(())
    ///     }
    /// #     fn delete(&mut self, _: u64) -> Result<(), OperatorError> {
    /// #         Ok(())
    /// #     }
    ///     // …
    /// }
    ///
    /// # let sink = |list: &List| {
    /// #     let list = list.clone();
    /// #     AtLeastOnce::new(move |_| Ok(list.clone()))
    /// # };
    /// let check = SinkConformance::of(List::default, sink, |list| list.0.lock().unwrap().clone());
    /// let violation = check.writing(0..20).final_table(0..20).run().unwrap_err();
    /// assert_eq!(violation.rule(), Rule::FinalTable);
    /// ```
    #[must_use]
    pub fn final_table(mut self, rows: impl IntoIterator<Item = S::In>) -> Self {
        self.checks.table = Some(rows.into_iter().collect());
        self
    }

    /// A crash in the middle of a delivery may leave an epoch visible in part, until the job runs again. Say so only if the sink's
    /// documentation does: its readers have to know.
    ///
    /// ```
    /// # use std::sync::{Arc, Mutex};
    /// # use yeoul_frame::Epoch;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::conformance::{Rule, SinkConformance};
    /// # use yeoul_stream::{EpochTarget, ExactlyOnce};
    /// /// Takes record by record, and the marker at last: between the two a crash may come.
    /// #[derive(Clone, Default)]
    /// struct Slow(Arc<Mutex<(Epoch, Vec<(u64, u64)>, u64)>>);
    ///
    /// impl Slow {
    ///     /// Fails once `left` operations have been done.
    ///     fn operation(&self) -> Result<(), OperatorError> {
    ///         let left = &mut self.0.lock().unwrap().2;
    ///         *left = left.checked_sub(1).ok_or_else(|| OperatorError::new("the target is gone"))?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// impl EpochTarget for Slow {
    ///     type In = u64;
    ///
    ///     fn recover(&mut self, _: Epoch) -> Result<Epoch, OperatorError> {
    ///         self.operation()?;
    ///         let mut target = self.0.lock().unwrap();
    ///         let whole = target.0;
    ///         target.1.retain(|(epoch, _)| *epoch <= whole.0);
    ///         Ok(whole)
    ///     }
    ///
    ///     fn deliver(&mut self, epoch: Epoch, numbers: Vec<u64>) -> Result<(), OperatorError> {
    ///         if epoch <= self.0.lock().unwrap().0 {
    ///             return Ok(());
    ///         }
    ///         for number in numbers {
    ///             self.operation()?;
    ///             self.0.lock().unwrap().1.push((epoch.0, number));
    ///         }
    ///         self.operation()?;
    ///         self.0.lock().unwrap().0 = epoch;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let check = || {
    ///     let fresh = || Slow(Arc::new(Mutex::new((Epoch(0), Vec::new(), u64::MAX))));
    ///     let sink = |target: &Slow| {
    ///         let target = target.clone();
    ///         ExactlyOnce::new(move |_| Ok(target.clone()))
    ///     };
    ///     SinkConformance::of(fresh, sink, |target| target.0.lock().unwrap().1.iter().map(|(_, number)| *number).collect())
    ///         .writing(0..20)
    ///         .interrupted_by(|target, operations| target.0.lock().unwrap().2 = operations)
    /// };
    /// assert_eq!(check().run().unwrap_err().rule(), Rule::EpochsInWhole);
    /// check().whole_after_recovery().run()?;
    /// # Ok::<_, yeoul_stream::conformance::Violation>(())
    /// ```
    #[must_use]
    pub fn whole_after_recovery(mut self) -> Self {
        self.checks.settles = true;
        self
    }

    /// Has the target fail: `interrupt(target, n)` lets `n` more of its operations go well and none after them; of [`u64::MAX`], all.
    /// The example of [`whole_after_recovery`](Self::whole_after_recovery) has it.
    #[must_use]
    pub fn interrupted_by(mut self, interrupt: impl Fn(&T, u64) + 'static) -> Self {
        self.checks.interrupt = Some(Box::new(interrupt));
        self
    }

    /// Clock and files for the sink, in place of the machine's.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use yeoul_operator::Services;
    /// use yeoul_stream::collect;
    /// use yeoul_stream::conformance::SinkConformance;
    /// use yeoul_sys::Clock;
    /// # use std::cell::RefCell;
    ///
    /// /// Always the beginning of 1970.
    /// struct Standing;
    ///
    /// impl Clock for Standing {
    ///     fn monotonic_nanos(&self) -> u64 {
    ///         0
    ///     }
    ///
    ///     fn wall_millis(&self) -> i64 {
    ///         0
    ///     }
    /// }
    ///
    /// # let fresh = || (collect::<u64>(), RefCell::new(Vec::new()));
    /// # let check = SinkConformance::of(fresh, |((sink, _), _)| sink.clone(), |((_, collected), seen)| {
    /// #     seen.borrow_mut().extend(collected.take());
    /// #     seen.borrow().clone()
    /// # });
    /// // `check` as above; what the sink writes does not depend on the clock.
    /// check.writing(0..50).services(Services { clock: Arc::new(Standing), ..Services::default() }).run()?;
    /// # Ok::<_, yeoul_stream::conformance::Violation>(())
    /// ```
    #[must_use]
    pub fn services(mut self, services: Services) -> Self {
        self.checks.services = services;
        self
    }

    /// Runs all checks.
    ///
    /// # Errors
    /// The first rule that is broken, where, and how it showed.
    pub fn run(self) -> Result<(), Violation> {
        self.checks.run()
    }
}
