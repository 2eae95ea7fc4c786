//! The two lanes of a detector, by name, and which of them a rule runs in.

use std::ops::{Index, IndexMut};

use super::lane::Lane;

/// A lane, named by where its state is rebuilt from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneName {
    /// From the input.
    Input,
    /// From the journal; the lane has no rules if there is no journal.
    Journal,
}

impl LaneName {
    pub(super) const BOTH: [Self; 2] = [Self::Input, Self::Journal];
}

/// One thing for each lane.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ByLane<T> {
    pub(super) input: T,
    pub(super) journal: T,
}

/// The lanes.
///
/// INVARIANT: every rule has its place in one of them.
pub(super) type Lanes = ByLane<Lane>;

/// Where a rule runs: its lane, and its index there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) lane: LaneName,
    pub(super) index: usize,
}

impl<T> ByLane<T> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        [&self.input, &self.journal].into_iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        [&mut self.input, &mut self.journal].into_iter()
    }
}

impl<T> Index<LaneName> for ByLane<T> {
    type Output = T;

    fn index(&self, name: LaneName) -> &T {
        match name {
            LaneName::Input => &self.input,
            LaneName::Journal => &self.journal,
        }
    }
}

impl<T> IndexMut<LaneName> for ByLane<T> {
    fn index_mut(&mut self, name: LaneName) -> &mut T {
        match name {
            LaneName::Input => &mut self.input,
            LaneName::Journal => &mut self.journal,
        }
    }
}
