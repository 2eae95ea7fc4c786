//! The journal topic, and the threads that read partitions of it for the workers.
//!
//! [`Reader::spawn`] starts the threads; [`Reader::read`] asks for a partition, and the [`Reading`] brings
//! [`Batch`]es until [`Batch::End`]. All threads share one client, which is open only while it is needed.
//! They never join the group and never commit. They read what is committed up to where the partition
//! ended when it was asked, and wait for transactions that were open then: what an earlier owner has
//! committed may not be visible yet.

mod on_demand;
mod reader;
mod request;
mod work;

pub(super) use reader::{Reader, Reading};
pub(super) use request::Batch;
