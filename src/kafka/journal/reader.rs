//! The way to the threads that read partitions of the journal for the workers.

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

/// The way to the threads that read the journal; they end when the last of these is dropped.
#[derive(Clone)]
pub(in crate::kafka) struct Reader(Sender<Request>);

impl Reader {
    /// Starts as many threads as partitions are to be read at the same time; all of them share a client.
    pub(in crate::kafka) fn spawn(shared: &Arc<Shared>, threads: usize) -> std::io::Result<Self> {
        let (requests, inbox) = channel();
        let work = Work::new(Arc::clone(shared), inbox);
        for number in 0..threads {
            let work = work.clone();
            let thread = std::thread::Builder::new().name(format!("journal-{number}"));
            thread.spawn(move || work.run())?;
        }
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
        // The threads have not ended: they do so only when this is dropped.
        drop(self.0.send(request));
        Reading { batches, _interest: interest }
    }
}
