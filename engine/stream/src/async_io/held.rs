//! What an operator has not passed on, in the order in which it came: as it waits, and as it stands in a snapshot.
//!
//! Invariants:
//! 1. Over a restore a record is in one subtask, whatever the number of subtasks is now; as many as before go on with what each had.

use yeoul_frame::{RowKind, Timestamp};
use yeoul_operator::{OperatorError, Subtask};
use yeoul_state::Stored;
use yeoul_state::log::Corrupt;

use crate::StateRecord;
use crate::owned_state::{put, take};

/// The name of the state in a snapshot.
pub(super) const IN_FLIGHT: &str = "in-flight";
/// Its version.
const VERSION: u8 = 1;
/// What stands in the place of a record's kind before a watermark.
const WATERMARK: u8 = 4;

/// A record or watermark that is held.
#[derive(Debug, PartialEq)]
pub(super) enum Held<T> {
    Record(T, Timestamp, RowKind),
    Watermark(Timestamp),
}

/// Begins a snapshot: up to which watermark those behind have been told.
pub(super) fn begin(released: Timestamp) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    released.0.encode(&mut bytes);
    bytes
}

pub(super) fn put_record<T: StateRecord>(record: &T, time: Timestamp, kind: RowKind, bytes: &mut Vec<u8>) {
    bytes.push(kind as u8);
    time.0.encode(bytes);
    put(record, bytes);
}

pub(super) fn put_watermark(watermark: Timestamp, bytes: &mut Vec<u8>) {
    bytes.push(WATERMARK);
    watermark.0.encode(bytes);
}

/// Takes its share of what the subtasks of an earlier run had.
#[derive(Debug, Default)]
pub(super) struct Restore {
    /// Records of all subtasks that were seen.
    seen: usize,
    /// Up to which watermark those behind have been told, by all subtasks whose word counts.
    pub(super) released: Option<Timestamp>,
}

impl Restore {
    /// What of a subtask's state is `own`'s.
    pub(super) fn share<T: StateRecord>(
        &mut self,
        name: &str,
        from: Subtask,
        own: Subtask,
        bytes: &[u8],
    ) -> Result<Vec<Held<T>>, OperatorError> {
        let bad = |cause| {
            OperatorError::new(format!("state '{name}' of {} bytes does not read", bytes.len()))
                .caused_by(cause)
                .hint("give the operator that wrote it its old uid, or start from a savepoint of the same job")
                .permanent()
        };
        if name != IN_FLIGHT {
            return Err(bad(Corrupt::new(format!("an asynchronous operator has '{IN_FLIGHT}', and no other state"))));
        }
        let (released, all) = read::<T>(bytes).map_err(bad)?;
        let as_before = from.parallelism == own.parallelism;
        if as_before && from.index != own.index {
            return Ok(Vec::new());
        }
        self.released = Some(self.released.map_or(released, |least| least.min(released)));
        let is_own = |held: &Held<T>| match held {
            _ if as_before => true,
            Held::Record(..) => {
                self.seen += 1;
                (self.seen - 1) % usize::from(own.parallelism) == usize::from(own.index)
            }
            // Between the records of several subtasks it has no place; the operator puts the least of all behind them.
            Held::Watermark(_) => false,
        };
        Ok(all.into_iter().filter(is_own).collect())
    }
}

fn read<T: StateRecord>(mut bytes: &[u8]) -> Result<(Timestamp, Vec<Held<T>>), Corrupt> {
    let bytes = &mut bytes;
    match u8::decode(bytes)? {
        VERSION => {}
        other => return Err(Corrupt::new(format!("it has version {other}, and {VERSION} is known"))),
    }
    let released = Timestamp(i64::decode(bytes)?);
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let kind = u8::decode(bytes)?;
        let time = Timestamp(i64::decode(bytes)?);
        all.push(match RowKind::from_byte(kind) {
            Some(kind) => Held::Record(take(bytes)?, time, kind),
            None if kind == WATERMARK => Held::Watermark(time),
            None => return Err(Corrupt::new(format!("{kind} is no kind of row"))),
        });
    }
    Ok((released, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(name: &str) -> Vec<u8> {
        let page = include_str!("../../../../docs/format.md").lines();
        let lines = page.filter_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix("| "));
        let hex = lines.flat_map(|line| line.split('|').next().unwrap_or_default().split_whitespace());
        hex.map(|hex| u8::from_str_radix(hex, 16).unwrap()).collect()
    }

    fn example() -> Vec<u8> {
        let mut bytes = begin(Timestamp(900));
        put_record(&7_u64, Timestamp(911), RowKind::Insert, &mut bytes);
        put_watermark(Timestamp(910), &mut bytes);
        put_record(&8_u64, Timestamp(912), RowKind::Delete, &mut bytes);
        bytes
    }

    #[test]
    fn it_is_as_printed() {
        assert_eq!(example(), payload("in-flight"));
    }

    fn shared(froms: u16, index: u16, parallelism: u16) -> (Option<Timestamp>, Vec<Held<u64>>) {
        let mut restore = Restore::default();
        let own = Subtask { index, parallelism };
        let of = |from| restore.share(IN_FLIGHT, Subtask { index: from, parallelism: froms }, own, &example()).unwrap();
        let held = (0..froms).flat_map(of).collect();
        (restore.released, held)
    }

    #[test]
    fn as_many_subtasks_as_before_go_on_with_what_each_had_and_others_with_an_equal_share() {
        let (seven, eight) =
            (|| Held::Record(7, Timestamp(911), RowKind::Insert), || Held::Record(8, Timestamp(912), RowKind::Delete));
        let released = Some(Timestamp(900));
        assert_eq!(shared(2, 1, 2), (released, vec![seven(), Held::Watermark(Timestamp(910)), eight()]));
        assert_eq!(shared(1, 0, 2), (released, vec![seven()]));
        assert_eq!(shared(1, 1, 2), (released, vec![eight()]));
        assert_eq!(shared(2, 0, 1), (released, vec![seven(), eight(), seven(), eight()]));
        assert_eq!(shared(2, 0, 3), (released, vec![seven(), eight()]));
    }

    #[test]
    fn what_is_not_its_own_is_refused() {
        let own = Subtask { index: 0, parallelism: 1 };
        let with = |at: usize, byte| {
            let mut bytes = example();
            bytes[at] = byte;
            bytes
        };
        let cut = example()[..20].to_vec();
        for (name, bytes) in [("other", example()), (IN_FLIGHT, cut), (IN_FLIGHT, with(0, 9)), (IN_FLIGHT, with(9, 5))]
        {
            let error = Restore::default().share::<u64>(name, own, own, &bytes).unwrap_err();
            assert!(error.is_permanent() && error.to_string().contains("does not read"), "{error}");
        }
    }
}
