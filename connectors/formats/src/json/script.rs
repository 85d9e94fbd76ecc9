//! What keys an object had before, in which order: the guess that saves parsing keys.
//!
//! A [`Step`] is the exact bytes between two values of an object: comma, key, colon, with whatever whitespace the
//! writer puts there. If the bytes after a value equal those of the step that followed it last time, then the key is
//! known without having been parsed, and so is what to do with its value. The bytes delimit the key by themselves, so a
//! match is a proof and not only a hint.
//!
//! Invariants:
//! 1. A step is `leading` if it has no comma; `first` is a leading step or none, `next` is one that is not or none.
//! 2. A script has at most [`STEPS`] steps of at most [`SEGMENT`] bytes, at most [`FEW_STEPS`] once all have [`ROOMY`] and it is
//!    of no object of the schema, and all have at most 65,534; what does not fit is parsed each time.
//! 3. A step belongs to one script: `next` of a step, and `first` of a script, name steps of the same script.

use std::collections::HashMap;

use crate::fields::{FieldTree, Target};
use crate::kind::Kind;
use crate::window::word;

/// Steps that one script learns.
const STEPS: usize = 4096;
/// Steps that a script of an object that is stepped over learns when there are [`ROOMY`] in all.
const FEW_STEPS: usize = 64;
const ROOMY: usize = 1 << 13;
/// Steps that are tried one after another. A key that is none of these is parsed, and looked up.
const SEARCHED: usize = 64;
/// The longest step that is learned, in bytes.
const SEGMENT: usize = 64;
/// Scripts in all: objects that are stepped over get one each until there are this many.
const SCRIPTS: usize = 512;
/// After so many steps that found no place, a script forgets all and learns anew: the data have changed.
const PATIENCE: u32 = 4096;

// Objects that are stepped over leave room for those of the schema.
const _: () = assert!(ROOMY + STEPS + SCRIPTS * FEW_STEPS + STEPS < StepId::START.0 as usize);

/// Names a step of a script, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StepId(u16);

impl StepId {
    pub(super) const NONE: Self = Self(u16::MAX);
    /// What stands before the first step of an object.
    pub(super) const START: Self = Self(u16::MAX - 1);
}

/// Names a script, or none yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScriptId(u16);

impl ScriptId {
    /// The object of the schema that this script is of, if it is of one.
    pub(super) const fn number(self) -> u16 {
        self.0
    }

    /// The script of the record itself.
    pub(super) const RECORD: Self = Self(0);
    /// Not learned: every key is parsed.
    pub(super) const NONE: Self = Self(u16::MAX);
}

/// What to do with a key's value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    /// Step over it; objects in it follow this script.
    Skip(ScriptId),
    /// Read it as the value of this leaf.
    Leaf { leaf: u16, kind: Kind },
    /// It is an object of the schema.
    Object { script: ScriptId, seen: u16 },
}

/// One key as it was written before.
#[derive(Debug)]
pub(super) struct Step {
    words: [u64; 2],
    masks: [u64; 2],
    /// What goes beyond sixteen bytes.
    tail: Box<[u8]>,
    len: u16,
    next: StepId,
    leading: bool,
    pub(super) action: Action,
}

/// The learned steps of one object, and its used keys.
#[derive(Debug)]
struct Script {
    keys: HashMap<Box<[u8]>, Action>,
    first: StepId,
    /// Its steps: the first `live` of these; the others are forgotten, and to be used again.
    steps: Vec<StepId>,
    live: usize,
    /// The live steps by their bytes.
    by_segment: HashMap<Box<[u8]>, StepId>,
    homeless: u32,
}

/// All scripts of a decoder.
#[derive(Debug)]
pub(super) struct Scripts {
    scripts: Vec<Script>,
    /// The steps of all scripts, in one place so that following one needs no look at its script.
    steps: Vec<Step>,
    limit: usize,
    /// The first so many scripts are of objects of the schema.
    of_schema: usize,
}

impl Scripts {
    pub(super) fn new(tree: &FieldTree) -> Self {
        let action = |target| match target {
            Target::Leaf(leaf) => Action::Leaf { leaf, kind: tree.leaves[usize::from(leaf)].kind },
            Target::Object(object) => {
                Action::Object { script: ScriptId(object), seen: tree.leaves.len() as u16 + object }
            }
        };
        let keys = |keys: &[(String, Target)]| {
            keys.iter().map(|(key, target)| (key.as_bytes().into(), action(*target))).collect()
        };
        let scripts: Vec<Script> = tree.objects.iter().map(|object| Script::new(keys(&object.keys))).collect();
        Self { limit: SCRIPTS.max(scripts.len()), of_schema: scripts.len(), scripts, steps: Vec::new() }
    }

    /// The leaves and objects that a script's used keys name, as they are counted in [`Action`].
    pub(super) fn used(&self, script: ScriptId) -> impl Iterator<Item = u16> {
        self.scripts[usize::from(script.0)].keys.values().filter_map(|action| match action {
            Action::Leaf { leaf, .. } => Some(*leaf),
            Action::Object { seen, .. } => Some(*seen),
            Action::Skip(_) => None,
        })
    }

    /// The step with which the object began last time.
    #[inline]
    pub(super) fn first(&self, script: ScriptId) -> StepId {
        self.scripts.get(usize::from(script.0)).map_or(StepId::NONE, |script| script.first)
    }

    /// If `step` stands at `at`: what to do, the place of the value, and the step to expect after it.
    #[inline(always)]
    pub(super) fn follow(&self, step: StepId, bytes: &[u8], at: usize) -> Option<(Action, usize, StepId)> {
        let step = self.steps.get(usize::from(step.0))?;
        step.matches(bytes, at).then_some((step.action, at + usize::from(step.len), step.next))
    }

    /// Any step of the script that stands at `at`. `after` is the step before; the find becomes its successor.
    pub(super) fn search(&mut self, script: ScriptId, after: StepId, bytes: &[u8], at: usize) -> Option<StepId> {
        let known = self.scripts.get(usize::from(script.0))?;
        let leading = after == StepId::START;
        let stands = |id: &&StepId| {
            let step = &self.steps[usize::from(id.0)];
            step.leading == leading && step.matches(bytes, at)
        };
        let found = *known.steps[..known.live.min(SEARCHED)].iter().find(stands)?;
        self.link(script, after, found);
        Some(found)
    }

    /// Takes in a key that was parsed (`None` if it is not text): what to do with it, and its step if one was learned.
    /// `segment` is all the bytes from the value before to this key's value.
    pub(super) fn learn(
        &mut self,
        script: ScriptId,
        after: StepId,
        segment: &[u8],
        key: Option<&[u8]>,
    ) -> (Action, StepId) {
        let Some(known) = self.scripts.get_mut(usize::from(script.0)) else {
            return (Action::Skip(ScriptId::NONE), StepId::NONE);
        };
        let used = key.and_then(|key| known.keys.get(key)).copied();
        let action = used.unwrap_or(Action::Skip(ScriptId::NONE));
        if segment.len() > SEGMENT {
            return (action, StepId::NONE);
        }
        if let Some(&id) = known.by_segment.get(segment) {
            let action = self.steps[usize::from(id.0)].action;
            self.link(script, after, id);
            return (action, id);
        }
        let wide = usize::from(script.0) < self.of_schema || self.steps.len() < ROOMY;
        if known.live >= if wide { STEPS } else { FEW_STEPS } {
            known.homeless += 1;
            if known.homeless < PATIENCE {
                return (action, StepId::NONE);
            }
            (known.first, known.live, known.homeless) = (StepId::NONE, 0, 0);
            known.by_segment.clear();
        }
        let step = Step::new(segment, after == StepId::START, action);
        let id = match known.steps.get(known.live) {
            Some(&id) => {
                self.steps[usize::from(id.0)] = step;
                id
            }
            None if self.steps.len() == usize::from(StepId::START.0) => return (action, StepId::NONE),
            None => {
                let id = StepId(self.steps.len() as u16);
                self.steps.push(step);
                known.steps.push(id);
                id
            }
        };
        known.live += 1;
        known.by_segment.insert(segment.into(), id);
        self.link(script, after, id);
        (action, id)
    }

    fn link(&mut self, script: ScriptId, after: StepId, to: StepId) {
        if after == StepId::START {
            self.scripts[usize::from(script.0)].first = to;
        } else if let Some(step) = self.steps.get_mut(usize::from(after.0)).filter(|_| after != to) {
            step.next = to;
        }
    }

    /// The script for objects found in the value of a step that is stepped over.
    pub(super) fn below(&mut self, step: StepId) -> ScriptId {
        let Some(Step { action: Action::Skip(below), .. }) = self.steps.get_mut(usize::from(step.0)) else {
            return ScriptId::NONE;
        };
        if *below == ScriptId::NONE && self.scripts.len() < self.limit {
            *below = ScriptId(self.scripts.len() as u16);
            self.scripts.push(Script::new(HashMap::new()));
        }
        *below
    }
}

impl Script {
    fn new(keys: HashMap<Box<[u8]>, Action>) -> Self {
        let by_segment = HashMap::new();
        Self { keys, first: StepId::NONE, steps: Vec::new(), live: 0, by_segment, homeless: 0 }
    }
}

impl Step {
    fn new(segment: &[u8], leading: bool, action: Action) -> Self {
        let (head, tail) = segment.split_at(segment.len().min(16));
        let (mut text, mut mask) = ([0; 16], [0; 16]);
        text[..head.len()].copy_from_slice(head);
        mask[..head.len()].fill(0xff);
        Self {
            words: [word(&text, 0), word(&text, 8)],
            masks: [word(&mask, 0), word(&mask, 8)],
            tail: tail.into(),
            len: segment.len() as u16,
            next: StepId::NONE,
            leading,
            action,
        }
    }

    #[inline(always)]
    fn matches(&self, bytes: &[u8], at: usize) -> bool {
        let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<16>) else { return false };
        let differs =
            ((word(chunk, 0) ^ self.words[0]) & self.masks[0]) | ((word(chunk, 8) ^ self.words[1]) & self.masks[1]);
        differs == 0 && (self.tail.is_empty() || bytes[at + 16..].starts_with(&self.tail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scripts() -> Scripts {
        Scripts::new(&FieldTree::new(&[]))
    }

    #[test]
    fn a_learned_step_is_followed_and_searched() {
        let mut scripts = scripts();
        let bytes = b"\"a\":1,\"quite a long key, this\": 2}                ";
        let (_, first) = scripts.learn(ScriptId::RECORD, StepId::START, &bytes[..4], Some(b"a"));
        let (_, second) = scripts.learn(ScriptId::RECORD, first, &bytes[5..32], Some(b"quite a long key, this"));
        assert_eq!(scripts.first(ScriptId::RECORD), first);
        let (_, at, next) = scripts.follow(first, bytes, 0).unwrap();
        assert_eq!((at, next), (4, second));
        assert_eq!(scripts.follow(second, bytes, 5).unwrap().1, 32);
        assert_eq!(scripts.search(ScriptId::RECORD, first, bytes, 5), Some(second));
        assert_eq!(scripts.search(ScriptId::RECORD, StepId::START, bytes, 5), None, "with a comma it cannot be first");
        assert_eq!(scripts.search(ScriptId::RECORD, first, bytes, 0), None, "without one it can only be first");
    }

    #[test]
    fn wide_objects_are_learned_whole_and_each_step_once() {
        let mut scripts = scripts();
        let segment = |key: usize| format!("{}\"key {key}\":", if key == 0 { "" } else { "," });
        let object = |keys: &mut dyn Iterator<Item = usize>| {
            let text: String = keys.map(|key| segment(key) + "1").collect();
            text.into_bytes()
        };
        for round in 0..3 {
            let mut last = StepId::START;
            for key in 0..500 {
                let segment = segment(key);
                // In another order each time, so that what follows what has to be found.
                let after = if round == 0 || key == 0 { last } else { StepId((key * 7 % 500) as u16) };
                last = scripts.learn(ScriptId::RECORD, after, segment.as_bytes(), Some(b"key")).1;
            }
            assert_eq!((scripts.scripts[0].live, scripts.steps.len()), (500, 500), "round {round}");
        }
        for key in 0..500 {
            let mut last = StepId::START;
            if key > 0 {
                last = scripts.learn(ScriptId::RECORD, StepId::START, segment(key - 1).as_bytes(), None).1;
            }
            scripts.learn(ScriptId::RECORD, last, segment(key).as_bytes(), None);
        }
        let bytes = [object(&mut (0..500)), vec![b' '; 32]].concat();
        let (mut at, mut step) = (0, scripts.scripts[0].by_segment[segment(0).as_bytes()]);
        for key in 0..500 {
            let (_, value, next) = scripts.follow(step, &bytes, at).unwrap_or_else(|| panic!("key {key}"));
            (at, step) = (value + 1, next);
        }
    }

    #[test]
    fn objects_that_are_stepped_over_leave_room_for_those_that_are_used() {
        let mut scripts = scripts();
        for object in 0..SCRIPTS {
            let (_, step) = scripts.learn(ScriptId::RECORD, StepId::START, format!("{object}").as_bytes(), None);
            let below = scripts.below(step);
            for key in 0..STEPS {
                scripts.learn(below, StepId::START, format!("\"{key}\":").as_bytes(), None);
            }
        }
        assert!(scripts.steps.len() < usize::from(StepId::START.0) - STEPS, "{}", scripts.steps.len());
    }

    #[test]
    fn learning_is_bounded_and_starts_anew() {
        let mut scripts = scripts();
        for i in 0..STEPS as u32 + PATIENCE {
            let segment = format!("\"{i}\":");
            scripts.learn(ScriptId::RECORD, StepId::START, segment.as_bytes(), Some(b"x"));
        }
        assert_eq!(scripts.scripts[0].live, 1, "forgot all and learned the last");
        for _ in 0..2 * SCRIPTS {
            let (_, step) = scripts.learn(ScriptId::RECORD, StepId::START, b"\"y\":", Some(b"y"));
            scripts.below(step);
        }
        assert!(scripts.scripts.len() <= SCRIPTS);
    }
}
