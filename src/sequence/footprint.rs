//! How much memory the state takes: an estimate that is kept up to date key by key.
//!
//! What the estimate leaves out (spare room of tables, fragments) is small against it;
//! `tests/memory.rs` compares it with what the process really takes.

use super::machine::Candidate;
use crate::event::{EventTime, Identity, JoinKey};

/// What an allocator adds to each piece of memory that it hands out.
pub(super) const PIECE: usize = 16;
/// Entries that a node of the standard library's B-trees has room for, and how many of these are
/// taken once it has been split.
const NODE: usize = 11;
const USED_OF_NODE: usize = 6;
/// Text of a channel that an ordinal carries, as far as there is one.
const CHANNEL: usize = 48;

/// Returns what a B-tree of this many entries takes, each of so many bytes.
pub(super) fn tree_bytes(entries: usize, entry: usize) -> usize {
    match entries {
        0 => 0,
        1..=NODE => NODE * entry + 2 * PIECE,
        _ => entries.div_ceil(USED_OF_NODE) * (NODE * entry + 2 * PIECE),
    }
}

/// Returns what remembering this many identities takes.
pub(super) fn identities_bytes(count: usize, beside: usize) -> usize {
    tree_bytes(count, size_of::<(EventTime, Identity)>() + beside)
}

/// Returns what a candidate takes, its event not counted: that is shared by all rules.
pub(super) const CANDIDATE: usize = size_of::<Candidate>() + PIECE + PIECE + CHANNEL;

/// Returns what a key takes in the table of keys and in that of timers, `entry` being the bytes of
/// its entry there.
pub(super) fn key_bytes(key: &JoinKey, entry: usize) -> usize {
    let texts: usize = key.parts().iter().flatten().map(|part| part.len() + PIECE).sum();
    let parts = size_of_val(key.parts()) + 2 * PIECE + texts;
    let timer = size_of::<(EventTime, usize, JoinKey)>() * NODE / USED_OF_NODE;
    // A table is at least seven sixteenths full, and grows before it is seven eighths full.
    parts + timer + (entry + size_of::<JoinKey>()) * 3 / 2
}
