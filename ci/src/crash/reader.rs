//! What an outside reader may rely on at every look, judged when the round is over and all results are known.
//!
//! Invariants that a sink must keep:
//! 1. Parts of one epoch each: whoever sees a part of an epoch sees all parts of earlier epochs.
//! 2. Larger parts: the parts of one instance are seen in their order.
//! 3. The lines of one key are in order, from part to part.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::job::{Job, Shows};

/// A look: what was there at the least when it began, and what was there at the most when it was over.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    /// Listed first.
    seen: BTreeSet<String>,
    /// Listed after that: what was there before must be there.
    after: BTreeSet<String>,
}

/// A reader that looks now and then.
#[derive(Debug, Default)]
pub struct Reader {
    looks: Vec<Look>,
}

/// The instance and the last epoch of a part, by its name: `bids/part-00001-e0000000003-0000000007.csv`.
fn part_of(name: &str) -> Option<(u32, u64)> {
    let (instance, epochs) = name.rsplit('/').next()?.strip_prefix("part-")?.split_once("-e")?;
    let last = epochs.split_once('.')?.0.split_once('-')?.1;
    Some((instance.parse().ok()?, last.parse().ok()?))
}

impl Reader {
    /// Notes two listings of the visible names, the second made after the first.
    pub fn look(&mut self, seen: BTreeSet<String>, after: BTreeSet<String>) {
        let look = Look { seen, after };
        if self.looks.last() != Some(&look) {
            self.looks.push(look);
        }
    }

    /// Names that were seen before others that belong before them.
    #[must_use]
    pub fn out_of_turn(&self, shows: Shows, end: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
        let parts: Vec<(&str, u32, u64)> = end
            .keys()
            .filter_map(|name| part_of(name).map(|(instance, epoch)| (name.as_str(), instance, epoch)))
            .collect();
        let mut found = BTreeSet::new();
        for look in &self.looks {
            // The last epoch seen, of each instance or of all.
            let mut last: HashMap<Option<u32>, (u64, &str)> = HashMap::new();
            let whose = |instance| (shows == Shows::Parts).then_some(instance);
            for name in &look.seen {
                let Some((instance, epoch)) = part_of(name) else { continue };
                let greatest = last.entry(whose(instance)).or_insert((epoch, name));
                if epoch > greatest.0 {
                    *greatest = (epoch, name);
                }
            }
            for (name, instance, epoch) in &parts {
                if let Some((greatest, seen)) = last.get(&whose(*instance))
                    && epoch < greatest
                    && !look.after.contains(*name)
                {
                    found.insert(format!("{seen} was seen before {name}"));
                }
            }
        }
        found.into_iter().collect()
    }
}

/// Keys whose lines are out of order: the first few, in words.
#[must_use]
pub fn out_of_order(job: Job, files: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    const SHOWN: usize = 5;
    let mut names: Vec<(Option<(u32, u64)>, &String)> = files.keys().map(|name| (part_of(name), name)).collect();
    // Whose epochs overlap can be in order by instance only.
    let by_instance = job.shows() == Shows::Parts;
    names.sort_by_key(|(part, name)| {
        let (instance, epoch) = part.unwrap_or_default();
        (if by_instance { (u64::from(instance), epoch) } else { (epoch, u64::from(instance)) }, *name)
    });
    let mut last: HashMap<(Option<u32>, String), String> = HashMap::new();
    let mut found = Vec::new();
    for (part, name) in names {
        let text = String::from_utf8_lossy(&files[name]);
        let header = usize::from(name.ends_with(".csv"));
        for (key, order) in text.lines().skip(header).filter_map(|line| job.key_and_order(line)) {
            let whose = part.filter(|_| by_instance).map(|(instance, _)| instance);
            let before = last.entry((whose, key.to_owned())).or_default();
            if before.as_str() > order && found.len() < SHOWN {
                found.push(format!("{name}: {key} has {order} after {before}"));
            }
            order.clone_into(before);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(instance: u32, first: u64, last: u64) -> String {
        format!("bids/part-{instance:05}-e{first:010}-{last:010}.csv")
    }

    fn names(parts: &[(u32, u64, u64)]) -> BTreeSet<String> {
        parts.iter().map(|(instance, first, last)| name(*instance, *first, *last)).collect()
    }

    #[test]
    fn a_gap_is_told_for_all_instances_or_for_each() {
        let all = [(0, 1, 1), (1, 1, 1), (0, 2, 2), (1, 3, 3)];
        let end = names(&all).into_iter().map(|name| (name, Vec::new())).collect();
        let check = |seen: &[(u32, u64, u64)], shows, expected: usize| {
            let mut reader = Reader::default();
            reader.look(names(seen), names(seen));
            assert_eq!(reader.out_of_turn(shows, &end).len(), expected, "{seen:?} {shows:?}");
        };
        for seen in [&all[..0], &all[..1], &all[..2], &all[..3], &all] {
            check(seen, Shows::Epochs, 0);
        }
        check(&[(0, 1, 1), (0, 2, 2)], Shows::Epochs, 1);
        check(&[(0, 1, 1), (0, 2, 2)], Shows::Parts, 0);
        check(&[(0, 2, 2)], Shows::Parts, 1);
    }

    #[test]
    fn what_came_between_two_listings_is_no_gap() {
        let end = names(&[(0, 1, 1), (1, 1, 1), (0, 2, 2)]).into_iter().map(|name| (name, Vec::new())).collect();
        let mut reader = Reader::default();
        reader.look(names(&[(0, 1, 1), (0, 2, 2)]), names(&[(0, 1, 1), (1, 1, 1), (0, 2, 2)]));
        assert_eq!(reader.out_of_turn(Shows::Epochs, &end), Vec::<String>::new());
    }

    #[test]
    fn order_is_followed_from_part_to_part() {
        let check = |job, texts: &[((u32, u64), &str)], expected: usize| {
            let files = texts
                .iter()
                .map(|((instance, epoch), text)| {
                    (name(*instance, *epoch, *epoch), format!("key,order\n{text}").into_bytes())
                })
                .collect();
            assert_eq!(out_of_order(job, &files).len(), expected, "{texts:?}");
        };
        check(Job::HotBids, &[((0, 1), "a,1\na,2\nb,1\n"), ((1, 2), "a,3\n")], 0);
        check(Job::HotBids, &[((0, 1), "a,2\n"), ((1, 2), "a,1\n")], 1);
        check(Job::RolledBids, &[((0, 1), "a,2\n"), ((1, 2), "a,1\n")], 0);
        check(Job::RolledBids, &[((0, 1), "a,2\n"), ((0, 2), "a,1\n")], 1);
    }
}
