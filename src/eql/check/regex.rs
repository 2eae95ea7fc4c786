//! Patterns of `regex`.

use super::super::ast::Pattern;
use super::super::regex::{Caveat, translate};
use crate::diag::Diagnostic;

pub(super) fn pattern(pattern: &Pattern, findings: &mut Vec<Diagnostic>) {
    match translate(&pattern.text) {
        Err(refusal) => findings.push(
            Diagnostic::error("E0310", format!("in this pattern, {}", refusal.message))
                .at(pattern.span)
                .label("regular expression refused")
                .help(refusal.help),
        ),
        Ok(translation) => {
            let caveats = translation.caveats.into_iter();
            findings.extend(caveats.map(|caveat| describe(caveat).at(pattern.span)));
        }
    }
}

fn describe(caveat: Caveat) -> Diagnostic {
    match caveat {
        Caveat::Anchor(c) => {
            Diagnostic::warning("W0402", format!("`{c}` is an ordinary character in a pattern"))
                .label("patterns match whole values anyway")
                .help(format!(r"remove `{c}`, or write `\{c}` for the character"))
        }
        Caveat::NothingToRepeat(c) => {
            Diagnostic::warning("W0403", format!("`{c}` has nothing to repeat"))
                .label("taken for an ordinary character")
                .help(format!(r"write `.{c}` to repeat any character, or `\{c}` for the character"))
        }
    }
}
