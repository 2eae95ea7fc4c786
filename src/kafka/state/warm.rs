//! State of partitions that were given up, kept for a while: it is as good as new if a partition
//! comes back before anybody else has committed anything for it.
//!
//! Pure: never reads a clock. Never keeps more than it may, in time and in bytes.

use std::collections::HashMap;

use super::offsets::Committed;
use crate::detect::Origin;

/// The states that are kept.
pub(in crate::kafka) struct Store<S> {
    kept: HashMap<Origin, Kept<S>>,
    /// For how long a state is kept, in milliseconds.
    keep_for: u64,
    /// How many bytes all of them may hold together.
    max_bytes: usize,
}

struct Kept<S> {
    state: S,
    /// What the state is that of.
    committed: Committed,
    bytes: usize,
    since: u64,
}

impl<S> Store<S> {
    /// Returns a store without any state; one that keeps for no time keeps nothing.
    pub(in crate::kafka) fn new(keep_for: u64, max_bytes: usize) -> Self {
        Self { kept: HashMap::new(), keep_for, max_bytes }
    }

    /// Keeps the state of a partition as it was when this was committed, if there is room.
    ///
    /// Older ones make room: they will be dropped first anyway.
    pub(in crate::kafka) fn keep(
        &mut self,
        origin: Origin,
        state: S,
        committed: Committed,
        bytes: usize,
        now: u64,
    ) {
        if self.keep_for == 0 || bytes > self.max_bytes {
            return;
        }
        while self.bytes() + bytes > self.max_bytes {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.since);
            let Some(oldest) = oldest.map(|(origin, _)| origin.clone()) else { break };
            self.kept.remove(&oldest);
        }
        self.kept.insert(origin, Kept { state, committed, bytes, since: now });
    }

    /// Takes out what is kept of a partition, and returns it if that is the state of exactly what is
    /// committed now: position and metadata.
    pub(in crate::kafka) fn take(
        &mut self,
        origin: &Origin,
        committed: Option<&Committed>,
        now: u64,
    ) -> Option<S> {
        let kept = self.kept.remove(origin)?;
        let is_fresh = now.saturating_sub(kept.since) <= self.keep_for;
        // The metadata names the cut and who made it: equal text is the same cut.
        (is_fresh && !kept.committed.metadata.is_empty() && committed == Some(&kept.committed))
            .then_some(kept.state)
    }

    /// Drops what has been kept for long enough.
    pub(in crate::kafka) fn expire(&mut self, now: u64) {
        let keep_for = self.keep_for;
        self.kept.retain(|_, kept| now.saturating_sub(kept.since) <= keep_for);
    }

    /// Returns how many states are kept.
    pub(in crate::kafka) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Returns how many bytes of records they hold.
    pub(in crate::kafka) fn bytes(&self) -> usize {
        self.kept.values().map(|kept| kept.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(partition: i32) -> Origin {
        Origin { topic: "t".into(), partition }
    }

    fn committed(position: i64, metadata: &str) -> Committed {
        Committed { position, metadata: metadata.to_owned() }
    }

    fn with_one() -> Store<&'static str> {
        let mut store = Store::new(60_000, 100);
        store.keep(origin(0), "state", committed(5, "cut=7"), 10, 1_000);
        store
    }

    #[test]
    fn state_comes_back_if_nothing_was_committed_since() {
        let same = committed(5, "cut=7");
        assert_eq!(with_one().take(&origin(0), Some(&same), 61_000), Some("state"));
        for other in [committed(6, "cut=7"), committed(5, "cut=8"), committed(5, "")] {
            let mut store = with_one();
            assert_eq!(store.take(&origin(0), Some(&other), 2_000), None, "{other:?}");
            assert_eq!(store.take(&origin(0), Some(&same), 2_000), None, "it is dropped");
        }
        assert_eq!(with_one().take(&origin(0), None, 2_000), None);
        assert_eq!(with_one().take(&origin(1), Some(&same), 2_000), None);
    }

    #[test]
    fn position_without_metadata_proves_nothing() {
        let mut store = Store::new(60_000, 100);
        store.keep(origin(0), "state", committed(5, ""), 10, 0);
        assert_eq!(store.take(&origin(0), Some(&committed(5, "")), 0), None);
    }

    #[test]
    fn state_is_dropped_in_time() {
        let same = committed(5, "cut=7");
        assert_eq!(with_one().take(&origin(0), Some(&same), 61_001), None);
        let mut store = with_one();
        store.expire(61_000);
        assert_eq!(store.len(), 1);
        store.expire(61_001);
        assert_eq!((store.len(), store.bytes()), (0, 0));
    }

    #[test]
    fn older_state_makes_room() {
        let mut store = with_one();
        store.keep(origin(1), "second", committed(1, "a"), 80, 2_000);
        store.keep(origin(2), "third", committed(1, "a"), 20, 3_000);
        assert_eq!((store.len(), store.bytes()), (2, 100));
        store.keep(origin(3), "too large", committed(1, "a"), 101, 4_000);
        assert_eq!(store.take(&origin(3), Some(&committed(1, "a")), 4_000), None);
        assert_eq!(store.take(&origin(2), Some(&committed(1, "a")), 4_000), Some("third"));
    }

    #[test]
    fn nothing_is_kept_for_no_time() {
        let mut store = Store::new(0, 100);
        store.keep(origin(0), "state", committed(5, "cut=7"), 10, 0);
        assert_eq!(store.len(), 0);
    }
}
