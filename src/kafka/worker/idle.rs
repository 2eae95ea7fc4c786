//! How long a partition has been idle: read to its end, with fetch answers coming in.
//!
//! Pure: never reads a clock. An outage of the brokers is not idleness.

use crate::event::TimeSpan;

/// A fetch answer that is older than this proves nothing.
const FRESH: u64 = 5_000;
/// How often idle time is told.
const TICK: u64 = 1_000;

/// Counts the idle time of one partition, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Idle {
    last_record: u64,
    waited: u64,
    /// When the partition was last found idle, if it has been so without a break.
    idle_at: Option<u64>,
    told: u64,
}

impl Idle {
    /// Notes that a record came at `now`.
    pub(super) fn on_record(&mut self, now: u64) {
        *self = Self { last_record: now, ..Self::default() };
    }

    /// Returns how long the partition has been idle, about once a second while it is.
    ///
    /// `at_end` is when a fetch answer showed that all was read; 0 if the last one showed more.
    pub(super) fn tick(&mut self, now: u64, at_end: u64) -> Option<TimeSpan> {
        let is_idle = at_end > self.last_record && now.saturating_sub(at_end) < FRESH;
        if !is_idle {
            self.idle_at = None;
            return None;
        }
        self.waited += self.idle_at.map_or(0, |since| now.saturating_sub(since));
        self.idle_at = Some(now);
        (self.waited >= self.told + TICK).then(|| {
            self.told = self.waited;
            TimeSpan::from_millis(i64::try_from(self.waited).unwrap_or(i64::MAX))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_told_once_a_second() {
        let mut idle = Idle::default();
        idle.on_record(1_000);
        let told: Vec<Option<i64>> = (11..=35)
            .map(|tick| idle.tick(tick * 100, tick * 100 - 50).map(TimeSpan::millis))
            .collect();
        let told: Vec<i64> = told.into_iter().flatten().collect();
        assert_eq!(told, [1_000, 2_000]);
    }

    #[test]
    fn outage_is_not_idleness() {
        let mut idle = Idle::default();
        assert_eq!(idle.tick(1_000, 1_000), None);
        // No answer for an hour, then answers again: only the time with answers counts.
        assert_eq!(idle.tick(3_600_000, 1_000), None);
        assert_eq!(idle.tick(3_601_000, 3_601_000), None);
        assert_eq!(idle.tick(3_602_000, 3_602_000).map(TimeSpan::millis), Some(1_000));
    }

    #[test]
    fn record_starts_the_count_anew() {
        let mut idle = Idle::default();
        assert_eq!(idle.tick(1_000, 1_000), None);
        idle.on_record(1_500);
        assert_eq!(idle.tick(2_100, 1_400), None);
        assert_eq!(idle.tick(2_600, 2_550), None);
        assert_eq!(idle.tick(3_600, 3_550).map(TimeSpan::millis), Some(1_000));
    }
}
