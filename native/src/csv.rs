//! Chunks of a CSV for Python: bytes in, lines of JSON out, and other threads run meanwhile.

use std::sync::Mutex;

use millstream_records::{Block, CsvRenderer, Planned, Room};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

/// What is kept of the room of a call.
const KEPT_BYTES: usize = 2 << 20;

/// How many rooms are kept: as many as threads render at once, within reason.
const KEPT_ROOMS: usize = 4;

/// Rooms of calls before: fresh memory for each would be mapped and unmapped again and again. They are shared by all
/// renderers, because a process keeps one for each of many files, and most of them rest.
static ROOMS: Mutex<Vec<Room>> = Mutex::new(Vec::new());

/// Renders the chunks of one file. Threads may share it.
#[pyclass(frozen, name = "CsvRenderer", module = "millstream_native")]
pub struct PyCsvRenderer {
    renderer: CsvRenderer,
}

#[pymethods]
#[allow(clippy::needless_pass_by_value)] // what comes from Python is made for the call
impl PyCsvRenderer {
    #[new]
    #[pyo3(signature = (names, *, delimiter, quote, prefix, max_record_bytes))]
    fn new(
        names: Vec<String>,
        delimiter: &str,
        quote: Option<&str>,
        prefix: &str,
        max_record_bytes: usize,
    ) -> PyResult<Self> {
        let quote = quote.map(|quote| mark(quote, "quote")).transpose()?;
        let delimiter = mark(delimiter, "delimiter")?;
        if quote == Some(delimiter) {
            return Err(PyValueError::new_err("quote: expected another character than the delimiter"));
        }
        let renderer = CsvRenderer::new(&names, delimiter, quote, prefix, max_record_bytes);
        Ok(Self { renderer })
    }

    /// Blocks of lines and how many lines each has; None if anything in the chunk is odd.
    fn render(
        &self,
        py: Python<'_>,
        data: PyBackedBytes,
        first_record: u64,
        records: usize,
    ) -> Option<Vec<(Py<PyBytes>, usize)>> {
        let mut made = Vec::new();
        let done = py.detach(|| {
            let mut room = ROOMS.lock().ok().and_then(|mut kept| kept.pop()).unwrap_or_default();
            let take = |lines: &[u8], blocks: &[Block]| Python::attach(|py| made.extend(taken(py, lines, blocks)));
            let done = self.renderer.render(&data, Planned { first_record, records }, &mut room, take);
            room.shrink(KEPT_BYTES);
            keep(room);
            done
        });
        done.map(|()| made)
    }
}

fn keep(room: Room) {
    if let Ok(mut kept) = ROOMS.lock()
        && kept.len() < KEPT_ROOMS
    {
        kept.push(room);
    }
}

fn taken(py: Python<'_>, lines: &[u8], blocks: &[Block]) -> Vec<(Py<PyBytes>, usize)> {
    let mut start = 0;
    let made = blocks.iter().map(|block| {
        let bytes = PyBytes::new(py, &lines[start..block.end]).unbind();
        start = block.end;
        (bytes, block.records)
    });
    made.collect()
}

pub fn mark(text: &str, name: &str) -> PyResult<u8> {
    match text.as_bytes() {
        [byte] if !matches!(byte, b'\0' | b'\n' | b'\r') => Ok(*byte),
        _ => Err(PyValueError::new_err(format!("{name}: expected one ASCII character, no line end, no NUL"))),
    }
}
