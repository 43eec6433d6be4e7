//! The instructions of x86-64.

#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss)] // bytes and masks, which the instructions take as signed
#![allow(clippy::cast_ptr_alignment)] // loads need none

use super::{CHUNK, Masks, Task, Width, words::Plain};
use std::arch::x86_64::{
    __m128i, __m256i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_set1_epi8,
    _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8,
    _mm256_movemask_epi8, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16,
};

const LAST_CONTROL: i8 = 0x1f;

/// `"\/bfnrt` by their halves: a byte is one of them when the entries of its low and its high four bits share a
/// bit. Bits: 1 for 2x, 2 for 5x, 4 for 6x, 8 for 7x. A byte from 80 on finds 0 in the low table.
pub(super) const LOW: [u8; 16] = [0, 0, 1 | 4 | 8, 0, 8, 0, 4, 0, 0, 0, 0, 0, 2, 0, 4, 1];
pub(super) const HIGH: [u8; 16] = [0, 0, 1, 0, 0, 2, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0];

/// SAFETY: to be called where AVX2, BMI, LZCNT and POPCNT are.
#[target_feature(enable = "pclmulqdq,avx2,bmi1,bmi2,lzcnt,popcnt")]
pub fn with_avx2<T: Task>(task: T) -> T::Output {
    task.run(Avx2(()))
}

/// SAFETY: to be called where AVX-512 F and BW, BMI, LZCNT and POPCNT are.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,pclmulqdq,avx2,bmi1,bmi2,lzcnt,popcnt")]
pub fn with_avx512<T: Task>(task: T) -> T::Output {
    task.run(Avx512(()))
}

/// Every machine of this architecture has it. Made in this file only, as are the others.
#[derive(Clone, Copy)]
pub struct Sse2(pub(super) ());

#[derive(Clone, Copy)]
pub struct Avx2(());

#[derive(Clone, Copy)]
pub struct Avx512(());

impl Width for Sse2 {
    type Words = Plain;

    #[inline(always)]
    fn masks(self, chunk: &[u8; CHUNK]) -> Masks {
        let mut masks = Masks { quote: 0, backslash: 0, control: 0, high: 0 };
        for (number, piece) in chunk.chunks_exact(16).enumerate() {
            // SAFETY: SSE2 is part of the architecture; the load reads the 16 bytes of the piece.
            let (quote, backslash, control, high) = unsafe {
                let bytes = _mm_loadu_si128(piece.as_ptr().cast::<__m128i>());
                let last = _mm_set1_epi8(LAST_CONTROL);
                (
                    _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"' as i8))),
                    _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8))),
                    _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(bytes, last), bytes)),
                    _mm_movemask_epi8(bytes),
                )
            };
            let shift = number * 16;
            masks.quote |= u64::from(quote as u32) << shift;
            masks.backslash |= u64::from(backslash as u32) << shift;
            masks.control |= u64::from(control as u32) << shift;
            masks.high |= u64::from(high as u32) << shift;
        }
        masks
    }
}

impl Width for Avx2 {
    type Words = Plain;

    #[inline(always)]
    fn masks(self, chunk: &[u8; CHUNK]) -> Masks {
        let mut masks = Masks { quote: 0, backslash: 0, control: 0, high: 0 };
        for (number, piece) in chunk.chunks_exact(32).enumerate() {
            // SAFETY: there is a value of Avx2, so the machine has it; the load reads the 32 bytes of the piece.
            let (quote, backslash, control, high) = unsafe {
                let bytes = _mm256_loadu_si256(piece.as_ptr().cast::<__m256i>());
                let last = _mm256_set1_epi8(LAST_CONTROL);
                (
                    _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'"' as i8))),
                    _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\\' as i8))),
                    _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(bytes, last), bytes)),
                    _mm256_movemask_epi8(bytes),
                )
            };
            let shift = number * 32;
            masks.quote |= u64::from(quote as u32) << shift;
            masks.backslash |= u64::from(backslash as u32) << shift;
            masks.control |= u64::from(control as u32) << shift;
            masks.high |= u64::from(high as u32) << shift;
        }
        masks
    }

    #[inline(always)]
    fn simple(self, chunk: &[u8; CHUNK], _among: u64) -> u64 {
        let mut simple = 0;
        for (number, piece) in chunk.chunks_exact(32).enumerate() {
            // SAFETY: there is a value of Avx2, so the machine has it; the loads read the 32 bytes of the piece
            // and the 16 of each table.
            let others = unsafe {
                let bytes = _mm256_loadu_si256(piece.as_ptr().cast::<__m256i>());
                let low = _mm256_broadcastsi128_si256(_mm_loadu_si128(LOW.as_ptr().cast::<__m128i>()));
                let high = _mm256_broadcastsi128_si256(_mm_loadu_si128(HIGH.as_ptr().cast::<__m128i>()));
                let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), _mm256_set1_epi8(0x0f));
                let common = _mm256_and_si256(_mm256_shuffle_epi8(low, bytes), _mm256_shuffle_epi8(high, upper));
                _mm256_movemask_epi8(_mm256_cmpeq_epi8(common, _mm256_setzero_si256()))
            };
            simple |= u64::from(!others as u32) << (number * 32);
        }
        simple
    }
}
