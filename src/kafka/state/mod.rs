//! What the threads of the Kafka side know together: health, leases, memory, topics as seen.
//!
//! Every thread has the one [`Shared`] and goes through its parts: `shared.leases` before it commits,
//! `shared.requests` when the poll thread is to act, `shared.health` when something is wrong.
//! Nothing here knows the client or asks a broker. Of all this only a [`Sampler`] sees records.

pub(in crate::kafka) mod alignment;
pub(in crate::kafka) mod clock;
pub(in crate::kafka) mod failpoint;
mod hashes;
pub mod health;
mod journal_ends;
mod leases;
mod lock;
mod memory;
mod offsets;
pub mod partitions;
mod placement;
mod poisoned;
mod requests;
mod shared;
mod topics;
mod warm;

pub(super) use health::{Concern, Degradation, Health, Heart};
pub(super) use journal_ends::JournalEnds;
pub(super) use leases::{Lease, Leases};
pub(super) use lock::lock;
pub(super) use memory::OutputRoom;
pub(super) use offsets::{Committed, Log};
pub(super) use partitions::{PartitionState, Partitions, name};
pub(super) use placement::Sampler;
pub(super) use shared::Shared;
pub(super) use topics::Output;
