//! What the Kafka crate does not offer in safe form: batches of a partition's own queue, commits
//! with a deadline and an answer per partition, metadata that need not be UTF-8, and batches
//! unpacked in one pass.
//!
//! Never decides anything. The only files with unsafe code.
#![expect(unsafe_code, reason = "librdkafka's batch, queue and metadata calls have no safe form")]

mod bell;
mod commit;
mod entries;
mod generation;
mod queue;
mod unpack;

pub(super) use bell::Bell;
pub(in crate::kafka) use commit::PendingCommit;
pub(super) use entries::{Entry, entries_of};
pub(super) use generation::generation_of;
pub(in crate::kafka) use queue::{Headers, Item, PartitionQueue, Records};
pub(super) use unpack::install as install_unpacking;
