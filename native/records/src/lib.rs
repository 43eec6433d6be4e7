//! Records out of bytes: a file is cut into chunks, a chunk of a CSV becomes lines of JSON, if nothing in it is odd.
//!
//! See `cut` for where chunks end, `csv` for the rule, `stops` for how bytes are looked at, `room` for how they are written.

#![deny(unsafe_code)]

mod csv;
mod cut;
mod room;
mod stops;

pub use csv::{BLOCK_RECORDS, Block, CsvRenderer, Planned};
pub use cut::{Cut, Records, Rule};
pub use room::Room;
