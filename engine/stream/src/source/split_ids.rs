//! Ids of splits from what names them.

use yeoul_frame::hash_bytes;
use yeoul_operator::SplitId;

/// The id of the split of this name: a stable hash, so that splits spread over instances whatever their names.
///
/// ```
/// use yeoul_stream::split_id;
///
/// assert_eq!(split_id("orders-0"), split_id("orders-0"));
/// assert_ne!(split_id("orders-0"), split_id("orders-1"));
/// ```
#[must_use]
pub fn split_id(name: &str) -> SplitId {
    SplitId(hash_bytes(name.as_bytes()).0)
}
