//! Text files from disk: rules, their cases, the configuration.
//!
//! Never refuses an encoding: whoever reads the text says, with a diagnostic, where it is wrong.

use std::io;
use std::path::Path;

use crate::text::Text;

/// Reads a file, named by its path.
pub fn read(path: &Path) -> io::Result<Text> {
    let bytes = std::fs::read(path)?;
    Ok(Text::from_bytes(path.display().to_string(), &bytes))
}
