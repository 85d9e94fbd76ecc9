//! Accumulators over a stretch of rows both ends of which move on.
//!
//! Two stacks: rows that came lately are merged into one accumulator, those before them lie as accumulators from each of them to the last;
//! so every row is merged at most three times, whatever the stretch's length and whether or not a call can take values back.

use crate::aggregate::{Accumulators, Mixed, Plan};
use crate::window::merge;

pub(super) struct Sliding<'p> {
    plan: &'p Plan,
    /// From each row of the front to the front's last, the first row last.
    front: Vec<Mixed>,
    back: Mixed,
    /// The stretch, and where its back begins.
    start: usize,
    middle: usize,
    end: usize,
}

impl<'p> Sliding<'p> {
    /// An empty stretch before the row `start`.
    pub(super) fn new(plan: &'p Plan, start: usize) -> Self {
        Self { plan, front: Vec::new(), back: Mixed::fresh(plan), start, middle: start, end: start }
    }

    /// Moves both ends; neither goes back. `add` merges one row's values.
    pub(super) fn move_to(&mut self, start: usize, end: usize, add: impl Fn(usize, &mut Mixed)) {
        while self.end < end {
            add(self.end, &mut self.back);
            self.end += 1;
        }
        while self.start < start {
            if self.front.is_empty() {
                let mut after: Option<Mixed> = None;
                for row in (self.middle..self.end).rev() {
                    let mut held = Mixed::fresh(self.plan);
                    add(row, &mut held);
                    if let Some(after) = &after {
                        merge(self.plan, &mut held, after);
                    }
                    self.front.push(held.clone());
                    after = Some(held);
                }
                self.middle = self.end;
                self.back = Mixed::fresh(self.plan);
            }
            self.front.pop();
            self.start += 1;
        }
    }

    /// The accumulators of the stretch.
    pub(super) fn held(&self) -> Mixed {
        match self.front.last() {
            None => self.back.clone(),
            Some(front) => {
                let mut held = front.clone();
                merge(self.plan, &mut held, &self.back);
                held
            }
        }
    }
}
