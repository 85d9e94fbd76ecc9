//! Digests of text, in small hexadecimal digits.

use arrow_schema::DataType;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::{Call, Definition, Result, TEXT, function, is_int, is_text, texts_to};
use crate::error::SqlError;

macro_rules! digest {
    ($name:literal, $of:ty) => {
        function($name, |given| texts_to(given, 1..=1, TEXT, concat!($name, "(string)")), digests::<$of>)
    };
}

pub(super) const FUNCTIONS: &[Definition] = &[
    digest!("md5", Md5),
    digest!("sha1", Sha1),
    digest!("sha224", Sha224),
    digest!("sha256", Sha256),
    digest!("sha384", Sha384),
    digest!("sha512", Sha512),
    function(
        "sha2",
        |given| match given {
            [text, bits] if is_text(text) && is_int(bits) => Ok((vec![TEXT, DataType::Int32], TEXT)),
            _ => Err("SHA2(string, 224 | 256 | 384 | 512)"),
        },
        |call| {
            let (texts, lengths) = (call.text(0)?, call.int(1)?);
            call.texts_or_fail(|row, out| {
                let (Some(text), Some(bits)) = (texts.get(row), lengths.get(row)) else { return Ok(false) };
                match bits {
                    224 => hex(&Sha224::digest(text), out),
                    256 => hex(&Sha256::digest(text), out),
                    384 => hex(&Sha384::digest(text), out),
                    512 => hex(&Sha512::digest(text), out),
                    _ => {
                        let error = SqlError::new(format!("there is no SHA2 of {bits} bits"));
                        return Err(error.hint("write 224, 256, 384 or 512"));
                    }
                }
                Ok(true)
            })
        },
    ),
];

fn digests<D: Digest>(call: &Call<'_>) -> Result<arrow_array::ArrayRef> {
    let texts = call.text(0)?;
    call.texts(|row, out| texts.get(row).map(|text| hex(&D::digest(text), out)).is_some())
}

fn hex(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend(bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|half| char::from(DIGITS[usize::from(half)])));
}
