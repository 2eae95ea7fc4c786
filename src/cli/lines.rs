//! Lines of files, each with its number: one file after the other, or several as one.
//!
//! Never judges a line, and never holds more than one block of each file.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::event::{Arena, EventTime, Fields};
use crate::rule::set::RuleSet;
use crate::source::{self, Lines};

/// Calls `each` with the lines of a file and their numbers.
///
/// # Errors
/// If the file cannot be read, and those of `each`.
pub fn of_file(
    path: &Path,
    mut each: impl FnMut(i64, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let context = || unreadable(path);
    let mut lines = source::open(path).with_context(context)?;
    while lines.advance().with_context(context)? {
        each(lines.number(), lines.line())?;
    }
    Ok(())
}

/// Calls `each` with the lines of all files in the order of event time: index of the file, number
/// of the line, the line. Each file is taken to be in that order itself.
///
/// # Errors
/// If a file cannot be read, and those of `each`.
pub fn merged(
    paths: &[PathBuf],
    rules: &RuleSet,
    mut each: impl FnMut(usize, i64, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut heads = Vec::new();
    for (file, path) in paths.iter().enumerate() {
        let mut head = Head {
            file,
            lines: source::open(path).with_context(|| unreadable(path))?,
            event_time: None,
        };
        if head.next(rules).with_context(|| unreadable(path))? {
            heads.push(head);
        }
    }
    while let Some(first) = (0..heads.len()).min_by_key(|index| heads[*index].event_time) {
        let head = &mut heads[first];
        each(head.file, head.lines.number(), head.lines.line())?;
        let path = &paths[head.file];
        if !head.next(rules).with_context(|| unreadable(path))? {
            heads.remove(first);
        }
    }
    Ok(())
}

/// Returns what an error about reading a file begins with.
pub(super) fn unreadable(path: &Path) -> String {
    format!("cannot read `{}`", path.display())
}

/// The next line of a file that is merged with others. A line without a time comes at once.
struct Head {
    file: usize,
    lines: Lines,
    event_time: Option<EventTime>,
}

impl Head {
    /// Reads the next line; tells whether there was one.
    fn next(&mut self, rules: &RuleSet) -> std::io::Result<bool> {
        if !self.lines.advance()? {
            return Ok(false);
        }
        let arena = Arena::new();
        let mut fields = Fields::new(rules.fields().len(), &arena);
        self.event_time = match rules.decoder().decode(self.lines.line(), &mut fields) {
            Ok(()) => rules.normalizer().normalize(&mut fields).event_time,
            Err(_) => None,
        };
        Ok(true)
    }
}
