//! IP addresses as values: texts that mean the same address are equal.

use std::net::IpAddr;

/// Returns the address that a text writes, v4-mapped v6 addresses as v4.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    // Most texts are no address: that must be cheap to see.
    let plausible = (2..=45).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'.' || byte == b':');
    if !plausible {
        return None;
    }
    text.parse().ok().map(|address: IpAddr| address.to_canonical())
}

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
        ] {
            assert_eq!(parse_ip(a), parse_ip(b), "{a} {b}");
            assert!(parse_ip(a).is_some());
        }
    }

    #[test]
    fn other_texts_are_no_address() {
        for text in ["", "10.0.0", "10.0.0.1/8", "localhost", "::g", "1.2.3.4.5", "fe80::1%eth0"] {
            assert_eq!(parse_ip(text), None, "{text}");
        }
    }
}
