//! A stretch of a file, read, cut into blocks and scanned.
//!
//! Theory of operation: block `n` is the lines whose first byte lies in bytes `n * BLOCK_BYTES` up to the next such
//! border, so it ends behind the first newline at or behind the last byte of its stretch. The file is read piece by piece
//! into one buffer that is used again and again and stays in the caches; what is left of a piece moves to its front.
//! What is rare is not done here: a line longer than `LONGEST_BYTES`, or a file that ends before it should. Then there
//! is no answer, and whoever asked reads in another way.

use std::io;

use memchr::memchr;

use crate::block::{Columns, Facts, Reject, Scanner};

pub const BLOCK_BYTES: u64 = 64 << 10;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 << 10;

/// A longer line is left to others.
const LONGEST_BYTES: usize = 1 << 20;

/// A larger buffer is given back.
const KEPT_BYTES: usize = 4 * PIECE_BYTES;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A block of a file: the byte it starts at, what is known of it, and the end of its frames and rejects in the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub start: u64,
    pub facts: Facts,
    pub frames: usize,
    pub rejects: usize,
}

/// The blocks of a stretch, and the lines that are no frames, one for each of the columns' rejects.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    pub blocks: Vec<Block>,
    pub lines: Vec<Vec<u8>>,
    /// Nothing follows.
    pub is_last: bool,
}

/// Which blocks, and how long the file is.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    pub first: u64,
    pub count: u64,
    pub size_bytes: u64,
}

/// The bytes of the file that are at hand: `room[from..to]` starts with a line, which is byte `at` of the file.
struct Window<'a, R> {
    read: R,
    /// Never made shorter, because what is added to it is cleared first.
    room: &'a mut Vec<u8>,
    from: usize,
    to: usize,
    at: u64,
    /// How far into the file was read.
    end: u64,
    size_bytes: u64,
}

impl<R: FnMut(&mut [u8], u64) -> io::Result<usize>> Window<'_, R> {
    fn is_at_end(&self) -> bool {
        self.end == self.size_bytes
    }

    /// Read another piece; None when the file cannot be read or is shorter than it was.
    fn more(&mut self) -> Option<()> {
        self.room.copy_within(self.from..self.to, 0);
        (self.from, self.to) = (0, self.to - self.from);
        let wanted = PIECE_BYTES.min(usize::try_from(self.size_bytes - self.end).unwrap_or(PIECE_BYTES));
        let full = self.to + wanted;
        if self.room.len() < full {
            self.room.resize(full, 0);
        }
        while self.to < full {
            let got = (self.read)(&mut self.room[self.to..full], self.end).ok().filter(|&got| got > 0)?;
            self.to += got;
            self.end += got as u64;
        }
        Some(())
    }

    fn held(&self) -> &[u8] {
        &self.room[self.from..self.to]
    }

    /// Skip to the start of the first line that starts behind this byte.
    fn skip_line(&mut self) -> Option<()> {
        loop {
            if let Some(distance) = memchr(b'\n', self.held()) {
                self.take(distance + 1);
                return Some(());
            }
            self.take(self.held().len());
            if self.is_at_end() {
                return Some(());
            }
            self.more()?;
        }
    }

    fn take(&mut self, length: usize) {
        self.from += length;
        self.at += length as u64;
    }

    /// How long the block is that ends behind the first newline at or behind the byte before `limit`.
    fn block_length(&mut self, limit: u64) -> Option<usize> {
        if self.at >= limit {
            return Some(0);
        }
        let mut behind = usize::try_from(limit - 1 - self.at).ok()?;
        loop {
            let rest = self.held();
            if behind < rest.len() {
                if let Some(distance) = memchr(b'\n', &rest[behind..]) {
                    return Some(behind + distance + 1);
                }
                behind = rest.len();
            }
            if self.is_at_end() {
                return Some(rest.len());
            }
            if rest.len() > LONGEST_BYTES {
                return None;
            }
            self.more()?;
        }
    }
}

/// Add the frames of some blocks of a file to `columns`; None if that is to be left to others.
///
/// `read` reads at a position like `pread`; `buffer` is room that is kept between calls.
pub fn scan_range(
    scanner: &mut Scanner,
    range: Range,
    read: impl FnMut(&mut [u8], u64) -> io::Result<usize>,
    buffer: &mut Vec<u8>,
    columns: &mut Columns,
) -> Option<Stretch> {
    let Range { first, count, size_bytes } = range;
    let at = (first * BLOCK_BYTES).saturating_sub(1);
    let mut stretch = Stretch::default();
    if at >= size_bytes {
        stretch.is_last = true;
        return Some(stretch);
    }
    let mut window = Window { read, room: buffer, from: 0, to: 0, at, end: at, size_bytes };
    window.more()?;
    if first > 0 {
        window.skip_line()?;
    } else if window.held().starts_with(BYTE_ORDER_MARK) {
        window.take(BYTE_ORDER_MARK.len());
    }
    for number in first..first + count {
        if window.at == size_bytes {
            break;
        }
        let length = window.block_length((number + 1) * BLOCK_BYTES)?;
        let start = window.at;
        let block = &window.held()[..length];
        let known = columns.rejects.len();
        let facts = scanner.scan_lines(block, columns);
        stretch.lines.extend(columns.rejects[known..].iter().map(|reject| line(block, reject)));
        stretch.blocks.push(Block { start, facts, frames: columns.times.len(), rejects: columns.rejects.len() });
        window.take(length);
    }
    stretch.is_last = window.at == size_bytes;
    if buffer.len() > KEPT_BYTES {
        *buffer = Vec::new();
    }
    Some(stretch)
}

fn line(block: &[u8], reject: &Reject) -> Vec<u8> {
    block[reject.start..reject.start + reject.length].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fields, Level};

    fn blocks_of(file: &[u8], first: u64, count: u64) -> Option<Vec<(u64, usize)>> {
        let mut scanner = Scanner::new(Fields::new(&["uid"], &["ts"]).unwrap(), Level::best());
        let read = |room: &mut [u8], at: u64| {
            let at = usize::try_from(at).unwrap();
            let length = room.len().min(file.len() - at).min(1000);
            room[..length].copy_from_slice(&file[at..at + length]);
            Ok(length)
        };
        let range = Range { first, count, size_bytes: file.len() as u64 };
        let stretch = scan_range(&mut scanner, range, read, &mut Vec::new(), &mut Columns::default())?;
        Some(stretch.blocks.iter().map(|block| (block.start, block.facts.lines)).collect())
    }

    #[test]
    fn a_line_belongs_to_the_block_it_starts_in() {
        let line = [b"x".repeat(65_535), b"\n".to_vec()].concat();
        let file = [line.clone(), line, b"y\n".to_vec()].concat();
        assert_eq!(blocks_of(&file, 0, 9), Some(vec![(0, 1), (65_536, 1), (131_072, 1)]));
        assert_eq!(blocks_of(&file, 1, 1), Some(vec![(65_536, 1)]));
    }

    #[test]
    fn a_long_line_leaves_empty_blocks_behind_it() {
        let file = [b"x".repeat(200_000), b"\ny".to_vec()].concat();
        assert_eq!(blocks_of(&file, 0, 9), Some(vec![(0, 1), (200_001, 0), (200_001, 0), (200_001, 1)]));
        assert_eq!(blocks_of(&file, 1, 2), Some(vec![(200_001, 0), (200_001, 0)]));
        assert_eq!(blocks_of(&file, 4, 2), Some(vec![]));
    }

    #[test]
    fn a_line_of_more_than_a_megabyte_is_left_to_others() {
        assert_eq!(blocks_of(&[b"x".repeat(2 << 20), b"\ny".to_vec()].concat(), 0, 9), None);
    }
}
