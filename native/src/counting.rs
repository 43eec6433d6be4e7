//! Runs of blocks past an event clock, for Python.
//!
//! Theory of operation: columns come in as they went out, as `bytes` of 64-bit integers in the machine's order. Only the
//! last times of a block are read, and those of blocks with late frames, so a run of a stride takes some ten
//! microseconds; other threads run meanwhile, all the same.

use millstream_counting::{Block, Clock, Limits, NEVER, Passed, RING_LIMIT, Ring, Settings, pass};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

/// What is known of a block, in the order of `Row`: end, lowest, highest, lines, newlines, end of rejects.
const ROW: usize = 6;

/// A number of a column.
type Cell = [u8; 8];

/// Blocks, frames, lines, newlines; ring, live, judging; places of late frames, and the watermark for each.
type Run<'py> = (usize, usize, i64, i64, Vec<i64>, Option<i64>, Option<i64>, Bound<'py, PyBytes>, Bound<'py, PyBytes>);

/// Passes blocks for one kind of clock; keeps nothing between two calls.
#[pyclass(frozen, name = "BlockClock", module = "millstream_native")]
pub struct PyBlockClock {
    settings: Settings,
    earliest_s: i64,
    grace_s: i64,
}

#[pymethods]
#[allow(clippy::needless_pass_by_value, clippy::too_many_arguments)] // what a clock is, and what a run is given
impl PyBlockClock {
    #[new]
    #[pyo3(signature = (*, lateness_s, ahead_s, near_s, ring, kth, least, earliest_s, grace_s))]
    fn new(
        lateness_s: i64,
        ahead_s: i64,
        near_s: i64,
        ring: usize,
        kth: usize,
        least: usize,
        earliest_s: i64,
        grace_s: i64,
    ) -> PyResult<Self> {
        if !(1..=RING_LIMIT).contains(&ring) || !(1..=ring).contains(&least) || kth < 1 {
            return Err(PyValueError::new_err(format!("ring, least, kth: expected 1 to {RING_LIMIT}, least in ring")));
        }
        let settings = Settings { lateness_s, ahead_s, near_s, ring, kth, least };
        Ok(Self { settings, earliest_s, grace_s })
    }

    /// Pass the blocks of `rows` from number `first` on, as many as are ordinary; None if the first of them is not.
    #[pyo3(signature = (times, rows, *, first, ring, live, judging, latest_s, patience, waiting_s, until_s))]
    fn pass_blocks<'py>(
        &self,
        py: Python<'py>,
        times: PyBackedBytes,
        rows: PyBackedBytes,
        first: usize,
        ring: Vec<i64>,
        live: Option<i64>,
        judging: Option<i64>,
        latest_s: i64,
        patience: i64,
        waiting_s: i64,
        until_s: i64,
    ) -> PyResult<Option<Run<'py>>> {
        let (times, rows) = (cells(&times)?, cells(&rows)?);
        check(rows, times.len())?;
        let mut clock = Clock { ring: Ring::of(&ring, self.settings.ring), live, judging };
        let limits =
            Limits { earliest_s: self.earliest_s, latest_s, grace_s: self.grace_s, patience, waiting_s, until_s };
        let passed = py.detach(|| {
            let before = first.checked_sub(1).and_then(|before| rows.chunks_exact(ROW).nth(before)).map(block);
            let before = before.map_or((0, 0), |before| (before.end, before.rejects));
            let blocks = rows.chunks_exact(ROW).skip(first).map(block);
            pass(&mut clock, &self.settings, &limits, blocks, before, |place| number(times[place]))
        });
        Ok((passed.blocks > 0).then(|| run(py, &passed, &clock)))
    }
}

fn cells(column: &[u8]) -> PyResult<&[Cell]> {
    let (cells, rest) = column.as_chunks();
    rest.is_empty().then_some(cells).ok_or_else(|| PyValueError::new_err("times, rows: expected 8 bytes a number"))
}

fn number(cell: Cell) -> i64 {
    i64::from_ne_bytes(cell)
}

/// Rows must be whole, and end one behind the other, within the column.
fn check(rows: &[Cell], frames: usize) -> PyResult<()> {
    let mut ends = rows.chunks_exact(ROW).map(|row| block(row).end);
    let is_whole = rows.len().is_multiple_of(ROW);
    if is_whole && ends.clone().is_sorted() && ends.next_back().is_none_or(|end| end <= frames) {
        return Ok(());
    }
    Err(PyValueError::new_err(format!("rows: expected {ROW} numbers for each block, with ends within {frames} frames")))
}

fn block(row: &[Cell]) -> Block {
    Block {
        end: usize::try_from(number(row[0])).unwrap_or(usize::MAX),
        lowest: number(row[1]),
        highest: number(row[2]),
        lines: number(row[3]),
        newlines: number(row[4]),
        rejects: number(row[5]),
    }
}

fn run<'py>(py: Python<'py>, passed: &Passed, clock: &Clock) -> Run<'py> {
    let places: Vec<i64> = passed.late.iter().map(|late| i64::try_from(late.place).unwrap_or(NEVER)).collect();
    let watermarks: Vec<i64> = passed.late.iter().map(|late| late.watermark).collect();
    (
        passed.blocks,
        passed.frames,
        passed.lines,
        passed.newlines,
        clock.ring.times().to_vec(),
        clock.live,
        clock.judging,
        crate::column(py, &places),
        crate::column(py, &watermarks),
    )
}
