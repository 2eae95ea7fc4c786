//! IP addresses; their text is kept.

use crate::event::ip::written_ip;

/// Returns the text if it is an IP address.
pub(super) fn address(text: &str) -> Option<&str> {
    written_ip(text).map(|_| text)
}

/// Returns an IPv4 address out of the IPv6 one that it may be wrapped into.
pub(super) fn unmapped(text: &str) -> &str {
    const PREFIX: &str = "::ffff:";
    match text.get(..PREFIX.len()) {
        Some(start) if start.eq_ignore_ascii_case(PREFIX) => &text[PREFIX.len()..],
        _ => text,
    }
}

/// Tells IPv4 from IPv6.
pub(super) fn version_of_address(text: &str) -> Option<&'static str> {
    match address(text)?.contains(':') {
        true => Some("ipv6"),
        false => Some("ipv4"),
    }
}
