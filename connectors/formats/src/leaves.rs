//! Where a parser puts what it reads: into the cells of one row, or at the end of columns.
//!
//! A parser gives each used leaf at most one value a record, in any order; a leaf that gets none is null. What it has given
//! for a record that turns out to be malformed is forgotten by who called it.

use crate::arena::Arena;
use crate::kind::Kind;
use crate::malformed::Fault;
use yeoul_frame::{Cell, Timestamp};

/// Takes the values of one record. `'a` is how long borrowed text lives.
pub(crate) trait Leaves<'a> {
    /// Text is converted to numbers and back where a leaf's type asks for it, as Flink's formats do.
    const CONVERTS: bool;

    fn integer(&mut self, leaf: u16, value: i64);
    fn unsigned(&mut self, leaf: u16, value: u64);
    fn time(&mut self, leaf: u16, value: Timestamp);
    fn text(&mut self, leaf: u16, value: &'a str);
    fn float(&mut self, leaf: u16, value: f64);
    fn bool(&mut self, leaf: u16, value: bool);
    fn decimal(&mut self, leaf: u16, value: i128);

    /// Text that has to be written first; there is none if writing fails.
    fn written(
        &mut self,
        leaf: u16,
        write: impl FnOnce(&mut String) -> Result<(), Box<Fault>>,
    ) -> Result<(), Box<Fault>>;

    /// An object of the schema is there, and not null.
    fn object(&mut self, object: u16);

    /// The list `leaf` begins: what is given next to leaf `element` is its first element. Returns what `end_list` takes.
    fn begin_list(&mut self, leaf: u16, element: u16) -> ListPlace;

    /// An element ends, whether or not it was given a value.
    fn next_element(&mut self, place: ListPlace);

    /// The list ends; or was malformed, and is none.
    fn end_list(&mut self, place: ListPlace, whole: bool);

    /// How the elements of a list are read.
    fn kind_of(&self, element: u16) -> Kind;

    /// A value that does not fit its leaf is null, instead of the whole record being malformed.
    fn forgives(&self) -> bool;
}

/// Where in a record a list was begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListPlace {
    pub(crate) leaf: u16,
    pub(crate) row: usize,
    pub(crate) first: usize,
    /// Its elements may be null.
    pub(crate) nullable: bool,
    /// An element of another list of the record was null, and may not be.
    pub(crate) null_before: bool,
}

/// The cells of one row.
pub(crate) struct RowLeaves<'p, 'a> {
    pub(crate) arena: Arena<'a>,
    pub(crate) cells: &'p mut [Cell<'a>],
}

/// Each method writes its cell where it stays: a cell that is built elsewhere and then moved costs more than parsing it,
/// since the move reads what was just written in other widths.
impl<'a> Leaves<'a> for RowLeaves<'_, 'a> {
    const CONVERTS: bool = false;

    #[inline(always)]
    fn integer(&mut self, leaf: u16, value: i64) {
        self.cells[usize::from(leaf)] = Cell::I64(value);
    }

    #[inline(always)]
    fn unsigned(&mut self, leaf: u16, value: u64) {
        self.cells[usize::from(leaf)] = Cell::U64(value);
    }

    #[inline(always)]
    fn time(&mut self, leaf: u16, value: Timestamp) {
        self.cells[usize::from(leaf)] = Cell::Timestamp(value);
    }

    #[inline(always)]
    fn text(&mut self, leaf: u16, value: &'a str) {
        self.cells[usize::from(leaf)] = Cell::Str(value);
    }

    #[inline(always)]
    fn float(&mut self, leaf: u16, value: f64) {
        self.cells[usize::from(leaf)] = Cell::F64(value);
    }

    #[inline(always)]
    fn bool(&mut self, leaf: u16, value: bool) {
        self.cells[usize::from(leaf)] = Cell::Bool(value);
    }

    fn decimal(&mut self, _: u16, _: i128) {
        unreachable!("a record's field is no decimal");
    }

    #[inline]
    fn written(
        &mut self,
        leaf: u16,
        write: impl FnOnce(&mut String) -> Result<(), Box<Fault>>,
    ) -> Result<(), Box<Fault>> {
        let text = self.arena.take();
        write(text)?;
        self.cells[usize::from(leaf)] = Cell::Str(text);
        Ok(())
    }

    #[inline(always)]
    fn object(&mut self, _: u16) {}

    fn begin_list(&mut self, _: u16, _: u16) -> ListPlace {
        unreachable!("a record's field is no list");
    }

    fn next_element(&mut self, _: ListPlace) {}

    fn end_list(&mut self, _: ListPlace, _: bool) {}

    fn kind_of(&self, _: u16) -> Kind {
        unreachable!("a record's field is no list");
    }

    #[inline(always)]
    fn forgives(&self) -> bool {
        false
    }
}
