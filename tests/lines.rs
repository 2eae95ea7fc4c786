//! Lines of a file: what a reader of blocks gives out is what a plain splitter gives, wherever blocks end.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::io::{self, Read};

use maxspan::source::{Block, Blocks, Lines};
use proptest::prelude::*;

/// The lines of a text with their numbers: cut at each `\n`, without `\r` at the end, blank ones left out.
fn split(text: &[u8]) -> Vec<(i64, Vec<u8>)> {
    let whole = text.strip_suffix(b"\n").unwrap_or(text);
    let mut lines = Vec::new();
    for (line, number) in whole.split(|byte| *byte == b'\n').zip(1..) {
        let mut line = line.to_vec();
        while line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.iter().any(|byte| !byte.is_ascii_whitespace()) {
            lines.push((number, line));
        }
    }
    lines
}

/// Gives out a text in pieces of these sizes, as a pipe does, with interruptions.
struct Pieces {
    text: Vec<u8>,
    at: usize,
    sizes: Vec<usize>,
    reads: usize,
}

impl Read for Pieces {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        if self.reads.is_multiple_of(5) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let size = self.sizes[self.reads % self.sizes.len()].max(1);
        let size = size.min(room.len()).min(self.text.len() - self.at);
        room[..size].copy_from_slice(&self.text[self.at..self.at + size]);
        self.at += size;
        Ok(size)
    }
}

fn blocks(text: &[u8], sizes: &[usize], block_bytes: usize) -> Blocks {
    let pieces = Pieces { text: text.to_vec(), at: 0, sizes: sizes.to_vec(), reads: 0 };
    Blocks::sized(Box::new(pieces), block_bytes)
}

fn line_by_line(mut lines: Lines) -> Vec<(i64, Vec<u8>)> {
    let mut all = Vec::new();
    while lines.advance().unwrap() {
        all.push((lines.number(), lines.line().to_vec()));
    }
    assert!(!lines.advance().unwrap(), "the end stays the end");
    all
}

fn block_by_block(mut blocks: Blocks) -> Vec<(i64, Vec<u8>)> {
    let (mut all, mut block, mut before) = (Vec::new(), Block::default(), 0);
    while blocks.read_into(&mut block).unwrap() {
        let lines = block.lines();
        all.extend(
            lines.map(|(index, line)| (before + index as i64 + 1, block.text(&line).to_vec())),
        );
        before += block.line_count() as i64;
    }
    all
}

fn check(text: &[u8], sizes: &[usize], block_bytes: usize) {
    let expected = split(text);
    let context = || format!("{:?}, pieces of {sizes:?}", String::from_utf8_lossy(text));
    let lines = line_by_line(Lines::of(blocks(text, sizes, block_bytes)));
    assert_eq!(lines, expected, "{}", context());
    assert_eq!(block_by_block(blocks(text, sizes, block_bytes)), expected, "{}", context());
}

#[test]
fn ends_of_lines_and_of_the_file() {
    for text in [
        "",
        "\n",
        "\r\n",
        " \n\t\n",
        "a",
        "a\n",
        "a\r",
        "a\r\n",
        "a\r\r\n\nb",
        "\n\na\n\nb\n\n",
        "a\rb\n",
        " a \n",
        "a\n \r\nb\r\n",
    ] {
        for block_bytes in 1..6 {
            check(text.as_bytes(), &[1], block_bytes);
            check(text.as_bytes(), &[100], block_bytes);
        }
    }
}

#[test]
fn a_line_that_is_longer_than_many_blocks() {
    let long = "x".repeat(10_000);
    let text = format!("a\n{long}\r\n\n{long}{long}\nb");
    check(text.as_bytes(), &[7, 4_000, 1], 64);
}

#[test]
fn a_line_is_given_out_before_the_next_one_comes() {
    /// Fails if anything is read behind the first line.
    struct OneLine(bool);
    impl Read for OneLine {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            assert!(!std::mem::replace(&mut self.0, true), "the next line is waited for");
            room[..3].copy_from_slice(b"ab\n");
            Ok(3)
        }
    }
    let mut lines = Lines::of(Blocks::of(Box::new(OneLine(false))));
    assert!(lines.advance().unwrap());
    assert_eq!(lines.line(), b"ab");
}

#[test]
fn an_error_comes_behind_the_lines_before_it() {
    struct Breaks(bool);
    impl Read for Breaks {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(io::Error::other("broken"));
            }
            room[..4].copy_from_slice(b"a\nb\n");
            Ok(4)
        }
    }
    let mut lines = Lines::of(Blocks::of(Box::new(Breaks(false))));
    assert!(lines.advance().unwrap() && lines.advance().unwrap());
    assert_eq!(lines.advance().unwrap_err().to_string(), "broken");
}

proptest! {
    #[test]
    fn blocks_of_any_size_give_the_lines_of_a_splitter(
        text in proptest::collection::vec(
            prop_oneof![3 => Just(b'\n'), 2 => Just(b'\r'), 1 => Just(b' '), 6 => b'a'..b'd'],
            0..200,
        ),
        sizes in proptest::collection::vec(1_usize..40, 1..6),
        block_bytes in 1_usize..50,
    ) {
        check(&text, &sizes, block_bytes);
    }
}
