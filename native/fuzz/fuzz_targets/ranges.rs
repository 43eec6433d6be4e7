#![no_main]

#[path = "../../frames/tests/agree/mod.rs"]
mod agree;
#[path = "../../frames/tests/rule/mod.rs"]
mod rule;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| agree::ranges(&mut agree::scanners(), bytes));
