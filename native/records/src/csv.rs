//! A chunk of a CSV as lines of JSON, or nothing if anything in it is odd.
//!
//! Theory of operation: the rule is that of Python's `csv.reader`, which is not strict. A quote opens a field only at its
//! start, and in it stands for itself when doubled; after the closing one, the rest of the field is taken as it is, as in
//! a field without quotes. A line end is CR, LF or CRLF. A line of nothing else is no record.
//!
//! Every value is copied while it is looked at, and nothing is known of a record before it is written. So a chunk is
//! given up in the middle without harm: by a record of another width, one more than planned, one that is too long or
//! never closed, a NUL. UTF-8 is checked before, for all of it.

use crate::room::{Piece, Room};
use crate::stops::{Stops, WORD, word_at};

/// The most records of a block.
pub const BLOCK_RECORDS: usize = 1000;

/// How much is written before it is taken away: so much that asking for the interpreter's lock costs nothing beside it,
/// and so little that the whole of a large chunk is never held twice.
const STRETCH_BYTES: usize = 1 << 20;

/// What a chunk must hold.
#[derive(Clone, Copy)]
pub struct Planned {
    /// The number of its first record.
    pub first_record: u64,
    /// How many there are.
    pub records: usize,
}

/// Lines that belong together.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// Where they end in what is written.
    pub end: usize,
    /// How many they are.
    pub records: usize,
}

/// Renders the chunks of one file.
pub struct CsvRenderer {
    delimiter: u8,
    quote: Option<u8>,
    bare: Stops,
    quoted: Stops,
    /// What each record starts with, up to its number.
    start: Vec<u8>,
    /// What stands between the id or a value and the next value.
    keys: Vec<Piece>,
    max_record_bytes: usize,
}

impl CsvRenderer {
    /// For these columns. `prefix` comes before the number of a record in its id; `delimiter` and `quote` are ASCII.
    #[must_use]
    pub fn new(names: &[String], delimiter: u8, quote: Option<u8>, prefix: &str, max_record_bytes: usize) -> Self {
        Self {
            delimiter,
            quote,
            bare: Stops::new(delimiter),
            quoted: Stops::new(quote.unwrap_or(b'"')),
            start: written(b"{\"_id\":\"", prefix, b""),
            keys: names.iter().map(|name| Piece::new(written(b"\",\"", name, b"\":\""))).collect(),
            max_record_bytes,
        }
    }

    /// Write all records as lines, and give what is written to `take`, again and again; None if anything is not as
    /// planned or not regular, and then nothing that was taken may be used. `room` must be empty.
    pub fn render(
        &self,
        data: &[u8],
        planned: Planned,
        room: &mut Room,
        mut take: impl FnMut(&[u8], &[Block]),
    ) -> Option<()> {
        if !matches!(data.last(), Some(b'\n' | b'\r')) || std::str::from_utf8(data).is_err() {
            return None;
        }
        let mut number = Number::new(&self.start, planned.first_record);
        let mut blocks = Vec::new();
        let (mut at, mut records, mut before) = (0, 0, 0);
        while let Some(&byte) = data.get(at) {
            if matches!(byte, b'\n' | b'\r') {
                at += 1; // a blank line, or half of its end
                continue;
            }
            if records == planned.records {
                return None;
            }
            room.bytes(&number.text);
            number.next();
            let end = self.record(data, at, room)?;
            if end - at > self.max_record_bytes {
                return None;
            }
            at = end;
            records += 1;
            if records - before == BLOCK_RECORDS {
                blocks.push(Block { end: room.written().len(), records: BLOCK_RECORDS });
                before = records;
                if room.written().len() >= STRETCH_BYTES {
                    take(room.written(), &blocks);
                    blocks.clear();
                    room.clear();
                }
            }
        }
        if records > before {
            blocks.push(Block { end: room.written().len(), records: records - before });
        }
        take(room.written(), &blocks);
        (records == planned.records).then_some(())
    }

    /// The record that starts at `at`; where the next line starts.
    #[inline]
    fn record(&self, data: &[u8], mut at: usize, room: &mut Room) -> Option<usize> {
        let (last, others) = self.keys.split_last()?;
        for key in others {
            room.piece(key);
            at = self.value(data, at, room)?;
            if data[at] != self.delimiter {
                return None;
            }
            at += 1;
        }
        room.piece(last);
        at = self.value(data, at, room)?;
        if data[at] == self.delimiter {
            return None;
        }
        room.word(*b"\"}\n\0\0\0\0\0", 3);
        Some(if data[at..].starts_with(b"\r\n") { at + 2 } else { at + 1 })
    }

    /// The value that starts at `at`; where its delimiter or line end is.
    #[inline]
    fn value(&self, data: &[u8], mut at: usize, room: &mut Room) -> Option<usize> {
        if self.quote.is_some() && data.get(at).copied() == self.quote {
            at = self.inside(data, at + 1, room)?;
        }
        loop {
            let (stop, byte) = copied(data, at, self.bare, room)?;
            if byte == self.delimiter || byte == b'\n' || byte == b'\r' {
                return Some(stop);
            }
            room.character(byte);
            at = stop + 1;
        }
    }

    /// What is between quotes, from behind the first; where it goes on behind the last.
    fn inside(&self, data: &[u8], mut at: usize, room: &mut Room) -> Option<usize> {
        let quote = self.quote;
        loop {
            let (stop, byte) = copied(data, at, self.quoted, room)?;
            at = stop + 1;
            if Some(byte) == quote {
                if data.get(at).copied() != quote {
                    return Some(at);
                }
                at += 1;
            }
            room.character(byte);
        }
    }
}

/// Copy up to what stops: where, and which byte it is. None at the end, and at a NUL.
#[inline]
fn copied(data: &[u8], mut at: usize, stops: Stops, room: &mut Room) -> Option<(usize, u8)> {
    loop {
        let word = word_at(data, at);
        let length = stops.before(word);
        room.word(word, length);
        at += length;
        if length < WORD {
            let byte = *data.get(at)?;
            return (byte != 0).then_some((at, byte));
        }
    }
}

fn written(before: &[u8], text: &str, behind: &[u8]) -> Vec<u8> {
    let mut room = Room::default();
    room.bytes(before);
    room.string(text);
    room.bytes(behind);
    room.written().to_vec()
}

/// A number behind a text, counted up where it is written.
struct Number {
    text: Vec<u8>,
    digits_from: usize,
}

impl Number {
    fn new(before: &[u8], value: u64) -> Self {
        Self { text: [before, value.to_string().as_bytes()].concat(), digits_from: before.len() }
    }

    fn next(&mut self) {
        for digit in self.text[self.digits_from..].iter_mut().rev() {
            if *digit != b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
        self.text.insert(self.digits_from, b'1');
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, CsvRenderer, Planned};
    use crate::room::Room;

    fn lines(data: &[u8], records: usize) -> Option<String> {
        let renderer = CsvRenderer::new(&["a".into(), "b\n".into()], b',', Some(b'"'), "m:", 30);
        let mut room = Room::default();
        let mut found = Vec::new();
        let take = |lines: &[u8], _: &[Block]| found.extend_from_slice(lines);
        renderer.render(data, Planned { first_record: 9, records }, &mut room, take)?;
        String::from_utf8(found).ok()
    }

    #[test]
    fn regular_records_are_lines() {
        let found = lines(b"\n1,\"x,\"\"\n\"y\r\n\r\n,\xc3\xa9\"\t\r", 2);
        let wanted =
            concat!(r#"{"_id":"m:9","a":"1","b\n":"x,\"\ny"}"#, "\n", r#"{"_id":"m:10","a":"","b\n":"é\"\t"}"#, "\n");
        assert_eq!(found.as_deref(), Some(wanted));
    }

    #[test]
    fn odd_chunks_are_left_alone() {
        for (data, records) in [
            (&b""[..], 0),
            (b"1,2", 1),
            (b"1\n", 1),
            (b"1,2,3\n", 1),
            (b"1,2\n", 0),
            (b"1,2\n", 2),
            (b"1,\"2\n", 1),
            (b"1,\0\n", 1),
            (b"1,\xff\n", 1),
            (b"1,123456789012345678901234567\r\n", 1),
        ] {
            assert_eq!(lines(data, records), None, "{data:?}");
        }
        assert!(lines(b"1,12345678901234567890123456\r\n", 1).is_some());
    }
}
