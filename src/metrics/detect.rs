//! What the rules do with the events: hits, matches, pending sequences.

use prometheus::{CounterVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::{Area, Result};
use crate::detect::{Held, Stats};
use crate::rule::cost::Cost;
use crate::rule::set::RuleSet;
use crate::sequence::Counts;

/// What the rules do with the events.
pub struct DetectMetrics {
    /// Events that satisfied a stage.
    pub admitted: IntCounter,
    /// Matches found.
    pub matches: IntCounterVec,
    /// Matches that gave no alert, because one like them had just left.
    pub suppressed: IntCounterVec,
    /// Sequences started and not finished.
    pub pending: IntGaugeVec,
    /// Bytes of state.
    pub pending_bytes: IntGauge,
    /// Bytes that the state may take.
    pub pending_limit: IntGauge,
    /// Join keys that are kept.
    pub keys: IntGauge,
    /// Pending sequences whose events were held for long enough.
    pub expired: IntCounterVec,
    /// Held events that a limit drove out.
    pub evicted: IntCounterVec,
    /// Pending sequences that a limit ended.
    pub evicted_pending: IntCounterVec,
    /// Join keys that were left out because an event's lists expand to too many.
    pub refused_keys: IntCounter,
    /// Hits that came below the watermark.
    pub late: IntCounter,
    /// Of these, hits of rules with absences that were too late to match.
    pub too_late: IntCounter,
    /// Hits that were put before younger ones.
    pub reordered: IntCounter,
    /// Second deliveries.
    pub duplicates: IntCounter,
    /// Eager matches that a later arrival showed differently.
    pub contradicted: IntCounterVec,
    /// Matches with an absence for which not enough of the past was seen.
    pub undecidable: IntCounterVec,
    /// Conditions that would have taken too much work to decide.
    pub undecided: IntCounterVec,
    /// How often conditions were asked about an event.
    pub rule_evaluations: IntCounterVec,
    /// About how long that took, in seconds.
    pub rule_seconds: CounterVec,
    /// Entries of the journal that were given to rules to rebuild their state.
    pub restored: IntCounter,
    /// What of the journal could not be used, by why.
    pub journal_losses: IntCounterVec,
    /// Advances of idle time that found no room in the commit's metadata.
    pub idle_refused: IntCounter,
}

impl DetectMetrics {
    /// Registers the metrics of this area.
    pub fn register(area: &Area<'_>) -> Result<Self> {
        let by_rule = |name: &str, help: &str| area.counter_vec(name, help, &["rule_id"]);
        Ok(Self {
            admitted: area.counter("events_admitted", "Events that satisfied a stage.")?,
            matches: by_rule("matches", "Matches found; those of replays are not counted.")?,
            suppressed: by_rule(
                "alerts_suppressed",
                "Matches that gave no alert, because one like them had just left.",
            )?,
            pending: area.gauge_vec(
                "pending_sequences",
                "Sequences started and not yet finished.",
                &["rule_id"],
            )?,
            pending_bytes: area
                .gauge("pending_bytes", "Bytes of memory that pending state takes.")?,
            pending_limit: area
                .gauge("pending_limit_bytes", "Bytes of memory that pending state may take.")?,
            keys: area.gauge("keys", "Join keys that are kept, over all rules.")?,
            expired: by_rule(
                "pending_expired",
                "Pending sequences that ended because their events had been held for `hold`.",
            )?,
            evicted: area.counter_vec(
                "pending_evicted",
                "Held events that a limit of `[state]` drove out, those first whose last delivery was \
                 the longest ago.",
                &["rule_id", "limit"],
            )?,
            evicted_pending: by_rule(
                "pending_evicted_sequences",
                "Pending sequences that ended because a limit of `[state]` drove out an event of theirs.",
            )?,
            refused_keys: area.counter(
                "join_keys_refused",
                "Join keys left out because an event's lists expand to more than `max_key_expansion`.",
            )?,
            late: area.counter(
                "late_events",
                "Hits that came below the watermark of their key. Eager rules take them all the same.",
            )?,
            too_late: area.counter(
                "too_late_events",
                "Of the late hits, those of rules with absences that came so late that what forbids \
                 their matches may be gone: they match nothing.",
            )?,
            reordered: area.counter("reordered_events", "Hits put before younger ones.")?,
            duplicates: area.counter("duplicate_events", "Hits delivered more than once.")?,
            contradicted: by_rule(
                "contradicted",
                "Eager matches that a later arrival showed differently.",
            )?,
            undecidable: by_rule(
                "undecidable",
                "Matches with an absence for which not enough of the past was seen, or is still known.",
            )?,
            undecided: by_rule(
                "conditions_undecided",
                "Conditions that would have taken too much work to decide: several fields had very \
                 many values. A stage counts as satisfied then, an exception, absence or until not.",
            )?,
            rule_evaluations: by_rule(
                "rule_evaluations",
                "How often a condition of the rule's stages was asked about an event.",
            )?,
            rule_seconds: area.float_counter_vec(
                "rule_evaluation_seconds",
                "About how long that took: some evaluations are timed, and stand for the others.",
                &["rule_id"],
            )?,
            restored: area.counter(
                "journal_restored",
                "Entries of the journal that were read to rebuild state.",
            )?,
            journal_losses: area.counter_vec(
                "journal_losses",
                "Events that a restart does not know: too large for the journal when they came, or \
                 unreadable when they were read back.",
                &["reason"],
            )?,
            idle_refused: area.counter(
                "idle_refused",
                "Advances of idle time that found no room in the commit's metadata.",
            )?,
        })
    }

    /// Adds what a detector has counted since it was last asked.
    pub fn record(&self, rules: &RuleSet, stats: &Stats) {
        self.admitted.inc_by(stats.admitted);
        self.idle_refused.inc_by(stats.idle_refused);
        self.restored.inc_by(stats.restored);
        for (reason, count) in
            [("too_large", stats.unkept_entries), ("unreadable", stats.unreadable_entries)]
        {
            if count > 0 {
                self.journal_losses.with_label_values(&[reason]).inc_by(count);
            }
        }
        self.refused_keys.inc_by(stats.refused_keys);
        for (rule, counted) in rules.rules().iter().zip(&stats.rules) {
            let of = counted.sequences;
            let id = rule.metadata.id.as_str();
            self.late.inc_by(of.late);
            self.too_late.inc_by(of.too_late);
            self.reordered.inc_by(of.reordered);
            self.duplicates.inc_by(of.duplicates);
            for (counter, count) in [
                (&self.matches, counted.matches),
                (&self.suppressed, counted.suppressed),
                (&self.expired, of.expired),
                (&self.evicted_pending, of.evicted_pending),
                (&self.contradicted, of.contradicted),
                (&self.undecidable, of.undecidable),
                (&self.undecided, counted.undecided),
            ] {
                if count > 0 {
                    counter.with_label_values(&[id]).inc_by(count);
                }
            }
            self.record_evicted(id, of);
            if counted.cost.evaluations > 0 {
                self.record_cost(id, &counted.cost);
            }
        }
    }

    fn record_cost(&self, id: &str, cost: &Cost) {
        self.rule_evaluations.with_label_values(&[id]).inc_by(cost.evaluations);
        self.rule_seconds.with_label_values(&[id]).inc_by(cost.nanos() as f64 / 1e9);
    }

    fn record_evicted(&self, id: &str, of: Counts) {
        for (limit, count) in [
            ("max_candidates_per_key", of.evicted_of_key),
            ("max_rule_share", of.evicted_of_rule),
            ("max_total_bytes", of.evicted_of_instance),
        ] {
            if count > 0 {
                self.evicted.with_label_values(&[id, limit]).inc_by(count);
            }
        }
    }

    /// Replaces what one detector held by what it holds now.
    pub fn replace_held(&self, rules: &RuleSet, before: &Held, now: &Held) {
        self.keys.add(difference(before.keys, now.keys));
        self.pending_bytes.add(difference(before.bytes, now.bytes));
        for (index, rule) in rules.rules().iter().enumerate() {
            let of = |held: &Held| held.pending.get(index).copied().unwrap_or(0);
            let gauge = self.pending.with_label_values(&[rule.metadata.id.as_str()]);
            gauge.add(difference(of(before), of(now)));
        }
    }
}

fn difference(before: usize, now: usize) -> i64 {
    let signed = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    signed(now) - signed(before)
}
