//! Sequence machines.
