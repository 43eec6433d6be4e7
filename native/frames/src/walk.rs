//! The brackets of a stretch, one after the other: that each closes what was opened, and which keys are at the root.
//!
//! Theory of operation: of each open bracket a bit is kept in a word, with a one in front, so that the word tells the
//! depth as well: 1 is outside of all, 3 in the root. What a bracket does to it comes from a table, and what is wrong
//! is added up until the line ends, so there is no branch but the one for newlines. Deeper than a word is a doubt.

use crate::object::{Line, space};
use crate::survey::Survey;

/// Keys of a root that are looked at; a line with more that begin like those asked for is left to the other parser.
const MOST_MEMBERS: usize = 32;

/// What a byte does to the word of open brackets.
#[derive(Clone, Copy)]
struct Step {
    /// Places to the left, and what comes in.
    push: u8,
    kind: u8,
    /// Places to the right.
    pop: u8,
    /// 1 if what is before it shows what it is in, which is `object`.
    check: u8,
    object: u8,
    /// 1 if it may be the quote of a key.
    quote: u8,
}

/// Steps of bytes, and of those with their highest bit set, which are in objects.
const STEPS: [Step; 256] = {
    let mut steps = [Step { push: 0, kind: 0, pop: 63, check: 0, object: 0, quote: 0 }; 256];
    let mut object = 0;
    while object < 2 {
        let at = object as usize * 128;
        steps[at + b'{' as usize] = Step { push: 1, kind: 1, pop: 0, check: 1, object, quote: 0 };
        steps[at + b'[' as usize] = Step { push: 1, kind: 0, pop: 0, check: 1, object, quote: 0 };
        steps[at + b'}' as usize] = Step { push: 0, kind: 0, pop: 1, check: 1, object, quote: 0 };
        steps[at + b']' as usize] = Step { push: 0, kind: 0, pop: 1, check: 1, object, quote: 0 };
        steps[at + b'"' as usize] = Step { push: 0, kind: 0, pop: 0, check: 0, object, quote: 1 };
        object += 1;
    }
    steps
};

const OUTSIDE: u64 = 1;
const IN_ROOT: u64 = 3;

/// A sound line.
pub enum Shape<'a> {
    /// One object; the quotes of its keys that may be asked for.
    Object(&'a [u16]),
    Blank,
}

/// A walk over the places of a survey.
pub struct Walk<'a> {
    text: &'a [u8],
    survey: &'a Survey,
    /// How many places are behind.
    taken: usize,
    members: [u16; MOST_MEMBERS],
}

impl<'a> Walk<'a> {
    #[inline(always)]
    pub fn new(text: &'a [u8], survey: &'a Survey) -> Self {
        Self { text, survey, taken: 0, members: [0; MOST_MEMBERS] }
    }

    /// The line that starts here, where the one before ended: its newline and what it is, as far as brackets tell. None
    /// if it is no object, one that cannot be told here, or if there is no more.
    #[inline(always)]
    pub fn line(&mut self, start: usize) -> Option<(usize, Shape<'_>)> {
        let (text, (places, bytes)) = (self.text, self.survey.places());
        let (mut open, mut most, mut wrong, mut members) = (OUTSIDE, OUTSIDE, 0, 0);
        if self.taken == places.len() {
            return None; // behind the last line, where no newline need be
        }
        let first = space::<Line>(text, start);
        let mut at = self.taken;
        while at < places.len() {
            let step = STEPS[usize::from(bytes[at])];
            wrong |= (open ^ u64::from(step.object)) & u64::from(step.check);
            self.members[members % MOST_MEMBERS] = places[at];
            members += usize::from(step.quote) & usize::from(open == IN_ROOT);
            open = (open << step.push | u64::from(step.kind)) >> step.pop;
            most |= open;
            at += 1;
            if open <= OUTSIDE {
                break;
            }
        }
        let last = usize::from(*places.get(at.checked_sub(1)?)?);
        if text[last] == b'\n' {
            self.taken = at;
            return (last == first).then_some((last, Shape::Blank));
        }
        let newline = usize::from(*places.get(at)?);
        self.taken = at + 1;
        let is_object = open == OUTSIDE
            && wrong & 1 == 0
            && most >> 63 == 0
            && members <= MOST_MEMBERS
            && text[first] == b'{'
            && text[newline] == b'\n'
            && space::<Line>(text, last + 1) == newline;
        is_object.then(|| (newline, Shape::Object(&self.members[..members])))
    }
}
