//! Runs of blocks past the event clock of a partition.
//!
//! A frame's block is ordinary when all of its frames count and none is ahead of the clock. Most blocks are, so a run
//! of them is passed in one call; whatever is odd is left to the rules in Python. See `run` for what odd is, and `clock`
//! for the clock.

#![forbid(unsafe_code)]

mod clock;
mod run;

pub use clock::{Clock, RING_LIMIT, Ring, Settings};
pub use run::{Block, Late, Limits, NEVER, Passed, pass};
