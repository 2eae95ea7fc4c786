//! The journal topic, and a thread that reads a partition of it for a worker.
//!
//! [`Reader::spawn`] starts the thread; [`Reader::read`] asks for a partition, and the [`Reading`] brings
//! [`Batch`]es until [`Batch::End`]. The thread never joins the group and never commits. It reads what is
//! committed up to where the partition ended when it was asked, and waits for transactions that were
//! open then: what an earlier owner has committed may not be visible yet.

mod reader;
mod request;
mod work;

pub(super) use reader::{Reader, Reading};
pub(super) use request::Batch;
