//! The committer: a thread that collects cuts, has them delivered, and lets their output be forgotten.
//!
//! Never touches a detector. How cuts become durable is decided by a [`Way`].

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::handle::{Inbox, Request};
use super::outside::Outside;
use super::way::{PATIENCE, Way};
use crate::detect::Origin;
use crate::kafka::state::failpoint;
use crate::kafka::worker::Command;
use crate::transaction::Bundle;

/// The least time between two cycles that alerts have asked for.
const GAP: Duration = Duration::from_millis(5);
/// The longest sleep between two signs of life.
const MAX_SLEEP: Duration = Duration::from_secs(5);

/// The committer.
pub(in crate::kafka) struct Committer {
    inbox: Inbox,
    outside: Outside,
    delivery: Box<dyn Way>,
    pace: Pace,
}

/// When to try again.
#[derive(Default)]
struct Pace {
    failures: u32,
    not_before: Option<Instant>,
}

impl Committer {
    /// Returns a committer that delivers in this way.
    pub(in crate::kafka) fn new(inbox: Inbox, outside: Outside, delivery: Box<dyn Way>) -> Self {
        Self { inbox, outside, delivery, pace: Pace::default() }
    }

    /// Works until it is told to stop.
    pub(in crate::kafka) fn run(mut self) {
        // Whatever an earlier life has left open is ended before anybody waits for it.
        self.cycle();
        loop {
            self.outside.heart.beat();
            match self.inbox.next(self.sleep()) {
                Ok(Request::Nudge) => self.cycle_unless_backing_off(),
                Ok(Request::Flush(origins, deadline, done)) => {
                    let is_durable = self.flush(&origins, deadline);
                    done.send(is_durable).ok();
                }
                Ok(Request::Discard(origins)) => self.delivery.discard(&origins),
                Err(RecvTimeoutError::Timeout) => self.cycle_unless_backing_off(),
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.outside.shared.health.forget(&self.outside.heart);
    }

    fn sleep(&self) -> Duration {
        let regular = self.outside.shared.settings.commit_interval.min(MAX_SLEEP);
        match self.pace.not_before {
            Some(time) => time.saturating_duration_since(Instant::now()).max(GAP),
            None => regular,
        }
    }

    fn cycle_unless_backing_off(&mut self) {
        if self.pace.not_before.is_none_or(|time| time <= Instant::now()) {
            self.cycle();
        }
    }

    /// Cuts and delivers, as far as it goes this time.
    fn cycle(&mut self) {
        let began = Instant::now();
        self.inbox.lower();
        if self.delivery.takes_more() {
            let bundles = self.collect();
            self.delivery.add(bundles);
        }
        let had_work = !self.delivery.is_idle();
        let is_done = self.delivery.deliver(&self.outside, began + PATIENCE);
        if !is_done {
            self.pace.failures += 1;
            self.pace.not_before = Some(Instant::now() + backoff(self.pace.failures));
            return;
        }
        self.pace = Pace::default();
        if had_work {
            let took = began.elapsed().as_secs_f64();
            self.outside.shared.metrics.kafka.commit_duration.observe(took);
        }
    }

    /// Asks all workers for the cuts of partitions that have none on its way.
    fn collect(&mut self) -> Vec<Bundle> {
        let (reply, answers) = channel();
        for worker in &self.outside.workers {
            worker.send(Command::Cut(reply.clone()));
        }
        drop(reply);
        let deadline = Instant::now() + PATIENCE;
        let mut found = Vec::new();
        for _ in 0..self.outside.workers.len() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(bundles) = answers.recv_timeout(left) else { break };
            found.extend(bundles);
        }
        found
    }

    /// Makes the last cut of partitions durable; false if that did not happen in time.
    fn flush(&mut self, origins: &[Origin], deadline: Instant) -> bool {
        for worker in &self.outside.workers {
            worker.send(Command::Freeze(origins.to_vec()));
        }
        failpoint::reach("in_revoke");
        let mut is_quiet = false;
        while Instant::now() < deadline {
            self.outside.heart.beat();
            let took_more = self.delivery.takes_more();
            self.cycle();
            match (self.delivery.holds(origins), is_quiet && took_more) {
                // The first quiet cycle may have finished an older cut, before the last one.
                (false, true) => return true,
                (false, false) => is_quiet = true,
                (true, _) => {
                    is_quiet = false;
                    std::thread::sleep(GAP);
                }
            }
        }
        false
    }
}

/// Returns how long to wait before the attempt after this many failed ones.
fn backoff(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        n => Duration::from_millis(100 << (n - 1).min(6)).min(Duration::from_secs(5)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_five_seconds() {
        let millis: Vec<u128> = [0, 1, 2, 6, 7, 99].map(|n| backoff(n).as_millis()).into();
        assert_eq!(millis, [0, 100, 200, 3_200, 5_000, 5_000]);
    }
}
