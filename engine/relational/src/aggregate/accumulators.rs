//! What a table holds for a group: words in place, or words and texts.

use yeoul_state::log::Corrupt;
use yeoul_state::{Stored, Value};

use super::Plan;

/// A text of an accumulator; none: no value.
pub(crate) type TextValue = Option<Box<[u8]>>;

/// The accumulators of a group.
pub(crate) trait Accumulators: Value + Clone {
    /// Those of a group without rows.
    fn fresh(plan: &Plan) -> Self;
    fn words(&self) -> &[u64];
    fn words_mut(&mut self) -> &mut [u64];
    fn texts(&self) -> &[TextValue];
    fn texts_mut(&mut self) -> &mut [TextValue];
}

impl<const W: usize> Accumulators for [u64; W] {
    #[inline]
    fn fresh(plan: &Plan) -> Self {
        let mut words = [0; W];
        words[..plan.words].copy_from_slice(&plan.initial);
        words
    }

    #[inline(always)]
    fn words(&self) -> &[u64] {
        self
    }

    #[inline(always)]
    fn words_mut(&mut self) -> &mut [u64] {
        self
    }

    #[inline(always)]
    fn texts(&self) -> &[TextValue] {
        &[]
    }

    #[inline(always)]
    fn texts_mut(&mut self) -> &mut [TextValue] {
        &mut []
    }
}

/// Accumulators of any number of words and texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mixed {
    words: Box<[u64]>,
    texts: Box<[TextValue]>,
}

impl Accumulators for Mixed {
    fn fresh(plan: &Plan) -> Self {
        Self { words: plan.initial.clone().into(), texts: vec![None; plan.texts].into() }
    }

    fn words(&self) -> &[u64] {
        &self.words
    }

    fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }

    fn texts(&self) -> &[TextValue] {
        &self.texts
    }

    fn texts_mut(&mut self) -> &mut [TextValue] {
        &mut self.texts
    }
}

impl Stored for Mixed {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self { words: Box::default(), texts: Box::default() }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        (self.words.len() as u32).encode(out);
        (self.texts.len() as u32).encode(out);
        self.words.iter().for_each(|word| word.encode(out));
        for text in &self.texts {
            // The length and one, so that 0 says that there is none.
            (text.as_ref().map_or(0, |text| text.len() as u32 + 1)).encode(out);
            out.extend_from_slice(text.as_deref().unwrap_or_default());
        }
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let (words, texts) = (u32::decode(bytes)? as usize, u32::decode(bytes)? as usize);
        if words * 8 + texts * 4 > bytes.len() {
            return Err(Corrupt::new(format!("{words} words and {texts} texts in {} bytes", bytes.len())));
        }
        let words = (0..words).map(|_| u64::decode(bytes)).collect::<Result<_, _>>()?;
        let text = |bytes: &mut &[u8]| {
            let Some(length) = (u32::decode(bytes)? as usize).checked_sub(1) else { return Ok(None) };
            let (text, rest) = bytes
                .split_at_checked(length)
                .ok_or_else(|| Corrupt::new(format!("a text of {length} bytes in {} bytes", bytes.len())))?;
            *bytes = rest;
            Ok(Some(text.into()))
        };
        let texts = (0..texts).map(|_| text(bytes)).collect::<Result<_, Corrupt>>()?;
        Ok(Self { words, texts })
    }

    fn heap_bytes(&self) -> usize {
        let texts: usize = self.texts.iter().flatten().map(|text| text.len()).sum();
        size_of_val(&*self.words) + size_of_val(&*self.texts) + texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_texts_come_back_and_garbage_is_refused() {
        let mixed = Mixed {
            words: vec![1, u64::MAX].into(),
            texts: vec![None, Some((*b"").into()), Some((*b"xy").into())].into(),
        };
        let mut bytes = Vec::new();
        mixed.encode(&mut bytes);
        assert_eq!(Mixed::decode(&mut &bytes[..]), Ok(mixed));
        for short in 0..bytes.len() {
            assert!(Mixed::decode(&mut &bytes[..short]).is_err());
        }
    }

    #[test]
    fn the_bytes_are_those_that_the_format_page_prints() {
        let texts = [None, Some((*b"").into()), Some((*b"xy").into())];
        crate::testing::check_printed("accumulators", &Mixed { words: [1, u64::MAX].into(), texts: texts.into() });
    }
}
