//! Positions to commit, with their metadata.
//!
//! Never decides whether a partition is ours: whoever fills the list does.

use rdkafka::{Offset, TopicPartitionList};

use crate::detect::Origin;

/// Positions for one commit: setting metadata twice would leak, so no list is used again.
#[derive(Default)]
pub(in crate::kafka) struct Positions(pub(super) TopicPartitionList);

impl Positions {
    /// Adds a partition's position.
    pub(in crate::kafka) fn add(&mut self, origin: &Origin, position: i64, metadata: &str) {
        let mut element = self.0.add_partition(&origin.topic, origin.partition);
        // The client refuses negative offsets; a cut has none.
        if element.set_offset(Offset::Offset(position.max(0))).is_ok() {
            element.set_metadata(metadata);
        }
    }

    /// Tells whether there is nothing to commit.
    pub(in crate::kafka) fn is_empty(&self) -> bool {
        self.0.count() == 0
    }
}
