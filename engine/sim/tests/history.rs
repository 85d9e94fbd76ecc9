//! Random work, random crashes: whatever is left is something that was there since the last sync.

use std::collections::BTreeMap;
use std::sync::Arc;

use yeoul_sim::clock::SimClock;
use yeoul_sim::disk::SimDisk;
use yeoul_sim::rng::{Chance, Rng};
use yeoul_sim::trace::Trace;
use yeoul_sys::{File, Storage};

const FILES: u64 = 4;

/// Every state of one file since its last sync, oldest first.
struct History(Vec<Vec<u8>>);

impl History {
    fn now(&self) -> Vec<u8> {
        self.0.last().expect("a file has a state").clone()
    }

    fn allows(&self, left: &[u8]) -> bool {
        self.0.iter().any(|state| state.len() == left.len())
            && left.iter().enumerate().all(|(at, byte)| {
                // Zero: the length survived without the bytes, or with a cut.
                *byte == 0 || self.0.iter().any(|state| state.get(at) == Some(byte))
            })
    }
}

fn work(rng: &mut Rng, files: &[Arc<dyn File>], histories: &mut BTreeMap<usize, History>) {
    let at = rng.below(files.len() as u64) as usize;
    let (file, history) = (&files[at], histories.get_mut(&at).expect("each file has one"));
    let mut state = history.now();
    let offset = rng.below(3000);
    match rng.below(8) {
        0 => {
            file.sync_data().unwrap();
            history.0.drain(..history.0.len() - 1);
            return;
        }
        1 => {
            file.set_len(offset).unwrap();
            state.resize(offset as usize, 0);
        }
        2 => {
            file.allocate(offset).unwrap();
            state.resize(state.len().max(offset as usize), 0);
        }
        _ => {
            let bytes = vec![1 + rng.below(250) as u8; 1 + rng.below(2000) as usize];
            file.write_at(&bytes, offset).unwrap();
            state.resize(state.len().max(offset as usize + bytes.len()), 0);
            state[offset as usize..offset as usize + bytes.len()].copy_from_slice(&bytes);
        }
    }
    let mut seen = vec![0; state.len()];
    assert_eq!(file.read_at(&mut seen, 0).unwrap(), state.len());
    assert_eq!((&seen, file.len().unwrap()), (&state, state.len() as u64), "the page cache shows all");
    history.0.push(state);
}

fn run(seed: u64) -> u64 {
    let mut rng = Rng::new(seed);
    let trace = Trace::keeping(50);
    let disk = SimDisk::new(seed, SimClock::new(0), trace.clone());
    let mut histories: BTreeMap<usize, History> = (0..FILES as usize).map(|n| (n, History(vec![Vec::new()]))).collect();
    for n in 0..FILES {
        disk.put(&format!("f{n}"), &[]);
    }
    for _ in 0..6 {
        let storage = disk.start().folder("");
        let files: Vec<_> = (0..FILES).map(|n| storage.open(&format!("f{n}")).unwrap()).collect();
        for _ in 0..rng.below(25) {
            work(&mut rng, &files, &mut histories);
        }
        if rng.in_cases(1, 3) {
            disk.kill();
        } else {
            disk.power_loss(&mut rng);
        }
        for (n, history) in &mut histories {
            let left = disk.read(&format!("f{n}")).expect("the names were durable");
            assert!(history.allows(&left), "seed {seed} file {n}\n{}", trace.lines().join("\n"));
            if disk.unsynced() == 0 {
                history.0 = vec![left];
            }
        }
        assert!(files.iter().all(|file| file.write_at(b"x", 0).is_err() && file.sync_data().is_err()));
    }
    trace.digest()
}

#[test]
fn what_is_left_was_there_since_the_last_sync() {
    for seed in 0..400 {
        run(seed);
    }
}

#[test]
fn a_seed_gives_the_same_trace_twice() {
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
    assert_ne!(run(1), run(2));
}
