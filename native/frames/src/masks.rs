//! Which bytes of 64 are quotes, backslashes, control characters: by the widest instructions that the machine has.
//!
//! Theory of operation: a `Width` is a witness: a value of it exists only where its instructions do, so its method is
//! safe to call. Work is handed in as a `Task`, generic over the width, and is inlined whole into a function that is
//! compiled for these instructions; so they are chosen once for a block, not once for 64 bytes.
//!
//! This module, with its `x86` and `avx512`, are the only ones with unsafe code.

#![allow(unsafe_code)]
#![allow(clippy::cast_possible_truncation)] // places in a chunk, and single bits

pub mod class;
mod words;

use class::CLASSES;
use words::Plain;
pub use words::{WORDS, Words};

/// Bytes that are looked at together.
pub const CHUNK: usize = 64;

/// One bit for each byte of a chunk, the first one in the lowest place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masks {
    pub quote: u64,
    pub backslash: u64,
    /// Below the space.
    pub control: u64,
    /// Not ASCII.
    pub high: u64,
}

/// Instructions of a width.
pub trait Width: Copy {
    /// Whether it has words, and finds classes, so fast that asking for those of every byte pays.
    const HAS_WORDS: bool = false;

    type Words: Words;

    /// The masks of a chunk.
    fn masks(self, chunk: &[u8; CHUNK]) -> Masks;

    /// Which bytes of a chunk have each bit of `class`.
    #[inline(always)]
    fn classes(self, chunk: &[u8; CHUNK]) -> [u64; class::COUNT] {
        let of = |byte: u8| CLASSES.get(usize::from(byte)).copied().unwrap_or_default();
        std::array::from_fn(|bit| mask_of(chunk, |byte| of(byte) >> bit & 1 == 1))
    }

    /// Which bytes of a chunk are this one.
    #[inline(always)]
    fn equal(self, chunk: &[u8; CHUNK], byte: u8) -> u64 {
        mask_of(chunk, |there| there == byte)
    }

    /// Write the places of bits from the front of `room` on, `base` added; what is behind them means nothing.
    #[inline(always)]
    fn places(self, bits: u64, base: u16, room: &mut [u16; CHUNK]) {
        let mut left = bits;
        for place in &mut room[..bits.count_ones() as usize] {
            *place = base + left.trailing_zeros() as u16;
            left &= left - 1;
        }
    }

    /// Write the bytes at these bits, which are ASCII, from the front of `room` on, with their highest bit set if they
    /// are `flagged`; what is behind them means nothing.
    #[inline(always)]
    fn pick(self, bits: u64, flagged: u64, chunk: &[u8; CHUNK], room: &mut [u8; CHUNK]) {
        let mut left = bits;
        for byte in &mut room[..bits.count_ones() as usize] {
            let at = left.trailing_zeros();
            *byte = chunk[at as usize] | ((flagged >> at & 1) as u8) << 7;
            left &= left - 1;
        }
    }

    /// Bit by bit, whether the number of bits up to there is odd.
    #[inline(always)]
    fn parity(self, bits: u64) -> u64 {
        let mut parity = bits;
        for distance in [1, 2, 4, 8, 16, 32] {
            parity ^= parity << distance;
        }
        parity
    }

    /// Those of some bytes that stand for something behind a backslash: `"\/bfnrt`, `u` is not among them.
    #[inline(always)]
    fn simple(self, chunk: &[u8; CHUNK], among: u64) -> u64 {
        let (mut left, mut simple) = (among, 0);
        while left != 0 {
            let at = left.trailing_zeros();
            simple |= u64::from(is_simple(chunk[at as usize])) << at;
            left &= left - 1;
        }
        simple
    }
}

/// Work that is done with instructions of a width.
pub trait Task {
    type Output;

    /// Do it; implementations are marked `#[inline(always)]`, as is all on the way to `Width::masks`.
    fn run<W: Width>(self, width: W) -> Self::Output;
}

/// How wide the instructions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Portable,
    Sse2,
    Avx2,
    Avx512,
}

impl Level {
    /// All, from narrow to wide.
    pub const ALL: [Level; 4] = [Level::Portable, Level::Sse2, Level::Avx2, Level::Avx512];

    /// The widest that this machine has.
    #[must_use]
    pub fn best() -> Level {
        Level::ALL.into_iter().rev().find(|level| level.is_here()).unwrap_or(Level::Portable)
    }

    /// Its name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Sse2 => "sse2",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    /// Whether this machine has it.
    #[must_use]
    pub fn is_here(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return match self {
            Level::Portable | Level::Sse2 => true,
            Level::Avx2 => is_x86_feature_detected!("avx2") && has_bits(),
            Level::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vbmi")
                    && is_x86_feature_detected!("avx512vbmi2")
                    && has_bits()
            }
        };
        #[cfg(not(target_arch = "x86_64"))]
        return self == Level::Portable;
    }

    /// Do a task with these instructions; with portable ones if the machine has not got them.
    pub fn run<T: Task>(self, task: T) -> T::Output {
        #[cfg(target_arch = "x86_64")]
        if self.is_here() {
            match self {
                // SAFETY: the machine has the instructions that the function is compiled for, as was just asked.
                Level::Avx512 => return unsafe { x86::with_avx512(task) },
                // SAFETY: as above.
                Level::Avx2 => return unsafe { x86::with_avx2(task) },
                Level::Sse2 => return task.run(x86::Sse2(())),
                Level::Portable => {}
            }
        }
        task.run(Portable)
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
fn has_bits() -> bool {
    is_x86_feature_detected!("pclmulqdq")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
}

fn mask_of(chunk: &[u8; CHUNK], is_wanted: impl Fn(u8) -> bool) -> u64 {
    chunk.iter().rev().fold(0, |mask, &byte| mask << 1 | u64::from(is_wanted(byte)))
}

const fn is_simple(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')
}

/// Eight bytes at a time, in plain arithmetic.
#[derive(Clone, Copy)]
struct Portable;

const ONES: u64 = 0x0101_0101_0101_0101;
const LOW_BITS: u64 = 0x7f * ONES;

/// One bit for each byte that is zero.
#[inline(always)]
fn zeros(word: u64) -> u64 {
    gather(!(((word & LOW_BITS) + LOW_BITS) | word))
}

/// The highest bit of each byte, side by side.
#[inline(always)]
fn gather(word: u64) -> u64 {
    (word >> 7 & ONES).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

impl Width for Portable {
    type Words = Plain;

    #[inline(always)]
    fn masks(self, chunk: &[u8; CHUNK]) -> Masks {
        let mut masks = Masks { quote: 0, backslash: 0, control: 0, high: 0 };
        for (number, piece) in chunk.chunks_exact(8).enumerate() {
            let word = u64::from_le_bytes(*piece.first_chunk().expect("there are eight"));
            let shift = number * 8;
            masks.quote |= zeros(word ^ (u64::from(b'"') * ONES)) << shift;
            masks.backslash |= zeros(word ^ (u64::from(b'\\') * ONES)) << shift;
            masks.control |= zeros(word & (0xe0 * ONES)) << shift;
            masks.high |= gather(word) << shift;
        }
        masks
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Level, Masks, Task, WORDS, Width, Words, class, is_simple};

    /// Masks, and which bytes are simple.
    struct Look([u8; CHUNK]);

    impl Task for Look {
        type Output = (Masks, u64);

        #[inline(always)]
        fn run<W: Width>(self, width: W) -> (Masks, u64) {
            (width.masks(&self.0), width.simple(&self.0, !0))
        }
    }

    #[test]
    fn every_level_sees_every_byte_in_every_place() {
        for level in Level::ALL.into_iter().filter(|level| level.is_here()) {
            let step = if cfg!(miri) { 41 } else { 1 }; // which takes an hour for what others do in a second
            for byte in (0..=255).step_by(step) {
                for at in (0..CHUNK).step_by(step.min(13)) {
                    for around in [b'a', b'\\', b'"', 0, 255] {
                        let mut chunk = [around; CHUNK];
                        chunk[at] = byte;
                        let (found, simple) = level.run(Look(chunk));
                        for (place, &there) in chunk.iter().enumerate() {
                            let bit = |mask: u64| mask >> place & 1 == 1;
                            assert_eq!(bit(found.quote), there == b'"');
                            assert_eq!(bit(found.backslash), there == b'\\');
                            assert_eq!(bit(found.control), there < b' ');
                            assert_eq!(bit(found.high), !there.is_ascii());
                            assert_eq!(bit(simple), is_simple(there));
                        }
                    }
                }
            }
        }
    }

    /// What else a width says of a chunk.
    struct More([u8; CHUNK]);

    impl Task for More {
        type Output = ([u64; class::COUNT], u64, u64, Vec<u16>, Vec<u8>, [u64; WORDS]);

        #[inline(always)]
        fn run<W: Width>(self, width: W) -> Self::Output {
            let (chunk, bits) = (&self.0, width.equal(&self.0, self.0[0] & 0x7f)); // only ASCII is picked
            let (mut places, mut bytes) = ([0; CHUNK], [0; CHUNK]);
            width.places(bits, 640, &mut places);
            width.pick(bits, bits & 0x0f0f, chunk, &mut bytes);
            let count = bits.count_ones() as usize;
            let words = W::Words::load(&std::array::from_fn(|word| !0 << word | bits));
            let (one, other, mut carry) = (words & !words.behind(words), words | words.behind(!words), 1);
            let sum = (one.sum(other, &mut carry) & words).words();
            let classes = width.classes(chunk);
            (classes, bits, width.parity(bits), places[..count].to_vec(), bytes[..count].to_vec(), sum)
        }
    }

    #[test]
    fn every_level_says_of_classes_and_words_what_the_plain_one_does() {
        for level in Level::ALL.into_iter().filter(|level| level.is_here()) {
            for byte in (0..=255).step_by(if cfg!(miri) { 41 } else { 1 }) {
                for step in 1..20_usize {
                    let chunk = std::array::from_fn(|at| if at % step == 0 { byte } else { (at * 37 + step) as u8 });
                    let found = level.run(More(chunk));
                    assert_eq!(found, Level::Portable.run(More(chunk)), "{level:?} {byte} {step}");
                }
            }
        }
    }
}
