//! Blocks of lines to columns.
//!
//! Theory of operation: lines are read where they are, up to the last one that has enough bytes behind it to look at
//! 64 together anywhere in it; those after it are copied to where there is room. They go through the caches in stretches
//! of whole lines. A stretch is surveyed if that pays (see `choice`); what is left of it, from the first line with a
//! doubt on, is parsed: all strings are marked, then its lines are walked byte by byte. No line's end is looked for: a
//! sound line tells where it ends, and only behind a bad one the next newline is searched.

use memchr::{memchr, memrchr};

use crate::block::{Columns, Facts, MAX_LINE_BYTES, Progress, Scanner};
use crate::choice::Choice;
use crate::fields::Fields;
use crate::frame::{Reason, judge, judge_object};
use crate::masks::{Task, Width};
use crate::nesting::Nesting;
use crate::object::{Line, space};
use crate::quoted::{Marks, PADDING, mark};
use crate::survey::{MOST_BYTES, Survey};
use crate::walk::{Shape, Walk};

/// Bytes that are looked at before they are parsed.
const STRETCH_BYTES: usize = 8 << 10;

/// A block of lines that is to be scanned.
pub(crate) struct Lines<'a> {
    pub scanner: &'a mut Scanner,
    pub block: &'a [u8],
    pub columns: &'a mut Columns,
}

impl Task for Lines<'_> {
    type Output = Facts;

    #[inline(always)]
    fn run<W: Width>(self, width: W) -> Facts {
        let Self { scanner, block, columns } = self;
        let roomy = block.len().saturating_sub(PADDING);
        let cut = memrchr(b'\n', &block[..roomy]).map_or(0, |newline| newline + 1);
        let Scanner { fields, nesting, marks, survey, choice, scratch, .. } = scanner;
        scratch.clear();
        scratch.extend_from_slice(&block[cut..]);
        if scratch.last().is_some_and(|&last| last != b'\n') {
            scratch.push(b'\n');
        }
        let rest = scratch.len();
        scratch.resize(rest + PADDING, 0);
        let mut scan = Scan { fields, nesting, marks, survey, choice, progress: Progress::begin(columns), columns };
        let mut start = 0;
        while start < cut {
            let end = stretch(&block[start..cut]);
            scan.stretch(width, &block[start..], end, start);
            start += end;
        }
        scan.stretch(width, scratch, rest, start);
        let mut progress = scan.progress;
        let is_open = block.last().is_some_and(|&last| last != b'\n');
        progress.facts.newlines -= usize::from(is_open);
        let facts = progress.end(columns);
        scanner.give_back();
        facts
    }
}

/// How long the next stretch is: whole lines, few enough for the caches.
#[inline(always)]
fn stretch(rest: &[u8]) -> usize {
    let most = rest.len().min(STRETCH_BYTES);
    let newline = memrchr(b'\n', &rest[..most]).or_else(|| memchr(b'\n', rest));
    newline.map_or(rest.len(), |newline| newline + 1)
}

/// What the scan of a block works with.
struct Scan<'a> {
    fields: &'a Fields,
    nesting: &'a mut Nesting,
    marks: &'a mut Vec<Marks>,
    survey: &'a mut Survey,
    choice: &'a mut Choice,
    progress: Progress,
    columns: &'a mut Columns,
}

impl Scan<'_> {
    /// The lines of a text up to `end`, where the last of them has its newline; it is byte `base` of the block.
    #[inline(always)]
    fn stretch<W: Width>(&mut self, width: W, text: &[u8], end: usize, base: usize) {
        let mut done = 0;
        if W::HAS_WORDS && end <= MOST_BYTES && self.choice.is_survey() {
            let begins = [self.fields.uid.first.begin(), self.fields.ts.first.begin()];
            self.survey.look(width, text, end, begins);
            done = self.surveyed(text, base);
            self.choice.learn(end, self.survey.values, done);
        }
        if done < end {
            mark(width, &text[done..], end - done, self.marks);
            self.parsed(&text[done..], end - done, base + done);
        }
    }

    /// Lines that were surveyed, up to the first with a doubt; where that one starts.
    #[inline(always)]
    fn surveyed(&mut self, text: &[u8], base: usize) -> usize {
        let survey = &*self.survey;
        let mut walk = Walk::new(text, survey);
        let mut start = 0;
        while let Some((newline, shape)) = walk.line(start) {
            if newline >= survey.sure {
                break;
            }
            if let Shape::Object(members) = shape {
                match judge_object(text, survey, members, self.fields, self.nesting) {
                    Ok(frame) => self.progress.take(self.columns, frame),
                    Err(reason) => self.progress.refuse(self.columns, base + start, newline - start, reason),
                }
            }
            self.progress.facts.newlines += 1;
            start = newline + 1;
        }
        start
    }

    /// Lines up to `end` whose strings are marked.
    #[inline(always)]
    fn parsed(&mut self, text: &[u8], end: usize, base: usize) {
        let mut start = 0;
        while start < end {
            let first = space::<Line>(text, start);
            let mut newline = first;
            if text[first] != b'\n' {
                let verdict = judge::<Line>(text, self.marks, first, self.fields, self.nesting);
                newline = verdict.at;
                if verdict.frame == Err(Reason::Malformed) {
                    newline = next_newline(text, verdict.at);
                }
                let (at, length) = (base + start, newline - start);
                match verdict.frame {
                    Ok(frame) if length <= MAX_LINE_BYTES => self.progress.take(self.columns, frame),
                    Err(reason) if length <= MAX_LINE_BYTES => self.progress.refuse(self.columns, at, length, reason),
                    _ => self.progress.refuse(self.columns, at, length, Reason::TooLong),
                }
            }
            self.progress.facts.newlines += 1;
            start = newline + 1;
        }
    }
}

#[cold]
fn next_newline(text: &[u8], at: usize) -> usize {
    memchr(b'\n', &text[at..]).map_or(text.len(), |distance| at + distance)
}
