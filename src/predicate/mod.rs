//! Compiled conditions.
