//! Turns faults of the TOML reader into diagnostics with a hint.
//!
//! Never touches a file or the environment.

use super::codes;
use crate::diag::Diagnostic;
use crate::text::Span;
use crate::text::edit_distance::nearest;

/// Turns a fault of the TOML reader into a diagnostic.
pub(super) fn diagnostic(error: &toml::de::Error) -> Diagnostic {
    let (message, help) = parts(error.message());
    let found = match unknown_field(message) {
        Some((name, known)) => {
            let found = Diagnostic::error(codes::UNKNOWN_KEY, format!("unknown key `{name}`"));
            match (nearest(name, known.iter().copied()), known.is_empty()) {
                (Some(near), _) => found.help(format!("did you mean `{near}`?")),
                (None, false) => found.help(format!("known here: {}", quoted(&known))),
                (None, true) => found,
            }
        }
        None => Diagnostic::error(codes::INVALID, without_value(message)),
    };
    let found = match help {
        Some(help) => found.help(help),
        None => found,
    };
    match error.span() {
        Some(span) => found.at(Span::new(span.start, span.end)),
        None => found,
    }
}

/// Returns the first line, and the hint that one of ours has behind it.
fn parts(message: &str) -> (&str, Option<&str>) {
    let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
    (first, rest.strip_prefix("help: "))
}

/// Returns serde's sentence about a wrong type without the value: it may be a secret.
fn without_value(message: &str) -> String {
    for start in ["invalid type: string ", "invalid value: string "] {
        let rest = message.strip_prefix(start);
        if let Some((_, expected)) = rest.and_then(|rest| rest.rsplit_once(", expected ")) {
            return format!("a text stands here, expected {expected}");
        }
    }
    message.to_owned()
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
