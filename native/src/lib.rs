//! The frame scanner for Python: bytes in, columns as bytes out, and other threads run meanwhile. (Chunks of a CSV: `csv`;
//! runs of blocks: `counting`.)
//!
//! Theory of operation: input is only ever taken as `bytes`, which nobody can change or free while it is read without
//! the interpreter's lock. Columns come back as `bytes` of 64-bit integers in the machine's order, which numpy reads
//! where they are. What a person is told about a line that is no frame is not made here, only why and where it is.

#![deny(unsafe_code)]

mod counting;
mod csv;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use millstream_frames::{
    Block, Columns, Facts, Fields, Level, MAX_LINE_BYTES, Range, Reason, Reject, Scanner, Stretch, scan_range,
};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

/// Index, newlines before, start, length, reason.
type RejectRow = (usize, usize, usize, usize, &'static str);

/// End among all frames, lowest, highest, lines, newlines, end among all rejects.
type BlockRow = (usize, i64, i64, usize, usize, usize);

/// Times, users, what `BlockRow` says of each block as a column, rejects with their lines, whether nothing follows.
/// Rejects start at a byte of the file.
type ScannedRange<'py> =
    (Bound<'py, PyBytes>, Bound<'py, PyBytes>, Bound<'py, PyBytes>, Vec<(RejectRow, Bound<'py, PyBytes>)>, bool);

type Scanned<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>, Vec<BlockRow>, Vec<RejectRow>);

/// Scans for one pair of fields. Threads may share it, but then take turns.
#[pyclass(frozen, name = "Scanner", module = "millstream_native")]
struct PyScanner {
    scanner: Mutex<Scanner>,
    /// Room of the call before. Fresh memory for each would be mapped and unmapped again and again.
    room: Mutex<Columns>,
    /// Room for what is read.
    buffer: Mutex<Vec<u8>>,
    level: Level,
}

#[pymethods]
#[allow(clippy::needless_pass_by_value)] // what comes from Python is made for the call
impl PyScanner {
    #[new]
    #[pyo3(signature = (*, uid, ts, level = None))]
    fn new(uid: Vec<String>, ts: Vec<String>, level: Option<&str>) -> PyResult<Self> {
        let fields = Fields::new(&uid, &ts).ok_or_else(|| PyValueError::new_err("uid and ts: expected keys"))?;
        let level = level.map_or_else(|| Ok(Level::best()), level_named)?;
        Ok(Self {
            scanner: Mutex::new(Scanner::new(fields, level)),
            room: Mutex::default(),
            buffer: Mutex::default(),
            level,
        })
    }

    /// The instructions that are used.
    #[getter]
    fn level(&self) -> &'static str {
        self.level.name()
    }

    /// Scan blocks of lines, one after the other.
    fn scan_blocks<'py>(&self, py: Python<'py>, blocks: Vec<PyBackedBytes>) -> PyResult<Scanned<'py>> {
        self.scan(py, |scanner, columns| {
            blocks
                .iter()
                .map(|block| {
                    let facts = scanner.scan_lines(block, columns);
                    row(facts, columns)
                })
                .collect()
        })
    }

    /// Read blocks of a file and scan them; None if it is not the file it was, or is better read in another way.
    #[allow(clippy::too_many_arguments)] // which file, and which part of it
    #[pyo3(signature = (path, *, device, inode, size_bytes, first, count))]
    fn scan_range<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        device: u64,
        inode: u64,
        size_bytes: u64,
        first: u64,
        count: u64,
    ) -> PyResult<Option<ScannedRange<'py>>> {
        let range = Range { first, count, size_bytes };
        let found = py.detach(|| {
            let Some(file) = file_at(&path, device, inode, size_bytes) else { return Ok(None) };
            let mut buffer = self.buffer.lock().map(|mut room| std::mem::take(&mut *room)).unwrap_or_default();
            let mut columns = self.room.lock().map(|mut room| std::mem::take(&mut *room)).unwrap_or_default();
            columns.clear();
            let mut scanner = self.scanner.lock().map_err(|_| PyRuntimeError::new_err("the scanner is broken"))?;
            let read = |room: &mut [u8], at: u64| read_at(&file, room, at);
            let stretch = scan_range(&mut scanner, range, read, &mut buffer, &mut columns);
            if let Ok(mut room) = self.buffer.try_lock() {
                *room = buffer;
            }
            Ok::<_, PyErr>(stretch.map(|stretch| (stretch, columns)))
        })?;
        let Some((stretch, mut columns)) = found else { return Ok(None) };
        let blocks: Vec<i64> = stretch.blocks.iter().flat_map(numbers).collect();
        let rejects = rejects_of(&stretch, &columns).zip(stretch.lines.iter().map(|line| PyBytes::new(py, line)));
        let (times, users) = (column(py, &columns.times), column(py, &columns.users));
        let scanned = (times, users, column(py, &blocks), rejects.collect(), stretch.is_last);
        columns.shrink();
        if let Ok(mut room) = self.room.try_lock() {
            *room = columns;
        }
        Ok(Some(scanned))
    }

    /// Scan the values of messages; they are one block.
    fn scan_values<'py>(&self, py: Python<'py>, values: Vec<Option<PyBackedBytes>>) -> PyResult<Scanned<'py>> {
        self.scan(py, |scanner, columns| {
            let values = values.iter().map(|value| value.as_deref().unwrap_or_default());
            let facts = scanner.scan_values(values, columns);
            vec![row(facts, columns)]
        })
    }
}

impl PyScanner {
    fn scan<'py>(
        &self,
        py: Python<'py>,
        work: impl Send + FnOnce(&mut Scanner, &mut Columns) -> Vec<BlockRow>,
    ) -> PyResult<Scanned<'py>> {
        let (mut columns, rows) = py.detach(|| {
            let mut columns = self.room.lock().map(|mut room| std::mem::take(&mut *room)).unwrap_or_default();
            columns.clear();
            // Never waited for with the interpreter's lock in hand.
            let mut scanner = self.scanner.lock().map_err(|_| PyRuntimeError::new_err("the scanner is broken"))?;
            let rows = work(&mut scanner, &mut columns);
            Ok::<_, PyErr>((columns, rows))
        })?;
        let rejects = columns.rejects.iter().map(reject_row).collect();
        let scanned = (column(py, &columns.times), column(py, &columns.users), rows, rejects);
        columns.shrink();
        if let Ok(mut room) = self.room.try_lock() {
            *room = columns;
        }
        Ok(scanned)
    }
}

/// The file at `path` if it is the one that is meant and has not become shorter.
#[cfg(unix)]
fn file_at(path: &Path, device: u64, inode: u64, size_bytes: u64) -> Option<File> {
    use std::os::unix::fs::MetadataExt;

    let file = File::open(path).ok()?;
    let facts = file.metadata().ok()?;
    (facts.dev() == device && facts.ino() == inode && facts.len() >= size_bytes).then_some(file)
}

#[cfg(not(unix))]
fn file_at(_path: &Path, _device: u64, _inode: u64, _size_bytes: u64) -> Option<File> {
    None
}

#[cfg(unix)]
fn read_at(file: &File, room: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, room, at)
}

#[cfg(not(unix))]
fn read_at(_file: &File, _room: &mut [u8], _at: u64) -> io::Result<usize> {
    Ok(0)
}

fn level_named(name: &str) -> PyResult<Level> {
    let level = Level::ALL.into_iter().find(|level| level.name() == name && level.is_here());
    level.ok_or_else(|| PyValueError::new_err(format!("level: expected one that this machine has, found {name}")))
}

fn row(facts: Facts, columns: &Columns) -> BlockRow {
    let Facts { lines, newlines, lowest, highest } = facts;
    (columns.times.len(), lowest, highest, lines, newlines, columns.rejects.len())
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

fn reject_row(reject: &Reject) -> RejectRow {
    let reason = match reject.reason {
        Reason::Malformed => "malformed",
        Reason::NoUser => "no user",
        Reason::NoTime => "no time",
        Reason::TooLong => "too long",
    };
    (reject.index, reject.newlines, reject.start, reject.length, reason)
}

fn column<'py, T: bytemuck::NoUninit>(py: Python<'py>, values: &[T]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, bytemuck::cast_slice(values))
}

#[pymodule]
mod _native {
    use super::{Bound, Level, MAX_LINE_BYTES, PyModule, PyModuleMethods, PyResult};

    #[pymodule_export]
    use super::PyScanner;
    #[pymodule_export]
    use super::counting::PyBlockClock;
    #[pymodule_export]
    use super::csv::PyCsvRenderer;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let here = Level::ALL.into_iter().filter(|level| level.is_here()).map(Level::name);
        module.add("LEVELS", here.collect::<Vec<_>>())?;
        module.add("MAX_LINE_BYTES", MAX_LINE_BYTES)?;
        module.add("VERSION", env!("CARGO_PKG_VERSION"))
    }
}
