//! The clocks of the Kafka side: how long something takes, and what time it is.
//!
//! Neither ever decides what matches.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Returns the milliseconds since the process first asked; never 0, never backwards.
pub(in crate::kafka) fn now_millis() -> u64 {
    u64::try_from(since_start().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

/// Returns the time since the process first asked; never backwards.
pub(in crate::kafka) fn since_start() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
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
