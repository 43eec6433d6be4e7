//! What must hold for any input: every level of instructions answers what the rule does, and nothing ever panics.
//!
//! The fuzz targets call these functions, and so do tests with the inputs that were kept.

#![allow(dead_code)] // each test uses its part
#![allow(clippy::naive_bytecount)] // plain is the point here

use millstream_frames::{Columns, Fields, Level, Range, Scanner, scan_range};

use super::rule::{Answer, answer_of, value_answer};

/// A scanner for each level that this machine has.
///
/// # Panics
/// Never: the keys are sound.
#[must_use]
pub fn scanners() -> Vec<Scanner> {
    let here = Level::ALL.into_iter().filter(|level| level.is_here());
    here.map(|level| Scanner::new(Fields::new(&["uid"], &["ts"]).unwrap(), level)).collect()
}

#[must_use]
pub fn answers(columns: &Columns) -> Vec<Answer> {
    let frames = columns.times.iter().zip(&columns.users);
    let mut found: Vec<Answer> = frames.map(|(&time, &user)| Ok((time, user))).collect();
    for reject in &columns.rejects {
        found.insert(reject.index, Err(reject.reason));
    }
    found
}

/// Any bytes are a block of lines.
///
/// # Panics
/// When a level answers anything else than the rule.
pub fn lines(scanners: &mut [Scanner], block: &[u8]) {
    let wanted: Vec<Answer> = block.split(|&byte| byte == b'\n').filter_map(answer_of).collect();
    let newlines = block.iter().filter(|&&byte| byte == b'\n').count();
    for scanner in scanners {
        let mut columns = Columns::default();
        let facts = scanner.scan_lines(block, &mut columns);
        assert_eq!(answers(&columns), wanted, "{:?} {:?}", scanner.level, String::from_utf8_lossy(block));
        assert_eq!((facts.lines, facts.newlines), (wanted.len(), newlines));
        for reject in &columns.rejects {
            let line = &block[reject.start..reject.start + reject.length];
            assert!(!line.contains(&b'\n'), "{:?}", scanner.level);
            assert_eq!(reject.newlines, block[..reject.start].iter().filter(|&&byte| byte == b'\n').count());
        }
    }
}

/// Any bytes are the values of messages, a 255 between two of them.
///
/// # Panics
/// As above.
pub fn values(scanners: &mut [Scanner], bytes: &[u8]) {
    let values: Vec<&[u8]> = bytes.split(|&byte| byte == 255).collect();
    let wanted: Vec<Answer> = values.iter().map(|value| value_answer(value, b" \t\r\n")).collect();
    for scanner in scanners {
        let mut columns = Columns::default();
        scanner.scan_values(values.iter().copied(), &mut columns);
        assert_eq!(answers(&columns), wanted, "{:?} {:?}", scanner.level, String::from_utf8_lossy(bytes));
    }
}

/// Any bytes, each of them `1 + bytes[0]` times so that borders of blocks come into play, are a file; however it is
/// asked for, it has the frames of its lines.
///
/// # Panics
/// As above.
pub fn ranges(scanners: &mut [Scanner], bytes: &[u8]) {
    let [times, length, text @ ..] = bytes else { return };
    let file: Vec<u8> = text.repeat(1 + usize::from(*times) * 16);
    let body = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&file);
    let wanted: Vec<Answer> = body.split(|&byte| byte == b'\n').filter_map(answer_of).collect();
    let read = |room: &mut [u8], at: u64| {
        let at = usize::try_from(at).unwrap();
        let length = room.len().min(file.len() - at).min(1 + usize::from(*length) * 700);
        room[..length].copy_from_slice(&file[at..at + length]);
        Ok(length)
    };
    let scanner = scanners.last_mut().unwrap();
    let mut found: Vec<Answer> = Vec::new();
    for count in [1 + u64::from(*length) % 5, 1 << 20] {
        found.clear();
        let mut first = 0;
        loop {
            let mut columns = Columns::default();
            let range = Range { first, count, size_bytes: file.len() as u64 };
            let Some(stretch) = scan_range(scanner, range, read, &mut Vec::new(), &mut columns) else { return };
            let mut at = (0, 0);
            for block in &stretch.blocks {
                let mut own = Columns::default();
                own.times.extend(&columns.times[at.0..block.frames]);
                own.users.extend(&columns.users[at.0..block.frames]);
                own.rejects.extend(&columns.rejects[at.1..block.rejects]);
                found.extend(answers(&own));
                at = (block.frames, block.rejects);
            }
            assert_eq!(stretch.lines.len(), columns.rejects.len());
            first += count;
            if stretch.is_last {
                break;
            }
        }
        assert_eq!(found, wanted, "{count} blocks at once");
    }
}
