//! What goes to the terminal, where, and in which colour: all such decisions are here.
//!
//! Results go to standard output, everything about the run to standard error.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use crate::diag::Diagnostic;
use crate::diag::render::{Colour, render};
use crate::text::Text;

/// How to print a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// For programs.
    Json,
}

/// One of the two outputs of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Results.
    Out,
    /// What there is to say about the run.
    Err,
}

/// How a piece of text is to stand out on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Headings.
    Bold,
    /// What matters less.
    Dim,
    /// What is wrong, or dangerous.
    Red,
    /// What deserves a look.
    Yellow,
}

impl Stream {
    /// Tells whether colour is wanted: on a terminal, unless `NO_COLOR` says otherwise.
    pub fn has_colour(self) -> bool {
        let is_terminal = match self {
            Self::Out => io::stdout().is_terminal(),
            Self::Err => io::stderr().is_terminal(),
        };
        is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }

    /// Returns a text in a style, if colour is wanted.
    pub fn paint(self, text: &str, style: Style) -> String {
        let code = match style {
            Style::Bold => 1,
            Style::Dim => 2,
            Style::Red => 31,
            Style::Yellow => 33,
        };
        match self.has_colour() {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }

    fn write(self, text: &str) {
        // A reader that has gone away (`| head`) is no fault of ours.
        drop(match self {
            Self::Out => writeln!(io::stdout().lock(), "{text}"),
            Self::Err => writeln!(io::stderr().lock(), "{text}"),
        });
    }
}

/// Prints a line of a result.
pub fn line(text: &str) {
    Stream::Out.write(text);
}

/// Prints something worth knowing about the run.
pub fn note(text: &str) {
    Stream::Err.write(text);
}

/// Prints a warning.
pub fn warning(text: &str) {
    Stream::Err.write(&format!("{}: {text}", Stream::Err.paint("warning", Style::Yellow)));
}

/// Prints an error.
pub fn error(text: &str) {
    Stream::Err.write(&format!("{}: {text}", Stream::Err.paint("error", Style::Red)));
}

/// Prints diagnostics, whose spans refer to `text`.
pub fn diagnostics(found: &[Diagnostic], text: &Arc<Text>, stream: Stream) {
    let colour = if stream.has_colour() { Colour::Ansi } else { Colour::None };
    if !found.is_empty() {
        stream.write(&render(found, text, colour));
    }
}
