//! PowerShell's context: lines of `key = value`.

/// Returns the value of a line `key = value`; neither case nor blanks in the key count.
pub(super) fn context_entry<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let mut lines = text.split('\n').filter(|line| may_begin_with(line, key));
    let entry = lines.find_map(|line| line.split_once('=').filter(|(found, _)| is_key(found, key)));
    entry.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
}

/// Tells lines apart by the first letter: most have another one. A line may begin with blanks of any
/// kind, and those beyond ASCII are left to [`is_key`].
fn may_begin_with(line: &str, key: &str) -> bool {
    let first = line.bytes().find(|byte| !byte.is_ascii_whitespace());
    let wanted = key.bytes().next();
    first.is_some_and(|byte| {
        !byte.is_ascii()
            || byte == b'\x0b'
            || wanted.is_some_and(|wanted| byte.eq_ignore_ascii_case(&wanted))
    })
}

fn is_key(found: &str, key: &str) -> bool {
    let letters = found.chars().filter(|letter| !letter.is_whitespace());
    letters
        .map(|letter| letter.to_ascii_lowercase())
        .eq(key.chars().map(|letter| letter.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_missed_by_its_first_letter() {
        for (line, is_entry) in [
            ("Host Application=x", true),
            ("hostapplication = x\r", true),
            (" \t\r\u{b}\u{c}Host Application = x", true),
            ("\u{a0}\u{3000}H ost\u{2003}Application=x", true),
            ("Applicaton=x", false),
            ("Host = Application", false),
            ("Host Application", false),
            ("Host Application= ", false),
            ("", false),
        ] {
            let found = context_entry(line, "HostApplication");
            assert_eq!(found, is_entry.then_some("x"), "{line:?}");
            let text = format!("HostName=y\n{line}\nHostVersion=z");
            assert_eq!(context_entry(&text, "HostApplication"), found, "{line:?}");
        }
        assert_eq!(context_entry("a=\na=x", "a"), None, "the first one counts");
    }
}
