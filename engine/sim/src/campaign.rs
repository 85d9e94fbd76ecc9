//! Which faults to try: drawn at random (layer A), or one for every call (layer B).
//!
//! Both are scaled by a fault-free run of the same job and seed, which tells how many steps and calls there are to choose from.
//!
//! Invariants:
//! 1. The same seed and extent give the same list.
//! 2. After finitely many crashes and failures a job is left alone, so that it can finish: a fault that strikes onwards is the last,
//!    and the runner disarms it after the job has stopped.

use std::collections::BTreeMap;

use crate::disk::SimDisk;
use crate::fault::{CallKind, Effect, Fault};
use crate::rng::Chance;

/// What a fault-free run came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extent {
    /// Steps of the scheduler.
    pub steps: u64,
    /// Calls to the disk, by kind.
    pub calls: BTreeMap<CallKind, u64>,
}

/// The most faults in one list.
pub const MOST_FAULTS: u64 = 6;

/// The calls by which something becomes durable or visible: few among many, and where an epoch's fate turns.
const TURNING: [CallKind; 3] = [CallKind::Sync, CallKind::SyncDir, CallKind::Rename];

impl Extent {
    /// What a run that is over came to.
    #[must_use]
    pub fn of(disk: &SimDisk, steps: u64) -> Self {
        Self { steps, calls: disk.calls_by_kind() }
    }

    fn all_calls(&self) -> u64 {
        self.calls.values().sum()
    }
}

/// A random list: mostly crashes, at steps and inside calls, some of them during recovery; sometimes errors; now and then a clock
/// that is set.
#[must_use]
pub fn draw(rng: &mut dyn Chance, extent: &Extent) -> Vec<Fault> {
    let mut faults = Vec::new();
    for _ in 0..=rng.below(MOST_FAULTS) {
        // A fault-free run is passed in part again after each crash, so later moments than its end are reached too.
        let step = rng.below(extent.steps + extent.steps / 2 + 1);
        faults.push(match rng.below(10) {
            0..=2 => Fault::Power { step },
            3 => Fault::Kill { step },
            4..=6 => {
                call(rng, extent, &[Effect::PowerBefore, Effect::PowerAfter, Effect::KillBefore, Effect::KillAfter])
            }
            7 | 8 => call(rng, extent, &Effect::ERRORS),
            _ => Fault::Wall { step, by_millis: rng.below(120_001).cast_signed() - 60_000 },
        });
    }
    // Crashes in quick succession, so that recovery is crashed in turn, up to five deep.
    if rng.below(4) == 0 {
        let first = rng.below(extent.steps + 1);
        let near = 1 + rng.below(300);
        faults.extend((0..1 + rng.below(5)).map(|deep| Fault::Power { step: first + deep * near }));
    }
    if rng.below(12) == 0
        && let Fault::Call { kind, path, nth, effect, .. } = call(rng, extent, &Effect::ERRORS)
    {
        faults.push(Fault::Call { kind, path, nth, onwards: true, effect });
    }
    faults
}

/// One list for each call of a fault-free run and each effect that it can have, once and from then on.
pub fn sweep(extent: &Extent) -> impl Iterator<Item = Vec<Fault>> + '_ {
    extent.calls.iter().flat_map(|(&kind, &count)| {
        (1..=count).flat_map(move |nth| {
            let effects = Effect::ERRORS.into_iter().filter(move |effect| makes_sense(kind, *effect));
            let crashes = [Effect::KillBefore, Effect::PowerBefore, Effect::PowerAfter];
            let once = effects.clone().chain(crashes).map(move |effect| (false, effect));
            once.chain(effects.map(|effect| (true, effect)))
                .map(move |(onwards, effect)| vec![Fault::Call { kind: Some(kind), path: None, nth, onwards, effect }])
        })
    })
}

/// True if any fault of the list strikes again and again, so that the job may stop with an error.
#[must_use]
pub fn lasts(faults: &[Fault]) -> bool {
    faults.iter().any(|fault| matches!(fault, Fault::Call { onwards: true, .. } | Fault::Rot { .. }))
}

fn call(rng: &mut dyn Chance, extent: &Extent, effects: &[Effect]) -> Fault {
    let kinds: Vec<CallKind> = extent.calls.keys().copied().collect();
    let kind = match rng.below(4) {
        0 => kinds.get(rng.below(kinds.len() as u64) as usize).copied(),
        1 => Some(TURNING[rng.below(TURNING.len() as u64) as usize]).filter(|kind| kinds.contains(kind)),
        _ => None,
    };
    let count = kind.map_or(extent.all_calls(), |kind| extent.calls[&kind]);
    let nth = 1 + rng.below(count + count / 4 + 1);
    let effect = effects[rng.below(effects.len() as u64) as usize];
    Fault::Call { kind, path: None, nth, onwards: false, effect }
}

/// False for effects that come to the same as EIO for this kind of call.
fn makes_sense(kind: CallKind, effect: Effect) -> bool {
    use CallKind::{Allocate, Create, List, Lock, Map, Open, Read, SetLen, Sync, Write};
    match effect {
        Effect::Emfile => matches!(kind, Create | Open | List | Lock),
        Effect::Short => matches!(kind, Write | Read),
        Effect::LateSync => kind == Write,
        Effect::Enospc => !matches!(kind, Read | Map | Open | List),
        Effect::Eintr => matches!(kind, Sync | Allocate | Create | Open | SetLen),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn extent() -> Extent {
        Extent { steps: 1000, calls: BTreeMap::from([(CallKind::Write, 3), (CallKind::Sync, 1)]) }
    }

    #[test]
    fn a_seed_draws_the_same_list_and_lists_vary() {
        let list = |seed| draw(&mut Rng::new(seed), &extent());
        assert_eq!(list(1), list(1));
        let lists: Vec<_> = (0..200).map(list).collect();
        assert!(lists.iter().all(|list| !list.is_empty()));
        let any = |find: fn(&Fault) -> bool| lists.iter().flatten().any(find);
        assert!(any(|fault| matches!(fault, Fault::Power { .. })) && any(|fault| matches!(fault, Fault::Wall { .. })));
        assert!(any(|fault| matches!(fault, Fault::Call { effect: Effect::LateSync, .. })));
        assert!(lists.iter().any(|list| lasts(list)) && lists.iter().any(|list| !lasts(list)));
    }

    #[test]
    fn a_sweep_has_every_call_once_and_from_then_on() {
        let lists: Vec<String> = sweep(&extent()).map(|list| list[0].to_string()).collect();
        for line in ["call write 3 short", "call write 1 onwards ENOSPC", "call sync 1 EIO", "call sync 1 power-after"]
        {
            assert!(lists.iter().any(|known| known == line), "{line} missing in {lists:?}");
        }
        assert!(!lists.iter().any(|line| line.contains("sync 2") || line.contains("write 4")));
        let mut unique = lists.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), lists.len());
    }

    #[test]
    fn a_run_without_calls_draws_faults_all_the_same() {
        assert!(!draw(&mut Rng::new(1), &Extent::default()).is_empty());
        assert_eq!(sweep(&Extent::default()).count(), 0);
    }
}
