//! What the threads of the consumer share. Not on the event path.
//!
//! Never holds a lock while it calls the client, except to order a commit before a revocation.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::mpsc::UnboundedSender;

use super::health::{Health, Partitions, lock};
use super::settings::Settings;
use crate::detect::{Options, Origin, Rekey};
use crate::metrics::Metrics;
use crate::rule::set::RuleSet;

/// What the threads of the consumer share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) rules: Arc<RuleSet>,
    pub(super) options: Options,
    pub(super) health: Arc<Health>,
    pub(super) partitions: Arc<Partitions>,
    pub(super) metrics: Arc<Metrics>,
    /// Partitions whose positions we may commit.
    ///
    /// INVARIANT: commits are enqueued while this is locked, and a partition is taken out before
    /// it is unassigned; both stand in one queue of the client, so that no commit of ours reaches
    /// the broker after the partition has a new owner.
    pub(super) owned: Mutex<Vec<Origin>>,
    /// Partitions whose next record is gone from the log.
    restarts: Mutex<Vec<Origin>>,
    /// How many partitions the topic of re-keyed events had when it was first looked at.
    pub(super) rekey_partitions: OnceLock<i32>,
    /// Whether the group must be joined anew.
    rejoin: AtomicBool,
    stopping: AtomicBool,
    /// What to say about topics that are missing, or not yet looked for.
    missing_topics: Mutex<Option<String>>,
    /// Where the end of the consumer is announced.
    failures: UnboundedSender<String>,
}

impl Shared {
    pub(super) fn new(
        settings: Settings,
        rules: Arc<RuleSet>,
        options: Options,
        metrics: Arc<Metrics>,
        failures: UnboundedSender<String>,
    ) -> Self {
        Self {
            settings,
            rules,
            options,
            health: Arc::default(),
            partitions: Arc::default(),
            metrics,
            owned: Mutex::default(),
            restarts: Mutex::default(),
            rekey_partitions: OnceLock::new(),
            rejoin: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            missing_topics: Mutex::new(Some("no broker has named the topics yet".to_owned())),
            failures,
        }
    }

    /// Returns the options of a detector: how rules are re-keyed is known once the topic is.
    pub(super) fn detector_options(&self) -> Options {
        let rekey = &self.settings.rekey;
        let rekeyed = self.rekey_partitions.get().map(|partitions| Rekey {
            topic: rekey.topic.as_str().into(),
            partitions: *partitions,
            idle_timeout: rekey.idle_timeout,
            max_record_bytes: rekey.max_record_bytes,
        });
        Options { rekey: rekeyed, ..self.options.clone() }
    }

    /// Announces that the consumer cannot go on.
    pub(super) fn fail(&self, reason: impl Into<String>) {
        // Nobody listens any more when the service is already ending.
        drop(self.failures.send(reason.into()));
    }

    /// Asks the poll thread to start a partition where the log starts.
    pub(super) fn ask_for_restart(&self, origin: &Origin) {
        let mut restarts = lock(&self.restarts);
        if !restarts.contains(origin) {
            restarts.push(origin.clone());
        }
    }

    /// Returns the partitions that are to be started where the log starts.
    pub(super) fn take_restarts(&self) -> Vec<Origin> {
        std::mem::take(&mut *lock(&self.restarts))
    }

    /// Asks the poll thread to leave the group and join it again.
    pub(super) fn ask_for_rejoin(&self) {
        self.rejoin.store(true, Ordering::Relaxed);
    }

    /// Tells whether the group must be joined anew, and forgets it.
    pub(super) fn take_rejoin(&self) -> bool {
        self.rejoin.swap(false, Ordering::Relaxed)
    }

    /// Begins the end.
    pub(super) fn stop(&self) {
        self.health.set_stopping();
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Tells whether the end has begun.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Notes what to say about missing topics; nothing if all are there.
    pub(super) fn set_missing_topics(&self, message: Option<String>) {
        *lock(&self.missing_topics) = message;
    }

    /// Returns what to say about missing topics; nothing may be written while there is something,
    /// since writing would make some brokers create them.
    pub(super) fn missing_topics(&self) -> Option<String> {
        lock(&self.missing_topics).clone()
    }
}
