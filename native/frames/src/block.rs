//! Blocks of lines, and values of messages, to columns of times and users.
//!
//! Theory of operation: values are copied to where there is room behind them, and parsed in one pass each; lines are read
//! where they are (see `lines`).

use crate::choice::Choice;
use crate::fields::Fields;
use crate::frame::{Frame, Reason, judge};
use crate::lines::Lines;
use crate::masks::{CHUNK, Level, Task, Width};
use crate::nesting::Nesting;
use crate::object::{Value, space};
use crate::quoted::{Marks, PADDING, mark};
use crate::survey::Survey;

/// Bytes of a line without its newline, or of a value; a longer one is rejected.
pub const MAX_LINE_BYTES: usize = 16 << 20;

/// Room beyond this is given back.
const KEPT_BYTES: usize = 1 << 20;
const KEPT_MARKS: usize = KEPT_BYTES / CHUNK;

/// Room for so many frames is kept.
const KEPT_FRAMES: usize = 1 << 17;

/// A line or value that is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Its place among the lines of its block that are not blank, or among the values.
    pub index: usize,
    /// Newlines of the block before it; 0 for a value.
    pub newlines: usize,
    /// The byte of the block at which it starts; 0 for a value.
    pub start: usize,
    pub length: usize,
    pub reason: Reason,
}

/// The frames of blocks, one after the other, in order of arrival.
#[derive(Default)]
pub struct Columns {
    pub times: Vec<i64>,
    pub users: Vec<u64>,
    pub rejects: Vec<Reject>,
}

impl Columns {
    /// Forget the frames, keep the room.
    pub fn clear(&mut self) {
        self.times.clear();
        self.users.clear();
        self.rejects.clear();
    }

    /// Forget the frames, and give room back if it is much.
    pub fn shrink(&mut self) {
        self.clear();
        self.times.shrink_to(KEPT_FRAMES);
        self.users.shrink_to(KEPT_FRAMES);
        self.rejects.shrink_to(KEPT_FRAMES / 16);
    }
}

/// What is known of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Lines that are not blank, or values.
    pub lines: usize,
    pub newlines: usize,
    /// The least and the greatest time; 0 without frames.
    pub lowest: i64,
    pub highest: i64,
}

/// Scans; keeps only room between two calls.
pub struct Scanner {
    pub fields: Fields,
    pub level: Level,
    pub(crate) nesting: Nesting,
    pub(crate) marks: Vec<Marks>,
    pub(crate) survey: Survey,
    pub(crate) choice: Choice,
    pub(crate) scratch: Vec<u8>,
}

impl Scanner {
    /// A scanner for frames with these fields, by instructions of this level or the portable ones.
    #[must_use]
    pub fn new(fields: Fields, level: Level) -> Self {
        Self {
            fields,
            level,
            nesting: Nesting::default(),
            marks: Vec::new(),
            survey: Survey::default(),
            choice: Choice::default(),
            scratch: Vec::new(),
        }
    }

    /// Add the frames of a block of lines, each of which ends with a newline that only the last one may lack.
    pub fn scan_lines(&mut self, block: &[u8], columns: &mut Columns) -> Facts {
        let level = self.level;
        level.run(Lines { scanner: self, block, columns })
    }

    /// Add the frames of the values of messages, each of which should be one.
    pub fn scan_values<'a>(&mut self, values: impl Iterator<Item = &'a [u8]>, columns: &mut Columns) -> Facts {
        let level = self.level;
        level.run(Values { scanner: self, each: values, columns })
    }
}

impl Scanner {
    pub(crate) fn give_back(&mut self) {
        if self.scratch.capacity() > KEPT_BYTES {
            self.scratch = Vec::new();
        }
        if self.marks.capacity() > KEPT_MARKS {
            self.marks = Vec::new();
        }
    }
}

/// What was found so far.
pub(crate) struct Progress {
    pub facts: Facts,
    first_frame: usize,
}

impl Progress {
    pub fn begin(columns: &Columns) -> Self {
        let facts = Facts { lines: 0, newlines: 0, lowest: i64::MAX, highest: i64::MIN };
        Self { facts, first_frame: columns.times.len() }
    }

    #[inline(always)]
    pub fn take(&mut self, columns: &mut Columns, frame: Frame) {
        columns.times.push(frame.time_s);
        columns.users.push(frame.user);
        self.facts.lines += 1;
        self.facts.lowest = self.facts.lowest.min(frame.time_s);
        self.facts.highest = self.facts.highest.max(frame.time_s);
    }

    #[cold]
    pub fn refuse(&mut self, columns: &mut Columns, start: usize, length: usize, reason: Reason) {
        let (index, newlines) = (self.facts.lines, self.facts.newlines);
        columns.rejects.push(Reject { index, newlines, start, length, reason });
        self.facts.lines += 1;
    }

    pub fn end(mut self, columns: &Columns) -> Facts {
        if columns.times.len() == self.first_frame {
            (self.facts.lowest, self.facts.highest) = (0, 0);
        }
        self.facts
    }
}

struct Values<'a, I> {
    scanner: &'a mut Scanner,
    each: I,
    columns: &'a mut Columns,
}

impl<'v, I: Iterator<Item = &'v [u8]>> Task for Values<'_, I> {
    type Output = Facts;

    #[inline(always)]
    fn run<W: Width>(self, width: W) -> Facts {
        let Self { scanner, each: values, columns } = self;
        let mut progress = Progress::begin(columns);
        for value in values {
            if value.len() > MAX_LINE_BYTES {
                progress.refuse(columns, 0, value.len(), Reason::TooLong);
                continue;
            }
            let Scanner { fields, nesting, marks, scratch: text, .. } = &mut *scanner;
            text.clear();
            text.extend_from_slice(value);
            text.resize(value.len() + PADDING, 0);
            let first = space::<Value>(text, 0);
            mark(width, text, value.len() + 1, marks);
            let verdict = judge::<Value>(text, marks, first, fields, nesting);
            match verdict.frame {
                Ok(frame) if verdict.at == value.len() => progress.take(columns, frame),
                Ok(_) => progress.refuse(columns, 0, value.len(), Reason::Malformed),
                Err(reason) => {
                    // A zero inside of it ended it too early.
                    let is_cut = reason != Reason::Malformed && verdict.at != value.len();
                    let reason = if is_cut { Reason::Malformed } else { reason };
                    progress.refuse(columns, 0, value.len(), reason);
                }
            }
        }
        scanner.give_back();
        progress.end(columns)
    }
}
