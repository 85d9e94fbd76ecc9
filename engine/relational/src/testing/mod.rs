//! Drives one operator in tests: frames and results as text, snapshots through the encoded log, and the fold of a changelog.

mod harness;
mod script;
mod table;

pub(crate) use harness::{Harness, Saved, Step, run_with_restores};
pub(crate) use script::check;
pub(crate) use table::{Fold, Table, fold, rows};

use crate::{JoinKind, RegularJoin, Uniqueness};

/// `left WHERE k NOT IN (right)`, by the first columns.
pub(crate) fn not_in(left: &Table, right: &Table) -> RegularJoin {
    RegularJoin {
        kind: JoinKind::Anti,
        left_keys: vec![0],
        right_keys: vec![0],
        null_equals_null: false,
        null_aware: true,
        residual: None,
        left_schema: left.schema().clone(),
        right_schema: right.schema().clone(),
        left_unique: Uniqueness::None,
        right_unique: Uniqueness::None,
        left_ttl: None,
        right_ttl: None,
        update_before: true,
        schema: left.schema().clone(),
    }
}

/// The bytes that docs/format.md prints under this name.
pub(crate) fn printed(name: &str) -> Vec<u8> {
    let page = include_str!("../../../../docs/format.md").lines();
    let lines = page.filter_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix("| "));
    let hex = lines.flat_map(|line| line.split('|').next().unwrap_or_default().split_whitespace());
    hex.map(|hex| u8::from_str_radix(hex, 16).unwrap()).collect()
}

/// Holds a value's encoding against what docs/format.md prints under this name, both ways.
pub(crate) fn check_printed<T: yeoul_state::Stored>(name: &str, value: &T) {
    let (mut bytes, mut again) = (Vec::new(), Vec::new());
    value.encode(&mut bytes);
    assert_eq!(bytes, printed(name), "{name}");
    T::decode(&mut &bytes[..]).unwrap().encode(&mut again);
    assert_eq!(again, bytes, "{name} comes back");
}
