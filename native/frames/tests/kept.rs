//! Inputs that fuzzing found worth keeping, each checked as the fuzz target does it.

mod agree;
mod rule;

use std::path::Path;

use millstream_frames::Scanner;

/// The kept inputs of a target: one on a line, in hexadecimal digits.
fn kept(target: &str) -> Vec<Vec<u8>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target).with_extension("hex");
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
    let text = std::fs::read(file).unwrap();
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| line.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()).collect()
}

fn check(target: &str, holds: impl Fn(&mut [Scanner], &[u8])) {
    let inputs = kept(target);
    assert!(inputs.len() > 10, "{target}");
    let mut scanners = agree::scanners();
    for input in &inputs {
        holds(&mut scanners, input);
    }
}

#[test]
fn kept_lines_are_judged_by_the_rule() {
    check("lines", agree::lines);
}

#[test]
fn kept_values_are_judged_by_the_rule() {
    check("values", agree::values);
}

#[test]
fn kept_files_have_the_frames_of_their_lines() {
    check("ranges", agree::ranges);
}
