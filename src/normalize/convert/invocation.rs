//! What PowerShell says of an invocation: one line per command and bound parameter.

/// One line, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Detail<'t> {
    /// `CommandInvocation`, `ParameterBinding`, `NonTerminatingError`.
    pub kind: &'t str,
    /// The command that it is about.
    pub command: &'t str,
    /// The parameter's name; of bindings alone, and of each of these.
    pub name: Option<&'t str>,
    /// The parameter's value, or what the line says.
    pub value: &'t str,
}

/// A part of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::normalize) enum DetailPart {
    /// What kind of line.
    Kind,
    /// The command.
    Command,
    /// The parameter's name.
    Name,
    /// The value.
    Value,
}

/// The kind of line that has a name.
pub(in crate::normalize) const BINDING: &str = "ParameterBinding";

impl<'t> Detail<'t> {
    /// Returns a part.
    pub(super) fn part(&self, part: DetailPart) -> Option<&'t str> {
        match part {
            DetailPart::Kind => Some(self.kind),
            DetailPart::Command => Some(self.command),
            DetailPart::Name => self.name,
            DetailPart::Value => Some(self.value),
        }
    }
}

/// Returns the lines of the form `Kind(Command): text`; others are none.
pub(super) fn details(text: &str) -> impl Iterator<Item = Detail<'_>> {
    text.lines().filter_map(detail)
}

/// Reads `CommandInvocation(Get-Item): "Get-Item"` or
/// `ParameterBinding(Get-Item): name="Path"; value="C:\x"`.
fn detail(line: &str) -> Option<Detail<'_>> {
    let (kind, rest) = line.trim().split_once('(')?;
    let (command, text) = rest.split_once("):")?;
    let text = text.trim();
    if kind.is_empty() || command.is_empty() {
        return None;
    }
    if kind != BINDING {
        return Some(Detail { kind, command, name: None, value: unquoted(text) });
    }
    let (name, value) = text.strip_prefix("name=")?.split_once(';')?;
    let value = value.trim_start().strip_prefix("value=")?;
    Some(Detail { kind, command, name: Some(unquoted(name)), value: unquoted(value) })
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_apart() {
        let text = "CommandInvocation(Get-Item): \"Get-Item\"\r\n\
            ParameterBinding(Get-Item): name=\"Path\"; value=\"C:\\a; b\"\r\n\
            NonTerminatingError(Get-Item): it is (not): there\n\
            ParameterBinding(Get-Item): Path\n(x): y\nCommandInvocation(): z\nfree text\n";
        let found: Vec<Detail<'_>> = details(text).collect();
        let expected = [
            ("CommandInvocation", "Get-Item", None, "Get-Item"),
            (BINDING, "Get-Item", Some("Path"), "C:\\a; b"),
            ("NonTerminatingError", "Get-Item", None, "it is (not): there"),
        ];
        let expected =
            expected.map(|(kind, command, name, value)| Detail { kind, command, name, value });
        assert_eq!(found, expected);
    }
}
