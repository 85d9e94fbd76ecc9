//! Keys, values and archived records from arbitrary bytes: what decodes encodes to the same bytes, an archive that passes
//! the check can be read to its last field, and the rest is refused without harm.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rkyv::rancor;
use rkyv::util::AlignedVec;
use yeoul_frame::Timestamp;
use yeoul_state::row::Row;
use yeoul_state::{Compound, Key, KeyStr, Stored};

/// Every shape that a user's record can have.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, Debug, PartialEq)]
struct Inner {
    name: String,
    code: Option<u16>,
}

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, Debug, PartialEq)]
struct Outer {
    id: u64,
    flag: bool,
    ratio: f64,
    text: String,
    maybe: Option<String>,
    list: Vec<u32>,
    nested: Vec<Inner>,
    one: Inner,
}

fuzz_target!(|data: &[u8]| {
    let Some((&which, bytes)) = data.split_first() else { return };
    match which % 12 {
        0 => canonical::<u64>(bytes),
        1 => canonical::<bool>(bytes),
        2 => canonical::<char>(bytes),
        3 => key::<String>(bytes),
        4 => key::<KeyStr>(bytes),
        5 => key::<(u32, Option<String>, Timestamp)>(bytes),
        6 => key::<Compound<KeyStr, i64>>(bytes),
        7 => canonical::<Vec<(u8, String)>>(bytes),
        8 => canonical::<Option<[u16; 3]>>(bytes),
        9 => canonical::<Vec<Vec<()>>>(bytes),
        10 => {
            if let Ok(row) = Row::<Outer>::decode(&mut &bytes[..]) {
                std::hint::black_box(row.get().nested.len());
            }
        }
        _ => archived(bytes),
    }
});

/// An encoding decodes to one value, which encodes to it.
fn canonical<T: Stored>(mut bytes: &[u8]) {
    let all = bytes;
    if let Ok(value) = T::decode(&mut bytes) {
        let mut out = Vec::new();
        value.encode(&mut out);
        assert_eq!(out, all[..all.len() - bytes.len()]);
        assert!(T::WIDTH.is_none_or(|width| width == out.len()));
    }
}

fn key<K: Key>(mut bytes: &[u8]) {
    canonical::<K>(bytes);
    if let Ok(key) = K::decode(&mut bytes) {
        let _ = (key.hash(), key.routing());
    }
}

fn archived(bytes: &[u8]) {
    let mut aligned = AlignedVec::<16>::new();
    aligned.extend_from_slice(bytes);
    let Ok(record) = rkyv::access::<ArchivedOuter, rancor::Error>(&aligned) else { return };
    let mut sum = record.id.to_native() ^ u64::from(record.flag) ^ record.ratio.to_native().to_bits();
    let inner = |inner: &ArchivedInner| {
        inner.name.bytes().map(u64::from).sum::<u64>()
            + inner.code.as_ref().map_or(0, |code| u64::from(code.to_native()))
    };
    sum ^= record.text.chars().map(u64::from).sum::<u64>();
    sum ^= record.maybe.as_ref().map_or(0, |text| text.chars().map(u64::from).sum());
    sum ^= record.list.iter().map(|item| u64::from(item.to_native())).sum::<u64>();
    sum ^= record.nested.iter().map(inner).fold(0, u64::wrapping_add) ^ inner(&record.one);
    std::hint::black_box(sum);
    // What was read can be archived again and passes the check again.
    let Ok(owned) = rkyv::deserialize::<Outer, rancor::Error>(record) else { return };
    let again = rkyv::to_bytes::<rancor::Error>(&owned).expect("what was read can be archived");
    rkyv::access::<ArchivedOuter, rancor::Error>(&again).expect("what was archived passes the check");
}
