//! The rule of what is a frame, once more: plainly, a byte at a time. Slow, and short enough to be believed.

#![allow(dead_code)] // each test uses its part

use std::collections::HashMap;

use millstream_frames::{MAX_TIME_S, Reason};
use xxhash_rust::xxh3::xxh3_64;

pub type Answer = Result<(i64, u64), Reason>;

/// What a line is, by the keys of user and time at its root; `None` if it is blank.
pub fn answer_of(line: &[u8]) -> Option<Answer> {
    let is_blank = line.iter().all(|byte| b" \t\r".contains(byte));
    (!is_blank).then(|| value_answer(line, b" \t\r"))
}

/// What a text is.
pub fn value_answer(text: &[u8], space: &[u8]) -> Answer {
    let mut reader = Reader { text, at: 0, space };
    let members = reader.root().ok_or(Reason::Malformed)?;
    let user = members.get(&b"uid"[..]).and_then(|value| user_of(value)).ok_or(Reason::NoUser)?;
    let time = members.get(&b"ts"[..]).and_then(|value| time_of(value)).ok_or(Reason::NoTime)?;
    Ok((time, user))
}

fn user_of(value: &[u8]) -> Option<u64> {
    if value[0] == b'"' {
        let text = String::from_utf8(plain(value)).ok()?;
        return (!text.is_empty()).then(|| xxh3_64(text.as_bytes()));
    }
    let is_integer = value.iter().all(|byte| b"-0123456789".contains(byte));
    is_integer.then(|| xxh3_64(if value == b"-0" { b"0" } else { value }))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn time_of(value: &[u8]) -> Option<i64> {
    let text = if value[0] == b'"' { plain(value) } else { value.to_vec() };
    let mut reader = Reader { text: &text, at: 0, space: b"" };
    reader.number()?;
    let time: f64 = String::from_utf8(text.clone()).ok()?.parse().ok()?;
    let is_time = reader.at == text.len() && time >= 0.0 && time <= MAX_TIME_S as f64 && time.fract() == 0.0;
    is_time.then_some(time as i64)
}

/// The text of a sound string with its quotes, as bytes.
fn plain(value: &[u8]) -> Vec<u8> {
    let mut units: Vec<u16> = Vec::new();
    let mut out = Vec::new();
    let mut rest = &value[1..value.len() - 1];
    while let [first, behind @ ..] = rest {
        let mut used = 1;
        if *first == b'\\' && behind[0] == b'u' {
            let digits = std::str::from_utf8(&behind[1..5]).unwrap();
            units.push(u16::from_str_radix(digits, 16).unwrap());
            used = 6;
        } else {
            out.extend(String::from_utf16(&units).unwrap().bytes());
            units.clear();
            if *first == b'\\' {
                let found = b"\"\\/bfnrt".iter().position(|known| *known == behind[0]).unwrap();
                out.push(b"\"\\/\x08\x0c\n\r\t"[found]);
                used = 2;
            } else {
                out.push(*first);
            }
        }
        rest = &rest[used..];
    }
    out.extend(String::from_utf16(&units).unwrap().bytes());
    out
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    space: &'a [u8],
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| self.space.contains(&byte)) {
            self.at += 1;
        }
    }

    /// The members of the only object of a text, the last of each key, with the keys' escapes undone.
    fn root(&mut self) -> Option<HashMap<Vec<u8>, &'a [u8]>> {
        self.skip_space();
        let members = self.object()?;
        self.skip_space();
        self.peek().is_none().then_some(members)
    }

    fn object(&mut self) -> Option<HashMap<Vec<u8>, &'a [u8]>> {
        let mut members = HashMap::new();
        self.take(b'{')?;
        self.skip_space();
        if self.take(b'}').is_some() {
            return Some(members);
        }
        loop {
            let key = self.at;
            self.string()?;
            let key = plain(&self.text[key..self.at]);
            self.skip_space();
            self.take(b':')?;
            self.skip_space();
            let value = self.at;
            self.value()?;
            members.insert(key, &self.text[value..self.at]);
            self.skip_space();
            if self.take(b'}').is_some() {
                return Some(members);
            }
            self.take(b',')?;
            self.skip_space();
        }
    }

    fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'{' => self.object().map(|_| ()),
            b'[' => self.array(),
            b'"' => self.string(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn array(&mut self) -> Option<()> {
        self.take(b'[')?;
        self.skip_space();
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.value()?;
            self.skip_space();
            if self.take(b']').is_some() {
                return Some(());
            }
            self.take(b',')?;
            self.skip_space();
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        word.iter().try_for_each(|&byte| self.take(byte))
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if self.take(b'e').or_else(|| self.take(b'E')).is_some() {
            let _ = self.take(b'+').or_else(|| self.take(b'-'));
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn string(&mut self) -> Option<()> {
        self.take(b'"')?;
        loop {
            match self.peek()? {
                b'"' => return self.take(b'"'),
                b'\\' => self.escape()?,
                byte if byte < b' ' => return None,
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        self.at += 1;
        if self.peek()? != b'u' {
            let is_known = b"\"\\/bfnrt".contains(&self.peek()?);
            return is_known.then(|| self.at += 1);
        }
        match self.unit()? {
            0xd800..=0xdbff => {
                self.take(b'\\')?;
                (0xdc00..=0xdfff).contains(&self.unit()?).then_some(())
            }
            0xdc00..=0xdfff => None,
            _ => Some(()),
        }
    }

    fn unit(&mut self) -> Option<u32> {
        self.take(b'u')?;
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit * 16 + char::from(self.peek()?).to_digit(16)?;
            self.at += 1;
        }
        Some(unit)
    }
}
