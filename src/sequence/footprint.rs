//! How much memory a candidate takes: an estimate that is kept up to date entry by entry.
//!
//! What the estimate leaves out (spare room of tables, fragments) is small against it;
//! `tests/memory.rs` compares it with what the process really takes.

use super::candidate::Candidate;

/// What an allocator adds to each piece of memory that it hands out.
const PIECE: usize = 16;

/// Returns about how many bytes a candidate takes beside its event. Texts of its ordinal are shared, or few.
pub(super) const fn candidate_bytes() -> usize {
    size_of::<Candidate>() + 2 * size_of::<usize>() + PIECE
}
