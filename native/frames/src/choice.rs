//! Which stretches are worth two passes.
//!
//! Theory of operation: two passes cost the same for every byte, one pass costs little for a byte and much for a value.
//! So two passes lose where strings are long, and where they are of no use: in lines that only the other parser can
//! judge. What a stretch is like is known when it is surveyed, and the next ones are taken to be like it: each time that
//! it did not pay, twice as many stretches are parsed in one pass before another one is tried.

/// Bytes for each value up to which two passes pay; measured with the example `speed`, where they break even at 30.
const BYTES_A_VALUE: usize = 26;

/// A shorter survey, as of the end of a block, tells nothing about the next.
const LEAST_BYTES: usize = 1 << 10;

/// Stretches between two trials, at most.
const MOST_PARSED: u32 = 63;

/// What was learned from the last surveys.
#[derive(Default)]
pub struct Choice {
    parsed: u32,
    left: u32,
}

impl Choice {
    /// Whether to survey the next stretch.
    #[inline(always)]
    pub fn is_survey(&mut self) -> bool {
        let is_survey = self.left == 0;
        self.left = self.left.saturating_sub(1);
        is_survey
    }

    /// Learn from a survey of some bytes: how many values there were, and how many bytes it was of use for.
    #[inline(always)]
    pub fn learn(&mut self, bytes: usize, values: usize, used: usize) {
        if bytes < LEAST_BYTES {
            return;
        }
        let is_paid = values * BYTES_A_VALUE >= bytes && used * 2 >= bytes;
        self.parsed = if is_paid { 0 } else { (self.parsed * 2 + 1).min(MOST_PARSED) };
        self.left = self.parsed;
    }
}

#[cfg(test)]
mod tests {
    use super::Choice;

    fn surveys(choice: &mut Choice, values: usize, used: usize) -> Vec<usize> {
        let mut surveyed = Vec::new();
        for stretch in 0..300 {
            if choice.is_survey() {
                choice.learn(8192, values, used);
                surveyed.push(stretch);
            }
        }
        surveyed
    }

    #[test]
    fn every_stretch_is_surveyed_while_it_pays() {
        assert_eq!(surveys(&mut Choice::default(), 1000, 8192).len(), 300);
    }

    #[test]
    fn trials_are_rare_while_they_do_not_pay() {
        for (values, used) in [(20, 8192), (1000, 100)] {
            assert_eq!(surveys(&mut Choice::default(), values, used), [0, 2, 6, 14, 30, 62, 126, 190, 254]);
        }
    }

    #[test]
    fn one_trial_that_pays_is_enough() {
        let mut choice = Choice::default();
        choice.learn(8192, 20, 8192);
        assert!(!choice.is_survey());
        assert_eq!(surveys(&mut choice, 1000, 8192).len(), 300);
    }
}
