//! The judgement of a text: a frame, or why it is none.
//!
//! The rule, in this order: the text is one object of RFC 8259 and nothing else but white space around it, where bytes
//! that are not UTF-8 are no error, and a lone surrogate escape is one; the last value at the user's path is a string
//! of UTF-8 that is not empty, or an integer; the last value at the time's path is a number, or a string that holds
//! exactly one, which as a double is whole and from 0 to `MAX_TIME_S`.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64;

use crate::fields::{Fields, Key, Path};
use crate::nesting::Nesting;
use crate::object::{Keys, Kind, Line, Span, object, pair_of, space};
use crate::quoted::{Bad, Marks, PADDING, unescape};
use crate::scalar::{eight_digits, number};
use crate::survey::Survey;

/// The largest time in seconds; what is larger is milliseconds.
pub const MAX_TIME_S: i64 = 99_999_999_999;

const MAX_TIME_DIGITS: usize = 11;

/// Why a text is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Malformed,
    NoUser,
    NoTime,
    TooLong,
}

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub time_s: i64,
    /// XXH3 of 64 bits, seed 0, of the user's text.
    pub user: u64,
}

/// What a text is, and the place of its end; if it is malformed, any place up to there.
pub struct Verdict {
    pub frame: Result<Frame, Reason>,
    pub at: usize,
}

/// Judge the text that begins at `start`, which is no white space.
#[inline(always)]
pub fn judge<K: Kind>(text: &[u8], marks: &[Marks], start: usize, fields: &Fields, nesting: &mut Nesting) -> Verdict {
    match content::<K>(text, marks, start, fields, nesting) {
        Ok((uid, ts, at)) => Verdict { frame: frame_of(text, uid, ts), at },
        Err(at) => Verdict { frame: Err(Reason::Malformed), at },
    }
}

#[inline(always)]
fn content<K: Kind>(
    text: &[u8],
    marks: &[Marks],
    start: usize,
    fields: &Fields,
    nesting: &mut Nesting,
) -> Result<(Option<Span>, Option<Span>, usize), Bad> {
    if text[start] != b'{' {
        return Err(start);
    }
    let keys = Keys { uid: &fields.uid.first, ts: &fields.ts.first, is_shared: fields.is_shared };
    let (pair, end) = object::<K>(text, marks, start + 1, keys, nesting)?;
    let at = space::<K>(text, end);
    if text[at] != K::END {
        return Err(at);
    }
    let uid = follow::<K>(text, marks, pair.uid, &fields.uid, nesting);
    let ts = follow::<K>(text, marks, pair.ts, &fields.ts, nesting);
    Ok((uid, ts, at))
}

/// Judge a line that is known to be one object; `members` are quotes of its keys that may be asked for.
#[inline(always)]
pub fn judge_object(
    text: &[u8],
    survey: &Survey,
    members: &[u16],
    fields: &Fields,
    nesting: &mut Nesting,
) -> Result<Frame, Reason> {
    let keys = Keys { uid: &fields.uid.first, ts: &fields.ts.first, is_shared: fields.is_shared };
    let marks = &survey.marks;
    let members = members.iter().map(|&place| survey.key_at(usize::from(place)));
    let pair = pair_of(text, marks, members, keys, nesting).map_err(|_| Reason::Malformed)?;
    let uid = follow::<Line>(text, marks, pair.uid, &fields.uid, nesting);
    let ts = follow::<Line>(text, marks, pair.ts, &fields.ts, nesting);
    frame_of(text, uid, ts)
}

/// The value at the end of a path, whose first key has this value.
#[inline(always)]
fn follow<K: Kind>(
    text: &[u8],
    marks: &[Marks],
    first: Option<Span>,
    path: &Path,
    nesting: &mut Nesting,
) -> Option<Span> {
    if path.rest.is_empty() { first } else { inside::<K>(text, marks, first?, &path.rest, nesting) }
}

/// The value at the end of some keys inside of a value that is known to be sound.
fn inside<K: Kind>(text: &[u8], marks: &[Marks], value: Span, path: &[Key], nesting: &mut Nesting) -> Option<Span> {
    path.iter().try_fold(value, |value, key| {
        if text[value.start] != b'{' {
            return None;
        }
        let keys = Keys { uid: key, ts: key, is_shared: true };
        object::<K>(text, marks, value.start + 1, keys, nesting).ok()?.0.uid
    })
}

#[inline(always)]
fn frame_of(text: &[u8], uid: Option<Span>, ts: Option<Span>) -> Result<Frame, Reason> {
    let user = uid.and_then(|span| user_of(&text[span.start..span.end], span.is_plain)).ok_or(Reason::NoUser)?;
    let time_s = ts.and_then(|span| time_of(&text[span.start..span.end])).ok_or(Reason::NoTime)?;
    Ok(Frame { time_s, user })
}

/// The hash of the user that a sound value is, if it is one; `is_plain` as in Span.
#[inline(always)]
fn user_of(value: &[u8], is_plain: bool) -> Option<u64> {
    if is_plain && value.len() > 2 {
        return Some(xxh3_64(&value[1..value.len() - 1]));
    }
    odd_user(value)
}

#[inline(never)]
fn odd_user(value: &[u8]) -> Option<u64> {
    if value[0] != b'"' {
        return integer_user(value);
    }
    let inside = &value[1..value.len() - 1];
    let is_user = !inside.is_empty() && std::str::from_utf8(inside).is_ok();
    is_user.then(|| xxh3_64(&plain(inside)))
}

#[cold]
fn integer_user(value: &[u8]) -> Option<u64> {
    let is_integer = value.iter().all(|&byte| byte == b'-' || byte.is_ascii_digit());
    is_integer.then(|| xxh3_64(if value == b"-0" { b"0" } else { value }))
}

/// The time that a sound value is, if it is one.
#[inline(always)]
fn time_of(value: &[u8]) -> Option<i64> {
    if value[0] == b'"' { quoted_time(&value[1..value.len() - 1]) } else { number_time(value) }
}

fn quoted_time(inside: &[u8]) -> Option<i64> {
    let mut text = plain(inside).into_owned();
    let length = text.len();
    text.resize(length + PADDING, 0);
    let end = number(&text, 0).ok()?;
    if end == length { number_time(&text[..length]) } else { None }
}

/// The text of a sound string, from what is between its quotes.
fn plain(inside: &[u8]) -> Cow<'_, [u8]> {
    if !inside.contains(&b'\\') {
        return Cow::Borrowed(inside);
    }
    let mut text = Vec::with_capacity(inside.len());
    unescape(inside, &mut text);
    Cow::Owned(text)
}

/// The time that a number is, if it is one.
#[inline(always)]
fn number_time(number: &[u8]) -> Option<i64> {
    if let [first @ .., ninth, tenth] = number
        && let Ok(first) = <[u8; 8]>::try_from(first)
        && let Some(first) = eight_digits(first)
        && ninth.is_ascii_digit()
        && tenth.is_ascii_digit()
    {
        return i64::try_from(first * 100 + u64::from(ninth - b'0') * 10 + u64::from(tenth - b'0')).ok();
    }
    odd_time(number)
}

/// The time that a number is which has a sign, a fraction, an exponent, or not ten digits.
#[inline(never)]
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // it is whole and in range, and so is the limit
fn odd_time(number: &[u8]) -> Option<i64> {
    if number.len() <= MAX_TIME_DIGITS && number.iter().all(u8::is_ascii_digit) {
        return Some(number.iter().fold(0, |time, &digit| time * 10 + i64::from(digit - b'0')));
    }
    let time: f64 = std::str::from_utf8(number).ok()?.parse().ok()?;
    ((0.0..=MAX_TIME_S as f64).contains(&time) && time.fract() == 0.0).then_some(time as i64)
}
