//! A commit: all that a checkpoint consists of, and its encoding.
//!
//! Encoded against the commit before it, because a long log has many segments and a short epoch changes one of them, and no blob.
//!
//! Invariants:
//! 1. A shard's segments are listed in the order of their ids, which is the order in which they were written.
//! 2. Decoding checks what encoding guarantees; a decoded commit encodes to the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use yeoul_frame::{Epoch, KeyGroups, ShardId, Timestamp};

use crate::log::{Corrupt, RunId, SegmentId, SegmentRef};

/// Named blobs of a commit are small: together they may take this many bytes.
pub const MAX_BLOB_BYTES: usize = 16 * 1024 * 1024;

/// Stands for the length of a blob that the commit before has and this one has not.
const GONE: u32 = u32::MAX;

/// One durable checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The checkpoint's number.
    pub epoch: Epoch,
    /// The shape of the job that took it.
    pub job: JobMeta,
    /// The least watermark of the job's sources.
    pub watermark: Timestamp,
    /// The log of each shard, in the order of shards.
    pub shards: Vec<ShardLog>,
    /// Small named pieces: the names of operators and tables, which epochs were delivered, …
    pub blobs: BTreeMap<String, Vec<u8>>,
}

/// The shape of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobMeta {
    /// Into how many groups its keys are divided; never changes.
    pub key_groups: KeyGroups,
    /// On how many shards it ran.
    pub shards: u16,
}

/// The segments that hold a shard's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardLog {
    /// The shard.
    pub shard: ShardId,
    /// Its segments, oldest first.
    pub segments: Vec<SegmentRef>,
}

impl Commit {
    /// All segments that the commit names, each once.
    #[must_use]
    pub fn segments(&self) -> BTreeSet<SegmentId> {
        self.shards.iter().flat_map(|log| log.segments.iter().map(|of| of.segment)).collect()
    }

    /// Which segments each of `shards` shards starts from: the commit's own lists if their number is unchanged, else
    /// every segment is listed by each shard that now owns some of the key groups that it was listed for.
    #[must_use]
    pub fn assign(&self, shards: u16) -> Vec<ShardLog> {
        if shards == self.job.shards {
            return self.shards.clone();
        }
        (0..shards).map(|shard| self.assign_one(ShardId(shard), self.job.key_groups.range(shard, shards))).collect()
    }

    fn assign_one(&self, shard: ShardId, owned: std::ops::Range<u16>) -> ShardLog {
        let listed = self.shards.iter().flat_map(|log| &log.segments);
        let mut segments: Vec<SegmentRef> = listed
            .map(|of| SegmentRef {
                groups: of.groups.start.max(owned.start)..of.groups.end.min(owned.end),
                ..of.clone()
            })
            .filter(|of| !of.groups.is_empty())
            .collect();
        segments.sort_by_key(|of| (of.segment, of.groups.start));
        segments.dedup_by(|next, last| {
            let joined = next.segment == last.segment && next.groups.start <= last.groups.end;
            if joined {
                last.groups.end = last.groups.end.max(next.groups.end);
            }
            joined
        });
        ShardLog { shard, segments }
    }

    /// Appends the commit's encoding, relative to `base`.
    pub(crate) fn encode(&self, base: Option<&Commit>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.epoch.0.to_le_bytes());
        out.extend_from_slice(&self.watermark.0.to_le_bytes());
        out.extend_from_slice(&self.job.key_groups.count().to_le_bytes());
        out.extend_from_slice(&self.job.shards.to_le_bytes());
        put_u32(out, self.shards.len());
        for log in &self.shards {
            let old = base.map_or(&[][..], |base| base.segments_of(log.shard));
            let (drop, keep) = common(old, &log.segments);
            out.extend_from_slice(&log.shard.0.to_le_bytes());
            out.extend_from_slice(&[0; 2]);
            put_u32(out, drop);
            put_u32(out, keep);
            put_u32(out, log.segments.len() - keep);
            for of in &log.segments[keep..] {
                out.extend_from_slice(&of.segment.0.to_le_bytes());
                out.extend_from_slice(&of.len.to_le_bytes());
                out.extend_from_slice(&of.run.0.to_le_bytes());
                out.extend_from_slice(&of.groups.start.to_le_bytes());
                out.extend_from_slice(&of.groups.end.to_le_bytes());
            }
        }
        let none = BTreeMap::new();
        let before = base.map_or(&none, |base| &base.blobs);
        let set = self.blobs.iter().filter(|(name, bytes)| before.get(*name) != Some(*bytes));
        let gone = before.keys().filter(|name| !self.blobs.contains_key(*name));
        let changes: BTreeMap<&String, Option<&Vec<u8>>> =
            set.map(|(name, bytes)| (name, Some(bytes))).chain(gone.map(|name| (name, None))).collect();
        put_u32(out, changes.len());
        for (name, bytes) in changes {
            put_u32(out, name.len());
            match bytes {
                Some(bytes) => put_u32(out, bytes.len()),
                None => out.extend_from_slice(&GONE.to_le_bytes()),
            }
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(bytes.map_or(&[], Vec::as_slice));
        }
    }

    /// Reads a commit that was encoded relative to `base`.
    pub(crate) fn decode(bytes: &[u8], base: Option<&Commit>) -> Result<Self, Corrupt> {
        let input = &mut Input(bytes);
        let epoch = Epoch(input.u64()?);
        let watermark = Timestamp(input.u64()? as i64);
        let key_groups = KeyGroups::new(input.u16()?).ok_or_else(|| Corrupt::new("a commit's number of key groups"))?;
        let job = JobMeta { key_groups, shards: input.u16()? };
        let mut shards: Vec<ShardLog> = Vec::new();
        for _ in 0..input.u32()? {
            let shard = ShardId(input.u16()?);
            input.zeros(2)?;
            if shard.0 >= job.shards || shards.last().is_some_and(|last| last.shard >= shard) {
                return Err(Corrupt::new(format!("a commit of {} shards lists {shard} out of order", job.shards)));
            }
            let old = base.map_or(&[][..], |base| base.segments_of(shard));
            let (drop, keep, added) = (input.u32()? as usize, input.u32()? as usize, input.u32()?);
            let kept = drop.checked_add(keep).and_then(|end| old.get(drop..end)).ok_or_else(|| {
                Corrupt::new(format!("a commit keeps {keep} segments after {drop}, but there were {}", old.len()))
            })?;
            let mut segments = kept.to_vec();
            for _ in 0..added {
                let of = SegmentRef {
                    segment: SegmentId(input.u32()?),
                    len: input.u32()?,
                    run: RunId(input.u64()?),
                    groups: input.u16()?..input.u16()?,
                };
                check_ref(&of, key_groups, segments.last())?;
                segments.push(of);
            }
            shards.push(ShardLog { shard, segments });
        }
        let mut blobs = base.map_or_else(BTreeMap::new, |base| base.blobs.clone());
        let mut last: Option<&str> = None;
        for _ in 0..input.u32()? {
            let (name, len) = (input.u32()? as usize, input.u32()?);
            let name =
                std::str::from_utf8(input.take(name)?).map_err(|_| Corrupt::new("a blob's name is not UTF-8"))?;
            if last.replace(name).is_some_and(|last| last >= name) {
                return Err(Corrupt::new(format!("the blob {name:?} is out of order")));
            }
            let bytes = if len == GONE { None } else { Some(input.take(len as usize)?.to_vec()) };
            if blobs.get(name) == bytes.as_ref() {
                return Err(Corrupt::new(format!("the blob {name:?} is listed, and has not changed")));
            }
            match bytes {
                Some(bytes) => drop(blobs.insert(name.to_owned(), bytes)),
                None => drop(blobs.remove(name)),
            }
        }
        if !input.0.is_empty() {
            return Err(Corrupt::new(format!("{} bytes follow a commit's end", input.0.len())));
        }
        Ok(Self { epoch, job, watermark, shards, blobs })
    }

    fn segments_of(&self, shard: ShardId) -> &[SegmentRef] {
        self.shards.iter().find(|log| log.shard == shard).map_or(&[], |log| &log.segments)
    }
}

fn check_ref(of: &SegmentRef, groups: KeyGroups, last: Option<&SegmentRef>) -> Result<(), Corrupt> {
    let ordered = last.is_none_or(|last| (last.segment, last.groups.start) < (of.segment, of.groups.start));
    let known = of.segment.0 > 0 && of.segment <= SegmentId::MOST && of.len <= crate::log::address::MAX_SEGMENT_BYTES;
    let range = of.groups.start < of.groups.end && of.groups.end <= groups.count();
    if ordered && known && range { Ok(()) } else { Err(Corrupt::new(format!("a commit lists the impossible {of:?}"))) }
}

/// How many of `old` are gone from its front, and how many of those after are `new`'s first.
fn common(old: &[SegmentRef], new: &[SegmentRef]) -> (usize, usize) {
    let Some(first) = new.first() else { return (old.len(), 0) };
    let drop = old.iter().position(|of| of == first).unwrap_or(old.len());
    (drop, old[drop..].iter().zip(new).take_while(|(a, b)| a == b).count())
}

fn put_u32(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u32::try_from(count).expect("counts and lengths in a commit fit").to_le_bytes());
}

/// Bytes yet to be decoded.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Corrupt> {
        let (taken, rest) = self
            .0
            .split_at_checked(len)
            .ok_or_else(|| Corrupt::new(format!("{len} bytes should follow, and {} do", self.0.len())))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        Ok(self.take(N)?.try_into().expect("as many as asked for"))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Corrupt> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Corrupt> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Corrupt> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn zeros(&mut self, len: usize) -> Result<(), Corrupt> {
        let zero = self.take(len)?.iter().all(|&byte| byte == 0);
        if zero { Ok(()) } else { Err(Corrupt::new("bytes that should be zero are not")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(segment: u32, len: u32, groups: std::ops::Range<u16>) -> SegmentRef {
        SegmentRef { segment: SegmentId(segment), len, run: RunId(9), groups }
    }

    fn commit(epoch: u64, shards: &[&[SegmentRef]]) -> Commit {
        Commit {
            epoch: Epoch(epoch),
            job: JobMeta { key_groups: KeyGroups::DEFAULT, shards: shards.len() as u16 },
            watermark: Timestamp::MIN,
            shards: shards
                .iter()
                .enumerate()
                .map(|(at, of)| ShardLog { shard: ShardId(at as u16), segments: of.to_vec() })
                .collect(),
            blobs: BTreeMap::from([("delivered".to_owned(), vec![1, 2]), ("sources".to_owned(), vec![])]),
        }
    }

    #[test]
    fn commits_round_trip_against_any_base() {
        let all = 0..128;
        let of = |id, len| reference(id, len, all.clone());
        let states: Vec<Commit> = [
            &[][..],
            &[of(1, 64)],
            &[of(1, 128)],
            &[of(1, 128), of(2, 64), of(3, 64)],
            &[of(2, 64), of(3, 64), of(4, 640)],
            &[of(9, 0)],
        ]
        .iter()
        .map(|segments| commit(1, &[segments, &[]]))
        .collect();
        let more = |blobs: &[(&str, &[u8])]| Commit {
            blobs: blobs.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect(),
            ..commit(1, &[&[of(1, 64)], &[]])
        };
        let states: Vec<Commit> = states
            .into_iter()
            .chain([more(&[]), more(&[("a", b"1"), ("b", b""), ("c", b"3")]), more(&[("b", b"2"), ("c", b"3")])])
            .collect();
        for base in states.iter().map(Some).chain([None]) {
            for state in &states {
                let mut bytes = Vec::new();
                state.encode(base, &mut bytes);
                assert_eq!(&Commit::decode(&bytes, base).unwrap(), state);
                for cut in 0..bytes.len() {
                    assert!(Commit::decode(&bytes[..cut], base).is_err());
                }
            }
        }
    }

    #[test]
    fn what_is_unchanged_costs_no_bytes_in_the_next_commit() {
        let many: Vec<SegmentRef> = (1..1000).map(|id| reference(id, 64, 0..128)).collect();
        let (mut base, mut next) = (commit(1, &[&many]), commit(2, &[&many[1..]]));
        base.blobs.insert("tables".to_owned(), vec![7; 10_000]);
        next.blobs.clone_from(&base.blobs);
        next.shards[0].segments.last_mut().unwrap().len += 64;
        let mut bytes = Vec::new();
        next.encode(Some(&base), &mut bytes);
        assert!(bytes.len() < 150, "{} bytes", bytes.len());
        assert_eq!(Commit::decode(&bytes, Some(&base)).unwrap(), next);
    }

    #[test]
    fn a_new_number_of_shards_divides_each_listing_by_key_groups() {
        let two = commit(4, &[&[reference(1, 64, 0..64), reference(3, 64, 0..64)], &[reference(2, 64, 64..128)]]);
        let one = two.assign(1);
        assert_eq!(one.len(), 1);
        assert_eq!(
            one[0].segments,
            [reference(1, 64, 0..64), reference(2, 64, 64..128), reference(3, 64, 0..64)],
            "a segment counts only for the groups whose shard still listed it"
        );
        let three = two.assign(3);
        assert_eq!(three[0].segments, [reference(1, 64, 0..43), reference(3, 64, 0..43)]);
        assert_eq!(three[1].segments, [reference(1, 64, 43..64), reference(2, 64, 64..86), reference(3, 64, 43..64)]);
        assert_eq!(three[2].segments, [reference(2, 64, 86..128)]);
        let again = Commit { job: JobMeta { shards: 3, ..two.job }, shards: three, ..two.clone() };
        assert_eq!(again.assign(1)[0].segments, one[0].segments, "listings of the same segment are joined again");
        assert_eq!(two.assign(2), two.shards);
    }
}
