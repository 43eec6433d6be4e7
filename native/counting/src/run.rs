//! Consecutive blocks that need no decision, but for frames that are late for their minute and in time for its grace.
//!
//! Theory of operation: each block is judged by the watermark before it, then moves the clock, as one by one. The run
//! ends before a block in which anything else is odd: a line that is no frame, a time that is not plausible, is ahead of
//! the clock or past the grace of its minute, or a frame that waits and would be given up, or released. It ends *with* the
//! block that takes the watermark to where somebody has to look (`Limits::until`), as something may close there. So a
//! run may be cut anywhere, and comes to the same.

use crate::clock::{Clock, Settings};

const MINUTE_S: i64 = 60;

/// Later than any time, and more than any number of frames.
pub const NEVER: i64 = 1 << 62;

/// What is known of a block: its frames are those up to `end`, its rejects those up to `rejects`, each counted from
/// the block before.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    pub end: usize,
    pub lowest: i64,
    pub highest: i64,
    pub lines: i64,
    pub newlines: i64,
    pub rejects: i64,
}

/// What a run must not go beyond; times in Unix seconds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Plausible times are those from here ...
    pub earliest_s: i64,
    /// ... to here.
    pub latest_s: i64,
    pub grace_s: i64,
    /// How many frames may come before the one that waits for longest is given up; less than 0: it is, now.
    pub patience: i64,
    /// The smallest time that waits, `NEVER` if none does.
    pub waiting_s: i64,
    /// The watermark with which a run ends.
    pub until_s: i64,
}

/// A frame that is late for its minute: its place in the column, and the watermark before its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    pub place: usize,
    pub watermark: i64,
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Passed {
    pub blocks: usize,
    pub frames: usize,
    pub lines: i64,
    pub newlines: i64,
    pub late: Vec<Late>,
}

/// How a block passes: where the clock is then, and by which watermark its late frames are judged, if it has any.
struct Step {
    clock: Clock,
    late_by: Option<i64>,
}

/// Pass `blocks`, the first of which starts at frame `start`, `rejects` before it; `time` tells the time of a frame.
pub fn pass(
    clock: &mut Clock,
    settings: &Settings,
    limits: &Limits,
    blocks: impl Iterator<Item = Block>,
    (mut start, mut rejects): (usize, i64),
    time: impl Fn(usize) -> i64,
) -> Passed {
    let mut passed = Passed::default();
    for block in blocks {
        if block.rejects != rejects {
            break;
        }
        if block.end > start {
            let arrived = i64::try_from(passed.frames).unwrap_or(NEVER);
            let Some(step) = step(clock, settings, limits, &block, start, arrived, &time) else { break };
            if let Some(watermark) = step.late_by {
                let floor = floor(watermark);
                let late = (start..block.end).filter(|&place| time(place) < floor);
                passed.late.extend(late.map(|place| Late { place, watermark }));
            }
            *clock = step.clock;
        }
        passed.blocks += 1;
        passed.frames += block.end - start;
        passed.lines += block.lines;
        passed.newlines += block.newlines;
        (start, rejects) = (block.end, block.rejects);
        if clock.live.is_some_and(|live| live - settings.lateness_s >= limits.until_s) {
            break;
        }
    }
    passed
}

/// None for a block that is odd; `arrived` frames came before it in this run.
fn step(
    clock: &Clock,
    settings: &Settings,
    limits: &Limits,
    block: &Block,
    start: usize,
    arrived: i64,
    time: impl Fn(usize) -> i64,
) -> Option<Step> {
    let watermark = clock.judging? - settings.lateness_s;
    if block.lowest < limits.earliest_s || block.highest > limits.latest_s || limits.patience < arrived {
        return None;
    }
    let is_late = block.lowest < floor(watermark);
    // With others waiting, whoever looks at these frames has to remember where they were.
    if is_late && (limits.waiting_s < NEVER || floor(block.lowest) + MINUTE_S + limits.grace_s <= watermark) {
        return None;
    }
    let tail = start.max(block.end.saturating_sub(settings.ring))..block.end;
    let clock = clock.after(settings, tail.map(time));
    let horizon = clock.live? + settings.ahead_s;
    clock.judging?;
    (block.highest <= horizon && horizon < limits.waiting_s)
        .then_some(Step { clock, late_by: is_late.then_some(watermark) })
}

/// The start of a minute.
fn floor(at_s: i64) -> i64 {
    at_s - at_s.rem_euclid(MINUTE_S)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Ring;

    const START: i64 = 1_468_244_340; // a full minute
    const SETTINGS: Settings = Settings { lateness_s: 5, ahead_s: 60, near_s: 5, ring: 63, kth: 4, least: 9 };
    const LIMITS: Limits = Limits {
        earliest_s: 946_684_800,
        latest_s: 4_000_000_000,
        grace_s: 60,
        patience: NEVER,
        waiting_s: NEVER,
        until_s: NEVER,
    };

    /// The run over blocks of times behind a clock that says `live`, and where the clock is after it.
    fn run(live: i64, limits: &Limits, blocks: &[&[i64]]) -> (Passed, i64) {
        let mut clock = Clock { ring: Ring::of(&[live; 63], 63), live: Some(live), judging: Some(live) };
        let times = blocks.concat();
        let mut end = 0;
        let rows = blocks.iter().map(|block| {
            end += block.len();
            let (lowest, highest) = (block.iter().min(), block.iter().max());
            let length = i64::try_from(block.len()).unwrap();
            Block {
                end,
                lowest: lowest.copied().unwrap_or(0),
                highest: highest.copied().unwrap_or(0),
                lines: length,
                newlines: length,
                rejects: 0,
            }
        });
        let passed = pass(&mut clock, &SETTINGS, limits, rows, (0, 0), |place| times[place]);
        (passed, clock.live.unwrap())
    }

    #[test]
    fn ordinary_blocks_pass_with_empty_ones_between() {
        let (passed, live) = run(START + 10, &LIMITS, &[&[START + 10; 70], &[], &[START + 11; 70]]);
        assert_eq!((passed.blocks, passed.frames, passed.lines, passed.newlines), (3, 140, 140, 140));
        assert_eq!((passed.late, live), (vec![], START + 11));
    }

    #[test]
    fn frames_late_for_their_minute_are_set_apart_with_the_watermark_before_their_block() {
        let (live, front) = (START + 65, [START + 70; 70]);
        let (passed, _) = run(live, &LIMITS, &[&front, &[&front[..], &[START + 59, START + 60]].concat()]);
        assert_eq!(passed.blocks, 2);
        assert_eq!(passed.late, [Late { place: 140, watermark: START + 65 }]);
    }

    #[test]
    fn a_frame_past_the_grace_of_its_minute_ends_the_run_before_its_block() {
        let late = [START - 1];
        assert_eq!(run(START + 64, &LIMITS, &[&late]).0.blocks, 1);
        assert_eq!(run(START + 65, &LIMITS, &[&late]).0.blocks, 0);
    }

    #[test]
    fn late_frames_end_a_run_while_others_wait() {
        let limits = Limits { waiting_s: START + 10_000, ..LIMITS };
        assert_eq!(run(START + 65, &limits, &[&[START + 65; 9], &[START + 59; 9]]).0.blocks, 1);
    }

    #[test]
    fn a_time_that_is_ahead_or_not_plausible_ends_the_run_before_its_block() {
        let ordinary = [START; 9];
        for odd in [START + 61, LIMITS.earliest_s - 1, LIMITS.latest_s + 1] {
            assert_eq!(run(START, &LIMITS, &[&ordinary, &[odd], &ordinary]).0.blocks, 1);
        }
        assert_eq!(run(START, &LIMITS, &[&ordinary, &[START + 60], &ordinary]).0.blocks, 3);
    }

    #[test]
    fn a_frame_that_waits_ends_the_run_when_it_would_be_released_or_given_up() {
        let blocks: [&[i64]; 2] = [&[START; 70], &[START + 1; 70]];
        assert_eq!(run(START, &Limits { waiting_s: START + 61, ..LIMITS }, &blocks).0.blocks, 1);
        assert_eq!(run(START, &Limits { waiting_s: START + 62, patience: 69, ..LIMITS }, &blocks).0.blocks, 1);
        assert_eq!(run(START, &Limits { waiting_s: START + 62, patience: 70, ..LIMITS }, &blocks).0.blocks, 2);
        assert_eq!(run(START, &Limits { waiting_s: START + 62, patience: -1, ..LIMITS }, &blocks).0.blocks, 0);
    }

    #[test]
    fn a_run_ends_with_the_block_that_reaches_its_end() {
        let blocks: [&[i64]; 3] = [&[START; 70], &[START + 7; 70], &[START + 8; 70]];
        let (passed, live) = run(START, &Limits { until_s: START + 2, ..LIMITS }, &blocks);
        assert_eq!((passed.blocks, live), (2, START + 7));
    }

    #[test]
    fn a_line_that_is_no_frame_ends_the_run_before_its_block() {
        let mut clock = Clock { ring: Ring::of(&[START; 63], 63), live: Some(START), judging: Some(START) };
        let block = Block { end: 9, lowest: START, highest: START, lines: 9, newlines: 9, rejects: 3 };
        let rows = [block, Block { end: 18, lines: 10, rejects: 4, ..block }];
        let passed = pass(&mut clock, &SETTINGS, &LIMITS, rows.into_iter(), (0, 3), |_| START);
        assert_eq!((passed.blocks, passed.frames), (1, 9));
    }

    #[test]
    fn nothing_passes_without_a_clock() {
        let mut clock = Clock { ring: Ring::of(&[], 63), live: None, judging: None };
        let block = Block { end: 70, lowest: START, highest: START, lines: 70, newlines: 70, rejects: 0 };
        let passed = pass(&mut clock, &SETTINGS, &LIMITS, [block].into_iter(), (0, 0), |_| START);
        assert_eq!((passed.blocks, clock.ring.times().len()), (0, 0));
    }
}
