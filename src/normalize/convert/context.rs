//! PowerShell's context: lines of `key = value`.

/// Returns the value of a line `key = value`; neither case nor blanks in the key count.
pub(super) fn context_entry<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let mut entries = text.lines().filter_map(|line| line.split_once('='));
    let is_key = |found: &str| {
        let letters = found.chars().filter(|letter| !letter.is_whitespace());
        letters
            .map(|letter| letter.to_ascii_lowercase())
            .eq(key.chars().map(|c| c.to_ascii_lowercase()))
    };
    let (_, value) = entries.find(|(found, _)| is_key(found))?;
    Some(value.trim()).filter(|value| !value.is_empty())
}
