//! The grammar of JSON as operations of words: no token is looked at by itself.
//!
//! Theory of operation: of each byte there is a bit for every class, and a shift by one brings a token to the place of
//! the next one (`next`, which also carries it over white space). So "behind a colon comes a value" is an operation of
//! words, whatever the bytes are. Running through a string, a number, or up to the next bracket is an addition: the
//! carry goes through a run of ones and comes out behind it.
//!
//! What words cannot tell is which bracket a closing one belongs to. All that is between two brackets that follow each
//! other is in one object or in one array, and shows which: a colon and a brace that closes are of an object, a comma
//! before what is no key and a bracket that closes are of an array. Both at once are an error; which of them it is, is
//! left in `objects`, at the second of the two brackets, to be compared when brackets are walked (see `walk`).

use crate::masks::{WORDS, Words, class};

/// What is left of some words for those behind them: bytes whose next one matters.
#[derive(Clone, Copy)]
pub struct Before<W> {
    brace: W,
    bracket: W,
    comma: W,
    colon: W,
    newline: W,
    key_end: W,
    scalar: W,
    digit: W,
    exponent: W,
    letter: W,
    dot: W,
    sign: W,
    minus: W,
    zero: W,
}

/// What runs on from some words into those behind them: a bit each.
#[derive(Default)]
pub struct Carry {
    brace: u8,
    bracket: u8,
    comma: u8,
    colon: u8,
    key_end: u8,
    key: u8,
    escaped: u8,
    in_object: u8,
    in_array: u8,
    fraction: u8,
}

impl<W: Words> Before<W> {
    /// Before the first words of a stretch, which begin a line.
    #[inline(always)]
    pub fn new() -> Self {
        let zero = W::load(&[0; WORDS]);
        let newline = W::load(&[!0; WORDS]);
        Self {
            brace: zero,
            bracket: zero,
            comma: zero,
            colon: newline,
            newline,
            key_end: zero,
            scalar: zero,
            digit: zero,
            exponent: zero,
            letter: zero,
            dot: zero,
            sign: zero,
            minus: zero,
            zero,
        }
    }
}

impl Carry {
    /// Whether white space runs on that began behind what matters.
    #[inline(always)]
    pub fn is_over_space(&self) -> bool {
        self.brace | self.bracket | self.comma | self.colon | self.key_end != 0
    }
}

/// Where runs end in which there is one of these; what is in no run counts as the end of one.
#[inline(always)]
fn through<W: Words>(runs: W, from: W, carry: &mut u8) -> W {
    (runs.sum(from & runs, carry) | from) & !runs
}

/// What is found in some words.
pub struct Found<W> {
    /// Where it is no JSON, or a literal that stands where none may.
    pub doubt: W,
    /// Brackets, newlines, opening quotes of keys that may be asked for, closing ones of keys with escapes.
    pub places: W,
    /// Brackets before which all is in an object; of other bytes it means nothing.
    pub objects: W,
    /// Where words begin that must be a literal, and exponents.
    pub odd: W,
    /// Where values and keys begin.
    pub values: W,
}

/// The bytes of some words.
#[derive(Clone, Copy)]
pub struct Bytes<W> {
    pub classes: [W; class::SIMPLE],
    /// Quotes without a backslash.
    pub quote: W,
    pub backslash: W,
    pub control: W,
    /// Quotes behind which a key may begin that is asked for.
    pub asked: W,
    /// Strings, from the opening quote on and without the closing one.
    pub strings: W,
}

/// The first byte behind each of these that is no white space.
#[inline(always)]
fn next<W: Words, const SPACED: bool>(of: W, before: &mut W, space: W, carry: &mut u8) -> W {
    let behind = of.behind(*before);
    *before = of;
    if !SPACED {
        return behind;
    }
    (behind | space.sum(behind & space, carry)) & !space
}

/// What is behind each of these bytes.
#[inline(always)]
fn behind<W: Words>(of: W, before: &mut W) -> W {
    let behind = of.behind(*before);
    *before = of;
    behind
}

/// Check the grammar of some words.
#[inline(always)]
pub fn grammar<W: Words, const SPACED: bool>(bytes: &Bytes<W>, before: &mut Before<W>, carry: &mut Carry) -> Found<W> {
    let Bytes { classes, quote, backslash, control, asked, strings } = *bytes;
    let outside = !(strings | quote);
    let opening = quote & strings;
    let (first, second) = (classes[class::FIRST], classes[class::SECOND]);
    let of = |class: usize| classes[class] & outside;
    let (bracket, blank, point) = (of(class::BRACKET), of(class::BLANK), of(class::POINT));
    let (space, newline) = (blank & !first, blank & first);
    let (open, close) = (bracket & !first, bracket & first);
    let (colon, comma) = (point & !first, point & first);
    let scalar = outside & !(bracket | blank | point);
    let (scalar_start, odd, wrong) = scalars(scalar, bytes, before, carry);

    let behind_brace = next::<W, SPACED>(open & second, &mut before.brace, space, &mut carry.brace);
    let behind_bracket = next::<W, SPACED>(open & !second, &mut before.bracket, space, &mut carry.bracket);
    let behind_comma = next::<W, SPACED>(comma, &mut before.comma, space, &mut carry.comma);
    let behind_colon = next::<W, SPACED>(colon | newline, &mut before.colon, space, &mut carry.colon);
    let behind_open = behind_brace | behind_bracket;
    let value = opening | scalar_start | open;
    let opened = behind_open | behind_comma | behind_colon;
    let misplaced = value & !opened | opened & !value & !newline & !(close & behind_open);

    let may_be_key = behind_brace | behind_comma;
    let keys = opening & may_be_key;
    let key_ends = through(strings, keys, &mut carry.key);
    let behind_key = next::<W, SPACED>(key_ends, &mut before.key_end, space, &mut carry.key_end);

    let brackets = bracket | newline;
    let of_object = colon | close & second | behind_brace | behind(newline, &mut before.newline);
    let of_array = may_be_key & !opening & !close | behind_key & !colon | close & !second | behind_bracket;
    let objects = through(!brackets, of_object, &mut carry.in_object);
    let arrays = through(!brackets, of_array, &mut carry.in_array);

    let escaped = through(strings, backslash & strings, &mut carry.escaped) & key_ends;
    Found {
        doubt: wrong | misplaced | colon & !behind_key | objects & arrays | control & strings,
        places: brackets | keys & asked | escaped,
        objects,
        odd,
        values: value,
    }
}

/// Where scalars start, which of their bytes must be looked at, and what is wrong with numbers.
#[inline(always)]
fn scalars<W: Words>(scalar: W, bytes: &Bytes<W>, before: &mut Before<W>, carry: &mut Carry) -> (W, W, W) {
    let classes = &bytes.classes;
    let (first, second) = (classes[class::FIRST], classes[class::SECOND]);
    let (digit, sign) = (classes[class::DIGIT] & scalar, classes[class::SIGN] & scalar);
    let (dot, plus, minus) = (sign & first & !second, sign & !first & second, sign & !(first | second));
    let start = scalar & !behind(scalar, &mut before.scalar);
    let behind_digit = behind(digit, &mut before.digit);
    let exponent = sign & first & second & behind_digit;
    let behind_exponent = behind(exponent, &mut before.exponent);
    let letter = scalar & !(digit | dot | plus | minus | exponent);
    let word = letter & !behind(letter, &mut before.letter);
    let behind_dot = behind(dot, &mut before.dot);
    let fraction_end = digit.sum(behind_dot, &mut carry.fraction) & !digit;
    let behind_sign = behind(minus | plus, &mut before.sign);
    let behind_start = behind(minus & start, &mut before.minus);
    let zero = digit & first & (start | behind_start);
    let wrong = word & !start
        | dot & !behind_digit
        | (behind_dot | behind_sign) & !digit
        | minus & !(start | behind_exponent)
        | plus & !behind_exponent
        | behind(zero, &mut before.zero) & digit
        | fraction_end & dot;
    (start, word | exponent, wrong)
}
