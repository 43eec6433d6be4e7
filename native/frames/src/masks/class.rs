//! What a byte is outside of strings, as bits; `FIRST` and `SECOND` tell those apart that share another one.

/// Brackets: `FIRST` those that close, `SECOND` braces.
pub const BRACKET: usize = 0;
/// Digits: `FIRST` zero.
pub const DIGIT: usize = 1;
/// White space: `FIRST` newlines.
pub const BLANK: usize = 2;
/// Colons: `FIRST` commas.
pub const POINT: usize = 3;
/// What else a number has: a minus; `FIRST` dots, `SECOND` a plus, both `e` and `E`.
pub const SIGN: usize = 4;
pub const FIRST: usize = 5;
pub const SECOND: usize = 6;
/// As `Width::simple` has it of all bytes.
pub const SIMPLE: usize = 7;
pub const COUNT: usize = 8;

/// The classes of ASCII; other bytes have none.
pub(super) const CLASSES: [u8; 128] = {
    let mut table = [0; 128];
    let mut byte: u8 = 0;
    while byte < 128 {
        table[byte as usize] = class_of(byte) | (super::is_simple(byte) as u8) << SIMPLE;
        byte += 1;
    }
    table
};

const fn class_of(byte: u8) -> u8 {
    match byte {
        b'[' => 1 << BRACKET,
        b']' => 1 << BRACKET | 1 << FIRST,
        b'{' => 1 << BRACKET | 1 << SECOND,
        b'}' => 1 << BRACKET | 1 << FIRST | 1 << SECOND,
        b'1'..=b'9' => 1 << DIGIT,
        b'0' => 1 << DIGIT | 1 << FIRST,
        b' ' | b'\t' | b'\r' => 1 << BLANK,
        b'\n' => 1 << BLANK | 1 << FIRST,
        b':' => 1 << POINT,
        b',' => 1 << POINT | 1 << FIRST,
        b'-' => 1 << SIGN,
        b'.' => 1 << SIGN | 1 << FIRST,
        b'+' => 1 << SIGN | 1 << SECOND,
        b'e' | b'E' => 1 << SIGN | 1 << FIRST | 1 << SECOND,
        _ => 0,
    }
}
