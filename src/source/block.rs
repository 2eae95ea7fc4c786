//! Blocks of whole lines: a file is read in pieces that end where a line does.

use std::io::{self, Read};
use std::ops::Range;

use super::is_blank;

/// How much is read at a time: small enough to stay in a core's cache until it has been looked at.
const BLOCK: usize = 256 << 10;

/// Some whole lines of a file. Its memory serves one block after the other.
#[derive(Default)]
pub struct Block {
    /// Room; what is behind `len` means nothing.
    room: Vec<u8>,
    len: usize,
}

impl Block {
    /// Returns the text of the lines.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.room[..self.len]
    }

    /// Returns where the lines stand, without their ends, each with the number of lines before it in
    /// the block. Lines of nothing but white space are counted and left out.
    pub fn lines(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let mut next = 0;
        let lines = std::iter::from_fn(move || {
            let (line, behind) = self.line_at(next)?;
            next = behind;
            Some(line)
        });
        lines.enumerate().filter(|(_, line)| !is_blank(self.text(line)))
    }

    /// Returns the text of a line.
    pub fn text(&self, line: &Range<usize>) -> &[u8] {
        &self.bytes()[line.clone()]
    }

    /// Returns how many lines there are, blank ones too.
    pub fn line_count(&self) -> usize {
        let ends = memchr::memchr_iter(b'\n', self.bytes()).count();
        ends + usize::from(self.bytes().last().is_some_and(|last| *last != b'\n'))
    }

    /// Returns where the line that begins at a place stands, without its end, and where the next one
    /// begins; nothing at the end of the block.
    pub(super) fn line_at(&self, begin: usize) -> Option<(Range<usize>, usize)> {
        let rest = self.bytes().get(begin..).filter(|rest| !rest.is_empty())?;
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let next = (begin + length + 1).min(self.len);
        let returns = rest[..length].iter().rev().take_while(|byte| **byte == b'\r').count();
        Some((begin..begin + length - returns, next))
    }

    /// Makes room for so many bytes in all; what is there stays.
    fn reserve(&mut self, bytes: usize) {
        if self.room.len() < bytes {
            self.room.resize(bytes, 0);
        }
    }
}

/// The blocks of a file.
pub struct Blocks {
    input: Box<dyn Read + Send>,
    /// What has been read of the line in which the last block would have ended.
    rest: Vec<u8>,
    block_bytes: usize,
}

impl Blocks {
    /// Returns the blocks of an input.
    pub fn of(input: Box<dyn Read + Send>) -> Self {
        Self::sized(input, BLOCK)
    }

    /// Returns the blocks of an input that is read so many bytes at a time.
    pub fn sized(input: Box<dyn Read + Send>, block_bytes: usize) -> Self {
        Self { input, rest: Vec::new(), block_bytes }
    }

    /// Reads the next block; tells whether there was one. A line that is longer than a block makes the
    /// block as long as itself.
    ///
    /// Gives out what there is as soon as it has the end of a line, so that a pipe is not waited for.
    ///
    /// # Errors
    /// If reading fails.
    pub fn read_into(&mut self, block: &mut Block) -> io::Result<bool> {
        block.reserve(self.block_bytes.max(2 * self.rest.len()));
        block.room[..self.rest.len()].copy_from_slice(&self.rest);
        block.len = self.rest.len();
        self.rest.clear();
        loop {
            if block.len == block.room.len() {
                block.reserve(2 * block.len);
            }
            let read = match self.input.read(&mut block.room[block.len..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            let news = block.len..block.len + read;
            block.len = news.end;
            if read == 0 {
                return Ok(block.len > 0);
            }
            if let Some(end) = memchr::memrchr(b'\n', &block.room[news.clone()]) {
                let end = news.start + end + 1;
                self.rest.extend_from_slice(&block.room[end..news.end]);
                block.len = end;
                return Ok(true);
            }
        }
    }
}
