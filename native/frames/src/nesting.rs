//! Which brackets are open.
//!
//! Theory of operation: of each open bracket a single bit is kept, those of the innermost 64 in a word, the others in a
//! list. So nesting has no limit but the length of a line, and costs an eighth of a byte of memory a level.

/// The open brackets inside of an object: a bit for each, 1 for a brace.
#[derive(Default)]
pub struct Nesting {
    /// The last 64, the innermost lowest.
    word: u64,
    /// Those further out.
    full: Vec<u64>,
    depth: usize,
}

/// Levels in a word.
const WORD: usize = 64;

/// Words of brackets that are kept room for between two lines: 64 Ki levels.
const KEPT_WORDS: usize = 1024;

impl Nesting {
    /// Forget what is open.
    #[inline(always)]
    pub fn begin(&mut self) {
        self.depth = 0;
        if !self.full.is_empty() {
            self.full.clear();
            self.full.shrink_to(KEPT_WORDS);
        }
    }

    #[inline(always)]
    pub fn open(&mut self, is_brace: bool) {
        if self.depth.is_multiple_of(WORD) && self.depth > 0 {
            self.full.push(self.word);
        }
        self.word = self.word << 1 | u64::from(is_brace);
        self.depth += 1;
    }

    #[inline(always)]
    pub fn close(&mut self) {
        self.depth -= 1;
        self.word >>= 1;
        if self.depth.is_multiple_of(WORD) && self.depth > 0 {
            self.word = self.full.pop().unwrap_or_default();
        }
    }

    #[inline(always)]
    pub fn is_closed(&self) -> bool {
        self.depth == 0
    }

    #[inline(always)]
    pub fn is_in_brace(&self) -> bool {
        self.word & 1 == 1
    }
}
