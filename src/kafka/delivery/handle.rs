//! The way to the committer, and its end of that way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use super::cuts::Cuts;
use super::way::PATIENCE;
use crate::detect::Origin;
use crate::kafka::worker::{Cuts as Answer, Summons};
use crate::transaction::Bundle;

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

/// What workers and the committer tell each other without a request.
struct Signs {
    /// Whether the committer has been asked to come soon.
    is_raised: AtomicBool,
    /// Whether the committer has nothing to do and would take cuts at once.
    is_free: AtomicBool,
    /// By worker: whether it has output that should not wait for a regular commit.
    waiting: Box<[AtomicBool]>,
}

/// One worker's way to the committer.
pub(in crate::kafka) struct Nudge {
    worker: usize,
    requests: SyncSender<Request>,
    signs: Arc<Signs>,
    cuts: Sender<Answer>,
}

impl Nudge {
    fn raise(&self) {
        if !self.signs.is_raised.swap(true, Ordering::Relaxed) {
            // A full channel means that the committer is about to come anyway.
            drop(self.requests.try_send(Request::Nudge));
        }
    }
}

impl Summons for Nudge {
    fn is_free(&self) -> bool {
        self.signs.is_free.load(Ordering::Relaxed)
    }

    fn hand_over(&self, bundles: Vec<Bundle>) {
        let cuts = Answer { worker: self.worker, bundles, is_answer: false };
        // Only a process that ends has no committer any more.
        drop(self.cuts.send(cuts));
        self.raise();
    }

    fn call(&self) {
        self.signs.waiting[self.worker].store(true, Ordering::Relaxed);
        self.raise();
    }
}

/// The way to the committer.
pub(in crate::kafka) struct Handle {
    requests: SyncSender<Request>,
    signs: Arc<Signs>,
    cuts: Sender<Answer>,
}

/// The committer's end of that way, until it starts.
pub(in crate::kafka) struct Inbox {
    requests: Receiver<Request>,
    signs: Arc<Signs>,
    pub(super) cuts: Cuts,
}

/// Returns both ends of the way to a committer that so many workers use.
pub(in crate::kafka) fn inbox(workers: usize) -> (Handle, Inbox) {
    let (requests, receiver) = sync_channel(REQUESTS);
    let signs = Arc::new(Signs {
        is_raised: AtomicBool::new(false),
        is_free: AtomicBool::new(false),
        waiting: (0..workers).map(|_| AtomicBool::new(false)).collect(),
    });
    let (cuts, answers) = channel();
    let inbox = Inbox {
        requests: receiver,
        signs: Arc::clone(&signs),
        cuts: Cuts::new(workers, cuts.clone(), answers),
    };
    (Handle { requests, signs, cuts }, inbox)
}

impl Handle {
    /// Returns what a worker uses to have something committed soon.
    pub(in crate::kafka) fn nudge(&self, worker: usize) -> Box<dyn Summons> {
        let (requests, signs) = (self.requests.clone(), Arc::clone(&self.signs));
        Box::new(Nudge { worker, requests, signs, cuts: self.cuts.clone() })
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
        self.signs.is_free.store(false, Ordering::Relaxed);
        self.signs.is_raised.store(false, Ordering::Relaxed);
    }

    /// Notes whether cuts would be taken at once.
    pub(super) fn set_free(&self, is_free: bool) {
        self.signs.is_free.store(is_free, Ordering::Relaxed);
    }

    /// Returns which workers have said that output waits with them, once.
    pub(super) fn take_waiting(&self) -> Vec<bool> {
        let waiting = self.signs.waiting.iter();
        waiting.map(|waits| waits.swap(false, Ordering::Relaxed)).collect()
    }
}
