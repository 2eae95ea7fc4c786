//! IP addresses as values: texts that mean the same address are equal.

use std::net::IpAddr;

/// Returns the address that a text writes, v4-mapped v6 addresses as v4: what conditions and join
/// keys compare.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    written_ip(text).map(|address| address.to_canonical())
}

/// Returns the address that a text writes, in the family in which it is written.
///
/// A v6 address may name its zone (RFC 4007): `fe80::1%4`. The zone has a meaning on one host only
/// and is no part of the address.
pub fn written_ip(text: &str) -> Option<IpAddr> {
    // Most texts are no address: that must be cheap to see.
    if !(2..=MOST_WITH_ZONE).contains(&text.len()) {
        return None;
    }
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || byte == b'.' || byte == b':';
    let end = text.bytes().position(|byte| !is_part(byte)).unwrap_or(text.len());
    let (bare, zone) = text.split_at(end);
    if bare.len() > MOST || !(zone.is_empty() || zone.starts_with('%')) {
        return None;
    }
    let address: IpAddr = bare.parse().ok()?;
    (zone.is_empty() || address.is_ipv6()).then_some(address)
}

/// Bytes of the longest address.
const MOST: usize = 45;
/// Bytes of the longest address with the longest name of a zone that is believed.
const MOST_WITH_ZONE: usize = MOST + 1 + 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_an_address_are_one() {
        for (a, b) in [
            ("::1", "0:0:0:0:0:0:0:1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("FE80::1", "fe80:0:0::1"),
            ("::ffff:a00:1", "10.0.0.1"),
            ("fe80::1%4", "fe80::1"),
            ("FE80:0::1%eth0", "fe80::1%en 5"),
            ("::ffff:10.0.0.1%1", "10.0.0.1"),
        ] {
            assert_eq!(parse_ip(a), parse_ip(b), "{a} {b}");
            assert!(parse_ip(a).is_some());
        }
    }

    #[test]
    fn family_is_kept_where_it_is_asked_for() {
        assert!(written_ip("::ffff:10.0.0.1").is_some_and(|address| address.is_ipv6()));
    }

    #[test]
    fn other_texts_are_no_address() {
        let long_zone = format!("fe80::1%{}", "x".repeat(200));
        for text in [
            "",
            "10.0.0",
            "10.0.0.1/8",
            "localhost",
            "::g",
            "1.2.3.4.5",
            "10.0.0.1%1",
            "%1",
            "fe80::g%1",
            "1%fe80::1",
            &long_zone,
        ] {
            assert_eq!(parse_ip(text), None, "{text}");
        }
    }
}
