//! The only file that knows the terminal renderer.
//!
//! Never prints: returns the text.

use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer, Snippet};

use super::{Diagnostic, Severity};
use crate::text::{Span, Text};

/// Whether to use the colours of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    None,
    /// ANSI escape sequences.
    Ansi,
}

/// Returns the diagnostics as people read them, each with the lines that it points at.
///
/// Spans are relative to `text`; one that lies outside of it, or inside a character, is moved to
/// the nearest place that exists.
pub fn render(diagnostics: &[Diagnostic], text: &Text, colour: Colour) -> String {
    let renderer = match colour {
        Colour::None => Renderer::plain(),
        Colour::Ansi => Renderer::styled(),
    };
    let rendered: Vec<String> = diagnostics
        .iter()
        .map(|diagnostic| renderer.render(&[group(diagnostic, text)]) + "\n")
        .collect();
    rendered.join("\n")
}

fn group<'a>(diagnostic: &'a Diagnostic, text: &'a Text) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let mut elements: Vec<Element<'a>> = Vec::new();
    if let Some(span) = diagnostic.span {
        let mut annotation = AnnotationKind::Primary.span(within(span, &text.contents));
        if let Some(label) = &diagnostic.label {
            annotation = annotation.label(label.as_str());
        }
        let snippet = Snippet::source(text.contents.as_str()).path(text.name.as_str());
        elements.push(snippet.annotation(annotation).into());
    }
    if let Some(help) = &diagnostic.help {
        elements.push(Level::HELP.message(help.as_str()).into());
    }
    title.elements(elements)
}

/// Returns the span cut to the text and widened to whole characters.
fn within(span: Span, text: &str) -> std::ops::Range<usize> {
    let start = text.floor_char_boundary(span.start as usize);
    let end = text.ceil_char_boundary((span.end as usize).min(text.len())).max(start);
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(contents: &str, span: Span) -> String {
        let error =
            Diagnostic::error("E0201", "expected `]`").at(span).label("here").help("write it");
        render(&[error], &Text::new("rule.eql", contents), Colour::None)
    }

    #[test]
    fn the_span_is_underlined() {
        let shown = show("process where x\n  = 1", Span::new(18, 19));
        assert!(shown.contains("error[E0201]: expected `]`"), "{shown}");
        assert!(shown.contains("rule.eql:2:3") && shown.contains("^ here"), "{shown}");
        assert!(shown.contains("help: write it"), "{shown}");
    }

    #[test]
    fn no_span_can_make_it_panic() {
        for contents in
            ["", "a", "ä", "\t\tx\ty", "a\nb\n", "a\r\nb", "\u{202e}x\0y", "日本語 = 1\n\n"]
        {
            for start in 0..contents.len() + 3 {
                for end in start..contents.len() + 4 {
                    assert!(show(contents, Span::new(start, end)).contains("E0201"));
                }
            }
            assert!(!show(contents, Span { start: u32::MAX, end: 0 }).is_empty());
        }
    }

    #[test]
    fn a_diagnostic_without_a_place_has_no_snippet() {
        let note = Diagnostic::note("N0001", "nothing to point at");
        let shown = render(&[note], &Text::new("rule.eql", "text"), Colour::None);
        assert_eq!(shown, "note[N0001]: nothing to point at\n");
    }

    #[test]
    fn colors_are_used_only_on_request() {
        let error = [Diagnostic::error("E0201", "m").at(Span::new(0, 1))];
        let text = Text::new("rule.eql", "text");
        assert!(render(&error, &text, Colour::Ansi).contains('\u{1b}'));
        assert!(!render(&error, &text, Colour::None).contains('\u{1b}'));
    }

    #[test]
    fn several_diagnostics_are_set_apart() {
        let error = Diagnostic::error("E0201", "m");
        let shown = render(&[error.clone(), error], &Text::new("rule.eql", ""), Colour::None);
        assert_eq!(shown, "error[E0201]: m\n\nerror[E0201]: m\n");
    }
}
