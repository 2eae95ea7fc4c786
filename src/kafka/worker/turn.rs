//! A partition's turn: how long it may go on before others have theirs.

use std::time::Duration;

/// How long a turn is. Commands and signs of life come between two turns, so that this also bounds
/// how long the committer waits for a cut.
const TURN: Duration = Duration::from_millis(20);

/// One turn, by a clock that is handed in.
pub(super) struct Turn<'c> {
    clock: &'c dyn Fn() -> Duration,
    ends: Duration,
}

impl<'c> Turn<'c> {
    /// Begins a turn.
    pub(super) fn begin(clock: &'c dyn Fn() -> Duration) -> Self {
        Self { clock, ends: clock() + TURN }
    }

    /// Tells whether others are to have their turn now. The record at hand is finished first.
    pub(super) fn is_over(&self) -> bool {
        (self.clock)() >= self.ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn turn_ends_by_the_clock() {
        let now = Cell::new(Duration::from_secs(7));
        let clock = || now.get();
        let turn = Turn::begin(&clock);
        assert!(!turn.is_over());
        now.set(now.get() + TURN);
        assert!(turn.is_over());
    }
}
