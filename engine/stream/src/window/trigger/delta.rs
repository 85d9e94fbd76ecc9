//! Fires when an element is far enough from the one at which it last fired.

use std::fmt;
use std::marker::PhantomData;

use yeoul_frame::{Record, Timestamp};
use yeoul_state::Stored;
use yeoul_state::log::Corrupt;

use super::{Trigger, TriggerContext, TriggerResult};
use crate::owned_state::{Owned, StateRecord};

/// Fires when an element's distance from the element at which it last fired is greater than a threshold (Flink's `DeltaTrigger`).
///
/// ```
/// use yeoul_stream::{DataStream, DeltaTrigger, GlobalWindows, OperatorHarness};
///
/// // The top speed of a car, each time it has gone another fifty metres. Records are (car, metres, speed).
/// let mut harness = OperatorHarness::of(|cars: DataStream<(u64, f64, u32)>| {
///     let windows = cars.key_by(|car| car.0.to_native()).window(GlobalWindows::create());
///     let trigger = DeltaTrigger::of(50.0, |last: &(u64, f64, u32), car: &(u64, f64, u32)| car.1 - last.1);
///     windows.trigger(trigger).reduce(|top, car| top.2 = top.2.max(car.2))
/// })?;
/// harness.push([((7, 0.0, 40), 0), ((7, 30.0, 60), 1), ((7, 51.0, 50), 2)])?;
/// let tops: Vec<u32> = harness.take_output().into_iter().map(|(car, _)| car.2).collect();
/// assert_eq!(tops, [60]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct DeltaTrigger<T, D> {
    threshold: f64,
    delta: D,
    records: PhantomData<fn(T)>,
}

impl<T: StateRecord, D: Fn(&T, &T) -> f64> DeltaTrigger<T, D> {
    /// Fires where `delta(last, element)` is greater than `threshold`.
    pub fn of(threshold: f64, delta: D) -> Self {
        Self { threshold, delta, records: PhantomData }
    }
}

impl<T, D: Clone> Clone for DeltaTrigger<T, D> {
    fn clone(&self) -> Self {
        Self { threshold: self.threshold, delta: self.delta.clone(), records: PhantomData }
    }
}

impl<T, D> fmt::Debug for DeltaTrigger<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeltaTrigger({})", self.threshold)
    }
}

/// What a [`DeltaTrigger`] remembers: the element at which it last fired, or the first one.
///
/// ```
/// use yeoul_stream::LastElement;
/// assert!(LastElement::<u64>::default() == LastElement::default(), "both hold nothing");
/// ```
pub struct LastElement<T>(Owned<T>);

impl<T> Default for LastElement<T> {
    fn default() -> Self {
        Self(Owned::none())
    }
}

impl<T> PartialEq for LastElement<T> {
    /// Whether both hold nothing: what elements are equal is not known.
    fn eq(&self, other: &Self) -> bool {
        self.0.get().is_none() && other.0.get().is_none()
    }
}

impl<T: StateRecord> Stored for LastElement<T> {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self::default()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        Owned::decode(bytes).map(Self)
    }
}

impl<T, D> Trigger<T> for DeltaTrigger<T, D>
where
    T: Record + StateRecord,
    D: Fn(&T, &T) -> f64 + Send + 'static,
{
    type State = LastElement<T>;

    fn on_element(
        &mut self,
        element: &T::Archived,
        _: Timestamp,
        last: &mut LastElement<T>,
        _: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let element = T::from_archived(element);
        let result = match last.0.get() {
            Some(last) if (self.delta)(last, &element) > self.threshold => TriggerResult::Fire,
            Some(_) => return TriggerResult::Continue,
            None => TriggerResult::Continue,
        };
        last.0 = Owned::new(element);
        result
    }

    fn clear(&mut self, _: &LastElement<T>, _: &mut TriggerContext<'_>) {}
}
