//! What several test programs share. Each uses a part of it.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

pub mod alerts;
pub mod corpus;
pub mod random;
pub mod reference;
#[cfg(feature = "cli")]
pub mod replay;
pub mod sequence_cases;
pub mod streams;
