//! The fields that a job uses, as a tree of keys, and as the flat list of leaves that cells follow.
//!
//! Invariants:
//! 1. Leaf `i` is cell `i`: leaves are numbered depth-first in the order of the schema's fields.
//! 2. Object 0 is the record itself. A child has a higher number than its parent.
//!
//! A field's name is its path: `bid.price` is the key `price` of the object at the key `bid`. A dot that belongs to a key
//! is written `\.`. A nested record (`DataType::Record`) and a dotted path mean the same tree.

use crate::kind::Kind;
use yeoul_frame::{DataType, Field};

/// A schema seen as nested keys.
#[derive(Debug, Clone)]
pub(crate) struct FieldTree {
    pub(crate) objects: Vec<ObjectFields>,
    pub(crate) leaves: Vec<Leaf>,
}

/// The used keys of one object.
#[derive(Debug, Clone, Default)]
pub(crate) struct ObjectFields {
    pub(crate) keys: Vec<(String, Target)>,
    /// Whether the object as a whole may be null, as a nested record that is nullable.
    pub(crate) nullable: bool,
}

/// What stands at a used key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Leaf(u16),
    Object(u16),
}

/// A field that is not a record.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    /// The path from the record, dots between keys.
    pub(crate) path: String,
    pub(crate) kind: Kind,
}

impl FieldTree {
    /// The tree of these fields.
    ///
    /// # Panics
    /// If a path is named twice, or once as a value and once as an object: no record could be read by such a schema.
    pub(crate) fn new(fields: &[Field]) -> Self {
        let mut tree = Self { objects: vec![ObjectFields::default()], leaves: Vec::new() };
        tree.add(0, "", fields);
        assert!(
            tree.leaves.len() + tree.objects.len() < usize::from(u16::MAX),
            "a schema has fewer than 65,535 fields"
        );
        tree
    }

    fn add(&mut self, object: u16, prefix: &str, fields: &[Field]) {
        for field in fields {
            let keys = split_path(field.name);
            let (last, parents) = keys.split_last().expect("a path has at least one key");
            let mut path = prefix.to_string();
            let mut at = object;
            for key in parents {
                path = join(&path, key);
                at = self.child(at, key, &path);
            }
            path = join(&path, last);
            match field.data_type {
                DataType::Record(inner) => {
                    let child = self.child(at, last, &path);
                    self.objects[usize::from(child)].nullable = field.nullable;
                    self.add(child, &path, inner);
                }
                data_type => {
                    let taken = self.target(at, last).is_some();
                    assert!(!taken, "the schema names field `{path}` twice");
                    let leaf = self.leaves.len() as u16;
                    self.objects[usize::from(at)].keys.push((last.clone(), Target::Leaf(leaf)));
                    self.leaves.push(Leaf { path, kind: Kind::of(data_type) });
                }
            }
        }
    }

    fn child(&mut self, object: u16, key: &str, path: &str) -> u16 {
        match self.target(object, key) {
            Some(Target::Object(child)) => child,
            Some(Target::Leaf(_)) => panic!("the schema names field `{path}` both as a value and as an object"),
            None => {
                let child = self.objects.len() as u16;
                self.objects.push(ObjectFields::default());
                self.objects[usize::from(object)].keys.push((key.to_string(), Target::Object(child)));
                child
            }
        }
    }

    fn target(&self, object: u16, key: &str) -> Option<Target> {
        self.objects[usize::from(object)].keys.iter().find(|(name, _)| name == key).map(|&(_, target)| target)
    }

    /// Whether any field is text.
    pub(crate) fn has_text(&self) -> bool {
        self.leaves.iter().any(|leaf| leaf.kind == Kind::Text)
    }
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_string() } else { format!("{prefix}.{key}") }
}

/// The keys of a path: split at dots, except at `\.`.
fn split_path(path: &str) -> Vec<String> {
    let mut keys = vec![String::new()];
    let mut chars = path.chars().peekable();
    while let Some(c) = chars.next() {
        let key = keys.last_mut().expect("one key at least");
        match c {
            '\\' if chars.next_if_eq(&'.').is_some() => key.push('.'),
            '.' => keys.push(String::new()),
            c => key.push(c),
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn field(name: &'static str, data_type: DataType) -> Field {
        Field { name, data_type, nullable: true }
    }

    #[test]
    fn paths_and_records_make_one_tree() {
        const INNER: &[Field] = &[field("x", DataType::I64), field("y", DataType::Utf8)];
        let tree = FieldTree::new(&[
            field("a", DataType::I64),
            field("b", DataType::Record(INNER)),
            field("c.d", DataType::Bool),
            field("b.z", DataType::F64),
            field(r"e\.f", DataType::I64),
        ]);
        let paths: Vec<&str> = tree.leaves.iter().map(|leaf| leaf.path.as_str()).collect();
        assert_eq!(paths, ["a", "b.x", "b.y", "c.d", "b.z", "e.f"]);
        assert_eq!(tree.objects.len(), 3);
        assert_eq!(tree.target(1, "z"), Some(Target::Leaf(4)));
        assert_eq!(tree.target(0, "e.f"), Some(Target::Leaf(5)));
    }

    #[test]
    #[should_panic(expected = "`a.b` twice")]
    fn a_path_named_twice_is_refused() {
        FieldTree::new(&[field("a.b", DataType::I64), field("a.b", DataType::Utf8)]);
    }
}
