//! Lines of files, each with its number: one file after the other, or several as one.
//!
//! Never judges a line, and never holds more than one of each file.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::event::{Arena, EventTime, Fields};
use crate::rule::set::RuleSet;
use crate::source;

/// Calls `each` with the lines of a file and their numbers.
///
/// # Errors
/// If the file cannot be read, and those of `each`.
pub fn of_file(
    path: &Path,
    mut each: impl FnMut(i64, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let context = || unreadable(path);
    let mut input = source::open(path).with_context(context)?;
    let (mut line, mut number) = (Vec::new(), 0);
    while source::next_line(&mut *input, &mut line, &mut number).with_context(context)? {
        each(number, &line)?;
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
            input: source::open(path).with_context(|| unreadable(path))?,
            event_time: None,
            line: Vec::new(),
            number: 0,
        };
        if head.next(rules).with_context(|| unreadable(path))? {
            heads.push(head);
        }
    }
    while let Some(first) = (0..heads.len()).min_by_key(|index| heads[*index].event_time) {
        let head = &mut heads[first];
        each(head.file, head.number, &head.line)?;
        let path = &paths[head.file];
        if !head.next(rules).with_context(|| unreadable(path))? {
            heads.remove(first);
        }
    }
    Ok(())
}

fn unreadable(path: &Path) -> String {
    format!("cannot read `{}`", path.display())
}

/// The next line of a file that is merged with others. A line without a time comes at once.
struct Head {
    file: usize,
    input: Box<dyn BufRead + Send>,
    event_time: Option<EventTime>,
    line: Vec<u8>,
    number: i64,
}

impl Head {
    /// Reads the next line; tells whether there was one.
    fn next(&mut self, rules: &RuleSet) -> std::io::Result<bool> {
        if !source::next_line(&mut *self.input, &mut self.line, &mut self.number)? {
            return Ok(false);
        }
        let arena = Arena::new();
        let mut fields = Fields::new(rules.fields().len(), &arena);
        self.event_time = match rules.decoder().decode(&self.line, &mut fields) {
            Ok(()) => rules.normalizer().normalize(&mut fields).event_time,
            Err(_) => None,
        };
        Ok(true)
    }
}
