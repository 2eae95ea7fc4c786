//! References for the rules of time, and the streams that they are tried on: a second writing of the
//! model in `tests/model`, which shares nothing with the product.
//!
//! Times are whole eighths of the model's unit. The unit stands for six seconds: then the model's
//! numbers are the product's.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

pub mod batch;
pub mod clock;
pub mod deliveries;
pub mod event;
pub mod json;
pub mod model;
pub mod one_slot;
pub mod references;
pub mod rule;
pub mod samples;
pub mod stream;
pub mod tolerance;
pub mod world;

/// The model's unit of time.
pub const UNIT: i64 = 8;
/// By how much a clock may be wrong.
pub const MAX_SKEW: i64 = 20 * UNIT;
/// How long something is kept where a rule does not say it.
pub const HOLD: i64 = 40 * UNIT;
/// A single event further ahead than this does not move its key's watermark.
pub const AHEAD: i64 = 50 * UNIT;
