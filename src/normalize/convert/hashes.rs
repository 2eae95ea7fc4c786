//! Lists of hashes as Sysmon writes them.

/// Returns the pairs of `MD5=…,SHA256=…`; a value of zeros alone is none.
pub(super) fn hashes(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = text.split(',').filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(_, hash)| hash.bytes().any(|byte| byte != b'0'))
}
