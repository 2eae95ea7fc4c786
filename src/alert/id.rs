//! The deterministic identity of an alert.
//!
//! Never depends on how often or in which order its events were delivered.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::event::{Identity, JoinKey};

/// Returns 64 hexadecimal digits that identify an alert.
///
/// Every part is hashed with its length before it, so that no two lists of parts run together; a
/// null part of the key is distinct from an empty one.
pub fn alert_id(rule_id: &str, rule_version: &str, key: &JoinKey, final_event: Identity) -> String {
    let mut hash = Sha256::new();
    add_text(&mut hash, rule_id);
    add_text(&mut hash, rule_version);
    hash.update((key.parts().len() as u64).to_be_bytes());
    for part in key.parts() {
        match part {
            None => hash.update([0]),
            Some(text) => {
                hash.update([1]);
                add_text(&mut hash, text);
            }
        }
    }
    hash.update(final_event.0.to_be_bytes());
    hex(&hash.finalize())
}

/// Returns the SHA-256 of some bytes as 64 hexadecimal digits.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn add_text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text.as_bytes());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
