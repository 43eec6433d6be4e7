//! The frame scanner for Python: bytes in, columns as bytes out, and other threads run meanwhile. (Parts of
//! files: `ranges`, `headstart`; borders and chunks of records: `cutting`, `csv`; runs of blocks: `counting`.)
//!
//! Theory of operation: input is only ever taken as `bytes`, which nobody can change or free while it is read without
//! the interpreter's lock. Columns come back as `bytes` of 64-bit integers in the machine's order, which numpy reads
//! where they are. What a person is told about a line that is no frame is not made here, only why and where it is.

#![deny(unsafe_code)]

mod counting;
mod csv;
mod cutting;
mod headstart;
mod ranges;

use std::path::PathBuf;
use std::sync::Mutex;

use millstream_frames::{Columns, Facts, Fields, Level, MAX_LINE_BYTES, Range, Reason, Reject, Scanner};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::ranges::{Place, ScannedRange, scanned_range};

/// Index, newlines before, start, length, reason.
type RejectRow = (usize, usize, usize, usize, &'static str);

/// End among all frames, lowest, highest, lines, newlines, end among all rejects.
type BlockRow = (usize, i64, i64, usize, usize, usize);

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
        let fields = fields_named(&uid, &ts)?;
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
        let place = Place { path, device, inode, size_bytes };
        let found = py.detach(|| {
            let Some(file) = place.open() else { return Ok(None) };
            let mut buffer = self.buffer.lock().map(|mut room| std::mem::take(&mut *room)).unwrap_or_default();
            let mut columns = self.room.lock().map(|mut room| std::mem::take(&mut *room)).unwrap_or_default();
            columns.clear();
            let mut scanner = self.scanner.lock().map_err(|_| PyRuntimeError::new_err("the scanner is broken"))?;
            let stretch = file.scan(&mut scanner, Range { first, count, size_bytes }, &mut buffer, &mut columns);
            if let Ok(mut room) = self.buffer.try_lock() {
                *room = buffer;
            }
            Ok::<_, PyErr>(stretch.map(|stretch| (stretch, columns)))
        })?;
        let Some((stretch, mut columns)) = found else { return Ok(None) };
        let scanned = scanned_range(py, &stretch, &columns);
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

fn fields_named(uid: &[String], ts: &[String]) -> PyResult<Fields> {
    Fields::new(uid, ts).ok_or_else(|| PyValueError::new_err("uid and ts: expected keys"))
}

fn level_named(name: &str) -> PyResult<Level> {
    let level = Level::ALL.into_iter().find(|level| level.name() == name && level.is_here());
    level.ok_or_else(|| PyValueError::new_err(format!("level: expected one that this machine has, found {name}")))
}

fn row(facts: Facts, columns: &Columns) -> BlockRow {
    let Facts { lines, newlines, lowest, highest } = facts;
    (columns.times.len(), lowest, highest, lines, newlines, columns.rejects.len())
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
    #[pymodule_export]
    use super::cutting::PyCutter;
    #[pymodule_export]
    use super::headstart::PyHeadStart;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let here = Level::ALL.into_iter().filter(|level| level.is_here()).map(Level::name);
        module.add("LEVELS", here.collect::<Vec<_>>())?;
        module.add("MAX_LINE_BYTES", MAX_LINE_BYTES)?;
        module.add("VERSION", env!("CARGO_PKG_VERSION"))
    }
}
