//! Inputs other than Kafka: files and standard input, line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// How much is read at a time.
const BUFFER: usize = 1 << 20;

/// The name that stands for standard input.
pub const STDIN: &str = "-";

/// Opens a file of lines: plain, or packed as `.gz` or `.zst`; `-` is standard input.
///
/// # Errors
/// If the file cannot be opened, or is not packed as its name says.
pub fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    if path.as_os_str() == STDIN {
        return Ok(Box::new(BufReader::with_capacity(BUFFER, io::stdin())));
    }
    let file = File::open(path)?;
    let unpacked: Box<dyn Read + Send> = match path.extension().and_then(|ext| ext.to_str()) {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file))),
        Some("zst") => Box::new(zstd::Decoder::new(file)?),
        _ => Box::new(file),
    };
    Ok(Box::new(BufReader::with_capacity(BUFFER, unpacked)))
}

/// Reads the next line into `line`, without its end; tells whether there was one. Lines of nothing
/// but white space are counted and left out.
///
/// # Errors
/// If reading fails.
pub fn next_line(
    input: &mut dyn BufRead,
    line: &mut Vec<u8>,
    number: &mut i64,
) -> io::Result<bool> {
    loop {
        line.clear();
        if input.read_until(b'\n', line)? == 0 {
            return Ok(false);
        }
        *number += 1;
        while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            line.pop();
        }
        if !line.iter().all(u8::is_ascii_whitespace) {
            return Ok(true);
        }
    }
}
