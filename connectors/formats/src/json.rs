//! The JSON parser behind [`NdjsonDecoder`](crate::NdjsonDecoder): a walk over one record, directed by the used keys.
//!
//! `walk` goes through objects by `script`, which guesses the next key; `value` reads what is used, `skip` steps over what
//! is not, and `string` unescapes.

mod script;
mod walk;
mod value;
mod skip;
mod string;

pub(crate) use walk::{JsonState, Walk};
