//! A stretch of lines in two passes: what its bytes are, 64 together, and then its grammar, 512 together.
//!
//! Theory of operation: the first pass has nothing but masks, the second (see `grammar`) works on words of them. What is
//! left are a few places: brackets, which `walk` goes through, and literals, exponents and codes, which are looked at
//! here. Up to the first place with a doubt all lines are sound but for brackets that do not belong together. A doubt
//! decides nothing: what is behind it is left to the parser in `object`.

#![allow(clippy::cast_possible_truncation)] // places in a stretch, which is shorter than 64 KB

use crate::grammar::{Before, Bytes, Carry, grammar};
use crate::masks::{CHUNK, WORDS, Width, Words, class};
use crate::quoted::{Codes, Marks, behind_odd_runs};
use crate::scalar::{is_exponent, is_literal};

/// The longest stretch; longer ones are lines of their own, which `object` parses.
pub const MOST_BYTES: usize = 32 << 10;

const MOST_CHUNKS: usize = MOST_BYTES / CHUNK;

/// A word for each of some chunks.
type Plane = [u64; WORDS];

/// What the bytes of some chunks are. One after the other, so that they do not compete for the same places of the cache,
/// and where no plane lies in two lines of it, which takes a quarter longer.
#[derive(Clone, Default)]
#[repr(align(64))]
struct Planes {
    classes: [Plane; class::SIMPLE],
    /// Quotes without a backslash.
    quote: Plane,
    backslash: Plane,
    control: Plane,
    /// Quotes behind which a key may begin that is asked for.
    asked: Plane,
    /// Strings, from the opening quote on and without the closing one.
    strings: Plane,
    objects: Plane,
    places: Plane,
    odd: Plane,
    values: Plane,
}

/// What is known of a stretch.
#[derive(Default)]
pub struct Survey {
    /// Where its strings stop.
    pub marks: Vec<Marks>,
    /// The first place with a doubt, or the end.
    pub sure: usize,
    /// How many values and keys it has.
    pub values: usize,
    places: Vec<u16>,
    /// The bytes at these places, with their highest bit set if what is before them is of an object.
    bytes: Vec<u8>,
    count: usize,
    planes: Vec<Planes>,
    /// Literals and exponents.
    odd: Vec<u16>,
    odd_count: usize,
    /// Codes, and escapes that stand for nothing.
    codes: Vec<u16>,
}

/// The first two bytes of the keys that are asked for, with their closing quotes.
pub type Begins = [[u8; 2]; 2];

impl Survey {
    /// Look at a text up to `end`, where its last line has its newline and which is at most `MOST_BYTES`.
    #[inline(always)]
    pub fn look<W: Width>(&mut self, width: W, text: &[u8], end: usize, begins: Begins) {
        self.make_room();
        let chunks = end.div_ceil(CHUNK);
        self.classify(width, text, chunks, begins);
        let sure = self.check::<W::Words>(chunks).min(end);
        self.list(width, text, chunks, end);
        self.sure = self.look_closer(text, sure);
    }

    /// Places up to the end, and the bytes there: brackets, newlines, the opening quotes of keys that may be asked for,
    /// and the closing ones of keys with escapes. A byte has its highest bit set if what is before it shows that it is
    /// in an object; of quotes and newlines that means nothing.
    #[inline(always)]
    pub fn places(&self) -> (&[u16], &[u8]) {
        (&self.places[..self.count], &self.bytes[..self.count])
    }

    /// The opening quote of a key, one of whose quotes is here.
    #[inline(always)]
    pub fn key_at(&self, place: usize) -> usize {
        if self.is_in_string(place) { place } else { self.opening(place) }
    }

    fn is_in_string(&self, place: usize) -> bool {
        self.planes[place / CHUNK / WORDS].strings[place / CHUNK % WORDS] >> (place % CHUNK) & 1 == 1
    }

    /// Where the string begins that is closed here: behind the last byte before it that is in none.
    #[cold]
    fn opening(&self, closing: usize) -> usize {
        let mut end = closing;
        while end > 0 {
            let number = (end - 1) / CHUNK;
            let strings = self.planes[number / WORDS].strings[number % WORDS];
            let others = !strings << (CHUNK - 1 - (end - 1) % CHUNK);
            if others != 0 {
                return end - others.leading_zeros() as usize;
            }
            end = number * CHUNK;
        }
        end
    }

    /// Room for the longest stretch, 230 KB; only who surveys has it.
    fn make_room(&mut self) {
        if self.planes.is_empty() {
            self.marks.resize(MOST_CHUNKS + 1, Marks::default());
            self.planes.resize(MOST_CHUNKS / WORDS, Planes::default());
            self.places.resize(MOST_BYTES + CHUNK, 0);
            self.bytes.resize(MOST_BYTES + CHUNK, 0);
            self.odd.resize(MOST_BYTES + CHUNK, 0);
        }
    }

    /// The first pass.
    #[inline(always)]
    fn classify<W: Width>(&mut self, width: W, text: &[u8], chunks: usize, begins: Begins) {
        self.codes.clear();
        let (mut slashes, mut string) = (0, 0);
        for (group, planes) in self.planes[..chunks.div_ceil(WORDS)].iter_mut().enumerate() {
            for word in 0..WORDS.min(chunks - group * WORDS) {
                let number = group * WORDS + word;
                let at = number * CHUNK;
                let all: &[u8; CHUNK + 2] = text[at..].first_chunk().expect("text is padded");
                let chunk: &[u8; CHUNK] = all.first_chunk().expect("it is longer");
                let masks = width.masks(chunk);
                let classes = width.classes(chunk);
                let behind = behind_odd_runs(masks.backslash, &mut slashes);
                let odd_escapes = behind & !classes[class::SIMPLE];
                let quote = masks.quote & !behind;
                self.marks[number] = Marks::new(quote | masks.control | odd_escapes, masks.backslash | masks.high);
                let strings = width.parity(quote) ^ string;
                string = 0_u64.wrapping_sub(strings >> 63);
                for (plane, class) in planes.classes.iter_mut().zip(classes) {
                    plane[word] = class;
                }
                planes.quote[word] = quote;
                planes.backslash[word] = masks.backslash;
                planes.control[word] = masks.control;
                planes.strings[word] = strings;
                let [one, other] = begins.map(|begin| begins_at(width, all, begin));
                planes.asked[word] = one | other;
                append(&mut self.codes, at, odd_escapes);
            }
        }
    }

    /// The second pass; the first place with a doubt.
    #[inline(always)]
    fn check<W: Words>(&mut self, chunks: usize) -> usize {
        let mut before = Before::<W>::new();
        let mut carry = Carry::default();
        let groups = &mut self.planes[..chunks.div_ceil(WORDS)];
        for group in 0..groups.len() {
            let planes = &mut groups[group];
            let bytes = Bytes {
                classes: std::array::from_fn(|class| W::load(&planes.classes[class])),
                quote: W::load(&planes.quote),
                backslash: W::load(&planes.backslash),
                control: W::load(&planes.control),
                asked: W::load(&planes.asked),
                strings: W::load(&planes.strings),
            };
            let blank = bytes.classes[class::BLANK] & !bytes.classes[class::FIRST] & !bytes.strings;
            let found = if blank.is_zero() && !carry.is_over_space() {
                grammar::<W, false>(&bytes, &mut before, &mut carry)
            } else {
                grammar::<W, true>(&bytes, &mut before, &mut carry)
            };
            planes.objects = found.objects.words();
            planes.places = found.places.words();
            planes.odd = found.odd.words();
            planes.values = found.values.words();
            if !found.doubt.is_zero() {
                let doubt = found.doubt.words();
                let word = doubt.iter().position(|&word| word != 0).unwrap_or_default();
                for behind in &mut groups[group + 1..] {
                    behind.places = [0; WORDS];
                }
                return (group * WORDS + word) * CHUNK + doubt[word].trailing_zeros() as usize;
            }
        }
        chunks * CHUNK
    }

    /// Write down the places that are to be looked at.
    #[inline(always)]
    fn list<W: Width>(&mut self, width: W, text: &[u8], chunks: usize, end: usize) {
        let (mut count, mut odd, mut values) = (0, 0, 0);
        if !end.is_multiple_of(CHUNK) {
            let last = chunks - 1;
            let (planes, inside) = (&mut self.planes[last / WORDS], !(!0 << (end % CHUNK)));
            planes.places[last % WORDS] &= inside;
            planes.odd[last % WORDS] &= inside;
        }
        for (number, chunk) in text.as_chunks().0[..chunks].iter().enumerate() {
            let base = (number * CHUNK) as u16;
            let planes = &self.planes[number / WORDS];
            let word = number % WORDS;
            let bits = planes.places[word];
            width.pick(bits, planes.objects[word], chunk, room(&mut self.bytes, count));
            width.places(bits, base, room(&mut self.places, count));
            count += bits.count_ones() as usize;
            let bits = planes.odd[word];
            width.places(bits, base, room(&mut self.odd, odd));
            odd += bits.count_ones() as usize;
            values += planes.values[word].count_ones() as usize;
        }
        self.values = values;
        (self.count, self.odd_count) = (count, odd);
    }

    /// Look at what is listed; the place up to which there is no doubt.
    fn look_closer(&self, text: &[u8], sure: usize) -> usize {
        let up_to = |&place: &usize| place < sure;
        let odd = self.odd[..self.odd_count].iter().map(|&place| usize::from(place));
        let odd = odd.take_while(up_to).find(|&at| !(is_literal(text, at) || is_exponent(text, at)));
        let mut codes = Codes::default();
        let code = self.codes.iter().map(|&place| usize::from(place));
        let code = code.take_while(up_to).find(|&at| !codes.is_next(text, at));
        sure.min(odd.unwrap_or(sure)).min(code.unwrap_or(sure))
    }
}

/// Quotes behind which these two bytes stand, and others that are none.
#[inline(always)]
fn begins_at<W: Width>(width: W, text: &[u8; CHUNK + 2], begin: [u8; 2]) -> u64 {
    let behind = |distance: usize| -> &[u8; CHUNK] { text[distance..].first_chunk().expect("there are two more") };
    width.equal(behind(1), begin[0]) & width.equal(behind(2), begin[1])
}

/// Room for what is found in a chunk.
#[inline(always)]
fn room<T>(places: &mut [T], count: usize) -> &mut [T; CHUNK] {
    places[count..].first_chunk_mut().expect("there is a chunk more")
}

/// Add the places of a few bits.
#[inline(always)]
fn append(places: &mut Vec<u16>, at: usize, bits: u64) {
    let mut left = bits;
    while left != 0 {
        places.push(at as u16 + left.trailing_zeros() as u16);
        left &= left - 1;
    }
}
