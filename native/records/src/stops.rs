//! Where a stretch of plain bytes stops.
//!
//! Theory of operation: fields are short, so eight bytes are looked at with plain arithmetic on one word, which is over
//! before anything wider has begun. In a word, bit 7 of each byte is set where a byte is one that is looked for. The
//! usual formulas are wrong only for bytes above a byte that they found rightly, so the lowest bit is always right, also
//! of the union of several; nobody asks for another.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;
const SPACE: u64 = 0x20;

/// Bytes per look.
pub(crate) const WORD: usize = 8;

/// Stops at control characters, the quote and the backslash of JSON, and one more byte.
#[derive(Clone, Copy)]
pub(crate) struct Stops {
    mark: u64,
}

impl Stops {
    pub(crate) fn new(mark: u8) -> Self {
        Self { mark: spread(mark) }
    }

    /// How many bytes of the word come before the first that stops; WORD if none does.
    #[inline]
    pub(crate) fn before(self, word: [u8; WORD]) -> usize {
        let word = u64::from_le_bytes(word);
        let control = word.wrapping_sub(ONES.wrapping_mul(SPACE)) & !word;
        let found =
            (control | zeros(word ^ self.mark) | zeros(word ^ spread(b'"')) | zeros(word ^ spread(b'\\'))) & HIGH;
        found.trailing_zeros() as usize / 8
    }
}

#[inline]
fn spread(byte: u8) -> u64 {
    ONES.wrapping_mul(u64::from(byte))
}

/// Bit 7 where a byte is zero; the others mean nothing.
#[inline]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word
}

/// The bytes from `at` on; behind the end come zeros, which stop.
#[inline]
pub(crate) fn word_at(data: &[u8], at: usize) -> [u8; WORD] {
    if let Some(word) = data.get(at..).and_then(<[u8]>::first_chunk) {
        return *word;
    }
    let mut word = [0; WORD];
    for (to, from) in word.iter_mut().zip(data.get(at..).unwrap_or_default()) {
        *to = *from;
    }
    word
}

#[cfg(test)]
mod tests {
    use super::{Stops, WORD, word_at};

    /// Every pair of bytes at every pair of neighbouring places, between plain ones.
    #[test]
    fn the_first_that_stops_is_found_whatever_follows_it() {
        for mark in [b',', b'\t', b'\'', 0x7f, b'a', b'"'] {
            let stops = Stops::new(mark);
            for pair in 0..=u16::MAX {
                for place in 0..WORD - 1 {
                    let mut word = [b'x'; WORD];
                    word[place..place + 2].copy_from_slice(&pair.to_le_bytes());
                    let stop = |byte: &u8| *byte < 0x20 || *byte == mark || *byte == b'"' || *byte == b'\\';
                    assert_eq!(stops.before(word), word.iter().position(stop).unwrap_or(WORD));
                }
            }
        }
    }

    #[test]
    fn behind_the_end_are_zeros() {
        assert_eq!(word_at(b"abc", 1), *b"bc\0\0\0\0\0\0");
        assert_eq!(word_at(b"abc", 9), [0; WORD]);
        assert_eq!(word_at(b"0123456789", 1), *b"12345678");
    }
}
