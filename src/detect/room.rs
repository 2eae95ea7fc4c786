//! Room: how much memory the state of a partition may take.
//!
//! A partition has a limit of its own, and all partitions of an instance share a budget: one half is
//! divided evenly among them, so that a flood in one partition never blinds the others; the other half
//! goes to whoever needs more. These are the last line: the quota of each rule comes first, and depends
//! on nothing but the configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::event::admitted::{Ledger, Packer};

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

/// The room of one partition.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// How events are kept.
    ledger: Arc<Ledger>,
    budget: Option<Arc<Budget>>,
    /// Our part of the budget's excess.
    excess: usize,
}

impl Room {
    /// Shares a budget with other partitions.
    pub(super) fn share(&mut self, budget: Arc<Budget>) {
        self.budget = Some(budget);
    }

    /// Packs the events that are kept from now on.
    ///
    /// None may be kept yet.
    pub(super) fn pack(&mut self, packer: Arc<dyn Packer>) {
        debug_assert_eq!(self.kept_bytes(), 0, "these would not be counted any more");
        self.ledger = Arc::new(Ledger::packing(packer));
    }

    /// Returns where the bytes of kept events are counted.
    pub(super) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Returns how many bytes the kept events take.
    pub(super) fn kept_bytes(&self) -> usize {
        self.ledger.bytes()
    }

    /// Returns how many bytes the partition may take, `limit` being its own limit.
    pub(super) fn allowed(&self, limit: usize) -> usize {
        let Some(budget) = &self.budget else { return limit };
        let others = budget.excess.load(Ordering::Relaxed).saturating_sub(self.excess);
        let common = (budget.limit - budget.limit / 2).saturating_sub(others);
        limit.min(budget.share() + common)
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
    fn a_partition_has_a_limit_of_its_own() {
        assert_eq!(Room::default().allowed(1_000), 1_000);
        assert_eq!(rooms(8_000, 4)[0].allowed(1_000), 1_000);
    }

    #[test]
    fn one_partition_may_take_its_share_and_the_common_half() {
        assert_eq!(rooms(8_000, 4)[0].allowed(usize::MAX), 5_000);
    }

    #[test]
    fn a_flood_leaves_the_others_their_shares() {
        let mut rooms = rooms(8_000, 4);
        rooms[0].settle(5_000);
        assert_eq!(rooms[1].allowed(usize::MAX), 1_000);
        rooms[0].settle(1_000);
        assert_eq!(rooms[1].allowed(usize::MAX), 5_000);
    }

    #[test]
    fn a_partition_that_is_given_up_takes_nothing_any_more() {
        let mut rooms = rooms(8_000, 4);
        rooms[0].settle(5_000);
        drop(rooms.remove(0));
        assert_eq!(rooms[0].allowed(usize::MAX), 5_000);
    }
}
