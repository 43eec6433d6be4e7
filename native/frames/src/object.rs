//! One pass over an object: that it is one, and where it has the values of two keys.
//!
//! Theory of operation: a pull parser without a search for the end of the line and without recursion. The text ends
//! with a byte that nothing may contain (`END`), so running over the end is a syntax error like any other. Only the
//! outermost object is walked by a loop that compares keys; what is inside of it is only passed over, by one machine
//! that remembers of each open bracket a single bit.

use crate::fields::Key;
use crate::nesting::Nesting;
use crate::quoted::{Bad, Marks, Quoted, string, unescape};
use crate::scalar::{is_ten_digits, scalar};

/// What a text is: where it ends and what is white space.
pub trait Kind {
    /// The byte at its end.
    const END: u8;
    /// Whether newlines are white space.
    const HAS_NEWLINES: bool;
}

/// A line, which ends with its newline.
pub struct Line;

impl Kind for Line {
    const END: u8 = b'\n';
    const HAS_NEWLINES: bool = false;
}

/// The value of a message, which may have newlines, and ends with a zero.
pub struct Value;

impl Kind for Value {
    const END: u8 = 0;
    const HAS_NEWLINES: bool = true;
}

/// A value in a text: from its first byte to behind its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
    /// Whether it is a string of ASCII without escapes.
    pub is_plain: bool,
}

/// What an object has under two keys: the last value of each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pair {
    pub uid: Option<Span>,
    pub ts: Option<Span>,
}

/// Two keys to look for; when they are the same, both get its value.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    pub uid: &'a Key,
    pub ts: &'a Key,
    pub is_shared: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    User,
    Time,
    Nobody,
}

impl Pair {
    #[inline(always)]
    fn set(&mut self, whose: Whose, span: Span, keys: Keys<'_>) {
        if whose == Whose::User || keys.is_shared {
            self.uid = Some(span);
        }
        if whose == Whose::Time || keys.is_shared {
            self.ts = Some(span);
        }
    }
}

/// The place behind white space.
#[inline(always)]
pub fn space<K: Kind>(text: &[u8], mut at: usize) -> usize {
    while text[at] <= b' ' && (matches!(text[at], b' ' | b'\t' | b'\r') || K::HAS_NEWLINES && text[at] == b'\n') {
        at += 1;
    }
    at
}

/// Pass over an object; `start` is behind its opening brace. What it has under the keys, and the place behind it.
#[inline(always)]
pub fn object<K: Kind>(
    text: &[u8],
    marks: &[Marks],
    start: usize,
    keys: Keys<'_>,
    nesting: &mut Nesting,
) -> Result<(Pair, usize), Bad> {
    let mut found = Pair::default();
    let mut at = space::<K>(text, start);
    if text[at] == b'}' {
        return Ok((found, at + 1));
    }
    loop {
        if text[at] != b'"' {
            return Err(at);
        }
        let (whose, behind) = key(text, marks, at + 1, keys)?;
        let start = colon::<K>(text, behind)?;
        let end;
        if whose == Whose::Nobody {
            end = value::<K>(text, marks, start, nesting)?;
        } else {
            let span = wanted::<K>(text, marks, start, nesting)?;
            end = span.end;
            found.set(whose, span, keys);
        }
        at = space::<K>(text, end);
        match text[at] {
            b',' => at = space::<K>(text, at + 1),
            b'}' => return Ok((found, at + 1)),
            _ => return Err(at),
        }
    }
}

/// What an object that is known to be sound has under the keys, when the opening quotes are known of those of its keys
/// that may be these.
#[inline(always)]
pub fn pair_of(
    text: &[u8],
    marks: &[Marks],
    members: impl Iterator<Item = usize>,
    keys: Keys<'_>,
    nesting: &mut Nesting,
) -> Result<Pair, Bad> {
    let mut found = Pair::default();
    for place in members {
        let (whose, behind) = key(text, marks, place + 1, keys)?;
        if whose != Whose::Nobody {
            let start = colon::<Line>(text, behind)?;
            found.set(whose, wanted::<Line>(text, marks, start, nesting)?, keys);
        }
    }
    Ok(found)
}

#[inline(always)]
fn key(text: &[u8], marks: &[Marks], at: usize, keys: Keys<'_>) -> Result<(Whose, usize), Bad> {
    if keys.uid.is_at(text, at) {
        return Ok((Whose::User, keys.uid.end(at)));
    }
    if keys.ts.is_at(text, at) {
        return Ok((Whose::Time, keys.ts.end(at)));
    }
    let quoted = string(text, marks, at)?;
    let whose = if quoted.is_plain { Whose::Nobody } else { fancy_key(&text[at..quoted.end - 1], keys) };
    Ok((whose, quoted.end))
}

#[cold]
#[inline(never)]
fn fancy_key(inside: &[u8], keys: Keys<'_>) -> Whose {
    if !inside.contains(&b'\\') {
        return Whose::Nobody;
    }
    let mut text = Vec::new();
    unescape(inside, &mut text);
    if keys.uid.is(&text) {
        Whose::User
    } else if keys.ts.is(&text) {
        Whose::Time
    } else {
        Whose::Nobody
    }
}

/// The place of the value behind a colon.
#[inline(always)]
fn colon<K: Kind>(text: &[u8], at: usize) -> Result<usize, Bad> {
    let at = space::<K>(text, at);
    if text[at] == b':' { Ok(space::<K>(text, at + 1)) } else { Err(at) }
}

/// Pass over a value that is asked for.
#[inline(always)]
fn wanted<K: Kind>(text: &[u8], marks: &[Marks], start: usize, nesting: &mut Nesting) -> Result<Span, Bad> {
    if text[start] == b'"' {
        let Quoted { end, is_plain } = string(text, marks, start + 1)?;
        return Ok(Span { start, end, is_plain });
    }
    let end = if is_ten_digits(text, start) { start + 10 } else { value::<K>(text, marks, start, nesting)? };
    Ok(Span { start, end, is_plain: false })
}

/// Pass over a value.
#[inline(always)]
fn value<K: Kind>(text: &[u8], marks: &[Marks], at: usize, nesting: &mut Nesting) -> Result<usize, Bad> {
    match text[at] {
        b'"' => Ok(string(text, marks, at + 1)?.end),
        b'{' | b'[' => nested::<K>(text, marks, at, nesting),
        _ => scalar(text, at),
    }
}

/// Pass over an object or an array, and all that is in it.
#[inline(always)]
fn nested<K: Kind>(text: &[u8], marks: &[Marks], start: usize, nesting: &mut Nesting) -> Result<usize, Bad> {
    nesting.begin();
    let mut at = start;
    loop {
        // At a value.
        match text[at] {
            b'"' => at = string(text, marks, at + 1)?.end,
            b'[' => {
                let inside = space::<K>(text, at + 1);
                if text[inside] != b']' {
                    nesting.open(false);
                    at = inside;
                    continue;
                }
                at = inside + 1;
            }
            b'{' => {
                let inside = space::<K>(text, at + 1);
                if text[inside] != b'}' {
                    nesting.open(true);
                    at = member::<K>(text, marks, inside)?;
                    continue;
                }
                at = inside + 1;
            }
            _ => at = scalar(text, at)?,
        }
        // Behind a value.
        loop {
            if nesting.is_closed() {
                return Ok(at);
            }
            at = space::<K>(text, at);
            let is_in_brace = nesting.is_in_brace();
            if text[at] == b',' {
                at = space::<K>(text, at + 1);
                if is_in_brace {
                    at = member::<K>(text, marks, at)?;
                }
                break;
            }
            if text[at] != (if is_in_brace { b'}' } else { b']' }) {
                return Err(at);
            }
            nesting.close();
            at += 1;
        }
    }
}

/// The place of the value of a member; `at` is where its key should be.
#[inline(always)]
fn member<K: Kind>(text: &[u8], marks: &[Marks], at: usize) -> Result<usize, Bad> {
    if text[at] != b'"' {
        return Err(at);
    }
    colon::<K>(text, string(text, marks, at + 1)?.end)
}
