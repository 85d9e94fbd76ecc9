//! Makes a failing list of faults smaller, so that a person can follow what went wrong.
//!
//! First whole faults go, by halves and then one by one (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input",
//! 2002); then what is left is made simpler.
//!
//! Invariants:
//! 1. The result fails, as the list given does.
//! 2. No run is made beyond the limit given.

use crate::fault::{Effect, Fault};

/// The smallest list found that still fails. `fails` runs one list; it is called at most `runs` times.
pub fn shrink(faults: &[Fault], runs: usize, mut fails: impl FnMut(&[Fault]) -> bool) -> Vec<Fault> {
    let mut left = runs;
    let mut try_out = |candidate: &[Fault]| {
        left > 0 && {
            left -= 1;
            fails(candidate)
        }
    };
    let mut smallest = faults.to_vec();
    remove(&mut smallest, &mut try_out);
    simplify(&mut smallest, &mut try_out);
    smallest
}

fn remove(faults: &mut Vec<Fault>, fails: &mut impl FnMut(&[Fault]) -> bool) {
    let mut size = faults.len();
    while size > 0 {
        let mut start = 0;
        let mut removed = false;
        while start < faults.len() {
            let mut without = faults.clone();
            without.drain(start..(start + size).min(faults.len()));
            if fails(&without) {
                *faults = without;
                removed = true;
            } else {
                start += size;
            }
        }
        // Once more at the same size if anything went: what is left may depend on less.
        size = if removed { size.min(faults.len()) } else { size / 2 };
    }
}

fn simplify(faults: &mut [Fault], fails: &mut impl FnMut(&[Fault]) -> bool) {
    for at in 0..faults.len() {
        loop {
            let before = faults[at].clone();
            let simpler = simpler(&before).into_iter().find(|candidate| {
                faults[at] = candidate.clone();
                fails(faults)
            });
            match simpler {
                Some(simpler) => faults[at] = simpler,
                None => {
                    faults[at] = before;
                    break;
                }
            }
        }
    }
}

/// Faults that are simpler than this one. Each chain of them ends.
fn simpler(fault: &Fault) -> Vec<Fault> {
    let earlier = |at: u64| [at / 2, at.saturating_sub(1)].into_iter().filter(move |earlier| *earlier < at);
    match fault {
        Fault::Call { kind, path, nth, onwards, effect } => {
            let with = |nth, onwards, effect| Fault::Call { kind: *kind, path: path.clone(), nth, onwards, effect };
            let mut all = Vec::new();
            if *onwards {
                all.push(with(*nth, false, *effect));
            }
            let plainer = match effect {
                Effect::Eio | Effect::KillBefore => None,
                Effect::PowerBefore | Effect::KillAfter => Some(Effect::KillBefore),
                Effect::PowerAfter => Some(Effect::PowerBefore),
                _ => Some(Effect::Eio),
            };
            all.extend(plainer.map(|effect| with(*nth, *onwards, effect)));
            all.extend(earlier(*nth).filter(|nth| *nth > 0).map(|nth| with(nth, *onwards, *effect)));
            all
        }
        Fault::Kill { step } => earlier(*step).map(|step| Fault::Kill { step }).collect(),
        Fault::Power { step } => {
            let kill = std::iter::once(Fault::Kill { step: *step });
            kill.chain(earlier(*step).map(|step| Fault::Power { step })).collect()
        }
        Fault::Wall { step, by_millis } => {
            earlier(*step).map(|step| Fault::Wall { step, by_millis: *by_millis }).collect()
        }
        Fault::Savepoint { step } => earlier(*step).map(|step| Fault::Savepoint { step }).collect(),
        Fault::Stop { step } => earlier(*step).map(|step| Fault::Stop { step }).collect(),
        Fault::Rot { step, at } => earlier(*step).map(|step| Fault::Rot { step, at: *at }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(lines: &[&str]) -> Vec<Fault> {
        lines.iter().map(|line| line.parse().unwrap()).collect()
    }

    fn check(start: &[&str], fails: impl Fn(&[String]) -> bool, expected: &[&str]) {
        let smallest =
            shrink(&faults(start), 1000, |list| fails(&list.iter().map(ToString::to_string).collect::<Vec<_>>()));
        assert_eq!(smallest, faults(expected));
    }

    const MANY: [&str; 6] =
        ["kill 40", "call sync 12 onwards ENOSPC", "power 300", "wall 5 100", "call any 90 power-after", "rot 7 8"];

    #[test]
    fn only_what_is_needed_is_left() {
        check(&MANY, |list| list.iter().any(|line| line.starts_with("wall")), &["wall 0 100"]);
        let two = |list: &[String]| {
            list.iter().any(|line| line.starts_with("call sync")) && list.iter().any(|line| line.starts_with("power"))
        };
        check(&MANY, two, &["call sync 1 EIO", "power 0"]);
    }

    #[test]
    fn a_fault_is_made_as_simple_as_fails() {
        let below = |list: &[String]| list.iter().any(|line| line.starts_with("power"));
        check(&["power 16"], below, &["power 0"]);
        let at_ten = |list: &[String]| list.iter().any(|line| line.starts_with("power 1"));
        check(&["power 18"], at_ten, &["power 10"]);
        check(
            &["call write 9 late-sync"],
            |list| list.iter().any(|line| line.contains("late")),
            &["call write 1 late-sync"],
        );
    }

    #[test]
    fn a_failure_without_faults_is_told_by_an_empty_list() {
        check(&MANY, |_| true, &[]);
    }

    #[test]
    fn the_limit_on_runs_holds_and_the_result_fails() {
        let mut runs = 0;
        let smallest = shrink(&faults(&MANY), 3, |list| {
            runs += 1;
            list.len() >= 6
        });
        assert_eq!((runs, smallest), (3, faults(&MANY)));
    }
}
