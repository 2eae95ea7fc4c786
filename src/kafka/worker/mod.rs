//! A worker: a thread that owns some partitions and their detectors, without locks.
//!
//! [`Handle::spawn`] starts one; everything else is a [`Command`]: it adopts a partition, cuts, accepts
//! what is committed, and releases the partition. Never writes to Kafka: it hands cuts over and forgets
//! output when it is told to.

mod command;
mod handle;
mod idle;
mod partition;
mod thread;
mod waiting;

pub(super) use command::{Adoption, Command, Keep};
pub(super) use handle::{Handle, index_of};
