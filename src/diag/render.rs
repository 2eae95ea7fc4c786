//! The only file that knows the terminal renderer.
//!
//! Pure: returns text, never prints it.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::{Diagnostic, Severity};
use crate::text::Text;

/// Whether the text may hold terminal colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// It may.
    Ansi,
    /// It may not.
    None,
}

/// Returns a diagnostic as text: what is wrong, the place in `text`, and what to do about it.
pub fn render(diagnostic: &Diagnostic, text: &Text, colour: Colour) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let help = diagnostic.help.as_deref().map(|help| Level::HELP.message(help));
    let group = match diagnostic.span {
        Some(span) => {
            let place = AnnotationKind::Primary.span(within(&text.contents, span.range()));
            let place = match diagnostic.label.as_deref() {
                Some(label) => place.label(label),
                None => place,
            };
            let snippet =
                Snippet::source(text.contents.as_str()).path(text.name.as_str()).annotation(place);
            title.element(snippet).elements(help)
        }
        None => title.elements(help),
    };
    let renderer = match colour {
        Colour::Ansi => Renderer::styled(),
        Colour::None => Renderer::plain(),
    };
    renderer.render(&[group])
}

/// Returns the range moved to where characters begin: the renderer must not meet half of one.
fn within(contents: &str, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let start = contents.floor_char_boundary(range.start);
    start..contents.ceil_char_boundary(range.end).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Span;

    #[test]
    fn place_is_shown_under_the_message() {
        let text = Text { name: "a.toml".to_owned(), contents: "[kafka]\ngrop = 1\n".to_owned() };
        let found = Diagnostic::error("E0902", "unknown key `grop`")
            .at(Span::new(8, 12))
            .help("did you mean `group`?");
        let shown = render(&found, &text, Colour::None);
        for part in ["error[E0902]: unknown key `grop`", "a.toml:2:1", "^^^^", "did you mean"] {
            assert!(shown.contains(part), "{part} is not in:\n{shown}");
        }
    }

    #[test]
    fn place_outside_the_text_or_inside_a_character_is_moved() {
        let text = Text { name: "a".to_owned(), contents: "ä".to_owned() };
        let found = Diagnostic::error("E0001", "m").at(Span::new(1, 99));
        assert!(render(&found, &text, Colour::None).contains("a:1"));
    }
}
