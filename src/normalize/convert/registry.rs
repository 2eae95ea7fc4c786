//! Paths and values of the registry.

use std::borrow::Cow;

use super::number::number;
use crate::normalize::names;

/// Returns the short name of the hive and what follows it, if there is such a hive.
pub(super) fn hive_and_key(path: &str) -> Option<(&'static str, Option<&str>)> {
    let (hive, key) = match path.split_once('\\') {
        Some((hive, key)) => (hive, Some(key)),
        None => (path, None),
    };
    Some((names::find(names::HIVES, hive)?, key))
}

/// Reads `DWORD (0x00000001)`, `QWORD (0x00000000-0x00000001)`, `Binary Data` or a text.
pub(super) fn registry_data<'a>(text: &'a str, shift: u32) -> (&'static str, Option<Cow<'a, str>>) {
    let within = |prefix: &str| text.strip_prefix(prefix)?.strip_suffix(')');
    if let Some(number) = within("DWORD (").and_then(number) {
        return ("SZ_DWORD", Some(Cow::Owned(number.to_string())));
    }
    if let Some((high, low)) = within("QWORD (").and_then(|halves| halves.split_once('-'))
        && let (Some(high), Some(low)) = (number(high), number(low))
    {
        let joined = (i128::from(high) << shift) + i128::from(low);
        return ("SZ_QWORD", Some(Cow::Owned(joined.to_string())));
    }
    if text == "Binary Data" {
        return ("REG_BINARY", None);
    }
    ("REG_SZ", Some(Cow::Borrowed(text)))
}
