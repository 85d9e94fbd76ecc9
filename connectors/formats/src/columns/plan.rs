//! What a table's columns are, which of them a job wants, and which leaves of those it uses.
//!
//! Frames have the wanted columns with the types that the table gives them, whatever is used of them: a field of a ROW that
//! no one uses is not read, and is null in every row (or zero or empty, if it is NOT NULL).

use std::fmt;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, StructArray, make_array, new_null_array};
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};

use crate::fields::{FieldTree, Leaf, ObjectFields, Target};
use crate::kind::Kind;
use crate::type_name;

/// What decoding fills: made once for a table and a job.
#[derive(Debug)]
pub struct ColumnPlan {
    pub(super) output: SchemaRef,
    pub(super) tree: FieldTree,
    pub(super) leaves: Vec<LeafPlan>,
    /// By output column.
    pub(super) nodes: Vec<Node>,
    /// By column of the table: the leaf that it is, if it is one and used.
    pub(super) positions: Vec<Option<u16>>,
    pub(super) required: Vec<Required>,
}

/// A table that cannot be read or written in a text format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfitColumns(pub String);

impl fmt::Display for UnfitColumns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UnfitColumns {}

/// A leaf that is read.
#[derive(Debug, Clone)]
pub(super) struct LeafPlan {
    pub(super) shape: Shape,
    /// It is the elements of a list, and counts its own rows.
    pub(super) element: bool,
}

/// What a leaf's column holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Words,
    Floats,
    Decimals,
    Strings,
    Lists { element: u16, nullable: bool },
}

/// Something that must not be null where the object in which it stands is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Required {
    pub(super) target: Target,
    /// None: the record.
    pub(super) within: Option<u16>,
}

/// How an array is put together.
#[derive(Debug)]
pub(super) enum Node {
    Leaf {
        leaf: u16,
        data_type: DataType,
    },
    Struct {
        object: u16,
        fields: Fields,
        children: Vec<Node>,
    },
    List {
        leaf: u16,
        element: Box<Node>,
        field: FieldRef,
    },
    /// The values of an unused leaf: as many as were asked for last, kept because frames are mostly of one size.
    Unused(Unused),
}

/// An array in which nothing was read.
#[derive(Debug)]
pub(super) struct Unused {
    data_type: DataType,
    nullable: bool,
}

impl ColumnPlan {
    /// Reads the columns of `table` that `projection` names, in its order (all if it is none), and of those what `used`
    /// names (all if it is none): a path is the names of a column, of a field in it, and so on; it stands for all that is below.
    ///
    /// # Errors
    /// A type that text formats do not carry, or a path that leads nowhere.
    pub fn new(
        table: &Schema,
        projection: Option<&[usize]>,
        used: Option<&[Vec<String>]>,
    ) -> Result<Self, UnfitColumns> {
        let all: Vec<usize> = (0..table.fields().len()).collect();
        let projection = projection.unwrap_or(&all);
        for path in used.unwrap_or_default() {
            find(table.fields(), path)
                .ok_or_else(|| UnfitColumns(format!("there is no column `{}`", path.join("."))))?;
        }
        let tree = FieldTree { objects: vec![ObjectFields::default()], leaves: Vec::new() };
        let mut plan = Self {
            output: Arc::new(Schema::new(projection.iter().map(|&i| table.field(i).clone()).collect::<Vec<_>>())),
            tree,
            leaves: Vec::new(),
            nodes: Vec::new(),
            positions: vec![None; table.fields().len()],
            required: Vec::new(),
        };
        // In the table's order, so that leaves are numbered as they stand in the input.
        let mut nodes: Vec<Option<Node>> = table.fields().iter().map(|_| None).collect();
        for (column, field) in table.fields().iter().enumerate() {
            if projection.contains(&column) {
                let node = plan.node(0, &[field.name().clone()], field, used)?;
                if let Node::Leaf { leaf, .. } = node {
                    plan.positions[column] = Some(leaf);
                }
                nodes[column] = Some(node);
            }
        }
        for (place, &column) in projection.iter().enumerate() {
            let again = projection[..place].contains(&column);
            let node = nodes[column].take().filter(|_| !again);
            plan.nodes.push(node.ok_or_else(|| UnfitColumns(format!("column {column} is asked for twice")))?);
        }
        Ok(plan)
    }

    /// The columns of the frames.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.output
    }

    fn node(
        &mut self,
        object: u16,
        path: &[String],
        field: &Field,
        used: Option<&[Vec<String>]>,
    ) -> Result<Node, UnfitColumns> {
        let wanted = |used: &[Vec<String>]| used.iter().any(|used| path.starts_with(used) || used.starts_with(path));
        let name = path.join(".");
        if !used.is_none_or(wanted) {
            shape(field.data_type(), &name)?;
            let (data_type, nullable) = (field.data_type().clone(), field.is_nullable());
            return Ok(Node::Unused(Unused { data_type, nullable }));
        }
        let within = (object != 0).then_some(object);
        let key = path.last().expect("a path has a name").clone();
        let (target, node) = match field.data_type() {
            DataType::Struct(fields) => {
                let child = self.tree.objects.len() as u16;
                self.tree.objects.push(ObjectFields { keys: Vec::new(), nullable: field.is_nullable() });
                let mut children = Vec::new();
                for field in fields {
                    let path = [path, &[field.name().clone()]].concat();
                    children.push(self.node(child, &path, field, used)?);
                }
                (Target::Object(child), Node::Struct { object: child, fields: fields.clone(), children })
            }
            DataType::List(element) => {
                let (kind, of) = shape(element.data_type(), &format!("{name}[]"))?;
                let (Some(kind), Some(of)) = (kind, of) else { return Err(unfit(field.data_type(), &name)) };
                let at = self.leaf(Leaf { path: format!("{name}[]"), kind }, LeafPlan { shape: of, element: true });
                let lists = Shape::Lists { element: at, nullable: element.is_nullable() };
                let plan = LeafPlan { shape: lists, element: false };
                let leaf = self.leaf(Leaf { path: name, kind: Kind::List(at) }, plan);
                let element_node = Node::Leaf { leaf: at, data_type: element.data_type().clone() };
                (Target::Leaf(leaf), Node::List { leaf, element: Box::new(element_node), field: Arc::clone(element) })
            }
            data_type => {
                let (kind, shape) = shape(data_type, &name)?;
                let (Some(kind), Some(shape)) = (kind, shape) else { return Err(unfit(data_type, &name)) };
                let leaf = self.leaf(Leaf { path: name, kind }, LeafPlan { shape, element: false });
                (Target::Leaf(leaf), Node::Leaf { leaf, data_type: data_type.clone() })
            }
        };
        if self.tree.leaves.len() + self.tree.objects.len() >= usize::from(u16::MAX) {
            return Err(UnfitColumns("a table has fewer than 65,535 fields".to_owned()));
        }
        self.tree.objects[usize::from(object)].keys.push((key, target));
        if !field.is_nullable() {
            self.required.push(Required { target, within });
        }
        Ok(node)
    }

    fn leaf(&mut self, leaf: Leaf, plan: LeafPlan) -> u16 {
        self.tree.leaves.push(leaf);
        self.leaves.push(plan);
        (self.leaves.len() - 1) as u16
    }
}

/// How a type is read, and what its column holds; none for a ROW or an ARRAY.
fn shape(data_type: &DataType, name: &str) -> Result<(Option<Kind>, Option<Shape>), UnfitColumns> {
    let (kind, shape) = match data_type {
        DataType::Boolean => (Kind::Bool, Shape::Words),
        DataType::Int8 => (Kind::Signed(8), Shape::Words),
        DataType::Int16 => (Kind::Signed(16), Shape::Words),
        DataType::Int32 => (Kind::Signed(32), Shape::Words),
        DataType::Int64 => (Kind::Signed(64), Shape::Words),
        DataType::Float32 => (Kind::Float(32), Shape::Floats),
        DataType::Float64 => (Kind::Float(64), Shape::Floats),
        DataType::Utf8View | DataType::Utf8 => (Kind::Text, Shape::Strings),
        DataType::Timestamp(TimeUnit::Millisecond, _) => (Kind::Time, Shape::Words),
        DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, _) => (Kind::Nanos, Shape::Words),
        DataType::Date32 => (Kind::Date, Shape::Words),
        DataType::Time32(TimeUnit::Millisecond) => (Kind::Clock, Shape::Words),
        DataType::Decimal128(precision, scale) => {
            (Kind::Decimal { precision: *precision, scale: *scale }, Shape::Decimals)
        }
        DataType::Struct(fields) => {
            for field in fields {
                shape(field.data_type(), &format!("{name}.{}", field.name()))?;
            }
            return Ok((None, None));
        }
        DataType::List(element) if !element.data_type().is_nested() => {
            shape(element.data_type(), &format!("{name}[]"))?;
            return Ok((None, None));
        }
        other => return Err(unfit(other, name)),
    };
    Ok((Some(kind), Some(shape)))
}

fn unfit(data_type: &DataType, name: &str) -> UnfitColumns {
    let hint = match data_type {
        DataType::Timestamp(..) => "; declare it as TIMESTAMP(3) or TIMESTAMP_LTZ(3)",
        DataType::Time32(_) | DataType::Time64(_) => "; declare it as TIME(3)",
        DataType::Binary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "; declare it as STRING",
        _ => "",
    };
    let of = type_name(data_type);
    UnfitColumns(format!("column `{name}` is of type {of}, which text formats do not carry yet{hint}"))
}

fn find<'f>(fields: &'f Fields, path: &[String]) -> Option<&'f Field> {
    let (name, rest) = path.split_first()?;
    let field = fields.iter().find(|field| field.name() == name)?;
    match (rest, field.data_type()) {
        ([], _) => Some(field),
        (rest, DataType::Struct(fields)) => find(fields, rest),
        _ => None,
    }
}

impl Unused {
    pub(super) fn array(&self, rows: usize) -> ArrayRef {
        unused_column(&self.data_type, self.nullable, rows)
    }
}

/// A column in which nothing is read: nulls, or zeros and empty values where nulls may not be.
#[must_use]
pub fn unused_column(data_type: &DataType, nullable: bool, rows: usize) -> ArrayRef {
    if nullable { new_null_array(data_type, rows) } else { blank(data_type, rows) }
}

/// Zeros and empty strings, where nulls may not be.
fn blank(data_type: &DataType, rows: usize) -> ArrayRef {
    if let DataType::Struct(fields) = data_type {
        let arrays = fields.iter().map(|field| match field.is_nullable() {
            true => new_null_array(field.data_type(), rows),
            false => blank(field.data_type(), rows),
        });
        let arrays: Vec<ArrayRef> = arrays.collect();
        let array = StructArray::try_new_with_length(fields.clone(), arrays, None, rows);
        return Arc::new(array.expect("arrays of the fields' types, without nulls where there may be none"));
    }
    // The values under nulls are zeros: without the nulls they count.
    let data = new_null_array(data_type, rows).to_data().into_builder().nulls(None).build();
    make_array(data.expect("zeros are values of every type that has no parts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Schema {
        let inner =
            Fields::from(vec![Field::new("x", DataType::Int64, true), Field::new("y", DataType::Utf8View, true)]);
        Schema::new(vec![
            Field::new("a", DataType::Int32, false),
            Field::new("b", DataType::Struct(inner), true),
            Field::new("c", DataType::Utf8View, true),
        ])
    }

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn only_what_is_used_is_read() {
        let paths = |plan: &ColumnPlan| plan.tree.leaves.iter().map(|leaf| leaf.path.clone()).collect::<Vec<_>>();
        let plan = ColumnPlan::new(&table(), None, None).unwrap();
        assert_eq!(paths(&plan), ["a", "b.x", "b.y", "c"]);
        assert_eq!(plan.positions, [Some(0), None, Some(3)]);
        let plan = ColumnPlan::new(&table(), Some(&[2, 1]), Some(&[path("b.y"), path("c")])).unwrap();
        assert_eq!(paths(&plan), ["b.y", "c"]);
        assert_eq!(plan.schema().field(0).name(), "c");
        assert_eq!(plan.schema().field(1), table().field(1), "the type stays as the table has it");
        let plan = ColumnPlan::new(&table(), Some(&[]), None).unwrap();
        assert!(paths(&plan).is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name() {
        let error = ColumnPlan::new(&table(), None, Some(&[path("b.z")])).unwrap_err();
        assert_eq!(error.0, "there is no column `b.z`");
        let times = Schema::new(vec![Field::new("t", DataType::Time64(TimeUnit::Nanosecond), true)]);
        let error = ColumnPlan::new(&times, None, None).unwrap_err();
        assert!(error.0.contains("`t`") && error.0.contains("TIME(3)"), "{error}");
    }

    #[test]
    fn what_may_not_be_null_and_is_unused_is_zero_or_empty() {
        let types =
            [DataType::Int64, DataType::Utf8View, DataType::Boolean, DataType::Decimal128(9, 2), DataType::Date32];
        for data_type in types {
            let array = Unused { data_type: data_type.clone(), nullable: false }.array(5);
            assert_eq!((array.len(), array.null_count(), array.data_type()), (5, 0, &data_type));
        }
    }
}
