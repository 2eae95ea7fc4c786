//! Room: how much memory the state of a partition may take.
//!
//! A partition has a limit of its own, and all partitions of an instance share a budget: one half
//! is divided evenly among them, so that a flood in one partition never blinds the others; the
//! other half goes to whoever needs more. At seven eighths of either, keys that are not known yet
//! are refused: what is pending can still be completed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What all partitions of an instance may take together.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    partitions: AtomicUsize,
    /// What partitions take beyond their shares.
    excess: AtomicUsize,
}

impl Budget {
    /// Returns a budget of this many bytes for one partition.
    pub fn new(limit: usize) -> Self {
        Self { limit, partitions: AtomicUsize::new(1), excess: AtomicUsize::new(0) }
    }

    /// Divides it among this many partitions from now on.
    pub fn divide(&self, partitions: usize) {
        self.partitions.store(partitions.max(1), Ordering::Relaxed);
    }

    /// Returns the bytes that all partitions may take together.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Returns what one partition may take whatever the others do.
    fn share(&self) -> usize {
        self.limit / 2 / self.partitions.load(Ordering::Relaxed)
    }
}

/// Who may still be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Everybody.
    All,
    /// Only events of keys that are known.
    KnownKeys(Limit),
    /// Nobody.
    Nobody(Limit),
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// That of the partition.
    Partition,
    /// The budget of all.
    Budget,
}

/// The room of one partition.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Bytes that the kept events take.
    ledger: Arc<AtomicUsize>,
    budget: Option<Arc<Budget>>,
    /// Our part of the budget's excess.
    excess: usize,
}

impl Room {
    /// Shares a budget with other partitions.
    pub(super) fn share(&mut self, budget: Arc<Budget>) {
        self.budget = Some(budget);
    }

    /// Returns where the bytes of kept events are counted.
    pub(super) fn ledger(&self) -> &Arc<AtomicUsize> {
        &self.ledger
    }

    /// Returns how many bytes the kept events take.
    pub(super) fn kept_bytes(&self) -> usize {
        self.ledger.load(Ordering::Relaxed)
    }

    /// Decides who is let in while the partition takes `used` bytes of its `limit`.
    pub(super) fn admission(&self, used: usize, limit: usize) -> Admission {
        let own = Self::judge(used, limit, Limit::Partition);
        let Some(budget) = &self.budget else { return own };
        let share = budget.share();
        if used <= share || own != Admission::All {
            return own;
        }
        let others = budget.excess.load(Ordering::Relaxed).saturating_sub(self.excess);
        Self::judge(others + (used - share), budget.limit - budget.limit / 2, Limit::Budget)
    }

    fn judge(used: usize, limit: usize, which: Limit) -> Admission {
        match used {
            _ if used >= limit => Admission::Nobody(which),
            _ if used >= limit - limit / 8 => Admission::KnownKeys(which),
            _ => Admission::All,
        }
    }

    /// Tells the other partitions what this one takes.
    pub(super) fn settle(&mut self, used: usize) {
        let Some(budget) = &self.budget else { return };
        let excess = used.saturating_sub(budget.share());
        if excess > self.excess {
            budget.excess.fetch_add(excess - self.excess, Ordering::Relaxed);
        } else if excess < self.excess {
            budget.excess.fetch_sub(self.excess - excess, Ordering::Relaxed);
        }
        self.excess = excess;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.settle(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(budget: usize, count: usize) -> Vec<Room> {
        let budget = Arc::new(Budget::new(budget));
        budget.divide(count);
        let room = |_| {
            let mut room = Room::default();
            room.share(Arc::clone(&budget));
            room
        };
        (0..count).map(room).collect()
    }

    #[test]
    fn known_keys_are_let_in_for_longer() {
        let room = Room::default();
        assert_eq!(room.admission(874, 1_000), Admission::All);
        assert_eq!(room.admission(875, 1_000), Admission::KnownKeys(Limit::Partition));
        assert_eq!(room.admission(1_000, 1_000), Admission::Nobody(Limit::Partition));
    }

    #[test]
    fn one_partition_may_take_its_share_and_the_common_half() {
        let rooms = rooms(8_000, 4);
        // A share of 1,000, and seven eighths of 4,000.
        assert_eq!(rooms[0].admission(4_499, usize::MAX), Admission::All);
        assert_eq!(rooms[0].admission(4_500, usize::MAX), Admission::KnownKeys(Limit::Budget));
        assert_eq!(rooms[0].admission(5_000, usize::MAX), Admission::Nobody(Limit::Budget));
    }

    #[test]
    fn a_flood_leaves_the_others_their_shares() {
        let mut rooms = rooms(8_000, 4);
        rooms[0].settle(5_000);
        assert_eq!(rooms[1].admission(999, usize::MAX), Admission::All);
        assert_eq!(rooms[1].admission(1_001, usize::MAX), Admission::Nobody(Limit::Budget));
        rooms[0].settle(1_000);
        assert_eq!(rooms[1].admission(1_001, usize::MAX), Admission::All);
    }

    #[test]
    fn a_partition_that_is_given_up_takes_nothing_any_more() {
        let mut rooms = rooms(8_000, 4);
        rooms[0].settle(5_000);
        drop(rooms.remove(0));
        assert_eq!(rooms[0].admission(4_000, usize::MAX), Admission::All);
    }
}
