//! Looks at what a Parquet file says of itself before the crate that reads it does: that one sets memory aside, and goes as deep, as the
//! file says.
//!
//! Thrift's compact protocol, of which no more is understood than is looked at: the schema, the number of row groups, the sizes of a page.
//!
//! Invariants:
//! 1. A list or map that passes has no more elements than there are bytes after it.

/// How many groups of a schema may lie in each other: who reads it goes into one from the other.
pub(super) const SCHEMA_DEPTH: usize = 100;
/// How many row groups a file may have: their number is of 16 bits.
const ROW_GROUPS: u64 = 1 << 15;
/// How deep structs and lists of a footer or page header lie in each other; as the format has it, about ten.
const NESTING: usize = 64;

/// Why bytes did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// They end too early.
    Short,
    /// With the reason.
    Odd(String),
}

type Result<T> = std::result::Result<T, Fault>;

const BOOLEANS: std::ops::RangeInclusive<u8> = 1..=2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;

/// What a page's header says of its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PageSizes {
    /// Bytes once it is decompressed.
    pub(super) bytes: i64,
    /// Values of a dictionary.
    pub(super) dictionary: i64,
}

/// Looks at a footer.
pub(super) fn footer(bytes: &[u8]) -> Result<()> {
    let mut from = Compact { bytes, depth: 0 };
    from.fields(|from, id, of| match (id, of) {
        (2, LIST) => schema(from),
        (4, LIST) => {
            let (count, of) = from.list_header()?;
            if count > ROW_GROUPS {
                return Err(Fault::Odd(format!(
                    "it says that it has {count} row groups, and there are at most {ROW_GROUPS}"
                )));
            }
            from.elements(count, of)
        }
        _ => from.skip(of),
    })
}

/// A tree of groups and leaves, from the root on, each with the number of its children.
fn schema(from: &mut Compact<'_>) -> Result<()> {
    let (count, _) = from.list_header()?;
    if count > from.bytes.len() as u64 {
        return Err(Fault::Short);
    }
    // How many children are still to come, of each group on the way.
    let mut open: Vec<u64> = Vec::new();
    for left in (0..count).rev() {
        let mut said = 0;
        from.fields(|from, id, of| match (id, of) {
            (5, I32) => from.number().map(|number| said = number),
            _ => from.skip(of),
        })?;
        if let Some(open) = open.last_mut() {
            *open -= 1;
        }
        let Some(children) = u64::try_from(said).ok().filter(|children| *children <= left) else {
            return Err(Fault::Odd(format!(
                "its schema has a group of {said} fields, and {left} elements come after it"
            )));
        };
        if children > 0 {
            open.push(children);
        }
        if open.len() > SCHEMA_DEPTH {
            return Err(Fault::Odd(format!("its schema is more than {SCHEMA_DEPTH} groups deep")));
        }
        while open.last() == Some(&0) {
            open.pop();
        }
    }
    Ok(())
}

/// Looks at the header of a page, of which this is the beginning.
pub(super) fn page(bytes: &[u8]) -> Result<PageSizes> {
    let mut sizes = PageSizes::default();
    let mut from = Compact { bytes, depth: 0 };
    from.fields(|from, id, of| match (id, of) {
        (2, I32) => from.number().map(|number| sizes.bytes = number),
        (7, STRUCT) => from.fields(|from, id, of| match (id, of) {
            (1, I32) => from.number().map(|number| sizes.dictionary = number),
            _ => from.skip(of),
        }),
        _ => from.skip(of),
    })?;
    Ok(sizes)
}

/// What is left of bytes in the compact protocol.
struct Compact<'a> {
    bytes: &'a [u8],
    depth: usize,
}

impl Compact<'_> {
    fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.bytes.split_first().ok_or(Fault::Short)?;
        self.bytes = rest;
        Ok(*first)
    }

    fn pass(&mut self, bytes: u64) -> Result<()> {
        let bytes = usize::try_from(bytes).map_err(|_| Fault::Short)?;
        self.bytes = self.bytes.get(bytes..).ok_or(Fault::Short)?;
        Ok(())
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Fault::Odd("a number in it does not end".to_owned()))
    }

    /// A number with a sign.
    fn number(&mut self) -> Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// The fields of a struct, each by its number and type.
    fn fields(&mut self, mut field: impl FnMut(&mut Self, i64, u8) -> Result<()>) -> Result<()> {
        self.depth += 1;
        if self.depth > NESTING {
            return Err(Fault::Odd(format!("structs lie in each other more than {NESTING} deep")));
        }
        let mut last = 0i64;
        loop {
            let header = self.byte()?;
            let of = header & 0x0f;
            if of == 0 {
                break;
            }
            last = match header >> 4 {
                0 => self.number()?,
                more => last.saturating_add(i64::from(more)),
            };
            // A flag is its own type.
            if !BOOLEANS.contains(&of) {
                field(self, last, of)?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// How many elements a list has, and of which type.
    fn list_header(&mut self) -> Result<(u64, u8)> {
        let header = self.byte()?;
        let count = match header >> 4 {
            15 => self.varint()?,
            few => u64::from(few),
        };
        Ok((count, header & 0x0f))
    }

    fn elements(&mut self, count: u64, of: u8) -> Result<()> {
        // Invariant 1: each has a byte at least.
        if count > self.bytes.len() as u64 {
            return Err(Fault::Short);
        }
        self.depth += 1;
        if self.depth > NESTING {
            return Err(Fault::Odd(format!("lists lie in each other more than {NESTING} deep")));
        }
        for _ in 0..count {
            // In a list a flag has a byte.
            if BOOLEANS.contains(&of) { self.pass(1)? } else { self.skip(of)? }
        }
        self.depth -= 1;
        Ok(())
    }

    fn skip(&mut self, of: u8) -> Result<()> {
        match of {
            BYTE => self.pass(1),
            I16 | I32 | I64 => self.varint().map(|_| ()),
            DOUBLE => self.pass(8),
            UUID => self.pass(16),
            BINARY => self.varint().and_then(|len| self.pass(len)),
            LIST | SET => self.list_header().and_then(|(count, of)| self.elements(count, of)),
            MAP => {
                let count = self.varint()?;
                if count > self.bytes.len() as u64 {
                    return Err(Fault::Short);
                }
                let of = if count > 0 { self.byte()? } else { 0 };
                (0..count).try_for_each(|_| {
                    self.elements(1, of >> 4)?;
                    self.elements(1, of & 0x0f)
                })
            }
            STRUCT => self.fields(|from, _, of| from.skip(of)),
            other => Err(Fault::Odd(format!("{other} is no type of a field"))),
        }
    }
}
