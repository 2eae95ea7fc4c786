//! Inputs other than Kafka: files and standard input, line by line.
//!
//! A file is read in large blocks, and a line is a part of its block: no line is copied.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

mod block;

pub use block::{Block, Blocks};

/// The name that stands for standard input.
pub const STDIN: &str = "-";

/// Opens a file of lines: plain, or packed as `.gz` or `.zst`; `-` is standard input.
///
/// # Errors
/// If the file cannot be opened, or is not packed as its name says.
pub fn open(path: &Path) -> io::Result<Lines> {
    Ok(Lines::of(open_blocks(path)?))
}

/// Opens a file as [`open`] does, for reading whole blocks of lines.
///
/// # Errors
/// If the file cannot be opened, or is not packed as its name says.
pub fn open_blocks(path: &Path) -> io::Result<Blocks> {
    if path.as_os_str() == STDIN {
        return Ok(Blocks::of(Box::new(io::stdin())));
    }
    let file = File::open(path)?;
    let unpacked: Box<dyn Read + Send> = match path.extension().and_then(|ext| ext.to_str()) {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file))),
        Some("zst") => Box::new(zstd::Decoder::new(file)?),
        _ => Box::new(file),
    };
    Ok(Blocks::of(unpacked))
}

/// The lines of a file, one after the other, without their ends. Lines of nothing but white space are
/// counted and left out.
///
/// Call [`advance`](Self::advance) until it tells that there are no more; [`line`](Self::line) and
/// [`number`](Self::number) are those of the line that it came to.
pub struct Lines {
    blocks: Blocks,
    block: Block,
    /// Where in the block the next line begins.
    next: usize,
    /// Where in the block the line stands.
    line: std::ops::Range<usize>,
    number: i64,
}

impl Lines {
    /// Returns the lines of these blocks.
    pub fn of(blocks: Blocks) -> Self {
        Self { blocks, block: Block::default(), next: 0, line: 0..0, number: 0 }
    }

    /// Goes on to the next line; tells whether there was one.
    ///
    /// # Errors
    /// If reading fails.
    pub fn advance(&mut self) -> io::Result<bool> {
        loop {
            while let Some((line, next)) = self.block.line_at(self.next) {
                self.next = next;
                self.number += 1;
                if !is_blank(&self.block.bytes()[line.clone()]) {
                    self.line = line;
                    return Ok(true);
                }
            }
            (self.next, self.line) = (0, 0..0);
            if !self.blocks.read_into(&mut self.block)? {
                return Ok(false);
            }
        }
    }

    /// Returns the line.
    pub fn line(&self) -> &[u8] {
        &self.block.bytes()[self.line.clone()]
    }

    /// Returns its number in the file, the first being 1.
    pub fn number(&self) -> i64 {
        self.number
    }
}

/// Tells whether a line is nothing but white space.
fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}
