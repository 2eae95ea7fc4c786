//! What the threads of the consumer share. Not on the event path.
//!
//! Never holds a lock while it calls the client, except to order a commit before a revocation.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::mpsc::UnboundedSender;

use super::health::{Degradation, Health, Partitions, lock, now_millis};
use super::journal::Ends;
use super::placement::Placement;
use super::settings::Settings;
use super::start::Committed;
use super::warm::Store;
use crate::alert::Renderer;
use crate::detect::{self, Budget, Detector, Engine, Origin, Rekey};
use crate::event::TimeSpan;
use crate::metrics::Metrics;
use crate::rule::set::RuleSet;

/// What the threads of the consumer share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    /// What makes detectors, but for how rules are re-keyed.
    engine: Engine,
    /// What writes their output.
    pub(super) renderer: Renderer,
    /// The memory that all partitions share.
    pub(super) budget: Arc<Budget>,
    pub(super) health: Arc<Health>,
    pub(super) partitions: Arc<Partitions>,
    pub(super) metrics: Arc<Metrics>,
    /// Where our last entries stand in the journal.
    pub(super) journal_ends: Arc<Ends>,
    /// Where records lie.
    pub(super) placement: Arc<Placement>,
    /// Partitions whose positions we may commit.
    ///
    /// INVARIANT: commits are enqueued while this is locked, and a partition is taken out before
    /// it is unassigned; both stand in one queue of the client, so that no commit of ours reaches
    /// the broker after the partition has a new owner.
    pub(super) owned: Mutex<Vec<Origin>>,
    /// State of partitions that were given up.
    kept: Mutex<Store<Detector>>,
    kept_count: AtomicUsize,
    /// Topics that cannot be read as streams.
    refused_topics: Mutex<Vec<String>>,
    /// Whether it was said that rules are new.
    new_rules_told: AtomicBool,
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
        engine: Engine,
        renderer: Renderer,
        metrics: Arc<Metrics>,
        failures: UnboundedSender<String>,
    ) -> Self {
        let health = Arc::new(Health::default());
        health.set_replay_budget(settings.replay_budget);
        let keep_for = u64::try_from(settings.warm_resume.as_millis()).unwrap_or(u64::MAX);
        let max_total_bytes = engine.options().max_total_bytes;
        let kept = Mutex::new(Store::new(keep_for, max_total_bytes / 4));
        Self {
            kept,
            kept_count: AtomicUsize::new(0),
            refused_topics: Mutex::default(),
            new_rules_told: AtomicBool::new(false),
            settings,
            budget: Arc::new(Budget::new(max_total_bytes)),
            engine,
            renderer,
            health,
            partitions: Arc::default(),
            metrics,
            journal_ends: Arc::default(),
            placement: Arc::default(),
            owned: Mutex::default(),
            restarts: Mutex::default(),
            rekey_partitions: OnceLock::new(),
            rejoin: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            missing_topics: Mutex::new(Some("no broker has named the topics yet".to_owned())),
            failures,
        }
    }

    /// Returns for how long the journal must keep entries for the rules that need it; nothing if
    /// none does.
    pub(super) fn journal_memory(&self) -> Option<TimeSpan> {
        detect::journal_memory(self.engine.rules(), self.engine.options())
    }

    /// Returns the rules.
    pub(super) fn rules(&self) -> &RuleSet {
        self.engine.rules()
    }

    /// Returns how detectors run, but for how rules are re-keyed.
    pub(super) fn options(&self) -> &detect::Options {
        self.engine.options()
    }

    /// Returns what makes detectors: how rules are re-keyed is known once the topic is.
    pub(super) fn engine(&self) -> Engine {
        let rekey = &self.settings.rekey;
        let rekeyed = self.rekey_partitions.get().map(|partitions| Rekey {
            topic: rekey.topic.as_str().into(),
            partitions: *partitions,
            idle_timeout: rekey.idle_timeout,
            max_record_bytes: rekey.max_record_bytes,
        });
        self.engine.clone().with_rekeying(rekeyed)
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

    /// Notes that something makes detection worse; tells whether that is news.
    pub(super) fn degrade(&self, what: Degradation, topic: &str, message: String) -> bool {
        let is_news = self.health.degrade(what, topic, message);
        self.count_degraded(what);
        is_news
    }

    /// Notes that something is well again; tells whether it was not.
    pub(super) fn recover(&self, what: Degradation, topic: &str) -> bool {
        let was_degraded = self.health.recover(what, topic);
        self.count_degraded(what);
        was_degraded
    }

    fn count_degraded(&self, what: Degradation) {
        let count = i64::try_from(self.health.degraded_topics(what)).unwrap_or(i64::MAX);
        self.metrics.kafka.degraded.with_label_values(&[what.name()]).set(count);
    }

    /// Keeps the state of a partition that is given up, as it was when this was committed.
    pub(super) fn keep(&self, origin: &Origin, detector: Detector, committed: Committed) {
        let bytes = detector.held().bytes;
        let mut kept = lock(&self.kept);
        kept.keep(origin.clone(), detector, committed, bytes, now_millis());
        self.count_kept(&kept);
    }

    /// Returns the state of a partition that comes back, if it is that of what is committed.
    pub(super) fn take_kept(
        &self,
        origin: &Origin,
        committed: Option<&Committed>,
    ) -> Option<Detector> {
        let mut kept = lock(&self.kept);
        let found = kept.take(origin, committed, now_millis());
        self.count_kept(&kept);
        found
    }

    /// Drops the state of partitions that have not come back.
    pub(super) fn expire_kept(&self) {
        let mut kept = lock(&self.kept);
        kept.expire(now_millis());
        self.count_kept(&kept);
    }

    fn count_kept(&self, kept: &Store<Detector>) {
        let signed = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.metrics.kafka.kept.set(signed(kept.len()));
        self.metrics.kafka.kept_bytes.set(signed(kept.bytes()));
        self.kept_count.store(kept.len(), Ordering::Relaxed);
        self.divide_memory();
    }

    /// Divides the memory among the partitions that are ours and those whose state is kept.
    pub(super) fn divide_memory(&self) {
        let owned = lock(&self.owned).len();
        self.budget.divide(owned + self.kept_count.load(Ordering::Relaxed));
    }

    /// Notes which topics cannot be read as streams; tells whether that is news.
    pub(super) fn set_refused_topics(&self, topics: Vec<String>) -> bool {
        let mut refused = lock(&self.refused_topics);
        let is_news = *refused != topics;
        *refused = topics;
        is_news
    }

    /// Returns the topics to subscribe to.
    pub(super) fn topics_to_read(&self) -> Vec<String> {
        let refused = lock(&self.refused_topics);
        let topics = self.settings.subscription().into_iter().map(str::to_owned);
        topics.filter(|topic| !refused.contains(topic)).collect()
    }

    /// Tells whether it has not been said yet that rules are new.
    pub(super) fn is_first_to_tell_new_rules(&self) -> bool {
        !self.new_rules_told.swap(true, Ordering::Relaxed)
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
