//! The clocks of the Kafka side: how long something takes, and what time it is.
//!
//! Neither ever decides what matches.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Returns the milliseconds since the process first asked; never 0, never backwards.
pub(in crate::kafka) fn now_millis() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

/// Returns the wall clock, in milliseconds since 1970: for latencies alone.
pub(in crate::kafka) fn unix_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Returns milliseconds as seconds, not below none: clocks differ.
pub(in crate::kafka) fn seconds(millis: i64) -> f64 {
    millis.max(0) as f64 / 1_000.0
}
