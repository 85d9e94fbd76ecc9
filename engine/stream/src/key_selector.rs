//! What a stream is keyed by: a function from records to keys, applied to a frame at a time.
//!
//! The closure is monomorphised inside; what is called through `dyn` is one call a frame.

use std::marker::PhantomData;
use std::sync::Arc;

use yeoul_frame::{Frame, KeyHash, Record};
use yeoul_operator::Router;
use yeoul_state::Key;

/// Gives the keys of a frame's selected records.
pub(crate) trait KeySelector<K: Key>: Send + Sync {
    /// Appends one key for each selected row, in order.
    fn keys(&self, frame: &Frame, keys: &mut Vec<K>);

    /// Appends the keys' hashes, without the keys.
    fn hashes(&self, frame: &Frame, hashes: &mut Vec<KeyHash>);
}

/// A closure over records of `T`.
struct Selector<T, F> {
    key: Arc<F>,
    records: PhantomData<fn() -> T>,
}

/// The selector that this closure is.
pub(crate) fn selector<T, K, F>(key: Arc<F>) -> Arc<dyn KeySelector<K>>
where
    T: Record,
    K: Key,
    F: Fn(&T::Archived) -> K + Send + Sync + 'static,
{
    Arc::new(Selector::<T, F> { key, records: PhantomData })
}

impl<T: Record, K: Key, F: Fn(&T::Archived) -> K + Send + Sync> KeySelector<K> for Selector<T, F> {
    fn keys(&self, frame: &Frame, keys: &mut Vec<K>) {
        keys.extend(frame.rows::<T>().iter().map(|(_, record)| (self.key)(record)));
    }

    fn hashes(&self, frame: &Frame, hashes: &mut Vec<KeyHash>) {
        hashes.extend(frame.rows::<T>().iter().map(|(_, record)| (self.key)(record).hash()));
    }
}

/// Routes records by the hash of their key.
pub(crate) struct KeyRouter<K: Key>(pub(crate) Arc<dyn KeySelector<K>>);

impl<K: Key> Router for KeyRouter<K> {
    fn hash(&self, frame: &Frame, hashes: &mut Vec<KeyHash>) {
        self.0.hashes(frame, hashes);
    }
}

/// The keys and hashes of the frame that an operator is working on.
pub(crate) struct FrameKeys<K: Key> {
    selector: Arc<dyn KeySelector<K>>,
    keys: Vec<K>,
    hashes: Vec<KeyHash>,
}

impl<K: Key> FrameKeys<K> {
    pub(crate) fn new(selector: Arc<dyn KeySelector<K>>) -> Self {
        Self { selector, keys: Vec::new(), hashes: Vec::new() }
    }

    /// Reads the keys of the selected rows; hashes them unless the exchange has.
    pub(crate) fn read<'a>(&'a mut self, frame: &'a Frame) -> (&'a [K], &'a [KeyHash]) {
        self.keys.clear();
        self.selector.keys(frame, &mut self.keys);
        let hashes = frame.hashes().unwrap_or_else(|| {
            self.hashes.clear();
            self.hashes.extend(self.keys.iter().map(Key::hash));
            &self.hashes
        });
        (&self.keys, hashes)
    }
}
