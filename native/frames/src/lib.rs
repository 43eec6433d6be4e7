//! Frames out of bytes: times and hashes of users, and what is no frame.
//!
//! A line is one frame: one object of JSON, validated to its last byte, with a user and a time. Whole blocks of lines
//! become two columns. See `frame` for the rule, `object` for the parser, `masks` for the instructions.

#![deny(unsafe_code)]
#![allow(clippy::inline_always)] // all of a scan is compiled for one width; see masks

mod block;
mod choice;
mod fields;
mod frame;
mod grammar;
mod lines;
mod masks;
mod nesting;
mod object;
mod quoted;
mod range;
mod scalar;
mod survey;
mod walk;

pub use block::{Columns, Facts, MAX_LINE_BYTES, Reject, Scanner};
pub use fields::Fields;
pub use frame::{MAX_TIME_S, Reason};
pub use masks::Level;
pub use range::{Block, Range, Stretch, scan_range};
