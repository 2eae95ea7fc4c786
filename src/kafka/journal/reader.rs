//! The way to a thread that reads a partition of the journal for a worker.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};

use super::request::{Batch, Request};
use super::work::Work;
use crate::detect::Origin;
use crate::kafka::state::Shared;

/// Most batches that wait for the worker.
const BATCHES: usize = 4;

/// A partition of the journal that is being read.
pub(in crate::kafka) struct Reading {
    pub(in crate::kafka) batches: Receiver<Batch>,
    /// Whoever drops it is not interested any more.
    _interest: Arc<()>,
}

/// The way to a thread that reads the journal; it ends when this is dropped.
pub(in crate::kafka) struct Reader(Sender<Request>);

impl Reader {
    /// Starts a thread.
    pub(in crate::kafka) fn spawn(number: usize, shared: &Arc<Shared>) -> std::io::Result<Self> {
        let (requests, inbox) = channel();
        let thread = Work::new(Arc::clone(shared));
        std::thread::Builder::new()
            .name(format!("journal-{number}"))
            .spawn(move || thread.run(&inbox))?;
        Ok(Self(requests))
    }

    /// Asks for a partition's entries from a place on, or only for its end; the calling thread is
    /// woken when there is something.
    pub(in crate::kafka) fn read(&self, origin: &Origin, from: Option<i64>) -> Reading {
        let (sender, batches) = sync_channel(BATCHES);
        let interest = Arc::new(());
        let request = Request {
            origin: origin.clone(),
            from,
            batches: sender,
            interest: Arc::downgrade(&interest),
            waker: std::thread::current(),
        };
        // The thread has not ended: it does so only when this is dropped.
        drop(self.0.send(request));
        Reading { batches, _interest: interest }
    }
}
