//! Lines that were damaged, in blocks: every level of instructions answers what the plain rule does.
//!
//! The seeds are the lines of `fuzz/corpus`. `MILLSTREAM_FUZZ_BLOCKS` and `MILLSTREAM_FUZZ_SEED` ask for more, and for
//! others.

#![allow(clippy::naive_bytecount)] // plain is the point here

mod agree;
mod rule;

use std::path::Path;

use agree::{answers, scanners};
use millstream_frames::{Columns, Reason};
use rule::{Answer, answer_of, value_answer};

const PIECES: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b",",
    b":",
    b"\\",
    b"\\\\",
    b"\\\"",
    b"\\u0075",
    b"\\ud83d\\ude00",
    b"\\ud800",
    b"\\udc00",
    b"\\x",
    b"\r",
    b"\t",
    b" ",
    b"\x00",
    b"\x1f",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xc3\xa9",
    b"0",
    b"-",
    b"-0",
    b".",
    b"e",
    b"1e5",
    b"1468244384",
    b"1468244384.0",
    b"\"1468244384\"",
    b"99999999999",
    b"100000000000",
    b"1e999",
    b"true",
    b"false",
    b"null",
    b"{}",
    b"[]",
    b"\"uid\":",
    b"\"ts\":",
    b"\"uid\":\"ann\",",
    b"\"ts\":7,",
    b"\"a\":",
];

/// An xorshift generator: the same seed gives the same run everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or_default() % below.max(1)
    }

    fn damage(&mut self, line: &[u8]) -> Vec<u8> {
        let mut line = line.to_vec();
        for _ in 0..=self.roll(3) {
            let at = self.roll(line.len());
            let end = (at + self.roll(6)).min(line.len());
            let piece = PIECES[self.roll(PIECES.len())];
            match self.roll(6) {
                0 if !line.is_empty() => line[at] = u8::try_from(self.roll(256)).unwrap_or_default(),
                1 => drop(line.drain(at..end)),
                2 => drop(line.splice(at..end, piece.iter().copied())),
                3 => drop(line.splice(at..at, piece.iter().copied())),
                4 => line.truncate(at),
                _ => {
                    let from = self.roll(line.len());
                    let again: Vec<u8> = line[from.min(at)..from.max(at)].iter().take(70).copied().collect();
                    drop(line.splice(at..at, again));
                }
            }
        }
        line.retain(|&byte| byte != b'\n');
        line
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let mut files: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    let lines: Vec<Vec<u8>> = files
        .iter()
        .flat_map(|file| {
            std::fs::read(file).unwrap().split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()
        })
        .filter(|line| !line.is_empty())
        .collect();
    assert!(lines.len() > 100);
    lines
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn damaged_lines_are_judged_by_the_rule() {
    let seeds = seeds();
    let mut dice = Dice(number("MILLSTREAM_FUZZ_SEED", 0x5eed) | 1);
    let mut scanners = scanners();
    let mut columns = Columns::default();
    let mut rejected = 0;
    for _ in 0..number("MILLSTREAM_FUZZ_BLOCKS", 3000) {
        let lines: Vec<Vec<u8>> = (0..=dice.roll(30))
            .map(|_| {
                let seed = &seeds[dice.roll(seeds.len())];
                if dice.roll(3) == 0 { seed.clone() } else { dice.damage(seed) }
            })
            .collect();
        let mut block = lines.join(&b'\n');
        if dice.roll(2) == 0 {
            block.push(b'\n');
        }
        let wanted: Vec<Answer> = lines.iter().filter_map(|line| answer_of(line)).collect();
        let starts: Vec<usize> = lines
            .iter()
            .scan(0, |start, line| {
                *start += line.len() + 1;
                Some(*start - line.len() - 1)
            })
            .collect();
        for scanner in &mut scanners {
            columns.clear();
            let facts = scanner.scan_lines(&block, &mut columns);
            assert_eq!(answers(&columns), wanted, "{:?} {:?}", scanner.level, String::from_utf8_lossy(&block));
            assert_eq!(facts.lines, wanted.len());
            assert_eq!(facts.newlines, block.iter().filter(|&&byte| byte == b'\n').count());
            assert_eq!(facts.lowest, columns.times.iter().copied().min().unwrap_or_default());
            assert_eq!(facts.highest, columns.times.iter().copied().max().unwrap_or_default());
            for reject in &columns.rejects {
                assert_eq!(reject.start, starts[reject.newlines]);
                assert_eq!(reject.length, lines[reject.newlines].len());
            }
            rejected += columns.rejects.len();
        }
    }
    assert!(rejected > 1000);
}

#[test]
fn damaged_values_are_judged_by_the_rule() {
    let seeds = seeds();
    let mut dice = Dice(number("MILLSTREAM_FUZZ_SEED", 0x5eed) | 1);
    let mut scanners = scanners();
    for _ in 0..number("MILLSTREAM_FUZZ_BLOCKS", 3000) {
        let mut values: Vec<Vec<u8>> = (0..=dice.roll(10))
            .map(|_| {
                let seed = dice.roll(seeds.len());
                dice.damage(&seeds[seed])
            })
            .collect();
        for value in &mut values {
            if dice.roll(2) == 0 {
                value.insert(dice.roll(value.len()), b'\n');
            }
        }
        let wanted: Vec<Answer> = values.iter().map(|value| value_answer(value, b" \t\r\n")).collect();
        for scanner in &mut scanners {
            let mut columns = Columns::default();
            scanner.scan_values(values.iter().map(Vec::as_slice), &mut columns);
            assert_eq!(answers(&columns), wanted, "{:?}", scanner.level);
        }
    }
}

#[test]
fn any_bytes_are_lines() {
    let mut dice = Dice(7);
    let mut scanners = scanners();
    for _ in 0..3000 {
        let alphabet = [&b"{}[]\",:\\u019 \n\r\t\x00\xff"[..], &b"\\\"\n"[..], &b"[{\n"[..]][dice.roll(3)];
        let block: Vec<u8> = (0..dice.roll(400)).map(|_| alphabet[dice.roll(alphabet.len())]).collect();
        let wanted: Vec<Answer> = block.split(|&byte| byte == b'\n').filter_map(answer_of).collect();
        for scanner in &mut scanners {
            let mut columns = Columns::default();
            scanner.scan_lines(&block, &mut columns);
            assert_eq!(answers(&columns), wanted, "{:?}", String::from_utf8_lossy(&block));
        }
    }
}

#[test]
fn strings_of_any_length_end_where_they_end() {
    let mut scanners = scanners();
    for length in 0..300 {
        for inside in [&b"a"[..], b"\\\\", b"\\\"", b"\\n", b"\\u0041", b"\\ud83d\\ude00", b"\xff"] {
            let mut line = br#"{"x":""#.to_vec();
            line.extend(b"a".repeat(length % 67));
            line.extend(inside.repeat(length));
            line.extend(br#"","uid":"ann","ts":7}"#);
            let block = [&line[..], b"\n", &line[..line.len() - 1]].concat();
            let wanted = [answer_of(&line).unwrap(), Err(Reason::Malformed)];
            assert!(wanted[0].is_ok());
            for scanner in &mut scanners {
                let mut columns = Columns::default();
                scanner.scan_lines(&block, &mut columns);
                assert_eq!(answers(&columns), wanted);
            }
        }
    }
}

#[test]
fn nesting_has_no_limit() {
    let mut scanners = scanners();
    for depth in [1, 63, 64, 65, 127, 128, 129, 1000, 1_000_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let sound = format!("{{\"uid\":\"ann\",\"ts\":7,\"x\":{}1{}}}", open.repeat(depth), close.repeat(depth));
            let crossed = sound.replacen("1]", "1}", 1);
            let block = [&sound, &crossed, &sound[..sound.len() - 1], &sound].map(AsRef::as_ref);
            let wanted = [true, open != "[", false, true];
            for scanner in &mut scanners {
                let mut columns = Columns::default();
                scanner.scan_lines(block.join("\n").as_bytes(), &mut columns);
                assert_eq!(answers(&columns).iter().map(Result::is_ok).collect::<Vec<_>>(), wanted);
            }
        }
    }
}

#[test]
fn blanks_behind_the_last_line_are_passed_over_once() {
    let mut scanners = scanners();
    for length in [0, 1, 63, 64, 65, 66, 67, 127, 128, 129, 10_000, 100_000] {
        let block = [&br#"{"uid":"ann","ts":7}"#[..], b"\n", &b" ".repeat(length)].concat();
        for scanner in &mut scanners {
            agree::lines(std::slice::from_mut(scanner), &block);
        }
    }
}

#[test]
fn keys_with_escapes_are_keys_wherever_they_begin() {
    let mut scanners = scanners();
    for length in 0..200 {
        for key in [r"\u0075id", r"u\u0069d", r"ui\u0064", r"\\uid", r"uid\n"] {
            let line = format!(r#"{{"x":"{}","{key}":"ann","y":{{"{key}":1}},"ts":7}}"#, "a".repeat(length));
            agree::lines(&mut scanners, line.repeat(3).as_bytes());
            agree::lines(&mut scanners, [&line[..], &line[..]].join("\n").as_bytes());
        }
    }
}
