//! Answers and names of DNS queries.

use std::borrow::Cow;

use super::address::{address, unmapped};
use crate::event::ip::written_ip;
use crate::normalize::names;

/// A part of a queried name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::normalize) enum DomainPart {
    /// What somebody has registered: `example.co.uk`.
    Registered,
    /// What stands before that.
    Subdomain,
    /// The public suffix: `co.uk`.
    TopLevel,
}

/// Returns a part of a name by the public suffix list. A suffix that the list does not know is one
/// label long; a name of one label has no parts.
pub(super) fn part(name: &str, part: DomainPart) -> Option<&str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if written_ip(name).is_some() || name.split('.').any(str::is_empty) {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let domain = psl::domain(lower.as_bytes())?;
    // Same lengths in the name as it was written.
    let start = name.len() - domain.as_bytes().len();
    match part {
        DomainPart::Registered => name.get(start..),
        DomainPart::TopLevel => name.get(name.len() - domain.suffix().as_bytes().len()..),
        DomainPart::Subdomain => name.get(..start)?.strip_suffix('.'),
    }
}

/// Returns type and data of each answer of `type:  5 name;::ffff:10.0.0.1;…`.
pub(super) fn answers(text: &str) -> impl Iterator<Item = (Cow<'static, str>, &str)> {
    text.split(';').filter_map(|answer| {
        let answer = answer.trim();
        if let Some(rest) = answer.strip_prefix("type:") {
            let (kind, data) = rest.trim_start().split_once(char::is_whitespace)?;
            let name = names::find(names::DNS_TYPES, kind);
            return Some((
                name.map_or_else(|| Cow::Owned(kind.to_owned()), Cow::Borrowed),
                data.trim(),
            ));
        }
        let data = address(unmapped(answer))?;
        Some((Cow::Borrowed(if data.contains(':') { "AAAA" } else { "A" }), data))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_by_the_public_suffix_list() {
        use DomainPart::{Registered, Subdomain, TopLevel};
        for (name, parts) in [
            ("www.Example.co.uk", [Some("Example.co.uk"), Some("www"), Some("co.uk")]),
            ("a.b.example.com.", [Some("example.com"), Some("a.b"), Some("com")]),
            ("example.com", [Some("example.com"), None, Some("com")]),
            ("dc01.corp.local", [Some("corp.local"), Some("dc01"), Some("local")]),
            ("bücher.example.de", [Some("example.de"), Some("bücher"), Some("de")]),
            ("co.uk", [None; 3]),
            ("wpad", [None; 3]),
            ("10.0.0.1", [None; 3]),
            ("a..com", [None; 3]),
            (".", [None; 3]),
            ("", [None; 3]),
        ] {
            let found = [Registered, Subdomain, TopLevel].map(|kind| part(name, kind));
            assert_eq!(found, parts, "{name}");
        }
    }
}
