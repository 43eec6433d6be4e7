//! Numbers, booleans and null.
//!
//! Theory of operation: digits are looked at eight together. Taking away the zero leaves 0 to 9 of a digit, and nothing
//! else stays below 16 even when 6 is added.

use crate::quoted::Bad;

const ZEROS: u64 = 0x3030_3030_3030_3030;
const SIXES: u64 = 0x0606_0606_0606_0606;
const UPPER: u64 = 0xf0f0_f0f0_f0f0_f0f0;

/// Pass over a number, a boolean or null.
#[inline(always)]
pub fn scalar(text: &[u8], at: usize) -> Result<usize, Bad> {
    match text[at] {
        b'-' | b'0'..=b'9' => number(text, at),
        b't' if text[at..].starts_with(b"true") => Ok(at + 4),
        b'f' if text[at..].starts_with(b"false") => Ok(at + 5),
        b'n' if text[at..].starts_with(b"null") => Ok(at + 4),
        _ => Err(at),
    }
}

/// Pass over a number; there must be eight bytes behind it.
#[inline(always)]
pub fn number(text: &[u8], start: usize) -> Result<usize, Bad> {
    let first = start + usize::from(text[start] == b'-');
    let mut at = digits(text, first)?;
    if text[first] == b'0' && at > first + 1 {
        return Err(first);
    }
    if text[at] == b'.' {
        at = digits(text, at + 1)?;
    }
    if matches!(text[at], b'e' | b'E') {
        at += 1;
        at = digits(text, at + usize::from(matches!(text[at], b'+' | b'-')))?;
    }
    Ok(at)
}

/// Pass over one digit or more; there must be eight bytes behind the last.
#[inline(always)]
fn digits(text: &[u8], start: usize) -> Result<usize, Bad> {
    let mut at = start;
    loop {
        let eight = u64::from_le_bytes(*text[at..].first_chunk().expect("text is padded")) ^ ZEROS;
        let others = (eight | eight.wrapping_add(SIXES)) & UPPER;
        if others != 0 {
            at += others.trailing_zeros() as usize / 8;
            return if at > start { Ok(at) } else { Err(at) };
        }
        at += 8;
    }
}

/// Whether a number of ten digits and no more stands here, as times in seconds have from 2001 to 2286.
#[inline(always)]
pub fn is_ten_digits(text: &[u8], at: usize) -> bool {
    let here: &[u8; 11] = text[at..].first_chunk().expect("text is padded");
    let [first @ .., ninth, tenth, behind] = here;
    let are_digits = eight_digits(*first).is_some() && ninth.is_ascii_digit() && tenth.is_ascii_digit();
    are_digits && here[0] != b'0' && !matches!(behind, b'0'..=b'9' | b'.' | b'e' | b'E')
}

/// The number that eight digits are, if they are digits.
#[inline(always)]
pub fn eight_digits(text: [u8; 8]) -> Option<u64> {
    let digits = u64::from_le_bytes(text) ^ ZEROS;
    if (digits | digits.wrapping_add(SIXES)) & UPPER != 0 {
        return None;
    }
    // Neighbours are joined: ones to tens, these to hundreds, these to ten thousands.
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

/// Whether a byte may stand behind a scalar.
const ENDS: [bool; 256] = {
    let mut ends = [false; 256];
    let mut number = 0;
    while number < 7 {
        ends[b",]} \t\r\n"[number] as usize] = true;
        number += 1;
    }
    ends
};

/// Literals by two bits of their first byte: their text, its bits, its length.
const LITERALS: [(u64, u64, usize); 4] = [
    (u64::from_le_bytes(*b"false\0\0\0"), 0x00ff_ffff_ffff, 5),
    (u64::from_le_bytes(*b"null\0\0\0\0"), 0xffff_ffff, 4),
    (u64::from_le_bytes(*b"true\0\0\0\0"), 0xffff_ffff, 4),
    (1, 0, 1),
];

/// Whether a boolean or null stands here, and the end of a value behind it.
#[inline(always)]
pub fn is_literal(text: &[u8], at: usize) -> bool {
    let word = u64::from_le_bytes(*text[at..].first_chunk().expect("text is padded"));
    let (literal, mask, length) = LITERALS[(word >> 3 & 3) as usize];
    word & mask == literal && ENDS[usize::from(text[at + length])]
}

/// Whether an exponent stands here, behind a digit, and the end of a value behind it.
#[inline(never)]
pub fn is_exponent(text: &[u8], at: usize) -> bool {
    if !matches!(text[at], b'e' | b'E') || at == 0 || !text[at - 1].is_ascii_digit() {
        return false;
    }
    let start = at + 1 + usize::from(matches!(text[at + 1], b'+' | b'-'));
    digits(text, start).is_ok_and(|end| ENDS[usize::from(text[end])])
}
