//! The way to the committer, and its end of that way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use super::way::PATIENCE;
use crate::detect::Origin;

/// Most requests that wait for the committer.
const REQUESTS: usize = 64;

/// What the committer is asked to do.
pub(super) enum Request {
    /// An alert waits.
    Nudge,
    /// Cut these partitions for the last time; the answer tells whether all is committed.
    Flush(Vec<Origin>, Instant, Sender<bool>),
    /// End.
    Stop,
}

/// Asks the committer to come soon; costs nothing when it has been asked already.
#[derive(Clone)]
pub(in crate::kafka) struct Nudge {
    requests: SyncSender<Request>,
    is_raised: Arc<AtomicBool>,
}

impl Nudge {
    /// Asks.
    pub(in crate::kafka) fn now(&self) {
        if !self.is_raised.swap(true, Ordering::Relaxed) {
            // A full channel means that the committer is about to come anyway.
            drop(self.requests.try_send(Request::Nudge));
        }
    }
}

/// The way to the committer.
pub(in crate::kafka) struct Handle {
    requests: SyncSender<Request>,
    nudge: Nudge,
}

/// The committer's end of that way, until it starts.
pub(in crate::kafka) struct Inbox {
    requests: Receiver<Request>,
    is_raised: Arc<AtomicBool>,
}

/// Returns both ends of the way to a committer.
pub(in crate::kafka) fn inbox() -> (Handle, Inbox) {
    let (requests, receiver) = sync_channel(REQUESTS);
    let is_raised = Arc::new(AtomicBool::new(false));
    let nudge = Nudge { requests: requests.clone(), is_raised: Arc::clone(&is_raised) };
    (Handle { requests, nudge }, Inbox { requests: receiver, is_raised })
}

impl Handle {
    /// Returns what workers use to ask for a commit.
    pub(in crate::kafka) fn nudge(&self) -> Nudge {
        self.nudge.clone()
    }

    /// Makes the last cut of partitions durable; false if that did not happen in time.
    pub(in crate::kafka) fn flush(&self, origins: Vec<Origin>, patience: Duration) -> bool {
        let (done, answer) = channel();
        let request = Request::Flush(origins, Instant::now() + patience, done);
        let is_sent = self.requests.send(request).is_ok();
        // The committer keeps to the deadline itself; one cycle may overrun it.
        is_sent && answer.recv_timeout(patience + PATIENCE).unwrap_or(false)
    }

    /// Ends the committer.
    pub(in crate::kafka) fn stop(&self) {
        drop(self.requests.send(Request::Stop));
    }
}

impl Inbox {
    /// Waits for the next request.
    pub(super) fn next(&self, timeout: Duration) -> Result<Request, RecvTimeoutError> {
        self.requests.recv_timeout(timeout)
    }

    /// Notes that the committer looks for alerts now: they may be announced anew.
    pub(super) fn lower(&self) {
        self.is_raised.store(false, Ordering::Relaxed);
    }
}
