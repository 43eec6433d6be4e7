//! Parts of a file for Python: which file is meant, and what was found in a part of it, as columns.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use millstream_frames::{Block, Columns, Facts, Range, Scanner, Stretch, scan_range};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::{RejectRow, column, reject_row};

/// Times, users, what `BlockRow` says of each block as a column, rejects with their lines, whether nothing follows.
/// Rejects start at a byte of the file.
pub type ScannedRange<'py> =
    (Bound<'py, PyBytes>, Bound<'py, PyBytes>, Bound<'py, PyBytes>, Vec<(RejectRow, Bound<'py, PyBytes>)>, bool);

/// A file by its path, and which one is meant by that.
pub struct Place {
    pub path: PathBuf,
    pub device: u64,
    pub inode: u64,
    pub size_bytes: u64,
}

impl Place {
    /// The file, if it is the one that is meant and has not become shorter.
    #[cfg(unix)]
    pub fn open(&self) -> Option<PlainFile> {
        use std::os::unix::fs::MetadataExt;

        let file = File::open(&self.path).ok()?;
        let facts = file.metadata().ok()?;
        let is_same = facts.dev() == self.device && facts.ino() == self.inode && facts.len() >= self.size_bytes;
        is_same.then_some(PlainFile(file))
    }

    #[cfg(not(unix))]
    pub fn open(&self) -> Option<PlainFile> {
        None
    }
}

/// A file that is read at any byte.
pub struct PlainFile(File);

impl PlainFile {
    /// Read blocks and scan them, see `millstream_frames::scan_range`.
    pub fn scan(
        &self,
        scanner: &mut Scanner,
        range: Range,
        buffer: &mut Vec<u8>,
        columns: &mut Columns,
    ) -> Option<Stretch> {
        scan_range(scanner, range, |room, at| self.read_at(room, at), buffer, columns)
    }

    #[cfg(unix)]
    fn read_at(&self, room: &mut [u8], at: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.0, room, at)
    }

    #[cfg(not(unix))]
    fn read_at(&self, _room: &mut [u8], _at: u64) -> io::Result<usize> {
        Ok(0)
    }
}

/// What was found, for Python.
pub fn scanned_range<'py>(py: Python<'py>, stretch: &Stretch, columns: &Columns) -> ScannedRange<'py> {
    let blocks: Vec<i64> = stretch.blocks.iter().flat_map(numbers).collect();
    let rejects = rejects_of(stretch, columns).zip(stretch.lines.iter().map(|line| PyBytes::new(py, line)));
    let (times, users) = (column(py, &columns.times), column(py, &columns.users));
    (times, users, column(py, &blocks), rejects.collect(), stretch.is_last)
}

/// A row of the column of blocks.
fn numbers(block: &Block) -> [i64; 6] {
    let Facts { lines, newlines, lowest, highest } = block.facts;
    let count = |count| i64::try_from(count).unwrap_or(i64::MAX);
    [count(block.frames), lowest, highest, count(lines), count(newlines), count(block.rejects)]
}

/// The rejects of a stretch, each with the byte of the file at which it starts.
fn rejects_of(stretch: &Stretch, columns: &Columns) -> impl Iterator<Item = RejectRow> {
    let mut blocks = stretch.blocks.iter();
    let mut block = blocks.next();
    columns.rejects.iter().enumerate().map(move |(number, reject)| {
        while block.is_some_and(|block| block.rejects <= number) {
            block = blocks.next();
        }
        let first = block.map_or(0, |block| usize::try_from(block.start).unwrap_or(usize::MAX));
        let (index, newlines, start, length, reason) = reject_row(reject);
        (index, newlines, first + start, length, reason)
    })
}
