//! Where a chunk ends and how many records it has, without reading their values.
//!
//! Theory of operation: outside of quotes a `\n` ends a record. By the parity of quotes one is where `csv.reader` is, as long
//! as every quote that opens stands at the start of a field, which is looked at for each. What that cannot prove (a
//! stray quote, a `\r` alone, quotes that are never closed) is left to others, who follow the same rule with more care: then
//! there is no answer. In JSONL and plain text a `\n` always ends a record, whatever stands in it.

use memchr::{memchr_iter, memchr2_iter, memchr3_iter};

/// The next chunk: its length, how many records it has, and whether the file ends inside the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    pub size: usize,
    pub records: usize,
    pub unterminated: bool,
}

/// How records end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Records {
    Csv {
        delimiter: u8,
        quote: Option<u8>,
    },
    /// Lines of nothing but `\r` are none.
    Jsonl,
    /// Every line is one.
    Lines,
}

/// What a cut needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub records: Records,
    /// A longer chunk could hold a record that is too long, and is left to others.
    pub max_record_bytes: usize,
}

impl Rule {
    /// The chunk at the start of `data`, at least `chunk_bytes` long unless it is the last one.
    ///
    /// None if more bytes or a closer look are needed; with `is_final`, `data` reaches the end of the file.
    #[must_use]
    pub fn cut(&self, data: &[u8], chunk_bytes: usize, is_final: bool) -> Option<Cut> {
        let mut counting = Counting { data, chunk_bytes, line_start: 0, records: 0, records_are: self.records };
        let found = match self.records {
            Records::Csv { delimiter, quote: Some(quote) } => {
                counting.csv(memchr3_iter(quote, b'\n', b'\r', data), delimiter, Some(quote))
            }
            Records::Csv { delimiter, quote: None } => counting.csv(memchr2_iter(b'\n', b'\r', data), delimiter, None),
            Records::Jsonl | Records::Lines => {
                memchr_iter(b'\n', data).find_map(|at| counting.end_line(at)).map_or(Found::End, Found::Border)
            }
        };
        let cut = match found {
            Found::Border(size) => Cut { size, records: counting.records, unterminated: false },
            Found::End if is_final && !data.is_empty() => counting.rest(),
            Found::End | Found::Doubt => return None,
        };
        (cut.size <= self.max_record_bytes).then_some(cut)
    }
}

enum Found {
    /// The end of the chunk.
    Border(usize),
    /// There are no more bytes.
    End,
    Doubt,
}

struct Counting<'a> {
    data: &'a [u8],
    chunk_bytes: usize,
    line_start: usize,
    records: usize,
    records_are: Records,
}

impl Counting<'_> {
    /// Follow the marks (quotes, line ends) up to the border.
    fn csv(&mut self, marks: impl Iterator<Item = usize>, delimiter: u8, quote: Option<u8>) -> Found {
        let mut is_inside = false;
        for at in marks {
            let byte = self.data[at];
            if Some(byte) == quote {
                if !is_inside && !self.may_open(at, delimiter, byte) {
                    return Found::Doubt;
                }
                is_inside = !is_inside;
            } else if is_inside {
                // part of a value
            } else if byte == b'\r' {
                if self.data.get(at + 1) != Some(&b'\n') {
                    return Found::Doubt;
                }
            } else if let Some(size) = self.end_line(at) {
                return Found::Border(size);
            }
        }
        if is_inside { Found::Doubt } else { Found::End }
    }

    /// Whether a quote here, outside of quotes, is at the start of a field, or the second one of an escaped quote.
    fn may_open(&self, at: usize, delimiter: u8, quote: u8) -> bool {
        let before = at.checked_sub(1).map(|before| self.data[before]);
        before.is_none_or(|byte| byte == delimiter || byte == quote || byte == b'\n' || byte == b'\r')
    }

    /// The line that ends with the `\n` here; the size of the chunk, if that ends here, too.
    fn end_line(&mut self, at: usize) -> Option<usize> {
        self.records += usize::from(self.is_filled(self.line_start, at));
        self.line_start = at + 1;
        (self.line_start >= self.chunk_bytes).then_some(self.line_start)
    }

    fn is_filled(&self, start: usize, end: usize) -> bool {
        let line = &self.data[start..end];
        match self.records_are {
            Records::Csv { .. } => !matches!(line, [] | [b'\r']),
            Records::Jsonl => line.iter().any(|&byte| byte != b'\r'),
            Records::Lines => true,
        }
    }

    /// Everything that is there, when the file ends.
    fn rest(&self) -> Cut {
        let size = self.data.len();
        let is_open = self.line_start < size;
        let more = is_open && self.is_filled(self.line_start, size);
        Cut { size, records: self.records + usize::from(more), unterminated: is_open }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(records: Records) -> Rule {
        Rule { records, max_record_bytes: 1000 }
    }

    fn csv(data: &[u8], chunk_bytes: usize, is_final: bool) -> Option<(usize, usize, bool)> {
        let found = rule(Records::Csv { delimiter: b',', quote: Some(b'"') }).cut(data, chunk_bytes, is_final);
        found.map(|cut| (cut.size, cut.records, cut.unterminated))
    }

    #[test]
    fn a_chunk_ends_behind_the_first_newline_outside_quotes() {
        assert_eq!(csv(b"a,b\nc,\"d\n\"\ne\n", 1, false), Some((4, 1, false)));
        assert_eq!(csv(b"a,b\nc,\"d\n\"\ne\n", 5, false), Some((11, 2, false)));
        assert_eq!(csv(b"\n\r\na\r\n", 4, false), Some((6, 1, false)));
        assert_eq!(csv(b"a,\"\"\"b\"\n", 1, false), Some((8, 1, false)));
    }

    #[test]
    fn the_last_chunk_is_what_is_left() {
        assert_eq!(csv(b"a\nb", 9, true), Some((3, 2, true)));
        assert_eq!(csv(b"a\nb", 9, false), None);
        assert_eq!(csv(b"a\n\n", 9, true), Some((3, 1, false)));
        assert_eq!(csv(b"", 9, true), None);
    }

    #[test]
    fn what_cannot_be_proved_is_left_to_others() {
        for odd in [&b"5\" pipe\n"[..], b"a\rb\n", b"\"a\n", b"a\r", b"a\r\r\n", b"\"a\"b\"c\"\n"] {
            assert_eq!(csv(odd, 1, true), None);
        }
        assert_eq!(csv(&[b'a'; 1001], 1, true), None);
        let plain = rule(Records::Csv { delimiter: b',', quote: None });
        assert_eq!(plain.cut(b"5\" pipe\n", 1, false), Some(Cut { size: 8, records: 1, unterminated: false }));
    }

    #[test]
    fn lines_end_with_newlines_only() {
        let data = b"{}\n\r\r\n\n\"\n\r";
        let cut = |records, size| rule(records).cut(data, size, true).map(|cut| (cut.size, cut.records));
        assert_eq!(cut(Records::Jsonl, 100), Some((10, 2)));
        assert_eq!(cut(Records::Lines, 100), Some((10, 5)));
        assert_eq!(cut(Records::Lines, 4), Some((6, 2)));
    }
}
