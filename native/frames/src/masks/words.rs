//! Words of bits, eight of them as one number.

use std::ops::{BitAnd, BitOr, Not};

/// Words that are worked on together: one number of 512 bits, the first word lowest.
pub trait Words: Copy + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self> {
    fn load(words: &[u64; WORDS]) -> Self;
    fn words(self) -> [u64; WORDS];
    /// This, a place further; the last bit of what came before comes in.
    fn behind(self, before: Self) -> Self;
    /// The sum, of which `carry` is the lowest bit before and the highest, that does not fit, after.
    fn sum(self, other: Self, carry: &mut u8) -> Self;
    fn is_zero(self) -> bool;
}

/// How many words are worked on together.
pub const WORDS: usize = 8;

/// Words one after the other.
#[derive(Clone, Copy)]
pub struct Plain([u64; WORDS]);

impl BitAnd for Plain {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }
}

impl BitOr for Plain {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }
}

impl Not for Plain {
    type Output = Self;
    fn not(self) -> Self {
        Self(self.0.map(|word| !word))
    }
}

impl Words for Plain {
    fn load(words: &[u64; WORDS]) -> Self {
        Self(*words)
    }

    fn words(self) -> [u64; WORDS] {
        self.0
    }

    fn behind(self, before: Self) -> Self {
        let last = |word: usize| if word == 0 { before.0[WORDS - 1] } else { self.0[word - 1] };
        Self(std::array::from_fn(|word| self.0[word] << 1 | last(word) >> 63))
    }

    fn sum(self, other: Self, carry: &mut u8) -> Self {
        Self(std::array::from_fn(|word| {
            let sum = u128::from(self.0[word]) + u128::from(other.0[word]) + u128::from(*carry);
            *carry = u8::from(sum >> 64 != 0);
            #[allow(clippy::cast_possible_truncation)] // what does not fit is carried
            let low = sum as u64;
            low
        }))
    }

    fn is_zero(self) -> bool {
        self.0 == [0; WORDS]
    }
}
