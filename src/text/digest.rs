//! SHA-256 over a list of parts, each with its length before it.
//!
//! Never mixes parts up: no two different lists of parts give the same bytes to hash.

use std::fmt::Write;

use sha2::Sha256;
use sha2::digest::Digest as _;

/// A digest that parts are added to.
#[derive(Default)]
pub struct Digest(Sha256);

impl Digest {
    /// Adds a text.
    pub fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.update(text.as_bytes());
    }

    /// Adds a text that may be missing; a missing one is distinct from an empty one.
    pub fn optional(&mut self, text: Option<&str>) {
        match text {
            None => self.bytes(&[0]),
            Some(text) => {
                self.bytes(&[1]);
                self.text(text);
            }
        }
    }

    /// Adds how many parts follow.
    pub fn length(&mut self, length: usize) {
        self.0.update((length as u64).to_be_bytes());
    }

    /// Adds bytes whose number is always the same.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest as 64 hexadecimal digits.
    pub fn hex(self) -> String {
        hex(&self.0.finalize())
    }

    /// Returns the first eight bytes of the digest as a number.
    pub fn number(self) -> u64 {
        self.0.finalize().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}

/// Returns the SHA-256 of some bytes as 64 hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(add: impl FnOnce(&mut Digest)) -> String {
        let mut digest = Digest::default();
        add(&mut digest);
        digest.hex()
    }

    #[test]
    fn the_digest_is_sha_256_of_lengths_and_texts() {
        // The test vector of FIPS 180-4 for three letters.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex(b"abc"), abc);
        assert_eq!(of(|digest| digest.bytes(b"abc")), abc);
        let prefixed = sha256_hex(b"\0\0\0\0\0\0\0\x03abc");
        assert_eq!(of(|digest| digest.text("abc")), prefixed);
    }

    #[test]
    fn lists_of_parts_are_told_apart() {
        let lists: [&[Option<&str>]; 6] = [
            &[],
            &[None],
            &[Some("")],
            &[Some("ab")],
            &[Some("a"), Some("b")],
            &[Some("b"), Some("a")],
        ];
        let digests = lists.map(|list| {
            of(|digest| {
                digest.length(list.len());
                list.iter().for_each(|part| digest.optional(*part));
            })
        });
        let all: std::collections::BTreeSet<&String> = digests.iter().collect();
        assert_eq!(all.len(), digests.len());
    }
}
