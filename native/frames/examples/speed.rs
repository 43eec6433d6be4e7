//! Scans a file again and again: `speed FILE LEVEL TIMES`.
//!
//! Each block is timed by itself, and its best time counts. So the answer is hardly disturbed by what else the machine
//! does, and yet no block is seen twice in a row. With 1 as TIMES it is short enough to run under callgrind.

use std::time::{Duration, Instant};

use millstream_frames::{Columns, Fields, Level, Scanner};

const BLOCK_BYTES: usize = 64 << 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(level), Some(times)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("expected FILE LEVEL TIMES".into());
    };
    let data = std::fs::read(file)?;
    let level = Level::ALL.into_iter().find(|known| known.name() == level).ok_or("no such level")?;
    let blocks = blocks_of(&data);
    let mut best = vec![Duration::MAX; blocks.len()];
    let mut scanner = Scanner::new(Fields::new(&["uid"], &["ts"]).ok_or("no fields")?, level);
    let mut columns = Columns::default();
    for _ in 0..times.parse()? {
        columns = Columns::default();
        for (block, best) in blocks.iter().zip(&mut best) {
            let start = Instant::now();
            scanner.scan_lines(block, &mut columns);
            *best = start.elapsed().min(*best);
        }
    }
    let (frames, rejects) = (columns.times.len(), columns.rejects.len());
    let sum = columns.users.iter().fold(0_u64, |sum, &user| sum.wrapping_add(user));
    let seconds = best.iter().sum::<Duration>().as_secs_f64();
    #[allow(clippy::cast_precision_loss)]
    let (rate, nanos) = (frames as f64 / seconds / 1e6, seconds / frames as f64 * 1e9);
    println!("{frames} frames, {rejects} rejects, {rate:.2} M/s, {nanos:.1} ns a frame, sum {sum:x}");
    Ok(())
}

fn blocks_of(data: &[u8]) -> Vec<&[u8]> {
    let mut blocks = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let newline = rest.iter().skip(BLOCK_BYTES).position(|&byte| byte == b'\n');
        let (block, behind) = rest.split_at(newline.map_or(rest.len(), |at| BLOCK_BYTES + at + 1));
        blocks.push(block);
        rest = behind;
    }
    blocks
}
