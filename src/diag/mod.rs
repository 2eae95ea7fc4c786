//! Diagnostics as data: what is wrong with a rule or a configuration, where, and what to do.
//!
//! Never prints: rendering to text is a pure function in [`render`].

use serde::Serialize;

use crate::text::Span;
use crate::text::origin::Origin;

pub mod codes;
pub mod encoding;
pub mod render;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The rule runs, and the author may want to know this.
    Note,
    /// The rule runs, but perhaps not as its author expects.
    Warning,
    /// The rule (or the file) is refused.
    Error,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable code such as `E0204`.
    pub code: &'static str,
    /// What is wrong: lower case, no full stop, the user's text in backticks.
    pub message: String,
    /// Where, in byte offsets of the text that the diagnostic is reported against.
    pub span: Option<Span>,
    /// A few words that stand under the caret.
    pub label: Option<String>,
    /// What to do about it, best as something that can be typed in.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Returns an error.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// Returns a warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// Returns a note.
    pub fn note(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, message)
    }

    fn new(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        Self { severity, code, message: message.into(), span: None, label: None, help: None }
    }

    /// Points at `span`.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// Puts words under the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Moves it from an embedded text to the text around it.
    #[must_use]
    pub fn within(mut self, origin: &Origin) -> Self {
        self.span = self.span.map(|span| origin.span(span));
        self
    }

    /// Names what it is about, because that stands nowhere that could be shown.
    #[must_use]
    pub fn without_place(self, what: &str) -> Self {
        let message = format!("{what}: {}", self.message);
        Self { message, span: None, label: None, ..self }
    }

    /// Tells whether it refuses the rule.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
