//! The two hands of an event clock, moved at the ends of blocks.
//!
//! Theory of operation: the clock reads the lower median of the last times, and goes on from there to the `kth`-largest
//! of those that lie no more than `near_s` ahead. Both hands read the whole ring at the end of a block, and differ only
//! if they did before. The rule, with its reasons, is Millstream's `counting/admission/clock.py`; this is the same.

/// Times that a ring has room for.
pub const RING_LIMIT: usize = 63;

/// How far times are believed: seconds, and numbers of times.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub lateness_s: i64,
    pub ahead_s: i64,
    pub near_s: i64,
    /// From 1 to `RING_LIMIT`.
    pub ring: usize,
    /// From 1 on.
    pub kth: usize,
    /// From 1 to `ring`.
    pub least: usize,
}

/// The last times, in order of arrival.
#[derive(Clone, Copy, Debug)]
pub struct Ring {
    times: [i64; RING_LIMIT],
    length: usize,
}

impl Ring {
    /// The last `size` of some times.
    #[must_use]
    pub fn of(times: &[i64], size: usize) -> Self {
        let last = &times[times.len().saturating_sub(size.min(RING_LIMIT))..];
        let mut ring = Self { times: [0; RING_LIMIT], length: last.len() };
        ring.times[..last.len()].copy_from_slice(last);
        ring
    }

    #[must_use]
    pub fn times(&self) -> &[i64] {
        &self.times[..self.length]
    }

    /// This ring after more times, at most `size` of them, of which it keeps the last `size`.
    fn with(&self, more: impl ExactSizeIterator<Item = i64>, size: usize) -> Self {
        let count = more.len();
        let kept = self.length.min(size - count);
        let mut ring = *self;
        ring.times.copy_within(self.length - kept..self.length, 0);
        for (place, time) in ring.times[kept..].iter_mut().zip(more) {
            *place = time;
        }
        ring.length = kept + count;
        ring
    }
}

/// Where event time is, in Unix seconds; None while nothing is known.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    pub ring: Ring,
    pub live: Option<i64>,
    pub judging: Option<i64>,
}

impl Clock {
    /// The clock after a block whose last times are `tail`, at most as many as the ring has room for.
    pub(crate) fn after(&self, settings: &Settings, tail: impl ExactSizeIterator<Item = i64>) -> Self {
        let ring = self.ring.with(tail, settings.ring);
        let mut sorted = ring;
        let ordered = &mut sorted.times[..ring.length];
        ordered.sort_unstable();
        let judging = read(settings, ordered, self.judging);
        let live = if self.live == self.judging { judging } else { read(settings, ordered, self.live) };
        Self { ring, live: live.max(judging), judging }
    }
}

/// What the clock says after `known`, given the last times from small to large.
fn read(settings: &Settings, ordered: &[i64], known: Option<i64>) -> Option<i64> {
    if ordered.len() < settings.least {
        return known;
    }
    let median = ordered[(ordered.len() - 1) / 2];
    let reading = known.map_or(median, |known| known.max(median));
    let near = ordered.partition_point(|&time| time <= reading + settings.near_s);
    let front = near.checked_sub(settings.kth).map(|place| ordered[place]);
    Some(front.map_or(reading, |front| front.max(reading)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings { lateness_s: 5, ahead_s: 60, near_s: 5, ring: 63, kth: 4, least: 9 };

    fn clock(live: Option<i64>, judging: Option<i64>) -> Clock {
        Clock { ring: Ring::of(&[], 63), live, judging }
    }

    #[test]
    fn too_few_times_say_nothing() {
        let after = clock(None, None).after(&SETTINGS, [100; 8].into_iter());
        assert_eq!((after.live, after.judging, after.ring.times().len()), (None, None, 8));
        let after = after.after(&SETTINGS, [100].into_iter());
        assert_eq!((after.live, after.judging), (Some(100), Some(100)));
    }

    #[test]
    fn it_goes_on_from_the_median_to_the_fourth_largest_that_is_near() {
        let times = [[100; 12].as_slice(), &[102, 103, 104, 105, 106, 900]].concat();
        let after = clock(None, None).after(&SETTINGS, times.into_iter());
        assert_eq!(after.judging, Some(102));
    }

    #[test]
    fn it_never_runs_backwards() {
        let after = clock(Some(200), Some(150)).after(&SETTINGS, [100; 63].into_iter());
        assert_eq!((after.live, after.judging), (Some(200), Some(150)));
    }

    #[test]
    fn the_live_hand_is_never_behind_the_other() {
        let after = clock(None, Some(100)).after(&SETTINGS, [90; 8].into_iter());
        assert_eq!((after.live, after.judging), (Some(100), Some(100)));
    }

    #[test]
    fn a_ring_keeps_the_last_times_in_order_of_arrival() {
        let settings = Settings { ring: 4, least: 1, kth: 1, ..SETTINGS };
        let first = clock(None, None).after(&settings, [3, 1, 2].into_iter());
        assert_eq!(first.ring.times(), [3, 1, 2]);
        let second = first.after(&settings, [9, 8].into_iter());
        assert_eq!(second.ring.times(), [1, 2, 9, 8]);
        assert_eq!(second.after(&settings, [7, 6, 5, 4].into_iter()).ring.times(), [7, 6, 5, 4]);
    }

    #[test]
    fn a_ring_of_more_times_than_it_has_room_for_begins_with_the_last() {
        let times: Vec<i64> = (0..100).collect();
        assert_eq!(Ring::of(&times, 63).times(), &times[37..]);
    }
}
