//! The first stretches of a file, scanned in a thread of its own while the program that will ask for them still loads.
//!
//! Theory of operation: the thread knows nothing of the interpreter, so loading, which keeps the interpreter's lock, does
//! not hold it up. What it found waits until it is taken. With the first question, whoever asks has begun to
//! read by itself: the stretch in hand is finished, and no other one begun. Whatever is odd (another file, a long line, an
//! error, a panic) ends the thread, and what it did not scan is scanned by those who ask. So there is no result that
//! `Scanner.scan_range` would not have.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use millstream_frames::{Columns, Level, Range, Scanner, Stretch};
use pyo3::prelude::*;

use crate::fields_named;
use crate::ranges::{Place, ScannedRange, scanned_range};

/// Of what was found and not taken: then the thread ends.
const HELD_BYTES: usize = 32 << 20;

/// First block, how many.
type Key = (u64, u64);

#[derive(Default)]
struct State {
    found: HashMap<Key, (Stretch, Columns)>,
    held_bytes: usize,
    in_hand: Option<Key>,
    is_stopped: bool,
    is_over: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // each change of it is whole
    }

    /// Take a stretch in hand; false when no more is wanted.
    fn begin(&self, key: Key) -> bool {
        let mut state = self.state();
        let goes_on = !state.is_stopped && state.held_bytes < HELD_BYTES;
        state.in_hand = goes_on.then_some(key);
        goes_on
    }

    fn end(&self, key: Key, stretch: Stretch, columns: Columns) {
        let mut state = self.state();
        state.held_bytes += 16 * columns.times.len() + stretch.lines.iter().map(Vec::len).sum::<usize>();
        state.found.insert(key, (stretch, columns));
        state.in_hand = None;
        self.changed.notify_all();
    }

    /// What was found there; waits if it is being looked for.
    fn take(&self, key: Key) -> Option<(Stretch, Columns)> {
        let mut state = self.state();
        state.is_stopped = true;
        while state.in_hand == Some(key) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.found.remove(&key)
    }

    fn stop(&self) {
        let mut state = self.state();
        state.is_stopped = true;
        state.found.clear();
    }
}

/// Nobody waits for a thread that has ended, however it did.
struct Ending<'a>(&'a Shared);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        (state.in_hand, state.is_over) = (None, true);
        self.0.changed.notify_all();
    }
}

/// Begins with the first stretches of a file, each `(first block, how many)`, at once.
#[pyclass(frozen, name = "HeadStart", module = "millstream_native")]
pub struct PyHeadStart {
    shared: Arc<Shared>,
}

#[pymethods]
#[allow(clippy::needless_pass_by_value)] // what comes from Python is made for the call
impl PyHeadStart {
    #[new]
    #[allow(clippy::too_many_arguments)] // what is looked for, in which file, in which parts of it
    #[pyo3(signature = (path, *, device, inode, size_bytes, uid, ts, stretches))]
    fn new(
        path: PathBuf,
        device: u64,
        inode: u64,
        size_bytes: u64,
        uid: Vec<String>,
        ts: Vec<String>,
        stretches: Vec<Key>,
    ) -> PyResult<Self> {
        let scanner = Scanner::new(fields_named(&uid, &ts)?, Level::best());
        let place = Place { path, device, inode, size_bytes };
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        // Without another thread there is nothing at hand, and everything is scanned by those who ask.
        let begun = thread::Builder::new()
            .name("millstream-head".into())
            .spawn(move || work(&theirs, scanner, &place, &stretches));
        shared.state().is_over |= begun.is_err();
        Ok(Self { shared })
    }

    /// What `Scanner.scan_range` would find, if that is at hand or just being looked for; no more is begun from now on.
    fn take<'py>(&self, py: Python<'py>, first: u64, count: u64) -> Option<ScannedRange<'py>> {
        let (stretch, columns) = py.detach(|| self.shared.take((first, count)))?;
        Some(scanned_range(py, &stretch, &columns))
    }

    /// Whether its thread has ended.
    #[getter]
    fn is_over(&self) -> bool {
        self.shared.state().is_over
    }

    /// Begin no more, and let go of what was found.
    fn stop(&self) {
        self.shared.stop();
    }
}

fn work(shared: &Shared, mut scanner: Scanner, place: &Place, stretches: &[Key]) {
    let _ending = Ending(shared);
    let Some(file) = place.open() else { return };
    let mut buffer = Vec::new();
    for &(first, count) in stretches {
        if !shared.begin((first, count)) {
            return;
        }
        let mut columns = Columns::default();
        let range = Range { first, count, size_bytes: place.size_bytes };
        let Some(stretch) = file.scan(&mut scanner, range, &mut buffer, &mut columns) else { return };
        let is_last = stretch.is_last;
        shared.end((first, count), stretch, columns);
        if is_last {
            return;
        }
    }
}
