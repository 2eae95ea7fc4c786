//! What is committed beside an offset, and how a partition's state is rebuilt from it.
//!
//! The state itself is never written. A checkpoint says from which record to read again, and what the
//! clock showed there; reading up to the committed offset gives the state anew, as what is held
//! depends on nothing but what was delivered within the last three spans of the pace, four with an
//! absence.
//!
//! - `replay` notes, as records come, where a replay may begin.
//! - `checkpoint` is the committed text: explicit, versioned, below the 4,096 bytes that Kafka keeps;
//!   `earlier` reads those of former versions.
//! - `journal` is the form in which events of rules with a long maxspan are kept.

pub(crate) mod checkpoint;
mod earlier;
pub(crate) mod journal;
pub(crate) mod replay;
pub(crate) mod windows;

pub use journal::JournalRecord;

use checkpoint::{Checkpoint, Parts};

/// Reads a committed text of this version or of an earlier one; the error says what is wrong with it.
pub(crate) fn read(text: &str) -> Result<Checkpoint, String> {
    let parts = Parts::of(text);
    match parts.format {
        checkpoint::FORMAT => Checkpoint::read(&parts),
        earlier::FORMAT | earlier::FORMAT_WITH_JOURNAL => earlier::read(&parts),
        other if other.starts_with("maxspan") => {
            Err("the committed metadata is a newer format".to_owned())
        }
        _ => Err("the committed metadata is foreign text".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn foreign_and_newer_texts_are_told_apart() {
        let message = |text: &str| super::read(text).unwrap_err();
        assert_eq!(message("offsets of something"), "the committed metadata is foreign text");
        assert_eq!(message("maxspan4;cut=1"), "the committed metadata is a newer format");
    }
}
