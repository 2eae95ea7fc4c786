//! Which partitions are ours, since when, and which worker has them.
//!
//! A lease is one ownership of a partition. [`Leases::take`] begins one, [`Leases::end`] ends it before the
//! partition is unassigned, and whoever commits does so within [`Leases::with_held`]. A partition that is
//! lost and comes back has another number, so that nothing of the earlier ownership is taken for
//! something of this one: bundles, what is accepted and late answers carry the number.

use std::sync::Mutex;

use super::lock::lock;
use crate::detect::Origin;

/// One ownership of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kafka) struct Lease {
    /// Never the same twice in a process.
    pub(in crate::kafka) number: u64,
    /// The index of the worker that has the partition.
    pub(in crate::kafka) worker: usize,
}

/// The leases that are held.
///
/// INVARIANT: commits are enqueued while this is locked, and a lease is ended before its partition is
/// unassigned. Both stand in one queue of the client, so that no commit of ours reaches the broker
/// after the partition has a new owner.
#[derive(Default)]
pub(in crate::kafka) struct Leases(Mutex<Held>);

/// The leases that are held, and stay so while this is borrowed.
#[derive(Default)]
pub(in crate::kafka) struct Held {
    leases: Vec<(Origin, Lease)>,
    /// Workers that have not said yet that they have let a partition go. The client has one queue for
    /// it: until then nobody else may read from there.
    leaving: Vec<(Origin, usize)>,
    last: u64,
}

impl Held {
    /// Tells whether this ownership of a partition goes on.
    pub(in crate::kafka) fn has(&self, origin: &Origin, number: u64) -> bool {
        self.of(origin).is_some_and(|lease| lease.number == number)
    }

    fn of(&self, origin: &Origin) -> Option<Lease> {
        self.leases.iter().find(|(other, _)| other == origin).map(|(_, lease)| *lease)
    }

    fn begin(&mut self, origin: &Origin, worker: usize) -> Lease {
        self.leases.retain(|(other, _)| other != origin);
        self.last += 1;
        let lease = Lease { number: self.last, worker };
        self.leases.push((origin.clone(), lease));
        lease
    }

    /// Returns the worker that has the fewest partitions.
    fn idlest(&self, workers: usize) -> usize {
        let count =
            |worker: &usize| self.leases.iter().filter(|(_, l)| l.worker == *worker).count();
        (0..workers).min_by_key(count).unwrap_or(0)
    }
}

impl Leases {
    /// Begins a lease, with the worker that has the fewest partitions of so many workers; but with
    /// the one that had the partition before, if that has not let it go yet.
    pub(in crate::kafka) fn take(&self, origin: &Origin, workers: usize) -> Lease {
        let mut held = lock(&self.0);
        let leaving = held.leaving.iter().find(|(other, _)| other == origin);
        let worker = leaving.map_or_else(|| held.idlest(workers), |(_, worker)| *worker);
        held.begin(origin, worker)
    }

    /// Ends the present lease of a partition and begins another with the same worker; nothing if
    /// it is not ours.
    pub(in crate::kafka) fn renew(&self, origin: &Origin) -> Option<Lease> {
        let mut held = lock(&self.0);
        let worker = held.of(origin)?.worker;
        Some(held.begin(origin, worker))
    }

    /// Ends the leases of partitions; returns when no commit of theirs is being enqueued. Their
    /// workers are to let them go: [`Leases::let_go`].
    pub(in crate::kafka) fn end(&self, origins: &[Origin]) {
        let mut held = lock(&self.0);
        let leases = std::mem::take(&mut held.leases);
        let (ended, left): (Vec<_>, Vec<_>) =
            leases.into_iter().partition(|(origin, _)| origins.contains(origin));
        held.leases = left;
        held.leaving.extend(ended.into_iter().map(|(origin, lease)| (origin, lease.worker)));
    }

    /// Ends the leases of partitions that no worker was told of.
    pub(in crate::kafka) fn forget(&self, origins: &[Origin]) {
        lock(&self.0).leases.retain(|(origin, _)| !origins.contains(origin));
    }

    /// Notes that the workers have let partitions go.
    pub(in crate::kafka) fn let_go(&self, origins: &[Origin]) {
        lock(&self.0).leaving.retain(|(origin, _)| !origins.contains(origin));
    }

    /// Does something with the leases that are held, and that stay so meanwhile.
    ///
    /// Must not wait: whoever ends a lease waits for it.
    pub(in crate::kafka) fn with_held<T>(&self, act: impl FnOnce(&Held) -> T) -> T {
        act(&lock(&self.0))
    }

    /// Returns the present lease of a partition.
    pub(in crate::kafka) fn of(&self, origin: &Origin) -> Option<Lease> {
        self.with_held(|held| held.of(origin))
    }

    /// Returns those of the partitions that are ours.
    pub(in crate::kafka) fn held_among(&self, origins: Vec<Origin>) -> Vec<Origin> {
        self.with_held(|held| origins.into_iter().filter(|o| held.of(o).is_some()).collect())
    }

    /// Returns how many partitions are ours.
    pub(in crate::kafka) fn len(&self) -> usize {
        lock(&self.0).leases.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(partition: i32) -> Origin {
        Origin { topic: "t".into(), partition }
    }

    #[test]
    fn ended_lease_is_not_held_any_more() {
        let leases = Leases::default();
        leases.take(&origin(0), 1);
        leases.take(&origin(1), 1);
        leases.end(&[origin(0), origin(2)]);
        assert_eq!(leases.held_among(vec![origin(0), origin(1)]), [origin(1)]);
        assert_eq!(leases.len(), 1);
    }

    #[test]
    fn partition_that_comes_back_has_another_lease() {
        let leases = Leases::default();
        let has = |lease: Lease| leases.with_held(|held| held.has(&origin(0), lease.number));
        let first = leases.take(&origin(0), 1);
        leases.end(&[origin(0)]);
        assert!(!has(first));
        let second = leases.take(&origin(0), 1);
        assert!(!has(first) && has(second));
        let third = leases.renew(&origin(0)).unwrap();
        assert!(!has(second) && has(third));
        assert_eq!((leases.len(), leases.renew(&origin(1))), (1, None));
    }

    #[test]
    fn partitions_go_to_the_worker_that_has_fewest() {
        let leases = Leases::default();
        // All of one worker, if the number of the partition decided.
        let workers = [0, 4, 8, 12].map(|partition| leases.take(&origin(partition), 4).worker);
        assert_eq!(workers, [0, 1, 2, 3]);
        leases.end(&[origin(4)]);
        assert_eq!(leases.take(&origin(16), 4).worker, 1);
        // Its worker has not let it go yet: it has two from now on.
        assert_eq!(leases.take(&origin(4), 4).worker, 1);
        leases.end(&[origin(4)]);
        leases.let_go(&[origin(4)]);
        assert_eq!(leases.take(&origin(4), 4).worker, 0);
    }
}
