//! Community ID, version 1, with seed 0: one name for both directions of a connection.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::event::ip::written_ip;

/// Returns the Community ID of source address and port, destination address and port, and
/// protocol (`tcp`, `udp`, `sctp` or their numbers); nothing if one of them cannot be read.
pub(super) fn of_texts(parts: [Option<Cow<'_, str>>; 5]) -> Option<String> {
    let [source, source_port, destination, destination_port, protocol] = &parts;
    let protocol = protocol.as_deref()?;
    let number = match protocol {
        "6" => 6,
        "17" => 17,
        "132" => 132,
        name if name.eq_ignore_ascii_case("tcp") => 6,
        name if name.eq_ignore_ascii_case("udp") => 17,
        name if name.eq_ignore_ascii_case("sctp") => 132,
        _ => return None,
    };
    let end = |address: &Option<Cow<'_, str>>, port: &Option<Cow<'_, str>>| -> Option<Vec<u8>> {
        let mut bytes = match written_ip(address.as_deref()?)? {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        bytes.extend(port.as_deref()?.parse::<u16>().ok()?.to_be_bytes());
        Some(bytes)
    };
    let mut ends = [end(source, source_port)?, end(destination, destination_port)?];
    if ends[0].len() != ends[1].len() {
        return None;
    }
    ends.sort_unstable();
    let address_len = ends[0].len() - 2;
    let mut message = vec![0, 0];
    ends.iter().for_each(|end| message.extend(&end[..address_len]));
    message.extend([number, 0]);
    ends.iter().for_each(|end| message.extend(&end[address_len..]));
    Some(format!("1:{}", base64(&sha1(&message))))
}

/// SHA-1 (FIPS 180-4): here it names, it does not protect.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64), 0);
    if padded.len() - message.len() < 9 {
        padded.resize(padded.len() + 64, 0);
    }
    let len_at = padded.len() - 8;
    padded[len_at..].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());

    let mut state: [u32; 5] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
    for block in padded.chunks_exact(64) {
        let mut words = [0_u32; 80];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        for at in 16..80 {
            words[at] =
                (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (round, word) in words.iter().enumerate() {
            let (mixed, constant) = match round {
                0..20 => ((b & c) | (!b & d), 0x5A82_7999),
                20..40 => (b ^ c ^ d, 0x6ED9_EBA1),
                40..60 => ((b & c) | (b & d) | (c & d), 0x8F1B_BCDC),
                _ => (b ^ c ^ d, 0xCA62_C1D6_u32),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(mixed)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut digest = [0; 20];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = (0..3)
            .fold(0_usize, |bits, at| bits << 8 | usize::from(chunk.get(at).copied().unwrap_or(0)));
        for place in 0..4 {
            if place <= chunk.len() {
                text.push(char::from(DIGITS[bits >> (18 - 6 * place) & 63]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(parts: [&str; 5]) -> Option<String> {
        of_texts(parts.map(|part| Some(Cow::Borrowed(part))))
    }

    #[test]
    fn hash_and_encoding_are_the_published_ones() {
        let hex = |bytes: [u8; 20]| bytes.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(hex(sha1(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hex(sha1(b"")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(hex(sha1(&[b'a'; 1_000])), "291e9a6c66994949b57ba5e650361e98fc36b1ba");
        assert_eq!(base64(b"foobar"), "Zm9vYmFy");
        assert_eq!(base64(b"foob"), "Zm9vYg==");
    }

    #[test]
    fn both_directions_have_one_id() {
        let forth = id(["128.232.110.120", "34855", "66.35.250.204", "80", "tcp"]);
        assert_eq!(forth.as_deref(), Some("1:LQU9qZlK+B5F3KDmev6m5PMibrg="));
        assert_eq!(id(["66.35.250.204", "80", "128.232.110.120", "34855", "6"]), forth);
    }

    #[test]
    fn what_cannot_be_read_has_none() {
        assert_eq!(id(["10.0.0.1", "1", "::1", "2", "tcp"]), None);
        assert_eq!(id(["10.0.0.1", "70000", "10.0.0.2", "2", "tcp"]), None);
        assert_eq!(id(["10.0.0.1", "8", "10.0.0.2", "0", "1"]), None);
        assert_eq!(of_texts([None, None, None, None, None]), None);
    }
}
