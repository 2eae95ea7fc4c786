//! A request to read a partition of the journal, and its answer in batches.

use std::sync::Weak;
use std::sync::mpsc::SyncSender;
use std::thread::Thread;

use crate::detect::Origin;
use crate::kafka::state::Shared;

/// What is read.
pub(in crate::kafka) enum Batch {
    /// Entries are gone that were asked for.
    Lost,
    /// Entries, each with its place.
    Entries(Vec<(i64, Vec<u8>)>),
    /// That is all; what comes next stands here or later.
    End(i64),
}

/// What to read, for whom.
pub(super) struct Request {
    pub(super) origin: Origin,
    pub(super) from: Option<i64>,
    pub(super) batches: SyncSender<Batch>,
    /// Whether anybody still wants it.
    pub(super) interest: Weak<()>,
    pub(super) waker: Thread,
}

/// Why reading has stopped.
pub(super) enum Stop {
    /// Nobody wants to know any more.
    NotWanted,
    /// The brokers do not answer as they should.
    Fault(String),
}

impl Request {
    pub(super) fn send(&self, batch: Batch) -> Result<(), Stop> {
        let sent = self.batches.send(batch);
        self.waker.unpark();
        sent.map_err(|_| Stop::NotWanted)
    }

    pub(super) fn is_wanted(&self, shared: &Shared) -> Result<(), Stop> {
        match self.interest.strong_count() == 0 || shared.requests.is_stopping() {
            true => Err(Stop::NotWanted),
            false => Ok(()),
        }
    }
}
