//! The committer: a thread that collects cuts, has them delivered, and lets their output be forgotten.
//!
//! Never touches a detector. How cuts become durable is decided by a [`Way`].

use std::sync::mpsc::RecvTimeoutError;
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
/// How long a cycle waits for cuts. A worker's turn is far shorter; whoever takes longer is late.
const CUT_PATIENCE: Duration = Duration::from_millis(200);
/// How often it is looked for a cut that is late.
const LATE_CUT: Duration = Duration::from_millis(20);
/// The longest sleep between two signs of life.
const MAX_SLEEP: Duration = Duration::from_secs(5);

/// The committer.
pub(in crate::kafka) struct Committer {
    inbox: Inbox,
    outside: Outside,
    delivery: Box<dyn Way>,
    /// When all workers were last asked for their cuts.
    all_asked: Instant,
    /// Cuts that came when nobody waited for them any more.
    late: Vec<Bundle>,
    /// How long a cycle waits for cuts.
    cut_patience: Duration,
    pace: Pace,
}

/// Whose cuts a cycle is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// Everybody's.
    All,
    /// Of those with whom alerts wait, and what was handed over: nobody else holds them up.
    Alerts,
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
        Self {
            inbox,
            outside,
            delivery,
            all_asked: Instant::now(),
            late: Vec::new(),
            cut_patience: CUT_PATIENCE,
            pace: Pace::default(),
        }
    }

    /// Returns the same committer that waits for nobody: each cut comes with a later cycle.
    #[cfg(test)]
    pub(in crate::kafka) fn without_patience(self) -> Self {
        Self { cut_patience: Duration::ZERO, ..self }
    }

    /// Works until it is told to stop.
    pub(in crate::kafka) fn run(mut self) {
        // Whatever an earlier life has left open is ended before anybody waits for it.
        self.cycle();
        loop {
            self.outside.heart.beat();
            match self.next_request() {
                Ok(Request::Nudge) => self.cycle_unless_backing_off(Scope::Alerts),
                Ok(Request::Flush(origins, deadline, done)) => {
                    let is_durable = self.flush(&origins, deadline);
                    done.send(is_durable).ok();
                }
                Err(RecvTimeoutError::Timeout) => self.cycle_unless_backing_off(Scope::All),
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.outside.shared.health.forget(&self.outside.heart);
    }

    /// Waits for a request, for the time of the next regular cycle, or for a late cut.
    fn next_request(&mut self) -> Result<Request, RecvTimeoutError> {
        let ends = Instant::now() + self.sleep();
        self.offer();
        loop {
            let left = ends.saturating_duration_since(Instant::now());
            let is_owed = self.inbox.cuts.owing().contains(&true);
            let request = self.inbox.next(if is_owed { left.min(LATE_CUT) } else { left });
            if request.is_ok() || Instant::now() >= ends {
                return request;
            }
            self.late.extend(self.inbox.cuts.gather(&[], Duration::ZERO));
            if !self.late.is_empty() {
                return request;
            }
        }
    }

    /// Tells workers whether their cuts would be taken at once.
    pub(in crate::kafka) fn offer(&self) {
        let is_free = self.delivery.takes_more() && self.pace.not_before.is_none();
        self.inbox.set_free(is_free);
    }

    fn sleep(&self) -> Duration {
        let regular = self.until_all_are_asked().min(MAX_SLEEP);
        match self.pace.not_before {
            Some(time) => time.saturating_duration_since(Instant::now()).max(GAP),
            None => regular,
        }
    }

    /// Returns how long it is until the next regular cycle, however many alerts come in between.
    fn until_all_are_asked(&self) -> Duration {
        let interval = self.outside.shared.settings.commit_interval;
        interval.saturating_sub(self.all_asked.elapsed())
    }

    fn cycle_unless_backing_off(&mut self, scope: Scope) {
        if self.pace.not_before.is_none_or(|time| time <= Instant::now()) {
            let is_regular = scope == Scope::All || self.until_all_are_asked().is_zero();
            self.cycle_over(if is_regular { Scope::All } else { Scope::Alerts });
        }
    }

    /// Cuts everything and delivers, as far as it goes this time.
    pub(in crate::kafka) fn cycle(&mut self) {
        self.cycle_over(Scope::All);
    }

    /// Delivers what alerts wait for, as far as it goes this time.
    #[cfg(test)]
    pub(in crate::kafka) fn cycle_for_alerts(&mut self) {
        self.cycle_over(Scope::Alerts);
    }

    fn cycle_over(&mut self, scope: Scope) {
        let began = Instant::now();
        self.inbox.lower();
        self.delivery.drop_ended(&self.outside.shared.leases);
        if self.delivery.takes_more() {
            let bundles = self.collect(scope);
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

    /// Asks the workers for the cuts of partitions that have none on its way. Returns those whose
    /// lease goes on: a late one may be of a partition that was lost meanwhile.
    fn collect(&mut self, scope: Scope) -> Vec<Bundle> {
        let late_before = self.inbox.cuts.owing().to_vec();
        let waiting = self.inbox.take_waiting();
        if scope == Scope::All {
            self.all_asked = Instant::now();
        }
        self.inbox.cuts.ask(&self.outside.workers, |worker| scope == Scope::All || waiting[worker]);
        let mut bundles = std::mem::take(&mut self.late);
        bundles.extend(self.inbox.cuts.gather(&late_before, self.cut_patience));
        self.outside.shared.leases.with_held(|held| {
            bundles.retain(|bundle| held.has(&bundle.origin, bundle.lease));
        });
        bundles
    }

    /// Tells whether a worker that has one of these partitions owes an answer.
    fn is_owed(&self, origins: &[Origin]) -> bool {
        let leases = &self.outside.shared.leases;
        let mut workers = origins.iter().filter_map(|origin| leases.of(origin));
        workers.any(|lease| self.inbox.cuts.owing()[lease.worker])
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
            // Whoever owes an older answer has not been asked since the partitions were frozen.
            let was_owed = self.is_owed(origins);
            let took_more = self.delivery.takes_more();
            self.cycle();
            let is_whole = took_more && !was_owed && !self.is_owed(origins);
            match (self.delivery.holds(origins), is_quiet && is_whole) {
                // The first quiet cycle may have finished an older cut, before the last one.
                (false, true) => return true,
                (false, false) => {
                    is_quiet = is_whole;
                    if !is_whole {
                        std::thread::sleep(GAP);
                    }
                }
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
