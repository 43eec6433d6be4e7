//! Borders of chunks for Python: bytes in, the end of the next chunk out, and other threads run meanwhile.

use millstream_records::{Records, Rule};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::csv::mark;

/// Cuts one file. Threads may share it.
#[pyclass(frozen, name = "Cutter", module = "millstream_native")]
pub struct PyCutter {
    rule: Rule,
}

#[pymethods]
#[allow(clippy::needless_pass_by_value)] // what comes from Python is made for the call
impl PyCutter {
    #[new]
    #[pyo3(signature = (kind, *, delimiter, quote, max_record_bytes))]
    fn new(kind: &str, delimiter: &str, quote: Option<&str>, max_record_bytes: usize) -> PyResult<Self> {
        let records = match kind {
            "csv" => {
                let quote = quote.map(|quote| mark(quote, "quote")).transpose()?;
                Records::Csv { delimiter: mark(delimiter, "delimiter")?, quote }
            }
            "jsonl" => Records::Jsonl,
            "lines" => Records::Lines,
            _ => return Err(PyValueError::new_err(format!("format: expected csv, jsonl or lines, found {kind}"))),
        };
        Ok(Self { rule: Rule { records, max_record_bytes } })
    }

    /// Length, records, and whether the file ends inside the last one, of the chunk at `start`; None if that needs more
    /// bytes or a closer look.
    fn cut(
        &self,
        py: Python<'_>,
        data: PyBackedBytes,
        start: usize,
        chunk_bytes: usize,
        is_final: bool,
    ) -> Option<(usize, usize, bool)> {
        let cut = py.detach(|| self.rule.cut(data.get(start..)?, chunk_bytes, is_final))?;
        Some((cut.size, cut.records, cut.unterminated))
    }
}
