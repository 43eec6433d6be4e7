//! Where a frame has its user and its time.

/// A key, and its first bytes as they stand in a line, closing quote included.
pub struct Key {
    bytes: Box<[u8]>,
    word: u64,
    mask: u64,
}

/// The longest key that is compared as a word, with its quote.
const WORD_KEY: usize = 7;

impl Key {
    fn new(key: &[u8]) -> Self {
        let (mut word, mut mask) = ([0; 8], [0; 8]);
        if key.len() <= WORD_KEY {
            word[..key.len()].copy_from_slice(key);
            word[key.len()] = b'"';
            mask[..=key.len()].fill(0xff);
        }
        Self { bytes: key.into(), word: u64::from_le_bytes(word), mask: u64::from_le_bytes(mask) }
    }

    /// Whether this key and a quote stand at a place; what is behind an opening quote is then this key and no other.
    #[inline(always)]
    pub fn is_at(&self, text: &[u8], at: usize) -> bool {
        let here = &text[at..];
        if self.mask != 0 {
            let word = here.first_chunk().expect("text is padded");
            return u64::from_le_bytes(*word) & self.mask == self.word;
        }
        here.get(self.bytes.len()) == Some(&b'"') && here.starts_with(&self.bytes)
    }

    /// The first two bytes that stand behind its opening quote; it has one at least.
    pub fn begin(&self) -> [u8; 2] {
        [self.bytes[0], self.bytes.get(1).copied().unwrap_or(b'"')]
    }

    /// The place behind the quote of this key, if it is at this place.
    #[inline(always)]
    pub fn end(&self, at: usize) -> usize {
        at + self.bytes.len() + 1
    }

    /// Whether this is the text of the key.
    pub fn is(&self, text: &[u8]) -> bool {
        *self.bytes == *text
    }
}

/// The keys from the root of a frame to a value.
pub struct Path {
    pub first: Key,
    pub rest: Vec<Key>,
}

/// The paths of user and time.
pub struct Fields {
    pub uid: Path,
    pub ts: Path,
    /// Whether both paths begin with the same key.
    pub is_shared: bool,
}

impl Fields {
    /// Paths from keys that are not empty, and have no quotes, backslashes and control characters; none if a path has
    /// no keys.
    #[must_use]
    pub fn new<K: AsRef<[u8]>>(uid: &[K], ts: &[K]) -> Option<Self> {
        let is_shared = uid.first()?.as_ref() == ts.first()?.as_ref();
        Some(Self { uid: path(uid)?, ts: path(ts)?, is_shared })
    }
}

fn path<K: AsRef<[u8]>>(keys: &[K]) -> Option<Path> {
    let (first, rest) = keys.split_first()?;
    Some(Path { first: Key::new(first.as_ref()), rest: rest.iter().map(|key| Key::new(key.as_ref())).collect() })
}
