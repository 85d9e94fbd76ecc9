//! The walk over one record: object by object, key by key.
//!
//! Everything is checked against the grammar of RFC 8259 as it is passed, used or not, but for what `skip` leaves out.
//! Whitespace between tokens is blank, tab and carriage return; a newline ends the record wherever it stands.

use super::script::{Action, ScriptId, Scripts, StepId};
use super::string::unescape;
use crate::fields::FieldTree;
use crate::leaves::Leaves;
use crate::malformed::{Fault, Reason};
use crate::time_text::TimeParser;
use crate::window::Window;
use std::borrow::Cow;
use std::marker::PhantomData;

/// Objects and arrays may be nested this deep.
pub(super) const DEPTH: usize = 128;

/// What a decoder keeps from record to record.
#[derive(Debug)]
pub(crate) struct JsonState {
    scripts: Scripts,
    pub(super) times: TimeParser,
    /// By leaf, then by object: the number of the record in which the key was last seen.
    seen: Vec<u32>,
    record: u32,
    leaves: usize,
    /// A used key that is missing is an error, and not null.
    pub(crate) all_keys: bool,
}

impl JsonState {
    pub(crate) fn new(tree: &FieldTree) -> Self {
        let keys = tree.leaves.len() + tree.objects.len();
        let (scripts, times, leaves) = (Scripts::new(tree), TimeParser::default(), tree.leaves.len());
        Self { scripts, times, seen: vec![0; keys], record: 0, leaves, all_keys: false }
    }

    fn next_record(&mut self) {
        self.record = self.record.wrapping_add(1);
        if self.record == 0 {
            self.seen.fill(0);
            self.record = 1;
        }
    }
}

/// The walk over one record.
pub(crate) struct Walk<'p, 'a, L> {
    pub(super) window: Window<'a>,
    pub(super) leaves: &'p mut L,
    pub(super) state: &'p mut JsonState,
    text: PhantomData<&'a str>,
}

/// What stands after a value, when it is not what was guessed.
enum Member {
    /// The object ends; the place after it.
    End(usize),
    /// A key: what to do, where its value is, its step, and the step to expect then.
    Key { action: Action, at: usize, step: StepId, next: StepId },
}

impl<'p, 'a, L: Leaves<'a>> Walk<'p, 'a, L> {
    pub(crate) fn new(window: Window<'a>, leaves: &'p mut L, state: &'p mut JsonState) -> Self {
        Self { window, leaves, state, text: PhantomData }
    }

    /// Reads the record whose line starts at `at`. The place after the line, and whether there was a record in it (a
    /// line of nothing but whitespace has none).
    #[inline]
    pub(crate) fn record(&mut self, at: usize) -> Result<(usize, bool), Box<Fault>> {
        let mut at = at;
        if self.window.byte(at) != b'{' {
            if self.window.bytes[at..].starts_with(crate::BYTE_ORDER_MARK) {
                at += 3;
            }
            at = self.blanks(at);
            match self.window.byte(at) {
                b'{' => {}
                b'\n' => return Ok((at + 1, false)),
                _ => return Err(Fault::new(at, Reason::Expected("an object"))),
            }
        }
        self.state.next_record();
        let start = at;
        at = self.object(ScriptId::RECORD, at + 1, 1)?;
        self.complete(ScriptId::RECORD, start)?;
        if self.window.byte(at) != b'\n' {
            at = self.blanks(at);
            if self.window.byte(at) != b'\n' {
                return Err(Fault::new(at, Reason::Expected("the end of the record")));
            }
        }
        Ok((at + 1, true))
    }

    /// Goes through an object from after its brace to after its closing one.
    pub(super) fn object(&mut self, script: ScriptId, mut at: usize, depth: usize) -> Result<usize, Box<Fault>> {
        let mut last = StepId::START;
        let mut expected = self.state.scripts.first(script);
        loop {
            let action;
            match self.state.scripts.follow(expected, self.window.bytes, at) {
                Some((found, value, next)) => {
                    last = expected;
                    (action, at, expected) = (found, value, next);
                }
                None if self.window.byte(at) == b'}' => return Ok(at + 1),
                None => match self.member(script, last, at)? {
                    Member::End(end) => return Ok(end),
                    Member::Key { action: found, at: value, step, next } => {
                        last = step;
                        (action, at, expected) = (found, value, next);
                    }
                },
            }
            at = match action {
                Action::Leaf { leaf, kind } => {
                    self.once(leaf, at)?;
                    match self.leaf(leaf, kind, at) {
                        Ok(end) => end,
                        Err(fault) => self.forgive(fault, at, depth)?,
                    }
                }
                Action::Object { script, seen } => {
                    self.once(seen, at)?;
                    match self.null(at) {
                        Some(end) => end,
                        None => self.child(script, at, depth)?,
                    }
                }
                Action::Skip(below) => match self.skip_scalar(at) {
                    Some(end) => end,
                    None => self.skip_unusual(last, below, at, depth)?,
                },
            };
        }
    }

    /// An object of the schema, or null.
    fn child(&mut self, script: ScriptId, at: usize, depth: usize) -> Result<usize, Box<Fault>> {
        match self.window.byte(at) {
            b'{' => {
                self.leaves.object(script.number());
                let end = self.object(script, at + 1, depth + 1)?;
                self.complete(script, at)?;
                Ok(end)
            }
            b' ' | b'\t' | b'\r' => self.child(script, self.blanks(at), depth),
            b'n' => self.literal(at, "null"),
            b'\n' => Err(Fault::new(at, Reason::EndsInside("an object"))),
            _ => self.forgive(Fault::new(at, Reason::Expected("an object or null")), at, depth),
        }
    }

    /// Steps over the value at `at`, which does not fit its leaf, if that is to be forgiven and the value is well-formed.
    #[cold]
    #[inline(never)]
    pub(super) fn forgive(&mut self, fault: Box<Fault>, at: usize, depth: usize) -> Result<usize, Box<Fault>> {
        if self.leaves.forgives() { self.skip_value(ScriptId::NONE, at, depth) } else { Err(fault) }
    }

    /// The object that began at `at` has ended. Refuses it if it lacks a key that it must have.
    #[inline(always)]
    fn complete(&self, script: ScriptId, at: usize) -> Result<(), Box<Fault>> {
        if self.state.all_keys { self.has_all_keys(script, at) } else { Ok(()) }
    }

    #[inline(never)]
    fn has_all_keys(&self, script: ScriptId, at: usize) -> Result<(), Box<Fault>> {
        let missing = |key: &u16| self.state.seen[usize::from(*key)] != self.state.record;
        match self.state.scripts.used(script).find(missing) {
            Some(key) if usize::from(key) < self.state.leaves => Err(Fault::new(at, Reason::MissingField).of(key)),
            Some(_) => Err(Fault::new(at, Reason::MissingField)),
            None => Ok(()),
        }
    }

    /// The place after the `null` at `at`, if that is what stands there.
    #[inline(always)]
    pub(super) fn null(&self, at: usize) -> Option<usize> {
        let word = self.window.word(at);
        (word as u32 == u32::from_le_bytes(*b"null")).then_some(at + 4)
    }

    /// Steps over a value that `skip_scalar` leaves: an object or array, learning what is in it, or something rare.
    #[inline(never)]
    fn skip_unusual(
        &mut self,
        step: StepId,
        mut below: ScriptId,
        at: usize,
        depth: usize,
    ) -> Result<usize, Box<Fault>> {
        if below == ScriptId::NONE && matches!(self.window.byte(at), b'{' | b'[') {
            below = self.state.scripts.below(step);
        }
        self.skip_value(below, at, depth)
    }

    /// Notes that a used key stands at `at`, for the first time in this record.
    #[inline(always)]
    fn once(&mut self, key: u16, at: usize) -> Result<(), Box<Fault>> {
        let record = self.state.record;
        match self.state.seen.get_mut(usize::from(key)) {
            Some(seen) if *seen != record => {
                *seen = record;
                Ok(())
            }
            _ => Err(Fault::new(at, Reason::Duplicate)),
        }
    }

    /// What stands at `at`, after the value of step `last` or after the opening brace, found without a guess.
    #[cold]
    #[inline(never)]
    fn member(&mut self, script: ScriptId, last: StepId, start: usize) -> Result<Member, Box<Fault>> {
        let bytes = self.window.bytes;
        if let Some(step) = self.state.scripts.search(script, last, bytes, start)
            && let Some((action, at, next)) = self.state.scripts.follow(step, bytes, start)
        {
            return Ok(Member::Key { action, at, step, next });
        }
        let mut at = self.blanks(start);
        match self.window.byte(at) {
            b'}' => return Ok(Member::End(at + 1)),
            b'\n' => return Err(Fault::new(at, Reason::EndsInside("an object"))),
            _ if last == StepId::START => {}
            b',' => at = self.blanks(at + 1),
            _ => return Err(Fault::new(at, Reason::Expected("a comma or `}`"))),
        }
        match self.window.byte(at) {
            b'"' => at += 1,
            b'\n' => return Err(Fault::new(at, Reason::EndsInside("an object"))),
            _ => return Err(Fault::new(at, Reason::Expected("a key in double quotes"))),
        }
        let end = self.skip_string(at)?;
        let mut key = Some(Cow::Borrowed(&bytes[at..end - 1]));
        if self.window.bits.next_stop(at) < end - 1 {
            // An escaped key may be a used one in disguise. One that means nothing is none.
            let mut text = String::new();
            key = unescape(&self.window, at, end - 1, &mut text).ok().map(|()| Cow::Owned(text.into_bytes()));
        }
        at = self.blanks(end);
        match self.window.byte(at) {
            b':' => at = self.blanks(at + 1),
            b'\n' => return Err(Fault::new(at, Reason::EndsInside("an object"))),
            _ => return Err(Fault::new(at, Reason::Expected("a colon"))),
        }
        let (action, step) = self.state.scripts.learn(script, last, &bytes[start..at], key.as_deref());
        Ok(Member::Key { action, at, step, next: StepId::NONE })
    }

    /// The place of the first byte that is no blank.
    #[inline]
    pub(super) fn blanks(&self, mut at: usize) -> usize {
        while matches!(self.window.byte(at), b' ' | b'\t' | b'\r') {
            at += 1;
        }
        at
    }

    /// Passes `null`, `true` or `false`.
    #[inline]
    pub(super) fn literal(&self, at: usize, word: &'static str) -> Result<usize, Box<Fault>> {
        if self.window.bytes[at..].starts_with(word.as_bytes()) {
            return Ok(at + word.len());
        }
        Err(Fault::new(at, Reason::Expected("a JSON value")))
    }
}
