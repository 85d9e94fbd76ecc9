//! Fills columns record by record, and makes a frame of them.
//!
//! Invariants:
//! 1. Between records each column has at most `row` rows, and so has each object's presence.
//! 2. A record that turns out to be malformed leaves nothing behind.
//! 3. What is read is in an array: between frames no column holds anything.

use std::sync::Arc;

use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType,
};
use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, ListArray, PrimitiveArray, StringArray, StructArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, TimeUnit};
use yeoul_frame::{ColumnBatch, Frame, Timestamp};

use super::column::{Column, Dense, Lists, Strings};
use super::plan::{ColumnPlan, Node, Required, Shape};
use crate::fields::Target;
use crate::kind::Kind;
use crate::leaves::{Leaves, ListPlace};
use crate::malformed::{Fault, Reason};
use crate::records::{Receiver, RecordParser};
use crate::window::Window;

/// A frame is closed early if its text and its lists' elements come to this: a column of text has to stay below 2 GiB, with a
/// last record of up to 64 MiB.
const WEIGHT: usize = 32 << 20;

/// The columns of one frame, while records are decoded into them.
#[derive(Debug)]
pub struct ColumnBuilder {
    plan: Arc<ColumnPlan>,
    columns: Vec<Column>,
    /// By object of the schema: in which rows it is there.
    objects: Vec<Dense<()>>,
    /// The row that is being read; while a list is, the element.
    row: usize,
    room: usize,
    weight: usize,
    forgives: bool,
    /// The record has a null among elements that may not be null.
    null_element: bool,
    scratch: String,
}

impl ColumnBuilder {
    /// For frames of at most `rows` rows. `forgives`: a value that does not fit its column is null, instead of its record
    /// being malformed (Flink's `ignore-parse-errors`).
    #[must_use]
    pub fn new(plan: Arc<ColumnPlan>, rows: usize, forgives: bool) -> Self {
        let columns = plan.leaves.iter().map(|leaf| match leaf.shape {
            Shape::Words => Column::Words(Dense::default()),
            Shape::Floats => Column::Floats(Dense::default()),
            Shape::Decimals => Column::Decimals(Dense::default()),
            Shape::Strings => Column::Strings(Strings::default()),
            Shape::Lists { element, nullable } => Column::Lists(Lists::new(element, nullable)),
        });
        Self {
            columns: columns.collect(),
            objects: plan.tree.objects.iter().map(|_| Dense::default()).collect(),
            plan,
            row: 0,
            room: rows,
            weight: 0,
            forgives,
            null_element: false,
            scratch: String::new(),
        }
    }

    /// Records so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.row
    }

    /// There is no record yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.row == 0
    }

    /// There is no room for another record.
    #[must_use]
    #[inline]
    pub fn is_full(&self) -> bool {
        self.row >= self.room || self.weight >= WEIGHT
    }

    /// The frame of all records so far, each without an event time yet ([`Timestamp::MIN`]); the builder is then empty.
    #[must_use]
    pub fn finish(&mut self) -> Frame {
        let rows = std::mem::take(&mut self.row);
        self.weight = 0;
        let plan = Arc::clone(&self.plan);
        let arrays = plan.nodes.iter().map(|node| self.array(node, rows)).collect();
        assert!(!self.columns.iter().any(|column| column.has(0)), "what is read is in an array");
        let frame = ColumnBatch::of(Arc::clone(&plan.output), arrays, vec![Timestamp::MIN; rows], Vec::new());
        frame.expect("arrays are made after the plan's schema, each of all rows")
    }

    /// A record that is one text.
    pub(super) fn push_line(&mut self, line: &str) {
        if !self.columns.is_empty() {
            self.text(0, line);
        }
        self.row += 1;
    }

    fn array(&mut self, node: &Node, rows: usize) -> ArrayRef {
        match node {
            Node::Leaf { leaf, data_type } => self.leaf_array(*leaf, data_type, rows),
            Node::Unused(unused) => unused.array(rows),
            Node::Struct { object, fields, children } => {
                let arrays = children.iter().map(|child| self.array(child, rows)).collect();
                let nulls = self.objects[usize::from(*object)].take(rows).1;
                let array = StructArray::try_new_with_length(fields.clone(), arrays, nulls, rows);
                Arc::new(array.expect("a record lacks no field that it must have"))
            }
            Node::List { leaf, element, field } => {
                let Column::Lists(lists) = &mut self.columns[usize::from(*leaf)] else { return mismatch() };
                let (elements, (offsets, nulls)) = (lists.elements(), lists.take(rows));
                let values = self.array(element, elements);
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                Arc::new(ListArray::new(Arc::clone(field), offsets, values, nulls))
            }
        }
    }

    fn leaf_array(&mut self, leaf: u16, data_type: &DataType, rows: usize) -> ArrayRef {
        match &mut self.columns[usize::from(leaf)] {
            Column::Words(column) => words(data_type, column.take(rows)),
            Column::Floats(column) => {
                let (values, nulls) = column.take(rows);
                match data_type {
                    DataType::Float32 => {
                        let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
                        Arc::new(PrimitiveArray::<Float32Type>::new(values.into(), nulls))
                    }
                    _ => Arc::new(PrimitiveArray::<Float64Type>::new(values.into(), nulls)),
                }
            }
            Column::Decimals(column) => {
                let (values, nulls) = column.take(rows);
                Arc::new(Decimal128Array::new(values.into(), nulls).with_data_type(data_type.clone()))
            }
            Column::Strings(column) => {
                let nulls = column.complete(rows);
                let array = column.text.finish(nulls);
                match data_type {
                    DataType::Utf8 => Arc::new(array.iter().collect::<StringArray>()),
                    _ => Arc::new(array),
                }
            }
            Column::Lists(_) => mismatch(),
        }
    }

    /// The record is complete; what it may not lack is there. Otherwise what it lacks.
    #[inline]
    fn complete(&mut self) -> Result<(), String> {
        if self.plan.required.is_empty() && !self.null_element {
            return Ok(());
        }
        self.lacks_nothing()
    }

    #[inline(never)]
    fn lacks_nothing(&mut self) -> Result<(), String> {
        if std::mem::take(&mut self.null_element) {
            return Err("an element of a list is null, and its type is NOT NULL".to_owned());
        }
        let there = |object: u16| self.objects[usize::from(object)].has(self.row);
        for Required { target, within } in &self.plan.required {
            let is_there = match *target {
                Target::Leaf(leaf) => self.columns[usize::from(leaf)].has(self.row),
                Target::Object(object) => there(object),
            };
            if !is_there && within.is_none_or(there) {
                return Err(match *target {
                    Target::Leaf(leaf) => {
                        format!(
                            "there is no value for `{}`, which is NOT NULL",
                            self.plan.tree.leaves[usize::from(leaf)].path
                        )
                    }
                    Target::Object(_) => "there is no value for a ROW that is NOT NULL".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Forgets what the record that is being read has left.
    #[cold]
    fn abandon(&mut self) {
        let row = self.row;
        self.null_element = false;
        self.objects.iter_mut().for_each(|object| object.cut(row));
        for leaf in 0..self.columns.len() {
            if self.plan.leaves[leaf].element {
                continue;
            }
            self.columns[leaf].cut(row);
            if let Column::Lists(lists) = &self.columns[leaf] {
                let (element, end) = (usize::from(lists.element), lists.elements());
                self.columns[element].cut(end);
            }
        }
        // A little less than was counted: short texts need no bytes of their own.
        self.weight = self.columns.iter().map(Column::weight).sum();
    }

    #[inline(always)]
    fn word(&mut self, leaf: u16, value: i64) {
        match &mut self.columns[usize::from(leaf)] {
            Column::Words(column) => column.put(self.row, value),
            _ => mismatch(),
        }
    }
}

#[cold]
fn mismatch<T>() -> T {
    unreachable!("a leaf's kind says what its column holds")
}

impl Receiver for ColumnBuilder {
    #[inline(always)]
    fn take<P: RecordParser>(
        &mut self,
        parser: &mut P,
        window: Window<'_>,
        at: usize,
    ) -> Result<Option<(usize, usize)>, Box<Fault>> {
        if self.is_full() {
            return Ok(None);
        }
        match parser.record(window, at, self) {
            Ok((next, false)) => Ok(Some((next, 0))),
            Ok((next, true)) => match self.complete() {
                Ok(()) => {
                    self.row += 1;
                    Ok(Some((next, 1)))
                }
                Err(reason) => {
                    self.abandon();
                    Err(Fault::new(at, Reason::NotARow(reason)))
                }
            },
            Err(fault) => {
                self.abandon();
                Err(fault)
            }
        }
    }
}

impl<'a> Leaves<'a> for ColumnBuilder {
    const CONVERTS: bool = true;

    #[inline(always)]
    fn integer(&mut self, leaf: u16, value: i64) {
        self.word(leaf, value);
    }

    fn unsigned(&mut self, leaf: u16, value: u64) {
        self.word(leaf, value.cast_signed());
    }

    #[inline(always)]
    fn time(&mut self, leaf: u16, value: Timestamp) {
        self.word(leaf, value.0);
    }

    #[inline(always)]
    fn text(&mut self, leaf: u16, value: &'a str) {
        self.weight += value.len();
        match &mut self.columns[usize::from(leaf)] {
            Column::Strings(column) => column.put(self.row, value),
            _ => mismatch(),
        }
    }

    fn float(&mut self, leaf: u16, value: f64) {
        match &mut self.columns[usize::from(leaf)] {
            Column::Floats(column) => column.put(self.row, value),
            _ => mismatch(),
        }
    }

    fn bool(&mut self, leaf: u16, value: bool) {
        self.word(leaf, i64::from(value));
    }

    fn decimal(&mut self, leaf: u16, value: i128) {
        match &mut self.columns[usize::from(leaf)] {
            Column::Decimals(column) => column.put(self.row, value),
            _ => mismatch(),
        }
    }

    fn written(
        &mut self,
        leaf: u16,
        write: impl FnOnce(&mut String) -> Result<(), Box<Fault>>,
    ) -> Result<(), Box<Fault>> {
        self.scratch.clear();
        write(&mut self.scratch)?;
        self.weight += self.scratch.len();
        match &mut self.columns[usize::from(leaf)] {
            Column::Strings(column) => column.put(self.row, &self.scratch),
            _ => mismatch(),
        }
        Ok(())
    }

    #[inline(always)]
    fn object(&mut self, object: u16) {
        self.objects[usize::from(object)].put(self.row, ());
    }

    fn begin_list(&mut self, leaf: u16, element: u16) -> ListPlace {
        let Column::Lists(lists) = &self.columns[usize::from(leaf)] else { return mismatch() };
        debug_assert_eq!(lists.element, element);
        let (first, nullable) = (lists.elements(), lists.nullable);
        let place = ListPlace { leaf, row: self.row, first, nullable, null_before: self.null_element };
        self.row = place.first;
        place
    }

    fn next_element(&mut self, place: ListPlace) {
        let Column::Lists(lists) = &self.columns[usize::from(place.leaf)] else { return mismatch() };
        self.null_element |= !lists.nullable && !self.columns[usize::from(lists.element)].has(self.row);
        self.row += 1;
        self.weight += size_of::<i64>();
    }

    fn end_list(&mut self, place: ListPlace, whole: bool) {
        let end = std::mem::replace(&mut self.row, place.row);
        let Column::Lists(lists) = &mut self.columns[usize::from(place.leaf)] else { return mismatch() };
        if whole {
            lists.put(place.row, end);
        } else {
            let element = usize::from(lists.element);
            self.columns[element].cut(place.first);
            self.null_element = place.null_before;
        }
    }

    fn kind_of(&self, element: u16) -> Kind {
        self.plan.tree.leaves[usize::from(element)].kind
    }

    fn forgives(&self) -> bool {
        self.forgives
    }
}

/// The array of what is an integer.
fn words(data_type: &DataType, (values, nulls): (Vec<i64>, Option<NullBuffer>)) -> ArrayRef {
    match data_type {
        DataType::Boolean => {
            let bits = BooleanBuffer::collect_bool(values.len(), |row| values[row] != 0);
            Arc::new(BooleanArray::new(bits, nulls))
        }
        DataType::Int8 => narrow::<Int8Type>(&values, nulls, |value| value as i8),
        DataType::Int16 => narrow::<Int16Type>(&values, nulls, |value| value as i16),
        DataType::Int32 => narrow::<Int32Type>(&values, nulls, |value| value as i32),
        DataType::Date32 => narrow::<Date32Type>(&values, nulls, |value| value as i32),
        DataType::Time32(_) => narrow::<Time32MillisecondType>(&values, nulls, |value| value as i32),
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
            Arc::new(TimestampNanosecondArray::new(values.into(), nulls).with_timezone_opt(zone.clone()))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let values: Vec<i64> = values.into_iter().map(|nanos| nanos.div_euclid(1000)).collect();
            Arc::new(TimestampMicrosecondArray::new(values.into(), nulls).with_timezone_opt(zone.clone()))
        }
        DataType::Timestamp(_, zone) => {
            Arc::new(TimestampMillisecondArray::new(values.into(), nulls).with_timezone_opt(zone.clone()))
        }
        _ => Arc::new(PrimitiveArray::<Int64Type>::new(values.into(), nulls)),
    }
}

/// The parser has checked that each value fits.
fn narrow<T: arrow_array::ArrowPrimitiveType>(
    values: &[i64],
    nulls: Option<NullBuffer>,
    convert: impl Fn(i64) -> T::Native,
) -> ArrayRef {
    let values: Vec<T::Native> = values.iter().map(|value| convert(*value)).collect();
    Arc::new(PrimitiveArray::<T>::new(values.into(), nulls))
}
