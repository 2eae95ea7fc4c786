//! A partition's turn: how long it may go on before others have theirs.

use std::cell::Cell;
use std::time::Duration;

/// How long a turn is. Commands and signs of life come between two turns, so that this also bounds
/// how long the committer waits for a cut.
const TURN: Duration = Duration::from_millis(20);
/// Of so many bytes of records the clock is read once: even with thousands of rules they take less than a
/// quarter of a turn. A larger record is looked at alone.
const UNTIMED_BYTES: usize = 32 << 10;

/// One turn, by a clock that is handed in.
pub(super) struct Turn<'c> {
    clock: &'c dyn Fn() -> Duration,
    ends: Duration,
    /// Bytes of records since the clock was read.
    untimed: Cell<usize>,
}

impl<'c> Turn<'c> {
    /// Begins a turn.
    pub(super) fn begin(clock: &'c dyn Fn() -> Duration) -> Self {
        Self { clock, ends: clock() + TURN, untimed: Cell::new(0) }
    }

    /// Tells whether others are to have their turn now. The record at hand is finished first.
    pub(super) fn is_over(&self) -> bool {
        self.untimed.set(0);
        (self.clock)() >= self.ends
    }

    /// Tells the same behind a record of so many bytes; the clock is not read for each of them.
    pub(super) fn is_over_after(&self, bytes: usize) -> bool {
        self.untimed.set(self.untimed.get().saturating_add(bytes));
        self.untimed.get() >= UNTIMED_BYTES && self.is_over()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turn_ends_by_the_clock() {
        let now = Cell::new(Duration::from_secs(7));
        let clock = || now.get();
        let turn = Turn::begin(&clock);
        assert!(!turn.is_over());
        now.set(now.get() + TURN);
        assert!(turn.is_over());
    }

    #[test]
    fn clock_is_read_once_for_many_bytes() {
        let reads = Cell::new(0);
        let clock = || {
            reads.set(reads.get() + 1);
            Duration::from_secs(7) + TURN * u32::from(reads.get() > 1)
        };
        let turn = Turn::begin(&clock);
        assert!(!turn.is_over_after(UNTIMED_BYTES - 1));
        assert_eq!(reads.get(), 1);
        assert!(turn.is_over_after(1));
    }
}
