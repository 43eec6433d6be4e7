//! Strings of JSON: where they end, whether they are sound, and their text without escapes.
//!
//! Theory of operation: a text is looked at once, 64 bytes at a time, before it is parsed. Of each byte two bits are
//! kept: whether a string stops at it, because it ends one or must not be in one (or only as a code, `\u`); and whether
//! it is a backslash or not ASCII. That does not ask whether it is in a string, so it needs no branch; and then passing
//! over a string is finding the next bit that stops. A backslash between strings is an error of grammar, and a newline must
//! not be in a string, so what is wrong in one line makes no difference to the next.
//!
//! Which bytes stand behind an odd number of backslashes is worked out for 64 together, by adding: a carry runs through
//! a run of backslashes and comes out behind it (Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019,
//! section 3.1.1). Only codes are looked at by themselves. Bytes that are not ASCII are passed over; whether they are
//! UTF-8 matters to nobody but a user.

use crate::masks::{CHUNK, Width};

const EVEN: u64 = 0x5555_5555_5555_5555;

/// How many bytes may be looked at behind the end of a text; there must be so many of any value.
pub const PADDING: usize = CHUNK + 2;

/// The place, at most at the end of the line, where a line turned out to be no JSON.
pub type Bad = usize;

/// What is known of 64 bytes.
#[derive(Clone, Copy, Default)]
pub struct Marks {
    /// Quotes that end a string, control characters, and what stands for nothing behind a backslash, or is a `u` there.
    stop: u64,
    /// Backslashes, and what is not ASCII.
    fancy: u64,
}

impl Marks {
    #[inline(always)]
    pub fn new(stop: u64, fancy: u64) -> Self {
        Self { stop, fancy }
    }
}

/// Where a string ends.
#[derive(Clone, Copy)]
pub struct Quoted {
    /// The place behind its closing quote.
    pub end: usize,
    /// Whether it is ASCII without escapes.
    pub is_plain: bool,
}

/// Look at a text up to `end`; what `marks` has behind that is of no meaning.
#[inline(always)]
pub fn mark<W: Width>(width: W, text: &[u8], end: usize, marks: &mut Vec<Marks>) {
    let chunks = end.div_ceil(CHUNK);
    if marks.len() <= chunks {
        marks.resize(chunks + 1, Marks::default());
    }
    let mut carried = 0;
    for (chunk, marks) in text.as_chunks::<CHUNK>().0.iter().zip(&mut marks[..chunks]) {
        let found = width.masks(chunk);
        let behind = behind_odd_runs(found.backslash, &mut carried);
        // A quote behind a backslash is simple, so what is a quote and stops is one that ends a string.
        marks.stop = found.quote & !behind | found.control | behind & !width.simple(chunk, behind);
        marks.fancy = found.backslash | found.high;
    }
}

/// The bytes behind runs of an odd number of backslashes; `carried` is 1 when the chunk before ended with such a run.
#[inline(always)]
pub fn behind_odd_runs(backslash: u64, carried: &mut u64) -> u64 {
    // What stands behind the last run of the chunk before begins no run of its own.
    let runs = backslash & !*carried;
    let first = *carried & !backslash;
    let starts = runs & !(runs << 1);
    let behind_even_starts = runs.wrapping_add(starts & EVEN) & !runs;
    let behind_odd_starts = runs.wrapping_add(starts & !EVEN) & !runs;
    *carried = u64::from(runs.leading_ones() & 1);
    first | behind_even_starts & !EVEN | behind_odd_starts & EVEN
}

/// Pass over a string; `start` is behind its opening quote.
#[inline(always)]
pub fn string(text: &[u8], marks: &[Marks], start: usize) -> Result<Quoted, Bad> {
    let mut at = start;
    let mut fancy = 0;
    let mut pair = 0;
    loop {
        // The 64 bytes from here on lie in two chunks. To ask for both is faster than to guess whether one is enough.
        let (number, shift) = (at / CHUNK, at % CHUNK);
        let [here, next] = marks[number..].first_chunk().expect("there is one more than chunks");
        let joined = |here: u64, next: u64| here >> shift | next << 1 << (63 - shift);
        let mut stop = joined(here.stop, next.stop);
        let fancy_here = joined(here.fancy, next.fancy);
        while stop != 0 {
            let distance = stop.trailing_zeros();
            let place = at + distance as usize;
            if text[place] == b'"' {
                fancy |= fancy_here & !(!0 << distance);
                return Ok(Quoted { end: place + 1, is_plain: fancy == 0 });
            }
            if !is_code(text, place, &mut pair) {
                return Err(start);
            }
            stop &= stop - 1;
        }
        fancy |= fancy_here;
        at += CHUNK;
    }
}

/// Codes of a text, in their order.
#[derive(Default)]
pub struct Codes {
    pair: usize,
}

impl Codes {
    /// Whether the next of them is in order.
    #[inline(always)]
    pub fn is_next(&mut self, text: &[u8], place: usize) -> bool {
        is_code(text, place, &mut self.pair)
    }
}

/// Is here the `u` of a code of four hexadecimal digits?
///
/// `pair` is where the second half of a surrogate pair is expected, and nowhere else it may be.
#[cold]
#[inline(never)]
fn is_code(text: &[u8], place: usize, pair: &mut usize) -> bool {
    let Some(unit) = unit_at(text, place) else {
        return false;
    };
    match unit {
        0xd800..=0xdbff => {
            *pair = place + 6;
            text[place + 5] == b'\\'
                && unit_at(text, place + 6).is_some_and(|second| (0xdc00..=0xdfff).contains(&second))
        }
        0xdc00..=0xdfff => *pair == place,
        _ => true,
    }
}

/// The UTF-16 unit written behind the `u` at a place, if one is.
fn unit_at(text: &[u8], at: usize) -> Option<u32> {
    if text[at] != b'u' {
        return None;
    }
    text[at + 1..at + 5].iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
}

/// Write the text of a sound string into `out`, which is emptied before; `inside` is what is between its quotes.
pub fn unescape(inside: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = inside;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let kind = rest[at + 1];
        rest = &rest[at + 2..];
        match kind {
            b'u' => rest = unescape_unit(rest, out),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            itself => out.push(itself),
        }
    }
    out.extend_from_slice(rest);
}

/// Write the character whose digits `rest` begins with; what is behind it.
fn unescape_unit<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let unit = |digits: &[u8]| {
        digits.iter().fold(0, |unit, &digit| unit << 4 | char::from(digit).to_digit(16).unwrap_or_default())
    };
    let (mut code, mut used) = (unit(&rest[..4]), 4);
    if (0xd800..=0xdbff).contains(&code) {
        code = 0x1_0000 + ((code - 0xd800) << 10) + (unit(&rest[6..10]) - 0xdc00);
        used = 10;
    }
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    &rest[used..]
}
