//! Names of side outputs, and which output of its operator each name stands for.
//!
//! Invariants:
//! 1. Within one operator a name stands for one output and one type of records.

use std::any::{TypeId, type_name};
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use yeoul_frame::Record;
use yeoul_operator::OutputId;

/// Names a side output and the type of its records (Flink's `OutputTag`).
///
/// ```
/// use yeoul_stream::OutputTag;
/// let late = OutputTag::<(u64, i64)>::new("late");
/// assert_eq!(late.name(), "late");
/// ```
pub struct OutputTag<T: Record> {
    name: Arc<str>,
    records: PhantomData<fn() -> T>,
}

impl<T: Record> OutputTag<T> {
    /// A tag of this name. Two tags of one name are the same side output, and must have the same type.
    ///
    /// ```
    /// use yeoul_stream::OutputTag;
    ///
    /// let (late, again) = (OutputTag::<u64>::new("late"), OutputTag::<u64>::new("late"));
    /// assert_eq!(late.name(), again.name());
    /// ```
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), records: PhantomData }
    }

    /// Its name.
    ///
    /// ```
    /// assert_eq!(yeoul_stream::OutputTag::<u64>::new("late").name(), "late");
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl<T: Record> Clone for OutputTag<T> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), records: PhantomData }
    }
}

impl<T: Record> fmt::Debug for OutputTag<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutputTag<{}>({:?})", type_name::<T>(), self.name)
    }
}

/// One side output that someone reads.
#[derive(Clone)]
pub(crate) struct Side {
    pub(crate) name: Arc<str>,
    pub(crate) records: TypeId,
    pub(crate) type_name: &'static str,
    pub(crate) output: OutputId,
}

/// The side outputs of one operator. Written while the graph is built, read when instances open.
#[derive(Clone, Default)]
pub(crate) struct Sides(Arc<Mutex<Vec<Side>>>);

impl Sides {
    /// The output that the tag stands for; a new one if the name is new.
    pub(crate) fn output<T: Record>(&self, tag: &OutputTag<T>) -> Result<OutputId, String> {
        let mut sides = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(side) = sides.iter().find(|side| side.name == tag.name) {
            if side.records == TypeId::of::<T>() {
                return Ok(side.output);
            }
            return Err(format!(
                "side output '{}' has records of {}, and was asked for records of {}; give the two tags different names",
                tag.name,
                side.type_name,
                type_name::<T>()
            ));
        }
        let number = u8::try_from(sides.len() + 1)
            .map_err(|_| format!("side output '{}' is the 256th of its operator", tag.name))?;
        let output = OutputId(number);
        sides.push(Side { name: tag.name.clone(), records: TypeId::of::<T>(), type_name: type_name::<T>(), output });
        Ok(output)
    }

    /// The same as they are now, for another operator: what one of the two is given later, the other is not.
    pub(crate) fn copied(&self) -> Self {
        Self(Arc::new(Mutex::new(self.list())))
    }

    /// All of them, as they are now.
    pub(crate) fn list(&self) -> Vec<Side> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
