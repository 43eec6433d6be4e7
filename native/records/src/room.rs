//! Room for what is written.
//!
//! Theory of operation: short pieces are written in a fixed length and only the wanted part of it counts, what comes
//! next overwrites the rest; that is one instruction or two instead of a call. So there is always slack behind the end.

use crate::stops::WORD;

/// What is written at least at once, and the slack that there always is.
const SLACK: usize = 64;
const SHORT: usize = 32;
const HEX: [u8; 16] = *b"0123456789abcdef";

/// Bytes that are written; kept between calls, because fresh memory has to be mapped first.
#[derive(Default)]
pub struct Room {
    bytes: Vec<u8>,
    end: usize,
}

/// Something that is written often.
pub(crate) struct Piece {
    short: [u8; SHORT],
    whole: Vec<u8>,
}

impl Piece {
    pub(crate) fn new(whole: Vec<u8>) -> Self {
        let mut short = [0; SHORT];
        for (to, from) in short.iter_mut().zip(&whole) {
            *to = *from;
        }
        Self { short, whole }
    }
}

impl Room {
    /// What was written.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    /// Forget what was written.
    pub(crate) fn clear(&mut self) {
        self.end = 0;
    }

    /// Forget what was written, and give memory back if there is more of it than `kept`.
    pub fn shrink(&mut self, kept: usize) {
        self.clear();
        self.bytes.truncate(kept);
        self.bytes.shrink_to(kept);
    }

    #[inline]
    fn make(&mut self, more: usize) {
        if self.bytes.len() - self.end < more + SLACK {
            self.grow(more + SLACK);
        }
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        self.bytes.resize((self.end + more).max(self.bytes.len() * 2).max(1 << 16), 0);
    }

    /// The first `length` bytes of the word.
    #[inline]
    pub(crate) fn word(&mut self, word: [u8; WORD], length: usize) {
        self.make(WORD);
        self.bytes[self.end..self.end + WORD].copy_from_slice(&word);
        self.end += length;
    }

    #[inline]
    pub(crate) fn piece(&mut self, piece: &Piece) {
        let length = piece.whole.len();
        if length > SHORT {
            return self.bytes(&piece.whole);
        }
        self.make(SHORT);
        self.bytes[self.end..self.end + SHORT].copy_from_slice(&piece.short);
        self.end += length;
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.make(bytes.len());
        self.bytes[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// A character of a string in JSON, escaped if it has to be.
    pub(crate) fn character(&mut self, byte: u8) {
        match byte {
            b'"' => self.bytes(b"\\\""),
            b'\\' => self.bytes(b"\\\\"),
            b'\n' => self.bytes(b"\\n"),
            b'\r' => self.bytes(b"\\r"),
            b'\t' => self.bytes(b"\\t"),
            0x08 => self.bytes(b"\\b"),
            0x0c => self.bytes(b"\\f"),
            0..0x20 => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                self.bytes(&[b'\\', b'u', b'0', b'0', high, low]);
            }
            plain => self.bytes(&[plain]),
        }
    }

    /// A string in JSON, without its quotes.
    pub(crate) fn string(&mut self, text: &str) {
        for byte in text.bytes() {
            self.character(byte);
        }
    }
}
