//! Which bytes of 64 are quotes, backslashes, control characters: by the widest instructions that the machine has.
//!
//! Theory of operation: a `Width` is a witness: a value of it exists only where its instructions do, so its method is
//! safe to call. Work is handed in as a `Task`, generic over the width, and is inlined whole into a function that is
//! compiled for these instructions; so they are chosen once for a block, not once for 64 bytes.
//!
//! This module, with its `x86`, is the only one with unsafe code.

#![allow(unsafe_code)]

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
    /// The masks of a chunk.
    fn masks(self, chunk: &[u8; CHUNK]) -> Masks;

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
            Level::Avx512 => is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") && has_bits(),
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
mod x86;

#[cfg(target_arch = "x86_64")]
fn has_bits() -> bool {
    is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
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
    use super::{CHUNK, Level, Masks, Task, Width, is_simple};

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
}
