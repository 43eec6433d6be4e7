//! The widest instructions of x86-64, and words in their registers.

#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss)] // bytes and masks, which the instructions take as signed
#![allow(clippy::cast_ptr_alignment)] // loads need none

use super::x86::{Avx512, HIGH, LOW};
use super::{CHUNK, CLASSES, Masks, WORDS, Width, Words, class};
use std::arch::x86_64::{
    __m128i, __m512i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_loadu_si128, _mm_set_epi64x, _mm_set1_epi8,
    _mm512_add_epi64, _mm512_alignr_epi64, _mm512_and_si512, _mm512_broadcast_i32x4, _mm512_castsi512_si256,
    _mm512_cmpeq_epi8_mask, _mm512_cmpeq_epi64_mask, _mm512_cmplt_epu8_mask, _mm512_cmplt_epu64_mask,
    _mm512_cvtepu8_epi16, _mm512_extracti64x4_epi64, _mm512_loadu_si512, _mm512_mask_add_epi8, _mm512_mask_sub_epi64,
    _mm512_maskz_compress_epi8, _mm512_maskz_permutex2var_epi8, _mm512_movepi8_mask, _mm512_or_si512, _mm512_set1_epi8,
    _mm512_set1_epi16, _mm512_set1_epi64, _mm512_shuffle_epi8, _mm512_slli_epi64, _mm512_srli_epi16, _mm512_srli_epi64,
    _mm512_storeu_si512, _mm512_test_epi8_mask, _mm512_test_epi64_mask, _mm512_xor_si512,
};
use std::ops::{BitAnd, BitOr, Not};

#[inline(always)]
fn parity(bits: u64) -> u64 {
    // SAFETY: called only by widths of which there is a value, so the machine has the instruction.
    unsafe {
        let product = _mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, bits as i64), _mm_set1_epi8(-1));
        _mm_cvtsi128_si64(product) as u64
    }
}

impl Width for Avx512 {
    const HAS_WORDS: bool = true;

    type Words = Words512;

    #[inline(always)]
    fn classes(self, chunk: &[u8; CHUNK]) -> [u64; class::COUNT] {
        // SAFETY: there is a value of Avx512, so the machine has it; the loads read the 64 bytes of the chunk and
        // the 128 of the table.
        unsafe {
            let bytes = _mm512_loadu_si512(chunk.as_ptr().cast::<__m512i>());
            let lower = _mm512_loadu_si512(CLASSES.as_ptr().cast::<__m512i>());
            let upper = _mm512_loadu_si512(CLASSES[64..].as_ptr().cast::<__m512i>());
            let found = _mm512_maskz_permutex2var_epi8(!_mm512_movepi8_mask(bytes), lower, bytes, upper);
            std::array::from_fn(|bit| _mm512_test_epi8_mask(found, _mm512_set1_epi8((1_u8 << bit) as i8)))
        }
    }

    #[inline(always)]
    fn equal(self, chunk: &[u8; CHUNK], byte: u8) -> u64 {
        // SAFETY: there is a value of Avx512, so the machine has it; the load reads the 64 bytes of the chunk.
        unsafe {
            let bytes = _mm512_loadu_si512(chunk.as_ptr().cast::<__m512i>());
            _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte as i8))
        }
    }

    #[inline(always)]
    fn places(self, bits: u64, base: u16, room: &mut [u16; CHUNK]) {
        // SAFETY: there is a value of Avx512, so the machine has it; the load reads the 64 bytes of the numbers, each
        // store writes those of half of the room.
        unsafe {
            let base = _mm512_set1_epi16(base as i16);
            let numbers = _mm512_loadu_si512(NUMBERS.as_ptr().cast::<__m512i>());
            let numbers = _mm512_maskz_compress_epi8(bits, numbers);
            let lower = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(numbers));
            _mm512_storeu_si512(room.as_mut_ptr().cast::<__m512i>(), _mm512_or_si512(base, lower));
            if bits.count_ones() > 32 {
                let upper = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64::<1>(numbers));
                _mm512_storeu_si512(room[32..].as_mut_ptr().cast::<__m512i>(), _mm512_or_si512(base, upper));
            }
        }
    }

    #[inline(always)]
    fn pick(self, bits: u64, flagged: u64, chunk: &[u8; CHUNK], room: &mut [u8; CHUNK]) {
        // SAFETY: there is a value of Avx512, so the machine has it; the load reads the 64 bytes of the chunk, the
        // store writes those of the room.
        unsafe {
            let bytes = _mm512_loadu_si512(chunk.as_ptr().cast::<__m512i>());
            let bytes = _mm512_mask_add_epi8(bytes, flagged, bytes, _mm512_set1_epi8(i8::MIN));
            let picked = _mm512_maskz_compress_epi8(bits, bytes);
            _mm512_storeu_si512(room.as_mut_ptr().cast::<__m512i>(), picked);
        }
    }

    #[inline(always)]
    fn parity(self, bits: u64) -> u64 {
        parity(bits)
    }

    #[inline(always)]
    fn masks(self, chunk: &[u8; CHUNK]) -> Masks {
        // SAFETY: there is a value of Avx512, so the machine has it; the load reads the 64 bytes of the chunk.
        unsafe {
            let bytes = _mm512_loadu_si512(chunk.as_ptr().cast::<__m512i>());
            Masks {
                quote: _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(b'"' as i8)),
                backslash: _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(b'\\' as i8)),
                control: _mm512_cmplt_epu8_mask(bytes, _mm512_set1_epi8(b' ' as i8)),
                high: _mm512_movepi8_mask(bytes),
            }
        }
    }

    #[inline(always)]
    fn simple(self, chunk: &[u8; CHUNK], _among: u64) -> u64 {
        // SAFETY: there is a value of Avx512, so the machine has it; the loads read the 64 bytes of the chunk and
        // the 16 of each table.
        unsafe {
            let bytes = _mm512_loadu_si512(chunk.as_ptr().cast::<__m512i>());
            let low = _mm512_broadcast_i32x4(_mm_loadu_si128(LOW.as_ptr().cast::<__m128i>()));
            let high = _mm512_broadcast_i32x4(_mm_loadu_si128(HIGH.as_ptr().cast::<__m128i>()));
            let upper = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), _mm512_set1_epi8(0x0f));
            _mm512_test_epi8_mask(_mm512_shuffle_epi8(low, bytes), _mm512_shuffle_epi8(high, upper))
        }
    }
}

/// 0 to 63.
const NUMBERS: [u8; CHUNK] = {
    let mut numbers = [0; CHUNK];
    let mut number = 0;
    while number < CHUNK {
        numbers[number] = number as u8;
        number += 1;
    }
    numbers
};

/// Eight words in a register. Only `Avx512` has it as its words, so there is a value only where its instructions are.
#[derive(Clone, Copy)]
pub struct Words512(__m512i);

impl BitAnd for Words512 {
    type Output = Self;
    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        // SAFETY: there is a value, so the machine has the instruction; as in the functions below.
        Self(unsafe { _mm512_and_si512(self.0, other.0) })
    }
}

impl BitOr for Words512 {
    type Output = Self;
    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_or_si512(self.0, other.0) })
    }
}

impl Not for Words512 {
    type Output = Self;
    #[inline(always)]
    fn not(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_xor_si512(self.0, _mm512_set1_epi64(-1)) })
    }
}

impl Words for Words512 {
    #[inline(always)]
    fn load(words: &[u64; WORDS]) -> Self {
        // SAFETY: asked for as the words of an Avx512; reads the 64 bytes of the words.
        Self(unsafe { _mm512_loadu_si512(words.as_ptr().cast::<__m512i>()) })
    }

    #[inline(always)]
    fn words(self) -> [u64; WORDS] {
        let mut words = [0; WORDS];
        // SAFETY: as above; writes the 64 bytes of the words.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast::<__m512i>(), self.0) };
        words
    }

    #[inline(always)]
    fn behind(self, before: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe {
            let last = _mm512_srli_epi64::<63>(_mm512_alignr_epi64::<7>(self.0, before.0));
            _mm512_or_si512(_mm512_slli_epi64::<1>(self.0), last)
        })
    }

    #[inline(always)]
    fn sum(self, other: Self, carry: &mut u8) -> Self {
        // SAFETY: as above.
        Self(unsafe {
            let ones = _mm512_set1_epi64(-1);
            let sum = _mm512_add_epi64(self.0, other.0);
            // A word that has all ones hands on what comes in, and that is what adding does to a word of such bits.
            let over = u32::from(_mm512_cmplt_epu64_mask(sum, self.0));
            let full = u32::from(_mm512_cmpeq_epi64_mask(sum, ones));
            let carries = ((over << 1 | u32::from(*carry)) + full) ^ full;
            *carry = (carries >> WORDS) as u8;
            _mm512_mask_sub_epi64(sum, carries as u8, sum, ones)
        })
    }

    #[inline(always)]
    fn is_zero(self) -> bool {
        // SAFETY: as above.
        unsafe { _mm512_test_epi64_mask(self.0, self.0) == 0 }
    }
}
