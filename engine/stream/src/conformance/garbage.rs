//! Positions that a source did not write: another name, cut, extended, changed.

use yeoul_operator::MakeSource;

use super::readers::{Noted, takes};
use super::{Rule, Violation};

/// Bytes of a state that are changed, at most: spread over all of it.
const CHANGED: usize = 200;

pub(super) fn check(make: &MakeSource, noted: &Noted) -> Result<(), Violation> {
    for (from, name, bytes) in noted {
        let longer = [&bytes[..], &[42]].concat();
        let mut foreign = vec![(format!("{name}?"), &bytes[..], "under another name")];
        foreign.push((name.clone(), &longer, "with a byte too many"));
        if let Some((_, shorter)) = bytes.split_last() {
            foreign.push((name.clone(), shorter, "with a byte missing"));
        }
        for (name, bytes, how) in foreign {
            let place = format!("the {} bytes of state '{name}' {how}", bytes.len());
            if takes(make, *from, &name, bytes).map_err(|violation| violation.at(&place))? {
                return Err(Violation::new(Rule::GarbageIsRefused, format!("{place} were taken")));
            }
        }
        // A changed byte may make another sound position; only a panic is wrong.
        for at in (0..bytes.len()).step_by(bytes.len().div_ceil(CHANGED).max(1)) {
            for change in [0x01, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= change;
                let place = format!("state '{name}' with byte {at} changed by {change:#04x}");
                takes(make, *from, name, &changed).map_err(|violation| violation.at(&place))?;
            }
        }
    }
    Ok(())
}
