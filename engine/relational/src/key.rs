//! Keys of columns, read a frame at a time.
//!
//! One column of at most eight bytes is a word or null, anything else a row of bytes. There is no third form, of words that are never
//! null: it would make a table's entry smaller, and each operator half as long again to compile.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, SchemaRef};
use yeoul_frame::{Frame, KeyHash, hash_bytes, hash_u64};
use yeoul_operator::{OperatorError, Router};
use yeoul_state::{Key, KeyBytes, NullableWord};

use crate::input::Input;
use crate::row::{EncodedRows, RowCodec};
use crate::word::{read_words, width, words_to_array};

/// How keys of some columns are represented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyForm {
    Word,
    Bytes,
}

impl KeyForm {
    pub(crate) fn of(schema: &SchemaRef, keys: &[usize]) -> Self {
        match keys {
            [key] if width(schema.field(*key).data_type()).is_some() => Self::Word,
            _ => Self::Bytes,
        }
    }
}

/// Memory for reading keys, kept from frame to frame.
#[derive(Debug, Default)]
pub(crate) struct KeyBuffers {
    words: Vec<u64>,
    rows: EncodedRows,
}

/// A key of columns.
pub(crate) trait ColumnKey: Key + Ord {
    /// Appends the key of each row.
    fn read(
        columns: &[ArrayRef],
        rows: usize,
        codec: &RowCodec,
        buffers: &mut KeyBuffers,
        out: &mut Vec<Self>,
    ) -> Result<(), OperatorError>;

    /// The columns of keys, one value for each.
    fn columns<'k>(
        keys: impl ExactSizeIterator<Item = &'k Self> + Clone,
        codec: &RowCodec,
        types: &[DataType],
    ) -> Result<Vec<ArrayRef>, OperatorError>;
}

impl ColumnKey for NullableWord {
    fn read(
        columns: &[ArrayRef],
        _: usize,
        _: &RowCodec,
        buffers: &mut KeyBuffers,
        out: &mut Vec<Self>,
    ) -> Result<(), OperatorError> {
        buffers.words.clear();
        read_words(&columns[0], &mut buffers.words);
        match columns[0].nulls().filter(|nulls| nulls.null_count() > 0) {
            None => out.extend(buffers.words.iter().map(|&word| Self::new(word))),
            Some(nulls) => {
                let words = buffers.words.iter().zip(nulls.iter());
                out.extend(words.map(|(&word, is_valid)| if is_valid { Self::new(word) } else { Self::NULL }));
            }
        }
        Ok(())
    }

    fn columns<'k>(
        keys: impl ExactSizeIterator<Item = &'k Self> + Clone,
        _: &RowCodec,
        types: &[DataType],
    ) -> Result<Vec<ArrayRef>, OperatorError> {
        let any_null = keys.clone().any(|key| key.get().is_none());
        let nulls = any_null.then(|| keys.clone().map(|key| key.get().is_some()).collect::<Vec<_>>().into());
        Ok(vec![words_to_array(&types[0], keys.map(|key| key.get().unwrap_or(0)).collect(), nulls)])
    }
}

impl ColumnKey for KeyBytes {
    fn read(
        columns: &[ArrayRef],
        rows: usize,
        codec: &RowCodec,
        buffers: &mut KeyBuffers,
        out: &mut Vec<Self>,
    ) -> Result<(), OperatorError> {
        codec.encode(columns, rows, &mut buffers.rows)?;
        out.extend(buffers.rows.iter().map(Self::new));
        Ok(())
    }

    fn columns<'k>(
        keys: impl ExactSizeIterator<Item = &'k Self> + Clone,
        codec: &RowCodec,
        _: &[DataType],
    ) -> Result<Vec<ArrayRef>, OperatorError> {
        let rows: Vec<&[u8]> = keys.map(KeyBytes::as_bytes).collect();
        codec.decode(&rows)
    }
}

/// Reads the keys of an operator's input.
pub(crate) struct KeyReader<K> {
    columns: Vec<usize>,
    types: Vec<DataType>,
    codec: RowCodec,
    buffers: KeyBuffers,
    keys: Vec<K>,
    hashes: Vec<KeyHash>,
}

impl<K: ColumnKey> KeyReader<K> {
    pub(crate) fn new(schema: &SchemaRef, columns: &[usize]) -> Result<Self, OperatorError> {
        let types: Vec<DataType> = columns.iter().map(|&column| schema.field(column).data_type().clone()).collect();
        Ok(Self {
            columns: columns.to_vec(),
            codec: RowCodec::new(types.iter().cloned())?,
            types,
            buffers: KeyBuffers::default(),
            keys: Vec::new(),
            hashes: Vec::new(),
        })
    }

    /// The keys of the selected rows and their hashes; those that the exchange computed are taken over.
    pub(crate) fn read(&mut self, input: &Input<'_>) -> Result<(&[K], &[KeyHash]), OperatorError> {
        let columns = input.columns_of(&self.columns)?;
        self.keys.clear();
        K::read(&columns, input.rows(), &self.codec, &mut self.buffers, &mut self.keys)?;
        self.hashes.clear();
        match input.frame().hashes() {
            Some(hashes) => self.hashes.extend_from_slice(hashes),
            None => self.hashes.extend(self.keys.iter().map(Key::hash)),
        }
        // One row tells a plan that exchanges by other columns than its operator groups by: its state would lie where no
        // restore looks for it.
        if let (Some(key), Some(hash)) = (self.keys.first(), self.hashes.first())
            && key.hash() != *hash
        {
            return Err(OperatorError::new(format!("rows are exchanged by other columns than {:?}", self.columns))
                .hint("this is a fault of the plan: an operator's exchange is what its spec says"));
        }
        Ok((&self.keys, &self.hashes))
    }

    pub(crate) fn keys(&self) -> &[K] {
        &self.keys
    }

    pub(crate) fn hashes(&self) -> &[KeyHash] {
        &self.hashes
    }

    /// The key columns of these keys.
    pub(crate) fn columns_of<'k>(
        &self,
        keys: impl ExactSizeIterator<Item = &'k K> + Clone,
    ) -> Result<Vec<ArrayRef>, OperatorError> {
        K::columns(keys, &self.codec, &self.types)
    }
}

/// Routes rows by the hash of some columns: the hash that the tables of an operator keyed by them use.
#[derive(Debug, Clone)]
pub struct HashColumns {
    /// The key, in the order in which the receiving operator names it. Empty: all rows go to one place.
    pub columns: Vec<usize>,
}

impl HashColumns {
    fn try_hash(&self, frame: &Frame, hashes: &mut Vec<KeyHash>) -> Result<(), OperatorError> {
        let input = Input::of(frame)?;
        let columns = input.columns_of(&self.columns)?;
        if let [column] = &columns[..]
            && width(column.data_type()).is_some()
        {
            let mut words = Vec::with_capacity(input.rows());
            read_words(column, &mut words);
            match column.nulls().filter(|nulls| nulls.null_count() > 0) {
                None => hashes.extend(words.into_iter().map(hash_u64)),
                Some(nulls) => {
                    let words = words.into_iter().zip(nulls.iter());
                    let hash = |(word, is_valid)| if is_valid { hash_u64(word) } else { NullableWord::NULL_HASH };
                    hashes.extend(words.map(hash));
                }
            }
            return Ok(());
        }
        let codec = RowCodec::new(columns.iter().map(|column| column.data_type().clone()))?;
        let mut rows = EncodedRows::default();
        codec.encode(&columns, input.rows(), &mut rows)?;
        hashes.extend(rows.iter().map(hash_bytes));
        Ok(())
    }

    /// For a job graph's edge.
    #[must_use]
    pub fn router(self) -> Arc<dyn Router> {
        Arc::new(self)
    }
}

impl Router for HashColumns {
    /// # Panics
    /// If the frame has no such columns, or of types that cannot be keys: plans are checked before they run.
    fn hash(&self, frame: &Frame, hashes: &mut Vec<KeyHash>) {
        if let Err(error) = self.try_hash(frame, hashes) {
            panic!("routing by columns {:?}: {error}", self.columns);
        }
    }
}

/// Evaluates `$make` with `$key` as the type of keys of this form.
macro_rules! by_key_form {
    ($form:expr, $key:ident => $make:expr) => {
        match $form {
            $crate::key::KeyForm::Word => {
                type $key = yeoul_state::NullableWord;
                $make
            }
            $crate::key::KeyForm::Bytes => {
                type $key = yeoul_state::KeyBytes;
                $make
            }
        }
    };
}
pub(crate) use by_key_form;
