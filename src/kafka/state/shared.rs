//! What the threads of the consumer share. Not on the event path.
//!
//! Never holds a lock while it calls the client, except to order a commit before a revocation
//! ([`Leases`]).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc::UnboundedSender;

use super::clock::now_millis;
use super::health::{Degradation, Health};
use super::journal_ends::JournalEnds;
use super::leases::Leases;
use super::lock::lock;
use super::memory::Memory;
use super::offsets::Committed;
use super::partitions::Partitions;
use super::requests::Requests;
use super::topics::Topics;
use super::warm::Store;
use crate::alert::Renderer;
use crate::detect::{self, Detector, Engine, Origin, Rekey};
use crate::event::TimeSpan;
use crate::kafka::settings::Settings;
use crate::metrics::Metrics;
use crate::rule::set::RuleSet;

/// What the threads of the consumer share: what does not change, and one part for each owner.
pub(in crate::kafka) struct Shared {
    pub(in crate::kafka) settings: Settings,
    /// What makes detectors, but for how rules are re-keyed.
    engine: Engine,
    /// What writes their output.
    pub(in crate::kafka) renderer: Renderer,
    pub(in crate::kafka) metrics: Arc<Metrics>,
    pub(in crate::kafka) health: Arc<Health>,
    pub(in crate::kafka) partitions: Arc<Partitions>,
    pub(in crate::kafka) leases: Leases,
    pub(in crate::kafka) memory: Memory,
    pub(in crate::kafka) topics: Topics,
    pub(in crate::kafka) requests: Requests,
    /// Where our last entries stand in the journal.
    pub(in crate::kafka) journal_ends: Arc<JournalEnds>,
    warm: Warm,
    /// Whether it was said that rules are new.
    new_rules_told: AtomicBool,
}

/// State of partitions that were given up.
struct Warm {
    kept: Mutex<Store<Detector>>,
    /// How many there are, for those who must not wait for the lock.
    count: AtomicUsize,
}

impl Shared {
    pub(in crate::kafka) fn new(
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
        let memory = Memory::new(max_total_bytes, settings.memory.output());
        Self {
            settings,
            engine,
            renderer,
            metrics,
            health,
            partitions: Arc::default(),
            leases: Leases::default(),
            memory,
            topics: Topics::default(),
            requests: Requests::new(failures),
            journal_ends: Arc::default(),
            warm: Warm { kept, count: AtomicUsize::new(0) },
            new_rules_told: AtomicBool::new(false),
        }
    }

    /// Returns for how long the journal must keep entries for the rules that need it; nothing if
    /// none does.
    pub(in crate::kafka) fn journal_memory(&self) -> Option<TimeSpan> {
        detect::journal_memory(self.engine.rules(), self.engine.options())
    }

    /// Returns how far a restart reads the input back, and the rule that has most part in it, of
    /// those whose events are read from there.
    pub(in crate::kafka) fn longest_reach(&self) -> Option<(&str, TimeSpan)> {
        let (rule, reach) = detect::input_memory(self.rules(), self.options())?;
        Some((self.rules().rules()[rule].metadata.id.as_str(), reach))
    }

    /// Returns the rules.
    pub(in crate::kafka) fn rules(&self) -> &RuleSet {
        self.engine.rules()
    }

    /// Returns how detectors run, but for how rules are re-keyed.
    pub(in crate::kafka) fn options(&self) -> &detect::Options {
        self.engine.options()
    }

    /// Returns what makes detectors: how rules are re-keyed is known once the topic is.
    pub(in crate::kafka) fn engine(&self) -> Engine {
        let rekey = &self.settings.rekey;
        let rekeyed = self.topics.rekey_partitions().map(|partitions| Rekey {
            topic: rekey.topic.as_str().into(),
            partitions,
            idle_timeout: rekey.idle_timeout,
            max_record_bytes: rekey.max_record_bytes,
        });
        self.engine.clone().with_rekeying(rekeyed)
    }

    /// Returns the topics to subscribe to: those that can be read as streams.
    pub(in crate::kafka) fn topics_to_read(&self) -> Vec<&str> {
        let mut topics = self.settings.subscription();
        topics.retain(|topic| self.topics.is_readable(topic));
        topics
    }

    /// Tells whether it has not been said yet that rules are new.
    pub(in crate::kafka) fn is_first_to_tell_new_rules(&self) -> bool {
        !self.new_rules_told.swap(true, Ordering::Relaxed)
    }

    /// Begins the end.
    pub(in crate::kafka) fn stop(&self) {
        self.health.set_stopping();
        self.requests.stop();
    }

    /// Notes that something makes detection worse; tells whether that is news.
    pub(in crate::kafka) fn degrade(
        &self,
        what: Degradation,
        topic: &str,
        message: String,
    ) -> bool {
        let is_news = self.health.degrade(what, topic, message);
        self.count_degraded(what);
        is_news
    }

    /// Notes that something is well again; tells whether it was not.
    pub(in crate::kafka) fn recover(&self, what: Degradation, topic: &str) -> bool {
        let was_degraded = self.health.recover(what, topic);
        self.count_degraded(what);
        was_degraded
    }

    fn count_degraded(&self, what: Degradation) {
        let count = i64::try_from(self.health.degraded_topics(what)).unwrap_or(i64::MAX);
        self.metrics.kafka.degraded.with_label_values(&[what.name()]).set(count);
    }

    /// Keeps the state of a partition that is given up, as it was when this was committed.
    pub(in crate::kafka) fn keep(&self, origin: &Origin, detector: Detector, committed: Committed) {
        let bytes = detector.held().bytes;
        let mut kept = lock(&self.warm.kept);
        kept.keep(origin.clone(), detector, committed, bytes, now_millis());
        self.count_kept(&kept);
    }

    /// Returns the state of a partition that comes back, if it is that of what is committed.
    pub(in crate::kafka) fn take_kept(
        &self,
        origin: &Origin,
        committed: Option<&Committed>,
    ) -> Option<Detector> {
        let mut kept = lock(&self.warm.kept);
        let found = kept.take(origin, committed, now_millis());
        self.count_kept(&kept);
        found
    }

    /// Drops the state of partitions that have not come back.
    pub(in crate::kafka) fn expire_kept(&self) {
        let mut kept = lock(&self.warm.kept);
        kept.expire(now_millis());
        self.count_kept(&kept);
    }

    fn count_kept(&self, kept: &Store<Detector>) {
        let signed = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.metrics.kafka.kept.set(signed(kept.len()));
        self.metrics.kafka.kept_bytes.set(signed(kept.bytes()));
        self.warm.count.store(kept.len(), Ordering::Relaxed);
        self.divide_memory();
    }

    /// Divides the memory among the partitions that are ours and those whose state is kept.
    pub(in crate::kafka) fn divide_memory(&self) {
        self.memory.divide(self.leases.len() + self.warm.count.load(Ordering::Relaxed));
    }
}
