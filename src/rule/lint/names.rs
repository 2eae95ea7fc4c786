//! W0703: a path where a field holds a name only, or a dot where it holds an extension.

use super::Parts;
use crate::diag::Diagnostic;

pub(super) fn lint(parts: &Parts<'_>, found: &mut Vec<Diagnostic>) {
    for test in parts.text_tests() {
        for (text, span) in &test.texts {
            let (message, help) = match (NAMES.contains(&test.field), test.field) {
                (true, field) if text.contains('\\') => {
                    let path = path_of(field);
                    (
                        format!("`{field}` holds no path"),
                        format!("compare `{path}`, or the name alone"),
                    )
                }
                (_, "file.extension") if text.starts_with('.') => {
                    let bare = text.trim_start_matches('.');
                    ("`file.extension` has no dot".to_owned(), format!("write `\"{bare}\"`"))
                }
                _ => continue,
            };
            let lint = Diagnostic::warning("W0703", message).at(*span);
            found.push(lint.label("never matches").help(help));
        }
    }
}

/// Returns the field beside a name that holds the path.
fn path_of(field: &str) -> String {
    let parent = field.strip_suffix(".name").unwrap_or(field);
    let leaf = if parent.starts_with("process") { "executable" } else { "path" };
    format!("{parent}.{leaf}")
}

/// Fields that hold the last part of a path.
const NAMES: &[&str] = &["dll.name", "file.name", "process.name", "process.parent.name"];
