//! Which partitions are ours: only their positions may be committed.
//!
//! A partition is taken with [`Leases::take`] when the client has accepted it, and ended with
//! [`Leases::end`] before it is unassigned. Whoever commits does so within [`Leases::with_held`].

use std::sync::Mutex;

use super::lock::lock;
use crate::detect::Origin;

/// The partitions whose positions we may commit.
///
/// INVARIANT: commits are enqueued while this is locked, and a partition is taken out before it is
/// unassigned. Both stand in one queue of the client, so that no commit of ours reaches the broker
/// after the partition has a new owner.
#[derive(Default)]
pub(in crate::kafka) struct Leases(Mutex<Vec<Origin>>);

impl Leases {
    /// Notes that a partition is ours.
    pub(in crate::kafka) fn take(&self, origin: &Origin) {
        lock(&self.0).push(origin.clone());
    }

    /// Notes that partitions are not ours any more; returns when no commit of theirs is being
    /// enqueued.
    pub(in crate::kafka) fn end(&self, origins: &[Origin]) {
        lock(&self.0).retain(|origin| !origins.contains(origin));
    }

    /// Does something with the partitions that are ours, and that stay so meanwhile.
    ///
    /// Must not wait: whoever ends a lease waits for it.
    pub(in crate::kafka) fn with_held<T>(&self, act: impl FnOnce(&[Origin]) -> T) -> T {
        act(&lock(&self.0))
    }

    /// Returns those of the partitions that are ours.
    pub(in crate::kafka) fn held_among(&self, origins: Vec<Origin>) -> Vec<Origin> {
        self.with_held(|held| origins.into_iter().filter(|origin| held.contains(origin)).collect())
    }

    /// Returns how many partitions are ours.
    pub(in crate::kafka) fn len(&self) -> usize {
        lock(&self.0).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_lease_is_not_held_any_more() {
        let origin = |partition| Origin { topic: "t".into(), partition };
        let leases = Leases::default();
        leases.take(&origin(0));
        leases.take(&origin(1));
        leases.end(&[origin(0), origin(2)]);
        assert_eq!(leases.held_among(vec![origin(0), origin(1)]), [origin(1)]);
        assert_eq!(leases.len(), 1);
    }
}
