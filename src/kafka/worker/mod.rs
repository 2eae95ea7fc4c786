//! A worker: a thread that owns some partitions and their detectors, without locks.
//!
//! [`Handle::spawn`] starts one; everything else is a [`Command`]: it adopts a partition, cuts, accepts
//! what is committed, and releases the partition. Never writes to Kafka: it hands cuts over, when it is asked to
//! or by its [`Summons`] when alerts wait, and forgets output when it is told to.

mod command;
mod handle;
mod idle;
mod partition;
mod summons;
mod thread;
mod turn;
mod waiting;

pub(super) use command::{Accepted, Adoption, Command, Cuts, Keep};
pub(super) use handle::Handle;
pub(super) use summons::Summons;
#[cfg(test)]
pub(super) use thread::Worker;
