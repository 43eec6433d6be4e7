//! Damaged chunks, with the checks of a debug build: no panic, and what is answered is as many lines as were planned.

use millstream_records::{Block, CsvRenderer, Planned, Records, Room, Rule};

const PIECES: &[&[u8]] = &[
    b"\"",
    b"\"\"",
    b",",
    b"\n",
    b"\r",
    b"\r\n",
    b"\\",
    b"'",
    b"\t",
    b"\x00",
    b"\x01",
    b"\x7f",
    b"\xff",
    b"\xc3\xa9",
    b"a",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b",\"",
    b"\",",
    b"plain text",
];
const SEEDS: &[&[u8]] = &[
    b"1,two,\"3\"\nx,,\n",
    b"\"a \"\"quoted\"\" value\",\"two\r\nlines\",\r\n1,2,3\r\n",
    b"\n\xc3\xa9,',\x01\\\x7f\t\na long value of many bytes,another one,\"\"\n",
];

/// A generator of numbers that needs no crate (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % end
    }
}

/// A seed with some pieces put in, some of them for a byte or two.
fn damaged(dice: &mut Dice) -> Vec<u8> {
    let mut data = SEEDS[dice.below(SEEDS.len())].to_vec();
    for _ in 0..=dice.below(3) {
        let at = dice.below(data.len() + 1);
        let end = (at + dice.below(3)).min(data.len());
        data.splice(at..end, PIECES[dice.below(PIECES.len())].iter().copied());
    }
    data
}

#[test]
fn damaged_chunks_are_rendered_or_left_alone() {
    let names: Vec<String> = ["a", "b\"", "a name of more than thirty-two bytes"].map(String::from).to_vec();
    let renderers = [Some(b'"'), Some(b'\''), None].map(|quote| CsvRenderer::new(&names, b',', quote, "m:", 60));
    let (mut dice, mut room, mut answered) = (Dice(15), Room::default(), 0);
    for _ in 0..300_000 {
        let data = damaged(&mut dice);
        let (mut text, mut told) = (Vec::new(), 0);
        let take = |lines: &[u8], blocks: &[Block]| {
            text.extend_from_slice(lines);
            told += blocks.iter().map(|block| block.records).sum::<usize>();
        };
        let planned = Planned { first_record: 9, records: 2 };
        let renderer = &renderers[dice.below(renderers.len())];
        if renderer.render(&data, planned, &mut room, take).is_some() {
            answered += 1;
            assert_eq!((told, text.iter().filter(|byte| **byte < b' ').count()), (2, 2), "{data:?}");
            assert!(text.ends_with(b"\"}\n") && std::str::from_utf8(&text).is_ok(), "{data:?}");
        }
        room.shrink(1 << 16);
    }
    assert!(answered > 30_000, "{answered}");
}

#[test]
fn damaged_chunks_are_cut_or_left_alone() {
    let kinds = [
        Records::Csv { delimiter: b',', quote: Some(b'"') },
        Records::Csv { delimiter: b',', quote: None },
        Records::Jsonl,
        Records::Lines,
    ];
    let (mut dice, mut answered) = (Dice(16), 0);
    for _ in 0..300_000 {
        let data = damaged(&mut dice);
        let rule = Rule { records: kinds[dice.below(kinds.len())], max_record_bytes: 60 };
        let (wanted, is_final) = (1 + dice.below(40), dice.below(2) == 0);
        let Some(cut) = rule.cut(&data, wanted, is_final) else { continue };
        answered += 1;
        assert!(0 < cut.size && cut.size <= data.len().min(60));
        assert!(cut.size >= wanted || (is_final && cut.size == data.len()));
        assert_eq!(cut.unterminated, data[cut.size - 1] != b'\n');
        assert!(cut.records <= data[..cut.size].split(|&byte| byte == b'\n').count());
    }
    assert!(answered > 100_000);
}
