//! Turns faults of the TOML reader into diagnostics with a hint.
//!
//! Never touches a file or the environment.

use super::codes;
use crate::diag::Diagnostic;
use crate::text::Span;
use crate::text::edit_distance::nearest;

/// Turns a fault of the TOML reader into a diagnostic.
pub(super) fn diagnostic(error: &toml::de::Error) -> Diagnostic {
    let message = first_line(error.message());
    let found = match unknown_field(message) {
        Some((name, known)) => {
            let found = Diagnostic::error(codes::UNKNOWN_KEY, format!("unknown key `{name}`"));
            match (nearest(name, known.iter().copied()), known.is_empty()) {
                (Some(near), _) => found.help(format!("did you mean `{near}`?")),
                (None, false) => found.help(format!("known here: {}", quoted(&known))),
                (None, true) => found,
            }
        }
        None => Diagnostic::error(codes::INVALID, message),
    };
    match error.span() {
        Some(span) => found.at(Span::new(span.start, span.end)),
        None => found,
    }
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or(message)
}

/// Returns the name and the known names of serde's sentence about an unknown field.
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field ")?;
    let mut names = rest.split('`').skip(1).step_by(2);
    let name = names.next()?;
    Some((name, names.collect()))
}

fn quoted(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_field_is_taken_apart() {
        let message = "unknown field `grop`, expected one of `brokers`, `group`";
        assert_eq!(unknown_field(message), Some(("grop", vec!["brokers", "group"])));
    }
}
